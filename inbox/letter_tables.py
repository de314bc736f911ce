"""The tables of letters: what was read in each message and what became of it, the requests it led to, and how proposals fared."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class LetterRow(Base):
    """One message as a letter. It goes when its original does, by the same clauses.

    `thread_id`: the exchange of mails that it belongs to, shared by its letters, and what a signed address of ours names.
    `header_id`: its Message-ID. `kind`, `rights`, `regime`, `language`, `flags` and `found` (words, identifiers, deadline): the
    proposal. `text_mark`: a keyed hash of what was written, to see a repeat. `due_on`: the first day that a right it asks for would
    be due, a hint for sorting. `hint_ref`: the closed request that it seems to belong to. `mail_id`: the acknowledgement's outbox
    id. `ticket_message_id`: where it stands in a request's conversation. `request_closed_at`, `set_aside_at`: as on the original.
    """

    __tablename__ = "letters"
    __table_args__ = (sa.Index("ix_letters_state_received_at_id", "state", "received_at", "id"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    message_id: Mapped[str] = mapped_column(sa.ForeignKey("inbox_messages.id"), unique=True)
    thread_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    header_id: Mapped[str] = mapped_column(sa.String(260), index=True)
    received_at: Mapped[datetime]
    read_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(20))
    auto: Mapped[str] = mapped_column(sa.String(20))
    kind: Mapped[str] = mapped_column(sa.String(20))
    rights: Mapped[list[Any]]
    regime: Mapped[str | None] = mapped_column(sa.String(40))
    language: Mapped[str] = mapped_column(sa.String(10))
    flags: Mapped[list[Any]]
    found: Mapped[dict[str, Any]]
    sender: Mapped[Personal] = mapped_column(PersonalText(320), index=True)
    sender_name: Mapped[Personal] = mapped_column(PersonalText(1000))
    subject: Mapped[Personal] = mapped_column(PersonalText(1000))
    text_mark: Mapped[str] = mapped_column(sa.String(64), index=True)
    trouble: Mapped[str] = mapped_column(sa.Text, default="")
    due_on: Mapped[date | None] = mapped_column(sa.Date)
    hint_ref: Mapped[str | None] = mapped_column(sa.String(20))
    same_as: Mapped[str | None] = mapped_column(sa.String(40))
    mail_id: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    acknowledged_at: Mapped[datetime | None]
    ticket_message_id: Mapped[str | None] = mapped_column(sa.String(40))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(sa.String(80), default="")
    why: Mapped[str] = mapped_column(sa.Text, default="")
    request_closed_at: Mapped[datetime | None]
    set_aside_at: Mapped[datetime | None]


class LetterTicketRow(Base):
    """A request that a letter opened, answered or was added to. `ref` is no foreign key: each goes at its own time."""

    __tablename__ = "letter_tickets"
    __table_args__ = (sa.UniqueConstraint("letter_id", "ref"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    letter_id: Mapped[str] = mapped_column(sa.ForeignKey("letters.id"), index=True)
    ref: Mapped[str] = mapped_column(sa.String(20), index=True)
    at: Mapped[datetime]
    opened: Mapped[bool]


class TriageDecisionRow(Base):
    """What was proposed for a letter and what an operator decided; nothing of the letter and nobody's name, so it stays.

    `decision`: accepted, split, joined or set_aside. `as_proposed`: nothing was corrected."""

    __tablename__ = "triage_decisions"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    letter_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    rights: Mapped[list[Any]]
    regime: Mapped[str | None] = mapped_column(sa.String(40))
    language: Mapped[str] = mapped_column(sa.String(10))
    decision: Mapped[str] = mapped_column(sa.String(20))
    decided_rights: Mapped[list[Any]]
    decided_regime: Mapped[str | None] = mapped_column(sa.String(40))
    as_proposed: Mapped[bool]
