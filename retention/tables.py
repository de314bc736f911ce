"""The tables of retention: every run of every clause, and the approvals that later runs stand on."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class RunState(StrEnum):
    """CLAIMED: due, and somebody has taken it. WAITING: a person must approve. RUNNING: begun, and perhaps killed. PAUSED:
    its budget ended, or somebody stopped it. DONE: read back. FAILED: something was left undone. STOPPED: its approval was
    taken back. SUPERSEDED: a later run took its place."""

    CLAIMED = "claimed"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"


class SweepRunRow(Base):
    """One run of one clause. `due_at` None: run by hand. `missed`: due instants before it that it makes up for.

    `rows`: records done; `overdue`: records that were over their time when it ended; `remaining`: those of its plan that
    still matched; `held`: those over their time that a hold keeps. `stopped_by`: who asked that it ends after its batch.
    `body`: what people look at (collections, masked samples, gaps)."""

    __tablename__ = "sweep_runs"
    __table_args__ = (sa.UniqueConstraint("clause", "due_at"), sa.Index(None, "clause", "started_at"))
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    clause: Mapped[str] = mapped_column(sa.String(120))
    due_at: Mapped[datetime | None]
    made_up: Mapped[bool] = mapped_column(default=False)
    missed: Mapped[int] = mapped_column(default=0)
    version: Mapped[int | None]
    cutoff: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    plan_id: Mapped[str | None] = mapped_column(sa.String(40))
    state: Mapped[str] = mapped_column(sa.String(20))
    actor: Mapped[str] = mapped_column(sa.String(80), default="system")
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    rows: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    remaining: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    oldest_remaining: Mapped[datetime | None]
    held: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    overdue: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    oldest_overdue: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(sa.Text, default="")
    stopped_by: Mapped[str | None] = mapped_column(sa.String(80))
    body: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))


class SweepApprovalRow(Base):
    """Who approved a clause's runs. `terms`: the hash of what was approved: the clause's meaning and the collections it
    reaches; a run with other terms waits again, and so does every run once it is revoked."""

    __tablename__ = "sweep_approvals"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    clause: Mapped[str] = mapped_column(sa.String(120), index=True)
    terms: Mapped[str] = mapped_column(sa.String(64))
    plan_id: Mapped[str] = mapped_column(sa.String(40))
    plan_digest: Mapped[str] = mapped_column(sa.String(64))
    preview_digest: Mapped[str] = mapped_column(sa.String(64))
    by: Mapped[str] = mapped_column(sa.String(80))
    reason: Mapped[str] = mapped_column(sa.Text)
    at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(sa.String(80))
    revoke_reason: Mapped[str] = mapped_column(sa.Text, default="")


class HoldCountRow(Base):
    """How many records a hold keeps from a clause in one collection, as the stores said when they were last asked."""

    __tablename__ = "hold_counts"
    hold: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    collection: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    rows: Mapped[int] = mapped_column(sa.BigInteger)
    oldest: Mapped[datetime | None]
    counted_at: Mapped[datetime]
