"""PostgreSQL's partitions: detached without stopping writers, looked at again, counted and dropped in one transaction.

Between its bounds being stored and its count, a partition is in one of four places: attached, being detached, a table alone,
gone. Each look asks the server which, so that a process that was killed anywhere is gone on from where it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from stores.contract import CollectionMissing, StoreBusy, Work
from stores.sql_engine import READ_TIMEOUT_MS, SqlEngine
from stores.sql_partitions import (
    LOCK_SECONDS,
    PATIENCE_SECONDS,
    Meant,
    Part,
    Patience,
    any_of,
    quoted,
    say,
    still_away,
    strays,
)
from stores.sql_receipts import Slip
from stores.sql_tables import KnownTable
from stores.times import Kind

Exact = Callable[[Work, sa.FromClause], sa.ColumnElement[bool]]
_BOUND: Final = re.compile(r"FOR VALUES FROM \(.*\) TO \((.*)\)", re.DOTALL)
_VALUE: Final = re.compile(r"\s*('(?:[^']|'')*'|[^,\s]+)\s*(?:,|$)")
_OPEN: Final = ("MINVALUE", "MAXVALUE")
_TYPES: Final = {
    Kind.AWARE: "timestamptz",
    Kind.NAIVE: "timestamp",
    Kind.DATE: "date",
    Kind.EPOCH: "numeric",
}
# a lock, a time limit, a state that has moved on, a table that is gone, a deadlock: look again where it stands now
_AGAIN: Final = ("55P03", "57014", "55000", "42P01", "40P01")
_DEPENDED_ON, _FITS_NOT = "2BP01", "23514"


class _Place(Enum):
    ATTACHED = "attached"
    PENDING = "pending"
    ALONE = "alone"
    GONE = "gone"


class PostgresPartitions:
    """`exact` compiles the whole condition of a work over a partition."""

    def __init__(self, engine: SqlEngine, exact: Exact, *, patience: float = PATIENCE_SECONDS) -> None:
        self._engine = engine
        self._exact = exact
        self._patience = patience

    def expired(self, connection: sa.Connection, table: KnownTable, meant: Sequence[Meant]) -> Iterator[Part]:
        nodes = _tree(connection, table)
        if not nodes or self._why_not(connection, nodes):
            return
        old = {name for one in meant for name in _before(connection, nodes, one)}
        skipped: set[int] = set()
        for node in nodes:  # parents come before their children
            if node.parent in skipped or node.pending:
                skipped.add(node.oid)
            elif node.oid in old:
                skipped.add(node.oid)  # it goes with all that is below it
                yield _part(node)

    def all_match(self, connection: sa.Connection, work: Work, table: KnownTable, part: Part) -> bool:
        clause = _clause(table, part)
        if connection.scalar(any_of(clause)) is None:
            return False
        return all(connection.scalar(one) is None for one in strays(clause, self._exact(work, clause)))

    def drop(self, work: Work, table: KnownTable, part: Part, slip: Slip) -> int:
        patience = Patience.begun(self._patience)
        while True:
            with self._engine.read() as connection:
                if (done := slip.found(connection)) is not None:
                    return done
                place, parent, concurrently = _where_is(connection, part)
                if place is _Place.ATTACHED and not self.all_match(connection, work, table, part):
                    return 0
            if place is _Place.GONE:
                return 0  # somebody else dropped it
            if patience.over:
                if place is _Place.ATTACHED:
                    return 0  # its rows go one by one
                raise still_away(table, part, "another transaction keeps it")
            is_alone = place is _Place.ALONE or self._detach(part, parent, place, concurrently=concurrently)
            if is_alone and (rows := self._count_and_drop(work, table, part, slip, patience)) is not None:
                return rows
            patience.wait()

    def is_under_way(self, connection: sa.Connection, slip: Slip) -> bool:
        return False  # its receipt commits with its drop

    def obstacle(self, connection: sa.Connection, table: KnownTable) -> str:
        nodes = _tree(connection, table)
        return self._why_not(connection, nodes) if nodes else ""

    def _why_not(self, connection: sa.Connection, nodes: Sequence[_Node]) -> str:
        """Why this table goes by rows for now; '' where it does not."""
        seen = connection.execute(sa.text(_OBSTACLES), {"oids": [node.oid for node in nodes]}).one()
        for stands, why in zip(seen, _REASONS, strict=True):
            if stands:
                return why
        slow = connection.scalar(sa.text(_OLD_SNAPSHOTS), {"seconds": self._patience})
        return f"a transaction has been open for longer than {self._patience:.0f} seconds" if slow else ""

    def _detach(self, part: Part, parent: str, place: _Place, *, concurrently: bool) -> bool:
        """One try; whatever became of it, the next look tells."""
        how = "FINALIZE" if place is _Place.PENDING else "CONCURRENTLY" if concurrently else ""
        with self._engine.alone(lock_seconds=LOCK_SECONDS) as connection:
            return not _try(connection, f"ALTER TABLE {parent} DETACH PARTITION {_name(connection, part)} {how}")

    def _count_and_drop(self, work: Work, table: KnownTable, part: Part, slip: Slip, patience: Patience) -> int | None:
        """The count; 0 where something in it stays, and it was put back; None where it was not given the time."""
        clause = _clause(table, part)
        try:
            with self._engine.write() as connection:
                say(connection, f"SET LOCAL lock_timeout = {round(LOCK_SECONDS * 1_000)}")
                say(connection, f"SET LOCAL statement_timeout = {READ_TIMEOUT_MS}")
                say(connection, f"LOCK TABLE {_name(connection, part)} IN ACCESS EXCLUSIVE MODE")
                if (done := slip.found(connection)) is not None:
                    return done
                if self.all_match(connection, work, table, part):
                    total = int(connection.scalar(sa.select(sa.func.count()).select_from(clause)) or 0)
                    if _drop_table(connection, part, patience):
                        slip.write(connection, total)
                        return total
        except (StoreBusy, CollectionMissing):
            return None
        return 0 if self._put_back(table, part) else None

    def _put_back(self, table: KnownTable, part: Part) -> bool:
        """Rows of it stay: attach it again. What came for it meanwhile lies in the default partition, and moves with it."""
        with self._engine.alone(lock_seconds=LOCK_SECONDS) as connection:
            names = _names_of(connection, part.about["of"])
            if names is None:
                return False
            attach = f"ALTER TABLE {names[0]} ATTACH PARTITION {_name(connection, part)} {part.about['bound']}"
            state = _try(connection, attach, or_else=(_FITS_NOT,))
        if state != _FITS_NOT or names[1] is None:
            return not state
        columns = [field.name for field in table.fields if not field.generated]
        with self._engine.write() as connection:
            say(connection, f"SET LOCAL lock_timeout = {round(LOCK_SECONDS * 1_000)}")
            listed = ", ".join(quoted(connection, name) for name in columns)
            taken = f"DELETE FROM {names[1]} WHERE {part.about['rule']} RETURNING {listed}"  # noqa: S608 names, quoted
            put = f"INSERT INTO {_name(connection, part)} ({listed}) OVERRIDING SYSTEM VALUE"
            say(connection, f"WITH moved AS ({taken}) {put} SELECT {listed} FROM moved")  # noqa: S608 the same
            say(connection, attach)
        return True


class _Node:
    """One table of a tree of partitions, the root first."""

    def __init__(self, row: sa.Row[Any]) -> None:
        self.oid: int = row.oid
        self.parent: int = row.parent
        self.pending: bool = row.pending
        self.schema: str = row.space
        self.name: str = row.name
        self.bound: str = row.bound or ""
        self.rule: str = row.rule or ""
        self.key: str | None = row.key if row.strategy == "r" else None
        self.end: tuple[str, ...] = ()
        if match := _BOUND.fullmatch(self.bound):
            self.end = tuple(_VALUE.findall(match[1]))


def _tree(connection: sa.Connection, table: KnownTable) -> list[_Node]:
    asked = {"name": table.clause.name, "schema": table.clause.schema}
    return [_Node(row) for row in connection.execute(sa.text(_TREE), asked)]


def _before(connection: sa.Connection, nodes: Sequence[_Node], meant: Meant) -> list[int]:
    """The partitions that end at the instant or before it. The server itself compares, in the column's own type.

    A key of several columns reaches up to its end with the first column, unless the next one is MINVALUE."""
    if meant.form.kind not in _TYPES:
        return []
    keys = {node.oid: node.key for node in nodes}
    ends = [
        node for node in nodes if node.end and node.end[0] not in _OPEN and keys.get(node.parent) == meant.field.name
    ]
    bounds = [node.end[0].strip("'").replace("''", "'") for node in ends]
    compared = sa.text(_COMPARED.format(type=_TYPES[meant.form.kind]))
    found = connection.execute(compared, {"bounds": bounds, "instant": meant.instant}).all()
    pairs = zip(ends, found, strict=True)
    alone = ("", "MINVALUE")
    return [
        node.oid
        for node, (less, same) in pairs
        if less or (same and (node.end[1] if len(node.end) > 1 else "") in alone)
    ]


def _part(node: _Node) -> Part:
    about = {"schema": node.schema, "oid": node.oid, "of": node.parent, "bound": node.bound, "rule": node.rule}
    return Part(name=node.name, about=about)


def _clause(table: KnownTable, part: Part) -> sa.TableClause:
    return sa.table(part.name, *(sa.column(name) for name in table.families), schema=part.about["schema"])


def _name(connection: sa.Connection, part: Part) -> str:
    return quoted(connection, part.about["schema"], part.name)


def _where_is(connection: sa.Connection, part: Part) -> tuple[_Place, str, bool]:
    """Where it is, the name of its parent, and whether the server lets it be detached beside readers."""
    asked = {"oid": part.about["oid"], "name": part.name, "schema": part.about["schema"]}
    row = connection.execute(sa.text(_STANDING), asked).first()
    if row is None:
        return _Place.GONE, "", False
    if row.parent is None:
        return _Place.ALONE, "", False
    place = _Place.PENDING if row.pending else _Place.ATTACHED
    return place, quoted(connection, row.space, row.parent), not row.has_default


def _names_of(connection: sa.Connection, oid: int) -> tuple[str, str | None] | None:
    row = connection.execute(sa.text(_NAMES), {"oid": oid}).first()
    if row is None:
        return None
    default = quoted(connection, row.default_space, row.default_name) if row.default_name else None
    return quoted(connection, row.space, row.name), default


def _drop_table(connection: sa.Connection, part: Part, patience: Patience) -> bool:
    """Tables that it points at are locked for the moment of its going; False where something else stands on it."""
    while True:
        try:
            with connection.begin_nested():
                say(connection, f"DROP TABLE {_name(connection, part)}")
            return True
        except exc.DBAPIError as error:
            if _state(error) == _DEPENDED_ON:
                return False
            if _state(error) not in ("55P03", "40P01") or patience.over:
                raise
        patience.wait()


def _try(connection: sa.Connection, statement: str, *, or_else: Sequence[str] = ()) -> str:
    """The state that the statement ended with where looking again helps, '' where it was done."""
    try:
        say(connection, statement)
    except exc.DBAPIError as error:
        if _state(error) not in (*_AGAIN, *or_else):
            raise
        return _state(error)
    return ""


def _state(error: exc.DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


_REASONS: Final = (
    "Kept's user owns neither it nor all of its partitions",
    "foreign keys point at it",
    "it has triggers on DELETE",
    "its deletes are published to other databases",
    "views stand on its partitions",
    "another partition of it is being detached already",
)
_TREE = """
WITH RECURSIVE tree AS (
  SELECT c.oid, CAST(0 AS oid) AS parent, false AS pending, 0 AS depth
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relname = :name AND c.relkind = 'p'
    AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid)
             ELSE n.nspname = CAST(:schema AS text) END
  UNION ALL
  SELECT i.inhrelid, i.inhparent, i.inhdetachpending, t.depth + 1 FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
)
SELECT CAST(t.oid AS bigint) AS oid, CAST(t.parent AS bigint) AS parent, t.pending, n.nspname AS space, c.relname AS name,
       pg_get_expr(c.relpartbound, c.oid) AS bound, pg_get_partition_constraintdef(c.oid) AS rule,
       CAST(p.partstrat AS text) AS strategy, a.attname AS key
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_partitioned_table p ON p.partrelid = t.oid
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
ORDER BY t.depth, pg_get_expr(c.relpartbound, c.oid), c.relname
"""
_OBSTACLES = """
WITH tree AS (SELECT CAST(unnest(CAST(:oids AS bigint[])) AS oid) AS oid)
SELECT
  EXISTS (SELECT 1 FROM tree JOIN pg_class c USING (oid) WHERE NOT pg_has_role(c.relowner, 'USAGE')),
  EXISTS (SELECT 1 FROM tree JOIN pg_constraint k ON k.confrelid = tree.oid AND k.contype = 'f'),
  EXISTS (SELECT 1 FROM tree JOIN pg_trigger t ON t.tgrelid = tree.oid
          WHERE NOT t.tgisinternal AND t.tgtype & 8 <> 0 AND t.tgenabled <> 'D'),
  EXISTS (SELECT 1 FROM tree JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_publication_tables p ON p.schemaname = n.nspname AND p.tablename = c.relname
          JOIN pg_publication s ON s.pubname = p.pubname AND s.pubdelete),
  EXISTS (SELECT 1 FROM tree JOIN pg_class c USING (oid) JOIN pg_depend d ON d.refobjid = tree.oid
          WHERE c.relispartition AND d.classid = CAST('pg_rewrite' AS regclass)
            AND d.refclassid = CAST('pg_class' AS regclass)),
  EXISTS (SELECT 1 FROM tree JOIN pg_inherits i ON i.inhrelid = tree.oid AND i.inhdetachpending)
