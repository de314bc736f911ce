"""Connections to SQL stores: bounded in time, begun explicitly, and every driver error told in the store's own words."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from psycopg.adapt import Loader
from sqlalchemy import exc

from core.errors import ConfigurationError, KeptError
from stores import sql_mariadb
from stores.contract import StoreBusy
from stores.sql_errors import Telling

LOCK_SECONDS = 5.0
CONNECT_SECONDS = 5
# The indexes that a batch touches stay in memory while the next batch touches them again.
CACHE_KIB = 65_536
# A count over a large table may take its time; a batch that takes longer than a minute is too large for its table.
READ_TIMEOUT_MS, ACT_TIMEOUT_MS = 600_000, 60_000
# Servers look for deadlocks after a second: who has given up by then is in none.
GIVE_WAY_MS = 50
_SETTINGS = {
    "statement_timeout": str(READ_TIMEOUT_MS),
    # without it the server goes on with the statement of a client that died
    "client_connection_check_interval": "1000",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "application_name": "kept",
    # it plans a cursor for its first tenth otherwise, and reads a whole table in its order
    "cursor_tuple_fraction": "1",
}


class SqlEngine:
    """The engine of one store; `dialect` is `sqlite`, `postgresql` or `mariadb`. It waits `lock_seconds` for a lock, then gives way."""

    def __init__(
        self, name: str, url: str, *, lock_seconds: float = LOCK_SECONDS, connect_seconds: int = CONNECT_SECONDS
    ) -> None:
        self.name = name
        self.lock_seconds = lock_seconds
        parsed = sa.make_url(url)
        self.dialect = parsed.get_backend_name()
        if self.dialect == "sqlite":
            self._path: Path | None = _sqlite_path(name, parsed)
            self._engine = _make_sqlite(self._path, lock_seconds)
        elif self.dialect == "postgresql":
            self._path = None
            self._engine = _make_postgresql(parsed, lock_seconds, connect_seconds)
        elif self.dialect in sql_mariadb.BACKENDS and parsed.database:
            self.dialect, self._path = "mariadb", None
            self._engine = sql_mariadb.make_engine(parsed, lock_seconds, connect_seconds, READ_TIMEOUT_MS / 1_000)
        else:
            raise ConfigurationError(
                f"The url of the store {name} names '{self.dialect}' and the database '{parsed.database or ''}'.",
                remedy="Use sqlite:///FILE, postgresql+psycopg://… or mariadb+pymysql://…/DATABASE.",
            )
        self._telling = Telling(name, self.dialect)
        self._identity: tuple[int, int] | None = None

    @property
    def path(self) -> Path | None:
        """SQLite's file."""
        return self._path

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent look, rolled back at the end."""
        with self._answering(), self._connect() as connection:
            self._limit(connection, READ_TIMEOUT_MS)
            yield connection

    @contextmanager
    def write(self, *, gives_way: bool = False) -> Iterator[sa.Connection]:
        """One transaction: committed at the end of the block, rolled back by any error. `gives_way`: it hardly waits for a
        lock, so that no program that waits for one of its locks is ever the one to be ended by a deadlock."""
        with self._answering(), self._connect(kept_write=True) as connection, connection.begin():
            self._limit(connection, ACT_TIMEOUT_MS)
            if gives_way and self.dialect == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {GIVE_WAY_MS}")
            elif self.dialect == "mariadb":
                sql_mariadb.limit_locks(connection, 0 if gives_way else self.lock_seconds)
            yield connection

    @contextmanager
    def alone(self, *, lock_seconds: float | None = None) -> Iterator[sa.Connection]:
        """For what may stand in no transaction: each statement commits by itself, and waits so long for a lock. What else is
        set on the connection ends with it; PostgreSQL's is used again, since one that knows its catalog answers sooner."""
        with self._answering(), self._connect(kept_alone=True) as connection:
            own, is_as_before = connection.execution_options(isolation_level="AUTOCOMMIT"), False
            try:
                self._wait_for_locks(own, lock_seconds)
                yield own
                self._wait_for_locks(own, lock_seconds and self.lock_seconds)
                is_as_before = self.dialect == "postgresql"
            finally:
                if not is_as_before:
                    connection.invalidate()

    def _wait_for_locks(self, connection: sa.Connection, seconds: float | None) -> None:
        if seconds is not None and self.dialect == "postgresql":
            connection.exec_driver_sql(f"SET lock_timeout = {round(seconds * 1_000)}")

    def told(self, error: exc.DBAPIError) -> KeptError:
        """A driver's error in the store's own words, for who goes on after it."""
        return self._telling.told(error)

    def close(self) -> None:
        self._engine.dispose()

    def _connect(self, **options: bool) -> sa.Connection:
        if self._path is not None:
            self._notice_another_file(self._path)
        return self._engine.connect().execution_options(**options)

    def _limit(self, connection: sa.Connection, milliseconds: int) -> None:
        if self.dialect == "mariadb":
            sql_mariadb.limit_statements(connection, milliseconds / 1_000)
        elif self.dialect == "postgresql" and milliseconds != READ_TIMEOUT_MS:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")

    def _notice_another_file(self, path: Path) -> None:
        # A database restored over the old one is another file: a pooled connection would go on in the one that is gone.
        try:
            status = path.stat()
        except OSError as error:
            raise self._telling.unreachable(f"{path}: {error.strerror}") from error
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            self._engine.dispose()
        self._identity = identity

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise self._telling.told(error) from error
        except UnicodeDecodeError as error:
            raise self._telling.unreadable() from error
        except OSError as error:  # a certificate that is not there is looked for by the driver, not by the server
            raise self._telling.unreachable(error.strerror or type(error).__name__) from error
        except exc.TimeoutError as error:
            raise StoreBusy(f"All connections to the store {self.name} are in use.", remedy="Try again.") from error


