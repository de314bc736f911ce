"""The tables of plans: the frozen plan, its steps and batches as they are worked, and approvals."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class PlanState(StrEnum):
    """PLANNED: nothing done yet. RUNNING: begun, and perhaps killed. PAUSED: the budget ended. FAILED: a step could not
    be finished; the same run tries again. ASKED: what is left is work that people were asked to do. DONE: each step is
    done and read back."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    ASKED = "asked"
    DONE = "done"


class StepState(StrEnum):
    """PLANNED → INTENDED (its intent is in the ledger) → DONE (read back: zero) or LEFT (read back: each one left has its
    reason). FAILED: the store, or the read-back, said no. WAITING: a step it depends on is not done."""

    PLANNED = "planned"
    INTENDED = "intended"
    DONE = "done"
    LEFT = "left"
    FAILED = "failed"
    WAITING = "waiting"


FINISHED = frozenset({StepState.DONE, StepState.LEFT})


class PlanRow(Base):
    """One plan. `body` is the whole of it as JSON and may hold identifiers of a person; `preview` what the stores said.

    `stop_asked_at`: somebody asked that the run under way ends after its batch; the next run begins by forgetting it.
    `closed_at`: when what it was made for was over; some time later `body` and `preview` are emptied."""

    __tablename__ = "plans"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    trigger_kind: Mapped[str] = mapped_column(sa.String(20))
    trigger_ref: Mapped[str] = mapped_column(sa.String(200), index=True)
    version: Mapped[int]
    made_at: Mapped[datetime]
    digest: Mapped[str] = mapped_column(sa.String(64))
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(sa.String(20))
    preview: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    preview_digest: Mapped[str | None] = mapped_column(sa.String(64))
    stop_asked_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class StepRow(Base):
    """How far a step is. `matched`: records that matched when they were counted last before its work began; `rows`: records done; `settled`: batches
    whose count could only be settled by read-back; `remaining`: records that still match, each for the reason in `note`.
    `worked_seconds`: how long its batches have taken so far, pauses included."""

    __tablename__ = "plan_steps"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    plan_id: Mapped[str] = mapped_column(sa.ForeignKey("plans.id"), index=True)
    position: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(20))
    matched: Mapped[int | None] = mapped_column(sa.BigInteger)
    rows: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    settled: Mapped[int] = mapped_column(default=0)
    remaining: Mapped[int | None] = mapped_column(sa.BigInteger)
    note: Mapped[str] = mapped_column(sa.Text, default="")
    error: Mapped[str] = mapped_column(sa.Text, default="")
    intent: Mapped[str | None] = mapped_column(sa.String(40))
    outcome: Mapped[str | None] = mapped_column(sa.String(40))
    receipts: Mapped[bool] = mapped_column(default=False)
    worked_seconds: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class BatchRow(Base):
    """One batch of a step: its bounds are written before the work, its count after. `rows` None: killed in between."""

    __tablename__ = "plan_batches"
    step_id: Mapped[str] = mapped_column(sa.ForeignKey("plan_steps.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    low: Mapped[Any] = mapped_column(sa.JSON)
    high: Mapped[Any] = mapped_column(sa.JSON)
    rows: Mapped[int | None] = mapped_column(sa.BigInteger)
    settled: Mapped[bool] = mapped_column(default=False)
    begun_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class ApprovalRow(Base):
    """Who approved exactly which plan with which preview; it lapses when either digest changes, and when it is revoked."""

    __tablename__ = "plan_approvals"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    plan_id: Mapped[str] = mapped_column(sa.ForeignKey("plans.id"), index=True)
    plan_digest: Mapped[str] = mapped_column(sa.String(64))
    preview_digest: Mapped[str] = mapped_column(sa.String(64))
    by: Mapped[str] = mapped_column(sa.String(80))
    reason: Mapped[str] = mapped_column(sa.Text)
    at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
