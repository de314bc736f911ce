"""A MariaDB database with requests in it, for the contract suite and for what only SQL stores have."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from stores.contract import Store
from stores.sql import SqlStore
from tests.servers_mariadb import MariaDB
from tests.store_worlds import FixedClock

# a key cannot be of unlimited text, and an instant is what MariaDB calls a timestamp
_TYPES = (
    (r"\btext\b", "varchar(190)"),
    (r"\btimestamp\b(?!\()", "datetime(6)"),
    (r"\btimestamptz\b", "timestamp(6) NULL"),
)


class MariaWorld:
    at = "requests"

    def __init__(self, server: MariaDB, url: str) -> None:
        self.server = server
        self.url = url
        self.name = str(sa.make_url(url).database)
        self._connection = server.connect(self.name)
        self.ask(
            "CREATE TABLE requests (id bigint PRIMARY KEY, user_id text, ts timestamptz, note longtext, revoked_at timestamptz)"
        )
        self.ask("CREATE TABLE users (id bigint PRIMARY KEY, email text, deleted_at timestamptz)")
        self.store: Store = SqlStore("gateway", url, clock=FixedClock())

    def ask(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        """A CREATE TABLE that was written for PostgreSQL gets MariaDB's words for its types."""
        if query.lstrip().startswith("CREATE TABLE"):
            for pattern, word in _TYPES:
                query = re.sub(pattern, word, query)
        with self._connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def close(self) -> None:
        self.store.close()
        self._connection.close()

    def run(self, script: str) -> None:
        for statement in filter(str.strip, script.split(";")):
            self.ask(statement)

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO requests (id, user_id, ts, note) VALUES (%s, %s, %s, %s)",
                [(row["id"], row.get("user_id"), _naive(row["ts"]), row.get("note")) for row in rows],
            )

    def set_time(self, row_id: int, instant: datetime) -> None:
        self.ask("UPDATE requests SET ts = %s WHERE id = %s", (_naive(instant), row_id))

    def ids(self) -> list[int]:
        return [row[0] for row in self.ask("SELECT id FROM requests ORDER BY id")]

    def break_off(self) -> None:
        self.ask(f"ALTER USER {self.name}@'127.0.0.1' ACCOUNT LOCK")
        self.ask(f"KILL USER {self.name}")


def _naive(instant: datetime | None) -> datetime | None:
    return instant.astimezone(UTC).replace(tzinfo=None) if instant is not None else None
