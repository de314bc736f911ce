"""What pages leave in a browser, held against the cookie clauses: pure rules over what a visit saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from core.words import span
from policies.clauses import CookieClause
from policies.documents import Document

FIRST, THIRD = "first", "third"
# A browser rounds, and a clock is never quite the same as another.
ROUNDED: Final = timedelta(hours=1)
_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)  # a period by the calendar, as a length


class How(StrEnum):
    """What a visit was made with: a browser sees everything, headers alone see the cookies that servers set."""

    BROWSER = "browser"
    HEADERS = "headers"


class Storage(StrEnum):
    """Where something is left, in the words of cookie clauses."""

    COOKIE = "cookie"
    LOCAL = "local storage"
    SESSION = "session storage"


@dataclass(frozen=True, kw_only=True)
class Left:
    """One thing that a page left in the browser; never its value. `lasts` None: until the browser is closed, or for storage."""

    name: str
    storage: Storage
    host: str
    party: str
    where: str
    lasts: timedelta | None = None

    def as_json(self) -> dict[str, Any]:
        lasts = None if self.lasts is None else int(self.lasts.total_seconds())
        return {**vars(self), "storage": self.storage.value, "lasts": lasts}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Left:
        lasts = None if kept["lasts"] is None else timedelta(seconds=kept["lasts"])
        return cls(**{**kept, "storage": Storage(kept["storage"]), "lasts": lasts})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A host of others that a page of `where` asked for something."""

    host: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What a round over the pages saw. `trouble`: a sentence for each page that did not answer; nothing is claimed then."""

    how: How
    pages: int
    left: tuple[Left, ...]
    asked: tuple[Asked, ...] = ()
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CookieLook:
    """The last visit, kept. `places`: what was visited, in the words of the clauses."""

    checked_at: datetime
    places: tuple[str, ...]
    visit: Visit


def is_party(host: str, of: Iterable[str]) -> str:
    """`first` for a host that is one of these or under one, else `third`. A leading `www.` of a page stands for its domain."""
    names = [one.removeprefix("www.").strip(".").lower() for one in of]
    host = host.strip(".").lower()
    return FIRST if any(host == one or host.endswith(f".{one}") for one in names) else THIRD


def compare(clause: CookieClause, document: Document, look: CookieLook, asked: Mapping[str, str]) -> tuple[str, ...]:
    """What the last visit found that speaks against a clause, in sentences; () is as promised.

    Something left without a clause of its own breaks every `none` clause of its party, or, where there is none, the named
    clauses of that party, else all: the promise is that there is no more than these. `asked`: hosts that may be asked, by clause."""
    clauses = document.of_kind(CookieClause)
    found: list[str] = []
    if not clause.none:
        found += [words for one in look.visit.left if _names(clause, one) for words in _differs(clause, one)]
    found += [_say_left(one) for one in look.visit.left if clause in _broken_by(one, clauses)]
    if clause.none and clause.party == THIRD:
        known = {host for host, name in asked.items() if any(one.id == name for one in document.clauses)}
        strangers = {one.host: one for one in look.visit.asked if is_party(one.host, known) == THIRD}
        found += [f"Pages of {one.where} ask {host}, which no clause names." for host, one in sorted(strangers.items())]
    return tuple(dict.fromkeys(found))


def _broken_by(left: Left, clauses: Sequence[CookieClause]) -> Sequence[CookieClause]:
    if any(_names(one, left) for one in clauses):
        return ()
    nones = [one for one in clauses if one.none and one.party == left.party and _covers(one, left)]
    named = [one for one in clauses if not one.none and one.party == left.party and _covers(one, left)]
    return nones or named or clauses


def _names(clause: CookieClause, left: Left) -> bool:
    """Whether a clause is about this very thing; a `*` in its name stands for anything."""
    return clause.name is not None and fnmatchcase(left.name, clause.name)


def _covers(clause: CookieClause, left: Left) -> bool:
    return not clause.where or left.where in clause.where


def _differs(clause: CookieClause, left: Left) -> list[str]:
    """How something that is named is not as it is promised."""
    said: list[str] = []
    if left.storage is not Storage.COOKIE and left.storage.value not in clause.storage:
        said.append(f"{left.name} is kept in the {left.storage.value} too.")
    if not _covers(clause, left):
        said.append(f"{left.name} is set on {left.where}, where the clause does not name it.")
    if left.storage is Storage.COOKIE and clause.party == FIRST and left.party == THIRD:
        said.append(f"{left.name} is set by {left.host}, which is not ours.")
    if left.lasts is not None:
        allowed = clause.lasts.after_instant(_EPOCH) - _EPOCH if clause.lasts else timedelta(0)
        if left.lasts > allowed + ROUNDED:
            promised = span(allowed) if allowed else "the session"
            said.append(f"{left.name} lasts {span(left.lasts)}, and {promised} is promised.")
    return said


def _say_left(left: Left) -> str:
    what = "cookie" if left.storage is Storage.COOKIE else f"entry of the {left.storage.value}"
    whose = "" if left.party == FIRST else f" of {left.host}"
    return f"Pages of {left.where} leave the {what} {left.name}{whose}, which no clause names."
