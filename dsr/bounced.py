"""Mails of requests that did not arrive: noted on the request, and open until an operator has found another way or said why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from core.errors import BadInput, Conflict, NotFound
from dsr.desk import SYSTEM, Desk, find_ticket
from dsr.tables import TicketEventRow, TicketRow

LOST: Final = "mail_lost"
LATE: Final = "mail_late"
SETTLED: Final = "mail_lost_settled"
LONGEST_WHY: Final = 2_000
_SAYS: Final = {
    "bounced": "came back",
    "refused": "was refused",
    "given_up": "was not taken for days, and was given up",
    "late": "is on its way still",
}


@dataclass(frozen=True, kw_only=True)
class LostLine:
    """A request with a mail that did not arrive and that nobody has seen to. `event`: the mail; `how`: what became of it."""

    ref: str
    event: str
    how: str
    at: datetime


class Bounced:
    """Notes them, lists them, and lets an operator close one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def note(self, session: Session, *, ref: str, event: str, how: str, status: str) -> bool:
        """In the caller's transaction. `how`: bounced, refused, given_up or late; False where `ref` is no request's."""
        try:
            ticket = find_ticket(session, ref)
        except NotFound:
            return False  # a conversation that became no request yet, or one that is forgotten
        kind = LATE if how == "late" else LOST
        why = f"{event} {_SAYS[how]}" + (f" ({status})" if status else "")
        self._desk.note_event(session, ticket, kind, by=SYSTEM, why=why)
        private = {"mail": event, "how": how, "status": status}
        self._desk.record(session, ticket, f"request.{kind}", by=SYSTEM, private=private)
        return True

    def waiting(self) -> tuple[LostLine, ...]:
        """Requests with one that nobody has seen to, the oldest first; tests left out."""
        wanted = sa.select(TicketRow.ref, TicketEventRow.why, TicketEventRow.at)
        wanted = wanted.join(TicketRow, TicketRow.id == TicketEventRow.ticket_id)
        wanted = wanted.where(_is_open(), TicketRow.is_test.is_(False))
        with self._desk.database.read() as session:
            found = session.execute(wanted.order_by(TicketEventRow.at, TicketRow.ref)).all()
        return tuple(_line(ref, why, at) for ref, why, at in found)

    def look(self, ref: str) -> LostLine | None:
        """The one of a request, if it has one that nobody has seen to."""
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            row = session.execute(_of(ticket)).first()
        return _line(ticket.ref, row.why, row.at) if row else None

    def settle(self, ref: str, *, why: str, by: str) -> None:
        """An operator has asked for another contact, sent it in another way, or says why nothing is to be done. Raises
        BadInput, Conflict."""
        words = why.strip()
        if not words or len(words) > LONGEST_WHY:
            raise BadInput("What was done about it is missing.", remedy=f"Say it in 1 to {LONGEST_WHY} characters.")
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if session.execute(_of(ticket)).first() is None:
                raise Conflict(f"No mail of {ticket.ref} is lost.", remedy="Look at its page again.")
            self._desk.note_event(session, ticket, SETTLED, by=by, why=words)
            private = {"why_mark": self._desk.mark(words)}
            self._desk.record(session, ticket, f"request.{SETTLED}", by=by, private=private)


def _is_open() -> sa.ColumnElement[bool]:
    """The latest mail that was lost, unless somebody saw to it since."""
    later = aliased(TicketEventRow)
    since = sa.select(later.id).where(
        later.ticket_id == TicketEventRow.ticket_id,
        later.position > TicketEventRow.position,
        later.kind.in_([LOST, SETTLED]),
    )
    return sa.and_(TicketEventRow.kind == LOST, ~since.exists())


def _of(ticket: TicketRow) -> sa.Select[str, datetime]:
    wanted = sa.select(TicketEventRow.why, TicketEventRow.at)
    return wanted.where(TicketEventRow.ticket_id == ticket.id, _is_open())


def _line(ref: str, why: str, at: datetime) -> LostLine:
    event, _, how = why.partition(" ")
    return LostLine(ref=ref, event=event, how=how, at=at)
