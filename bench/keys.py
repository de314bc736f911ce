"""B6, the part of Redis and S3: keys and objects that go, against the bare loop of the client, one after the other.

Kept's figure holds the search for each batch, its bounds, the condition asked again at the deed, exact counts, and the
read-back to zero; no control database, which B1 to B5 have in theirs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from bench.comparing import THROUGHPUT, Comparison, Goal, Spread
from core.settings import TimeField
from stores.conditions import AllOf, Before, Condition, OneOf
from stores.contract import Deed, Store, Work
from stores.redis import RedisStore
from stores.s3 import S3Store
from stores.s3_client import S3Bucket
from tests.servers_redis import RedisServer, run_redis
from tests.servers_s3 import KEY_ID, PLAIN, SECRET, S3Server, run_s3

Say = Callable[[str], None]
INCLUDES: Final = "search, bounds, the condition asked again at the deed, counts, read-back to zero"
GOAL: Final = Goal(way="Kept", figure=THROUGHPUT, floor=0.85, stretch=0.95)
_MOST_OBJECTS: Final = 3_000
_AT_ONCE: Final = 1_000
_WRITERS: Final = 8
_NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
_OLD: Final = Before(field=TimeField(name="ts"), instant=_NOW - timedelta(days=30))


class _Clock:
    def now(self) -> datetime:
        return _NOW


def measure_redis(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """One key for each twenty rows of the other benches."""
    with run_redis() as server:
        return _redis(server, max(1_000, rows // 20), pairs, say)


def measure_s3(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """One object for each six hundred rows of the other benches: each is made with a request of its own."""
    with run_s3() as server:
        return [_s3(server, max(1_000, min(_MOST_OBJECTS, rows // 600)), pairs, say)]


def _redis(server: RedisServer, count: int, pairs: int, say: Say) -> list[Comparison]:
    client = server.client()
    store = RedisStore("cache", server.url(), clock=_Clock())
    names = [f"session:{number}" for number in range(count)]
    mine = OneOf(field="id", values=tuple(str(number) for number in range(count)))
    dated = json.dumps({"ts": "2026-01-01T00:00:00Z", "user_id": "42", "data": "x" * 100})

    def fill(value: str = "x" * 100) -> None:
        for some in _chunks(names, 10_000):
            client.mset(dict.fromkeys(some, value))

    def unlink_known() -> None:
        for some in _chunks(names, _AT_ONCE):
            client.unlink(*some)

    def unlink_met() -> None:
        cursor = 0
        while True:
            cursor, met = client.scan(cursor, match="session:*", count=_AT_ONCE)
            if met:
                client.unlink(*met)
            if cursor == 0:
                return

    def unlink_old() -> None:
        cursor = 0
        while True:
            cursor, met = client.scan(cursor, match="session:*", count=_AT_ONCE)
            values = client.mget(met) if met else []
            old = [name for name, raw in zip(met, values, strict=True) if json.loads(raw)["ts"] < "2026-05-16"]
            if old:
                client.unlink(*old)
            if cursor == 0:
                return

    def expire_met() -> None:
        cursor = 0
        while True:
            cursor, met = client.scan(cursor, match="session:*", count=_AT_ONCE)
            pipe = client.pipeline(transaction=False)
            for name in met:
                pipe.expire(name, 30 * 86_400, lt=True)
            pipe.execute()
            if cursor == 0:
                return

    expiry = TimeField(name="key:expiry")

    def give_expiry() -> None:
        _run(store, "session:*", Before(field=expiry, instant=store.now() - timedelta(days=30)))

    def refill() -> None:
        client.flushdb()
        fill()

    what = f"Redis, {count:,} keys"
    compared = [
        compare_pairs(f"{what} known by name", fill, unlink_known, lambda: _run(store, "session:{id}", mine), pairs, say),
        compare_pairs(
            f"{what} met in a scan", fill, unlink_met, lambda: _run(store, "session:*", AllOf(parts=())), pairs, say
        ),
        compare_pairs(f"{what} given an expiry", refill, expire_met, give_expiry, pairs, say),
        compare_pairs(
            f"{what} by a time in JSON (the bare loop does not look again)",
            lambda: fill(dated), unlink_old, lambda: _run(store, "session:*", _OLD), pairs, say, goals=(),
        ),
    ]  # fmt: skip
    store.close()
    client.close()
    return compared


def _s3(server: S3Server, count: int, pairs: int, say: Say) -> Comparison:
    client = server.client()
    bucket = S3Bucket("archive", PLAIN, endpoint=server.endpoint, key_id=KEY_ID, secret=SECRET)
    store = S3Store("archive", bucket, clock=_Clock())
    over = Before(field=TimeField(name="file:name", zone="UTC"), instant=_NOW)

    def put(number: int) -> None:
        client.put_object(Bucket=PLAIN, Key=f"logs/2026-01-01/{number:06}.bin", Body=b"x" * 200)

    def fill() -> None:
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(put, range(count)))

    def delete() -> None:
        while found := client.list_objects_v2(Bucket=PLAIN, Prefix="logs/").get("Contents"):
            objects: Any = [{"Key": each["Key"]} for each in found]
            client.delete_objects(Bucket=PLAIN, Delete={"Objects": objects, "Quiet": True})

    what = f"S3, {count:,} objects by the day in their names"
    compared = compare_pairs(what, fill, delete, lambda: _run(store, "logs/", over), pairs, say)
    store.close()
    client.close()
    return compared


def _run(store: Store, at: str, where: Condition) -> None:
    work = Work(deed=Deed.DELETE, at=at, where=where)
    batch = store.next_batch(work, None)
    while batch is not None:
        store.act(work, batch)
        batch = store.next_batch(work, batch)
    assert store.measure(at, where).rows == 0


def compare_pairs(
    what: str,
    fill: Callable[[], None],
    raw: Callable[[], None],
    kept: Callable[[], None],
    pairs: int,
    say: Say,
    goals: Sequence[Goal] = (GOAL,),
) -> Comparison:
    """The bare loop and Kept in turn, each on what was filled in anew; the first pair warms up and does not count."""
    ratios: list[float] = []
    for pair in range(pairs + 1):
        fill()
        limit = _timed(raw)
        fill()
        ratio = limit / _timed(kept)
        if pair:
            ratios.append(ratio)
            say(f"{what}, pair {pair} of {pairs}: {ratio:.2f}")
    figures = {
        "the bare loop": {THROUGHPUT: Spread.of([1.0] * pairs)},
        "Kept": {THROUGHPUT: Spread.of(ratios)},
    }
    return Comparison(bench="B6", what=what, includes=INCLUDES, pairs=pairs, figures=figures, goals=goals)


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _chunks(names: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while some := list(islice(rest, size)):
        yield some
