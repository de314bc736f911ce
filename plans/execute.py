"""Carrying out the steps of a plan, batch by batch, so that it can be killed anywhere and taken up again.

THIS IS WHERE RECORDS GO. Before every batch the holds are read again and stand in the statement; the bounds of a batch
are stored before it and its count after it; a step is done when the store, asked again, finds nothing left.
No transaction of the control database is open while a store works.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import digest
from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import CheckFailed, Conflict, KeptError, Unreachable, WaitsForPerson
from core.outbox import post
from ledger.log import Ledger
from plans.holds import Holds, hold_condition
from plans.leasing import HeldLease
from plans.plan import Plan, Step, StepDeed, TriggerKind
from plans.tables import FINISHED, BatchRow, StepRow, StepState
from stores.conditions import AllOf, AnyOf, Condition, Not
from stores.contract import Batch, Capability, Deed, Receipt, Store, StoreBusy, StoreUnreachable, Work
from stores.datamap import DataMap

PASSES = 3  # looks from the start, should records have come back behind the bounds
Progress = Callable[[Step, int, int], None]
_DEEDS = {StepDeed.DELETE: Deed.DELETE, StepDeed.REVOKE: Deed.SET_TIME}


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the work of steps needs, for one run of one plan. `deadline`: no batch begins after it.

    `require_approved` raises unless exactly this plan and its preview are approved."""

    database: Database
    clock: Clock
    ledger: Ledger
    datamap: DataMap
    holds: Holds
    lease: HeldLease
    require_approved: Callable[[Session, str], Plan]
    plan: Plan
    actor: str
    batch_rows: int
    deadline: datetime | None = None
    on_progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class _ReadBack:
    """What the store says when the batches are through: `matching` still match, `held` are kept by holds, and of `unread`
    parts of the collection nobody knows what is in them."""

    matching: int
    held: int
    unread: int
    left: tuple[str, ...]

    @property
    def remaining(self) -> int:
        return self.matching + self.held

    @property
    def words(self) -> str:
        held = [f"{self.held} kept by a hold"] if self.held else []
        return "; ".join([*held, *(self.left if self.matching or self.unread else ())])


