"""Space that a SQL database keeps after records went, given back: only when asked, and never where it would stop its users."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc

from stores.sql_engine import READ_TIMEOUT_MS, SqlEngine
from stores.sql_tables import KnownTable

# Writing a table or a file anew is worth it for so much of it that is free.
WORTH: Final = 0.2
# SQLite's VACUUM keeps writers out: only where it is over soon, at a speed that most disks have.
STOP_SECONDS, BYTES_A_SECOND = 10.0, 50_000_000
PAGES_AT_ONCE: Final = 2_000
_NO_WAY: Final = (1845, 1846, 1031, 1142)


def reclaim_space(engine: SqlEngine, table: KnownTable) -> str:
    """Says in a sentence what was done, or why nothing was. Raises StoreBusy where a lock was not given in time."""
    if table.obstacle is not None:
        return f"{table.at} {table.obstacle}: it has no space to give back."
    if engine.dialect == "sqlite":
        return _sqlite(engine)
    return _mariadb(engine, table) if engine.dialect == "mariadb" else _postgresql(engine, table)


def _postgresql(engine: SqlEngine, table: KnownTable) -> str:
    """Not FULL: readers and writers go on. The space is free for new rows; what is free at the end goes back to the disk."""
    with engine.alone() as connection:
        name = _name(connection, table)
        size = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        before = connection.scalar(size, {"name": name}) or 0
        connection.exec_driver_sql(f"VACUUM (ANALYZE) {name}".replace("%", "%%"))
        after = connection.scalar(size, {"name": name}) or 0
    gave = f", {_bytes(before - after)} to the disk" if before > after else ""
    return f"VACUUM (ANALYZE) of {table.at}: its free space is open to new rows{gave}."


def _mariadb(engine: SqlEngine, table: KnownTable) -> str:
    """The table is rebuilt beside itself; reads and writes go on, but for a moment at either end."""
    with engine.alone() as connection:
        asked = {"name": table.clause.name, "schema": table.clause.schema}
        used, free = connection.execute(sa.text(_MARIADB_SIZES), asked).one()
        if not free or free < WORTH * (used + free):
            return f"{table.at} was not rebuilt: less than a fifth of it is free."
        connection.exec_driver_sql(f"SET SESSION max_statement_time = {READ_TIMEOUT_MS / 1_000}")
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")
        rebuild = f"ALTER TABLE {_name(connection, table)} FORCE, ALGORITHM=INPLACE, LOCK=NONE"
        try:
            connection.exec_driver_sql(rebuild.replace("%", "%%"))
        except exc.DBAPIError as error:
            if error.orig is None or error.orig.args[:1] not in tuple((code,) for code in _NO_WAY):
                raise
            return f"{table.at} was not rebuilt: that would keep its writers out, or Kept's user may not ALTER it."
    return f"{table.at} was rebuilt (ALTER TABLE … FORCE): up to {_bytes(free)} went back to the disk."


def _sqlite(engine: SqlEngine) -> str:
    path = engine.path
    if path is None:
        return "Nothing was done: the store is no file."
    with engine.alone() as connection:
        mode, free, pages, page = (
            int(connection.exec_driver_sql(f"PRAGMA {word}").scalar() or 0)
            for word in ("auto_vacuum", "freelist_count", "page_count", "page_size")
        )
        if free < WORTH * pages:
            return f"Nothing was done: less than a fifth of {path.name} is free."
        if mode == 2:
            return _by_and_by(connection, path, page)
        if why := _why_not_now(path, (pages - free) * page):
            return f"{path.name} was not written anew: {why}."
        connection.exec_driver_sql("VACUUM")
    return f"VACUUM of {path.name}: {_bytes(free * page)} to the disk."


def _by_and_by(connection: sa.Connection, path: Path, page: int) -> str:
    """Some pages at a time, so that writers come in between."""
    ends, given = time.monotonic() + 6 * STOP_SECONDS, 0
    while time.monotonic() < ends:
        before = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0)
        # it frees a page a step, and of a single statement without a result the driver takes one step
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
        after = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar() or 0)
        given += max(0, before - after)
        if not after or after >= before:
            break
    return f"PRAGMA incremental_vacuum of {path.name}: {_bytes(given * page)} to the disk."


def _why_not_now(path: Path, live: int) -> str:
    """VACUUM writes a copy and then the file again, and keeps writers out meanwhile."""
    seconds = live / BYTES_A_SECOND
    if seconds > STOP_SECONDS:
        return f"its writers would wait for about {seconds:.0f} s. Run VACUUM by hand, or set PRAGMA auto_vacuum = INCREMENTAL"
    left = shutil.disk_usage(path.parent).free
    needed = 2 * live + 10_000_000
    return f"that takes {_bytes(needed)} of the disk, and {_bytes(left)} are free" if left < needed else ""


def _name(connection: sa.Connection, table: KnownTable) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(quote(name) for name in (table.clause.schema, table.clause.name) if name)


def _bytes(number: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"


_MARIADB_SIZES: Final = """
SELECT DATA_LENGTH + INDEX_LENGTH AS used, DATA_FREE AS free FROM information_schema.TABLES
WHERE TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_NAME = :name
"""
