"""Connections to SQL stores: bounded in time, begun explicitly, and every driver error told in the store's own words."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc

from core.errors import ConfigurationError, KeptError
from stores.contract import CollectionMissing, FieldMissing, StoreBusy, StoreUnreachable

LOCK_SECONDS = 5.0
CONNECT_SECONDS = 5
# The indexes that a batch touches stay in memory while the next batch touches them again.
CACHE_KIB = 65_536
# A count over a large table may take its time; a batch that takes longer than a minute is too large for its table.
READ_TIMEOUT_MS, ACT_TIMEOUT_MS = 600_000, 60_000
_SETTINGS = {
    "statement_timeout": str(READ_TIMEOUT_MS),
    # without it the server goes on with the statement of a client that died
    "client_connection_check_interval": "1000",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "application_name": "kept",
}
_BUSY_STATES = {"55P03": "a lock was not given in time", "57014": "a time limit was reached", "40P01": "a deadlock"}
_MISSING_STATES = {"42P01": CollectionMissing, "3F000": CollectionMissing, "42703": FieldMissing}


class SqlEngine:
    """The engine of one store; `dialect` is `sqlite` or `postgresql`. It waits `lock_seconds` for a lock, then gives way."""

    def __init__(self, name: str, url: str, *, lock_seconds: float = LOCK_SECONDS) -> None:
        self.name = name
        parsed = sa.make_url(url)
        self.dialect = parsed.get_backend_name()
        if self.dialect == "sqlite":
            self._path: Path | None = _sqlite_path(name, parsed)
            self._engine = _make_sqlite(self._path, lock_seconds)
        elif self.dialect == "postgresql":
            self._path = None
            self._engine = _make_postgresql(parsed, lock_seconds)
        else:
            raise ConfigurationError(
                f"The url of the store {name} names '{self.dialect}'.", remedy="Use sqlite:/// or postgresql://."
            )
        self._identity: tuple[int, int] | None = None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent look, rolled back at the end."""
        with self._answering(), self._connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: committed at the end of the block, rolled back by any error."""
        with self._answering(), self._connect(kept_write=True) as connection, connection.begin():
            if self.dialect == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {ACT_TIMEOUT_MS}")
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def _connect(self, *, kept_write: bool = False) -> sa.Connection:
        if self._path is not None:
            self._notice_another_file(self._path)
        return self._engine.connect().execution_options(kept_write=kept_write)

    def _notice_another_file(self, path: Path) -> None:
        # A database restored over the old one is another file: a pooled connection would go on in the one that is gone.
        try:
            status = path.stat()
        except OSError as error:
            raise self._unreachable(f"{path}: {error.strerror}") from error
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            self._engine.dispose()
        self._identity = identity

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as error:
            raise self._told(error) from error
        except exc.TimeoutError as error:
            raise StoreBusy(f"All connections to the store {self.name} are in use.", remedy="Try again.") from error

    def _told(self, error: exc.DBAPIError) -> KeptError:
        """What a driver's error means. Its own text may quote a row, so only names and the first line of an outage go on."""
        original = error.orig
        if isinstance(original, sqlite3.Error):
            return self._told_by_sqlite(original)
        state = str(getattr(original, "sqlstate", None) or "")
        if state in _BUSY_STATES:
            return self._busy(_BUSY_STATES[state])
        if state in _MISSING_STATES:
            return _MISSING_STATES[state](
                f"The store {self.name} lacks a table or a column that was there before.",
                remedy="Compare the map with the schema: `kept doctor` names what does not fit.",
            )
        if isinstance(error, exc.IntegrityError):
            return self._refused(str(getattr(getattr(original, "diag", None), "constraint_name", None) or "unnamed"))
        if state == "42501":
            return KeptError(
                f"The store {self.name} does not permit this to its user.",
                remedy="Grant it SELECT, UPDATE and DELETE on the mapped tables.",
            )
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or not state or state[:2] in ("08", "57", "53"):
            return self._unreachable(_first_line(original))
        return KeptError(
            f"The store {self.name} refused a statement ({state}).", remedy="Its own log says which and why."
        )

    def _told_by_sqlite(self, original: sqlite3.Error) -> KeptError:
        text = _first_line(original)
        if "locked" in text or "busy" in text:
            return self._busy("another program held its write lock")
        if text.startswith("no such table"):
            return CollectionMissing(
                f"The store {self.name} has {text}.",
                remedy="Compare the map with the schema: `kept doctor` names what does not fit.",
            )
        if text.startswith("no such column"):
            return FieldMissing(
                f"The store {self.name} has {text}.",
                remedy="Compare the map with the schema: `kept doctor` names what does not fit.",
            )
        if isinstance(original, sqlite3.IntegrityError):
            return self._refused(text.removesuffix(" failed").removesuffix(" constraint"))
        if "readonly" in text:
            return KeptError(
                f"The file of the store {self.name} is read-only.", remedy="Give Kept the right to write it."
            )
        return self._unreachable(text)

    def _busy(self, why: str) -> StoreBusy:
        return StoreBusy(
            f"The store {self.name} was too busy: {why}. This batch was rolled back.",
            remedy="Run it again later, in smaller batches if it stays so.",
        )

    def _refused(self, constraint: str) -> KeptError:
        return KeptError(
            f"The store {self.name} refused this: the constraint {constraint} forbids it. Nothing of this batch was changed.",
            remedy="Cover the records that the constraint protects by a clause of their own, or change the constraint.",
        )

    def _unreachable(self, why: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"The store {self.name} did not answer: {why}.",
            remedy="Start it or correct its url, and run the same command again.",
        )


def _first_line(error: BaseException | None) -> str:
    lines = str(error or "no answer").strip().splitlines()
    return lines[0].rstrip(".") if lines else "no answer"


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
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, pool_size=2, max_overflow=8)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("kept_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_postgresql(url: sa.URL, lock_seconds: float) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        # plans are made for the bounds at hand, never kept for any bounds
        connect_args={"connect_timeout": CONNECT_SECONDS, "prepare_threshold": None},
    )
    settings = {**_SETTINGS, "lock_timeout": str(round(lock_seconds * 1_000))}
    sa.event.listen(engine, "connect", lambda connection, _record: _prepare_postgresql(connection, settings))
    return engine


def _prepare_postgresql(connection: Any, settings: Mapping[str, str]) -> None:
    # only what this server knows: client_connection_check_interval came with PostgreSQL 14
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(
                "SELECT set_config(%s, %s, false) WHERE current_setting(%s, true) IS NOT NULL", (name, value, name)
            )
    connection.commit()
