"""The tables of mail that was taken: one row a message, its bytes as they came, and how far each mailbox was read."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class InboxMessageRow(Base):
    """One message, taken once: by its place, and by its bytes wherever else they turn up. It stays when the original has
    gone, or the mail that still lies in the mailbox would come in again. `source`: the mailbox as it is shown, without a
    secret; `place`: where in it (`UIDVALIDITY/UID`, a file name, or the digest); `digest`: SHA-256 of what was taken;
    `size`: bytes of the whole mail; `arrived_at`: as the mailbox says, for mails that do not say it themselves;
    `too_large`: only the headers were taken; `read_at` NULL: nobody has read it."""

    __tablename__ = "inbox_messages"
    __table_args__ = (
        sa.UniqueConstraint("source", "place"),
        sa.Index("ix_inbox_messages_read_at", "read_at", "fetched_at"),
    )
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    source: Mapped[str] = mapped_column(sa.String(200))
    place: Mapped[str] = mapped_column(sa.String(255))
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    size: Mapped[int] = mapped_column(sa.BigInteger)
    fetched_at: Mapped[datetime]
    arrived_at: Mapped[datetime]
    too_large: Mapped[bool]
    read_at: Mapped[datetime | None]


class OriginalRow(Base):
    """The bytes of a message as they came. Its clauses count from `request_closed_at`, when the last request that it
    opened or answered was closed, or from `set_aside_at`, when it was found to be no request; both NULL: still needed."""

    __tablename__ = "message_originals"
    message_id: Mapped[str] = mapped_column(sa.ForeignKey("inbox_messages.id"), primary_key=True)
    raw: Mapped[bytes] = mapped_column(sa.LargeBinary)
    at: Mapped[datetime]
    request_closed_at: Mapped[datetime | None]
    set_aside_at: Mapped[datetime | None]


class PositionRow(Base):
    """How far a mailbox was read: every message up to `last_uid` was taken, as long as it is of this `validity`. `era`: how
    often the server went back to lower UIDs without saying so by a new validity, as after a restore."""

    __tablename__ = "inbox_positions"
    source: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    validity: Mapped[int] = mapped_column(sa.BigInteger)
    last_uid: Mapped[int] = mapped_column(sa.BigInteger)
    era: Mapped[int]
    at: Mapped[datetime]


class TokenRow(Base):
    """The refresh token that a provider gave in place of the one in `kept.yaml`, sealed. `configured`: SHA-256 of the one
    it took the place of; another one in the file counts again."""

    __tablename__ = "inbox_tokens"
    account: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    configured: Mapped[str] = mapped_column(sa.String(64))
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    at: Mapped[datetime]
