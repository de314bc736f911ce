"""Whose data is only stored, and which uses of it are stopped: recorded by keyed hashes, told to host applications, lifted in time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import day_in
from core.errors import BadInput, Conflict, KeptError, NotFound
from core.identifiers import one_form
from core.ids import new_id
from core.keys import derive_key
from core.personal import Personal
from core.words import long_day
from dsr.choices import KEEPS, Ground
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.rights_tables import RestrictionFeedRow, RestrictionPersonRow, RestrictionRow
from dsr.tables import TicketRow
from dsr.telling import Told
from dsr.words import say_right
from policies.clauses import Right
from policies.subjects import read_subject

log = structlog.get_logger()
RESTRICTION, OBJECTION = "restriction", "objection"
ENDS_MAIL: Final = "restriction_ends"
EMAIL: Final = "email"
MOST_CHANGES: Final = 1_000
LONGEST_WHY: Final = 2_000
Identifiers = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class RestrictionState:
    """How a person's data may be used. `everything`: all of it is only stored; else `categories` are. `objects_to`: the
    purposes that are stopped. `since`: of the earliest of these; `ends_at`: when the last restriction ends, once that is known."""

    restricted: bool
    since: datetime | None
    everything: bool
    categories: tuple[str, ...]
    objects_to: tuple[str, ...]
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RestrictionChange:
    """One line of the feed: something about this subject was changed; how they stand now is asked for by their id."""

    number: int
    subject: Personal
    state: RestrictionState


@dataclass(frozen=True, kw_only=True)
class RestrictionView:
    """One restriction, or one objection that was followed, as operators see it. `keeps`: sweeps leave its records alone."""

    ref: str
    kind: str
    ground: Ground | None
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    keeps: bool
    people: tuple[str, ...]
    at: datetime
    by: str
    told_at: datetime | None
    lift_at: datetime | None
    lift_why: str
    lifted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewRestriction:
    """What is recorded: a restriction with its ground and `categories` (empty: all), or an objection with its `purposes`."""

    kind: str
    ground: Ground | None = None
    categories: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()


class Restrictions:
    """Records, tells and lifts. `tick` is the work of the calendar."""

    def __init__(self, desk: Desk, told: Told) -> None:
        self._desk = desk
        self._told = told
        self._key = derive_key(desk.secret, "restrictions")

    def mark(self, kind: str, value: str) -> str:
        """The keyed hash of one identifier in its one form. Raises BadInput for an empty one."""
        return keyed_digest(self._key, [kind, one_form(kind, value)])

    def add(
        self, session: Session, ticket: TicketRow, new: NewRestriction, identifiers: Identifiers, *, by: str
    ) -> None:
        """Record one in the caller's transaction, for everything that the person is known by."""
        row = RestrictionRow(
            id=new_id("rst"),
            ref=ticket.ref,
            kind=new.kind,
            ground=new.ground or "",
            categories=list(new.categories),
            purposes=list(new.purposes),
            holds=list(new.holds),
            number=_next_number(session),
            contact=ticket.contact,
            language=ticket.language,
            at=self._desk.clock.now(),
            by=by,
        )
        session.add(row)
        session.flush()
        for kind, value in _pairs(identifiers):
            session.add(
                RestrictionPersonRow(
                    id=new_id("rsp"),
                    restriction_id=row.id,
                    hash=self.mark(kind, value),
                    kind=kind,
                    subject=_subject(kind, value),
                )
            )
        facts = {"ground": new.ground or "", "categories": list(new.categories), "purposes": list(new.purposes)}
        self._desk.record(session, ticket, f"request.{new.kind}_set", by=by, private=facts)
        if new.kind == RESTRICTION:
            self._told.note_restriction(session, ticket, categories=new.categories)

    def hold(
        self, ticket: TicketRow, ground: Ground, categories: Sequence[str], person: Identifiers
    ) -> tuple[str, ...]:
        """Keep the records from every clause while the person wants them kept, by holds of Kept's own; gives their ids.

        Those that an interrupted try made are taken up again."""
        if ground not in KEEPS:
            return ()
        holds, datamap = self._desk.plans.holds, self._desk.plans.datamap
        reason = f"restriction {ticket.ref}"
        standing = {one.collection: one.id for one in holds.list() if (one.by, one.reason) == (SYSTEM, reason)}
        routes = {route.collection for route in datamap.person_routes(person.keys())}
        wanted: list[str | None] = (
            [name for name in routes if datamap.collection(name).category in categories] if categories else [None]
        )
        for name in wanted:
            if name not in standing:
                standing[name] = holds.add(by=SYSTEM, reason=reason, collection=name, person=person).id
        return tuple(standing[name] for name in wanted)

    def state(self, session: Session, kind: str, value: str) -> RestrictionState:
        """How the person of one identifier stands."""
        return _state(self._rows(session, [self.mark(kind, value)]))

    def look(self, subject: Personal) -> RestrictionState:
        """How a person stands by the opaque id of the host application, whichever kind of identifier that is in the map."""
        with self._desk.database.read() as session:
            return self._look(session, subject)

    def changes(self, *, after: int, limit: int) -> tuple[tuple[RestrictionChange, ...], int]:
        """Whose restrictions changed since a number, in the order of the changes, and the number to go on from."""
        if after < 0 or not 0 < limit <= MOST_CHANGES:
            raise BadInput(
                "This is no place in the feed.", remedy=f"Send after= from 0 on, and limit= from 1 to {MOST_CHANGES}."
            )
        with self._desk.database.read() as session:
            wanted = sa.select(RestrictionRow.id, RestrictionRow.number).where(RestrictionRow.number > after)
            rows = session.execute(wanted.order_by(RestrictionRow.number).limit(limit)).all()
            found = [
                RestrictionChange(number=number, subject=subject, state=self._look(session, subject))
                for row_id, number in rows
                for subject in _subjects(session, row_id)
            ]
        return tuple(found), rows[-1].number if rows else after

    def list(self, ref: str) -> tuple[RestrictionView, ...]:
        """What stands or stood for a request, the earliest first."""
        with self._desk.database.read() as session:
            wanted = sa.select(RestrictionRow).where(RestrictionRow.ref == ref.strip().upper())
            rows = session.execute(wanted.order_by(RestrictionRow.at, RestrictionRow.id)).scalars().all()
            return tuple(_view(row, _kinds(session, row)) for row in rows)

    def lift(self, ref: str, *, by: str, why: str) -> datetime:
        """Tell the person that it ends, and when; it ends by itself then. Raises Conflict where none stands, or they were told.

        `why`: the operator's words for the person."""
        words = _require_words(why)
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            row = _standing(session, ref)
            if row.lift_at is not None:
                raise Conflict(
                    f"The person of request {row.ref} was told already.",
                    remedy="It ends by itself on the day they were told.",
                )
            row.told_at, row.lift_at = now, now + desk.settings.lift_notice
            row.lift_by, row.lift_why = by, words
            row.number = _next_number(session)
            self._tell(session, row, goes_on=False)
            self._note(session, row, "lift_told", by=by, why=words)
            return row.lift_at

    def keep(self, ref: str, *, by: str, why: str) -> None:
        """Take back that it ends, before it did, and tell the person that it goes on."""
        words = _require_words(why)
        with self._desk.database.begin() as session:
            row = _standing(session, ref)
            if row.lift_at is None:
                raise Conflict(f"The restriction of request {row.ref} does not end.", remedy="Nothing is left to do.")
            row.told_at = row.lift_at = row.lift_by = None
            row.lift_why = words
            row.number = _next_number(session)
            self._tell(session, row, goes_on=True)
            row.lift_why = ""
            self._note(session, row, "lift_kept", by=by, why=words)

    def tick(self) -> int:
        """End those whose day has come; gives how many. One that cannot be ended does not stop the others."""
        now = self._desk.clock.now()
        with self._desk.database.read() as session:
            due = sa.select(RestrictionRow.id).where(RestrictionRow.lifted_at.is_(None), RestrictionRow.lift_at <= now)
            names = session.execute(due.order_by(RestrictionRow.lift_at)).scalars().all()
        return sum(self._end(name) for name in names)

    def _end(self, row_id: str) -> bool:
        desk, now = self._desk, self._desk.clock.now()
        try:
            with desk.database.begin() as session:
                row = session.get_one(RestrictionRow, row_id, with_for_update=True)
                if row.lifted_at is not None or row.lift_at is None or row.lift_at > now:
                    return False
                row.lifted_at, row.number = now, _next_number(session)
                for hold in row.holds:
                    desk.plans.holds.end_own(session, hold, by=SYSTEM, reason=f"The {row.kind} {row.ref} was lifted.")
                self._note(session, row, "lifted", by=row.lift_by or SYSTEM)
                if row.kind == RESTRICTION and (ticket := _ticket_of(session, row)):
                    self._told.note_restriction(session, ticket, lifted=True, categories=row.categories)
                return True
        except KeptError as error:
            log.error("restriction.not_lifted", restriction=row_id, reason=error.message)
            return False

    def _look(self, session: Session, subject: Personal) -> RestrictionState:
        kinds = {kind for one in self._desk.plans.datamap.collections for kind in one.identifies} - {EMAIL}
        known = session.execute(sa.select(RestrictionPersonRow.kind).distinct()).scalars()
        return _state(self._rows(session, [self.mark(kind, subject.reveal()) for kind in {*kinds, *known} - {EMAIL}]))

    def _rows(self, session: Session, marks: Sequence[str]) -> Sequence[RestrictionRow]:
        people = sa.select(RestrictionPersonRow.restriction_id).where(RestrictionPersonRow.hash.in_(marks))
        wanted = sa.select(RestrictionRow).where(RestrictionRow.id.in_(people), RestrictionRow.lifted_at.is_(None))
        return session.execute(wanted.order_by(RestrictionRow.at, RestrictionRow.id)).scalars().all()

    def _tell(self, session: Session, row: RestrictionRow, *, goes_on: bool) -> None:
        """A mail to whom it is about: their ticket may be forgotten by then, so it does not go through that."""
        desk, now = self._desk, self._desk.clock.now()
        version = desk.policies.in_force(session, now)
        if version is None or not row.contact:
            raise Conflict(f"Nobody can be told about the restriction {row.ref}.", remedy="No policy is in force.")
        controller = version.document.controller
        day = long_day(day_in(row.lift_at, controller.timezone), row.language) if row.lift_at else ""
        variables = {
            "controller": {"name": controller.name, "email": controller.email},
            "ref": row.ref,
            "right_words": say_right(Right(row.kind), row.language),
            "goes_on": goes_on,
            "is_restriction": row.kind == RESTRICTION,
            "day": day,
            "words": row.lift_why,
            "policy_link": f"{desk.base_url}/privacy",
        }
        mail_id = desk.queue_mail(
            session, event=ENDS_MAIL, to=row.contact.reveal(), variables=variables, now=now, language=row.language
        )
        if ticket := _ticket_of(session, row):
            desk.write(session, ticket, direction="out", author=SYSTEM, body=ENDS_MAIL, mail_id=mail_id)

    def _note(self, session: Session, row: RestrictionRow, kind: str, *, by: str, why: str = "") -> None:
        desk, ticket = self._desk, _ticket_of(session, row)
        if ticket is None:
            desk.ledger.record(session, kind=f"request.{kind}", actor=by, refs=[f"ticket:{row.ref}"], private={})
            return
        desk.note_event(session, ticket, kind, by=by, why=why)
        desk.record(session, ticket, f"request.{kind}", by=by, private={"why_mark": desk.mark(why)})


