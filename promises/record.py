"""What the board said, and when: each change of a state is a ledger entry, and so is the whole board once a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.canonical import digest
from core.clock import Clock, day_in, iso_utc, parse_iso
from core.database import Database
from core.errors import BadInput, NotFound
from ledger.log import Ledger, NewEntry
from ledger.tables import EntryTable
from policies.versions import Policies, Version
from promises.board import Board
from promises.record_tables import BoardDayRow, StateRow
from promises.states import State

log = structlog.get_logger()
STATE, BOARD = "promise.state", "promise.board"
SYSTEM: Final = "system"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A clause got a state. `entry`: its ledger entry; `sound`: the entry says the same."""

    at: datetime
    state: State
    entry: str
    sound: bool


@dataclass(frozen=True, kw_only=True)
class ClauseOfDay:
    """A clause at the end of a day, or now. `since`: when it got that state; `changes`: those of the day, in order."""

    clause: str
    state: State
    since: Change
    changes: tuple[Change, ...]

    @property
    def worst(self) -> State:
        """The worst that it was in on that day, what it began the day with left out where it changed."""
        order = (State.BROKEN, State.DUE, State.ATTESTED, State.KEPT)
        return min([one.state for one in self.changes] or [self.state], key=order.index)


@dataclass(frozen=True, kw_only=True)
class BoardOfDay:
    """What the board said on a day. `looked`: somebody looked on that day; `digest`: of the whole board, with its entry and
    the instant; `proven`: every state has its entry, and the digest is that of these states."""

    day: date
    version: int
    clauses: tuple[ClauseOfDay, ...]
    looked: bool
    digest: str | None
    digest_entry: str | None
    digest_at: datetime | None
    proven: bool

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "day": self.day.isoformat(),
            "version": self.version,
            "looked": self.looked,
            "proven": self.proven,
            "digest": self.digest,
            "digest_entry": self.digest_entry,
            "digest_at": iso_utc(self.digest_at) if self.digest_at else None,
            "clauses": [
                {
                    "clause_id": one.clause,
                    "state": one.state.value,
                    "since": iso_utc(one.since.at),
                    "entry": one.since.entry,
                    "changes": [{"at": iso_utc(each.at), "state": each.state.value} for each in one.changes],
                }
                for one in self.clauses
            ],
        }


