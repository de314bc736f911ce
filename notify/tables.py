"""The tables of mails that go out: one row for each, what came of every try, and its text for as long as that may be kept."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal


class MailState(StrEnum):
    """Where a mail stands; only the first four go on by themselves.

    QUEUED: nobody tried yet. WAITING: tried, and tried again at `next_at`. SENDING: claimed by a process that hands it over
    now. UNCERTAIN: handed over or not, a crash or a silent server came between. SENT: handed over. REFUSED: the server, or
    Kept itself, will never take it. BOUNCED: taken, and reported as undeliverable. DECLINED: its recipient opted out of such
    mail, so it never left. GIVEN_UP: put off for too long, or a person said so.
    """

    QUEUED = "queued"
    WAITING = "waiting"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SENT = "sent"
    REFUSED = "refused"
    BOUNCED = "bounced"
    DECLINED = "declined"
    GIVEN_UP = "given_up"


class SentMailRow(Base):
    """One mail. `id` is the id of its outbox event, `to_hash` a keyed hash of the address, empty before the first try as
    `message_id` is. `at`: since when it is in its state. `why`: what a server said, never the address. `ref`: the thread
    that answers to it belong to. `status`: the code of RFC 3463 that a report gave. `delayed_at`: when one last said that
    the mail is on its way still."""

    __tablename__ = "sent_mails"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    event: Mapped[str] = mapped_column(sa.String(60))
    to_hash: Mapped[str] = mapped_column(sa.String(64), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    message_id: Mapped[str] = mapped_column(sa.String(200), index=True)
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    queued_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    delayed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    language: Mapped[str] = mapped_column(sa.String(10), default="", server_default="")
    purpose: Mapped[str] = mapped_column(sa.String(80), default="", server_default="")
    status: Mapped[str] = mapped_column(sa.String(20), default="", server_default="")
    why: Mapped[str] = mapped_column(sa.Text, default="", server_default="")
    ref: Mapped[str | None] = mapped_column(sa.String(40), index=True)


class MailTryRow(Base):
    """One try, or one thing that was heard or decided later. `state`: what the mail was in after it."""

    __tablename__ = "mail_tries"
    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    mail_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(sa.String(20))
    trouble: Mapped[str] = mapped_column(sa.Text, default="")
    by: Mapped[str] = mapped_column(sa.String(100), default="")


class MailTextRow(Base):
    """A mail as it was last handed over, for whoever has to see what was written: none of a mail that lets somebody in."""

    __tablename__ = "mail_texts"
    mail_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    recipient: Mapped[Personal] = mapped_column(PersonalText(320), index=True)
    content: Mapped[bytes] = mapped_column(sa.LargeBinary)
