"""The tables of published versions: rows that are inserted and never changed; what happens to a version is an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from ledger.tables import attach_triggers


class VersionRow(Base):
    """One published version. `text` is the original as it was given; `digest` is over the documents of every language.

    `planned_for`: the earliest it may come into force by its document. `previous`: the version in force when it was
    published; with it come the verdict on the difference (`weight`, `reasons`), what a person made of that
    (`overruled`: the weight by machine, reason, by), and what the notice clause of `previous` promises for such a
    change (`channels`: ways, any; `ahead`: ISO 8601). No channels: there is nothing to tell.
    """

    __tablename__ = "policy_versions"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    policy: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(sa.Text)
    digest: Mapped[str] = mapped_column(sa.String(64))
    published_at: Mapped[datetime]
    planned_for: Mapped[datetime]
    previous: Mapped[int | None]
    weight: Mapped[str | None] = mapped_column(sa.String(20))
    reasons: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    overruled: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    channels: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    ahead: Mapped[str | None] = mapped_column(sa.String(40))


class TranslationRow(Base):
    """A version in another language than the original: the document as it was given, and its own digest."""

    __tablename__ = "policy_translations"
    number: Mapped[int] = mapped_column(sa.ForeignKey("policy_versions.number"), primary_key=True, autoincrement=False)
    language: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    position: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)
    digest: Mapped[str] = mapped_column(sa.String(64))


class PolicyEventRow(Base):
    """What happened to a version: `in_force`, `withdrawn`, `overtaken`, each once. `entry` is the ledger's."""

    __tablename__ = "policy_events"
    __table_args__ = (sa.UniqueConstraint("kind", "number"),)
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[int] = mapped_column(sa.ForeignKey("policy_versions.number"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(80))
    entry: Mapped[str] = mapped_column(sa.String(40))
    reason: Mapped[str | None] = mapped_column(sa.Text)


# What must be new in an inserted row, as `ledger.tables.INSERT_ONLY` says it; migration 0002 holds the same words.
WRITTEN_ONCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "policy_versions": "id = NEW.id OR number = NEW.number",
        "policy_translations": "number = NEW.number AND language = NEW.language",
        "policy_events": "id = NEW.id OR (kind = NEW.kind AND number = NEW.number)",
    }
)

attach_triggers(WRITTEN_ONCE)
