"""One house of records for each kind of store, filled, written to and counted by plain clients that know nothing of Kept."""

from __future__ import annotations

import gzip
import json
import os
import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg
from botocore.exceptions import ClientError

from core.settings import CollectionSettings, StoreSettings, TimeField
from tests.servers import Postgres
from tests.servers_mariadb import MariaDB
from tests.servers_redis import RedisServer
from tests.servers_s3 import KEY_ID, PLAIN, SECRET, S3Server

TS = TimeField(name="ts")
Row = tuple[int, datetime]


def text(instant: datetime) -> str:
    """To the millisecond, as the records of these tests have it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03}Z"


def line(row: Row) -> str:
    return json.dumps({"id": row[0], "ts": text(row[1]), "note": "x" * 40}) + "\n"


def rows_of(data: bytes) -> list[Row]:
    found = [json.loads(each) for each in data.decode().splitlines()]
    return [(each["id"], datetime.fromisoformat(each["ts"])) for each in found]


def collection(name: str, at: str, time: TimeField = TS) -> CollectionSettings:
    return CollectionSettings(id=name, store="host", at=at, category="request_log", time=time)


class House(Protocol):
    """A store with records of the category `request_log` in it. `most`: records that one batch may have at most."""

    @property
    def store(self) -> StoreSettings: ...

    @property
    def collections(self) -> tuple[CollectionSettings, ...]: ...

    @property
    def keeps_receipts(self) -> bool: ...

    @property
    def most(self) -> int: ...

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        """Exactly these records and no others."""

    def rows(self) -> list[Row]:
        """What is there."""

    def left_behind(self) -> list[str]:
        """What a run should have cleared away."""

    def writer(self) -> Writer:
        """Another program, with a connection of its own."""


class Writer(Protocol):
    """What another program does beside the sweep."""

    def refresh(self, number: int, instant: datetime) -> bool:
        """Give a record another time; False where it is not there any more."""

    def add(self, row: Row) -> bool:
        """One more record; False where that was not possible."""

    def close(self) -> None: ...


class SqliteHouse:
    keeps_receipts, most = True, 15

    def __init__(self, folder: Path) -> None:
        self.path = folder / "host.db"
        self.store = StoreSettings(name="host", kind="sql", options={"url": f"sqlite:///{self.path}"})
        self.collections = (collection("requests", "requests"),)
        with closing(self.connect()) as connection:
            connection.execute("CREATE TABLE requests (id INTEGER PRIMARY KEY, ts TEXT NOT NULL, note TEXT)")
            connection.execute("CREATE INDEX requests_ts ON requests (ts)")

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=20, isolation_level=None, check_same_thread=False)

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        with closing(self.connect()) as connection:
            connection.execute("BEGIN")
            connection.execute("DELETE FROM requests")
            connection.executemany("INSERT INTO requests VALUES (?, ?, 'x')", [(n, text(ts)) for n, ts in rows])
            connection.execute("COMMIT")

    def rows(self) -> list[Row]:
        with closing(self.connect()) as connection:
            found = connection.execute("SELECT id, ts FROM requests").fetchall()
        return [(number, datetime.fromisoformat(ts)) for number, ts in found]

    def left_behind(self) -> list[str]:
        with closing(self.connect()) as connection:
            return [str(row) for row in connection.execute("SELECT * FROM kept_receipts")]

    def writer(self) -> Writer:
        return SqliteWriter(self.connect())


@dataclass
class SqliteWriter:
    connection: sqlite3.Connection

    def refresh(self, number: int, instant: datetime) -> bool:
        done = self.connection.execute("UPDATE requests SET ts = ? WHERE id = ?", (text(instant), number))
        return done.rowcount == 1

    def add(self, row: Row) -> bool:
        self.connection.execute("INSERT INTO requests VALUES (?, ?, 'new')", (row[0], text(row[1])))
        return True

    def close(self) -> None:
        self.connection.close()


class PostgresHouse:
    keeps_receipts, most = True, 15

    def __init__(self, cluster: Postgres, url: str) -> None:
        self.url = url.replace("+psycopg", "")
        self.store = StoreSettings(name="host", kind="sql", options={"url": url})
        self.collections = (collection("requests", "requests"),)
        with self.connect() as connection:
            connection.execute("CREATE TABLE requests (id bigint PRIMARY KEY, ts timestamptz NOT NULL, note text)")
            connection.execute("CREATE INDEX requests_ts ON requests (ts)")

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url, autocommit=True)

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        with self.connect() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM requests")
            with cursor.copy("COPY requests (id, ts, note) FROM STDIN") as copy:
                for number, ts in rows:
                    copy.write_row((number, ts, "x"))

    def rows(self) -> list[Row]:
        with self.connect() as connection:
            return [(number, ts) for number, ts in connection.execute("SELECT id, ts FROM requests")]

    def left_behind(self) -> list[str]:
        with self.connect() as connection:
            return [str(row) for row in connection.execute("SELECT * FROM kept_receipts")]

    def writer(self) -> Writer:
        return PostgresWriter(self.connect())


@dataclass
class PostgresWriter:
    connection: psycopg.Connection[tuple[Any, ...]]

    def refresh(self, number: int, instant: datetime) -> bool:
        done = self.connection.execute("UPDATE requests SET ts = %s WHERE id = %s", (instant, number))
        return done.rowcount == 1

    def add(self, row: Row) -> bool:
        self.connection.execute("INSERT INTO requests VALUES (%s, %s, 'new')", row)
        return True

    def close(self) -> None:
        self.connection.close()


class MariaHouse:
    keeps_receipts, most = True, 15

    def __init__(self, server: MariaDB, url: str, name: str) -> None:
        self.server, self.name = server, name
        self.store = StoreSettings(name="host", kind="sql", options={"url": url})
        self.collections = (collection("requests", "requests"),)
        self.ask("CREATE TABLE requests (id bigint PRIMARY KEY, ts timestamp(6) NOT NULL, note text, INDEX (ts))")

    def ask(self, words: str) -> list[tuple[Any, ...]]:
        return self.server.ask(words, database=self.name)

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        connection = self.server.connect(self.name)
        connection.autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM requests")
            values = [(number, ts.replace(tzinfo=None)) for number, ts in rows]
            cursor.executemany("INSERT INTO requests (id, ts, note) VALUES (%s, %s, 'x')", values)
        connection.commit()
        connection.close()

    def rows(self) -> list[Row]:
        return [(number, ts.replace(tzinfo=UTC)) for number, ts in self.ask("SELECT id, ts FROM requests")]

    def left_behind(self) -> list[str]:
        return [str(row) for row in self.ask("SELECT * FROM kept_receipts")]

    def writer(self) -> Writer:
        return MariaWriter(self.server.connect(self.name))


@dataclass
class MariaWriter:
    connection: Any

    def refresh(self, number: int, instant: datetime) -> bool:
        with self.connection.cursor() as cursor:
            done = cursor.execute("UPDATE requests SET ts = %s WHERE id = %s", (instant.replace(tzinfo=None), number))
        return bool(done == 1)

    def add(self, row: Row) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO requests VALUES (%s, %s, 'new')", (row[0], row[1].replace(tzinfo=None)))
        return True

    def close(self) -> None:
        self.connection.close()


def split(rows: list[Row], limit: datetime, chance: random.Random) -> dict[str, list[Row]]:
    """Into files: some wholly old, some wholly young, some mixed."""
    found: dict[str, list[Row]] = {}
    for number, ts in rows:
        mixed = chance.random() < 0.5
        name = f"mixed-{chance.randrange(3)}" if mixed else f"{'old' if ts < limit else 'young'}-{chance.randrange(3)}"
        found.setdefault(name, []).append((number, ts))
    return found


class FilesHouse:
    """JSON lines, plain and packed."""

    keeps_receipts, most = False, 1_000

    def __init__(self, folder: Path) -> None:
        self.root = folder / "logs"
        self.root.mkdir()
        self.store = StoreSettings(name="host", kind="files", options={"root": str(self.root)})
        self.collections = (collection("plain", "*.jsonl"), collection("packed", "*.jsonl.gz"))

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        for path in self.root.iterdir():
            path.unlink()
        for ending, some in ((".jsonl", rows[::2]), (".jsonl.gz", rows[1::2])):
            for name, lines in split(some, datetime.now(UTC) - timedelta(days=30), chance).items():
                data = "".join(map(line, lines)).encode()
                (self.root / f"{name}{ending}").write_bytes(gzip.compress(data) if ending.endswith("gz") else data)

    def rows(self) -> list[Row]:
        found: list[Row] = []
        for path in self.root.glob("*.jsonl*"):
            data = path.read_bytes()
            found += rows_of(gzip.decompress(data) if path.suffix == ".gz" else data)
        return found

    def left_behind(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.name.startswith("."))

    def writer(self) -> Writer:
        return FilesWriter(self.root)


@dataclass
class FilesWriter:
    """Opens a file by its name for each line, and closes it: a line can be added, not changed."""

    root: Path

    def refresh(self, number: int, instant: datetime) -> bool:
        return False

    def add(self, row: Row) -> bool:
        ending = (".jsonl", ".jsonl.gz")[row[0] % 2]
        path = self.root / f"{('mixed', 'young')[row[0] % 7 > 2]}-{row[0] % 3}{ending}"
        data = line(row).encode()
        with path.open("ab") as file:
            file.write(gzip.compress(data) if ending.endswith("gz") else data)
        return True

    def close(self) -> None: ...


class S3House:
    """Objects of lines, and objects that are records themselves, by the day in their names."""

    keeps_receipts, most = False, 1_000

    def __init__(self, server: S3Server) -> None:
        self.client = server.client()
        self.server = server
        self.prefix = f"kill-{os.urandom(4).hex()}/"
        options = {"bucket": PLAIN, "endpoint": server.endpoint, "key_id": KEY_ID, "secret": SECRET}
        self.store = StoreSettings(name="host", kind="s3", options=options)
        by_name = TimeField(name="file:name", zone="UTC")
        self.collections = (
            collection("lines", f"{self.prefix}logs/*.jsonl"),
            collection("blobs", f"{self.prefix}blobs/", by_name),
        )

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        for key in self.keys():
            self.client.delete_object(Bucket=PLAIN, Key=key)
        limit = datetime.now(UTC) - timedelta(days=30)
        # an object goes by its day: those of the cutoff's day do not say which side of it they are on
        blobs = [row for row in rows if abs(row[1] - limit) > timedelta(days=2)][::20]
        lines = [row for row in rows if row not in blobs]
        for name, some in split(lines, limit, chance).items():
            self.put(f"logs/{name}.jsonl", "".join(map(line, some)))
        for row in blobs:
            self.put(f"blobs/{row[1]:%Y-%m-%d}/{row[0]}.json", line(row))

    def put(self, key: str, body: str) -> None:
        self.client.put_object(Bucket=PLAIN, Key=self.prefix + key, Body=body.encode())

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=PLAIN, Prefix=self.prefix).get("Contents", [])
        return [each["Key"] for each in found]

    def rows(self) -> list[Row]:
        bodies = (self.client.get_object(Bucket=PLAIN, Key=key)["Body"].read() for key in self.keys())
        return [row for body in bodies for row in rows_of(body)]

    def left_behind(self) -> list[str]:
        return []

    def writer(self) -> Writer:
        return S3Writer(self.server.client(), self.prefix)


@dataclass
class S3Writer:
    """Writes an object anew only where it is still the one that it read."""

    client: Any
    prefix: str

    def refresh(self, number: int, instant: datetime) -> bool:
        key = f"{self.prefix}logs/mixed-{number % 3}.jsonl"
        return self._rewrite(key, lambda rows: [(n, instant if n == number else ts) for n, ts in rows], number)

    def add(self, row: Row) -> bool:
        if row[0] % 2:
            key = f"{self.prefix}blobs/{row[1]:%Y-%m-%d}/{row[0]}.json"
            self.client.put_object(Bucket=PLAIN, Key=key, Body=line(row).encode())
            return True
        return self._rewrite(f"{self.prefix}logs/mixed-{row[0] % 3}.jsonl", lambda rows: [*rows, row], None)

    def _rewrite(self, key: str, change: Any, wanted: int | None) -> bool:
        try:
            there = self.client.get_object(Bucket=PLAIN, Key=key)
            rows = rows_of(there["Body"].read())
            if wanted is not None and wanted not in {number for number, _ in rows}:
                return False
            body = "".join(map(line, change(rows))).encode()
            self.client.put_object(Bucket=PLAIN, Key=key, Body=body, IfMatch=there["ETag"])
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "PreconditionFailed", "412"):
                return False
            raise
        return True

    def close(self) -> None:
        self.client.close()


class RedisHouse:
    keeps_receipts, most = False, 30

    def __init__(self, server: RedisServer) -> None:
        self.server, self.database = server, server.fresh_database()
        self.client = server.client(self.database)
        self.store = StoreSettings(name="host", kind="redis", options={"url": server.url(self.database)})
        self.collections = (collection("requests", "request:*"),)

    def fill(self, rows: list[Row], chance: random.Random) -> None:
        pipe = self.client.pipeline(transaction=False)
        pipe.flushdb()
        for row in rows:
            pipe.set(f"request:{row[0]:06}", line(row))
        pipe.execute()

    def rows(self) -> list[Row]:
        names = list(self.client.scan_iter("request:*", count=1_000))
        found: Iterable[bytes | None] = self.client.mget(names) if names else []
        return [row for value in found if value is not None for row in rows_of(value)]

    def left_behind(self) -> list[str]:
        return []

    def writer(self) -> Writer:
        return RedisWriter(self.server.client(self.database))


@dataclass
class RedisWriter:
    client: Any

    def refresh(self, number: int, instant: datetime) -> bool:
        return bool(self.client.set(f"request:{number:06}", line((number, instant)), xx=True))

    def add(self, row: Row) -> bool:
        return bool(self.client.set(f"request:{row[0]:06}", line(row)))

    def close(self) -> None:
        self.client.close()
