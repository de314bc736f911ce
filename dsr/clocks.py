"""The clock of a ticket: its due date as a function of its events, reckoned anew each time."""

from collections.abc import Sequence
from datetime import date, datetime

from core.catalogue import SOURCE
from core.clock import day_in
from dsr.tables import TicketEventRow, TicketRow
from policies.clauses import Right, RightClause
from policies.documents import Document
from policies.reckoning import Pause, Reckoning, reckon

PAUSED, RESUMED, EXTENDED = "paused", "resumed", "extended"


def reckon_ticket(
    ticket: TicketRow,
    events: Sequence[TicketEventRow],
    document: Document,
    *,
    now: datetime | None = None,
    language: str = SOURCE,
) -> Reckoning:
    """When a ticket is due and why, from when it was received, when the address was shown, and what was written down since.

    Without a regime the earliest of the policy's regimes counts. `now` closes a pause that is still open.
    `language` is that of the lines of the reckoning.
    """
    controller, right = document.controller, Right(ticket.right)
    clause = next((one for one in document.of_kind(RightClause) if one.right is right), None)
    return reckon(
        regime=ticket.regime,
        right=right,
        within=clause.within if clause else None,
        received=ticket.received_at,
        zone=controller.timezone,
        country=controller.country,
        subdivision=controller.subdivision,
        identity=day_in(ticket.identity_at, controller.timezone) if ticket.identity_at else None,
        pauses=_pauses(events, controller.timezone),
        extended=any(event.kind == EXTENDED for event in events),
        firm=clause.firm if clause else False,
        candidates=document.regimes,
        today=day_in(now, controller.timezone) if now else None,
        language=language,
    )


def _pauses(events: Sequence[TicketEventRow], zone: str) -> tuple[Pause, ...]:
    pauses: list[Pause] = []
    begun: date | None = None
    for event in events:
        if event.kind == PAUSED and begun is None:
            begun = day_in(event.at, zone)
        elif event.kind == RESUMED and begun is not None:
            pauses.append(Pause(start=begun, end=day_in(event.at, zone)))
            begun = None
    return (*pauses, Pause(start=begun)) if begun else tuple(pauses)
