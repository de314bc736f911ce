"""Plans from building to done: stored, previewed, approved, run, taken up again."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import CheckFailed, Conflict, WaitsForPerson
from core.ids import new_id
from core.leases import Leases
from core.outbox import post
from core.personal import Personal
from ledger.log import Ledger
from plans.asking import AskWork
from plans.build import build_sweep
from plans.build_correction import Correction, Spared
from plans.build_request import build_request
from plans.clocks import earliest, refuse_wrong
from plans.dropping import drop_receipts
from plans.emptied import read_last_seen, say_emptied
from plans.execute import Progress, StepWork, Tools, waits_for
from plans.finding import find
from plans.holds import Holds
from plans.leasing import HeldLease, hold_lease
from plans.order import find_pointers
from plans.pace import Forecast, Pace, Pacing, Timer, forecast
from plans.people import Found
from plans.plan import Plan, Step, StepDeed, TriggerKind, plan_json, read_plan
from plans.preview import Preview, look, preview_json, read_preview
from plans.questions import NO_RULINGS, Rulings
from plans.showing import oldest_left, sample_records
from plans.standing import (
    PlanView,
    RunResult,
    get_plan,
    read_approval,
    read_progress,
    read_results,
    require_same,
    state_after,
)
from plans.staying import pins_of
from plans.tables import FINISHED, ApprovalRow, PlanRow, PlanState, StepRow, StepState
from plans.tasks import Tasks
from plans.together import find_together, work_together
from policies.clauses import Clause, RetentionClause, Right
from policies.cutoffs import Cutoff
from stores.contract import Asks
from stores.datamap import DataMap

log = structlog.get_logger()
SAMPLES = 10
PATIENCE_SECONDS = 120.0  # for one look of a request at all stores


class Plans:
    """The engine. `batch_rows`: never more records a batch, whatever the profile says; `timer`: running time."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        leases: Leases,
        datamap: DataMap,
        *,
        batch_rows: int | None = None,
        timer: Timer | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._leases = leases
        self._batch_rows = batch_rows
        self._timer = timer or Timer()
        self.datamap = datamap
        self.holds = Holds(database, clock, ledger, datamap)
        self.tasks = Tasks(database, clock, ledger)

    def draft_sweep(
        self,
        *,
        clause: RetentionClause,
        cutoffs: Mapping[str, Cutoff],
        version: int,
        now: datetime,
        clauses: Sequence[Clause] = (),
    ) -> Plan:
        """A clause's plan under the holds of this moment; not stored. `clauses`: all of the version."""
        return build_sweep(
            version=version,
            cutoffs=cutoffs,
            datamap=self.datamap,
            holds=self.holds.list(),
            now=now,
            clause=clause,
            clauses=clauses,
        )

    def draft_request(
        self,
        *,
        ref: str,
        version: int,
        clauses: Sequence[Clause],
        right: Right,
        identifiers: Mapping[str, Sequence[str]],
        corrections: Sequence[Correction] = (),
        spared: Sequence[Spared] = (),
        rulings: Rulings = NO_RULINGS,
    ) -> tuple[Plan, Found]:
        """The plan of a request and where the person was found; not stored. `identifiers`: those proven, no others.
        `corrections`: for the right to correction, what is right in which field; copies of it are found by the map.
        `rulings`: what a person decided of the questions of an earlier plan."""
        found = find(
            self.datamap,
            identifiers,
            rulings=rulings,
            count=right is Right.CORRECTION,  # else the preview counts
            patience=PATIENCE_SECONDS,
        )
        plan = build_request(
            ref=ref,
            version=version,
            clauses=clauses,
            right=right,
            found=found,
            datamap=self.datamap,
            holds=self.holds.list(),
            now=self._clock.now(),
            corrections=corrections,
            spared=spared,
            rulings=rulings,
            pointers=find_pointers(self.datamap, found) if right is Right.DELETION else {},
        )
        return plan, found

    def look(self, plan: Plan, *, rulings: Rulings = NO_RULINGS) -> Preview:
        """The preview of a plan that need not be stored; changes nothing anywhere. All stores are asked at once."""
        holds = self.holds.list()
        is_request = plan.trigger.kind is TriggerKind.REQUEST
        seen = look(
            plan,
            self.datamap.stores,
            self._clock.now(),
            lambda step: pins_of(step, holds, self.datamap),
            patience=PATIENCE_SECONDS if is_request else None,
        )
        if not is_request:
            return seen
        with self._database.read() as session:
            return say_emptied(plan, seen, read_last_seen(session, plan, seen), rulings)

    def contact_of(self, store: str) -> Personal | None:
        """The mailbox of who does the work in a store, where people do."""
        found = self.datamap.stores.get(store)
        return Personal(found.contact) if isinstance(found, Asks) else None

    def now(self) -> datetime:
        """The moment a sweep counts back from: the earliest that the stores' clocks and this machine's say."""
        return earliest(self.datamap.stores, self._clock.now())

    def sample(self, plan: Plan, *, limit: int = SAMPLES) -> dict[str, list[dict[str, str]]]:
        """A few of the records a plan would touch, by collection, masked but for the record's own time."""
        return sample_records(self.datamap, plan, limit=limit)

    def oldest(self, plan: Plan) -> datetime | None:
        """The oldest record that the plan's deeds have not been done to, over its time or not, in its collections."""
        return oldest_left(self.datamap, plan)

    def store(self, plan: Plan, *, preview: Preview | None = None) -> str:
        """Keep a plan, and a preview that was made of it; gives the plan's id."""
        with self._database.begin() as session:
            self.add(session, plan, preview=preview)
        return plan.id

    def add(self, session: Session, plan: Plan, *, preview: Preview | None = None) -> None:
        """Keep a plan inside the caller's transaction."""
        session.add(
            PlanRow(
                id=plan.id,
                trigger_kind=plan.trigger.kind.value,
                trigger_ref=plan.trigger.ref,
                version=plan.version,
                made_at=plan.made_at,
                digest=plan.digest,
                body=plan_json(plan),
                state=PlanState.PLANNED,
                preview=preview_json(preview) if preview else None,
                preview_digest=preview.digest if preview else None,
            )
        )
        session.flush()
        for step in plan.steps:
            session.add(StepRow(id=step.id, plan_id=plan.id, position=step.position, state=StepState.PLANNED))

    def preview(self, plan_id: str) -> Preview:
        """Ask the stores, and keep the answer with the plan. An approval of an earlier preview lapses."""
        seen = self.look(self._stored(plan_id))
        with self._database.begin() as session:
            row = session.get_one(PlanRow, plan_id)
            if row.state != PlanState.PLANNED:
                raise Conflict(f"The plan {plan_id} is {row.state}.", remedy="A preview is made before the first step.")
            row.preview, row.preview_digest = preview_json(seen), seen.digest
        return seen

    def approve(self, plan_id: str, *, by: str, reason: str) -> str:
        """Record the approval of exactly this plan with exactly its preview; gives the approval's id."""
        with self._database.begin() as session:
            return self.approve_in(session, plan_id, by=by, reason=reason)

    def approve_in(self, session: Session, plan_id: str, *, by: str, reason: str) -> str:
        """The same, inside the caller's transaction."""
        row = get_plan(session, plan_id)
        if row.preview_digest is None:
            raise Conflict(f"The plan {plan_id} has no preview.", remedy="Make one first; approval is of both.")
        approval = ApprovalRow(
            id=new_id("apr"),
            plan_id=plan_id,
            plan_digest=row.digest,
            preview_digest=row.preview_digest,
            by=by,
            reason=reason,
            at=self._clock.now(),
        )
        session.add(approval)
        private = {"plan_digest": row.digest, "preview_digest": row.preview_digest, "reason": reason}
        refs = [plan_id, approval.id, f"version:{row.version}"]
        self._ledger.record(session, kind="plan.approved", actor=by, refs=refs, private=private)
        return approval.id

    def run(
        self,
        plan_id: str,
        *,
        on_progress: Progress | None = None,
        budget: timedelta | None = None,
        pacing: Pacing | None = None,
        actor: str = "system",
    ) -> RunResult:
        """Carry out what is left of an approved plan, as fast as `pacing` lets it. Raises Conflict while another process
        does; WaitsForPerson without an approval of exactly this plan and preview; CheckFailed when a store's clock is off."""
        deadline = self._clock.now() + budget if budget is not None else None
        with hold_lease(self._leases, self._clock, f"plan:{plan_id}") as lease:
            plan = self._start(plan_id, lease)
            tools = Tools(
                database=self._database,
                clock=self._clock,
                ledger=self._ledger,
                datamap=self.datamap,
                holds=self.holds,
                lease=lease,
                require_approved=lambda session, _: require_same(session, plan),
                plan=plan,
                actor=actor,
                make_pace=lambda: Pace(pacing or Pacing(), most=self._batch_rows),
                timer=self._timer,
                deadline=deadline,
                on_progress=on_progress,
            )
            try:
                finished = self._work(tools)
            except WaitsForPerson as stopped:  # stopped, or its approval taken back
                log.info("plan.stopped", plan=plan_id, reason=str(stopped))
                finished = False
            result = self._finish(plan, lease, finished=finished)
        self._ledger.settle()
        if not self._ledger.waiting().count:
            drop_receipts(self._database, self.datamap)
        return result

    def resume(self) -> list[RunResult]:
        """Take up every plan that was begun and neither finished nor failed, and that nobody works on."""
        wanted = sa.select(PlanRow.id).where(PlanRow.state.in_([PlanState.RUNNING, PlanState.PAUSED]))
        with self._database.read() as session:
            begun = list(session.execute(wanted.order_by(PlanRow.made_at)).scalars())
        results = []
        for plan_id in begun:
            try:
                results.append(self.run(plan_id))
            except (Conflict, WaitsForPerson) as reason:
                log.info("plan.not_resumed", plan=plan_id, reason=str(reason))
        return results

    def stop_in(self, session: Session, plan_id: str) -> None:
        """Inside the caller's transaction: the run under way begins no further batch; a later run goes on with it."""
        get_plan(session, plan_id).stop_asked_at = self._clock.now()

    def revoke_in(self, session: Session, plan_id: str, *, by: str, reason: str) -> None:
        """Inside the caller's transaction: take every approval of a plan back; a run under way begins no further batch."""
        wanted = sa.select(ApprovalRow).where(ApprovalRow.plan_id == plan_id, ApprovalRow.revoked_at.is_(None))
        for approval in session.execute(wanted).scalars():
            approval.revoked_at = self._clock.now()
            refs = [plan_id, approval.id]
            self._ledger.record(session, kind="plan.approval_revoked", actor=by, refs=refs, private={"reason": reason})

    def load(self, plan_id: str) -> PlanView:
        """The plan, its preview and how far it is. Raises NotFound."""
        with self._database.read() as session:
            row = get_plan(session, plan_id)
            approval = read_approval(session, row)
            return PlanView(
                plan=read_plan(row.body),
                state=PlanState(row.state),
                preview=read_preview(row.preview) if row.preview else None,
                approved_by=approval.by if approval else None,
                approved_at=approval.at if approval else None,
                steps=read_results(session, read_plan(row.body)),
            )

    def progress(self, plan_id: str) -> Forecast:
        """How far a plan is, and how long the rest will take at the rate that was measured; asks no store."""
        with self._database.read() as session:
            return forecast(read_progress(session, get_plan(session, plan_id)))

    def is_approved(self, session: Session, plan_id: str) -> bool:
        """Does an approval of exactly this plan and its preview stand?"""
        return read_approval(session, get_plan(session, plan_id)) is not None

    def require_approved(self, session: Session, plan_id: str) -> Plan:
        """The plan, if exactly it and its preview are approved. Raises WaitsForPerson."""
        row = get_plan(session, plan_id)
        plan = read_plan(row.body)
        if plan.digest != row.digest:
            raise CheckFailed(f"The plan {plan_id} was changed after it was made.", remedy="Make a new one.")
        if read_approval(session, row) is None:
            raise WaitsForPerson(
                f"The plan {plan_id} is not approved as it is now.", remedy="Look at its preview and approve it."
            )
        return plan

    def _stored(self, plan_id: str) -> Plan:
        with self._database.read() as session:
            return read_plan(get_plan(session, plan_id).body)

    def _start(self, plan_id: str, lease: HeldLease) -> Plan:
        plan = self._stored(plan_id)
        refuse_wrong(plan, self.datamap.stores, self._clock.now())
        with self._database.begin() as session:
            lease.require(session)
            plan = self.require_approved(session, plan_id)
            row = session.get_one(PlanRow, plan_id)
            if row.state != PlanState.DONE:
                row.state, row.stop_asked_at = PlanState.RUNNING, None
        return plan

    def _work(self, tools: Tools) -> bool:
        """Work on each step in order; False when the budget ended first."""
        tried: set[str] = set()
        for step in tools.plan.steps:
            if step.deed is StepDeed.EXPORT or step.id in tried:
                continue
            with self._database.read() as session:
                if session.get_one(StepRow, step.id).state in FINISHED:
                    continue
                waits = waits_for(session, step)
                others = find_together(session, tools, step)
            if waits:
                self._let_wait(tools, step, waits)
                continue
            if not work_together(tools, others, tried):
                return False
            if step.id not in tried and not self._work_alone(tools, step):
                return False
        return True

    def _work_alone(self, tools: Tools, step: Step) -> bool:
        work = AskWork(tools, step, self.tasks) if step.deed is StepDeed.ASK else StepWork(tools, step)
        return work.run()

    def _let_wait(self, tools: Tools, step: Step, waits: Sequence[str]) -> None:
        names = ", ".join(tools.plan.step(one).collection for one in waits)
        with self._database.begin() as session:
            tools.lease.require(session)
            row = session.get_one(StepRow, step.id)
            row.state, row.error = StepState.WAITING, f"{step.collection} goes after {names}, which is not done."

    def _finish(self, plan: Plan, lease: HeldLease, *, finished: bool) -> RunResult:
        with self._database.begin() as session:
            lease.require(session)
            steps = read_results(session, plan)
            row = session.get_one(PlanRow, plan.id)
            state = state_after(plan, steps) if finished else PlanState.PAUSED
            if row.state != state:
                row.state = state
                if state is PlanState.DONE and plan.trigger.kind is TriggerKind.SWEEP:
                    row.closed_at = self._clock.now()
                event = {"plan": plan.id, "trigger": plan.trigger.ref, "state": state.value}
                post(session, "plan.state", event, now=self._clock.now())
            ahead = forecast(read_progress(session, row))
        return RunResult(plan_id=plan.id, state=state, steps=steps, forecast=ahead)
