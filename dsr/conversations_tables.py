"""The tables beside a ticket: which others are about the same, and the parts of it that are refused."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class TicketLinkRow(Base):
    """One side of a link between two tickets that ask for the same; the other ticket has a row of its own.

    `other_ref` is no foreign key: each ticket goes at its own time, and takes its own row with it."""

    __tablename__ = "ticket_links"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    other_ref: Mapped[str] = mapped_column(sa.String(20))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
    __table_args__ = (sa.UniqueConstraint("ticket_id", "other_ref"),)


class RefusedPartRow(Base):
    """One part of a request that is refused while the rest is done. `collections`: what of the plan it is, empty where no
    plan carries the right out; `what`: the part in words for the person; `ground`: its id, `reason`: words for the person."""

    __tablename__ = "ticket_refused_parts"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
    collections: Mapped[list[Any]]
    what: Mapped[str] = mapped_column(sa.Text)
    ground: Mapped[str] = mapped_column(sa.String(40))
    reason: Mapped[str] = mapped_column(sa.Text)
