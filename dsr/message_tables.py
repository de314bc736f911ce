"""The tables of what is attached to messages: files sealed under their ticket's own key, and that key, wrapped."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class TicketKeyRow(Base):
    """The key that the files of one ticket are sealed under. `wrapped_key` NULL: thrown away, which deletes them all."""

    __tablename__ = "ticket_keys"
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), primary_key=True)
    wrapped_key: Mapped[bytes | None]
    made_at: Mapped[datetime]


class AttachmentRow(Base):
    """One file of a message. `kind`: what its bytes begin like; `size`: plain bytes. `content` NULL: thrown away, and its
    name with it."""

    __tablename__ = "ticket_attachments"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    message_id: Mapped[str] = mapped_column(sa.ForeignKey("ticket_messages.id"), index=True)
    at: Mapped[datetime]
    name: Mapped[str] = mapped_column(sa.String(120))
    kind: Mapped[str] = mapped_column(sa.String(20))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    content: Mapped[bytes | None]
    gone_at: Mapped[datetime | None]
