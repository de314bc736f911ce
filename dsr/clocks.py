"""The clock of a ticket: its due date as a function of its events, reckoned anew each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from core.catalogue import SOURCE
from core.clock import day_in
from dsr.closed_clock import CHANNEL as CLOSED_ACCOUNT
from dsr.closed_clock import reckon_closed
from dsr.tables import TicketEventRow, TicketRow
from policies.clauses import ProcessorClause, Right, RightClause
from policies.documents import Document
from policies.reckoning import Fee, Pause, Reckoning, reckon
from policies.regimes import Question, Regime, regime

# What happens to a ticket that its clock looks at.
ASKED: Final[Mapping[Question, str]] = MappingProxyType(
    {Question.CLARIFICATION: "clarification_asked", Question.IDENTITY: "identity_asked"}
)
QUESTION_ANSWERED: Final = "question_answered"
EXTENDED: Final = "extended"
FEE_ASKED, FEE_PAID = "fee_asked", "fee_paid"
ACKNOWLEDGED: Final = "acknowledged"
HELD_FOR_CUSTOMER: Final = "held_for_customer"
# With the address the person gets the mail that we have their request.
IDENTITY: Final = "identity"
_ABOUT: Final[Mapping[str, Question]] = MappingProxyType({kind: about for about, kind in ASKED.items()})


@dataclass(frozen=True, kw_only=True)
class ClockEvents:
    """What a ticket's events say to its clock. Days are in the controller's zone.

    `extended_to`: until when, where the law sets no limit. `acknowledged_on`: when receipt was confirmed. `customer`: the
    clause of the customer whose data it is, so that the agreement with them says how soon."""

    pauses: tuple[Pause, ...] = ()
    fee: Fee | None = None
    extended_on: date | None = None
    extended_to: date | None = None
    acknowledged_on: date | None = None
    customer: str = ""

    @property
    def question_on(self) -> date | None:
        """The day on which the question that is open was asked."""
        return next((pause.start for pause in self.pauses if pause.end is None), None)


def read_clock_events(events: Sequence[TicketEventRow], zone: str) -> ClockEvents:
    """The events of a ticket, in order, as its clock sees them. A second extension counts for nothing."""
    fee: Fee | None = None
    extended: TicketEventRow | None = None
    acknowledged: date | None = None
    customer = ""
    for event in events:
        day = day_in(event.at, zone)
        if event.kind == FEE_ASKED:
            fee = Fee(asked=day)
        elif event.kind == FEE_PAID and fee and fee.paid is None:
            fee = Fee(asked=fee.asked, paid=event.day or day)
        elif event.kind == EXTENDED:
            extended = extended or event
        elif event.kind in (IDENTITY, ACKNOWLEDGED):
            acknowledged = acknowledged or day
        elif event.kind == HELD_FOR_CUSTOMER:
            customer = event.why
    return ClockEvents(
        pauses=_pauses(events, zone),
        fee=fee,
        extended_on=day_in(extended.at, zone) if extended else None,
        extended_to=extended.day if extended else None,
        acknowledged_on=acknowledged,
        customer=customer,
    )


def _pauses(events: Sequence[TicketEventRow], zone: str) -> tuple[Pause, ...]:
    pauses: list[Pause] = []
    begun: tuple[date, Question] | None = None
    for event in events:
        if event.kind in _ABOUT and begun is None:
            begun = day_in(event.at, zone), _ABOUT[event.kind]
        elif event.kind == QUESTION_ANSWERED and begun is not None:
            end = max(event.day or day_in(event.at, zone), begun[0])
            pauses.append(Pause(start=begun[0], end=end, about=begun[1]))
            begun = None
    return (*pauses, Pause(start=begun[0], about=begun[1])) if begun else tuple(pauses)


def reckon_ticket(
    ticket: TicketRow,
    events: Sequence[TicketEventRow],
    document: Document,
    *,
    now: datetime | None = None,
    language: str = SOURCE,
) -> Reckoning:
    """When a ticket is due and why, from when it was received, when the address was shown, and what was written down since.

    Without a regime the earliest of the policy's regimes counts. `now` closes a question or a fee that is still open, for
    a closed ticket on the day it was closed.
    `language` is that of the lines of the reckoning.
    """
    if ticket.channel == CLOSED_ACCOUNT:  # nobody asked: what counts is what the policy says of closed accounts
        return reckon_closed(document, ticket.received_at, language)
    found = read_clock_events(events, document.controller.timezone)
    return reckon_events(ticket, found, document, now=now, language=language)


def reckon_events(
    ticket: TicketRow,
    found: ClockEvents,
    document: Document,
    *,
    now: datetime | None = None,
    language: str = SOURCE,
) -> Reckoning:
    """The same from events that were read already, or that are only supposed."""
    controller, clause = document.controller, right_clause(ticket, document)
    agreed = customer_clause(document, found.customer)
    if now and ticket.closed_at:  # what was open then stands still since
        now = min(now, ticket.closed_at)
    return reckon(
        regime=ticket.regime,
        right=Right(ticket.right),
        within=agreed.within if agreed else clause.within if clause else None,
        received=ticket.received_at,
        zone=controller.timezone,
        country=controller.country,
        subdivision=controller.subdivision,
        identity=day_in(ticket.identity_at, controller.timezone) if ticket.identity_at else None,
        pauses=found.pauses,
        fee=found.fee,
        extended_on=found.extended_on,
        extended_to=found.extended_to,
        firm=agreed is not None or (clause.firm if clause else False),
        candidates=document.regimes,
        today=day_in(now, controller.timezone) if now else None,
        language=language,
    )


def right_clause(ticket: TicketRow, document: Document) -> RightClause | None:
    """What the policy promises for the right that a ticket asks for."""
    right = Right(ticket.right)
    return next((one for one in document.of_kind(RightClause) if one.right is right), None)


def customer_clause(document: Document, clause_id: str) -> ProcessorClause | None:
    """The clause of a customer that data is held for."""
    return next((one for one in document.of_kind(ProcessorClause) if one.id == clause_id), None)


def law_of(ticket: TicketRow, document: Document) -> Regime | None:
    """The law that a ticket is under; None while it may be one of several."""
    if ticket.regime:
        return regime(ticket.regime)
    return regime(document.regimes[0]) if len(document.regimes) == 1 else None
