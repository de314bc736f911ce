"""Carrying out the steps of a plan, batch by batch, so that it can be killed anywhere and taken up again.

THIS IS WHERE RECORDS GO. Before every batch the holds are read again and stand in the statement; the bounds of a batch
are stored before it and its count after it; a step is done when the store, asked again, finds nothing left.
No transaction of the control database is open while a store works.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import digest
from core.clock import iso_utc
from core.errors import CheckFailed, Conflict, KeptError, Unreachable, WaitsForPerson
from core.outbox import post
from core.words import plural
from plans.batches import Batches
from plans.deeds import NEEDED, to_work
from plans.holds import Hold, hold_condition
from plans.pace import FIRST_ROWS
from plans.plan import Plan, Step, StepDeed, TriggerKind
from plans.preview import read_preview
from plans.standing import require_going
from plans.staying import Pins, Staying, ask_why, pins_of
from plans.tables import FINISHED, BatchRow, PlanRow, StepRow, StepState
from plans.tools import Progress as Progress
from plans.tools import Tools as Tools
from stores.conditions import AllOf, AnyOf, Condition, Not
from stores.contract import Capability, Store, StoreBusy, StoreUnreachable, Work

LATELY = timedelta(minutes=10)
PASSES = 3  # looks from the start, should records have come back behind the bounds
FEW_ROWS = FIRST_ROWS  # a person's records are few: as many go in one statement, without looking for bounds


@dataclass(frozen=True, kw_only=True)
class _ReadBack:
    """What the store says when the batches are through: `matching` still match, `held` are kept by holds, and of `unread`
    parts of the collection nobody knows what is in them."""

    matching: int
    held: int
    unread: int
    left: tuple[str, ...]

    def remaining(self, why: Staying) -> int:
        return self.matching + self.held + why.emptied_rows

    def words(self, why: Staying) -> str:
        held = [f"{self.held} kept by a hold"] if self.held else []
        return "; ".join([*held, *why.words, *(self.left if self.matching or self.unread else ())])


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """How many records match before the deed; `at`: when they were counted, where that was for the preview."""

    matched: int
    at: str | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a step ends. `remaining` None: nobody knows."""

    state: StepState
    remaining: int | None
    note: str = ""
    error: str = ""


