"""How far a request is, as its person sees it: what happened, what happens now, what comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from core.catalogue import mark
from core.words import records
from dsr.person_page import PersonView
from dsr.states import ENDS, State
from dsr.words import LOOKED_THROUGH
from policies.clause_words import plain
from policies.clauses import Right
from web.languages import gettext, page_language

CHECKS: Final = mark("A person checks what was found")
BY_MAIL: Final = mark("You get our answer by mail")
LAST: Final[Mapping[Right, str]] = {
    Right.ACCESS: mark("We put your copy together and tell you by mail"),
    Right.PORTABILITY: mark("We put your copy together and tell you by mail"),
    Right.CORRECTION: mark("We put it right, look again, and tell you what was not"),
    Right.DELETION: mark("We delete, look again, and tell you what is left"),
}
NOW: Final[Mapping[State, str]] = {
    State.RECEIVED: mark("A person looks where your data is"),
    State.PLANNED: CHECKS,
    State.APPROVED: mark("It is about to be done"),
    State.RUNNING: mark("It is being done"),
    State.PARTLY_DONE: mark("Part of it is done, and we are at the rest"),
}


@dataclass(frozen=True, kw_only=True)
class PathItem:
    """One line of the path. `state` '' is still ahead; `at` None where it has no time of its own."""

    state: str
    title: str
    more: str = ""
    at: datetime | None = None
    here: bool = False


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a closed request came to: what was done, what stays with its reason, or an operator's own words."""

    done: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SoFar:
    """How far a deletion is that goes on: what is done, with its number of records, and where something is left."""

    done: tuple[tuple[str, str], ...]
    left: tuple[str, ...]


def tell_so_far(outcome: Mapping[str, Any]) -> SoFar | None:
    """What of a deletion is done and what is not; None where that is not the question."""
    known = outcome.get("so_far")
    if known is None:
        return None
    language = page_language()
    return SoFar(
        done=tuple((_title(name), records(number, language)) for name, number in known["rows"].items()),
        left=tuple(_title(name) for name in known["left"]),
    )


def walk(view: PersonView) -> list[PathItem]:
    """The path of a request: the past with its times, then now, then what is left."""
    items = [_past(one.words, one.at) for one in view.steps]
    if view.state in ENDS:
        return items
    is_by_plan = view.right in LAST
    title = view.status.title
    if view.by_itself:
        title = view.status.title
    elif view.looked_through:
        title = gettext(LOOKED_THROUGH.title)
    elif is_by_plan and view.state in NOW:
        title = gettext(NOW[view.state])
    items.append(PathItem(state="now", title=title, here=True))
    if view.state is State.RECEIVED and is_by_plan and not view.by_itself:
        items.append(PathItem(state="", title=gettext(CHECKS)))
    items.append(PathItem(state="", title=gettext(LAST.get(view.right, BY_MAIL))))
    return items


def tell(right: Right, outcome: Mapping[str, Any]) -> Told:
    """The outcome of an answered request in lines for a person."""
    language = page_language()
    kept: Sequence[Mapping[str, str]] = outcome.get("kept", ()) or outcome.get("gaps", ())
    return Told(
        done=(
            *_counted(right, outcome, language),
            *((one["title"], one["why"]) for one in outcome.get("asked", ())),
        ),
        kept=tuple((one["title"], _why(one)) for one in kept),
        words=tuple(part.strip() for part in outcome.get("by_hand", "").split("\n\n") if part.strip()),
    )


def _counted(right: Right, outcome: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    if right is Right.CORRECTION:  # field by field, not by collection
        return [(one["title"], records(one["count"], language)) for one in outcome.get("corrected", ())]
    rows: Mapping[str, int] = outcome.get("rows", {})
    return [(_title(name), records(number, language)) for name, number in rows.items() if number]


def _past(words: str, at: datetime) -> PathItem:
    title, _, more = words.partition(". ")
    return PathItem(state="kept", title=title.rstrip("."), more=more, at=at)


def _why(line: Mapping[str, str]) -> str:
    until = line.get("until", "")
    return gettext("%(why)s, until %(until)s", why=line["why"], until=until) if until else line["why"]


def _title(collection: str) -> str:
    words = plain(collection)
    return words[:1].upper() + words[1:]
