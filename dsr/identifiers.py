"""Identifiers of a person that came with their request: which are known, and which of them are proven."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import new_id
from core.personal import Personal
from dsr.tables import TicketRow
from dsr.ways_in_tables import TicketIdentifierRow

# Where an identifier comes from; what an operator saw has the operator's id.
HANDOFF, API, EVENT = "handoff", "api", "event"
# How a host application's opaque id is called in a data map.
SUBJECT_KIND: Final = "user_id"


def add_identifier(
    session: Session,
    ticket: TicketRow,
    kind: str,
    value: Personal,
    *,
    source: str,
    now: datetime,
    proven: bool,
) -> None:
    """Keep an identifier with a ticket. `proven`: the person has shown that it is theirs."""
    row = TicketIdentifierRow(
        id=new_id("idt"),
        ticket_id=ticket.id,
        kind=kind,
        value=value,
        source=source,
        at=now,
        proven_at=now if proven else None,
    )
    session.add(row)


def read_proven(session: Session, ticket: TicketRow) -> Mapping[str, Sequence[str]]:
    """Proven identifiers of the person, whichever request of their conversation they came with."""
    tickets = sa.select(TicketRow.id).where(TicketRow.conversation_id == ticket.conversation_id)
    wanted = sa.select(TicketIdentifierRow.kind, TicketIdentifierRow.value).where(
        TicketIdentifierRow.ticket_id.in_(tickets), TicketIdentifierRow.proven_at.is_not(None)
    )
    found: dict[str, list[str]] = {}
    for kind, value in session.execute(wanted.order_by(TicketIdentifierRow.kind, TicketIdentifierRow.value)):
        found.setdefault(kind, []).append(value.reveal())
    return found


def read_identifiers(session: Session, ticket: TicketRow) -> list[TicketIdentifierRow]:
    """All identifiers that came with a ticket."""
    wanted = sa.select(TicketIdentifierRow).where(TicketIdentifierRow.ticket_id == ticket.id)
    return list(session.execute(wanted.order_by(TicketIdentifierRow.kind, TicketIdentifierRow.id)).scalars())
