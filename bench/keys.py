"""B6, the part of Redis and S3: keys and objects that go, against the bare loop of the client.

`python -m bench.keys` starts both servers and prints each as ratios to the raw limit, pair by pair. Kept's figure holds the
search for each batch, the deed, and the read-back of zero; no control database, which is measured elsewhere."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from core.settings import TimeField
from stores.conditions import AllOf, Before, Condition, OneOf
from stores.contract import Deed, Store, Work
from stores.redis import RedisStore
from stores.s3 import S3Store
from stores.s3_client import S3Bucket
from tests.servers_redis import RedisServer, run_redis
from tests.servers_s3 import KEY_ID, PLAIN, SECRET, S3Server, run_s3

_PAIRS: Final = 5
_KEYS: Final = 100_000
_OBJECTS: Final = 3_000
_AT_ONCE: Final = 1_000
_NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
_OLD: Final = Before(field=TimeField(name="ts"), instant=_NOW - timedelta(days=30))


class _Clock:
    def now(self) -> datetime:
        return _NOW


def main() -> None:
    with run_redis() as server:
        _redis(server)
    with run_s3() as server:
        _s3(server)


def _redis(server: RedisServer) -> None:
    client = server.client()
    store = RedisStore("cache", server.url(), clock=_Clock())
    names = [f"session:{number}" for number in range(_KEYS)]
    mine = OneOf(field="id", values=tuple(str(number) for number in range(_KEYS)))
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

    what = f"B6 Redis, {_KEYS:,} keys"
    _compare(f"{what} known by name", fill, unlink_known, lambda: _run(store, "session:{id}", mine))
    _compare(f"{what} met in a scan", fill, unlink_met, lambda: _run(store, "session:*", AllOf(parts=())))
    _compare(f"{what} by a time in JSON", lambda: fill(dated), unlink_old, lambda: _run(store, "session:*", _OLD))
    expiry = TimeField(name="key:expiry")

    def give_expiry() -> None:
        _run(store, "session:*", Before(field=expiry, instant=store.now() - timedelta(days=30)))

    def refill() -> None:
        client.flushdb()
        fill()

    _compare(f"{what} given an expiry", refill, expire_met, give_expiry)
    store.close()
    client.close()


def _s3(server: S3Server) -> None:
    client = server.client()
    bucket = S3Bucket("archive", PLAIN, endpoint=server.endpoint, key_id=KEY_ID, secret=SECRET)
    store = S3Store("archive", bucket, clock=_Clock())
    over = Before(field=TimeField(name="file:name", zone="UTC"), instant=_NOW)

    def fill() -> None:
        for number in range(_OBJECTS):
            client.put_object(Bucket=PLAIN, Key=f"logs/2026-01-01/{number:06}.bin", Body=b"x" * 200)

    def delete() -> None:
        while found := client.list_objects_v2(Bucket=PLAIN, Prefix="logs/").get("Contents"):
            objects: Any = [{"Key": each["Key"]} for each in found]
            client.delete_objects(Bucket=PLAIN, Delete={"Objects": objects, "Quiet": True})

    _compare(f"B6 S3, {_OBJECTS:,} objects by the day in their names", fill, delete, lambda: _run(store, "logs/", over))
    store.close()
    client.close()


def _run(store: Store, at: str, where: Condition) -> None:
    work = Work(deed=Deed.DELETE, at=at, where=where)
    batch = store.next_batch(work, None)
    while batch is not None:
        store.act(work, batch)
        batch = store.next_batch(work, batch)
    assert store.measure(at, where).rows == 0


def _compare(what: str, fill: Callable[[], None], raw: Callable[[], None], kept: Callable[[], None]) -> None:
    ratios, taken = [], []
    for _ in range(_PAIRS):
        fill()
        limit = _timed(raw)
        fill()
        taken.append(_timed(kept))
        ratios.append(limit / taken[-1])
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"{what}: {middle:.2f} of the raw loop ({low:.2f} to {high:.2f}), {statistics.median(taken):.2f} s")


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _chunks(names: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while some := list(islice(rest, size)):
        yield some


if __name__ == "__main__":
    main()
