"""Reading a person's records out, collection by collection, as a stream: memory stays flat however much there is."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.leases import Leases
from core.outbox import post
from ledger.log import Ledger
from plans.engine import Plans
from plans.execute import step_refs
from plans.leasing import HeldLease, hold_lease
from plans.plan import Plan, Step, StepDeed
from plans.tables import FINISHED, PlanRow, PlanState, StepRow, StepState

Record = Mapping[str, Any]
RENEW_EVERY = 1_000


class Reading:
    """Streams the export steps of approved plans; the ledger has an intent and an outcome for each collection."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, leases: Leases, plans: Plans) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._leases = leases
        self._plans = plans

    def stream_person(self, plan_id: str, *, actor: str = "system") -> Iterator[tuple[str, Iterator[Record]]]:
        """Each collection with its records, in the order of the plan. The caller reads each stream to its end before it
        asks for the next. Once through, the plan is done; broken off, it begins anew. Raises like `Plans.run`."""
        with hold_lease(self._leases, self._clock, f"plan:{plan_id}") as lease:
            with self._database.begin() as session:
                lease.require(session)
                plan = self._plans.require_approved(session, plan_id)
                session.get_one(PlanRow, plan_id).state = PlanState.RUNNING
            for step in plan.steps:
                if step.deed is StepDeed.EXPORT:
                    self._begin(plan, step, lease, actor)
                    yield step.collection, self._records(plan, step, lease, actor)
            self._finish(plan, lease)
        self._ledger.settle()

    def _records(self, plan: Plan, step: Step, lease: HeldLease, actor: str) -> Iterator[Record]:
        rows = 0
        for record in self._plans.datamap.stores[step.store].records(step.at, step.condition):
            if rows % RENEW_EVERY == 0:
                lease.renew()
            rows += 1
            yield record
        self._end(plan, step, lease, actor, rows)

    def _begin(self, plan: Plan, step: Step, lease: HeldLease, actor: str) -> None:
        with self._database.begin() as session:
            lease.require(session)
            row = session.get_one(StepRow, step.id)
            # Broken off and begun anew: what an earlier reading counted is not this one's.
            row.state, row.rows, row.started_at, row.ended_at = StepState.INTENDED, 0, self._clock.now(), None
            row.intent = self._record(session, plan, step, actor, "intent", {})

    def _end(self, plan: Plan, step: Step, lease: HeldLease, actor: str, rows: int) -> None:
        with self._database.begin() as session:
            lease.require(session)
            row = session.get_one(StepRow, step.id)
            row.state, row.rows, row.remaining, row.ended_at = StepState.DONE, rows, 0, self._clock.now()
            row.outcome = self._record(session, plan, step, actor, "outcome", {"rows": rows})

    def _record(self, session: Session, plan: Plan, step: Step, actor: str, word: str, facts: Mapping[str, int]) -> str:
        return self._ledger.record(
            session,
            kind=f"request.{word}",
            actor=actor,
            refs=step_refs(plan, step),
            private={"collection": step.collection, "deed": step.deed.value, "plan_digest": plan.digest, **facts},
        )

    def _finish(self, plan: Plan, lease: HeldLease) -> None:
        with self._database.begin() as session:
            lease.require(session)
            rows = [session.get_one(StepRow, step.id) for step in plan.steps]
            done = all(row.state in FINISHED for row in rows)
            session.get_one(PlanRow, plan.id).state = PlanState.DONE if done else PlanState.PAUSED
            event = {"plan": plan.id, "trigger": plan.trigger.ref, "state": "done" if done else "paused"}
            post(session, "plan.state", event, now=self._clock.now())
