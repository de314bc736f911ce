"""Reading a person's records out, collection by collection, in batches: memory stays flat however much there is."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.leases import Leases
from core.outbox import post
from ledger.log import Ledger, NewEntry
from plans.engine import Plans
from plans.execute import step_refs
from plans.leasing import HeldLease, hold_lease
from plans.plan import Plan, Step, StepDeed
from plans.tables import FINISHED, PlanRow, PlanState, StepRow, StepState
from plans.tools import Progress

Record = Mapping[str, Any]
Records = Sequence[Record]
BATCH: Final = 1_000
# How often the row of a step says how far it is, for the pages that show it.
SHOW_EVERY_SECONDS: Final = 2.0


class Reading:
    """Streams the export steps of approved plans; the ledger has an intent and an outcome for each collection."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, leases: Leases, plans: Plans) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._leases = leases
        self._plans = plans

    def stream_person(
        self, plan_id: str, *, actor: str = "system", on_progress: Progress | None = None
    ) -> Iterator[tuple[str, Iterator[Records]]]:
        """Each collection with its records in batches, in the order of the plan. The caller reads each to its end before
        it asks for the next. Once through, the plan is done; broken off, it begins anew. Raises like `Plans.run`."""
        expected = self._expected(plan_id)
        with hold_lease(self._leases, self._clock, f"plan:{plan_id}") as lease:
            plan = self._begin(plan_id, lease, actor)
            read = list[_HowFar]()
            for step in (one for one in plan.steps if one.deed is StepDeed.EXPORT):
                read.append(_HowFar(self, step, lease, expected.get(step.id, 0), on_progress))
                yield step.collection, self._batches(step, lease, read[-1])
                if time.monotonic() - read[0].shown >= SHOW_EVERY_SECONDS:
                    self._end(plan, read, lease, actor)
                    read.clear()
            self._end(plan, read, lease, actor, is_last=True)
        self._ledger.settle()

    def show(self, step: Step, lease: HeldLease, rows: int) -> None:
        """Write down how far a step is."""
        with self._database.begin() as session:
            lease.require(session)
            session.get_one(StepRow, step.id).rows = rows

    def _begin(self, plan_id: str, lease: HeldLease, actor: str) -> Plan:
        """The plan, with what is about to be read written down: each place before its first record."""
        with self._database.begin() as session:
            lease.require(session)
            plan = self._plans.require_approved(session, plan_id)
            session.get_one(PlanRow, plan_id).state = PlanState.RUNNING
            rows, steps = _rows(session, plan), [one for one in plan.steps if one.deed is StepDeed.EXPORT]
            intents = self._record(session, plan, actor, "intent", [(step, {}) for step in steps])
            for step, intent in zip(steps, intents, strict=True):
                row = rows[step.id]
                # Broken off and begun anew: what an earlier reading counted is not this one's.
                row.state, row.rows, row.started_at, row.ended_at = StepState.INTENDED, 0, self._clock.now(), None
                row.intent = intent
        return plan

    def _expected(self, plan_id: str) -> dict[str, int]:
        preview = self._plans.load(plan_id).preview
        return {row.step: row.rows for row in preview.rows} if preview else {}

    def _batches(self, step: Step, lease: HeldLease, far: "_HowFar") -> Iterator[Records]:
        records = iter(self._plans.datamap.stores[step.store].records(step.at, step.condition))
        while batch := list(islice(records, BATCH)):
            lease.renew()
            yield batch
            far.add(len(batch))
        far.ended_at = self._clock.now()

    def _end(
        self, plan: Plan, read: "Sequence[_HowFar]", lease: HeldLease, actor: str, *, is_last: bool = False
    ) -> None:
        """Write down which steps are through: small ones together, since each commit waits for the disk."""
        with self._database.begin() as session:
            lease.require(session)
            rows, through = _rows(session, plan), [one for one in read if one.is_through]
            told = [(one.step, {"rows": one.rows}) for one in through]
            outcomes = self._record(session, plan, actor, "outcome", told)
            for one, outcome in zip(through, outcomes, strict=True):
                row = rows[one.step.id]
                row.state, row.rows, row.remaining, row.ended_at = StepState.DONE, one.rows, 0, one.ended_at
                row.outcome = outcome
            if is_last:
                self._finish(session, plan, rows)

    def _record(
        self, session: Session, plan: Plan, actor: str, word: str, told: Sequence[tuple[Step, Mapping[str, int]]]
    ) -> list[str]:
        """One entry for each step, all together: the ids, in the same order."""
        entries = [
            NewEntry(
                kind=f"request.{word}",
                actor=actor,
                refs=step_refs(plan, step),
                private={"collection": step.collection, "deed": step.deed.value, "plan_digest": plan.digest, **facts},
            )
            for step, facts in told
        ]
        return self._ledger.record_all(session, entries)

    def _finish(self, session: Session, plan: Plan, rows: Mapping[str, StepRow]) -> None:
        done = all(rows[step.id].state in FINISHED for step in plan.steps)
        session.get_one(PlanRow, plan.id).state = PlanState.DONE if done else PlanState.PAUSED
        event = {"plan": plan.id, "trigger": plan.trigger.ref, "state": "done" if done else "paused"}
        post(session, "plan.state", event, now=self._clock.now())


def _rows(session: Session, plan: Plan) -> dict[str, StepRow]:
    """The rows of all steps, by one look."""
    wanted = sa.select(StepRow).where(StepRow.plan_id == plan.id)
    return {row.id: row for row in session.execute(wanted).scalars()}


class _HowFar:
    """How far the reading of one collection is: told after each batch, written down now and then."""

    def __init__(
        self, reading: Reading, step: Step, lease: HeldLease, expected: int, on_progress: Progress | None
    ) -> None:
        self._reading = reading
        self.step = step
        self._lease = lease
        self._expected = expected
        self._on_progress = on_progress
        self.shown = time.monotonic()
        self.rows = 0
        self.ended_at: datetime | None = None

    @property
    def is_through(self) -> bool:
        return self.ended_at is not None

    def add(self, rows: int) -> None:
        self.rows += rows
        if self._on_progress:
            self._on_progress(self.step, self.rows, self._expected)
        if time.monotonic() - self.shown >= SHOW_EVERY_SECONDS:
            self._reading.show(self.step, self._lease, self.rows)
            self.shown = time.monotonic()
