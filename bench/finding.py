"""A person over a hundred collections in ten stores: the plan of a copy and its preview, against the same counts asked bare."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.measuring import Result, time_ways
from core.database import Database
from core.leases import Leases
from core.settings import CollectionSettings, Reference
from ledger.log import Ledger
from plans.engine import Plans
from policies.clauses import Right
from stores.contract import Store
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.schema import make_tables

STORES: Final = 10
COLLECTIONS: Final = 100
_ROWS: Final = 2_000  # a collection, of two hundred people
_LIMIT: Final = 2.0  # seconds of our own, over what the stores take
_STRETCH: Final = 0.5
_ANNA: Final = "person7@post.example"


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 6, 15, 12, tzinfo=UTC)


def measure() -> list[Result]:
    """One line. The floor is what the stores take, asked one after the other, and two seconds of our own."""
    root = Path(tempfile.mkdtemp(prefix="bench-finding-"))
    try:
        return [_measure(root)]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _measure(root: Path) -> Result:
    collections = _collections()
    for number in range(STORES):
        _fill(root / f"s{number}.db", [one.at for one in collections if one.store == f"s{number}"])
    stores: dict[str, Store] = {
        f"s{number}": SqlStore(f"s{number}", f"sqlite:///{root / f's{number}.db'}", clock=_Clock())
        for number in range(STORES)
    }
    database, clock = Database(f"sqlite:///{root / 'kept.db'}"), _Clock()
    make_tables(database)
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=b"x" * 32, origin="bench.example/kept")
    plans = Plans(database, clock, ledger, leases, DataMap(collections, stores))

    def kept() -> None:
        plan, _ = plans.draft_request(
            ref="T-1", version=1, clauses=(), right=Right.ACCESS, identifiers={"email": [_ANNA]}
        )
        seen = plans.look(plan)
        if len(plan.steps) != COLLECTIONS or seen.blocked or seen.total != 1 + (COLLECTIONS - 1) * _ROWS // 200:
            raise AssertionError(f"{len(plan.steps)} steps, {seen.total} records, {seen.blocked}")

    timings = time_ways({"the same counts, bare": lambda: _bare(root, collections), "Kept": kept})
    database.close()
    bare = timings[0].median
    return Result(
        bench="Finding",
        what=f"a person over {COLLECTIONS} collections in {STORES} stores",
        includes="what is proven, values carried into nine stores, the plan, its preview with counts",
        timings=timings,
        floor=bare + _LIMIT,
        stretch=bare + _STRETCH,
    )


def _collections() -> list[CollectionSettings]:
    accounts = CollectionSettings(
        id="accounts", store="s0", at="users", category="account", identifies={"email": "email", "user_id": "id"}
    )
    way = (Reference(field="user_id", to="accounts", to_field="id"),)
    return [
        accounts,
        *(
            CollectionSettings(
                id=f"log-{number}", store=f"s{number % STORES}", at=f"log_{number}", category="log", person=way
            )
            for number in range(1, COLLECTIONS)
        ),
    ]


def _fill(path: Path, tables: list[str]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in tables:
            if table == "users":
                connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE)")
                people = [(n, f"person{n}@post.example") for n in range(200)]
                connection.executemany("INSERT INTO users VALUES (?, ?)", people)
            else:
                connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, user_id INTEGER, note TEXT)")
                rows = [(n % 200, "x" * 80) for n in range(_ROWS)]
                connection.executemany(f"INSERT INTO {table} (user_id, note) VALUES (?, ?)", rows)
                connection.execute(f"CREATE INDEX {table}_user ON {table} (user_id)")


def _bare(root: Path, collections: list[CollectionSettings]) -> None:
    """What a script would ask that knows the map by heart."""
    for number in range(STORES):
        with closing(sqlite3.connect(root / f"s{number}.db")) as connection:
            for one in collections:
                if one.store == f"s{number}" and one.at != "users":
                    connection.execute(f"SELECT count(*) FROM {one.at} WHERE user_id = 7").fetchone()
