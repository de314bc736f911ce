"""The tables of acceptance and of consent, apart from one another: rows are inserted, and told once when they ended; erasing a person deletes them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, PersonalText
from core.personal import Personal

SUBJECT_SIZE = 120


class AcceptanceRow(Base):
    """One person accepted one version in one way. `at` is when it happened, `recorded_at` when Kept heard of it;
    `account_closed_at`: when the person's account was closed, from which on it is kept as evidence alone.

    The unique index serves the question that host applications ask, and makes a repeat find the first row.
    """

    __tablename__ = "acceptances"
    __table_args__ = (sa.UniqueConstraint("subject", "version", "by"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    subject: Mapped[Personal] = mapped_column(PersonalText(SUBJECT_SIZE))
    version: Mapped[int] = mapped_column(sa.ForeignKey("policy_versions.number"))
    by: Mapped[str] = mapped_column(sa.String(20))
    language: Mapped[str | None] = mapped_column(sa.String(8))
    channel: Mapped[str] = mapped_column(sa.String(40))
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    entry: Mapped[str] = mapped_column(sa.String(40))
    account_closed_at: Mapped[datetime | None]


class ConsentRow(Base):
    """One turn of one person's consent to one purpose: given, or withdrawn. The last turn is what holds.

    `turn` counts from 1: two that are written at once collide here, and one of them looks again. A row that gives says what
    was shown: the version in force, and either `text` (a row of `consent_texts`) or the clause of that version in `language`.
    `ended_at`: when the withdrawal came that ended it, the one thing that is written into a row later.
    """

    __tablename__ = "consents"
    __table_args__ = (sa.UniqueConstraint("subject", "purpose", "turn"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    subject: Mapped[Personal] = mapped_column(PersonalText(SUBJECT_SIZE))
    purpose: Mapped[str] = mapped_column(sa.String(64))
    turn: Mapped[int]
    given: Mapped[bool]
    version: Mapped[int | None] = mapped_column(sa.ForeignKey("policy_versions.number"))
    language: Mapped[str | None] = mapped_column(sa.String(8))
    text: Mapped[str | None] = mapped_column(sa.ForeignKey("consent_texts.digest"))
    channel: Mapped[str] = mapped_column(sa.String(40))
    at: Mapped[datetime]
    entry: Mapped[str] = mapped_column(sa.String(40))
    ended_at: Mapped[datetime | None]


class ConsentTextRow(Base):
    """A text that was shown when consent was asked for, once, however many people saw it; named by its SHA-256."""

    __tablename__ = "consent_texts"
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    text: Mapped[str] = mapped_column(sa.Text)
