"""A sweep over very many keys, or one very large file, in a process of its own whose peak memory is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers_redis import run_redis

MOST_BYTES = 150_000_000
KEYS = 1_000_000
LINE = b'{"ts":"2026-01-01T00:00:00Z","user_id":"%d","note":"' + b"x" * 150 + b'"}\n'
_SWEEP = """
import resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from core.settings import TimeField
from stores.conditions import AllOf, Before, OneOf
from stores.contract import Deed, Work
from stores.files import FilesStore
from stores.redis import RedisStore

class Clock:
    def now(self):
        return datetime(2026, 6, 15, 12, tzinfo=UTC)

kind, where, at, what = sys.argv[1:]
store = RedisStore("s", where, clock=Clock()) if kind == "redis" else FilesStore("s", Path(where), clock=Clock())
old = Before(field=TimeField(name="ts"), instant=datetime(2026, 3, 1, tzinfo=UTC))
expiry = Before(field=TimeField(name="key:expiry"), instant=store.now() - timedelta(days=30))
condition = {"all": AllOf(parts=()), "old": old, "expiry": expiry, "person": OneOf(field="user_id", values=("7",))}[what]
matched = store.measure(at, condition).rows
work, done = Work(deed=Deed.DELETE, at=at, where=condition), 0
batch = store.next_batch(work, None)
while batch is not None:
    done += store.act(work, batch)
    batch = store.next_batch(work, batch)
left = store.measure(at, condition).rows
print(matched, done, left, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def sweep(kind: str, where: str, at: str, what: str) -> tuple[int, int, int, int]:
    """How many matched, went and are left, and the peak of the process's memory in bytes."""
    told = subprocess.run(
        [sys.executable, "-c", _SWEEP, kind, where, at, what],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent,
    ).stdout  # fmt: skip
    matched, done, left, peak = map(int, told.split())
    return matched, done, left, peak


@pytest.mark.slow
@pytest.mark.parametrize("what", ["all", "expiry", "old"])
def test_a_sweep_over_a_million_keys_stays_small_and_never_blocks_the_server(what: str) -> None:
    """At most 150 MB here, and no command that takes the server longer than 50 ms, whatever the number of keys."""
    with run_redis() as server:
        client = server.client()
        value = '{"ts":"2026-01-01T00:00:00Z"}'
        for start in range(0, KEYS, 10_000):
            client.mset({f"session:{number}": value for number in range(start, start + 10_000)})
        client.config_set("slowlog-log-slower-than", 50_000)
        client.slowlog_reset()
        matched, done, left, peak = sweep("redis", server.url(), "session:*", what)
        assert (matched, done, left) == (KEYS, KEYS, 0)
        assert peak <= MOST_BYTES, f"{peak / 1e6:.0f} MB"
        assert client.slowlog_get() == []
        client.close()


def day_of(folder: Path) -> None:
    with (folder / "day-2026-01-01.jsonl").open("wb") as file:
        for start in range(0, 2_000_000, 1_000):
            file.write(b"".join(LINE % (number % 1_000) for number in range(start, start + 1_000)))


@pytest.mark.slow
@pytest.mark.parametrize(("what", "rows"), [("all", 2_000_000), ("person", 2_000)])
def test_a_sweep_over_a_file_of_hundreds_of_megabytes_stays_small(tmp_path: Path, what: str, rows: int) -> None:
    """Counted, unlinked or rewritten in pieces: at most 150 MB."""
    day_of(tmp_path)
    matched, done, left, peak = sweep("files", str(tmp_path), "day-*.jsonl", what)
    assert (matched, done, left) == (rows, rows, 0)
    assert peak <= MOST_BYTES, f"{peak / 1e6:.0f} MB"
