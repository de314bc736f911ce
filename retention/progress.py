"""How far the runs under way are, read from the rows that their batches leave behind; asks no store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from plans.plan import read_plan
from plans.tables import FINISHED, BatchRow, PlanRow, StepRow
from retention.tables import RunState, SweepRunRow

BATCHES_LOOKED_AT = 20  # the rate is that of the last batches: a run that slows down says so


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """One run under way. `done` of `matched` records, `rate` a second, `left` None while nobody can say. `alive`: a process
    holds its lease; else it was killed, and goes on by itself. `stopping`: it ends after its batch."""

    run_id: str
    clause: str
    collection: str
    started_at: datetime
    done: int
    matched: int
    steps_done: int
    steps: int
    rate: float
    left: timedelta | None
    stopping: bool
    alive: bool

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(1.0, self.done / self.matched) if self.matched else 0.0


def running_rows(session: Session) -> Sequence[SweepRunRow]:
    """The runs that have begun and not ended, oldest first."""
    wanted = sa.select(SweepRunRow).where(SweepRunRow.state == RunState.RUNNING, SweepRunRow.plan_id.is_not(None))
    return session.execute(wanted.order_by(SweepRunRow.started_at)).scalars().all()


def read_progress(session: Session, run: SweepRunRow, *, alive: bool) -> RunProgress:
    """How far one run is."""
    plan_row = session.get_one(PlanRow, run.plan_id)
    plan = read_plan(plan_row.body)
    steps = session.execute(
        sa.select(StepRow).where(StepRow.plan_id == run.plan_id).order_by(StepRow.position)
    ).scalars()
    rows = list(steps)
    at_work = next((row for row in rows if row.state not in FINISHED), rows[-1] if rows else None)
    done, rate = sum(row.rows for row in rows), _rate(session, [row.id for row in rows])
    # A step that has not begun is not counted yet: what its preview saw stands for it.
    seen = {row["step"]: (row["extent"] or {}).get("rows", 0) for row in (plan_row.preview or {}).get("rows", [])}
    matched = sum(max(row.rows, row.matched if row.matched is not None else seen.get(row.id, 0)) for row in rows)
    return RunProgress(
        run_id=run.id,
        clause=run.clause,
        collection=plan.step(at_work.id).collection if at_work else "",
        started_at=run.started_at,
        done=done,
        matched=matched,
        steps_done=sum(row.state in FINISHED for row in rows),
        steps=len(rows),
        rate=rate,
        left=timedelta(seconds=(matched - done) / rate) if rate and matched >= done else None,
        stopping=plan_row.stop_asked_at is not None,
        alive=alive,
    )


def _rate(session: Session, steps: Sequence[str]) -> float:
    """Records a second over the last batches, from the beginning of the first of them to the end of the last."""
    wanted = sa.select(BatchRow).where(BatchRow.step_id.in_(steps), BatchRow.done_at.is_not(None))
    batches = session.execute(wanted.order_by(BatchRow.done_at.desc()).limit(BATCHES_LOOKED_AT)).scalars().all()
    if not batches:
        return 0.0
    ends = [batch.done_at for batch in batches if batch.done_at is not None]
    took = (max(ends) - min(batch.begun_at for batch in batches)).total_seconds()
    return sum(batch.rows or 0 for batch in batches) / took if took > 0 else 0.0
