"""The tables that sweeps are measured on: the request log of a gateway, half of it over its time, in three databases."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg
import pymysql
import sqlalchemy as sa

from tests.servers import run_postgres
from tests.servers_mariadb import MariaDB, run_mariadb

CUTOFF: Final = datetime(2026, 6, 1, tzinfo=UTC)
_BEGINS: Final = "2026-06-01 00:00:00"
PEER_ROWS: Final = 1_000
_SETTINGS: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}


class World(Protocol):
    """One database with the table `request_log`; `expired` of its rows are over their time."""

    url: str
    expired: int

    def fill(self) -> None: ...

    def raw(self) -> None: ...

    def loop(self, rows: int) -> None: ...

    def left(self) -> int: ...


class PostgresWorld:
    """PostgreSQL, durable; about 400 bytes a row, a key that counts up, an index on the time."""

    def __init__(self, url: str, rows: int) -> None:
        self.url, self.expired = url, rows // 2
        plain = sa.make_url(url).set(drivername="postgresql").render_as_string(False)
        self._connection = psycopg.connect(plain, autocommit=True)
        self._run(
            "CREATE TABLE source (id bigint, user_id text, created_at timestamptz, model text, path text, note text)"
        )
        self._run(f"""
            INSERT INTO source SELECT i, 'u_' || lpad((i * 7919 % 50000)::text, 6, '0'),
                timestamptz '{_BEGINS}+00' + (i - {self.expired}) * interval '1 second',
                'gpt-4o', '/v1/chat/completions', repeat(md5(i::text), 9)
            FROM generate_series(0::bigint, {rows - 1}) i""")

    def fill(self) -> None:
        for statement in (
            "DROP TABLE IF EXISTS request_log",
            "CREATE TABLE request_log AS SELECT * FROM source",
            "ALTER TABLE request_log ADD PRIMARY KEY (id)",
            "CREATE INDEX ON request_log (created_at)",
            "VACUUM ANALYZE request_log",
            "CHECKPOINT",
        ):
            self._run(statement)

    def raw(self) -> None:
        self._run(f"DELETE FROM request_log WHERE created_at < '{_BEGINS}+00'")

    def loop(self, rows: int) -> None:
        """Range after range of the key, each committed, and nothing else: the best that a script does."""
        for low in range(-1, self.expired, rows):
            self._run(
                f"DELETE FROM request_log WHERE id > {low} AND id <= {low + rows} AND created_at < '{_BEGINS}+00'"
            )

    def peer(self) -> None:
        """As LiteLLM cleans its spend logs up: batch after batch until one is empty."""
        found = PEER_ROWS
        while found:
            found = self._run(f"""
                DELETE FROM request_log WHERE id IN (
                    SELECT id FROM request_log WHERE created_at < '{_BEGINS}+00' LIMIT {PEER_ROWS})""")

    def left(self) -> int:
        row = self._connection.execute(f"SELECT count(*) FROM request_log WHERE created_at < '{_BEGINS}+00'").fetchone()
        assert row is not None
        return int(row[0])

    def _run(self, statement: str) -> int:
        return self._connection.execute(statement.encode()).rowcount

    def close(self) -> None:
        self._connection.close()


class PartitionWorld(PostgresWorld):
    """The same table in partitions by day, thirty days of them over their time."""

    def __init__(self, url: str, rows: int) -> None:
        self._days = [CUTOFF + timedelta(days=day) for day in range(-30, 31)]
        super().__init__(url, rows)
        self._run(f"UPDATE source SET created_at = timestamptz '{_BEGINS}+00' + (id - {self.expired}) * "
                  f"(interval '30 days' / {self.expired})")  # fmt: skip

    def fill(self) -> None:
        self._run("DROP TABLE IF EXISTS request_log")
        self._run("CREATE TABLE request_log (LIKE source) PARTITION BY RANGE (created_at)")
        for number, (low, high) in enumerate(pairwise([*self._days, datetime(2100, 1, 1, tzinfo=UTC)])):
            self._run(f"CREATE TABLE day_{number} PARTITION OF request_log FOR VALUES FROM ('{low}') TO ('{high}')")
        self._run("INSERT INTO request_log SELECT * FROM source")
        self._run("ALTER TABLE request_log ADD PRIMARY KEY (id, created_at)")
        self._run("CREATE INDEX ON request_log (created_at)")
        self._run("VACUUM ANALYZE request_log")
        self._run("CHECKPOINT")

    def drop_all(self, how: str = "CONCURRENTLY") -> None:
        """What a script does: each expired partition taken off and dropped."""
        for number in range(30):
            self._run(f"ALTER TABLE request_log DETACH PARTITION day_{number} {how}")
            self._run(f"DROP TABLE day_{number}")

    @contextmanager
    def reader(self, seconds: float) -> Iterator[None]:
        """Somebody who reads the table for so long, and has begun when the block does."""
        begun = threading.Event()

        def read() -> None:
            plain = sa.make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(plain) as connection:
                connection.execute("SELECT count(*) FROM request_log WHERE id < 1000")
                begun.set()
                time.sleep(seconds)

        thread = threading.Thread(target=read)
        thread.start()
        begun.wait()
        yield
        thread.join()


class MariaWorld:
    """MariaDB, durable, the same table."""

    def __init__(self, server: MariaDB, rows: int) -> None:
        self._server, self._port = server, server.port
        server.ask("CREATE DATABASE bench CHARACTER SET utf8mb4")
        self.url, self.expired = server.url("bench"), rows // 2
        self._connection: pymysql.Connection[Any] = server.connect("bench")
        self._run(
            "CREATE TABLE source (id bigint PRIMARY KEY, user_id varchar(20), created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, model varchar(40), "
            "path varchar(80), note varchar(400), INDEX (created_at))"
        )
        self._run(f"""
            INSERT INTO source SELECT seq, CONCAT('u_', LPAD(seq * 7919 % 50000, 6, '0')),
                TIMESTAMP '{_BEGINS}' + INTERVAL (CAST(seq AS SIGNED) - {self.expired}) SECOND,
                'gpt-4o', '/v1/chat/completions', REPEAT(MD5(seq), 9)
            FROM seq_0_to_{rows - 1}""")

    def fill(self) -> None:
        self._run("DROP TABLE IF EXISTS request_log")
        self._run("CREATE TABLE request_log LIKE source")
        self._run("INSERT INTO request_log SELECT * FROM source ORDER BY id")
        self._run("ANALYZE TABLE request_log")
        self._run("FLUSH TABLES")

    def raw(self) -> None:
        self._run(f"DELETE FROM request_log WHERE created_at < '{_BEGINS}'")

    def loop(self, rows: int) -> None:
        """As on PostgreSQL."""
        for low in range(-1, self.expired, rows):
            self._run(f"DELETE FROM request_log WHERE id > {low} AND id <= {low + rows} AND created_at < '{_BEGINS}'")
            self._connection.commit()

    def peer(self) -> None:
        """pt-archiver with all that makes it quick: bulk deletes, only the key read, one commit a batch."""
        words = ["pt-archiver", "--source", f"h=127.0.0.1,P={self._port},u=root,D=bench,t=request_log", "--purge"]
        words += ["--where", f"created_at < '{_BEGINS}'", "--bulk-delete", "--primary-key-only", "--commit-each"]
        subprocess.run([*words, "--limit", str(PEER_ROWS), "--no-check-charset"], check=True, capture_output=True)

    def left(self) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM request_log WHERE created_at < '{_BEGINS}'")
            row = cursor.fetchone()
        assert row is not None
        return int(str(row[0]))

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def close(self) -> None:
        self._connection.close()


class SqliteWorld:
    """SQLite in WAL mode, as an application with a writer beside readers has it; filled by a copy of the file."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._source, self._path = folder / "source.db", folder / "log.db"
        self.url, self.expired = f"sqlite:///{self._path}", rows // 2
        with closing(sqlite3.connect(self._source)) as connection, connection:
            connection.execute(
                "CREATE TABLE request_log (id INTEGER PRIMARY KEY, user_id TEXT, created_at TEXT, model TEXT, path TEXT, note TEXT)"
            )
            connection.execute(f"""
                WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < {rows - 1})
                INSERT INTO request_log SELECT n, printf('u_%06d', n * 7919 % 50000),
                    strftime('%Y-%m-%dT%H:%M:%S.000Z', '{_BEGINS}', (n - {self.expired}) || ' seconds'),
                    'gpt-4o', '/v1/chat/completions', printf('%0288d', n) FROM i""")
            connection.execute("CREATE INDEX request_log_created ON request_log (created_at)")
            connection.execute("ANALYZE")
        with closing(sqlite3.connect(self._source)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    def fill(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self._source, self._path)
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def raw(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("DELETE FROM request_log WHERE created_at < '2026-06-01T00:00:00.000Z'")

    def loop(self, rows: int) -> None:
        """As on PostgreSQL."""
        over = "created_at < '2026-06-01T00:00:00.000Z'"
        with closing(sqlite3.connect(self._path, timeout=60, isolation_level=None)) as connection:
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("PRAGMA synchronous = FULL")
            for low in range(-1, self.expired, rows):
                connection.execute(f"DELETE FROM request_log WHERE id > {low} AND id <= {low + rows} AND {over}")

    def left(self) -> int:
        with closing(sqlite3.connect(self._path)) as connection:
            found = connection.execute(
                "SELECT count(*) FROM request_log WHERE created_at < '2026-06-01T00:00:00.000Z'"
            ).fetchone()
        return int(found[0])


@contextmanager
def postgres_world(rows: int) -> Iterator[PostgresWorld]:
    with run_postgres(fsync=True, settings=_SETTINGS) as cluster, cluster.fresh_database() as url:
        world = PostgresWorld(url, rows)
        yield world
        world.close()


@contextmanager
def partition_world(rows: int) -> Iterator[PartitionWorld]:
    with run_postgres(fsync=True, settings=_SETTINGS) as cluster, cluster.fresh_database() as url:
        world = PartitionWorld(url, rows)
        yield world
        world.close()


@contextmanager
def maria_world(rows: int) -> Iterator[MariaWorld]:
    with run_mariadb(durable=True) as server:
        world = MariaWorld(server, rows)
        yield world
        world.close()


@contextmanager
def sqlite_world(rows: int) -> Iterator[SqliteWorld]:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        yield SqliteWorld(Path(folder), rows)
