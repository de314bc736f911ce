"""Kept as a bench runs it: a control database of its own, one store, one approved plan, all of the evidence on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.clock import SystemClock
from core.database import Database
from core.ids import new_id
from core.leases import Leases
from core.settings import CollectionSettings, TimeField
from ledger.log import Ledger
from plans.engine import Plans
from plans.pace import Pacing
from plans.plan import Plan, Step, StepDeed, Trigger, TriggerKind, step_id
from plans.tables import PlanState
from stores.conditions import Before
from stores.contract import Batch, Receipt, Work
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.schema import make_tables

CREATED: Final = TimeField(name="created_at")


class _TimedStore(SqlStore):
    """Remembers how long its longest batch took."""

    longest = 0.0

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        began = time.perf_counter()
        try:
            return super().act(work, batch, receipt)
        finally:
            self.longest = max(self.longest, time.perf_counter() - began)


class KeptHouse:
    """Runs plans over the table `request_log` of one SQL store."""

    def __init__(self, folder: Path, url: str) -> None:
        clock = SystemClock()
        self._clock = clock
        self._database = Database(f"sqlite:///{folder / 'kept.db'}")
        make_tables(self._database)
        leases = Leases(self._database, clock)
        ledger = Ledger(
            self._database, clock, leases, secret=b"a secret of the bench, long enough", origin="bench/kept"
        )
        self._store = _TimedStore("log", url, clock=clock)
        collection = CollectionSettings(
            id="requests", store="log", at="request_log", category="request_log", time=CREATED
        )
        self.plans = Plans(self._database, clock, ledger, leases, DataMap((collection,), {"log": self._store}))

    def prepare(self, cutoff: datetime) -> str:
        """A plan for what is older, looked at and approved; gives its id."""
        made = new_id("pln")
        step = Step(
            id=step_id(made, 0), position=0, deed=StepDeed.DELETE, collection="requests", store="log", at="request_log",
            clause="request-logs", condition=Before(field=CREATED, instant=cutoff), time=CREATED,
        )  # fmt: skip
        trigger = Trigger(kind=TriggerKind.SWEEP, ref="request-logs")
        now = self._clock.now().astimezone(UTC)
        plan = Plan(id=made, trigger=trigger, version=1, made_at=now, cutoffs={"requests": cutoff}, steps=(step,))
        self.plans.store(plan)
        self.plans.preview(made)
        self.plans.approve(made, by="opr_bench", reason="measured")
        return made

    def run(self, plan_id: str, *, expected: int, pacing: Pacing | None = None) -> None:
        """Carry the plan out: intent, batches with bounds, receipts and counts, read-back, outcome, ledger settled."""
        self._store.longest = 0.0
        result = self.plans.run(plan_id, pacing=pacing)
        assert (result.state, result.rows) == (PlanState.DONE, expected), result

    @property
    def longest_batch(self) -> float:
        """Seconds of the last run's longest batch."""
        return self._store.longest

    def close(self) -> None:
        self._store.close()
        self._database.close()


@contextmanager
def run_house(url: str) -> Iterator[KeptHouse]:
    """A house in a folder on the disk, gone at the end."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        house = KeptHouse(Path(folder), url)
        try:
            yield house
        finally:
            house.close()
