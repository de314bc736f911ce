"""The table of words that an installation gave its mails: a row for each time somebody changed them, none of them about people."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class MailWordingRow(Base):
    """The blocks of one mail in one language, as they hold from `at` until the next number. No blocks: the original."""

    __tablename__ = "mail_wordings"
    __table_args__ = (sa.UniqueConstraint("event", "language", "number"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    event: Mapped[str] = mapped_column(sa.String(60))
    language: Mapped[str] = mapped_column(sa.String(10))
    number: Mapped[int]
    blocks: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(100))
