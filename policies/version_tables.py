"""The tables of published versions: rows that are inserted and never changed; what happens to a version is an event."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class VersionRow(Base):
    """One published version. `text` is the document as it was given; `planned_for` the earliest it may come into force."""

    __tablename__ = "policy_versions"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    policy: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(sa.Text)
    digest: Mapped[str] = mapped_column(sa.String(64))
    published_at: Mapped[datetime]
    planned_for: Mapped[datetime]


class PolicyEventRow(Base):
    """What happened to a version: `in_force`, once each. `entry` is the ledger's."""

    __tablename__ = "policy_events"
    __table_args__ = (sa.UniqueConstraint("kind", "number"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[int] = mapped_column(sa.ForeignKey("policy_versions.number"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(80))
    entry: Mapped[str] = mapped_column(sa.String(40))
