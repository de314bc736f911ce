"""Sweeps: what is over its time goes, by plan and preview, approved once by a person and then as often as it is due."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import CheckFailed, Conflict, NotFound, WaitsForPerson
from core.leases import Leases
from core.outbox import post
from core.settings import Settings
from ledger.log import Ledger
from plans.engine import Plans
from plans.execute import Progress
from plans.leasing import HeldLease, hold_lease
from plans.plan import Plan
from plans.preview import Preview
from plans.reclaiming import reclaim
from plans.showing import under_present_holds
from plans.standing import RunResult
from plans.tables import PlanState
from policies.cutoffs import BindingClause
from policies.own import Promises
from retention import runs
from retention.drafts import Draft, Drafting
from retention.orders import Approver, Order, has_lapsed
from retention.pacing import pacing_of, run_deadline, words_ahead
from retention.run_facts import run_facts
from retention.schedule import may_give_back, next_due
from retention.tables import RunState, SweepRunRow
from retention.views import (
    ClauseOverdue,
    ClauseState,
    ClauseSweep,
    Due,
    SweepOutcome,
    WaitingApproval,
    read_run,
    read_waiting,
    sweep_json,
)

log = structlog.get_logger()
ALL: Final = "all"
RUNS_SHOWN: Final = 30
_STATES: Final = {
    PlanState.DONE: RunState.DONE,
    PlanState.PAUSED: RunState.PAUSED,
    PlanState.FAILED: RunState.FAILED,
}


class Sweeps:
    """Runs the retention clauses that bind, those that a later version dropped included."""

    def __init__(
        self, database: Database, clock: Clock, ledger: Ledger, policies: Promises, plans: Plans, settings: Settings
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._plans = plans
        self._settings = settings
        self._leases = Leases(database, clock)
        self._drafting = Drafting(database, policies, plans, settings)

    def clauses(self) -> tuple[BindingClause, ...]:
        """The retention clauses that bind now, those of the version in force first. Raises WaitsForPerson without one."""
        return self._drafting.clauses(self._clock.now())

    def dry_run(self, clause: str | None = None) -> list[ClauseSweep]:
        """What a run would do now: the same path, and it ends before the first change. Nothing is stored."""
        now = self._plans.now()
        return [self._drafting.show(self._drafting.draft(binding, now)) for binding in self._chosen(clause)]

    def run(
        self,
        clause: str | None = None,
        *,
        budget: timedelta | None = None,
        profile: str | None = None,
        rate: int | None = None,
        on_progress: Progress | None = None,
        actor: str = "system",
    ) -> list[SweepOutcome]:
        """Run one clause or all; what needs approval is left waiting. Raises Conflict while another process sweeps it."""
        order = Order(actor=actor, deadline=self._deadline(budget), profile=profile, rate=rate, on_progress=on_progress)
        return self._run_all(self._chosen(clause), order)

    def approve(
        self,
        clause: str,
        *,
        by: str,
        reason: str,
        budget: timedelta | None = None,
        profile: str | None = None,
        rate: int | None = None,
        on_progress: Progress | None = None,
    ) -> list[SweepOutcome]:
        """Build, preview, record the approval of exactly that, and run; `all`: every clause, approving those that wait."""
        order = Order(
            actor=by,
            approver=Approver(by=by, reason=reason),
            deadline=self._deadline(budget),
            profile=profile,
            rate=rate,
            on_progress=on_progress,
        )
        return self._run_all(self._chosen(None if clause == ALL else clause), order)

    def approve_waiting(self, run_id: str, *, by: str, reason: str) -> list[SweepOutcome]:
        """Approve what a person saw waiting, and run it. It lapses, and waits again, where the clause or what it reaches has
        changed since, or what would go has grown past the breaker. A run that waits no more gives nothing."""
        seen = next((one for one in self.waiting() if one.run_id == run_id), None)
        if seen is None:
            return []
        order = Order(actor=by, approver=Approver(by=by, reason=reason), seen=seen)
        return self._run_all(self._chosen(seen.clause), order)

    def waiting(self) -> list[WaitingApproval]:
        """The runs that wait for a person, oldest first."""
        with self._database.read() as session:
            return [view for row in runs.waiting_rows(session) if (view := read_waiting(row)) is not None]

    def due(self, now: datetime) -> list[Due]:
        """The clauses that are due and not yet claimed."""
        bindings, zone = self.clauses(), self._drafting.zone()
        with self._database.read() as session:
            found = [
                runs.find_due(session, one.clause.id, self._settings.sweep(one.clause.id), zone, now)
                for one in bindings
            ]
        return [one for one in found if one is not None]

    def make_up(self, now: datetime) -> list[Due]:
        """Claim what is due: all instants of a clause since its last row as one. Gives what this process claimed."""
        return [due for due in self.due(now) if runs.claim(self._database, due, now)]

    def run_due(self, now: datetime) -> list[SweepOutcome]:
        """Claim what is due and run it, with what a killed process left open. A clause that somebody sweeps is let be; one
        that was paused goes on when it is due again."""
        self._plans.holds.tick()
        self.make_up(now)
        outcomes: list[SweepOutcome] = []
        for binding in self.clauses():
            with self._database.read() as session:
                if not runs.has_open(session, binding.clause.id):
                    continue
            try:
                outcomes += self._run_clause(binding, Order(actor="system", due_only=True))
            except Conflict as reason:
                log.info("sweep.busy", clause=binding.clause.id, reason=str(reason))
        return outcomes

    def state(self, clause: str) -> ClauseState:
        """How a clause's sweeping stands, from what is recorded; asks no store."""
        after = self._clock.now()
        upcoming = next_due(self._settings.sweep(clause), self._drafting.zone(), after=after)
        with self._database.read() as session:
            rows = runs.last_runs(session, clause, RUNS_SHOWN)
            good = runs.last_good_run(session, clause)
            waiting = runs.waiting_rows(session, clause)
            return ClauseState(
                clause=clause,
                last_run=read_run(rows[0]) if rows else None,
                last_good=read_run(good) if good else None,
                next_due=upcoming,
                waiting=read_waiting(waiting[-1]) if waiting else None,
                runs=tuple(read_run(row) for row in rows),
            )

    def overdue(self, now: datetime | None = None, *, but: Collection[str] = ()) -> list[ClauseOverdue]:
        """Measured in the stores: what is over its time, and what is past the time the work may take; of all clauses `but` these."""
        moment = now or self._plans.now()
        return [self._drafting.overdue(one, moment) for one in self._chosen(None) if one.clause.id not in but]

    def _run_all(self, bindings: Sequence[BindingClause], order: Order) -> list[SweepOutcome]:
        self._plans.holds.tick()
        outcomes: list[SweepOutcome] = []
        for binding in bindings:
            if order.deadline is not None and self._clock.now() >= order.deadline:
                break
            outcomes += self._run_clause(binding, order)
        self._ledger.settle()
        return outcomes

    def _run_clause(self, binding: BindingClause, order: Order) -> list[SweepOutcome]:
        """Finish what was begun, then run what has come due since."""
        name = binding.clause.id
        with hold_lease(self._leases, self._clock, f"sweep:{name}") as lease:
            outcomes: list[SweepOutcome] = []
            with self._database.read() as session:
                if order.due_only and not runs.has_open(session, name):
                    return outcomes  # another scheduler ran it between our look and our lease
                begun = runs.unfinished_run(session, name)
            if begun is not None:
                outcomes.append(self._take_up(begun, order, lease))
                if outcomes[-1].state in (RunState.PAUSED, RunState.STOPPED):
                    with self._database.begin() as session:  # its due instant is spent: it would go on every minute
                        lease.require(session)
                        runs.supersede(session, name, but=begun.id, states=[RunState.CLAIMED])
                    return outcomes
            draft = self._drafting.draft(binding, self._plans.now())
            if draft.preview.total == 0 and (order.approver is None or draft.standing is not None):
                outcomes.append(self._end_quietly(draft, order, lease))
            elif draft.sweep.waits_for and (
                order.approver is None or has_lapsed(order.seen, draft, self._settings.sweep(name).breaker)
            ):
                outcomes.append(self._let_wait(draft, order, lease))
            else:
                outcomes.append(self._carry_out(draft, order, lease))
        return outcomes

    def _end_quietly(self, draft: Draft, order: Order, lease: HeldLease) -> SweepOutcome:
        """Nothing is over its time: a run that found the promise kept. A store that did not answer makes it a failed one."""
        blocked = draft.sweep.blocked
        state = RunState.FAILED if blocked else RunState.DONE
        # Claimed until its end is written down with its entry: a run that was killed in between is done again.
        row = self._open(draft, order, lease, RunState.CLAIMED, clear=not blocked)
        return self._close(
            row, draft.plan, lease, state=state, rows=0, errors=blocked, sweep=draft.sweep, seen=draft.preview
        )

    def _let_wait(self, draft: Draft, order: Order, lease: HeldLease) -> SweepOutcome:
        shown = self._drafting.show(draft)
        row = self._open(draft, order, lease, RunState.WAITING)
        with self._database.begin() as session:
            lease.require(session)
            waiting = session.get_one(SweepRunRow, row.id)
            waiting.body, waiting.note = {"sweep": sweep_json(shown)}, shown.waits_for
            waiting.overdue, waiting.oldest_overdue, waiting.held = shown.rows, shown.oldest, shown.held
            self._record_run(session, waiting, draft.plan, shown, None)
            waited = runs.supersede(session, draft.sweep.clause, but=row.id, states=[RunState.WAITING])
            if not waited:
                event = {"clause": draft.sweep.clause, "run": row.id, "rows": draft.sweep.rows}
                post(session, "sweep.waiting", event, now=self._clock.now())
            run, view = read_run(waiting), read_waiting(waiting)
        return SweepOutcome(clause=run.clause, run=run, sweep=shown, errors=shown.blocked, waiting=view)

    def _carry_out(self, draft: Draft, order: Order, lease: HeldLease) -> SweepOutcome:
        plan = draft.plan
        row = self._open(draft, order, lease, RunState.RUNNING, store=True)
        return self._run_plan(row, plan, order, lease, draft.sweep)

    def _run_plan(
        self, row: SweepRunRow, plan: Plan, order: Order, lease: HeldLease, sweep: ClauseSweep | None
    ) -> SweepOutcome:
        now, settings = self._clock.now(), self._settings.sweep(row.clause)
        ends = run_deadline(settings, self._drafting.zone(), now, asked=order.deadline, by_schedule=order.due_only)
        left = ends - now if ends is not None else None
        pacing = pacing_of(settings, profile=order.profile, rate=order.rate)
        progress = order.progress(lease)
        try:
            result = self._plans.run(plan.id, on_progress=progress, budget=left, pacing=pacing, actor=order.actor)
        except (CheckFailed, WaitsForPerson) as refusal:  # this clause cannot be run as things are; the next one may
            state = RunState.STOPPED if isinstance(refusal, WaitsForPerson) else RunState.FAILED
            return self._close(row, plan, lease, state=state, rows=row.rows, errors=(str(refusal),), sweep=sweep)
        return self._close_run(row, plan, result, lease, sweep)

    def _open(
        self, draft: Draft, order: Order, lease: HeldLease, state: RunState, *, store: bool = False, clear: bool = False
    ) -> SweepRunRow:
        """Write the run's row, with its plan and approval where it is going to be carried out, in one transaction. `clear`:
        nothing is left for a person to approve."""
        plan, now = draft.plan, self._clock.now()
        with self._database.begin() as session:
            lease.require(session)
            claimed = runs.open_claim(session, plan.trigger.ref)
            row = runs.open_run(session, plan.trigger.ref, claimed.id if claimed else None, actor=order.actor, now=now)
            row.state, row.version = state, plan.version
            row.cutoff = {name: iso_utc(instant) for name, instant in plan.cutoffs.items()}
            session.flush()
            row.held = draft.sweep.held
            if store:
                row.plan_id = plan.id
                self._plans.add(session, plan, preview=draft.preview)
                self._approve(session, draft, order, now)
            if clear or state is RunState.RUNNING:
                runs.supersede(session, row.clause, but=row.id, states=[RunState.WAITING])
        return row

    def _approve(self, session: Session, draft: Draft, order: Order, now: datetime) -> None:
        """Approval of exactly this plan and preview: a person's, or the standing one of the clause's terms."""
        approver = order.approver
        if approver is None:
            reason = f"standing approval {draft.standing}"
            self._plans.approve_in(session, draft.plan.id, by="system", reason=reason)
            return
        self._plans.approve_in(session, draft.plan.id, by=approver.by, reason=approver.reason)
        approval = runs.add_approval(
            session, draft.plan, draft.preview, terms=draft.terms, by=approver.by, reason=approver.reason, now=now
        )
        clause, version = draft.plan.trigger.ref, draft.plan.version
        self._ledger.record(
            session,
            kind="sweep.approved",
            actor=approver.by,
            refs=[approval, draft.plan.id, f"clause:{clause}", f"version:{version}"],
            private={"terms": draft.terms, "reason": approver.reason, "rows": draft.sweep.rows},
        )

    def _take_up(self, begun: SweepRunRow, order: Order, lease: HeldLease) -> SweepOutcome:
        """Go on with a run that was killed, paused or failed, under the approval and the cutoff it began with."""
        assert begun.plan_id is not None
        plan = self._plans.load(begun.plan_id).plan
        return self._run_plan(begun, plan, order, lease, None)

    def _close_run(
        self, row: SweepRunRow, plan: Plan, result: RunResult, lease: HeldLease, sweep: ClauseSweep | None
    ) -> SweepOutcome:
        remaining = sum(step.remaining or 0 for step in result.steps)
        notes = [f"{step.collection}: {step.note}" for step in result.steps if step.note]
        notes += [words] if (words := words_ahead(result, self._settings.sweep(row.clause))) else []
        state = _STATES[result.state]
        with self._database.read() as session:
            stopped = session.get_one(SweepRunRow, row.id)
            if state is RunState.PAUSED and not self._plans.is_approved(session, plan.id):
                state = RunState.STOPPED
                notes.append("Its approval was revoked: what is left waits for a new one")
            elif state is RunState.PAUSED and stopped.stopped_by:
                notes.append("Stopped after a batch; it goes on when the clause is due again")
        settings = self._settings.sweep(plan.trigger.ref)
        if state is RunState.DONE and may_give_back(settings, self._drafting.zone(), self._clock.now()):
            notes += reclaim(self._plans.datamap, plan, result, renew=lease.renew)
        outcome = self._close(
            row,
            plan,
            lease,
            state=state,
            rows=result.rows,
            errors=result.errors,
            sweep=sweep,
            remaining=remaining,
            note="; ".join(notes),
        )
        return replace(outcome, forecast=result.forecast)

    def _close(
        self,
        row: SweepRunRow,
        plan: Plan,
        lease: HeldLease,
        *,
        state: RunState,
        rows: int,
        errors: tuple[str, ...],
        sweep: ClauseSweep | None,
        remaining: int = 0,
        note: str = "",
        seen: Preview | None = None,
    ) -> SweepOutcome:
        """Look once more at what is over its time, and write the end of the run down: row and ledger in one transaction."""
        left, oldest = seen or self._plans.look(self._as_held_now(plan)), self._plans.oldest(plan)
        taken_up = self._drafting.set_out_with(row.plan_id) if sweep is None else None
        ends = [row_seen.extent.oldest for row_seen in left.rows if row_seen.extent and row_seen.extent.oldest]
        with self._database.begin() as session:
            lease.require(session)
            run = session.get_one(SweepRunRow, row.id)
            run.state, run.ended_at, run.rows, run.remaining = state, self._clock.now(), rows, remaining
            run.overdue, run.oldest_overdue = left.total, min(ends, default=None)
            run.held = sum(row_seen.held for row_seen in left.rows)
            run.oldest_remaining = oldest
            run.note = "; ".join(part for part in (note, *errors) if part)
            self._record_run(session, run, plan, sweep or taken_up, left)
            view = read_run(run)
        return SweepOutcome(clause=view.clause, run=view, sweep=sweep, errors=errors)

    def _as_held_now(self, plan: Plan) -> Plan:
        return under_present_holds(self._plans.datamap, self._plans.holds.list(), plan)

    def _record_run(
        self, session: Session, run: SweepRunRow, plan: Plan, set_out: ClauseSweep | None, left: Preview | None
    ) -> None:
        self._ledger.record(
            session,
            kind="sweep.run",
            actor=run.actor,
            refs=[run.id, *([run.plan_id] if run.plan_id else []), f"clause:{run.clause}", f"version:{plan.version}"],
            private=run_facts(run, plan, set_out, left),
        )

    def _deadline(self, budget: timedelta | None) -> datetime | None:
        return self._clock.now() + budget if budget is not None else None

    def _chosen(self, clause: str | None) -> tuple[BindingClause, ...]:
        bindings = self.clauses()
        chosen = tuple(one for one in bindings if clause in (None, one.clause.id))
        if not chosen and clause is not None:
            names = ", ".join(one.clause.id for one in bindings) or "none"
            raise NotFound(f"There is no retention clause '{clause}' that binds.", remedy=f"There are: {names}.")
        return chosen
