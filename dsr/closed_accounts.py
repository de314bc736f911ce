"""Accounts that the host application says were closed: taken by the thousand, each a silent ticket that waits for its day.

What the policy promises of a closed account is the work of its sweep. So nobody is written to and nobody approves anything
here; a ticket is settled once a look into the stores finds the account gone, and an operator gets it where it is not.
Decision 8 (docs/adr) says why.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.canonical import Json
from core.catalogue import short_code
from core.clock import day_in, iso_utc
from core.errors import BadInput
from core.ids import new_id, new_reference
from core.outbox import Event, post
from core.personal import Personal
from dsr.closed_clock import CHANNEL, closing_clauses, due_day
from dsr.closed_events import AccountClosed, Closed, ClosedLine, Taken, require_possible
from dsr.desk import SYSTEM, Desk
from dsr.identifiers import EVENT, SUBJECT_KIND
from dsr.states import State
from dsr.tables import ConversationRow, TicketEventRow, TicketRow
from dsr.ways_in_tables import ClosedAccountRow, TicketIdentifierRow
from ledger.log import NewEntry
from plans.accounts import AccountPlace, account_places, there
from policies.clauses import RetentionClause, Right
from policies.documents import Document
from policies.versions import Version

log = structlog.get_logger()
TAKE: Final = "request.accounts_closed"
MOST_AT_ONCE: Final = 1_000
# Tickets made, or looked after, in one transaction: others write in between.
CHUNK: Final = 250
# What is counted of these in the end is not a request that somebody made.
ENDED_AS: Final = "account_closed"
OnClosed = Callable[[Session, Personal, datetime], None]
OnGone = Callable[[Session, Sequence[tuple[TicketRow, Mapping[str, set[str]]]]], object]


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What a chunk of events is weighed by: the version, and where its clauses delete accounts."""

    version: Version
    clauses: tuple[RetentionClause, ...]
    places: tuple[AccountPlace, ...]

    @property
    def document(self) -> Document:
        return self.version.document