class StepWork:
    """The work on one step."""

    def __init__(self, tools: Tools, step: Step) -> None:
        self.step = step
        self._tools = tools
        self._store: Store = tools.datamap.stores[step.store]
        self._binding: tuple[Hold, ...] = ()
        self._held_then: Condition | None = None
        self._counted: _Counted | None = None
        self._matched = 0
        self._is_whole = False
        self._batches: Batches | None = None

    def run(self) -> bool:
        """Work until the step is finished or failed; False when the budget ended first."""
        outcome = self._tried(self._intend) or self.work()
        if outcome is None:
            return False
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            self.close_in(session, outcome)
        return True

    def work(self) -> Outcome | None:
        """Do an intended step and read it back; None when the budget ended first. Nobody has written down yet how it ended."""
        outcome: Outcome | None = None

        def through() -> None:
            nonlocal outcome
            seen = self._work_through()
            outcome = self._judge(seen) if seen is not None else None

        return self._tried(through) or outcome

    def is_small(self) -> bool:
        """Can it be done together with others? Counts, and raises what the store says."""
        if self.step.deed is not StepDeed.DELETE or Capability.RECEIPTS not in self._store.capabilities:
            return False
        self._count()
        return self._counted is not None and self._counted.matched <= FEW_ROWS

    def intend_in(self, session: Session) -> None:
        """Inside the caller's transaction, which has asked for lease and approval: the intent, once it is counted."""
        if self._counted is None:
            return
        keeps = Capability.RECEIPTS in self._store.capabilities
        row = session.get_one(StepRow, self.step.id)
        is_new, matched = row.intent is None, self._counted.matched
        row.intent = self._record(session, "intent", {"matched": matched, "counted_at": self._counted.at})
        row.state, row.error, row.receipts = StepState.INTENDED, "", keeps
        row.matched = matched if row.matched is None else row.matched
        row.started_at = row.started_at or self._tools.clock.now()
        if keeps and is_new and self._is_few(matched):
            self._begin_whole(session, matched)

    def look_again(self) -> None:
        """Right before the deed, where the intent was written a while ago. Raises RunStopped, and Conflict for a lost lease."""
        with self._tools.database.read() as session:
            self._tools.lease.require(session)
            require_going(session, self._tools.plan.id)
            self._held_then = self._held_in(session)

    def _tried(self, act: Callable[[], None]) -> Outcome | None:
        """None where it went well; an outcome where the store did not let it."""
        try:
            act()
        except KeptError as error:
            if _is_ours(error):
                raise
            return Outcome(state=StepState.FAILED, remaining=None, error=str(error))
        return None

    def _intend(self) -> None:
        self._count()
        if self._counted is None:
            return
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            self._tools.require_approved(session, self._tools.plan.id)
            self.intend_in(session)

    def _count(self) -> None:
        """How many records match, and receipts made ready; nothing where the step was intended before."""
        with self._tools.database.read() as session:
            row = session.get_one(StepRow, self.step.id)
            if row.state == StepState.INTENDED:
                return
            held = self._held_in(session)
            counted = self._counted_lately(session, held)
        if Capability.RECEIPTS in self._store.capabilities and self.step.store not in self._tools.prepared:
            self._store.prepare_receipts()
            self._tools.prepared.add(self.step.store)
        if counted is None:
            rows = self._store.measure(self.step.at, self._where(held)).rows
            counted = _Counted(matched=rows, at=None)
        self._counted = counted

    def _counted_lately(self, session: Session, held: Condition | None) -> _Counted | None:
        """What the preview counted, and when, if that was so lately that nobody asks a large table again."""
        told = session.get_one(PlanRow, self._tools.plan.id).preview
        if told is None:
            return None
        preview = read_preview(told)
        extent = preview.of(self.step.id).extent
        is_fresh = timedelta(0) <= self._tools.clock.now() - preview.at <= LATELY
        if extent is None or not is_fresh or held != self.step.held:
            return None
        return _Counted(matched=extent.rows, at=iso_utc(preview.at))

    def _work_through(self) -> _ReadBack | None:
        """Batch after batch until the store, asked again, finds nothing left, or nothing more that goes."""
        batches = Batches(self._tools, self.step, self._store, make_work=self._work, held_in=self._held_in)
        self._batches = batches
        if self._is_whole:
            batches.do_whole(self._held_then, self._matched)
            if not (seen := self._read_back()).matching:
                return seen  # its count is written down with the outcome
        else:
            batches.take_up()
        looks = 0 if batches.has_begun else 1
        while True:
            done = batches.run()
            if done is None:
                return None
            seen = self._read_back()
            if not seen.matching or looks >= PASSES or (looks and not done):
                return seen
            looks += 1

    def _begin_whole(self, session: Session, matched: int) -> None:
        """In the intent's transaction: the bounds of one batch that is everything, and the holds as they stand now. A run
        that is killed before its count is taken up like any other."""
        begun = self._tools.clock.now()
        session.add(BatchRow(step_id=self.step.id, number=1, low=None, high=None, rows=None, begun_at=begun))
        self._held_then, self._matched, self._is_whole = self._held_in(session), matched, True

    def _is_few(self, matched: int) -> bool:
        is_request = self._tools.plan.trigger.kind is TriggerKind.REQUEST
        return is_request and self.step.deed is StepDeed.DELETE and 0 < matched <= FEW_ROWS

    def _read_back(self) -> _ReadBack:
        held = self._held_then = self._held()
        extent = self._store.measure(self.step.at, self._where(held))
        kept = AnyOf(parts=tuple(part for part in (self.step.held, held) if part is not None))
        count = self._store.measure(self.step.at, AllOf(parts=(self.step.condition, kept))).rows if kept.parts else 0
        left = self._store.left_for_later(self.step.at)
        return _ReadBack(matching=extent.rows, held=count, unread=extent.unread, left=left)

    def _judge(self, seen: _ReadBack) -> Outcome:
        """How it ended, as the store tells it. Raises where a part is still to do."""
        why = ask_why(self._store, self.step, self._work(self._held_then))
        to_go, unexplained = max(0, seen.matching - why.stubs), why.unexplained(seen.matching)
        if unexplained and not seen.left:
            told = f" {'; '.join(why.words)}." if why.words else ""
            raise KeptError(
                f"{plural(unexplained, 'record', 'records')} of {self.step.collection} still match after {PASSES} looks.{told}",
                remedy="A program may write them back. Look at them.",
            )
        if to_go and (self._tools.plan.trigger.kind is TriggerKind.REQUEST or self._is_awaited):
            # A sweep comes again by itself; a request is not answered while part of it is still to do, and what the
            # rest is found by does not go before it.
            raise StoreBusy(
                f"{plural(to_go, 'record', 'records')} of {self.step.collection} cannot go yet: {'; '.join([*why.open_words, *seen.left])}.",
                remedy=f"{why.remedy} It goes on by itself once that is over.".strip(),
            )
        if seen.unread and self._tools.plan.trigger.kind is TriggerKind.REQUEST:
            raise StoreBusy(
                f"{seen.unread} parts of {self.step.collection} cannot be read: {'; '.join(seen.left)}.",
                remedy="Nobody knows what is in them. Mend them or take them away; it goes on by itself after that.",
            )
        remaining = seen.remaining(why)
        state = StepState.LEFT if remaining or seen.unread else StepState.DONE
        return Outcome(state=state, remaining=remaining, note=seen.words(why))

    @property
    def _is_awaited(self) -> bool:
        return any(self.step.id in other.after for other in self._tools.plan.steps)

    def close_in(self, session: Session, outcome: Outcome) -> None:
        """Inside the caller's transaction: the count of the last batch, the outcome in the ledger, the row and the event."""
        if self._batches is not None:
            self._batches.count_in(session)
        row = session.get_one(StepRow, self.step.id)
        now, told = self._tools.clock.now(), outcome
        row.state, row.remaining, row.note, row.error, row.ended_at = (
            told.state,
            told.remaining,
            told.note,
            told.error,
            now,
        )
        facts = {
            "state": told.state.value,
            "rows": row.rows,
            "settled_batches": row.settled,
            "matched": row.matched,
            "remaining": told.remaining,
            "note": told.note,
            "error": told.error,
            "batches": digest(batch_facts(session, row.id)),
        }
        row.outcome = self._record(session, "outcome", facts)
        event = {"plan": self._tools.plan.id, "step": row.id, "state": told.state.value}
        post(session, "plan.step", event, now=now)

    def _record(self, session: Session, word: str, facts: dict[str, Any]) -> str:
        plan, step = self._tools.plan, self.step
        about = {"collection": step.collection, "deed": step.deed.value, "plan_digest": plan.digest}
        cutoff = plan.cutoffs.get(step.collection)
        return self._tools.ledger.record(
            session,
            kind=f"{plan.trigger.kind.value}.{word}",
            actor=self._tools.actor,
            refs=step_refs(plan, step),
            private={**about, "cutoff": iso_utc(cutoff) if cutoff else None, **facts},
        )

    def _work(self, held: Condition | None, rows: int = FIRST_ROWS) -> Work:
        missing = NEEDED[self.step.deed] - self._store.capabilities
        if missing:
            raise KeptError(
                f"{self.step.store} can no longer do what the plan asks of it: {', '.join(sorted(missing))}.",
                remedy="Make a new plan; it shows what cannot be done as a gap.",
            )
        return replace(to_work(self.step, self._where(held), batch_rows=rows), pins=self._pins())

    def _pins(self) -> Pins:
        return pins_of(self.step, self._binding, self._tools.datamap) if self.step.loosens else ()

    def _where(self, held: Condition | None) -> Condition:
        if held is None or held == self.step.held:
            return self.step.where
        return AllOf(parts=(self.step.where, Not(part=held)))

    def _held(self) -> Condition | None:
        with self._tools.database.read() as session:
            return self._held_in(session)

    def _held_in(self, session: Session) -> Condition | None:
        # What keeps pointers in place is asked of the same holds, read at the same moment.
        self._binding = binding = self._tools.holds.binding(session)
        collection = self._tools.datamap.collection(self.step.collection)
        return hold_condition(binding, collection, self.step.clause, self._tools.datamap)


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
