"""Why a request that is partly done stands still: a step failed, or it waits for people, a decision, or its time."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dsr.states import State
from dsr.tables import TicketEventRow, TicketRow

# Kinds of the events that move a ticket to partly done for another reason than a failure.
WAITS: Final = "waits"
TEXTS: Final = "texts"
LATER: Final = "later"


class Stand(StrEnum):
    """FAILED: a step could not be done. PEOPLE: somebody was asked to do a part by hand. TEXTS: an operator decides what of
    the texts of a copy goes out. TIME: what is left can be done at a known moment. GOING: the work is about to go on."""

    FAILED = "failed"
    PEOPLE = "people"
    TEXTS = "texts"
    TIME = "time"
    GOING = "going"


_BY_KIND: Final[Mapping[str, Stand]] = {
    "state": Stand.FAILED,
    WAITS: Stand.PEOPLE,
    TEXTS: Stand.TEXTS,
    LATER: Stand.TIME,
    "texts_decided": Stand.GOING,
    "run_asked": Stand.GOING,
}


def read_stands(session: Session, tickets: Iterable[TicketRow]) -> dict[str, Stand]:
    """How each of these tickets stands that is partly done, by its id."""
    wanted = [one.id for one in tickets if one.state == State.PARTLY_DONE]
    if not wanted:
        return {}
    rows = sa.select(TicketEventRow.ticket_id, TicketEventRow.kind).where(
        TicketEventRow.ticket_id.in_(wanted),
        TicketEventRow.kind.in_(_BY_KIND),
        TicketEventRow.after == State.PARTLY_DONE.value,
    )
    return {name: _BY_KIND[kind] for name, kind in session.execute(rows.order_by(TicketEventRow.position))}


def read_stand(session: Session, ticket: TicketRow) -> Stand | None:
    """How a ticket stands; None where it is not partly done."""
    return read_stands(session, [ticket]).get(ticket.id)
