"""Legal holds: who put what on hold, why, until when it is looked at again, and which records that means right now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock, iso_utc
from core.database import Base, Database
from core.errors import BadInput, Conflict, KeptError, NotFound
from core.ids import new_id
from core.operators import Permission, list_operators
from core.outbox import post
from core.settings import CollectionSettings
from ledger.log import Ledger
from plans.people import Identifiers, clean_identifiers, linked_identifiers, person_condition
from plans.plan import Gap
from plans.telling import cannot_tell
from policies.own import is_own
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, Unset
from stores.datamap import DataMap

log = structlog.get_logger()
REVIEW: Final = "hold.review"  # the event that tells people once that a hold's review date has passed
ALONE: Final = timedelta(hours=24)  # how long a release waits where nobody else could agree to it


class HoldRow(Base):
    """One hold. `person`: kind of identifier → values, personal data; what is None or empty narrows nothing.

    `unlinked`: a store did not answer when the identifiers that stand beside the given ones were looked up; it is asked
    again. `release_asked_by`: who wants it to end; with `release_due_at` it ends then, else when somebody else agrees."""

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
    review_told_at: Mapped[datetime | None]
    unlinked: Mapped[bool] = mapped_column(default=False)
    release_asked_at: Mapped[datetime | None]
    release_asked_by: Mapped[str | None] = mapped_column(sa.String(80))
    release_due_at: Mapped[datetime | None]
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
    person: Mapping[str, tuple[str, ...]] = field(repr=False)
    since: datetime | None = None
    until: datetime | None = None
    by: str
    reason: str = field(repr=False)
    added_at: datetime
    review_at: datetime | None = None
    release_asked_at: datetime | None = None
    release_asked_by: str | None = None
    release_due_at: datetime | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    release_reason: str = field(default="", repr=False)


class Holds:
    """Adds, lists and releases holds; each act is in the ledger."""

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
        given = clean_identifiers(person or {})
        self._refuse_nonsense(reason, since, until, review_at)
        if collection is not None:
            self._refuse_unreachable(self._datamap.collection(collection), given)
        known = self._link(given)
        row = HoldRow(
            id=new_id("hold"),
            collection=collection,
            clause=clause,
            person=_lists(known or given),
            unlinked=known is None,
            since=since,
            until=until,
            by=by,
            reason=reason.strip(),
            added_at=self._clock.now(),
            review_at=review_at,
            release_reason="",
        )
        refs = [row.id, *([f"clause:{clause}"] if clause else [])]
        times = {name: iso_utc(at) if at else None for name, at in (("since", since), ("until", until))}
        private = {"reason": reason, "collection": collection, "person": bool(given), **times}
        with self._database.begin() as session:
            session.add(row)
            self._ledger.record(session, kind="hold.added", actor=by, refs=refs, private=private)
        return _read(row)

    def release(self, hold_id: str, *, by: str, reason: str) -> Hold:
        """Ask that a hold ends, or agree to what somebody else asked. Where two operators may, it takes both of two people;
        where there is one or none, it ends a day later. What it kept goes with the next run that covers it.

        Raises Conflict where there is nothing that this actor could add."""
        if not reason.strip():
            raise BadInput("A release needs a reason.", remedy="Say what has changed: --reason '…'.")
        with self._database.begin() as session:
            row = _binding_row(session, hold_id)
            several = sum(one.may(Permission.APPROVE_SWEEPS) for one in list_operators(session)) > 1
            if row.release_asked_by not in (None, by) and several:
                self._end(session, row, by=by, reason=reason.strip())
            elif row.release_asked_by is None or (row.release_due_at is None and not several):
                self._ask(session, row, by=by, reason=reason.strip(), wait=None if several else ALONE)
            else:
                raise _asked_already(row)
            return _read(row)

    def end_own(self, session: Session, hold_id: str, *, by: str, reason: str) -> None:
        """End a hold that Kept made for something that ends now, in the caller's transaction; one that is over is let be."""
        row = session.get(HoldRow, hold_id, with_for_update=True)
        if row is not None and row.released_at is None:
            self._end(session, row, by=by, reason=reason)

    def keep(self, hold_id: str, *, by: str, reason: str = "") -> Hold:
        """Take back that a hold ends, or refuse it: it goes on as if nobody had asked."""
        with self._database.begin() as session:
            row = _binding_row(session, hold_id)
            if row.release_asked_by is None:
                raise Conflict(f"Nobody asked to release the hold {hold_id}.", remedy="It keeps what it kept.")
            row.release_asked_at = row.release_asked_by = row.release_due_at = None
            row.release_reason = ""
            self._ledger.record(session, kind="hold.kept", actor=by, refs=[hold_id], private={"reason": reason})
            return _read(row)

    def tick(self) -> None:
        """End the holds whose day has passed, look up again what a store could not tell, and tell once of reviews."""
        now = self._clock.now()
        with self._database.begin() as session:
            binding = session.execute(sa.select(HoldRow).where(HoldRow.released_at.is_(None))).scalars().all()
            for row in binding:
                if row.release_due_at is not None and row.release_due_at <= now:
                    self._end(session, row, by=row.release_asked_by or "system", reason="")
                elif row.review_at is not None and row.review_at <= now and row.review_told_at is None:
                    row.review_told_at = now
                    post(session, REVIEW, {"hold": row.id}, now=now)
            unlinked = {row.id: clean_identifiers(row.person) for row in binding if row.unlinked}
        for hold_id, given in unlinked.items():
            known = self._link(given)
            if known is not None:
                with self._database.begin() as session:
                    found = session.get_one(HoldRow, hold_id)
                    found.person, found.unlinked = _lists(known), False

    def get(self, hold_id: str) -> Hold:
        """One hold, released or not. Raises NotFound."""
        with self._database.read() as session:
            row = session.get(HoldRow, hold_id)
            if row is None:
                raise _no_hold(hold_id)
            return _read(row)

    def list(self, *, released: bool = False) -> tuple[Hold, ...]:
        """The holds that bind, oldest first; with `released` also those that did."""
        with self._database.read() as session:
            return _select(session, released=released)

    def binding(self, session: Session) -> tuple[Hold, ...]:
        """The holds that bind now, inside the caller's transaction."""
        return _select(session, released=False)

    def _ask(self, session: Session, row: HoldRow, *, by: str, reason: str, wait: timedelta | None) -> None:
        now = self._clock.now()
        row.release_asked_at, row.release_asked_by, row.release_reason = now, by, reason
        row.release_due_at = now + wait if wait else None
        due = iso_utc(row.release_due_at) if row.release_due_at else None
        private = {"reason": reason, "ends_at": due}
        self._ledger.record(session, kind="hold.release_asked", actor=by, refs=[row.id], private=private)

    def _end(self, session: Session, row: HoldRow, *, by: str, reason: str) -> None:
        row.released_at, row.released_by = self._clock.now(), by
        row.release_reason = "; ".join(part for part in (row.release_reason, reason) if part)
        private = {"reason": row.release_reason, "asked_by": row.release_asked_by}
        self._ledger.record(session, kind="hold.released", actor=by, refs=[row.id], private=private)

    def _link(self, given: Identifiers) -> Identifiers | None:
        """These identifiers and those that stand beside them; None where a store that knows does not answer.

        The account may go before the hold does: what it links the person to is written down while it is there."""
        try:
            return linked_identifiers(self._datamap, given) if given else {}
        except KeptError as error:
            log.warning("hold.unlinked", reason=str(error))
            return None

    def _refuse_nonsense(
        self, reason: str, since: datetime | None, until: datetime | None, review_at: datetime | None
    ) -> None:
        if not reason.strip():
            raise BadInput("A hold needs a reason.", remedy="Say which case or duty it is for: --reason '…'.")
        if since is not None and until is not None and until <= since:
            raise BadInput("The hold would end before it begins.", remedy="Give a later --until, or leave one out.")
        if review_at is not None and review_at <= self._clock.now():
            raise BadInput("The review date has passed.", remedy="Give a day to come, on which somebody looks again.")

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


