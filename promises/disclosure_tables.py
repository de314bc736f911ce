"""The table of disclosures to authorities: one row for each, and nothing of it changes but that it is struck out."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class DisclosureRow(Base):
    """What one authority was given on a day. `clause`: the promise it falls under, "" where the policy had none; `basis`: the
    law and the authority's reference; `categories`: of the policy; `people`: how many, never who. `by`, `struck_by`: opaque
    ids. A row that was wrong is struck out and written anew."""

    __tablename__ = "disclosures"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    clause: Mapped[str] = mapped_column(sa.String(120))
    day: Mapped[date] = mapped_column(index=True)
    authority: Mapped[str] = mapped_column(sa.String(200))
    basis: Mapped[str] = mapped_column(sa.Text)
    categories: Mapped[list[Any]]
    people: Mapped[int]
    given: Mapped[str] = mapped_column(sa.Text)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
    entry: Mapped[str] = mapped_column(sa.String(40))
    struck_at: Mapped[datetime | None]
    struck_by: Mapped[str | None] = mapped_column(sa.String(80))
