"""What a person should know before work on a SQL table: what forbids it, what makes it slow, and the statement that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from core.settings import TimeField
from stores.sql_engine import SqlEngine
from stores.sql_partitions import Partitions, any_of
from stores.sql_pointers import is_indexed, unindexed
from stores.sql_tables import GONE_PREFIX, KnownTable

# a table of fewer rows is read through in no time
SMALL_ROWS: Final = 10_000
_READ_ONLY: Final = {
    "postgresql": "SELECT current_setting('transaction_read_only') = 'on'",
    "mariadb": "SELECT @@global.read_only = 1",
}
_REPLICA: Final = {"postgresql": "SELECT pg_is_in_recovery()"}
_PRIVILEGES: Final = """
SELECT p.name FROM unnest(ARRAY['SELECT', 'UPDATE', 'DELETE']) AS p(name)
WHERE NOT has_table_privilege(to_regclass(:quoted), p.name)
"""


def find(
    engine: SqlEngine, table: KnownTable, partitions: Partitions | None, times: Sequence[TimeField]
) -> tuple[str, ...]:
    """A sentence each. `times`: the fields that conditions compare."""
    if table.obstacle is not None:
        return (f"{table.at} {table.obstacle}: nothing can be deleted from it or changed in it.",)
    with engine.read() as connection:
        found = [
            *_forbidden(connection, table),
            *_slow_pointers(connection, table),
            *_slow_times(connection, table, times),
        ]
        if not table.primary_key:
            found.append(f"{table.at} has no primary key: a stream of it cannot be taken up again.")
        if partitions is not None and table.partitioned and (why := partitions.obstacle(connection, table)):
            found.append(f"Partitions of {table.at} that are over are emptied row by row: {why}.")
        found += _left_behind(connection, table)
    return tuple(found)


def _forbidden(connection: sa.Connection, table: KnownTable) -> Iterator[str]:
    if table.dialect in _REPLICA and connection.scalar(sa.text(_REPLICA[table.dialect])):
        yield "The database is a replica, which takes no changes: name its primary in the store's url."
    elif table.dialect in _READ_ONLY and connection.scalar(sa.text(_READ_ONLY[table.dialect])):
        yield f"The database is read-only: {_READ_ONLY_REMEDY[table.dialect]}"
    if table.dialect != "postgresql":
        return
    name = _name(connection, table.clause)
    missing = list(connection.scalars(sa.text(_PRIVILEGES), {"quoted": name}))
    if missing:
        words = ", ".join(missing)
        user = _quote(connection, str(connection.scalar(sa.text("SELECT current_user"))))
        yield f"Kept's user may not {words} on {table.at}: GRANT {words} ON {name} TO {user};"


def _slow_pointers(connection: sa.Connection, table: KnownTable) -> Iterator[str]:
    for pointer in unindexed(connection, table.pointers):
        statement = _create_index(connection, pointer.table, pointer.fields)
        yield (
            f"No index begins with {', '.join(pointer.fields)} of {pointer.table.name}, whose foreign key "
            f"{pointer.name} points at {table.at}: each delete here reads all of {pointer.table.name}. {statement}"
        )


def _slow_times(connection: sa.Connection, table: KnownTable, times: Sequence[TimeField]) -> Iterator[str]:
    inspector = sa.inspect(connection)
    for name in dict.fromkeys(field.name for field in times):
        if name not in table.families or is_indexed(inspector, table.clause, (name,)) or _is_small(connection, table):
            continue
        statement = _create_index(connection, table.clause, (name,), partitioned=table.partitioned)
        yield f"No index begins with {name} of {table.at}: each look reads all of it. {statement}"


def _left_behind(connection: sa.Connection, table: KnownTable) -> Iterator[str]:
    if table.dialect != "mariadb" or not table.partitioned:
        return
    for name in connection.scalars(sa.text(_GONE), {"schema": table.clause.schema, "like": f"{GONE_PREFIX}%"}):
        yield f"Records of a partition wait in {name}: the run that moved them there was cut off. Run it again."


def _is_small(connection: sa.Connection, table: KnownTable) -> bool:
    return connection.scalar(any_of(table.clause).offset(SMALL_ROWS)) is None


def _create_index(
    connection: sa.Connection, clause: sa.TableClause, fields: Sequence[str], *, partitioned: bool = False
) -> str:
    beside = " CONCURRENTLY" if connection.dialect.name == "postgresql" and not partitioned else ""
    listed = ", ".join(_quote(connection, field) for field in fields)
    name = "" if connection.dialect.name == "postgresql" else f" {_quote(connection, _index_name(clause.name, fields))}"
    return f"CREATE INDEX{beside}{name} ON {_name(connection, clause)} ({listed});"


def _index_name(table: str, fields: Sequence[str]) -> str:
    return f"{table}_{'_'.join(fields)}"[:60]


def _name(connection: sa.Connection, clause: sa.TableClause) -> str:
    return ".".join(_quote(connection, str(name)) for name in (clause.schema, clause.name) if name)


def _quote(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


_READ_ONLY_REMEDY: Final = {
    "postgresql": "ALTER DATABASE … RESET default_transaction_read_only; or name the primary in the store's url.",
    "mariadb": "SET GLOBAL read_only = 0; or name the primary in the store's url.",
}
_GONE: Final = """
SELECT TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_NAME LIKE :like
"""