"""
# whose snapshots a detach would wait for: a backup that reads for hours, a forgotten transaction; never a VACUUM
_OLD_SNAPSHOTS = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
  AND backend_type <> 'autovacuum worker' AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
  AND xact_start < clock_timestamp() - make_interval(secs => :seconds) LIMIT 1
"""
_COMPARED = """
SELECT CAST(bound AS {type}) < CAST(:instant AS {type}), CAST(bound AS {type}) = CAST(:instant AS {type})
FROM unnest(CAST(:bounds AS text[])) WITH ORDINALITY AS b(bound, place) ORDER BY place
"""
_STANDING = """
SELECT parent.relname AS parent, space.nspname AS space, COALESCE(i.inhdetachpending, false) AS pending,
       COALESCE(p.partdefid <> 0, false) AS has_default
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
LEFT JOIN pg_namespace space ON space.oid = parent.relnamespace
LEFT JOIN pg_partitioned_table p ON p.partrelid = i.inhparent
WHERE c.oid = CAST(CAST(:oid AS bigint) AS oid) AND c.relname = :name AND n.nspname = :schema
"""
_NAMES = """
SELECT n.nspname AS space, c.relname AS name, dn.nspname AS default_space, d.relname AS default_name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_class d ON d.oid = p.partdefid AND p.partdefid <> 0
LEFT JOIN pg_namespace dn ON dn.oid = d.relnamespace
WHERE c.oid = CAST(CAST(:oid AS bigint) AS oid)
"""
