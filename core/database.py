"""The control database: one engine, sessions with clear transactions, and the column types every room uses."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from core.clock import iso_utc, require_utc
from core.errors import BadInput, ConfigurationError, KeptError, Unreachable
from core.personal import Personal

BUSY_TIMEOUT_MS = 10_000
WRITER_PATIENCE_SECONDS = 60
# The driver of each dialect, whichever one the URL names: the others are not installed.
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
# The server answers, and does not let its user do this: no right to it, or a standby that only reads.
_FORBIDDEN_STATES = ("42501", "25006")


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An instant: timestamptz on PostgreSQL, ISO text of one form on SQLite, so that text order is time order."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(27))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return iso_utc(value) if dialect.name == "sqlite" else require_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
        return require_utc(value)


class PersonalText(sa.types.TypeDecorator[Personal]):
    """Text about a person: comes out of the database as `Personal`, so that no log, repr or traceback shows it."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Personal | str | None, dialect: Dialect) -> str | None:
        return value.reveal() if isinstance(value, Personal) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Personal | None:
        return None if value is None else Personal(value)


class Base(DeclarativeBase):
    """The tables of all rooms; each room declares its own."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcTime(), dict[str, Any]: sa.JSON(), list[Any]: sa.JSON()}  # noqa: RUF012


class Database:
    """The control database by its SQLAlchemy URL (`sqlite:///…` or `postgresql+psycopg://…`).

    A service opens the transaction of a use case with `begin()` (write) or `read()`; repositories never commit.
    On SQLite a write transaction takes the write lock at once (`BEGIN IMMEDIATE`), so two writers queue, not deadlock.
    SQLite waits by asking again and again, so that a thread beside busy ones could starve: they queue here before that.
    """

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.dialect = self.url.get_backend_name()
        self.engine = self._make_engine()
        self._turn = threading.Lock() if self.dialect == "sqlite" else None
        readers = self.engine.execution_options(kept_read_only=True)
        self._writing = sessionmaker(self.engine, expire_on_commit=False)
        self._reading = sessionmaker(readers, expire_on_commit=False)

    def _make_engine(self) -> Engine:
        # Parameters hold addresses and what people wrote; errors end up in logs.
        if self.dialect == "sqlite":
            engine = sa.create_engine(
                self.url,
                connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
                hide_parameters=True,
            )
            sa.event.listen(engine, "do_connect", _make_private)
            sa.event.listen(engine, "connect", _prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        return sa.create_engine(
            self.url, pool_pre_ping=True, pool_size=10, connect_args={"connect_timeout": 5}, hide_parameters=True
        )

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One write transaction: committed at the end of the block, rolled back by any error."""
        with self.answering(), self._in_turn(), self._writing() as session, session.begin():
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=WRITER_PATIENCE_SECONDS):
            raise Unreachable(
                f"The control database {self.url.render_as_string()} was busy for {WRITER_PATIENCE_SECONDS} seconds.",
                remedy="Do it again; if it goes on, see with `kept doctor` what writes to it.",
            )
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent read; what a caller writes in it is never committed."""
        with self.answering(), self._reading() as session:
            yield session

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Tells an outage, and a server that forbids what Kept needs, in words: Unreachable, ConfigurationError."""
        try:
            yield
        except DBAPIError as error:
            told = _told(self.url, error)
            if told is None:
                raise
            raise told from error

    def ping(self) -> None:
        """Raise Unreachable unless the database answers."""
        with self.read() as session:
            session.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:  # its text may quote a password
        raise ConfigurationError(
            "service.database is not the address of a database.", remedy="Use sqlite:/// or postgresql+psycopg://."
        ) from error
    driver = DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(
            f"service.database names '{parsed.get_backend_name()}'.", remedy="Use sqlite:/// or postgresql+psycopg://."
        )
    return parsed.set(drivername=driver)


def _told(url: sa.URL, error: DBAPIError) -> KeptError | None:
    """What an error of the driver means to whoever runs Kept; None where it is a fault of the code."""
    named = f"The control database {url.render_as_string(hide_password=True)}"
    if getattr(error.orig, "sqlstate", None) in _FORBIDDEN_STATES:
        return ConfigurationError(
            f"{named} does not permit this to its user: {_first_line(error)}.",
            remedy="Let the user of service.database own that database, on a server that is no standby.",
        )
    if isinstance(error, DataError) and "NUL" in str(error.orig):
        return BadInput("What was sent holds a character that no text has.", remedy="Type it again without it.")
    if isinstance(error, OperationalError | InterfaceError):
        return Unreachable(
            f"{named} did not answer: {_first_line(error)}.",
            remedy="Start or create it, or correct service.database, and run the same command again.",
        )
    return None


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig or "").strip().splitlines()
    return lines[0].rstrip(".") if lines else "no answer"


def _make_private(_dialect: Dialect, _record: Any, arguments: list[Any], _options: dict[str, Any]) -> None:
    # SQLite would make the file readable by everyone on the machine; its journal files take over the mode.
    if arguments and arguments[0] != ":memory:":
        with suppress(OSError):  # it is there, or SQLite itself says what is in the way
            os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # pysqlite must not begin transactions by itself: the begin hook does, and says which kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    read_only = connection.get_execution_options().get("kept_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
