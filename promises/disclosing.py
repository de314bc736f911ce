"""What the log of disclosures says of a promise about authorities, and what it cannot say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from core.catalogue import mark
from core.clock import day_in
from core.words import full_day, plural
from policies.clauses import RecipientClause
from promises.states import Judgement, State, Unseen
from promises.vouching import Vouched

_OUTSIDE: Final = mark("Something was disclosed that this promise does not name.")
_AFTERWARDS: Final = mark("A disclosure became known after somebody vouched that there were no others.")
_NEEDS_A_WORD: Final = (
    "A log cannot show that nothing is missing in it: somebody has to vouch that there were no others."
)


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One disclosure as the board needs it. `day`: of the disclosure; `at`: when it was written down."""

    day: date
    at: datetime
    categories: tuple[str, ...]
    people: int


@dataclass(frozen=True, kw_only=True)
class DisclosureLog:
    """What stands in the log for one clause, struck out ones apart. `since`: the day on which its version came into force."""

    checked_at: datetime
    since: date
    logged: Sequence[Logged]


def judge_disclosures(
    clause: RecipientClause, log: DisclosureLog, vouched: Vouched | None, *, zone: str
) -> Judgement | Unseen:
    """The log may break the promise; to keep it takes somebody's word too, since a log does not know what it lacks.

    It is broken by what the clause does not name, disclosed since its version is in force, and by a disclosure that was
    written down after somebody vouched for the time in which it was made."""

    def broken(proof: str, public: str) -> Judgement:
        return Judgement(state=State.BROKEN, proof=proof, public=public, checked_at=log.checked_at)

    for one in log.logged:
        outside = [name for name in one.categories if name not in clause.of]
        if outside and one.day >= log.since:
            said = ", ".join(outside)
            return broken(
                f"The disclosure of {full_day(one.day)} gave {said}, which this promise does not name.", _OUTSIDE
            )
    for one in log.logged:
        if vouched is not None and one.at > vouched.at and one.day < day_in(vouched.at, zone):
            day, given = full_day(one.day), full_day(day_in(vouched.at, zone))
            return broken(
                f"The disclosure of {day} was written down after {vouched.name} had vouched on {given} that there were no"
                " others: somebody has to vouch again.",
                _AFTERWARDS,
            )
    return Unseen(why=f"{_say(log)} {_NEEDS_A_WORD}", seen=_say(log))


def _say(log: DisclosureLog) -> str:
    if not log.logged:
        return "No disclosure is recorded."
    people = sum(one.people for one in log.logged)
    last = full_day(max(one.day for one in log.logged))
    number = plural(len(log.logged), "disclosure is", "disclosures are")
    return f"{number} recorded, about {plural(people, 'person', 'people')}, the last of {last}."
