"""What a policy text says that a clause could hold: periods, addresses, recipients, rights, cookies, days and pledges."""

from __future__ import annotations

from policies.facts_names import find_addresses, find_recipients, know
from policies.facts_periods import find_exceptions, find_periods
from policies.facts_pledges import find_collected, find_cookies, find_pledges, find_safeguards
from policies.facts_rights import find_ages, find_days, find_notices, find_regimes, find_rights
from policies.facts_subjects import places
from policies.facts_types import Fact, FactKind, Facts, PeriodRole
from policies.plain_texts import PlainText

__all__ = ["Fact", "FactKind", "Facts", "PeriodRole", "find_facts"]

_FINDERS = (
    find_periods,
    find_exceptions,
    find_addresses,
    find_rights,
    find_cookies,
    find_days,
    find_notices,
    find_ages,
    find_pledges,
    find_safeguards,
    find_collected,
    find_regimes,
)


def find_facts(text: PlainText) -> Facts:
    """Everything found in a text. Nothing is invented: what a finding names stands in its sentence."""
    found: list[Fact] = []
    known = know(text)
    for place in places(text):
        found += find_recipients(place, known)
        for find in _FINDERS:
            found += find(place)
    return Facts(facts=tuple(dict.fromkeys(found)))
