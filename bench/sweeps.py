"""B1, B2, B4 and B5: sweeps of SQL stores with all of Kept's evidence on, the raw limit and the peers beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.comparing import LOCK, LONGEST, P99, SECONDS, THROUGHPUT, Comparison, Goal, Way, compare
from bench.sweep_house import KeptHouse, run_house
from bench.sweep_worlds import (
    CUTOFF,
    PEER_ROWS,
    PartitionWorld,
    World,
    maria_world,
    partition_world,
    postgres_world,
    sqlite_world,
)
from bench.writer import run_writer
from plans.pace import Pacing

Say = Callable[[str], None]
INCLUDES: Final = "intent, bounds, holds read again, receipts, counts, read-back, outcome, ledger settled"
READER_SECONDS: Final = 30.0
READER_PAIRS: Final = 2
RATE: Final = 100_000
_ARCHIVER: Final = "throughput against pt-archiver"
_LOOP: Final = "throughput against the bare loop"


def _kept(name: str, house: KeptHouse, world: World, pacing: Pacing) -> Way:
    return Way(
        name=name,
        prepare=lambda: house.prepare(CUTOFF),
        work=lambda plan: house.run(plan, expected=world.expired, pacing=pacing),
        longest_lock=lambda: house.longest_batch,
    )


def _loop(world: World, rows: int) -> Way:
    return Way(name=f"bare loop, {rows:,} a batch", work=lambda _: world.loop(rows))


def _check(world: World) -> Callable[[], None]:
    def check() -> None:
        left = world.left()
        assert left == 0, f"{left} rows are left"

    return check


def measure_postgres(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """B1 and B2."""
    with postgres_world(rows) as world, run_writer(world.url) as writer, run_house(world.url) as house:
        bare = _loop(world, 50_000)
        ways = [
            Way(name="one DELETE", work=lambda _: world.raw()),
            bare,
            Way(name=f"LiteLLM's batches of {PEER_ROWS:,}", work=lambda _: world.peer()),
            *(_kept(f"Kept, {name}", house, world, Pacing(profile=name)) for name in ("fast", "normal", "gentle")),
            _kept(f"Kept, gentle, {RATE:,} rows/s", house, world, Pacing(profile="gentle", rate=RATE)),
        ]
        peers = {_LOOP: bare.name}
        figures = compare(
            ways, fill=world.fill, check=_check(world), writer=writer, pairs=pairs, against=peers, say=say
        )
    goals = (
        Goal(way="Kept, normal", figure=THROUGHPUT, floor=0.85, stretch=0.95),
        Goal(way="Kept, normal", figure=P99, floor=5, stretch=4),
        Goal(way="Kept, gentle", figure=THROUGHPUT, floor=0.6, stretch=0.8),
        Goal(way="Kept, gentle", figure=P99, floor=2, stretch=1.5),
        Goal(way=ways[-1].name, figure=P99, floor=1.1),
    )
    what = f"PostgreSQL, {rows:,} rows, half of them over their time"
    return [Comparison(bench="B1, B2", what=what, includes=INCLUDES, pairs=pairs, figures=figures, goals=goals)]


def measure_partitions(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """B3: alone, and behind somebody who reads the table for half a minute."""
    with partition_world(rows) as world, run_writer(world.url) as writer, run_house(world.url) as house:
        kept = _kept("Kept, normal", house, world, Pacing())
        ways = [Way(name="one DELETE", work=lambda _: world.raw()), _dropped(world, "CONCURRENTLY"), kept]
        alone = compare(
            ways, fill=world.fill, check=_check(world), writer=writer, pairs=pairs, seconds_of=world.expired, say=say
        )
        behind = [_behind(world, way) for way in (_dropped(world, ""), _dropped(world, "CONCURRENTLY"), kept)]
        read = compare(
            behind, fill=world.fill, check=_check(world), writer=writer, pairs=min(pairs, READER_PAIRS), say=say
        )
    what = f"PostgreSQL, {rows:,} rows in partitions by day, half of them over their time"
    goals = (Goal(way=kept.name, figure=SECONDS, floor=2, stretch=1),)
    stalls = (Goal(way=kept.name, figure=LONGEST, floor=200, stretch=10),)
    reading = f"{what}, behind a reader of {READER_SECONDS:.0f} s"
    return [
        Comparison(bench="B3", what=what, includes=INCLUDES, pairs=pairs, figures=alone, goals=goals),
        Comparison(
            bench="B3", what=reading, includes=INCLUDES, pairs=min(pairs, READER_PAIRS), figures=read, goals=stalls
        ),
    ]


def _dropped(world: PartitionWorld, how: str) -> Way:
    words = " ".join(["DETACH", *([how] if how else []), "and DROP"])
    return Way(name=words, work=lambda _: world.drop_all(how))


def _behind(world: PartitionWorld, way: Way) -> Way:
    def work(given: object) -> None:
        with world.reader(READER_SECONDS):
            way.work(given)

    return Way(name=way.name, prepare=way.prepare, work=work)


def measure_mariadb(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """B4."""
    rows //= 2
    with maria_world(rows) as world, run_writer(world.url) as writer, run_house(world.url) as house:
        archiver = f"pt-archiver --bulk-delete, {PEER_ROWS:,}"
        bare = _loop(world, 10_000)
        ways = [
            Way(name="one DELETE", work=lambda _: world.raw()),
            bare,
            Way(name=archiver, work=lambda _: world.peer()),
            *(_kept(f"Kept, {name}", house, world, Pacing(profile=name)) for name in ("fast", "normal", "gentle")),
        ]
        peers = {_ARCHIVER: archiver, _LOOP: bare.name}
        figures = compare(
            ways, fill=world.fill, check=_check(world), writer=writer, pairs=pairs, against=peers, say=say
        )
    goals = (
        Goal(way="Kept, normal", figure=THROUGHPUT, floor=0.6, stretch=0.75),
        Goal(way="Kept, normal", figure=_ARCHIVER, floor=1.5, stretch=2),
    )
    what = f"MariaDB, {rows:,} rows, half of them over their time"
    return [Comparison(bench="B4", what=what, includes=INCLUDES, pairs=pairs, figures=figures, goals=goals)]


def measure_sqlite(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """B5. A lock is taken and given back within one batch; who waits for it asks only now and then, so waits may be longer."""
    rows //= 2
    with sqlite_world(rows) as world:
        world.fill()
        with run_writer(world.url) as writer, run_house(world.url) as house:
            bare = _loop(world, 25_000)
            ways = [
                Way(name="one DELETE", work=lambda _: world.raw()),
                bare,
                *(_kept(f"Kept, {name}", house, world, Pacing(profile=name)) for name in ("fast", "normal", "gentle")),
            ]
            peers = {_LOOP: bare.name}
            figures = compare(
                ways, fill=world.fill, check=_check(world), writer=writer, pairs=pairs, against=peers, say=say
            )
    goals = (
        Goal(way="Kept, normal", figure=THROUGHPUT, floor=0.6, stretch=0.75),
        Goal(way="Kept, normal", figure=LOCK, floor=150, stretch=100),
    )
    what = f"SQLite, {rows:,} rows, half of them over their time"
    return [Comparison(bench="B5", what=what, includes=INCLUDES, pairs=pairs, figures=figures, goals=goals)]
