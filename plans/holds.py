"""Legal holds: who put what on hold, why, until when it is looked at again, and which records that means right now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock
from core.database import Base, Database
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.settings import CollectionSettings
from ledger.log import Ledger
from plans.people import clean_identifiers, linked_identifiers, person_condition
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, Unset
from stores.datamap import DataMap


class HoldRow(Base):
    """One hold. `person`: kind of identifier → values, personal data; what is None or empty narrows nothing."""

    __tablename__ = "holds"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    collection: Mapped[str | None] = mapped_column(sa.String(120))
    clause: Mapped[str | None] = mapped_column(sa.String(120))
    person: Mapped[dict[str, Any]]
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(sa.String(80))
    reason: Mapped[str] = mapped_column(sa.Text)
    added_at: Mapped[datetime]
    review_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None] = mapped_column(index=True)
    released_by: Mapped[str | None] = mapped_column(sa.String(80))
    release_reason: Mapped[str] = mapped_column(sa.Text, default="")


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Records that must stay. Narrowed by collection, clause, person, and the record's own time (from `since` up to
    before `until`); a hold that narrows by nothing keeps everything."""

    id: str
    collection: str | None = None
    clause: str | None = None
    person: Mapping[str, tuple[str, ...]]
    since: datetime | None = None
    until: datetime | None = None
    by: str
    reason: str
    added_at: datetime
    review_at: datetime | None = None
    released_at: datetime | None = None


class Holds:
    """Adds, lists and releases holds; each of the two acts is in the ledger."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, datamap: DataMap) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._datamap = datamap

    def add(
        self,
        *,
        by: str,
        reason: str,
        collection: str | None = None,
        clause: str | None = None,
        person: Mapping[str, Sequence[str]] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        review_at: datetime | None = None,
    ) -> Hold:
        """Put records on hold; it binds from the next batch of every run on, those under way included."""
        if not reason.strip():
            raise BadInput("A hold needs a reason.", remedy="Say which case or duty it is for: --reason '…'.")
        given = clean_identifiers(person or {})
        if collection is not None:
            self._refuse_unreachable(self._datamap.collection(collection), given)
        # The account may go before the hold does: what it links the person to is written down now.
        known = linked_identifiers(self._datamap, given) if given else {}
        row = HoldRow(
            id=new_id("hold"),
            collection=collection,
            clause=clause,
            person={kind: list(values) for kind, values in known.items()},
            since=since,
            until=until,
            by=by,
            reason=reason,
            added_at=self._clock.now(),
            review_at=review_at,
        )
        refs = [row.id, *([f"clause:{clause}"] if clause else [])]
        with self._database.begin() as session:
            session.add(row)
            private = {"reason": reason, "collection": collection, "person": bool(given)}
            self._ledger.record(session, kind="hold.added", actor=by, refs=refs, private=private)
        return _read(row)

    def release(self, hold_id: str, *, by: str, reason: str) -> None:
        """End a hold: what it kept goes with the next run that covers it."""
        with self._database.begin() as session:
            row = session.get(HoldRow, hold_id)
            if row is None:
                raise NotFound(f"There is no hold '{hold_id}'.", remedy="`kept hold list` shows them.")
            if row.released_at is not None:
                raise Conflict(f"The hold {hold_id} was released already.", remedy="Nothing is left to do.")
            row.released_at, row.released_by, row.release_reason = self._clock.now(), by, reason
            self._ledger.record(session, kind="hold.released", actor=by, refs=[hold_id], private={"reason": reason})

    def list(self, *, released: bool = False) -> tuple[Hold, ...]:
        """The holds that bind, oldest first; with `released` also those that did."""
        with self._database.read() as session:
            return _select(session, released=released)

    def binding(self, session: Session) -> tuple[Hold, ...]:
        """The holds that bind now, inside the caller's transaction."""
        return _select(session, released=False)

    def _refuse_unreachable(self, collection: CollectionSettings, person: Mapping[str, tuple[str, ...]]) -> None:
        if person and not any(
            route.collection == collection.id for route in self._datamap.person_routes(person.keys())
        ):
            raise BadInput(
                f"The map has no way from {', '.join(person)} to {collection.id}.",
                remedy="Hold the whole collection, or add `identifies:` or `person:` to it in kept.yaml.",
            )


def hold_condition(
    holds: Sequence[Hold], collection: CollectionSettings, clause: str, datamap: DataMap
) -> Condition | None:
    """Which records of a collection the holds keep from a clause; None where none does. Pure: asks no store."""
    found = [condition for hold in holds if (condition := _one(hold, collection, clause, datamap)) is not None]
    if not found:
        return None
    return found[0] if len(found) == 1 else AnyOf(parts=tuple(found))


def _one(hold: Hold, collection: CollectionSettings, clause: str, datamap: DataMap) -> Condition | None:
    if hold.collection not in (None, collection.id) or hold.clause not in (None, clause):
        return None
    parts: list[Condition] = []
    if hold.person:
        person = person_condition(datamap, collection, hold.person)
        if person is None:
            return None
        parts.append(person)
    if collection.time is not None:
        # A record without a time cannot be shown to lie outside the range: it is held.
        if hold.since is not None:
            parts.append(Not(part=Before(field=collection.time, instant=hold.since)))
        if hold.until is not None:
            timeless = Unset(field=collection.time.name)
            parts.append(AnyOf(parts=(Before(field=collection.time, instant=hold.until), timeless)))
    return parts[0] if len(parts) == 1 else AllOf(parts=tuple(parts))


def _select(session: Session, *, released: bool) -> tuple[Hold, ...]:
    wanted = sa.select(HoldRow).order_by(HoldRow.added_at, HoldRow.id)
    if not released:
        wanted = wanted.where(HoldRow.released_at.is_(None))
    return tuple(_read(row) for row in session.execute(wanted).scalars())


def _read(row: HoldRow) -> Hold:
    return Hold(
        id=row.id,
        collection=row.collection,
        clause=row.clause,
        person={kind: tuple(values) for kind, values in row.person.items()},
        since=row.since,
        until=row.until,
        by=row.by,
        reason=row.reason,
        added_at=row.added_at,
        review_at=row.review_at,
        released_at=row.released_at,
    )
