"""How a stored plan stands: its rows read as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import NotFound, WaitsForPerson
from plans.pace import Forecast, StepProgress
from plans.plan import Plan, Step, StepDeed, read_plan
from plans.preview import Preview, read_preview
from plans.tables import FINISHED, ApprovalRow, PlanRow, PlanState, StepRow, StepState


class RunStopped(WaitsForPerson):
    """Somebody stopped the run, or took its approval back: no further batch begins."""


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
    """How a plan stands after a run. `forecast`: how far it is, and how long what is left will take."""

    plan_id: str
    state: PlanState
    steps: tuple[StepResult, ...]
    forecast: Forecast | None = None

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
        ApprovalRow.revoked_at.is_(None),
    )
    return session.execute(wanted.order_by(ApprovalRow.at.desc()).limit(1)).scalar_one_or_none()


def require_same(session: Session, plan: Plan) -> Plan:
    """The plan, if exactly it and its preview are still approved: asked before each step of a run that began with it."""
    wanted = sa.select(ApprovalRow.id).join(PlanRow, PlanRow.id == ApprovalRow.plan_id)
    same = (
        PlanRow.digest == plan.digest,
        ApprovalRow.plan_digest == PlanRow.digest,
        ApprovalRow.preview_digest == PlanRow.preview_digest,
        ApprovalRow.revoked_at.is_(None),
    )
    if session.execute(wanted.where(PlanRow.id == plan.id, *same).limit(1)).first() is None:
        raise WaitsForPerson(
            f"The plan {plan.id} is not approved as it is now.", remedy="Look at its preview and approve it."
        )
    return plan


# Asked before every batch of every run: built once.
_STANDING: Final = sa.select(ApprovalRow.id).where(
    ApprovalRow.plan_id == sa.bindparam("plan"), ApprovalRow.revoked_at.is_(None)
)
_GOING: Final = sa.select(PlanRow.stop_asked_at, _STANDING.exists()).where(PlanRow.id == sa.bindparam("plan"))


def require_going(session: Session, plan_id: str) -> None:
    """Asked before every batch: raises RunStopped once somebody has stopped the run or taken its approval back."""
    stop_asked_at, approved = session.connection().execute(_GOING, {"plan": plan_id}).one()
    if not approved:
        raise RunStopped(
            f"The approval of the plan {plan_id} was revoked.", remedy="What is left waits for a new approval."
        )
    if stop_asked_at is not None:
        raise RunStopped(f"The run of the plan {plan_id} was stopped.", remedy="The next run goes on with it.")


def read_results(session: Session, plan: Plan) -> tuple[StepResult, ...]:
    wanted = sa.select(StepRow).where(StepRow.plan_id == plan.id).order_by(StepRow.position)
    return tuple(_result(row, plan.step(row.id)) for row in session.execute(wanted).scalars())


def read_progress(session: Session, row: PlanRow) -> tuple[StepProgress, ...]:
    """How far each step that a program does is. What no run has counted yet is as many as the preview saw."""
    plan = read_plan(row.body)
    seen = {one.step: one.rows for one in read_preview(row.preview).rows} if row.preview else {}
    wanted = sa.select(StepRow).where(StepRow.plan_id == row.id).order_by(StepRow.position)
    return tuple(
        StepProgress(
            step_id=step.id,
            collection=plan.step(step.id).collection,
            done=step.rows,
            matched=seen.get(step.id) if step.matched is None else step.matched,
            rate=step.rows / step.worked_seconds if step.worked_seconds and step.rows else None,
            finished=step.state in FINISHED,
        )
        for step in session.execute(wanted).scalars()
        if plan.step(step.id).deed not in (StepDeed.EXPORT, StepDeed.ASK)
    )


def state_after(plan: Plan, steps: Sequence[StepResult]) -> PlanState:
    """How a plan stands after a run that worked on every step: what people were asked to do, and what is read out later,
    may be open."""
    left = [(plan.step(step.step_id).deed, step.state) for step in steps if step.state not in FINISHED]
    for deed, state in left:
        # Work that was refused waits for an operator, not for another try.
        if state is StepState.WAITING or (state is StepState.FAILED and deed is not StepDeed.ASK):
            return PlanState.FAILED
    deeds = {deed for deed, _ in left}
    if StepDeed.ASK in deeds:
        return PlanState.ASKED
    return PlanState.PLANNED if StepDeed.EXPORT in deeds else PlanState.DONE


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
