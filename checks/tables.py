"""The tables of checks: the types that fields had, what the last look at the map found, and what the last scans found. No value of any store."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class KnownFieldRow(Base):
    """A field of a mapped collection and the type it had when it was first seen, or last accepted."""

    __tablename__ = "known_fields"
    store: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    at: Mapped[str] = mapped_column(sa.String(400), primary_key=True)
    field: Mapped[str] = mapped_column(sa.String(400), primary_key=True)
    type: Mapped[str] = mapped_column(sa.String(200))
    seen_at: Mapped[datetime]


class DriftLookRow(Base):
    """The last comparison of the map with the stores and a policy. `version`: that in force, None for a draft."""

    __tablename__ = "drift_looks"
    id: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    checked_at: Mapped[datetime]
    version: Mapped[int | None]
    collections: Mapped[list[Any]]
    findings: Mapped[list[Any]]


class ContentLookRow(Base):
    """The last scan for one `never` clause. `sought`: what it forbade then, so that another promise is not taken for it."""

    __tablename__ = "content_looks"
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    checked_at: Mapped[datetime]
    sought: Mapped[dict[str, Any]]
    collections: Mapped[int]
    rows_seen: Mapped[int] = mapped_column(sa.BigInteger)
    rows_total: Mapped[int] = mapped_column(sa.BigInteger)
    findings: Mapped[list[Any]]
    trouble: Mapped[list[Any]]


class CookieLookRow(Base):
    """The last visit of the company's pages: what they left in a browser, by name, and whom they asked. No value of a cookie."""

    __tablename__ = "cookie_looks"
    id: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    checked_at: Mapped[datetime]
    how: Mapped[str] = mapped_column(sa.String(10))
    pages: Mapped[int]
    places: Mapped[list[Any]]
    left: Mapped[list[Any]]
    asked: Mapped[list[Any]]
    trouble: Mapped[list[Any]]
