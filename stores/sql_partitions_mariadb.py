"""MariaDB's partitions: exchanged for an empty table of our own, looked at there, counted and dropped.

ALTER TABLE commits by itself there, so the count is written before the table with the records goes: the receipt commits first,
says nothing while that table is still there, and whoever takes the batch up again only has to drop it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from stores.contract import NotPermitted, Work
from stores.sql_engine import SqlEngine
from stores.sql_partitions import (
    LOCK_SECONDS,
    PATIENCE_SECONDS,
    Meant,
    Part,
    Patience,
    any_of,
    count_of,
    quoted,
    say,
    strays,
)
from stores.sql_receipts import Slip
from stores.sql_tables import GONE_PREFIX, KnownTable
from stores.times import Kind

Exact = Callable[[Work, sa.FromClause], sa.ColumnElement[bool]]
# functions of a time that never step back, so that a partition ends where the instant's own value says
_STEADY: Final = ("unix_timestamp", "to_days", "to_seconds", "year")
_KEY: Final = re.compile(r"(?:(\w+)\()?[`\"]((?:[^`\"]|``)+)[`\"]\)?")
_FIRST: Final = re.compile(r"\s*'?([^',]+)'?\s*(,|$)")
_BUSY: Final = (1205, 1969, 1213)
# not allowed to this user, or not possible for this table: its rows go one by one
_NOT_SO: Final = (1044, 1142, 1143, 1227, 1370, 1505, 1731, 1732, 1735, 1736, 1740)


class MariaPartitions:
    """`exact` compiles the whole condition of a work over a table."""

    def __init__(self, engine: SqlEngine, exact: Exact, *, patience: float = PATIENCE_SECONDS) -> None:
        self._engine = engine
        self._exact = exact
        self._patience = patience

    def expired(self, connection: sa.Connection, table: KnownTable, meant: Sequence[Meant]) -> Iterator[Part]:
        rows = _listed(connection, table)
        if self.obstacle(connection, table):
            return
        for row in rows:
            if any(_ends_before(connection, row, one) for one in meant):
                yield Part(name=row.name, about={"at": table.at, "later": row.later})

    def all_match(self, connection: sa.Connection, work: Work, table: KnownTable, part: Part) -> bool:
        clause = table.clause
        hint = f"PARTITION ({quoted(connection, part.name)})".replace("%", "%%")
        if connection.scalar(any_of(clause).with_hint(clause, hint)) is None:
            return False
        asked = (one.with_hint(clause, hint) for one in strays(clause, self._exact(work, clause)))
        return all(connection.scalar(one) is None for one in asked)

    def drop(self, work: Work, table: KnownTable, part: Part, slip: Slip) -> int:
        aside = _aside(table, part, slip)
        with self._engine.read() as connection:
            done = slip.found(connection)
            standing = _standing(connection, table, aside)
        if done is None:
            taken = standing is not None and self._holds_rows(aside)
            if not taken and not self._take_aside(work, table, part, aside):
                self._clear(aside)
                return 0
            done = self._settle(work, table, aside, slip)
            standing = True
        if standing is not None:
            self._clear(aside)
        return done

    def is_under_way(self, connection: sa.Connection, slip: Slip) -> bool:
        name = _aside_name(slip.words)
        return bool(slip.words) and connection.scalar(sa.text(_ANYWHERE), {"name": name}) is not None

    def obstacle(self, connection: sa.Connection, table: KnownTable) -> str:
        asked = {"name": table.clause.name, "schema": table.clause.schema}
        if any(row.below for row in connection.execute(sa.text(_PARTITIONS), asked)):
            return "its partitions have partitions of their own"
        return "it has triggers on DELETE" if connection.scalar(sa.text(_TRIGGERS), asked) else ""

    def _take_aside(self, work: Work, table: KnownTable, part: Part, aside: sa.TableClause) -> bool:
        """The partition's records stand in our table afterwards. False: its rows go one by one."""
        with self._engine.read() as connection:
            there = any(row.name == part.name for row in _listed(connection, table))
            if not there or not self.all_match(connection, work, table, part):
                return False
        try:
            self._make(table, aside)
        except NotPermitted:
            return False
        patience = Patience.begun(self._patience)
        while (moved := self._exchange(table, part, aside)) is None and not patience.over:
            patience.wait()
        return bool(moved)

    def _make(self, table: KnownTable, aside: sa.TableClause) -> None:
        with self._engine.alone() as connection:
            like, name = quoted(connection, table.clause.schema, table.clause.name), _name(connection, aside)
            say(connection, f"CREATE TABLE IF NOT EXISTS {name} LIKE {like}")
            if _standing(connection, table, aside):
                say(connection, f"ALTER TABLE {name} REMOVE PARTITIONING")

    def _exchange(self, table: KnownTable, part: Part, aside: sa.TableClause) -> bool | None:
        """None: the lock was not given; False: this table cannot. Nobody writes in between, so an emptied partition may go."""
        with self._engine.alone() as connection:
            name, partition = quoted(connection, table.clause.schema, table.clause.name), quoted(connection, part.name)
            try:
                say(connection, f"SET SESSION max_statement_time = {LOCK_SECONDS}")
                say(connection, f"LOCK TABLES {name} WRITE, {_name(connection, aside)} WRITE")
                say(connection, "SET SESSION max_statement_time = 60")
                say(
                    connection,
                    f"ALTER TABLE {name} EXCHANGE PARTITION {partition} WITH TABLE {_name(connection, aside)}",
                )
                if part.about["later"]:  # what comes for it now finds room in the next one
                    say(connection, f"ALTER TABLE {name} DROP PARTITION {partition}")
            except exc.DBAPIError as error:
                code = error.orig.args[0] if error.orig is not None and error.orig.args else 0
                if code in _BUSY:
                    return None
                if code in _NOT_SO:
                    return False
                raise
        return True

    def _settle(self, work: Work, table: KnownTable, aside: sa.TableClause, slip: Slip) -> int:
        """What must stay goes back, the rest is counted, and the receipt written: one transaction."""
        exact = self._exact(work, aside)
        stays = sa.not_(sa.func.coalesce(exact, sa.false(), type_=sa.Boolean()))
        columns = [field.name for field in table.fields if not field.generated]
        with self._engine.write() as connection:
            if (done := slip.found(connection)) is not None:
                return done
            total, over = connection.execute(count_of(aside, exact)).one()
            if total != over:
                found = sa.select(*(aside.c[name] for name in columns)).where(stays)
                connection.execute(sa.insert(table.clause).from_select(columns, found))
                connection.execute(sa.delete(aside).where(stays))
            slip.write(connection, over)
            return int(over)

    def _holds_rows(self, aside: sa.TableClause) -> bool:
        with self._engine.read() as connection:
            return connection.scalar(any_of(aside)) is not None

    def _clear(self, aside: sa.TableClause) -> None:
        with self._engine.alone() as connection:
            say(connection, f"DROP TABLE IF EXISTS {_name(connection, aside)}")


