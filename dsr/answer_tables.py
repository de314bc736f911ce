"""The tables of answers: texts that operators wrote for them, and the certificates of what was deleted."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class AnswerTextRow(Base):
    """The text of one kind of answer to a ticket, as an operator wrote it; it goes out instead of the standard one."""

    __tablename__ = "ticket_answers"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    text: Mapped[str] = mapped_column(sa.Text)
    by: Mapped[str] = mapped_column(sa.String(80))
    at: Mapped[datetime]
    __table_args__ = (sa.UniqueConstraint("ticket_id", "kind"),)


class CertificateRow(Base):
    """What was deleted for a ticket, with the ledger entries that show it: once as canonical JSON, whose SHA-256 is in
    the ledger, once on paper. It holds no personal data."""

    __tablename__ = "certificates"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), unique=True)
    made_at: Mapped[datetime]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    body: Mapped[bytes]
    paper: Mapped[bytes]
