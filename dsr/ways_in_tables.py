"""The tables of other ways in: identifiers that came with a request, accounts that were closed, addresses and letters of post,
what the host application handed over, and requests that need no operator."""

from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal

# States of a request that goes on without an operator.
BY_ITSELF: Final = frozenset({"looking", "cooling", "running"})


class TicketIdentifierRow(Base):
    """An identifier of a person that came with their request. `source`: handoff, api, event, or an operator's id.
    Nothing is looked for under it before `proven_at`."""

    __tablename__ = "ticket_identifiers"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    value: Mapped[Personal] = mapped_column(PersonalText(254), index=True)
    source: Mapped[str] = mapped_column(sa.String(80))
    at: Mapped[datetime]
    proven_at: Mapped[datetime | None]


class ClosedAccountRow(Base):
    """The host application says that an account was closed. `state`: taken, waiting, unknown (nobody of this id is in the
    stores), no_clause (the policy promises nothing), done, by_hand (the sweep has left something; an operator looks).
    `settled_at`: when nothing more was to be done for it."""

    __tablename__ = "closed_accounts"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    subject: Mapped[Personal] = mapped_column(PersonalText(120))
    closed_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    taken_at: Mapped[datetime] = mapped_column(index=True)
    batch: Mapped[str] = mapped_column(sa.String(40), index=True)
    state: Mapped[str] = mapped_column(sa.String(20))
    ticket_id: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    settled_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("subject", "closed_at"),)


class PostalAddressRow(Base):
    """Where a person without an e-mail address gets our answer: the lines of their address."""

    __tablename__ = "ticket_postal_addresses"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    at: Mapped[datetime]
    address: Mapped[Personal] = mapped_column(PersonalText(600))


class LetterRow(Base):
    """A mail of ours that has to go by post: its words as they were. `sent_on`: the day on which somebody posted it."""

    __tablename__ = "ticket_letters"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[Personal] = mapped_column(PersonalText(40_000))
    sent_on: Mapped[date | None] = mapped_column(sa.Date)
    sent_by: Mapped[str | None] = mapped_column(sa.String(80))


class HandoffRow(Base):
    """Somebody whom the host application has handed over and who has not said yet what they want: gone after minutes."""

    __tablename__ = "handoffs"
    hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)


class SelfServiceRow(Base):
    """A request that its clause lets go through without an operator. `state`: looking, cooling, running, operator, done,
    stopped. `why`: what an operator has to look at. `runs_at`: when a deletion begins."""

    __tablename__ = "ticket_self_service"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    clause: Mapped[str] = mapped_column(sa.String(80))
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    why: Mapped[list[Any]]
    runs_at: Mapped[datetime | None] = mapped_column(index=True)