class StepWork:
    """The work on one step."""

    def __init__(self, tools: Tools, step: Step) -> None:
        self._tools = tools
        self._step = step
        self._store: Store = tools.datamap.stores[step.store]

    def run(self) -> bool:
        """Work until the step is finished or failed; False when the budget ended first."""
        try:
            self._intend()
            self._finish_open_batch()
            if not self._do_batches():
                return False
            self._conclude(self._read_back())
        except KeptError as error:
            if _is_ours(error):
                raise
            self._fail(error)
        return True

    def _intend(self) -> None:
        with self._tools.database.read() as session:
            row = session.get_one(StepRow, self._step.id)
            if row.state == StepState.INTENDED:
                return
        keeps = Capability.RECEIPTS in self._store.capabilities
        if keeps:
            self._store.prepare_receipts()
        matched = self._store.measure(self._step.at, self._where(self._held())).rows
        now = self._tools.clock.now()
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            self._tools.require_approved(session, self._tools.plan.id)
            row = session.get_one(StepRow, self._step.id)
            row.intent = self._record(session, "intent", {"matched": matched})
            row.state, row.error, row.receipts = StepState.INTENDED, "", keeps
            row.matched = matched if row.matched is None else row.matched
            row.started_at = row.started_at or now

    def _finish_open_batch(self) -> None:
        """A batch with bounds and no count: its receipt tells, or it is done again and said to be settled."""
        with self._tools.database.read() as session:
            receipts = session.get_one(StepRow, self._step.id).receipts
            wanted = sa.select(BatchRow).where(BatchRow.step_id == self._step.id, BatchRow.rows.is_(None))
            row = session.execute(wanted).scalar_one_or_none()
        if row is None:
            return
        receipt = Receipt(step=self._step.id, batch=row.number) if receipts else None
        done = self._store.receipt_of(receipt) if receipt else None
        if done is None:
            batch = Batch(low=row.low, high=row.high)
            done = self._store.act(self._work(self._held()), batch, receipt)
        self._end_batch(row.number, done, settled=not receipts)

    def _do_batches(self) -> bool:
        number, after, receipts = self._last_batch()
        passes = 1 if after is None else 0
        while not self._over_budget():
            self._tools.lease.renew()
            held = self._held()
            work = self._work(held)
            batch = self._store.next_batch(work, after)
            if batch is None:
                if passes >= PASSES or not self._store.measure(self._step.at, work.where).rows:
                    return True
                passes, after = passes + 1, None
                continue
            number += 1
            now_held = self._begin_batch(number, batch)
            if now_held != held:
                work = self._work(now_held)
            receipt = Receipt(step=self._step.id, batch=number) if receipts else None
            self._end_batch(number, self._store.act(work, batch, receipt))
            after = batch
        return False

    def _over_budget(self) -> bool:
        deadline = self._tools.deadline
        return deadline is not None and self._tools.clock.now() >= deadline

    def _last_batch(self) -> tuple[int, Batch | None, bool]:
        with self._tools.database.read() as session:
            receipts = session.get_one(StepRow, self._step.id).receipts
            wanted = sa.select(BatchRow).where(BatchRow.step_id == self._step.id)
            row = session.execute(wanted.order_by(BatchRow.number.desc()).limit(1)).scalar_one_or_none()
        return (row.number, Batch(low=row.low, high=row.high), receipts) if row else (0, None, receipts)

    def _begin_batch(self, number: int, batch: Batch) -> Condition | None:
        """Store the bounds; gives the holds as they stand in that same transaction."""
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            now = self._tools.clock.now()
            session.add(
                BatchRow(step_id=self._step.id, number=number, low=batch.low, high=batch.high, rows=None, begun_at=now)
            )
            return self._held_in(session)

    def _end_batch(self, number: int, rows: int, *, settled: bool = False) -> None:
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            batch = session.get_one(BatchRow, (self._step.id, number))
            batch.rows, batch.settled, batch.done_at = rows, settled, self._tools.clock.now()
            step = session.get_one(StepRow, self._step.id)
            step.rows += rows
            step.settled += settled
            done, matched = step.rows, step.matched or 0
        if self._tools.on_progress:
            self._tools.on_progress(self._step, done, max(matched, done))

    def _read_back(self) -> _ReadBack:
        held = self._held()
        extent = self._store.measure(self._step.at, self._where(held))
        kept = AnyOf(parts=tuple(part for part in (self._step.held, held) if part is not None))
        count = self._store.measure(self._step.at, AllOf(parts=(self._step.condition, kept))).rows if kept.parts else 0
        left = self._store.left_for_later(self._step.at)
        return _ReadBack(matching=extent.rows, held=count, unread=extent.unread, left=left)

    def _conclude(self, seen: _ReadBack) -> None:
        if seen.matching and not seen.left:
            raise KeptError(
                f"{seen.matching} records of {self._step.collection} still match after {PASSES} looks.",
                remedy="Another record may point at them by a foreign key, or a program writes them back. Look at them.",
            )
        if seen.matching and self._tools.plan.trigger.kind is TriggerKind.REQUEST:
            # A sweep comes again by itself; a request is not answered while part of it is still to do.
            raise StoreBusy(
                f"{seen.matching} records of {self._step.collection} cannot go yet: {'; '.join(seen.left)}.",
                remedy="It goes on by itself once that is over.",
            )
        if seen.unread and self._tools.plan.trigger.kind is TriggerKind.REQUEST:
            raise StoreBusy(
                f"{seen.unread} parts of {self._step.collection} cannot be read: {'; '.join(seen.left)}.",
                remedy="Nobody knows what is in them. Mend them or take them away; it goes on by itself after that.",
            )
        state = StepState.LEFT if seen.remaining or seen.unread else StepState.DONE
        self._close(state, remaining=seen.remaining, note=seen.words)

    def _fail(self, error: KeptError) -> None:
        self._close(StepState.FAILED, remaining=None, error=str(error))

    def _close(self, state: StepState, *, remaining: int | None, note: str = "", error: str = "") -> None:
        """The outcome in the ledger, the step's row and the event, in one transaction."""
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            row = session.get_one(StepRow, self._step.id)
            now = self._tools.clock.now()
            row.state, row.remaining, row.note, row.error, row.ended_at = state, remaining, note, error, now
            facts = {
                "state": state.value,
                "rows": row.rows,
                "settled_batches": row.settled,
                "matched": row.matched,
                "remaining": remaining,
                "note": note,
                "error": error,
                "batches": digest(batch_facts(session, row.id)),
            }
            row.outcome = self._record(session, "outcome", facts)
            event = {"plan": self._tools.plan.id, "step": row.id, "state": state.value}
            post(session, "plan.step", event, now=now)

    def _record(self, session: Session, word: str, facts: dict[str, Any]) -> str:
        plan, step = self._tools.plan, self._step
        about = {"collection": step.collection, "deed": step.deed.value, "plan_digest": plan.digest}
        cutoff = plan.cutoffs.get(step.collection)
        return self._tools.ledger.record(
            session,
            kind=f"{plan.trigger.kind.value}.{word}",
            actor=self._tools.actor,
            refs=step_refs(plan, step),
            private={**about, "cutoff": iso_utc(cutoff) if cutoff else None, **facts},
        )

    def _work(self, held: Condition | None) -> Work:
        return Work(
            deed=_DEEDS[self._step.deed],
            at=self._step.at,
            where=self._where(held),
            order_by=self._step.time,
            field=self._step.field,
            value=self._step.value,
            batch_rows=self._tools.batch_rows,
        )

    def _where(self, held: Condition | None) -> Condition:
        if held is None or held == self._step.held:
            return self._step.where
        return AllOf(parts=(self._step.where, Not(part=held)))

    def _held(self) -> Condition | None:
        with self._tools.database.read() as session:
            return self._held_in(session)

    def _held_in(self, session: Session) -> Condition | None:
        binding = self._tools.holds.binding(session)
        collection = self._tools.datamap.collection(self._step.collection)
        return hold_condition(binding, collection, self._step.clause, self._tools.datamap)


