"""The numbers that `/metrics` exposes, read from the control database at each scrape; asks no store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock, day_in
from core.database import Database
from core.errors import WaitsForPerson
from core.heartbeats import Heartbeat, heartbeats
from core.outbox import OutboxRow
from dsr.figures import RightFigures, count_rights
from inbox.tables import InboxMessageRow
from ledger.log import Ledger
from plans.plan import TriggerKind
from plans.tables import PlanRow, StepRow
from policies.clauses import Right
from policies.cutoffs import BindingClause
from policies.versions import Policies
from promises.alarms import AlarmKind
from promises.board import Board
from promises.evidence import SweepEvidences
from promises.states import State, SweepEvidence
from retention.sweeps import Sweeps
from retention.views import Due
from retention.watch import count_missed, last_ends, waiting_since


@dataclass(frozen=True, kw_only=True)
class ClauseMeasures:
    """One retention clause that binds. `evidence` None: nobody has looked. `swept` and `missed` only grow. `late`: how long
    a run that is due has not begun; `waits`: how long one waits for approval."""

    clause: str
    evidence: SweepEvidence | None
    within: timedelta
    swept: int
    missed: int
    late: timedelta
    waits: timedelta
    last_run: datetime | None
    last_success: datetime | None


@dataclass(frozen=True, kw_only=True)
class Measures:
    """All numbers of one moment. `states`: by clause of the version in force; `alarms`: how many stand, by kind."""

    clauses: tuple[ClauseMeasures, ...]
    states: Mapping[str, State]
    rights: Mapping[Right, RightFigures]
    alarms: Mapping[AlarmKind, int]
    beats: tuple[Heartbeat, ...]
    ledger_waiting: int
    outbox_pending: int
    inbox_taken: int


class Meter:
    """Reads the measures."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        ledger: Ledger,
        policies: Policies,
        sweeps: Sweeps,
        evidences: SweepEvidences,
        board: Callable[[], Board],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies
        self._sweeps = sweeps
        self._evidences = evidences
        self._board = board

    def read(self) -> Measures:
        """Everything as it stands now."""
        now, board = self._clock.now(), self._board()
        bindings, due = self._binding(now)
        with self._database.read() as session:
            version = self._policies.in_force(session)
            zone = version.document.controller.timezone if version else "UTC"
            asked = count_rights(session, day_in(now, zone))
            swept = _count_swept(session)
            clauses = tuple(
                self._measure(session, one, swept.get(one.clause.id, 0), due.get(one.clause.id), now)
                for one in bindings
            )
            beats = tuple(heartbeats(session))
            taken = session.execute(sa.select(sa.func.count()).select_from(InboxMessageRow)).scalar_one()
            pending = session.execute(sa.select(sa.func.count()).where(OutboxRow.done_at.is_(None))).scalar_one()
        kinds = [one.alarm.kind for one in board.alarms]
        return Measures(
            clauses=clauses,
            states={one.clause_id: one.state for one in board.clauses},
            rights={right: asked.get(right, RightFigures()) for right in Right},
            alarms={kind: kinds.count(kind) for kind in AlarmKind},
            beats=beats,
            ledger_waiting=self._ledger.waiting().count,
            outbox_pending=pending,
            inbox_taken=taken,
        )

    def _binding(self, now: datetime) -> tuple[tuple[BindingClause, ...], dict[str, Due]]:
        try:
            return self._sweeps.clauses(), {one.clause: one for one in self._sweeps.due(now)}
        except WaitsForPerson:
            return (), {}

    def _measure(
        self, session: Session, binding: BindingClause, swept: int, due: Due | None, now: datetime
    ) -> ClauseMeasures:
        clause = binding.clause
        last_run, last_success = last_ends(session, clause.id)
        waits = waiting_since(session, clause.id)
        return ClauseMeasures(
            clause=clause.id,
            evidence=self._evidences.read(session, clause.id),
            within=clause.within.after_instant(now) - now,
            swept=swept,
            missed=count_missed(session, clause.id),
            late=now - due.due_at if due and due.made_up else timedelta(0),
            waits=now - waits if waits else timedelta(0),
            last_run=last_run,
            last_success=last_success,
        )


def _count_swept(session: Session) -> Mapping[str, int]:
    """Records done by sweeps of each clause, ever: the sum of the step rows, which count every batch as it commits."""
    wanted = (
        sa.select(PlanRow.trigger_ref, sa.func.sum(StepRow.rows))
        .join(StepRow, StepRow.plan_id == PlanRow.id)
        .where(PlanRow.trigger_kind == TriggerKind.SWEEP.value)
        .group_by(PlanRow.trigger_ref)
    )
    return {clause: int(rows or 0) for clause, rows in session.execute(wanted).all()}
