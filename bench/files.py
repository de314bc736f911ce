"""B6 and B7, the part of files: days unlinked against the bare loop, one person erased against a copy or gzip.

Kept's figure holds the look for each batch, its bounds, leases against writers, exact counts, owner, mode and times of
what is rewritten, and the flush of files and folder; no control database, which B1 to B5 have in theirs."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import orjson

from bench.comparing import THROUGHPUT, Comparison, Goal, Spread
from core.settings import TimeField
from stores.conditions import Before, Condition, OneOf
from stores.contract import Deed, Work
from stores.files import FilesStore

Say = Callable[[str], None]
Raw = Callable[[Path], int]
_INCLUDES: Final = "look, bounds, leases, counts, owner and mode, flush of file and folder"
_DAYS_GOAL: Final = Goal(way="Kept", figure=THROUGHPUT, floor=0.85, stretch=0.95)
_PLAIN_GOAL: Final = Goal(way="Kept", figure=THROUGHPUT, floor=0.3, stretch=0.5)
_PACKED_GOAL: Final = Goal(way="Kept", figure=THROUGHPUT, floor=0.9, stretch=0.97)
_DAYS: Final = 60
_NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
_MINE: Final = OneOf(field="user_id", values=("usr_00000777",))
_OVER: Final = Before(field=TimeField(name="file:name", zone="UTC"), instant=_NOW)
_WORDS: Final = [
    "the",
    "quick",
    "brown",
    "fox",
    "returns",
    "an",
    "answer",
    "from",
    "some",
    "model",
    "gateway",
    "request",
    "prompt",
    "token",
    "error",
]


class _Clock:
    def now(self) -> datetime:
        return _NOW


def measure(rows: int, pairs: int, say: Say) -> list[Comparison]:
    """One record for each five rows of the other benches."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root, records = Path(folder), max(10_000, rows // 5)
        plain, packed = root / "source.jsonl", root / "source.jsonl.gz"
        _make(plain, records)
        packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
        days = plain.read_bytes()[: 1 << 20]
        days = days[: days.rfind(b"\n") + 1]
        size = f"{plain.stat().st_size >> 20} MiB"

        def one(bench: str, what: str, make: Callable[[], Path], raw: Raw, where: Condition, goal: Goal) -> Comparison:
            return _compare(bench, what, make, raw, where, goal, pairs, say)

        return [
            one(
                "B6",
                f"{_DAYS} files by day of 1 MiB, each counted",
                lambda: _spread(days, root),
                _count,
                _OVER,
                _DAYS_GOAL,
            ),
            one("B7", f"one person, JSONL of {size}", lambda: _place(plain, root), _copy, _MINE, _PLAIN_GOAL),
            one("B7", f"one person, gz of {size}", lambda: _place(packed, root), _gzip, _MINE, _PACKED_GOAL),
        ]


def _compare(
    bench: str, what: str, make: Callable[[], Path], raw: Raw, where: Condition, goal: Goal, pairs: int, say: Say
) -> Comparison:
    ratios: list[float] = []
    for number in range(pairs + 1):
        pair = []
        for way in (raw, lambda path: _erase(path, where)):
            path = make()
            start = time.perf_counter()
            way(path)
            pair.append(time.perf_counter() - start)
            shutil.rmtree(path.parent)
        if number:
            ratios.append(pair[0] / pair[1])
            say(f"{what}, pair {number} of {pairs}: {ratios[-1]:.2f}")
    figures = {_RAW[raw]: {THROUGHPUT: Spread.of([1.0] * pairs)}, "Kept": {THROUGHPUT: Spread.of(ratios)}}
    return Comparison(bench=bench, what=what, includes=_INCLUDES, pairs=pairs, figures=figures, goals=(goal,))


def _make(path: Path, records: int) -> None:
    chance = random.Random(1)
    with path.open("wb") as file:
        for number in range(records):
            record = {
                "id": number,
                "user_id": f"usr_{chance.randrange(50_000):08}",
                "ts": f"2026-05-{1 + number * 28 // records:02}T{chance.randrange(24):02}:00:00Z",
                "ip": f"10.0.{chance.randrange(256)}.{chance.randrange(256)}",
                "note": " ".join(chance.choices(_WORDS, k=24)),
            }
            file.write(orjson.dumps(record) + b"\n")


def _place(source: Path, root: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=root))
    path = folder / source.name
    shutil.copy(source, path)
    _sync(path)
    return path


def _spread(day: bytes, root: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=root))
    for number in range(_DAYS):
        path = folder / f"requests-{date(2026, 6, 13) - timedelta(days=number)}.jsonl"
        path.write_bytes(day)
        _sync(path)
    return folder / "requests-*.jsonl"


def _copy(path: Path) -> int:
    copy = path.with_suffix(".copy")
    with path.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
    return 1


def _gzip(path: Path) -> int:
    with path.with_suffix(".copy").open("wb") as target:
        reader = subprocess.Popen(["gzip", "-dc", path], stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-1"], stdin=reader.stdout, stdout=target, check=True)
        return reader.wait()


def _count(pattern: Path) -> int:
    rows = 0
    for path in sorted(pattern.parent.glob(pattern.name)):
        with path.open("rb") as file:
            rows += sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
        path.unlink()
    _sync(pattern.parent)
    return rows


def _erase(path: Path, where: Condition) -> int:
    """Batch after batch, as a step does it."""
    store = FilesStore("bench", path.parent, clock=_Clock())
    work = Work(deed=Deed.DELETE, at=path.name, where=where, batch_rows=1_000_000)
    rows, batch = 0, store.next_batch(work, None)
    while batch is not None:
        rows += store.act(work, batch)
        batch = store.next_batch(work, batch)
    assert rows, store.left_for_later(path.name)
    return rows


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


_RAW: Final[Mapping[Raw, str]] = {_copy: "copy and fsync", _gzip: "gzip -dc | gzip -1", _count: "count and unlink"}
