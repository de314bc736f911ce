"""The tables of corrections: what is said to be wrong and right, and what the stores say now of what would be put right."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal

LONGEST_VALUE = 2_000


class CorrectionRow(Base):
    """One thing that should be put right. `about`: what of the map it is, '' for something that the map does not name;
    `value`: what is right. `collection` and `field`: where an operator says it stands. `part_id`: the refused part of
    the ticket, where it is declined. `taken_back_at`: by the person, before anybody decided."""

    __tablename__ = "correction_proposals"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(80))
    about: Mapped[str] = mapped_column(sa.String(120))
    value: Mapped[Personal] = mapped_column(PersonalText(LONGEST_VALUE))
    collection: Mapped[str | None] = mapped_column(sa.String(80))
    field: Mapped[str | None] = mapped_column(sa.String(120))
    part_id: Mapped[str | None] = mapped_column(sa.String(40))
    decided_by: Mapped[str | None] = mapped_column(sa.String(80))
    decided_at: Mapped[datetime | None]
    taken_back_at: Mapped[datetime | None]


class CorrectionChangeRow(Base):
    """What one field says now in some records of the person, and would say after the plan that puts it right. `before` NULL: nothing,
    or too many different values to list. `is_copy`: found by the map, not named. `spared_why`: an operator's words for why
    these records stay as they are, '' where they do not."""

    __tablename__ = "correction_changes"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(sa.ForeignKey("tickets.id"), index=True)
    collection: Mapped[str] = mapped_column(sa.String(80))
    store: Mapped[str] = mapped_column(sa.String(80))
    field: Mapped[str] = mapped_column(sa.String(120))
    before: Mapped[Personal | None] = mapped_column(PersonalText(LONGEST_VALUE))
    after: Mapped[Personal | None] = mapped_column(PersonalText(LONGEST_VALUE))
    rows: Mapped[int | None] = mapped_column(sa.BigInteger)
    is_copy: Mapped[bool]
    is_spared: Mapped[bool]
    spared_why: Mapped[str] = mapped_column(sa.Text, default="")