class BoardRecord:
    """Writes the history of the board, and reads it."""

    def __init__(
        self, database: Database, clock: Clock, ledger: Ledger, policies: Policies, board: Callable[[], Board]
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies
        self._board = board

    def note(self) -> int:
        """Record every clause that has another state than the last time, and the board of a day that has none yet; gives how
        many changed. A standing job."""
        board = self._board()
        if board.version is None:
            return 0
        states = {one.clause_id: one.state for one in board.clauses}
        try:
            with self._database.begin() as session:
                return self._note(session, board.version, states)
        except IntegrityError:
            log.info("board.noted_elsewhere")  # another process was first; the next round sees it
            return 0

    def on(self, day: date) -> BoardOfDay:
        """What the board said on a day, where the controller is. Raises BadInput for a day that is to come, NotFound for one
        before anything was recorded."""
        with self._database.read() as session:
            zone = self._zone(session)
            if day > day_in(self._clock.now(), zone):
                raise BadInput(f"{day.isoformat()} is still to come.", remedy="Name a day up to today.")
            begins, ends = _begin_of(day, zone), _begin_of(day + timedelta(days=1), zone)
            rows = _rows_before(session, ends)
            if not rows:
                raise NotFound(
                    f"Nothing was recorded of the board on {day.isoformat()} or before.",
                    remedy="It is recorded from the first look after a version came into force.",
                )
            entries = _entries(session, [row.entry for row in rows])
            kept = session.get(BoardDayRow, day)
            return _board_of(day, rows, entries, kept, _entries(session, [kept.entry] if kept else []), begins)

    def changes(self, session: Session, clause: str, limit: int = 20) -> list[Change]:
        """The states that a clause had, the latest first."""
        wanted = sa.select(StateRow).where(StateRow.clause == clause).order_by(StateRow.turn.desc()).limit(limit)
        rows = list(session.execute(wanted).scalars())
        entries = _entries(session, [row.entry for row in rows])
        return [_change(row, entries) for row in rows]

    def days(self, session: Session) -> tuple[date, date] | None:
        """The first and the last day that can be asked for; None where nothing was recorded."""
        first = session.execute(sa.select(sa.func.min(StateRow.at))).scalar_one()
        if first is None:
            return None
        zone = self._zone(session)
        return day_in(first, zone), day_in(self._clock.now(), zone)

    def _zone(self, session: Session) -> str:
        version: Version | None = self._policies.in_force(session)
        return version.document.controller.timezone if version else "UTC"

    def _note(self, session: Session, version: int, states: Mapping[str, State]) -> int:
        now = self._clock.now()
        last = {row.clause: row for row in _last_rows(session)}
        news = {
            clause: state
            for clause, state in states.items()
            if clause not in last or (last[clause].version, last[clause].state) != (version, state.value)
        }
        entries = self._ledger.record_all(
            session, [_entry_of(clause, version, state) for clause, state in news.items()]
        )
        said_at = {one: parse_iso(row.at) for one, row in _entries(session, entries).items()}
        for (clause, state), entry in zip(news.items(), entries, strict=True):
            turn = last[clause].turn + 1 if clause in last else 1
            session.add(
                StateRow(clause=clause, turn=turn, version=version, state=state.value, at=said_at[entry], entry=entry)
            )
        self._note_day(session, version, states, now)
        session.flush()
        return len(news)

    def _note_day(self, session: Session, version: int, states: Mapping[str, State], now: datetime) -> None:
        day = day_in(now, self._zone(session))
        if session.get(BoardDayRow, day) is not None:
            return
        made = digest_of(version, states)
        entry = self._ledger.record(
            session,
            kind=BOARD,
            actor=SYSTEM,
            refs=[f"version:{version}", f"day:{day.isoformat()}", f"board:{made}"],
            private={"states": {clause: state.value for clause, state in states.items()}},
        )
        at = parse_iso(_entries(session, [entry])[entry].at)
        session.add(BoardDayRow(day=day, version=version, digest=made, at=at, entry=entry))


def digest_of(version: int, states: Mapping[str, State]) -> str:
    """SHA-256 over the canonical JSON of the version and the state of each clause: what an auditor can compute again."""
    return digest({"version": version, "states": {clause: state.value for clause, state in states.items()}})


def _entry_of(clause: str, version: int, state: State) -> NewEntry:
    refs = _refs(clause, version, state.value)
    return NewEntry(kind=STATE, actor=SYSTEM, refs=refs, private={})


def _refs(clause: str, version: int, state: str) -> list[str]:
    return [f"clause:{clause}", f"version:{version}", f"state:{state}"]


def _last_rows(session: Session) -> Iterable[StateRow]:
    turns = sa.select(StateRow.clause, sa.func.max(StateRow.turn).label("turn")).group_by(StateRow.clause).subquery()
    joined = sa.select(StateRow).join(turns, sa.and_(turns.c.clause == StateRow.clause, turns.c.turn == StateRow.turn))
    return session.execute(joined).scalars()


def _rows_before(session: Session, ends: datetime) -> list[StateRow]:
    """The rows of the version that the board was of at the end, in order: what it was of before is another board."""
    version = session.execute(sa.select(sa.func.max(StateRow.version)).where(StateRow.at < ends)).scalar_one()
    wanted = sa.select(StateRow).where(StateRow.at < ends, StateRow.version == version)
    return list(session.execute(wanted.order_by(StateRow.at, StateRow.clause, StateRow.turn)).scalars())


def _entries(session: Session, ids: Sequence[str]) -> Mapping[str, EntryTable]:
    found = session.execute(sa.select(EntryTable).where(EntryTable.id.in_(ids))).scalars()
    return {row.id: row for row in found}


def _change(row: StateRow, entries: Mapping[str, EntryTable]) -> Change:
    """What the ledger says counts: an entry that says something else, or is not there, shows."""
    entry = entries.get(row.entry)
    sound = (
        entry is not None
        and entry.kind == STATE
        and orjson.loads(entry.refs) == _refs(row.clause, row.version, row.state)
        and entry.at == iso_utc(row.at)
    )
    return Change(at=row.at, state=State(row.state), entry=row.entry, sound=sound)


def _board_of(
    day: date,
    rows: Sequence[StateRow],
    entries: Mapping[str, EntryTable],
    kept: BoardDayRow | None,
    day_entries: Mapping[str, EntryTable],
    begins: datetime,
) -> BoardOfDay:
    by_clause: dict[str, list[Change]] = {}
    for row in rows:
        by_clause.setdefault(row.clause, []).append(_change(row, entries))
    clauses = tuple(
        ClauseOfDay(
            clause=clause,
            state=changes[-1].state,
            since=changes[-1],
            changes=tuple(one for one in changes if one.at >= begins),
        )
        for clause, changes in by_clause.items()
    )
    sound = all(one.sound for changes in by_clause.values() for one in changes)
    holds = kept is not None and _day_holds(kept, rows, day_entries)
    return BoardOfDay(
        day=day,
        version=rows[0].version,
        clauses=clauses,
        looked=kept is not None or any(one.changes for one in clauses),
        digest=kept.digest if kept else None,
        digest_entry=kept.entry if kept else None,
        digest_at=kept.at if kept else None,
        proven=sound and holds,
    )


def _day_holds(kept: BoardDayRow, rows: Sequence[StateRow], entries: Mapping[str, EntryTable]) -> bool:
    entry = entries.get(kept.entry)
    if entry is None or f"board:{kept.digest}" not in orjson.loads(entry.refs):
        return False
    if rows[0].version != kept.version:
        return True  # another version came later that day: its states are a board of their own
    then = {row.clause: State(row.state) for row in rows if row.at <= kept.at}
    return digest_of(kept.version, then) == kept.digest


def _begin_of(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)
