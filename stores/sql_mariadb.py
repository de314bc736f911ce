"""Connections to MariaDB: strict, in UTC, reading what is committed, every wait bounded."""

import math
from typing import Any, Final

import sqlalchemy as sa

from core.errors import ConfigurationError

BACKENDS: Final = ("mariadb", "mysql")
# strict, so that no value is ever cut to fit, and a text that is no number is an error in a deed, not a nought
_SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

# Python's words for MariaDB's character sets; of one that is not here only ASCII is compared
_CODECS: Final = {
    "utf8mb4": "utf-8",
    "uca1400": "utf-8",
    "latin1": "cp1252",
    "latin2": "iso8859-2",
    "latin5": "iso8859-9",
    "latin7": "iso8859-13",
    "greek": "iso8859-7",
    "hebrew": "iso8859-8",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
}


def make_engine(url: sa.URL, lock_seconds: float, connect_seconds: int, read_seconds: float) -> sa.Engine:
    """Counts are of rows changed, not of rows found; times are told in UTC; every wait has an end."""
    engine = sa.create_engine(
        url.set(drivername="mariadb+pymysql"),
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        connect_args={
            "client_flag": 0,  # without FOUND_ROWS
            "charset": "utf8mb4",
            "connect_timeout": connect_seconds,
            "read_timeout": connect_seconds,  # a host that takes the connection and says nothing
        },
    )
    settings = _settings(lock_seconds, read_seconds)
    sa.event.listen(engine, "connect", lambda connection, _record: _prepare(connection, settings, read_seconds))
    return engine


def _settings(lock_seconds: float, read_seconds: float) -> str:
    patience = max(1, math.ceil(lock_seconds))
    return (
        f"SET SESSION time_zone = '+00:00', sql_mode = '{_SQL_MODE}', tx_isolation = 'READ-COMMITTED', "
        f"innodb_lock_wait_timeout = {patience}, lock_wait_timeout = {patience}, "
        f"max_statement_time = {read_seconds}, net_write_timeout = {round(read_seconds)}"
    )


def _prepare(connection: Any, settings: str, read_seconds: float) -> None:
    version = str(connection.get_server_info())
    if "mariadb" not in version.lower():
        raise ConfigurationError(
            f"The server is MySQL {version}, not MariaDB: its time limits and deletes work otherwise.",
            remedy="Use MariaDB 10.6 or later, or SQLite or PostgreSQL.",
        )
    with connection.cursor() as cursor:
        cursor.execute(settings)
    connection.commit()
    connection._read_timeout = read_seconds + 10  # the server's own limit comes first


def limit_statements(connection: sa.Connection, seconds: float) -> None:
    """No statement of this session takes longer."""
    connection.exec_driver_sql(f"SET SESSION max_statement_time = {seconds}")


def limit_locks(connection: sa.Connection, seconds: float) -> None:
    """How long a transaction of this session waits for a row; 0: not at all."""
    connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {math.ceil(seconds)}")


def abandon(connection: sa.Connection, result: sa.CursorResult[Any]) -> None:
    """Leaves a streamed result where it is: closed in order, the driver would read all the rest of it first."""
    unread = getattr(result.cursor, "_result", None)
    if unread is not None:
        unread.unbuffered_active = False
        unread.connection = None
    connection.invalidate()


def can_hold(collation: str | None, text: str) -> bool:
    """Can a column of this collation hold the text? Comparing it with what it cannot hold is an error there."""
    charset = (collation or "utf8mb4").partition("_")[0]
    if charset in ("utf8mb3", "utf8", "ucs2"):
        return all(character <= "\uffff" for character in text)
    try:
        text.encode(_CODECS.get(charset, "ascii"))
    except UnicodeEncodeError:
        return False
    return True


def in_unicode(text: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A text that is compared letter by letter, blanks at its end included, whatever its own collation."""
    converted = sa.func.convert(text.op("USING")(sa.literal_column("utf8mb4")), type_=sa.Text())
    return converted.collate("utf8mb4_nopad_bin")
