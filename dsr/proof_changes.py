"""A contact that was changed lately: what goes out or goes waits, and the former address is told, with a link that stops it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput, Conflict, NotFound, WaitsForPerson
from core.one_time import issue_token, look_up_token, spend_token, void_tokens
from core.outbox import Event, post
from core.personal import Personal
from core.words import long_day
from dsr.desk import PERSON, SYSTEM, Desk, find_ticket
from dsr.proof_standing import GUARDED, proof_row, proven_identifiers
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from plans.proving import ChangedContact, changed_contacts
from policies.clauses import Right

WATCH: Final = "request.changes"
STOP: Final = "request_stop"
STOP_LASTS: Final = timedelta(days=30)
MAIL: Final = "contact_changed"


class Changes:
    """Watches over contacts that were changed before a request."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def read(self, ticket: TicketRow, known: Mapping[str, Sequence[str]]) -> tuple[ChangedContact, ...]:
        """The changes that a request has to wait for; asks stores. () for rights that send or delete nothing."""
        span = self._desk.settings.cool_off
        if Right(ticket.right) not in GUARDED or not span:
            return ()
        return changed_contacts(self._desk.plans.datamap, known, since=ticket.received_at - span)

    def note(self, session: Session, ticket: TicketRow, changes: Sequence[ChangedContact]) -> None:
        """In the caller's transaction: let the ticket wait, and tell each former address once."""
        if not changes:
            return
        desk, now = self._desk, self._desk.clock.now()
        row, latest = proof_row(desk, session, ticket), max(one.at for one in changes)
        if row.changed_at is None or latest > row.changed_at:
            row.changed_at, row.waits_until = latest, now + desk.settings.cool_off
            desk.note_event(session, ticket, "contact_changed", by=SYSTEM, why=self._day(session, ticket, latest))
            desk.record(session, ticket, "request.contact_changed", by=SYSTEM, private={"changed": latest.isoformat()})
        for address in {one for change in changes for one in change.before}:
            self._warn(session, ticket, address, latest)

    def handle(self, event: Event) -> None:
        """The outbox's handler for the kind `request.changes`: the wait begins when the address is shown, not when an operator
        comes to look. Raises Unreachable while a store does not answer."""
        ref = str(event.payload["ref"])
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            known = proven_identifiers(session, ticket)
        if State(ticket.state) in ENDS:
            return
        try:
            moved = self.read(ticket, known)
        except WaitsForPerson:  # an address that many share: an operator sees that when the plan is made
            return
        with self._desk.database.begin() as session:
            self.note(session, find_ticket(session, ref, lock=True), moved)

    def look(self, token: str) -> TicketRow:
        """The request that a link stops; changes nothing. Raises NotFound for a link that is used, over or unknown."""
        desk = self._desk
        with desk.database.read() as session:
            return _open_one(session, look_up_token(session, token, purpose=STOP, now=desk.clock.now()))

    def stop(self, token: str) -> None:
        """Press the link's button: nothing goes out or goes until an operator has looked. Raises NotFound."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            found = _open_one(session, spend_token(session, token, purpose=STOP, now=now))
            ticket = find_ticket(session, found.ref, lock=True)
            row = proof_row(desk, session, ticket)
            row.contested_at = now
            desk.note_event(session, ticket, "contested", by=PERSON)
            desk.record(session, ticket, "request.contested", by=PERSON, private={})
            reason = "The former address says that this request is not theirs."
            if ticket.plan_id is not None:
                desk.plans.revoke_in(session, ticket.plan_id, by=SYSTEM, reason=reason)
            if State(ticket.state) is State.APPROVED:
                desk.move(session, ticket, State.PLANNED, by=SYSTEM, why=reason)

    def lift(self, ref: str, *, by: str, why: str) -> None:
        """Go on with a request that a former address stopped, by an operator who looked into it. Raises Conflict."""
        words = why.strip()
        if not words:
            raise BadInput("It needs a reason.", remedy="Say how you know that the request is the person's.")
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = proof_row(desk, session, ticket)
            if row.contested_at is None or State(ticket.state) in ENDS:
                raise Conflict(f"Request {ticket.ref} is not stopped.", remedy="Look at it again.")
            row.contested_at = None
            void_tokens(session, purpose=STOP, subject=ticket.id, now=desk.clock.now())
            desk.note_event(session, ticket, "contest_lifted", by=by, why=words)
            desk.record(session, ticket, "request.contest_lifted", by=by, private={"why_mark": desk.mark(words)})

    def _warn(self, session: Session, ticket: TicketRow, address: Personal, changed: datetime) -> None:
        desk, now = self._desk, self._desk.clock.now()
        row, mark = proof_row(desk, session, ticket), desk.mark(address.reveal().lower())
        if mark in row.warned or "@" not in address.reveal() or address == ticket.contact:
            return
        row.warned = [*row.warned, mark]
        token = issue_token(session, purpose=STOP, subject=ticket.id, now=now, lasts=STOP_LASTS)
        until = row.waits_until or now
        desk.mail(
            session,
            ticket,
            MAIL,
            to=address.reveal(),
            link=desk.address(f"/requests/stop/{token}", ticket),
            changed=self._day(session, ticket, changed, language=ticket.language),
            until=self._day(session, ticket, until, language=ticket.language),
        )

    def _day(self, session: Session, ticket: TicketRow, at: datetime, *, language: str = "en") -> str:
        return long_day(day_in(at, self._desk.document(session, ticket).controller.timezone), language)


def _open_one(session: Session, ticket_id: str) -> TicketRow:
    ticket = session.get(TicketRow, ticket_id)
    if ticket is None or State(ticket.state) in ENDS:
        raise NotFound("This link has been used, or its time is over.", remedy="Write to us.")
    return ticket


def watch(desk: Desk, session: Session, ticket: TicketRow) -> None:
    """In the caller's transaction: have a job look for a contact that was changed lately, where the map can tell."""
    if any(one.contact for one in desk.plans.datamap.collections):
        post(session, WATCH, {"ref": ticket.ref}, now=desk.clock.now())