def _ticket_of(session: Session, row: RestrictionRow) -> TicketRow | None:
    try:
        return find_ticket(session, row.ref)
    except NotFound:
        return None  # forgotten since: a restriction lasts longer than its request is kept


def _next_number(session: Session) -> int:
    counted = sa.update(RestrictionFeedRow).where(RestrictionFeedRow.id == 1).values(last=RestrictionFeedRow.last + 1)
    number = session.execute(counted.returning(RestrictionFeedRow.last)).scalar_one_or_none()
    if number is None:
        session.add(RestrictionFeedRow(id=1, last=1))
        session.flush()
        return 1
    return number


def _pairs(identifiers: Identifiers) -> list[tuple[str, str]]:
    found = ((kind, one_form(kind, value)) for kind, values in identifiers.items() for value in values if value.strip())
    return list(dict.fromkeys(found))


def _subject(kind: str, value: str) -> Personal | None:
    if kind == EMAIL:
        return None
    try:
        return read_subject(value)
    except BadInput:  # a name or an address of another kind: host applications do not ask by it
        return None


def _subjects(session: Session, row_id: str) -> list[Personal]:
    wanted = sa.select(RestrictionPersonRow.subject).where(RestrictionPersonRow.restriction_id == row_id)
    found = session.execute(wanted.order_by(RestrictionPersonRow.id)).scalars()
    return [one for one in found if one is not None]