class ClosedAccounts:
    """Takes events in, makes their tickets in the background, and settles them. `on_closed` is called for each account, in
    the transaction that makes its ticket; `on_gone` with those that are gone, in the transaction that settles them."""

    def __init__(self, desk: Desk, *, on_closed: Sequence[OnClosed] = (), on_gone: Sequence[OnGone] = ()) -> None:
        self._desk = desk
        self._on_closed = tuple(on_closed)
        self._on_gone = tuple(on_gone)

    # -- the host application

    def take(self, events: Sequence[AccountClosed], *, by: str) -> Taken:
        """Write events down, all or none; the tickets follow in the background. The same account closed at the same time is
        one event, however often it is told. Raises BadInput."""
        now, batch = self._desk.clock.now(), new_id("bat")
        if not 1 <= len(events) <= MOST_AT_ONCE:
            raise BadInput("This is no list of closed accounts.", remedy=f"Send 1 to {MOST_AT_ONCE} at a time.")
        for one in events:
            require_possible(one, now)
        rows = [
            {
                "id": new_id("clo"),
                "subject": one.subject,
                "closed_at": one.closed_at,
                "reason": one.reason,
                "taken_at": now,
                "batch": batch,
                "state": Closed.TAKEN.value,
                "ticket_id": None,
                "settled_at": None,
            }
            for one in events
        ]
        with self._desk.database.begin() as session:
            session.execute(_insert_new(session), rows)
            counted = sa.select(sa.func.count()).where(ClosedAccountRow.batch == batch)
            new = session.execute(counted).scalar_one()
            if new:
                post(session, TAKE, {"batch": batch, "by": by}, now=now)
        return Taken(new=new, known=len(events) - new)

    # -- the jobs

    def handle(self, event: Event) -> None:
        """The outbox's handler: look the accounts up and make the tickets, chunk by chunk; taken up where it was left.

        Raises Unreachable while a store does not answer."""
        batch, by = str(event.payload["batch"]), str(event.payload.get("by", SYSTEM))
        ground = self._ground()
        if ground is None:
            raise BadInput("No policy is in force.", remedy="Publish one; the accounts are taken up by themselves.")
        while rows := self._chunk(ClosedAccountRow.batch == batch, ClosedAccountRow.state == Closed.TAKEN.value):
            known = self._known(rows)
            with self._desk.database.begin() as session:
                self._make(session, self._again(session, rows, Closed.TAKEN), known, ground, by)

    def tick(self) -> int:
        """Settle what waits and whose time is over; gives how many. Safe to run again at any time."""
        desk, settled, after = self._desk, 0, ""
        ground = self._ground()
        if ground is None:
            return 0
        today = day_in(desk.clock.now(), ground.document.controller.timezone)
        # A day early: the sweep may do it the moment it may.
        due = sa.select(TicketRow.id).where(
            TicketRow.state == State.SCHEDULED.value, TicketRow.due_on <= today + timedelta(days=1)
        )
        while rows := self._chunk(
            ClosedAccountRow.state == Closed.WAITING.value,
            ClosedAccountRow.ticket_id.in_(due),
            ClosedAccountRow.id > after,
        ):
            after = rows[-1].id
            left = there(desk.plans.datamap, ground.places, {one.subject.reveal() for one in rows})
            with desk.database.begin() as session:
                again = self._again(session, rows, Closed.WAITING)
                gone = [one for one in again if one.subject.reveal() not in left]
                late = [one for one in again if one.subject.reveal() in left]
                settled += self._settle(session, gone, ground) + self._give_to_operators(session, late)
        return settled

    # -- the operators

    def counts(self) -> dict[Closed, int]:
        """How many events stand how."""
        wanted = sa.select(ClosedAccountRow.state, sa.func.count()).group_by(ClosedAccountRow.state)
        with self._desk.database.read() as session:
            found = {Closed(state): number for state, number in session.execute(wanted)}
        return {one: found.get(one, 0) for one in Closed}

    def lines(self, state: Closed, *, limit: int = 50, offset: int = 0) -> list[ClosedLine]:
        """Events that stand so, the latest first."""
        wanted = (
            sa.select(ClosedAccountRow, TicketRow.ref)
            .outerjoin(TicketRow, TicketRow.id == ClosedAccountRow.ticket_id)
            .where(ClosedAccountRow.state == state.value)
            .order_by(ClosedAccountRow.closed_at.desc(), ClosedAccountRow.id)
        )
        with self._desk.database.read() as session:
            rows = session.execute(wanted.limit(limit).offset(offset)).all()
        return [
            ClosedLine(subject=row.subject, closed_at=row.closed_at, state=Closed(row.state), ref=ref or "")
            for row, ref in rows
        ]

    def _ground(self) -> _Ground | None:
        with self._desk.database.read() as session:
            version = self._desk.policies.in_force(session, self._desk.clock.now())
        if version is None:
            return None
        clauses = closing_clauses(version.document)
        covered = {name for clause in clauses for name in clause.of}
        places = account_places(self._desk.plans.datamap, SUBJECT_KIND)
        return _Ground(
            version=version, clauses=clauses, places=tuple(one for one in places if one.categories & covered)
        )

    def _chunk(self, *where: sa.ColumnElement[bool]) -> Sequence[ClosedAccountRow]:
        wanted = sa.select(ClosedAccountRow).where(*where).order_by(ClosedAccountRow.id).limit(CHUNK)
        with self._desk.database.read() as session:
            return session.execute(wanted).scalars().all()

    @staticmethod
    def _again(session: Session, rows: Sequence[ClosedAccountRow], state: Closed) -> Sequence[ClosedAccountRow]:
        """The same rows in this transaction, those that another process has not moved meanwhile."""
        wanted = sa.select(ClosedAccountRow).where(
            ClosedAccountRow.id.in_([one.id for one in rows]), ClosedAccountRow.state == state.value
        )
        return session.execute(wanted.order_by(ClosedAccountRow.id).with_for_update()).scalars().all()

    def _known(self, rows: Sequence[ClosedAccountRow]) -> set[str]:
        datamap = self._desk.plans.datamap
        return there(datamap, account_places(datamap, SUBJECT_KIND), {one.subject.reveal() for one in rows})

    def _make(
        self, session: Session, rows: Sequence[ClosedAccountRow], known: set[str], ground: _Ground, by: str
    ) -> None:
        now, waiting = self._desk.clock.now(), []
        for row in rows:
            for note in self._on_closed:
                note(session, row.subject, row.closed_at)
            if row.subject.reveal() not in known:
                row.state, row.settled_at = Closed.UNKNOWN.value, now
            elif not ground.places:
                row.state, row.settled_at = Closed.NO_CLAUSE.value, now
            else:
                waiting.append(row)
        self._replace_earlier(session, waiting)
        self._open(session, waiting, ground, by)
        unknown = sum(1 for row in rows if row.state == Closed.UNKNOWN.value)
        if unknown:
            log.warning("accounts_closed.unknown", number=unknown)

    def _open(self, session: Session, rows: Sequence[ClosedAccountRow], ground: _Ground, by: str) -> None:
        """Tickets for many events at once: the rows that `Desk` would make one by one."""
        if not rows:
            return
        desk, now, entries = self._desk, self._desk.clock.now(), []
        made: dict[type[Any], list[dict[str, Any]]] = {
            one: [] for one in (ConversationRow, TicketRow, TicketEventRow, TicketIdentifierRow)
        }
        for row in rows:
            ticket = self._ticket(row, ground)
            row.state, row.ticket_id = Closed.WAITING.value, ticket["id"]
            made[ConversationRow].append({"id": ticket["conversation_id"], "created_at": now})
            made[TicketRow].append(ticket)
            made[TicketEventRow].append(_event(ticket["id"], 1, now, kind="opened", by=by))
            made[TicketIdentifierRow].append(
                {"id": new_id("idt"), "ticket_id": ticket["id"], "kind": SUBJECT_KIND, "value": row.subject,
                 "source": EVENT, "at": now, "proven_at": None}
            )  # fmt: skip
            private = {"subject": desk.mark(row.subject.reveal()), "closed_at": iso_utc(row.closed_at)}
            refs = [f"ticket:{ticket['ref']}", f"version:{ground.version.number}"]
            entries.append(NewEntry(kind="request.account_closed", actor=by, refs=refs, private=private))
        session.flush()
        for table, values in made.items():
            session.execute(sa.insert(table), values)
        desk.ledger.record_all(session, entries)

    def _ticket(self, row: ClosedAccountRow, ground: _Ground) -> dict[str, Any]:
        document = ground.document
        return {
            "id": new_id("tkt"),
            "ref": new_reference(),
            "conversation_id": new_id("cnv"),
            "right": Right.DELETION.value,
            "regime": None,
            "channel": CHANNEL,
            "received_at": row.closed_at,
            "identity_at": None,
            "due_on": due_day(ground.clauses, row.closed_at, document.controller.timezone),
            "state": State.SCHEDULED.value,
            "version": ground.version.number,
            "contact": Personal(""),
            "language": short_code(document.language),
            "country": None,
            "subdivision": None,
            "details": "",
            "plan_id": None,
            "outcome": {},
            "is_test": False,
            "assigned_to": None,
            "reminded_for": None,
            "reminded_left": None,
            "closed_at": None,
            "ended_as": None,
        }

    def _replace_earlier(self, session: Session, rows: Sequence[ClosedAccountRow]) -> None:
        """An account that was opened again and closed again counts from the last time."""
        if not rows:
            return
        now, desk = self._desk.clock.now(), self._desk
        ids = {one.id for one in rows}
        earlier = sa.select(ClosedAccountRow).where(
            ClosedAccountRow.subject.in_([one.subject for one in rows]),
            ClosedAccountRow.state == Closed.WAITING.value,
        )
        for row in session.execute(earlier).scalars():
            if row.id in ids or row.ticket_id is None:
                continue
            ticket = session.get_one(TicketRow, row.ticket_id)
            row.state, row.settled_at = Closed.REPLACED.value, now
            desk.move(session, ticket, State.WITHDRAWN, by=SYSTEM, why="The account was closed again later.")
            ticket.ended_as = ENDED_AS

    def _settle(self, session: Session, rows: Sequence[ClosedAccountRow], ground: _Ground) -> int:
        """The sweep has done it: the rows and entries that `Desk.move` would make one by one."""
        if not rows:
            return 0
        now = self._desk.clock.now()
        tickets = _tickets_of(session, rows)
        looked = [place.collection for place in ground.places]
        told: dict[str, Json] = {"by_sweep": [one.id for one in closing_clauses(ground.document)], "looked": looked}
        last = _last_positions(session, [one.id for one in tickets.values()])
        events, entries = [], []
        for row in rows:
            row.state, row.settled_at = Closed.DONE.value, now
            ticket = tickets[str(row.ticket_id)]
            ticket.state, ticket.closed_at, ticket.ended_as = State.ANSWERED.value, now, ENDED_AS
            ticket.outcome = {**ticket.outcome, **told}
            events.append(_event(ticket.id, last[ticket.id] + 1, now, kind="swept", by=SYSTEM, after=State.ANSWERED))
            private: dict[str, Json] = {"from": State.SCHEDULED.value, "left": 0, **told}
            refs = [f"ticket:{ticket.ref}", f"version:{ticket.version}"]
            entries.append(NewEntry(kind="request.answered", actor=SYSTEM, refs=refs, private=private))
        session.flush()
        gone = [(tickets[str(row.ticket_id)], {SUBJECT_KIND: {row.subject.reveal()}}) for row in rows]
        for note in self._on_gone:
            note(session, gone)
        session.execute(sa.insert(TicketEventRow), events)
        self._desk.ledger.record_all(session, entries)
        return len(rows)

    def _give_to_operators(self, session: Session, rows: Sequence[ClosedAccountRow]) -> int:
        """What is past its day and still there, by a hold or since no sweep ran, is somebody's work."""
        desk, now, given = self._desk, self._desk.clock.now(), 0
        tickets = _tickets_of(session, rows)
        for row in rows:
            ticket = tickets[str(row.ticket_id)]
            zone = desk.document(session, ticket).controller.timezone
            if ticket.due_on is None or ticket.due_on >= day_in(now, zone):
                continue
            row.state, ticket.identity_at = Closed.BY_HAND.value, now
            proven = sa.update(TicketIdentifierRow).where(TicketIdentifierRow.ticket_id == ticket.id)
            session.execute(proven.values(proven_at=now))
            why = "The sweep has left the account: look for a hold, or at the runs of its clause."
            desk.move(session, ticket, State.RECEIVED, by=SYSTEM, why=why, kind="left_over")
            given += 1
        return given


