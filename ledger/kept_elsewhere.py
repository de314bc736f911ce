"""Checkpoints kept elsewhere: which place is to keep which, what it does not have yet, and whether the log still agrees with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import CheckFailed, ConfigurationError, KeptError, NotFound, Unreachable
from ledger.checkpoints import read_checkpoint, read_latest
from ledger.keeping_tables import KeptRow
from ledger.log import Ledger
from ledger.notes import NoteRefused
from ledger.places import Place
from ledger.signing import KeyLostError

log = structlog.get_logger()
AWAY_FOR: Final = timedelta(hours=1)  # no alarm before: a share that is mounted again loses nothing
MOST_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True)
class PlaceState:
    """How a place stands. `kept_size` and `kept_at`: its newest checkpoint; `waits`: those that it does not have yet;
    `away_since`: when the oldest of them was to go there; `trouble`: why it did not."""

    name: str
    kept_size: int | None
    kept_at: datetime | None
    waits: int
    away_since: datetime | None
    trouble: str

    def is_away(self, now: datetime, allowed: timedelta = AWAY_FOR) -> bool:
        return self.away_since is not None and now - self.away_since > allowed


class KeptElsewhere:
    """Sends the latest checkpoint to every place again and again, in order, and never forgets one that is owed."""

    def __init__(
        self, database: Database, clock: Clock, ledger: Ledger, places: Sequence[Place], *, every: timedelta
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        names = [place.name for place in places]
        if len(set(names)) < len(names):
            raise ConfigurationError(
                f"Two places for checkpoints are both called '{max(names, key=names.count)}'.",
                remedy="Give the files folders or names of their own, the buckets prefixes.",
            )
        self._places = tuple(places)
        self._every = every

    def keep_due(self) -> None:
        """Queue what is due, and bring every place what it is owed. The standing job. Raises what went wrong, after all."""
        troubles = [trouble for place in self._places if (trouble := self._serve(place))]
        if troubles:
            raise Unreachable(" ".join(troubles), remedy="Run `kept doctor`. Nothing is lost: it is tried again.")

    def keep_now(self) -> list[PlaceState]:
        """The latest checkpoint to every place at once, whenever the last one went."""
        for place in self._places:
            self._serve(place, now=True)
        return self.states()

    def states(self) -> list[PlaceState]:
        """How each place stands."""
        with self._database.read() as session:
            return [_state(session, place.name) for place in self._places]

    def read_all(self) -> tuple[list[str], list[str]]:
        """Every checkpoint that the places hold, and what is wrong with places that could not be read."""
        notes: list[str] = []
        troubles: list[str] = []
        for place in self._places:
            try:
                notes += place.read()
            except KeptError as error:
                troubles.append(str(error))
        return notes, troubles

    def find_missing(self) -> list[str]:
        """The checkpoints that a place kept once and no longer has; a place that is away says nothing here."""
        found: list[str] = []
        for place in self._places:
            try:
                notes = place.read()
            except KeptError:
                continue
            found += self._gone(place, notes)
        return found

    def compare(self) -> list[str]:
        """What is wrong between the places and what they were given: a checkpoint that one kept and has no more, and one that
        this log signed and does not hold. The latter stops all recording (see `Ledger.learn`)."""
        found: list[str] = []
        for place in self._places:
            try:
                notes = place.read()
            except KeptError as error:
                found.append(str(error))
                continue
            found += self._compare(place, notes)
        return found

    def _compare(self, place: Place, notes: Sequence[str]) -> list[str]:
        found = []
        for note in notes:
            try:
                if trouble := self._ledger.learn(note):
                    found.append(f"{place.name}: {trouble}")
            except (NoteRefused, KeyLostError):
                found.append(f"{place.name} holds a checkpoint that this ledger's key did not sign.")
        return [*found, *self._gone(place, notes)]

    def _gone(self, place: Place, notes: Sequence[str]) -> list[str]:
        if not place.can_be_read:
            return []
        with self._database.read() as session:
            kept = sa.select(KeptRow.size).where(KeptRow.place == place.name, KeptRow.kept_at.is_not(None))
            sizes = session.execute(kept.order_by(KeptRow.size)).scalars().all()
            gone = [
                size for size in sizes if (one := read_checkpoint(session, size)) is not None and one.note not in notes
            ]
        return [f"{place.name} kept a checkpoint over {size} entries and no longer has it." for size in gone]

    def _serve(self, place: Place, *, now: bool = False) -> str:
        try:
            self._queue(place, now=now)
            for size in self._owed(place):
                self._keep(place, size)
        except KeptError as error:
            self._note_trouble(place, str(error))
            log.warning("ledger.place_away", place=place.name, trouble=str(error))
            return str(error)
        return ""

    def _queue(self, place: Place, *, now: bool) -> None:
        at = self._clock.now()
        with self._database.begin() as session:
            latest = read_latest(session)
            wanted = sa.select(KeptRow).where(KeptRow.place == place.name).order_by(KeptRow.size.desc()).limit(1)
            last = session.execute(wanted).scalar_one_or_none()
            if latest is None or latest.size == 0 or (last is not None and last.size >= latest.size):
                return
            # A clock that was set back makes the last one lie ahead: then it is time, too.
            if now or last is None or not timedelta(0) <= at - last.queued_at < self._every:
                row = KeptRow(place=place.name, size=latest.size, queued_at=at, kept_at=None, tries=0, trouble="")
                session.add(row)

    def _owed(self, place: Place) -> list[int]:
        wanted = sa.select(KeptRow.size).where(KeptRow.place == place.name, KeptRow.kept_at.is_(None))
        with self._database.read() as session:
            return list(session.execute(wanted.order_by(KeptRow.size).limit(MOST_AT_ONCE)).scalars())

    def _keep(self, place: Place, size: int) -> None:
        # Whoever writes past what is there already would cover up that another log signs with this key.
        with self._database.read() as session:
            checkpoint = read_checkpoint(session, size)
        if checkpoint is None:
            raise NotFound(f"The checkpoint over {size} entries is gone.", remedy="Run `kept ledger verify`.")
        newest = place.newest()
        if newest is not None and (trouble := self._ledger.learn(newest)):
            raise CheckFailed(
                f"{place.name}: {trouble}", remedy="Two logs may sign with one key. Run `kept ledger verify`."
            )
        place.keep(size, checkpoint.note, self._clock.now())
        with self._database.begin() as session:
            row = session.get_one(KeptRow, (place.name, size))
            row.kept_at, row.trouble, row.tries = self._clock.now(), "", row.tries + 1

    def _note_trouble(self, place: Place, trouble: str) -> None:
        wanted = sa.select(KeptRow).where(KeptRow.place == place.name, KeptRow.kept_at.is_(None))
        with self._database.begin() as session:
            row = session.execute(wanted.order_by(KeptRow.size).limit(1)).scalar_one_or_none()
            if row is not None:
                row.tries, row.trouble = row.tries + 1, trouble


def _state(session: Session, place: str) -> PlaceState:
    mine = sa.select(KeptRow).where(KeptRow.place == place)
    kept = session.execute(
        mine.where(KeptRow.kept_at.is_not(None)).order_by(KeptRow.size.desc()).limit(1)
    ).scalar_one_or_none()
    owed = session.execute(mine.where(KeptRow.kept_at.is_(None)).order_by(KeptRow.size)).scalars().all()
    return PlaceState(
        name=place,
        kept_size=kept.size if kept else None,
        kept_at=kept.kept_at if kept else None,
        waits=len(owed),
        away_since=min((row.queued_at for row in owed), default=None),
        trouble=next((row.trouble for row in owed if row.trouble), ""),
    )
