"""`python -m bench.package_memory ROWS`: makes one package of so many rows and says its most megabytes and its seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.packages import package_house, peak_megabytes
from core.clock import SystemClock
from stores.conditions import Condition
from stores.sql import SqlStore

_BEGINS = datetime(2026, 1, 1, tzinfo=UTC)


class MadeUp(SqlStore):
    """A SQLite store whose request log makes its rows up as they are read; the rest of it is empty."""

    rows = 0

    def records(self, at: str, where: Condition) -> Any:
        return self._made_up() if at == "request_log" else iter(())

    def _made_up(self) -> Iterator[Mapping[str, Any]]:
        for number in range(self.rows):
            at = _BEGINS + timedelta(seconds=number)
            yield {
                "id": number,
                "user_id": 7,
                "created_at": at,
                "model": "gpt-4o",
                "note": f"the question {number} " * 6,
            }


def main() -> None:
    with TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        store = _open(Path(folder), int(sys.argv[1]))
        with package_house(store, render_pdf=lambda _html: b"%PDF-1.7") as house:
            ticket = house.prepare("person7@post.example")
            start = time.perf_counter()
            house.make(ticket)
            taken = time.perf_counter() - start
        store.close()
    print(f"{peak_megabytes():.0f} {taken:.1f}")


def _open(folder: Path, rows: int) -> MadeUp:
    import sqlite3

    from bench.erasure_world import TABLES

    with sqlite3.connect(folder / "gateway.db") as connection:
        connection.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, email TEXT, created_at TEXT)")
        connection.execute("INSERT INTO accounts VALUES (7, 'person7@post.example', '2026-01-01T00:00:00Z')")
        for table in TABLES:
            connection.execute(
                f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, user_id INTEGER, created_at TEXT, model TEXT, note TEXT)"
            )
    connection.close()
    store = MadeUp("gateway", f"sqlite:///{folder / 'gateway.db'}", clock=SystemClock())
    store.rows = rows
    return store


if __name__ == "__main__":
    main()
