"""One step's batches: bounds stored before, count after, at the run's pace, giving way to whoever holds a lock.

THIS IS WHERE RECORDS GO. Where the store keeps receipts, a batch's count is written down in the same transaction as the
next one's bounds: a kill in between loses nothing, the receipt tells. Elsewhere it is written down at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, cast

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from plans.pace import DOZE, TRIES, wait_after
from plans.plan import Step
from plans.standing import require_going
from plans.tables import BatchRow, StepRow
from plans.tools import Tools
from stores.conditions import Condition
from stores.contract import Batch, Receipt, Store, StoreBusy, Work

log = structlog.get_logger()
# What is written for every batch, built once.
_BATCHES, _STEPS = cast("sa.Table", BatchRow.__table__), cast("sa.Table", StepRow.__table__)
_BEGIN: Final = sa.insert(_BATCHES)
_END: Final = (
    sa.update(_BATCHES)
    .where(_BATCHES.c.step_id == sa.bindparam("of_step"), _BATCHES.c.number == sa.bindparam("place"))
    .values(rows=sa.bindparam("done"), settled=sa.bindparam("is_settled"), done_at=sa.bindparam("at"))
)
_COUNT: Final = (
    sa.update(_STEPS)
    .where(_STEPS.c.id == sa.bindparam("of_step"))
    .values(
        rows=_STEPS.c.rows + sa.bindparam("done"),
        settled=_STEPS.c.settled + sa.bindparam("more_settled"),
        worked_seconds=_STEPS.c.worked_seconds + sa.bindparam("seconds"),
    )
)
WHOLE: Final = Batch(low=None, high=None)


@dataclass(frozen=True, kw_only=True)
class _Done:
    """A batch that is through and whose count is not written down yet."""

    number: int
    rows: int
    settled: bool = False


class Batches:
    """Works on the batches of one step, each after the one before it.

    `make_work`: the step's deed under the holds given, in batches of so many records; `held_in`: the holds as they are."""

    def __init__(
        self,
        tools: Tools,
        step: Step,
        store: Store,
        *,
        make_work: Callable[[Condition | None, int], Work],
        held_in: Callable[[Session], Condition | None],
    ) -> None:
        self._tools = tools
        self._step = step
        self._store = store
        self._make_work = make_work
        self._held_in = held_in
        self._pace = tools.make_pace()
        self._held: Condition | None = None
        self._done: _Done | None = None
        self._since = tools.timer.now()
        self._rows = self._matched = self._number = 0
        self._receipts = False
        self._after: Batch | None = None
        self._looks = 0

    def take_up(self) -> None:
        """Go on after the last batch. One with bounds and no count: its receipt tells, or it is done again and said to be
        settled by read-back."""
        row = self._look()
        if row is None:
            return
        self._number = row.number
        batch = Batch(low=row.low, high=row.high)
        if row.rows is None:
            receipt = self._receipt(row.number)
            known = self._store.receipt_of(receipt) if receipt else None
            before = Batch(low=None, high=row.low) if row.low is not None else None
            rows = known
            if rows is None:
                rows, batch = self._act(batch, before)
            self._done = _Done(number=row.number, rows=rows, settled=not self._receipts)
            self._write_down()
        self._after = batch

    def do_whole(self, held: Condition | None, matched: int) -> None:
        """Do the one batch that is everything and whose bounds were stored just now, with the holds that were read then. Its
        count goes into the next transaction; a kill before it loses nothing, the receipt tells."""
        self._held, self._matched, self._number, self._receipts = held, matched, 1, True
        rows, self._after = self._act(WHOLE, None)
        self._end(rows)

    def count_in(self, session: Session) -> None:
        """Inside the caller's transaction: the count of the last batch, where it is not written down yet."""
        self._store_count(session)
        self._is_written()

    @property
    def has_begun(self) -> bool:
        """Is there a batch that the next one follows?"""
        return self._after is not None

    def run(self) -> int | None:
        """Batch after batch, until the store finds no more: how many there were; None when the budget ended first."""
        count = 0
        try:
            while not self._tools.is_over_budget:
                self._rest()
                if self._tools.is_over_budget:
                    break
                batch = self._patiently(self._next)
                if batch is None:
                    self._after, self._looks = None, self._looks + 1
                    return count
                self._number += 1
                self._turn_over(batch)
                rows, self._after = self._act(batch, self._after)
                self._end(rows)
                count += 1
        finally:
            self._write_down()
        return None

    def _look(self) -> BatchRow | None:
        """Read where the step stands; gives its last batch."""
        with self._tools.database.read() as session:
            step = session.get_one(StepRow, self._step.id)
            self._receipts, self._rows, self._matched = step.receipts, step.rows, step.matched or 0
            self._held = self._held_in(session)
            wanted = sa.select(BatchRow).where(BatchRow.step_id == self._step.id)
            return session.execute(wanted.order_by(BatchRow.number.desc()).limit(1)).scalar_one_or_none()

    def _next(self) -> Batch | None:
        return self._store.next_batch(self._work(), self._after)

    def _work(self) -> Work:
        return replace(self._make_work(self._held, self._pace.rows), look=self._looks)

    def _turn_over(self, batch: Batch) -> None:
        """In one transaction: the count of the batch before, the bounds of this one, and the holds as they stand now."""
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            self._store_count(session)
            require_going(session, self._tools.plan.id)
            now = self._tools.clock.now()
            begun = {"step_id": self._step.id, "number": self._number, "low": batch.low, "high": batch.high}
            session.connection().execute(_BEGIN, {**begun, "settled": False, "begun_at": now})
            self._held = self._held_in(session)
        self._is_written()

    def _act(self, batch: Batch, before: Batch | None) -> tuple[int, Batch]:
        """Do one batch; gives its count, and its bounds as they are in the end."""
        for attempt in range(TRIES):
            work, began = self._work(), self._tools.timer.now()
            try:
                rows = self._store.act(work, batch, self._receipt(self._number))
            except StoreBusy as busy:
                self._give_way(busy, attempt)
                batch = self._narrow(batch, before)
                continue
            self._pace.done(rows, began=began, ended=self._tools.timer.now())
            return rows, batch
        raise AssertionError("the last try returns or raises")

    def _patiently(self, look: Callable[[], Batch | None]) -> Batch | None:
        for attempt in range(TRIES):
            try:
                return look()
            except StoreBusy as busy:
                self._give_way(busy, attempt)
        raise AssertionError("the last try returns or raises")

    def _give_way(self, busy: StoreBusy, attempt: int) -> None:
        """Another program is at work there: wait, and come back with less. Raises what stopped it after the last try."""
        if attempt + 1 >= TRIES or self._tools.is_over_budget:
            raise StoreBusy(
                f"{busy} It gave way {attempt + 1} times.", remedy="The next run goes on from here; nothing is lost."
            ) from busy
        self._pace.stopped()
        log.info("batch.gave_way", step=self._step.id, batch=self._number, attempt=attempt + 1, rows=self._pace.rows)
        self._tools.timer.sleep(wait_after(attempt))
        self._tools.lease.renew()

    def _narrow(self, batch: Batch, before: Batch | None) -> Batch:
        """A smaller batch from the same place on, its bounds stored before it is done; the holds are read again.

        One that changed nothing, since it was rolled back, may be stored with other bounds."""
        smaller = self._patiently(lambda: self._store.next_batch(self._work(), before))
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            require_going(session, self._tools.plan.id)
            self._held = self._held_in(session)
            if smaller is not None:
                row = session.get_one(BatchRow, (self._step.id, self._number))
                row.low, row.high = smaller.low, smaller.high
        return smaller or batch

    def _end(self, rows: int) -> None:
        self._done = _Done(number=self._number, rows=rows)
        if not self._receipts:
            self._write_down()
        if self._tools.on_progress:
            done = self._rows + (rows if self._done is not None else 0)
            self._tools.on_progress(self._step, done, max(self._matched, done))

    def _write_down(self) -> None:
        """The count of the last batch, where it is not written down yet."""
        if self._done is None:
            return
        with self._tools.database.begin() as session:
            self._tools.lease.require(session)
            self._store_count(session)
        self._is_written()

    def _is_written(self) -> None:
        if self._done is not None:
            self._rows, self._since, self._done = self._rows + self._done.rows, self._tools.timer.now(), None

    def _store_count(self, session: Session) -> None:
        done = self._done
        if done is None:
            return
        ended, connection = {"of_step": self._step.id, "done": done.rows}, session.connection()
        told = {"place": done.number, "is_settled": done.settled, "at": self._tools.clock.now()}
        connection.execute(_END, {**ended, **told})
        seconds = self._tools.timer.now() - self._since
        connection.execute(_COUNT, {**ended, "more_settled": int(done.settled), "seconds": seconds})

    def _rest(self) -> None:
        """Until the pace lets the next batch begin; the lease is kept meanwhile, and the budget looked at."""
        self._tools.lease.renew()
        while (left := self._pace.pause(self._tools.timer.now())) > 0 and not self._tools.is_over_budget:
            self._tools.timer.sleep(min(left, DOZE))
            self._tools.lease.renew()

    def _receipt(self, number: int) -> Receipt | None:
        return Receipt(step=self._step.id, batch=number) if self._receipts else None
