"""B9: one person erased on request, with all of Kept's evidence on, against the same rows deleted by hand."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.comparing import Comparison, Goal, Spread
from bench.erasure_world import PeopleWorld, people_map, people_world
from core.clock import SystemClock
from core.database import Database
from core.ids import new_id
from core.leases import Leases
from ledger.log import Ledger
from plans.engine import Plans
from plans.tables import PlanState
from policies.clauses import Right
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.schema import make_tables

INCLUDES: Final = (
    "approval and holds read again, intent, bounds, receipts, counts, read-back and outcome of each place, "
    "ledger settled; finding and preview come before"
)
AGAINST: Final = "time, plain DELETE = 1"
SECONDS: Final = "s"
# What fides 2.78 took for 10,000 rows of a million by its quickest strategy, on a machine like this one.
FIDES_SECONDS: Final = 56.0
_RAW, _KEPT = "DELETE in each table, one transaction", "Kept"
_WARM: Final = 2


class RequestHouse:
    """Erases people of one SQL store on request: a control database of its own, the ledger on."""

    def __init__(self, folder: Path, url: str) -> None:
        clock = SystemClock()
        self._database = Database(f"sqlite:///{folder / 'kept.db'}")
        make_tables(self._database)
        leases = Leases(self._database, clock)
        self._ledger = Ledger(
            self._database, clock, leases, secret=b"a secret of the bench, long enough", origin="bench/kept"
        )
        self._store = SqlStore("gateway", url, clock=clock)
        datamap = DataMap(people_map("gateway"), {"gateway": self._store})
        self.plans = Plans(self._database, clock, self._ledger, leases, datamap)

    def prepare(self, email: str) -> str:
        """Find the person, make the plan, look, approve; gives the plan's id."""
        ref = f"ticket:{new_id('ref')}"
        plan, _ = self.plans.draft_request(
            ref=ref, version=1, clauses=(), right=Right.DELETION, identifiers={"email": [email]}
        )
        self.plans.store(plan, preview=self.plans.look(plan))
        self.plans.approve(plan.id, by="opr_bench", reason="measured")
        return plan.id

    def erase(self, plan_id: str, *, expected: int) -> None:
        """Carry the plan out."""
        result = self.plans.run(plan_id)
        assert (result.state, result.rows) == (PlanState.DONE, expected), result

    def close(self) -> None:
        self._store.close()
        self._database.close()


@contextmanager
def run_request_house(url: str) -> Iterator[RequestHouse]:
    """A house in a folder on the disk, gone at the end."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        house = RequestHouse(Path(folder), url)
        try:
            yield house
        finally:
            house.close()


def measure(_rows: int, pairs: int, say: Callable[[str], None]) -> list[Comparison]:
    """B9. The number of people follows from the pairs: each is erased once."""
    with people_world((pairs + _WARM) * 2 + 20) as world, run_request_house(world.url) as house:
        raw, kept = [], []
        for pair in range(pairs + _WARM):
            raw.append(_time_raw(world))
            kept.append(_time_kept(world, house))
            say(f"pair {pair + 1 - _WARM} of {pairs}: {raw[-1]:.3f} s, {kept[-1]:.3f} s, {kept[-1] / raw[-1]:.2f}")
        raw, kept = raw[_WARM:], kept[_WARM:]
    figures = {
        _RAW: {AGAINST: Spread.of([1.0] * pairs), SECONDS: Spread.of(raw)},
        _KEPT: {
            AGAINST: Spread.of([mine / limit for mine, limit in zip(kept, raw, strict=True)]),
            SECONDS: Spread.of(kept),
        },
    }
    goals = (
        Goal(way=_KEPT, figure=AGAINST, floor=2.5, stretch=1.8),
        Goal(way=_KEPT, figure=SECONDS, floor=FIDES_SECONDS / 50, stretch=FIDES_SECONDS / 100),
    )
    what = f"one person erased, {world.rows:,} rows in 6 tables on PostgreSQL, {statistics.median(kept):.3f} s"
    return [Comparison(bench="B9", what=what, includes=INCLUDES, pairs=pairs, figures=figures, goals=goals)]


def _time_raw(world: PeopleWorld) -> float:
    email = world.next_person()
    world.tidy()
    start = time.perf_counter()
    world.raw(email)
    taken = time.perf_counter() - start
    assert not world.left(email)
    return taken


def _time_kept(world: PeopleWorld, house: RequestHouse) -> float:
    email = world.next_person()
    plan = house.prepare(email)
    world.tidy()
    start = time.perf_counter()
    house.erase(plan, expected=world.rows)
    taken = time.perf_counter() - start
    assert not world.left(email)
    return taken