def step_refs(plan: Plan, step: Step) -> list[str]:
    """The ids under which the ledger finds a step's entries."""
    trigger = f"clause:{plan.trigger.ref}" if plan.trigger.kind == "sweep" else plan.trigger.ref
    return list(dict.fromkeys([step.id, plan.id, trigger, f"clause:{step.clause}", f"version:{plan.version}"]))


def batch_facts(session: Session, step_id: str) -> Sequence[Any]:
    """A step's batches as the outcome hashes them: number, bounds, count, settled, in order."""
    wanted = sa.select(BatchRow).where(BatchRow.step_id == step_id).order_by(BatchRow.number)
    return [[b.number, b.low, b.high, b.rows, b.settled] for b in session.execute(wanted).scalars()]


def waits_for(session: Session, step: Step) -> list[str]:
    """Steps that must be finished before this one and are not."""
    if not step.after:
        return []
    rows = session.execute(sa.select(StepRow).where(StepRow.id.in_(step.after))).scalars()
    return [row.id for row in rows if row.state not in FINISHED]


def _is_ours(error: KeptError) -> bool:
    """Is it trouble with the run itself (its lease, its approval, the control database), not with the step's store?"""
    return isinstance(error, Conflict | Unreachable | WaitsForPerson | CheckFailed) and not isinstance(
        error, StoreUnreachable | StoreBusy
    )