class _Row:
    """One partition of the list that the server gives."""

    def __init__(self, row: sa.Row[Any], *, later: bool) -> None:
        self.name: str = row.name
        self.columns = "COLUMNS" in str(row.method)
        self.key: str = row.expression or ""
        self.end: str = row.description or ""
        self.later = later


def _listed(connection: sa.Connection, table: KnownTable) -> list[_Row]:
    asked = {"name": table.clause.name, "schema": table.clause.schema}
    rows = [row for row in connection.execute(sa.text(_PARTITIONS), asked) if str(row.method).startswith("RANGE")]
    return [_Row(row, later=place < len(rows)) for place, row in enumerate(rows, start=1)]


def _ends_before(connection: sa.Connection, row: _Row, meant: Meant) -> bool:
    """Is every value in it less than the instant? Of a key of several columns the first one reaches up to its end."""
    key, end = _KEY.match(row.key), _FIRST.match(row.end)
    if key is None or end is None or end[1] == "MAXVALUE" or key[2].replace("``", "`") != meant.field.name:
        return False
    function = (key[1] or "").lower()
    if row.columns:
        found, instant = _column_end(end[1], meant), _comparable(meant.instant)
        return found is not None and (found < instant or (found == instant and not end[2]))
    if meant.form.kind is Kind.EPOCH:
        return not function and Decimal(end[1]) <= meant.instant
    if function not in _STEADY:
        return False
    reached = connection.scalar(sa.text(f"SELECT {function}(:instant)"), {"instant": meant.instant})
    return reached is not None and Decimal(end[1]) <= Decimal(str(reached))


def _column_end(end: str, meant: Meant) -> Any:
    try:
        return int(end) if meant.form.kind is Kind.EPOCH else datetime.fromisoformat(end)
    except ValueError:
        return None


def _comparable(instant: Any) -> Any:
    if isinstance(instant, date) and not isinstance(instant, datetime):
        return datetime.combine(instant, time())
    return instant


def _aside(table: KnownTable, part: Part, slip: Slip) -> sa.TableClause:
    """Our own table for one batch, under a name that the batch gives."""
    words = slip.words or f"{table.clause.schema or ''}/{table.clause.name}/{part.name}"
    return sa.table(_aside_name(words), *map(sa.column, table.families), schema=table.clause.schema)


def _aside_name(words: str) -> str:
    return GONE_PREFIX + hashlib.sha256(words.encode()).hexdigest()[:16]


def _standing(connection: sa.Connection, table: KnownTable, aside: sa.TableClause) -> bool | None:
    """Is our table there (None: no), and made of partitions still?"""
    asked = {"name": aside.name, "schema": table.clause.schema}
    row = connection.execute(sa.text(_OWN), asked).first()
    return None if row is None else "partitioned" in (row.options or "")


def _name(connection: sa.Connection, aside: sa.TableClause) -> str:
    return quoted(connection, aside.schema, aside.name)


_PARTITIONS = """
SELECT PARTITION_NAME AS name, PARTITION_METHOD AS method, PARTITION_EXPRESSION AS expression,
       PARTITION_DESCRIPTION AS description, SUBPARTITION_NAME AS below
FROM information_schema.PARTITIONS
WHERE TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_NAME = :name AND PARTITION_NAME IS NOT NULL
ORDER BY PARTITION_ORDINAL_POSITION
"""
_TRIGGERS = """
SELECT 1 FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = COALESCE(:schema, DATABASE()) AND EVENT_OBJECT_TABLE = :name
  AND EVENT_MANIPULATION = 'DELETE' LIMIT 1
"""
_OWN = """
SELECT CREATE_OPTIONS AS options FROM information_schema.TABLES
WHERE TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_NAME = :name
"""
_ANYWHERE = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME = :name LIMIT 1"
