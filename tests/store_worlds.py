"""Real stores with requests in them, one world for each kind, for the contract suite: what a test puts in and looks at itself."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import psycopg

from core.settings import TimeField
from stores.conditions import Before, Condition
from stores.contract import Batch, Deed, Receipt, Store, Work, unfinished
from stores.files import FilesStore
from stores.sql import SqlStore

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
TS = TimeField(name="ts")


@dataclass(frozen=True)
class FixedClock:
    """Always the same instant."""

    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def zulu(instant: datetime | None) -> str | None:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ") if instant is not None else None


def older_than(days: float) -> Before:
    return Before(field=TS, instant=ago(days))


def delete_work(at: str, where: Condition, batch_rows: int = 5_000) -> Work:
    return Work(deed=Deed.DELETE, at=at, where=where, order_by=TS, batch_rows=batch_rows)


def run_through(store: Store, work: Work, step: str | None = None) -> list[tuple[Batch, int]]:
    """Batch after batch until there is none, as a caller does it; on SQL, where a first look may go by what is likely, again
    as long as there is something to do."""
    done: list[tuple[Batch, int]] = []
    for look in count():
        before = sum(rows for _, rows in done)
        looking = replace(work, look=look)
        batch = store.next_batch(looking, None)
        while batch is not None:
            receipt = Receipt(step=step, batch=len(done) + 1) if step else None
            done.append((batch, store.act(looking, batch, receipt)))
            batch = store.next_batch(looking, batch)
        if not isinstance(store, SqlStore) or sum(rows for _, rows in done) == before:
            break
        if not store.measure(work.at, unfinished(work)).rows:
            break
    return done


class World(Protocol):
    """A store and a way around it. Rows have `id`, `user_id`, `ts` and `note`."""

    store: Store
    at: str

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None: ...

    def set_time(self, row_id: int, instant: datetime) -> None: ...

    def ids(self) -> list[int]: ...

    def break_off(self) -> None:
        """The store goes away."""


class SqliteWorld:
    at = "requests"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a store.db"
        self.run(
            "CREATE TABLE requests (id INTEGER PRIMARY KEY, user_id TEXT, ts TEXT, note TEXT, revoked_at TEXT);"
            "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, deleted_at TEXT)"
        )
        self.store: Store = SqlStore("gateway", f"sqlite:///{self.path}", clock=FixedClock())

    def run(self, script: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.executescript(script)
        connection.close()

    def ask(self, query: str, values: Any = ()) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.commit()
            connection.close()

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        connection = sqlite3.connect(self.path)
        connection.executemany(
            "INSERT INTO requests (id, user_id, ts, note) VALUES (?, ?, ?, ?)",
            [(row["id"], row.get("user_id"), zulu(row["ts"]), row.get("note")) for row in rows],
        )
        connection.commit()
        connection.close()

    def set_time(self, row_id: int, instant: datetime) -> None:
        self.ask("UPDATE requests SET ts = ? WHERE id = ?", (zulu(instant), row_id))

    def ids(self) -> list[int]:
        return [row[0] for row in self.ask("SELECT id FROM requests ORDER BY id")]

    def break_off(self) -> None:
        self.path.unlink()


class PostgresWorld:
    at = "requests"

    def __init__(self, url: str) -> None:
        self.conninfo = url.replace("+psycopg", "")
        self.ask(
            "CREATE TABLE requests (id bigint PRIMARY KEY, user_id text, ts timestamptz, note text, revoked_at timestamptz)"
        )
        self.ask("CREATE TABLE users (id bigint PRIMARY KEY, email text, deleted_at timestamptz)")
        self.store: Store = SqlStore("gateway", url, clock=FixedClock())

    def ask(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            found = connection.execute(query.encode(), values)
            return found.fetchall() if found.description else []

    def run(self, script: str) -> None:
        for statement in script.split(";"):
            self.ask(statement)

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        with psycopg.connect(self.conninfo) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO requests (id, user_id, ts, note) VALUES (%s, %s, %s, %s)",
                [(row["id"], row.get("user_id"), row["ts"], row.get("note")) for row in rows],
            )

    def set_time(self, row_id: int, instant: datetime) -> None:
        self.ask("UPDATE requests SET ts = %s WHERE id = %s", (instant, row_id))

    def ids(self) -> list[int]:
        return [row[0] for row in self.ask("SELECT id FROM requests ORDER BY id")]

    def break_off(self) -> None:
        name = self.ask("SELECT current_database()")[0][0]
        admin = psycopg.connect(self.conninfo, dbname="postgres", autocommit=True)
        with admin:
            admin.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


class FilesWorld:
    """A file a day, named by it; a row without a time stands in a file of its own."""

    at = "requests-*.jsonl"

    def __init__(self, folder: Path) -> None:
        self.root = folder / "logs"
        self.root.mkdir()
        self.store: Store = FilesStore("request-files", self.root, clock=FixedClock())

    def file(self, instant: datetime | None) -> Path:
        return self.root / f"requests-{instant.date().isoformat() if instant else 'undated'}.jsonl"

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            with self.file(row["ts"]).open("a", encoding="utf-8") as file:
                file.write(json.dumps({**row, "ts": zulu(row["ts"])}, ensure_ascii=False) + "\n")

    def set_time(self, row_id: int, instant: datetime) -> None:
        for path in self.root.glob(self.at):
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            for row in rows:
                row["ts"] = zulu(instant) if row["id"] == row_id else row["ts"]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def ids(self) -> list[int]:
        lines = [line for path in self.root.glob(self.at) for line in path.read_text(encoding="utf-8").splitlines()]
        return sorted(json.loads(line)["id"] for line in lines)

    def break_off(self) -> None:
        self.root.rename(self.root.with_name("gone"))
