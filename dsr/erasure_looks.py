"""Looking for erased people who are back: every field that would name them, read through and compared with the register."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Session

from core.errors import KeptError
from core.ids import new_id
from core.keys import derive_key
from dsr.desk import Desk
from dsr.erasure_tables import BackState, ErasureFindingRow, ErasureLookRow, ErasureRow
from dsr.erasures import Erased, Erasures
from plans.erased import Watched, count_identities, read_identities, watch

log = structlog.get_logger()
CHUNK: Final = 2_000  # values compared and written down at once
TAKEN_UP_FOR: Final = timedelta(days=2)  # a look that was broken off is begun anew after that
_NONCE: Final = 12
OPEN: Final = (BackState.SEEN.value, BackState.BACK.value, BackState.DOUBT.value)
OnRead = Callable[[str, int, int], None]
# kind → value → the [collection, field] pairs in which it turned up
Values = dict[str, dict[str, list[list[str]]]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look read: how many values, and what it could not look through: (what, why)."""

    id: str
    read: int
    not_looked: tuple[tuple[str, str], ...]
    ended: bool


@dataclass(frozen=True, kw_only=True)
class _Hit:
    watched: Watched
    value: str
    erased: Erased


class Looks:
    """Reads the stores through and writes down who is back; each chunk in one transaction with how far it came."""

    def __init__(self, desk: Desk, erasures: Erasures) -> None:
        self._desk = desk
        self._erasures = erasures
        self._cipher = AESGCM(derive_key(desk.secret, "erasures.found"))

    def look(self, *, store: str = "", on_read: OnRead | None = None) -> Look:
        """Look through all stores, or one, from where a look that was broken off came to. What a store refuses is named."""
        watched, blind = watch(self._desk.plans.datamap, store=store)
        look_id, is_needed = self._begin(store, [(one.key, one.why) for one in blind])
        for one in watched if is_needed else ():
            try:
                self._read(look_id, one, on_read)
            except KeptError as error:
                with self._desk.database.begin() as session:
                    row = session.get_one(ErasureLookRow, look_id)
                    row.not_looked = [*row.not_looked, [one.key, error.message]]
        return self._end(look_id)

    def open_findings(self, session: Session) -> Sequence[ErasureFindingRow]:
        """Everyone of whom something is back and not settled, in the order they were found."""
        wanted = sa.select(ErasureFindingRow).where(ErasureFindingRow.settled_at.is_(None))
        return session.execute(wanted.order_by(ErasureFindingRow.found_at, ErasureFindingRow.id)).scalars().all()

    def last(self, session: Session) -> ErasureLookRow | None:
        """The last look at all stores that came to its end."""
        ended = sa.select(ErasureLookRow).where(ErasureLookRow.store == "", ErasureLookRow.ended_at.is_not(None))
        return session.execute(ended.order_by(ErasureLookRow.ended_at.desc()).limit(1)).scalar_one_or_none()

    def unseal(self, row: ErasureFindingRow) -> Values:
        """The values of a finding that is not settled."""
        if row.sealed is None:
            return {}
        plain = self._cipher.decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], row.id.encode())
        values: Values = json.loads(plain)
        return values

    def _seal(self, row_id: str, values: Values) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, json.dumps(values).encode(), row_id.encode())

    def _begin(self, store: str, blind: Sequence[tuple[str, str]]) -> tuple[str, bool]:
        """The look to go on with, or a new one; and whether there is anybody to look for."""
        now = self._desk.clock.now()
        with self._desk.database.begin() as session:
            unended = sa.select(ErasureLookRow).where(
                ErasureLookRow.store == store,
                ErasureLookRow.ended_at.is_(None),
                ErasureLookRow.begun_at > now - TAKEN_UP_FOR,
            )
            row = session.execute(unended.order_by(ErasureLookRow.begun_at.desc())).scalars().first()
            if row is None:
                row = ErasureLookRow(id=new_id("erl"), store=store, begun_at=now, places={}, done=[], read=0)
                session.add(row)
            row.not_looked = [list(one) for one in blind]
            anyone = sa.select(ErasureRow.id).where(ErasureRow.erased_at.is_not(None)).limit(1)
            return row.id, session.execute(anyone).first() is not None

    def _read(self, look_id: str, watched: Watched, on_read: OnRead | None) -> None:
        datamap = self._desk.plans.datamap
        with self._desk.database.read() as session:
            row = session.get_one(ErasureLookRow, look_id)
            if watched.key in row.done:
                return
            after = row.places.get(watched.key)
        expected = count_identities(datamap, watched) if on_read else 0
        done = 0
        identities = read_identities(datamap, watched, after)
        while chunk := list(islice(identities, CHUNK)):
            with self._desk.database.begin() as session:
                hits = self._compare(session, watched, {one.value for one in chunk if one.value.strip()})
                self._write(session, look_id, hits)
                row = session.get_one(ErasureLookRow, look_id)
                row.places = {**row.places, watched.key: chunk[-1].place or None}
                row.read += len(chunk)
            done += len(chunk)
            if on_read:
                on_read(watched.key, done, max(expected, done))
        with self._desk.database.begin() as session:
            row = session.get_one(ErasureLookRow, look_id)
            row.done = [*row.done, watched.key]
            row.places = {name: place for name, place in row.places.items() if name != watched.key}

    def _compare(self, session: Session, watched: Watched, values: set[str]) -> Iterator[_Hit]:
        marks = {self._erasures.mark(watched.kind, value): value for value in values}
        for mark, erased in self._erasures.look_up(session, marks).items():
            if watched.collection not in {collection for collection, _ in erased.kept}:
                yield _Hit(watched=watched, value=marks[mark], erased=erased)

    def _write(self, session: Session, look_id: str, hits: Iterator[_Hit]) -> None:
        for hit in hits:
            row = self._finding(session, look_id, hit)
            if row is None:
                continue
            values = self.unseal(row)
            places = values.setdefault(hit.watched.kind, {}).setdefault(hit.value, [])
            place = [hit.watched.collection, hit.watched.field]
            if place not in places:
                places.append(place)
            row.sealed = self._seal(row.id, values)
            row.marks = sorted({*row.marks, hit.erased.hash})
            session.flush()

    def _finding(self, session: Session, look_id: str, hit: _Hit) -> ErasureFindingRow | None:
        """The finding that a hit belongs to; None where a person said that it is to be left."""
        of_ref = sa.select(ErasureFindingRow).where(ErasureFindingRow.ref == hit.erased.ref)
        known = session.execute(of_ref).scalars().all()
        for row in known:
            if row.settled_at is None:
                row.look_id = look_id
                return row
        left = (row for row in known if row.state == BackState.LEFT and hit.erased.hash in row.marks)
        if any(row.settled_at and row.settled_at > hit.erased.erased_at for row in left):
            return None
        fresh = ErasureFindingRow(
            id=new_id("erf"),
            ref=hit.erased.ref,
            look_id=look_id,
            found_at=self._desk.clock.now(),
            state=BackState.SEEN.value,
            why="",
            marks=[],
            rows=[],
        )
        session.add(fresh)
        return fresh

    def _end(self, look_id: str) -> Look:
        with self._desk.database.begin() as session:
            row = session.get_one(ErasureLookRow, look_id)
            row.ended_at, row.places = self._desk.clock.now(), {}
            return Look(
                id=row.id, read=row.read, not_looked=tuple((what, why) for what, why in row.not_looked), ended=True
            )


