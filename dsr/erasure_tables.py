"""The tables of what was erased: keyed hashes of identifiers, looks for what came back, and what was found by them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class ErasureRow(Base):
    """One identifier that a deletion found. `hash`: of its kind and value, keyed; the value stands nowhere. `ref`: the ticket's.

    `noted_at`: when its deletion began; `erased_at`: when it was done and read back, None until then. `version`: the policy
    version that it was done under. `kept`: [collection, clause] of what legitimately stays."""

    __tablename__ = "erasures"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    hash: Mapped[str] = mapped_column(sa.String(64), index=True)
    kind: Mapped[str] = mapped_column(sa.String(120))
    ref: Mapped[str] = mapped_column(sa.String(20), index=True)
    version: Mapped[int]
    noted_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    kept: Mapped[list[Any]]
    __table_args__ = (sa.UniqueConstraint("hash", "ref"),)


class ErasureLookRow(Base):
    """One look for erased people who are back. `store`: the one it is limited to, '' for all. `places`: how far each field
    of the map was read, emptied at the end, `done` those that were read to their end; `not_looked`: what could not be, and why."""

    __tablename__ = "erasure_looks"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    store: Mapped[str] = mapped_column(sa.String(120))
    begun_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    places: Mapped[dict[str, Any]]
    done: Mapped[list[Any]]
    read: Mapped[int] = mapped_column(sa.BigInteger)
    not_looked: Mapped[list[Any]]


class BackState(StrEnum):
    """SEEN: an identifier turned up, nobody has looked further. BACK: what was erased is there again. DOUBT: a person has to
    say. AGAIN: erased again. LEFT: a person said that it is somebody else's or new. NOTHING: nothing older is there."""

    SEEN = "seen"
    BACK = "back"
    DOUBT = "doubt"
    AGAIN = "again"
    LEFT = "left"
    NOTHING = "nothing"


class ErasureFindingRow(Base):
    """One erased person of whom something is back. `ref`: of the request that erased them. `marks`: hashes of the identifiers
    that turned up; `sealed`: their values, until it is settled. `rows`: [collection, records] that would go. `decided_by`
    and `decided_why`: who said that it is to be erased again, or left."""

    __tablename__ = "erasure_findings"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    ref: Mapped[str] = mapped_column(sa.String(20), index=True)
    look_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    found_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(10), index=True)
    why: Mapped[str] = mapped_column(sa.Text, default="")
    marks: Mapped[list[Any]]
    sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    rows: Mapped[list[Any]]
    plan_id: Mapped[str | None] = mapped_column(sa.String(40))
    decided_by: Mapped[str | None] = mapped_column(sa.String(80))
    decided_why: Mapped[str | None] = mapped_column(sa.Text)
    settled_at: Mapped[datetime | None]