def hold_gaps(holds: Sequence[Hold], collection: CollectionSettings, clause: str, datamap: DataMap) -> tuple[Gap, ...]:
    """The holds on a person whose records the collection cannot tell from others. Then all of them stay, which
    `hold_condition` sees to: keeping too long can be put right, deleting cannot."""
    return tuple(
        Gap(
            what=f"{collection.id} under the hold {hold.id}",
            why=f"No way from {', '.join(sorted(hold.person))} to {collection.id} can be asked for there: all of it stays.",
            remedy="Add `identifies:` or `person:` to it in kept.yaml, or narrow the hold to other collections.",
        )
        for hold in holds
        if hold.person
        and hold.collection in (None, collection.id)
        and hold.clause in (None, clause)
        and not is_own(collection.id)  # nobody can add a way to Kept's own map: there it is a hold like any other
        and cannot_tell(datamap, collection, hold.person)
    )


def _one(hold: Hold, collection: CollectionSettings, clause: str, datamap: DataMap) -> Condition | None:
    if hold.collection not in (None, collection.id) or hold.clause not in (None, clause):
        return None
    parts: list[Condition] = []
    if hold.person and not cannot_tell(datamap, collection, hold.person):  # else all of it, whoever's it is
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


def _binding_row(session: Session, hold_id: str) -> HoldRow:
    row = session.get(HoldRow, hold_id, with_for_update=True)
    if row is None:
        raise _no_hold(hold_id)
    if row.released_at is not None:
        raise Conflict(f"The hold {hold_id} was released already.", remedy="Nothing is left to do.")
    return row


def _no_hold(hold_id: str) -> NotFound:
    return NotFound(f"There is no hold '{hold_id}'.", remedy="`kept hold list` shows them.")


def _asked_already(row: HoldRow) -> Conflict:
    if row.release_due_at is not None:
        return Conflict(
            f"The hold {row.id} ends at {iso_utc(row.release_due_at)}.", remedy="Until then it can be kept."
        )
    return Conflict(
        f"{row.release_asked_by} asked to release the hold {row.id}.", remedy="Somebody else must agree to it."
    )


def _lists(known: Identifiers) -> dict[str, Any]:
    return {kind: list(values) for kind, values in known.items()}


def _select(session: Session, *, released: bool) -> tuple[Hold, ...]:
    wanted = sa.select(HoldRow).order_by(HoldRow.added_at, HoldRow.id)
    if not released:
        wanted = wanted.where(HoldRow.released_at.is_(None))
    return tuple(_read(row) for row in session.execute(wanted).scalars())


def _read(row: HoldRow) -> Hold:
    same = (name for name in Hold.__dataclass_fields__ if name != "person")
    return Hold(
        person={kind: tuple(values) for kind, values in row.person.items()},
        **{name: getattr(row, name) for name in same},
    )
