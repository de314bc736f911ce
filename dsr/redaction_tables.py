"""What was seen in the texts of a copy before it went out, and what an operator decided of it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class FindingRow(Base):
    """What one sort of thing looked like in the texts of one collection. `count`: how many pieces; `fields`: in which fields;
    `samples`: a few, masked. `decision` NULL: nobody has decided, and no copy goes out before."""

    __tablename__ = "package_findings"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    collection: Mapped[str] = mapped_column(sa.String(80))
    sort: Mapped[str] = mapped_column(sa.String(20))
    count: Mapped[int] = mapped_column(sa.BigInteger)
    fields: Mapped[list[Any]]
    samples: Mapped[list[Any]]
    decision: Mapped[str | None] = mapped_column(sa.String(10))
    decided_by: Mapped[str | None] = mapped_column(sa.String(80))
    decided_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("ticket_id", "collection", "sort"),)