@dataclass(frozen=True, kw_only=True)
class BackLine:
    """One person who is back, for lists: the request that erased them, what is there and what is to do. No identifier.

    `is_decided`: somebody said that it goes again, and the work is scheduled."""

    id: str
    ref: str
    state: BackState
    why: str
    found_at: datetime
    rows: Mapping[str, int]
    is_decided: bool = False

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def back_line(row: ErasureFindingRow) -> BackLine:
    """A finding as a list shows it."""
    return BackLine(
        id=row.id,
        ref=row.ref,
        state=BackState(row.state),
        why=row.why,
        found_at=row.found_at,
        rows={str(collection): int(count) for collection, count in row.rows},
        is_decided=row.decided_by is not None,
    )


def list_back(session: Session) -> tuple[BackLine, ...]:
    """Everyone of whom something that was erased is there again, the longest first."""
    wanted = sa.select(ErasureFindingRow).where(
        ErasureFindingRow.settled_at.is_(None),
        ErasureFindingRow.state.in_([BackState.BACK.value, BackState.DOUBT.value]),
    )
    rows = session.execute(wanted.order_by(ErasureFindingRow.found_at, ErasureFindingRow.id)).scalars()
    return tuple(back_line(row) for row in rows)


def settle(row: ErasureFindingRow, state: BackState, at: datetime, *, why: str = "") -> None:
    """Close a finding: what it held of a person goes."""
    row.state, row.why, row.settled_at, row.sealed = state.value, why, at, None


def summary(look: Look) -> dict[str, Any]:
    """A look in numbers, for machines."""
    return {"read": look.read, "not_looked": [{"what": what, "why": why} for what, why in look.not_looked]}
