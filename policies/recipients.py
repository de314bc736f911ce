"""Who gets data: the recipients of the version in force, since when each does, and what was added and removed over the versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from policies.clauses import RecipientClause
from policies.versions import Version, VersionState


class RecipientChange(StrEnum):
    """ADDED: it gets data from that version on. REMOVED: no longer. WIDENED: it gets more categories than before."""

    ADDED = "added"
    REMOVED = "removed"
    WIDENED = "widened"


@dataclass(frozen=True, kw_only=True)
class RecipientEvent:
    """What happened to one recipient when a version came into force. `more`: the categories it gets since, where WIDENED."""

    change: RecipientChange
    clause: RecipientClause
    number: int
    at: datetime
    more: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One recipient. `since`: when the version that brought it came into force, None while that version is planned."""

    clause: RecipientClause
    since: datetime | None
    version: Version


def current_recipients(versions: Sequence[Version]) -> list[Recipient]:
    """Those of the version in force, in the order of its document, then the new ones of the version that is planned."""
    since: dict[str, datetime] = {}
    for event in recipient_events(versions):
        if event.change is RecipientChange.ADDED:
            since[_name(event.clause)] = event.at
    found: list[Recipient] = []
    for state in (VersionState.IN_FORCE, VersionState.PLANNED):
        for version in (one for one in versions if one.state is state):
            known = {_name(one.clause) for one in found}
            found += [
                Recipient(
                    clause=each, since=since[_name(each)] if state is VersionState.IN_FORCE else None, version=version
                )
                for each in version.document.of_kind(RecipientClause)
                if _name(each) not in known
            ]
    return found


def recipient_events(versions: Sequence[Version]) -> list[RecipientEvent]:
    """Every addition and removal over the versions that came into force, oldest first."""
    events: list[RecipientEvent] = []
    before: dict[str, RecipientClause] = {}
    for version in sorted(versions, key=lambda one: one.number):
        if version.in_force_at is None:
            continue
        now = _by_name(version)
        for name in [*now, *(gone for gone in before if gone not in now)]:
            if (event := _compare(version.number, version.in_force_at, before.get(name), now.get(name))) is not None:
                events.append(event)
        before = now
    return events


def got_since(event: RecipientEvent, versions: Sequence[Version]) -> datetime:
    """Since when the recipient of an event had got data at the time: the day it was last added, or that of the event."""
    came = [
        one.at
        for one in recipient_events(versions)
        if one.change is RecipientChange.ADDED and one.at <= event.at and _name(one.clause) == _name(event.clause)
    ]
    return came[-1] if came else event.at


def _compare(
    number: int, at: datetime, was: RecipientClause | None, now: RecipientClause | None
) -> RecipientEvent | None:
    if now is None:
        assert was is not None
        return RecipientEvent(change=RecipientChange.REMOVED, clause=was, number=number, at=at)
    if was is None:
        return RecipientEvent(change=RecipientChange.ADDED, clause=now, number=number, at=at)
    more = tuple(one for one in now.of if one not in was.of)
    if not more:
        return None
    return RecipientEvent(change=RecipientChange.WIDENED, clause=now, number=number, at=at, more=more)


def _by_name(version: Version) -> dict[str, RecipientClause]:
    """One entry for each name; a name with several clauses gets what any of them says."""
    found: dict[str, RecipientClause] = {}
    for clause in version.document.of_kind(RecipientClause):
        name = _name(clause)
        known = found.get(name)
        both = tuple(dict.fromkeys((*known.of, *clause.of))) if known else clause.of
        found[name] = replace(known or clause, of=both)
    return found


def _name(clause: RecipientClause) -> str:
    return " ".join(clause.name.casefold().split())