def _kinds(session: Session, row: RestrictionRow) -> list[str]:
    wanted = sa.select(RestrictionPersonRow.kind).where(RestrictionPersonRow.restriction_id == row.id)
    return list(session.execute(wanted.order_by(RestrictionPersonRow.kind)).scalars())


def _state(rows: Iterable[RestrictionRow]) -> RestrictionState:
    found = list(rows)
    stored = [one for one in found if one.kind == RESTRICTION]
    ends = [one.lift_at for one in stored]
    everything = any(not one.categories for one in stored)
    return RestrictionState(
        restricted=bool(stored),
        since=min((one.at for one in found), default=None),
        everything=everything,
        categories=() if everything else tuple(sorted({name for one in stored for name in one.categories})),
        objects_to=tuple(sorted({name for one in found if one.kind == OBJECTION for name in one.purposes})),
        ends_at=max(filter(None, ends)) if ends and all(ends) else None,
    )


def _view(row: RestrictionRow, kinds: Sequence[str]) -> RestrictionView:
    return RestrictionView(
        ref=row.ref,
        kind=row.kind,
        ground=Ground(row.ground) if row.ground else None,
        categories=tuple(row.categories),
        purposes=tuple(row.purposes),
        keeps=bool(row.holds),
        people=tuple(kinds),
        at=row.at,
        by=row.by,
        told_at=row.told_at,
        lift_at=row.lift_at,
        lift_why=row.lift_why,
        lifted_at=row.lifted_at,
    )


def _standing(session: Session, ref: str) -> RestrictionRow:
    wanted = sa.select(RestrictionRow).where(
        RestrictionRow.ref == ref.strip().upper(), RestrictionRow.lifted_at.is_(None)
    )
    row = session.execute(wanted.order_by(RestrictionRow.at).limit(1).with_for_update()).scalar_one_or_none()
    if row is None:
        raise Conflict(f"Nothing is restricted for request {ref.upper()}.", remedy="Look at it again.")
    return row


def _require_words(why: str) -> str:
    words = why.replace("\x00", "").strip()
    if not words or len(words) > LONGEST_WHY:
        raise BadInput(f"A reason has 1 to {LONGEST_WHY} characters.", remedy="Say why, in words for the person.")
    return words
