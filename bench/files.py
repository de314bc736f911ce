"""B6 and B7, the part of files: days unlinked against the bare loop, one person erased against a copy or gzip.

`python -m bench.files` prints each as ratios to the raw limit, pair by pair, so that a busy machine slows both alike."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import orjson

from core.settings import TimeField
from stores.conditions import Before, Condition, OneOf
from stores.contract import Deed, Work
from stores.files import FilesStore

_PAIRS: Final = 5
_RECORDS: Final = 400_000
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


def main() -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        plain, packed = root / "source.jsonl", root / "source.jsonl.gz"
        _make(plain)
        packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
        size = f"{plain.stat().st_size >> 20} MiB, {_RECORDS:,} records"
        _compare(f"B7 one person, JSONL, {size}", lambda: _place(plain, root), _copy, lambda path: _erase(path, _MINE))
        _compare(f"B7 one person, gz of {size}", lambda: _place(packed, root), _gzip, lambda path: _erase(path, _MINE))
        days = plain.read_bytes()[: 1 << 20]
        days = days[: days.rfind(b"\n") + 1]
        what = f"B6 {_DAYS} files by day of 1 MiB"
        _compare(f"{what}, against unlink", lambda: _spread(days, root), _unlink, lambda path: _erase(path, _OVER))
        _compare(f"{what}, against count and unlink", lambda: _spread(days, root), _count, lambda p: _erase(p, _OVER))


def _compare(what: str, prepare: Callable[[], Path], raw: Callable[[Path], int], kept: Callable[[Path], int]) -> None:
    ratios, times = [], []
    for number in range(_PAIRS + 1):
        pair = []
        for way in (raw, kept):
            path = prepare()
            start = time.perf_counter()
            way(path)
            pair.append(time.perf_counter() - start)
            shutil.rmtree(path.parent)
        if number:
            ratios.append(pair[0] / pair[1])
            times.append(pair)
    seconds = " and ".join(f"{statistics.median(column):.3f} s" for column in zip(*times, strict=True))
    print(f"{what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); raw and Kept {seconds}")


def _make(path: Path) -> None:
    chance = random.Random(1)
    with path.open("wb") as file:
        for number in range(_RECORDS):
            record = {
                "id": number,
                "user_id": f"usr_{chance.randrange(50_000):08}",
                "ts": f"2026-05-{1 + number * 28 // _RECORDS:02}T{chance.randrange(24):02}:00:00Z",
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


def _unlink(pattern: Path) -> int:
    for path in sorted(pattern.parent.glob(pattern.name)):
        path.unlink()
    _sync(pattern.parent)
    return 1


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


if __name__ == "__main__":
    main()
