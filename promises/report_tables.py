"""The table of reports: which were asked for, which are made, and the hashes of their files."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class ReportRow(Base):
    """One evidence report over whole days. `state`: asked, made or failed; `pdf`, `pack`: SHA-256 of its two files."""

    __tablename__ = "reports"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    first: Mapped[date]
    last: Mapped[date]
    asked_at: Mapped[datetime] = mapped_column(index=True)
    asked_by: Mapped[str] = mapped_column(sa.String(80))
    state: Mapped[str] = mapped_column(sa.String(10))
    trouble: Mapped[str] = mapped_column(sa.Text, default="")
    made_at: Mapped[datetime | None]
    pdf: Mapped[str | None] = mapped_column(sa.String(64))
    pack: Mapped[str | None] = mapped_column(sa.String(64))
    files: Mapped[int] = mapped_column(default=0)
