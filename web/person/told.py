"""Who that got a person's data was told of it, as their page says."""

from __future__ import annotations

from dsr.person_page import PersonView
from dsr.states import DONE
from policies.clauses import Right
from web.services import services


def told_of(view: PersonView) -> list[tuple[str, str]]:
    """Each recipient and what it came to so far; nothing before our own work is done, but for restrictions, which last."""
    if view.state not in DONE and view.right is not Right.RESTRICTION:
        return []
    return [(one["title"], one["why"]) for one in services().requests.told.say(view.ref, view.language)]