def _sqlite_path(name: str, url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            f"The url of the store {name} names no file.", remedy="Write sqlite:/// and the path of the database."
        )
    return Path(url.database)


def _make_sqlite(path: Path, lock_seconds: float) -> sa.Engine:
    # mode=rw: a file that is missing is an outage, not an empty database to be made
    uri = f"file:{quote(os.fspath(path.absolute()))}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=lock_seconds, isolation_level=None, check_same_thread=False)
        connection.text_factory = _text_or_bytes
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, pool_size=2, max_overflow=8)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("kept_alone", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("kept_write", False) else "BEGIN")


def _make_postgresql(url: sa.URL, lock_seconds: float, connect_seconds: int) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        connect_args={
            "connect_timeout": connect_seconds,
            # plans are made for the bounds at hand, never kept for any bounds
            "prepare_threshold": None,
            # a host that is gone is given up, also in the middle of a statement
            "keepalives_idle": 30,
            "tcp_user_timeout": 60_000,
        },
    )
    settings = {**_SETTINGS, "lock_timeout": str(round(lock_seconds * 1_000))}
    sa.event.listen(
        engine, "connect", lambda connection, _record: _prepare_postgresql(connection, settings), insert=True
    )
    return engine


class _TextOrBytes(Loader):
    """A database without an encoding may hold text in any: what is not UTF-8 comes as bytes."""

    def load(self, data: Any) -> str | bytes:
        return _text_or_bytes(bytes(data))


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _prepare_postgresql(connection: Any, settings: Mapping[str, str]) -> None:
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        for kind in ("text", "varchar", "bpchar", "name"):
            connection.adapters.register_loader(kind, _TextOrBytes)
    # only what this server knows: client_connection_check_interval came with PostgreSQL 14
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(
                "SELECT set_config(%s, %s, false) WHERE current_setting(%s, true) IS NOT NULL", (name, value, name)
            )
    connection.commit()
