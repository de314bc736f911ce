"""The tables of people who ask for others: who asks for whom, and what was looked at for it."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal
from dsr.message_tables import AttachmentRow
from dsr.states import ENDS, State
from dsr.tables import MessageRow, TicketRow

# The direction of a message whose files show that somebody may ask: on no page of the person's.
PAPERS = "asker"


class TicketAskerRow(Base):
    """Who asks for the person of a ticket, and of all tickets of its letter. `contact`: the asker's own address, '' without
    one; `contact_at`: when its link was pressed. `told_at`: when the person was asked whether they know of it;
    `disputed_at`: when they said that they do not. `answer_to`: see AnswerTo. `minor`: the age of the person, where they are
    under age. `customer`: the clause of the customer whose data it is. `kind` self: nobody, and only those last two are said."""

    __tablename__ = "ticket_askers"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[Personal] = mapped_column(PersonalText(200))
    contact: Mapped[Personal] = mapped_column(PersonalText(254))
    contact_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    shown_at: Mapped[datetime | None]
    disputed_at: Mapped[datetime | None]
    answer_to: Mapped[str] = mapped_column(sa.String(20), default="person")
    minor: Mapped[str | None] = mapped_column(sa.String(20))
    customer: Mapped[str | None] = mapped_column(sa.String(80))


class AskerShownRow(Base):
    """One thing that was shown for an asker: what (`item`), by whom it was looked at and when, and until when it is good.
    `by` is `person` for what the person themselves confirmed. `note`: an operator's words about it, no copy of it."""

    __tablename__ = "ticket_asker_shown"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    item: Mapped[str] = mapped_column(sa.String(30))
    by: Mapped[str] = mapped_column(sa.String(80))
    note: Mapped[str] = mapped_column(sa.Text, default="")
    good_until: Mapped[date | None] = mapped_column(sa.Date)


def asker_row(session: Session, ticket: TicketRow) -> TicketAskerRow | None:
    """The asker of a ticket's letter: whoever wrote it asked for each right in it."""
    own = session.get(TicketAskerRow, ticket.id)
    if own is not None:
        return own
    letter = sa.select(TicketAskerRow).where(TicketAskerRow.ticket_id.in_(_of_letter(ticket)))
    return session.execute(letter.limit(1)).scalar_one_or_none()


def new_asker_row(session: Session, ticket: TicketRow, now: datetime) -> TicketAskerRow:
    """The row of a ticket for whose person nobody asks yet."""
    row = TicketAskerRow(
        ticket_id=ticket.id, at=now, kind="self", name=Personal(""), contact=Personal(""), answer_to="person"
    )
    session.add(row)
    session.flush()
    return row


def shown_rows(session: Session, ticket: TicketRow) -> list[AskerShownRow]:
    """What was shown for the asker of a ticket's letter, in order."""
    wanted = sa.select(AskerShownRow).where(AskerShownRow.ticket_id.in_(_of_letter(ticket)))
    return list(session.execute(wanted.order_by(AskerShownRow.at, AskerShownRow.id)).scalars())


def is_known_asker(session: Session, address: str) -> bool:
    """Whether somebody has shown before that this is their address and that they ask for others with it."""
    known = sa.select(TicketAskerRow.ticket_id).where(
        sa.func.lower(TicketAskerRow.contact) == address.lower(), TicketAskerRow.contact_at.is_not(None)
    )
    return bool(address) and session.execute(known.limit(1)).first() is not None


def end_asking(session: Session, ticket: TicketRow) -> None:
    """A ticket came to its end: the papers that were handed in for it are deleted, once no other ticket of the letter needs
    them; what was looked at, by whom and when, stays. Of a form whose link was never used nothing stays."""
    row = asker_row(session, ticket)
    if row is None:
        return
    ends = [one.value for one in ENDS]
    others = sa.select(TicketRow.id).where(
        TicketRow.conversation_id == ticket.conversation_id, TicketRow.id != ticket.id, TicketRow.state.not_in(ends)
    )
    if session.execute(others.limit(1)).first() is None:
        _drop_papers(session, ticket)
    if State(ticket.state) is State.EXPIRED:
        row.name, row.contact = Personal(""), Personal("")


def _drop_papers(session: Session, ticket: TicketRow) -> None:
    papers = sa.select(MessageRow.id).where(
        MessageRow.conversation_id == ticket.conversation_id, MessageRow.direction == PAPERS
    )
    session.execute(sa.delete(AttachmentRow).where(AttachmentRow.message_id.in_(papers)))


def _of_letter(ticket: TicketRow) -> sa.Select[Any]:
    return sa.select(TicketRow.id).where(TicketRow.conversation_id == ticket.conversation_id)
