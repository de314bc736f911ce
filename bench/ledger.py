"""B10: entries appended in batches against the same inserts without hashes, and how many entries a second are verified."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from bench.comparing import THROUGHPUT, Comparison, Goal, Spread
from core.clock import SystemClock, iso_utc
from core.database import Base, Database
from core.leases import Leases
from ledger.entries import NewEntry
from ledger.log import Ledger
from ledger.settling import BATCH
from ledger.tables import (
    CheckpointTable,
    EntryTable,
    LeafTable,
    NodeTable,
    PendingTable,
    PrivateTable,
    RefTable,
    table_of,
)

_ENTRIES: Final = 100_000
_AT_ONCE: Final = 1_000
_BARE: Final = "the same statements, no hash"
_RATE: Final = "throughput, entries verified a second"
_PRIVATE: Final[Mapping[str, Any]] = {"state": "done", "rows": 1200, "remaining": 0, "note": "by batches"}


def measure(rows: int, pairs: int, say: Callable[[str], None]) -> list[Comparison]:
    """On SQLite, whose commits reach the disk; `rows` is a ceiling."""
    number = min(rows, _ENTRIES)
    appended: dict[str, list[float]] = {_BARE: [], "Kept": []}
    verified: list[float] = []
    for pair in range(pairs):
        with _database() as database:
            appended[_BARE].append(_time(partial(_insert_bare, database, number)))
        with _database() as database:
            ledger = _ledger(database)
            appended["Kept"].append(_time(partial(_append, database, ledger, number)))
            verified.append(number / _time(partial(_verify, ledger, number)))
        ratio = appended[_BARE][-1] / appended["Kept"][-1]
        say(f"pair {pair + 1} of {pairs}: appends {ratio:.2f}, verified {verified[-1]:,.0f} a second")
    ratios = [bare / kept for bare, kept in zip(appended[_BARE], appended["Kept"], strict=True)]
    return [
        Comparison(
            bench="B10",
            what=f"ledger, {number:,} entries appended, {_AT_ONCE:,} a transaction",
            includes="canonical entries, salts, commitments, leaves, the tree, signed checkpoints, the order of commits",
            pairs=pairs,
            figures={
                _BARE: {THROUGHPUT: Spread.of([1.0] * pairs)},
                "Kept": {THROUGHPUT: Spread.of(ratios)},
            },
            goals=(Goal(way="Kept", figure=THROUGHPUT, floor=0.6, stretch=0.8),),
        ),
        Comparison(
            bench="B10",
            what=f"ledger, {number:,} entries verified",
            includes="every leaf, node, commitment and checkpoint computed again from what is stored",
            pairs=pairs,
            figures={"Kept": {_RATE: Spread.of(verified)}},
            goals=(Goal(way="Kept", figure=_RATE, floor=100_000, stretch=200_000),),
        ),
    ]


def verify_large(number: int, folder: Path, say: Callable[[str], None]) -> tuple[float, float]:
    """Entries a second, and by how many MB the process grew at the most after a tenth of the way."""
    database = Database(f"sqlite:///{folder}/kept.db")
    Base.metadata.create_all(database.engine)
    ledger = _ledger(database)
    for start in range(0, number, _ENTRIES):
        _append(database, ledger, min(_ENTRIES, number - start))
        say(f"{start + _ENTRIES:,} appended")
    sizes: list[tuple[int, int]] = []
    start_at = time.perf_counter()
    found = ledger.verify(on_progress=lambda done, _total: sizes.append((done, _resident())))
    took = time.perf_counter() - start_at
    assert found.ok
    early = next(size for done, size in sizes if done >= number // 10)
    database.close()
    return number / took, (max(size for _, size in sizes) - early) / 1_000


def _ledger(database: Database) -> Ledger:
    clock = SystemClock()
    return Ledger(database, clock, Leases(database, clock), secret=b"x" * 32, origin="bench.example/kept")


def _append(database: Database, ledger: Ledger, number: int) -> None:
    for start in range(0, number, _AT_ONCE):
        entries = [
            NewEntry(
                kind="sweep.outcome", actor="system", refs=[f"step_{start + one}", "clause:logs"], private=_PRIVATE
            )
            for one in range(min(_AT_ONCE, number - start))
        ]
        with database.begin() as session:
            ledger.record_all(session, entries)
        if start // _AT_ONCE % 10 == 9:
            ledger.settle()
    ledger.settle()


def _insert_bare(database: Database, number: int) -> None:
    """Every statement of Kept's, with fixed bytes where it hashes: entries, private parts, refs, those that wait and their end,
    leaves, nodes, checkpoints."""
    at, zero = iso_utc(datetime.now(UTC)), bytes(32)
    private = '{"note":"by batches","remaining":0,"rows":1200,"state":"done"}'
    for start in range(0, number, _AT_ONCE):
        span = range(start, min(start + _AT_ONCE, number))
        ids = [f"ent_{one:024x}" for one in span]
        made: dict[Any, list[dict[str, Any]]] = {
            EntryTable: [
                {"id": name, "at": at, "kind": "sweep.outcome", "actor": "system",
                 "refs": f'["step_{one}","clause:logs"]', "commitment": "0" * 64}
                for one, name in zip(span, ids, strict=True)
            ],
            PrivateTable: [{"entry_id": name, "salt": zero, "private": private} for name in ids],
            RefTable: [
                {"ref": ref, "entry_id": name}
                for one, name in zip(span, ids, strict=True)
                for ref in (f"step_{one}", "clause:logs")
            ],
            PendingTable: [{"entry_id": name} for name in ids],
        }  # fmt: skip
        with database.begin() as session:
            for table, rows in made.items():
                session.execute(sa.insert(table_of(table)), rows)
        if span[-1] + 1 == number or span[-1] % BATCH == BATCH - 1:
            _place_bare(database, span[-1] + 1)


def _place_bare(database: Database, size: int) -> None:
    """Give positions to what waits, as Kept does."""
    zero = bytes(32)
    with database.begin() as session:
        wanted = sa.select(PendingTable.seq, EntryTable).join(EntryTable, EntryTable.id == PendingTable.entry_id)
        rows = session.execute(wanted.with_only_columns(PendingTable.seq, *EntryTable.__table__.columns)).all()
        first = size - len(rows)
        leaves = [{"position": first + one, "entry_id": row.id, "leaf": zero} for one, row in enumerate(rows)]
        nodes = [{"level": 1, "idx": first + one, "hash": zero} for one in range(len(rows))]
        session.execute(sa.insert(table_of(LeafTable)), leaves)
        session.execute(sa.insert(table_of(NodeTable)), nodes)
        session.execute(sa.delete(table_of(PendingTable)).where(PendingTable.seq.in_([row.seq for row in rows])))
        last = {"size": size, "root": zero, "at": datetime.now(UTC), "note": "x" * 200}
        session.execute(sa.insert(table_of(CheckpointTable)), last)


def _verify(ledger: Ledger, number: int) -> None:
    found = ledger.verify()
    assert found.ok
    assert found.size == number


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _resident() -> int:
    """Kilobytes now; what there was at the most so far would hide what was given back."""
    (found,) = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


@contextmanager
def _database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="kept-bench-") as folder:
        database = Database(f"sqlite:///{folder}/kept.db")
        Base.metadata.create_all(database.engine)
        yield database
        database.close()
