"""The tables of requests: conversations, tickets, their events and messages, codes and grants of the person's page, packages."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal
from dsr.tallies import Tally


class ConversationRow(Base):
    """One exchange with one person; several tickets may belong to it."""

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    created_at: Mapped[datetime]


class TicketRow(Tally, Base):
    """One right asked for. `contact`, `details` and places are personal data; `ref` is opaque and may stand in addresses.

    `due_on` is a hint for sorting, recomputed from the events at each of them. `version`: the policy version that was in
    force when the request was received. `is_test`: opened to try things out, in no count. `assigned_to`: the operator whose
    work it is. `reminded_for` and `reminded_left`: the due date that operators were reminded of, and how many days were left
    (-1: the fallback was told). `closed_at` and `ended_as`: when and in which state it came to its end (`test` for those), which is all that
    is counted of it in the end."""

    __tablename__ = "tickets"
    # A mail that comes in is looked up by its sender.
    __table_args__ = (sa.Index("ix_tickets_lower_contact", sa.text("lower(contact)")),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ref: Mapped[str] = mapped_column(sa.String(20), unique=True)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id"), index=True)
    right: Mapped[str] = mapped_column(sa.String(30))
    regime: Mapped[str | None] = mapped_column(sa.String(40))
    channel: Mapped[str] = mapped_column(sa.String(20))
    received_at: Mapped[datetime]
    identity_at: Mapped[datetime | None]
    due_on: Mapped[date | None] = mapped_column(sa.Date, index=True)
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    version: Mapped[int]
    contact: Mapped[Personal] = mapped_column(PersonalText(254))
    language: Mapped[str] = mapped_column(sa.String(10))
    country: Mapped[str | None] = mapped_column(sa.String(2))
    subdivision: Mapped[str | None] = mapped_column(sa.String(3))
    details: Mapped[str] = mapped_column(sa.Text, default="")
    plan_id: Mapped[str | None] = mapped_column(sa.String(40))
    outcome: Mapped[dict[str, Any]] = mapped_column("told")
    is_test: Mapped[bool] = mapped_column(default=False)
    assigned_to: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    reminded_for: Mapped[date | None] = mapped_column(sa.Date)
    reminded_left: Mapped[int | None]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    ended_as: Mapped[str | None] = mapped_column("outcome", sa.String(20))


class RequestCountRow(Tally, Base):
    """What is left of the requests that were closed in one year: how many of a kind, with sums of what `Tally` counts; of
    fewer than the clause's k, nothing."""

    __tablename__ = "request_counts"
    id: Mapped[int] = mapped_column(primary_key=True)
    year: Mapped[date] = mapped_column(sa.Date)
    right: Mapped[str] = mapped_column(sa.String(30))
    regime: Mapped[str | None] = mapped_column(sa.String(40))
    outcome: Mapped[str | None] = mapped_column(sa.String(20))
    rows: Mapped[int] = mapped_column(sa.BigInteger)


class TicketEventRow(Base):
    """One thing that happened to a ticket. `before` and `after` are states, the same where the state did not change.

    `day`: the one it is about, where that is another than the one it was written down on: when an answer or a fee came
    in, or until when an extension without a limit lasts."""

    __tablename__ = "ticket_events"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    position: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(sa.String(30))
    before: Mapped[str] = mapped_column(sa.String(20))
    after: Mapped[str] = mapped_column(sa.String(20))
    by: Mapped[str] = mapped_column(sa.String(80))
    why: Mapped[str] = mapped_column(sa.Text, default="")
    day: Mapped[date | None] = mapped_column(sa.Date)
    __table_args__ = (sa.UniqueConstraint("ticket_id", "position"),)


class MessageRow(Base):
    """A note of an operator (`note`), a mail of ours (`out`: `body` is the mail's event name, `mail_id` its outbox id), or
    what the person (`in`) and we (`reply`) wrote on the person's page.

    `during`: the ticket's state at that time. `settled_at`: since when nobody has to answer what the person wrote."""

    __tablename__ = "ticket_messages"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id"), index=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    direction: Mapped[str] = mapped_column(sa.String(10))
    author: Mapped[str] = mapped_column(sa.String(80))
    body: Mapped[str] = mapped_column(sa.Text)
    mail_id: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    during: Mapped[str | None] = mapped_column(sa.String(20))
    settled_at: Mapped[datetime | None]


class PageCodeRow(Base):
    """A code that opens the person's page, or a package: hashed, for a few tries and minutes."""

    __tablename__ = "page_codes"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    hash: Mapped[str] = mapped_column(sa.String(64))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    tries_left: Mapped[int]
    spent_at: Mapped[datetime | None]


class PageGrantRow(Base):
    """One opening of the person's page by a right code; the browser holds the token, we its hash."""

    __tablename__ = "page_grants"
    hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class PackageRow(Base):
    """One encrypted package. `wrapped_key` NULL: thrown away, which is deleting it. `size`: bytes of the ZIP inside."""

    __tablename__ = "packages"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    wrapped_key: Mapped[bytes | None]
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    contents: Mapped[list[Any]]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    deleted_at: Mapped[datetime | None]


class DownloadRow(Base):
    """One download of a package, written before the first byte goes out. `token_hash`: what the browser holds to fetch it
    and, broken off, the rest of it, up to `ends_at`; NULL for what an operator handed out."""

    __tablename__ = "package_downloads"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    package_id: Mapped[str] = mapped_column(sa.ForeignKey("packages.id"), index=True)
    at: Mapped[datetime]
    token_hash: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    ends_at: Mapped[datetime | None]


class CounterRow(Base):
    """How often something was done in one window: `key` is a keyed hash of what is counted, whom, and when it began."""

    __tablename__ = "request_counters"
    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)
