"""What alarms watch of sweeps, from their rows: since when a person is waited for, and which run was late."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from retention.tables import RunState, SweepRunRow
from retention.views import SweepRun, read_run

WORKED = (RunState.RUNNING, RunState.PAUSED, RunState.DONE, RunState.FAILED, RunState.STOPPED)
ENDED = (RunState.DONE, RunState.FAILED, RunState.PAUSED, RunState.STOPPED)


def waiting_since(session: Session, clause: str) -> datetime | None:
    """Since when a clause waits for approval, over all the runs that took each other's place; None where it does not."""
    waits = sa.select(SweepRunRow.id).where(SweepRunRow.clause == clause, SweepRunRow.state == RunState.WAITING)
    if session.execute(waits.limit(1)).first() is None:
        return None
    worked = sa.select(sa.func.max(SweepRunRow.started_at)).where(
        SweepRunRow.clause == clause, SweepRunRow.state.in_(WORKED)
    )
    last = session.execute(worked).scalar_one()
    first = sa.select(sa.func.min(SweepRunRow.started_at)).where(
        SweepRunRow.clause == clause,
        SweepRunRow.state.in_((RunState.WAITING, RunState.SUPERSEDED)),
        SweepRunRow.plan_id.is_(None),
    )
    if last is not None:
        first = first.where(SweepRunRow.started_at >= last)
    found: datetime | None = session.execute(first).scalar_one()
    return found


def last_scheduled(session: Session, clause: str) -> SweepRun | None:
    """The run of the last due instant that anybody claimed."""
    wanted = sa.select(SweepRunRow).where(SweepRunRow.clause == clause, SweepRunRow.due_at.is_not(None))
    row = session.execute(wanted.order_by(SweepRunRow.due_at.desc()).limit(1)).scalar_one_or_none()
    return read_run(row) if row is not None else None


def count_missed(session: Session, clause: str) -> int:
    """How many due instants of a clause were ever missed: those made up, late ones included. It only grows."""
    wanted = sa.select(sa.func.coalesce(sa.func.sum(SweepRunRow.missed), 0), sa.func.count()).where(
        SweepRunRow.clause == clause, SweepRunRow.made_up.is_(True)
    )
    earlier, late = session.execute(wanted).one()
    return int(earlier) + int(late)


def last_ends(session: Session, clause: str) -> tuple[datetime | None, datetime | None]:
    """When the last run of a clause ended, and the last one that left nothing undone."""

    def last(*states: RunState) -> datetime | None:
        wanted = sa.select(sa.func.max(SweepRunRow.ended_at)).where(
            SweepRunRow.clause == clause, SweepRunRow.state.in_(states)
        )
        found: datetime | None = session.execute(wanted).scalar_one()
        return found

    return last(*ENDED), last(RunState.DONE)
