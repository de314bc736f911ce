"""Requests about data that is held for a customer: the customer decides, so it is passed on to them and the person is told."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput, Conflict
from core.words import long_day
from dsr.asker_rules import AskerKind
from dsr.asker_tables import asker_row, new_asker_row
from dsr.clocks import HELD_FOR_CUSTOMER, customer_clause
from dsr.desk import Desk, find_ticket
from dsr.states import State, require_move
from dsr.tables import TicketRow
from policies.clauses import ProcessorClause

CUSTOMER_MAIL, PERSON_MAIL = "customer_request", "request_forwarded"
MAIL_TO: Final = "mailto:"
LONGEST_HOW: Final = 500


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer that data is held for, by the policy's clause. `by_mail`: we write to them; else an operator passes it on
    where the clause says."""

    clause: str
    forward_to: str
    by_mail: bool


@dataclass(frozen=True, kw_only=True)
class ForwardingView:
    """`customers`: whom a request could be passed on to; `chosen`: whose data it is, and `due` by when the agreement wants
    it passed on."""

    customers: tuple[Customer, ...]
    chosen: Customer | None
    due: date | None


class Forwarding:
    """Passes requests on. Each method is a use case with its own transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def look(self, ref: str) -> ForwardingView:
        """Whom a request could be passed on to, and what was chosen. Raises NotFound."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            document, row = self._desk.document(session, ticket), asker_row(session, ticket)
            chosen = customer_clause(document, row.customer) if row and row.customer else None
            return ForwardingView(
                customers=tuple(_customer(one) for one in document.of_kind(ProcessorClause)),
                chosen=_customer(chosen) if chosen else None,
                due=ticket.due_on if chosen else None,
            )

    def hold_for(self, ref: str, *, clause: str, by: str) -> None:
        """Say whose data it is: from here on the agreement's period counts, from the day the request came in. Raises BadInput
        for a clause that names no customer, Conflict once the work is approved."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            require_move(ticket.ref, State(ticket.state), State.FORWARDED)
            found = self._clause(session, ticket, clause)
            row = asker_row(session, ticket) or new_asker_row(session, ticket, desk.clock.now())
            row.customer = found.id
            desk.note_event(session, ticket, HELD_FOR_CUSTOMER, by=by, why=found.id)
            desk.record(session, ticket, "request.held_for_customer", by=by, private={"clause": found.id})

    def forward(self, ref: str, *, by: str, how: str = "") -> None:
        """Pass a request on to the customer whose data it is, and tell the person who decides. The customer gets what the
        person gave us and nothing else. `how`: where the clause names no mail address, how an operator passed it on."""
        desk, said = self._desk, how.replace("\x00", "").strip()[:LONGEST_HOW]
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            require_move(ticket.ref, State(ticket.state), State.FORWARDED)
            row = asker_row(session, ticket)
            if row is None or not row.customer:
                raise Conflict(
                    f"Nobody has said whose data request {ticket.ref} is about.", remedy="Choose the customer."
                )
            customer = _customer(self._clause(session, ticket, row.customer))
            if not customer.by_mail and not said:
                raise BadInput(
                    "It needs a word on how it was passed on.", remedy=f"Pass it on at {customer.forward_to}."
                )
            if customer.by_mail:
                self._mail_customer(session, ticket, customer)
            desk.mail(
                session, ticket, PERSON_MAIL, customer=customer.forward_to, received=self._received(session, ticket)
            )
            ticket.outcome = {**ticket.outcome, "forwarded": {"clause": customer.clause, "to": customer.forward_to}}
            desk.move(session, ticket, State.FORWARDED, by=by, why=said)

    def _mail_customer(self, session: Session, ticket: TicketRow, customer: Customer) -> None:
        row = asker_row(session, ticket)
        named = row is not None and row.kind != AskerKind.SELF
        self._desk.mail(
            session,
            ticket,
            CUSTOMER_MAIL,
            to=customer.forward_to,
            person=ticket.contact.reveal(),
            proven=ticket.identity_at is not None,
            asker=row.name.reveal() if row is not None and named else "",
            details=ticket.details,
            received=self._received(session, ticket),
        )

    def _clause(self, session: Session, ticket: TicketRow, clause: str) -> ProcessorClause:
        document = self._desk.document(session, ticket)
        found = customer_clause(document, clause)
        if found is None:
            names = ", ".join(one.id for one in document.of_kind(ProcessorClause))
            remedy = f"Use one of: {names}." if names else "Add a `processor` clause to the policy first."
            raise BadInput(f"'{clause}' names no customer.", remedy=remedy)
        return found

    def _received(self, session: Session, ticket: TicketRow) -> str:
        zone = self._desk.document(session, ticket).controller.timezone
        return long_day(day_in(ticket.received_at, zone), ticket.language)


def _customer(clause: ProcessorClause) -> Customer:
    return Customer(
        clause=clause.id,
        forward_to=clause.forward_to.removeprefix(MAIL_TO),
        by_mail=clause.forward_to.startswith(MAIL_TO),
    )
