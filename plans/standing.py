"""How a stored plan stands: its rows read as values."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import NotFound
from plans.plan import Plan, Step
from plans.preview import Preview
from plans.tables import ApprovalRow, PlanRow, PlanState, StepRow, StepState


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step stands. `rows`: records done; exact unless `settled` batches were settled by read-back."""

    step_id: str
    collection: str
    state: StepState
    rows: int
    remaining: int | None
    settled: int = 0
    note: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a plan stands after a run."""

    plan_id: str
    state: PlanState
    steps: tuple[StepResult, ...]

    @property
    def rows(self) -> int:
        return sum(step.rows for step in self.steps)

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(step.error for step in self.steps if step.error)


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """A stored plan as it stands. `approved_by` None: no approval of exactly this plan and preview."""

    plan: Plan
    state: PlanState
    preview: Preview | None
    approved_by: str | None
    approved_at: datetime | None
    steps: tuple[StepResult, ...]


def get_plan(session: Session, plan_id: str) -> PlanRow:
    row = session.get(PlanRow, plan_id)
    if row is None:
        raise NotFound(f"There is no plan '{plan_id}'.", remedy="Make it again from its clause or ticket.")
    return row


def read_approval(session: Session, row: PlanRow) -> ApprovalRow | None:
    wanted = sa.select(ApprovalRow).where(
        ApprovalRow.plan_id == row.id,
        ApprovalRow.plan_digest == row.digest,
        ApprovalRow.preview_digest == row.preview_digest,
    )
    return session.execute(wanted.order_by(ApprovalRow.at.desc()).limit(1)).scalar_one_or_none()


def read_results(session: Session, plan: Plan) -> tuple[StepResult, ...]:
    wanted = sa.select(StepRow).where(StepRow.plan_id == plan.id).order_by(StepRow.position)
    return tuple(_result(row, plan.step(row.id)) for row in session.execute(wanted).scalars())


def _result(row: StepRow, step: Step) -> StepResult:
    return StepResult(
        step_id=row.id,
        collection=step.collection,
        state=StepState(row.state),
        rows=row.rows,
        remaining=row.remaining,
        settled=row.settled,
        note=row.note,
        error=row.error,
    )
