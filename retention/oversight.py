"""What a person sees and may say of runs beside approving them: how far they are, stop, go on, take an approval back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from core.clock import Clock
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.leases import Leases
from core.outbox import OutboxRow, post
from ledger.log import Ledger
from plans.engine import Plans
from retention import runs
from retention.progress import RunProgress, read_progress, running_rows
from retention.tables import RunState, SweepRunRow
from retention.views import SweepRun, read_run

RESUME: Final = "sweep.resume"  # the event that has a paused run gone on with before it is due
RUNS_A_PAGE: Final = 30


@dataclass(frozen=True, kw_only=True)
class StandingApproval:
    """The approval that runs of a clause stand on, or the last one that was taken back."""

    id: str
    clause: str
    by: str
    reason: str
    at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: str


class Oversight:
    """Reads the rows of runs; what it changes, a run under way sees before its next batch."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, leases: Leases, plans: Plans) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._leases = leases
        self._plans = plans

    def running(self) -> list[RunProgress]:
        """The runs under way, the one that began first at the top."""
        with self._database.read() as session:
            rows = running_rows(session)
        found = []
        for row in rows:
            alive = self._leases.holder(f"sweep:{row.clause}") is not None
            with self._database.read() as session:
                found.append(read_progress(session, row, alive=alive))
        return found

    def runs(self, clause: str, *, before: int = 0) -> tuple[list[SweepRun], int]:
        """A page of a clause's runs, the latest first, from the run number `before` on; and how many there are in all."""
        with self._database.read() as session:
            total = sa.select(sa.func.count()).select_from(SweepRunRow).where(SweepRunRow.clause == clause)
            rows = runs.last_runs(session, clause, RUNS_A_PAGE, offset=before)
            return [read_run(row) for row in rows], session.execute(total).scalar_one()

    def standing(self, clause: str) -> StandingApproval | None:
        """The last approval of a clause, None before the first."""
        with self._database.read() as session:
            row = runs.last_approval(session, clause)
            same = StandingApproval.__dataclass_fields__
            return StandingApproval(**{name: getattr(row, name) for name in same}) if row else None

    def stop(self, run_id: str, *, by: str) -> SweepRun:
        """End a run under way after the batch it is at; it goes on when its clause is due again, or when it is resumed."""
        with self._database.begin() as session:
            row = session.get(SweepRunRow, run_id)
            if row is None:
                raise NotFound(f"There is no run '{run_id}'.", remedy="Look at the runs of the clause.")
            if row.state != RunState.RUNNING or row.plan_id is None:
                raise Conflict(f"The run {run_id} is {row.state}.", remedy="Only a run under way can be stopped.")
            row.stopped_by = by
            self._plans.stop_in(session, row.plan_id)
            refs = [run_id, row.plan_id, f"clause:{row.clause}"]
            self._ledger.record(session, kind="sweep.stopped", actor=by, refs=refs, private={})
            return read_run(row)

    def resume(self, clause: str, *, by: str) -> None:
        """Have a paused run of a clause gone on with now: recorded, and handed to the job loop."""
        with self._database.begin() as session:
            row = runs.unfinished_run(session, clause)
            if row is None or row.state == RunState.RUNNING:
                raise Conflict(f"No run of {clause} is paused.", remedy="It runs when it is due.")
            waiting = sa.select(OutboxRow.payload).where(OutboxRow.kind == RESUME, OutboxRow.done_at.is_(None))
            if any(one["clause"] == clause for one in session.execute(waiting).scalars()):
                return
            post(session, RESUME, {"clause": clause, "run": row.id, "by": by}, now=self._clock.now())
            refs = [row.id, f"clause:{clause}"]
            self._ledger.record(session, kind="sweep.resumed", actor=by, refs=refs, private={})

    def revoke(self, clause: str, *, by: str, reason: str) -> StandingApproval:
        """Take the approval back that runs of a clause stand on: one under way ends before its next batch, later ones wait."""
        if not reason.strip():
            raise BadInput("Taking an approval back needs a reason.", remedy="Say why: --reason '…'.")
        with self._database.begin() as session:
            row = runs.last_approval(session, clause)
            if row is None or row.revoked_at is not None:
                raise Conflict(f"No approval of {clause} stands.", remedy="Its next run waits for a person as it is.")
            row.revoked_at, row.revoked_by, row.revoke_reason = self._clock.now(), by, reason.strip()
            begun = runs.unfinished_run(session, clause)
            if begun is not None and begun.plan_id is not None:
                self._plans.revoke_in(session, begun.plan_id, by=by, reason=reason.strip())
            refs = [row.id, f"clause:{clause}", *([begun.id] if begun is not None else [])]
            self._ledger.record(session, kind="sweep.revoked", actor=by, refs=refs, private={"reason": reason.strip()})
            return StandingApproval(**{name: getattr(row, name) for name in StandingApproval.__dataclass_fields__})