def _event(
    ticket_id: str, position: int, at: datetime, *, kind: str, by: str, after: State = State.SCHEDULED
) -> dict[str, Any]:
    return {
        "id": new_id("tev"),
        "ticket_id": ticket_id,
        "position": position,
        "at": at,
        "kind": kind,
        "before": State.SCHEDULED.value,
        "after": after.value,
        "by": by,
        "why": "",
        "day": None,
    }


def _tickets_of(session: Session, rows: Iterable[ClosedAccountRow]) -> dict[str, TicketRow]:
    wanted = sa.select(TicketRow).where(TicketRow.id.in_([one.ticket_id for one in rows]))
    return {one.id: one for one in session.execute(wanted).scalars()}


def _last_positions(session: Session, ids: Sequence[str]) -> dict[str, int]:
    last = sa.func.max(TicketEventRow.position)
    wanted = sa.select(TicketEventRow.ticket_id, last).where(TicketEventRow.ticket_id.in_(ids))
    found = session.execute(wanted.group_by(TicketEventRow.ticket_id))
    return {row[0]: row[1] for row in found}


def _insert_new(session: Session) -> sa.Executable:
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(ClosedAccountRow).on_conflict_do_nothing(index_elements=["subject", "closed_at"])
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(ClosedAccountRow).on_conflict_do_nothing(index_elements=["subject", "closed_at"])
