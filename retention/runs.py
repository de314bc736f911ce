"""The rows of runs: claiming what is due, opening, closing, and reading them back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.database import Database
from core.ids import new_id
from core.settings import SweepSettings
from plans.plan import Plan
from plans.preview import Preview
from retention.schedule import due_instants, last_due
from retention.tables import RunState, SweepApprovalRow, SweepRunRow
from retention.views import Due

LATE = timedelta(minutes=10)  # a run that begins later than this after its instant was missed
OPEN = (RunState.CLAIMED, RunState.RUNNING)


def find_due(session: Session, clause: str, settings: SweepSettings, zone: str, now: datetime) -> Due | None:
    """The clause's due instants since its last row, as one; None where there is none."""
    wanted = sa.select(sa.func.max(SweepRunRow.due_at)).where(SweepRunRow.clause == clause)
    last = session.execute(wanted).scalar_one()
    if last is None:
        return Due(clause=clause, due_at=last_due(settings, zone, until=now), missed=0, made_up=False)
    instants = due_instants(settings, zone, after=last, until=now)
    if not instants:
        return None
    missed = len(instants) - 1
    return Due(clause=clause, due_at=instants[-1], missed=missed, made_up=bool(missed) or now - instants[-1] > LATE)


def claim(database: Database, due: Due, now: datetime) -> str | None:
    """Insert the row of a due instant; None where another process was first."""
    row = SweepRunRow(
        id=new_id("swp"),
        clause=due.clause,
        due_at=due.due_at,
        made_up=due.made_up,
        missed=due.missed,
        state=RunState.CLAIMED,
        started_at=now,
    )
    try:
        with database.begin() as session:
            session.add(row)
    except IntegrityError:
        return None
    return row.id


def open_run(session: Session, clause: str, claimed: str | None, *, actor: str, now: datetime) -> SweepRunRow:
    """The row of a run that begins: the one that was claimed, else a new one by hand. Earlier claims of processes that died
    are made up for by it."""
    row = session.get(SweepRunRow, claimed) if claimed else None
    if row is None:
        row = SweepRunRow(id=new_id("swp"), clause=clause, due_at=None, state=RunState.CLAIMED, started_at=now)
        session.add(row)
    else:
        older = _of_clause(clause).where(SweepRunRow.state == RunState.CLAIMED, SweepRunRow.id != row.id)
        for lost in session.execute(older).scalars().all():
            lost.state = RunState.SUPERSEDED
            row.missed, row.made_up = row.missed + lost.missed + 1, True
    row.actor, row.started_at = actor, now
    return row


def unfinished_run(session: Session, clause: str) -> SweepRunRow | None:
    """The last run that has a plan, where it was killed, paused or failed."""
    last = session.execute(
        _of_clause(clause).where(SweepRunRow.plan_id.is_not(None), SweepRunRow.state != RunState.WAITING).limit(1)
    ).scalar_one_or_none()
    begun = (RunState.RUNNING, RunState.PAUSED, RunState.FAILED)
    return last if last is not None and last.state in begun else None


def open_claim(session: Session, clause: str) -> SweepRunRow | None:
    """A row that was claimed by a process that died before it began."""
    return session.execute(
        _of_clause(clause).where(SweepRunRow.state == RunState.CLAIMED).limit(1)
    ).scalar_one_or_none()


def has_open(session: Session, clause: str) -> bool:
    """Is there a run that was claimed or begun and not brought to an end? One that was paused waits for the next claim."""
    return session.execute(_of_clause(clause).where(SweepRunRow.state.in_(OPEN)).limit(1)).first() is not None


def waiting_rows(session: Session, clause: str | None = None) -> Sequence[SweepRunRow]:
    """Runs that wait for a person, oldest first."""
    wanted = sa.select(SweepRunRow).where(SweepRunRow.state == RunState.WAITING).order_by(SweepRunRow.started_at)
    if clause is not None:
        wanted = wanted.where(SweepRunRow.clause == clause)
    return session.execute(wanted).scalars().all()


def supersede(session: Session, clause: str, *, but: str, states: Sequence[RunState]) -> int:
    """A later run takes the place of these; gives how many there were."""
    rows = (
        session.execute(_of_clause(clause).where(SweepRunRow.state.in_(states), SweepRunRow.id != but)).scalars().all()
    )
    for row in rows:
        row.state, row.body = RunState.SUPERSEDED, None
    return len(rows)


def last_runs(session: Session, clause: str, limit: int, *, offset: int = 0) -> Sequence[SweepRunRow]:
    """The clause's runs, the latest first."""
    return session.execute(_of_clause(clause).offset(offset).limit(limit)).scalars().all()


def last_good_run(session: Session, clause: str) -> SweepRunRow | None:
    """The last run that left nothing undone."""
    return session.execute(_of_clause(clause).where(SweepRunRow.state == RunState.DONE).limit(1)).scalar_one_or_none()


def read_standing(session: Session, clause: str) -> tuple[tuple[int, datetime | None] | None, bool]:
    """What the board says of a clause's runs: the records and the end of the last one that left nothing undone (None:
    there was none), and whether one waits for a person."""
    good = (
        sa.select(SweepRunRow.rows, SweepRunRow.ended_at)
        .where(SweepRunRow.clause == clause, SweepRunRow.state == RunState.DONE)
        .order_by(SweepRunRow.started_at.desc(), SweepRunRow.id.desc())
    )
    waits = sa.select(SweepRunRow.id).where(SweepRunRow.clause == clause, SweepRunRow.state == RunState.WAITING)
    found = session.execute(good.limit(1)).first()
    return (found.rows, found.ended_at) if found else None, session.execute(waits.limit(1)).first() is not None


def last_approval(session: Session, clause: str) -> SweepApprovalRow | None:
    """The approval that runs of a clause stand on, or the last one, revoked."""
    wanted = sa.select(SweepApprovalRow).where(SweepApprovalRow.clause == clause)
    latest = wanted.order_by(SweepApprovalRow.at.desc(), SweepApprovalRow.revoked_at.is_(None).desc())
    return session.execute(latest.limit(1)).scalar_one_or_none()


def add_approval(
    session: Session, plan: Plan, preview: Preview, *, terms: str, by: str, reason: str, now: datetime
) -> str:
    """Write down who approved a clause's runs on these terms; gives the approval's id."""
    row = SweepApprovalRow(
        id=new_id("sap"),
        clause=plan.trigger.ref,
        terms=terms,
        plan_id=plan.id,
        plan_digest=plan.digest,
        preview_digest=preview.digest,
        by=by,
        reason=reason,
        at=now,
    )
    session.add(row)
    return row.id


def _of_clause(clause: str) -> sa.Select[Any]:
    return (
        sa.select(SweepRunRow)
        .where(SweepRunRow.clause == clause)
        .order_by(SweepRunRow.started_at.desc(), SweepRunRow.id.desc())
    )
