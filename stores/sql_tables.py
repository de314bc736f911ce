"""The tables of a SQL store as they are now: columns, types, keys and the foreign keys that point at them."""

import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import KeyedColumnElement

from stores.contract import CollectionMissing, Field, FieldMissing
from stores.sql_engine import SqlEngine

RECEIPTS_TABLE = "kept_receipts"
# A schema changes seldom, but under a server that runs for months it does.
KNOWN_SECONDS = 30.0
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


class Family(StrEnum):
    """What a column's values are compared as."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    UUID = "uuid"
    TIMESTAMPTZ = "timestamptz"
    TIMESTAMP = "timestamp"
    DATE = "date"
    BLOB = "blob"  # SQLite: a column without an affinity, compared by storage class
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """A foreign key of another table (or this one) that points here. `action`: what a delete here would do there."""

    name: str
    table: sa.TableClause
    fields: tuple[str, ...]
    to_fields: tuple[str, ...]
    action: str
    own: bool  # the table points at itself


@dataclass(frozen=True, kw_only=True)
class KnownTable:
    """One table. `key`: the columns that batches go along, unique and never NULL; () where there are none."""

    at: str
    clause: sa.TableClause
    fields: tuple[Field, ...]
    families: dict[str, Family]
    primary_key: tuple[str, ...]
    key: tuple[str, ...]
    is_view: bool
    pointers: tuple[Pointer, ...] = dataclass_field(repr=False)

    def column(self, name: str, source: sa.FromClause | None = None) -> KeyedColumnElement[object]:
        """A column of the table, or of an alias of it."""
        if name not in self.families:
            raise FieldMissing(
                f"{self.at} has no field '{name}'.{_near(name, list(self.families))}",
                remedy="Correct the map; `kept doctor` names what does not fit.",
            )
        return (source if source is not None else self.clause).c[name]


class Tables:
    """Reflects tables when they are asked for and knows them for half a minute."""

    def __init__(self, engine: SqlEngine, schema: str | None) -> None:
        self._engine = engine
        self._schema = schema
        self._known: dict[str, tuple[float, KnownTable]] = {}

    def names(self) -> tuple[str, ...]:
        """All tables, `schema.table` outside the default schema; Kept's own receipts are none of the store's."""
        with self._engine.read() as connection:
            inspector = sa.inspect(connection)
            names = [name for name in inspector.get_table_names(self._schema) if name != RECEIPTS_TABLE]
            if self._engine.dialect == "postgresql":
                own = {self._schema or inspector.default_schema_name, "information_schema"}
                for schema in (name for name in inspector.get_schema_names() if name not in own):
                    names += [f"{schema}.{name}" for name in inspector.get_table_names(schema)]
                partitions = set(connection.scalars(sa.text(_PARTITIONS)))
                names = [name for name in names if name not in partitions]
        return tuple(sorted(names))

    def table(self, at: str) -> KnownTable:
        """The table of this name. Raises CollectionMissing."""
        known = self._known.get(at)
        if known is None or time.monotonic() - known[0] > KNOWN_SECONDS:
            with self._engine.read() as connection:
                known = (time.monotonic(), self._reflect(connection, at))
            self._known[at] = known
        return known[1]

    def forget(self) -> None:
        self._known.clear()

    def _reflect(self, connection: sa.Connection, at: str) -> KnownTable:
        inspector = sa.inspect(connection)
        schema, name = self._locate(inspector, at)
        columns = inspector.get_columns(name, schema)
        sqlite = self._engine.dialect == "sqlite"
        family_of: Callable[[sa.types.TypeEngine[object]], Family] = _sqlite_family if sqlite else _family
        families = {column["name"]: family_of(column["type"]) for column in columns}
        clause = sa.table(name, *(sa.column(column) for column in families), schema=schema)
        primary_key = tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"] or ())
        key = primary_key
        if sqlite and (rowid := _find_rowid(connection, clause, families)):
            clause = sa.table(name, *(sa.column(column) for column in (*families, rowid)), schema=schema)
            key = (rowid,)
        find_pointers = _sqlite_pointers if sqlite else _postgresql_pointers
        return KnownTable(
            at=at,
            clause=clause,
            fields=tuple(
                Field(name=column["name"], type=_type_word(column["type"]), nullable=bool(column["nullable"]))
                for column in columns
            ),
            families=families,
            primary_key=primary_key,
            key=key,
            is_view=name in inspector.get_view_names(schema),
            pointers=find_pointers(connection, name, schema),
        )

    def _locate(self, inspector: sa.Inspector, at: str) -> tuple[str | None, str]:
        # a dot may be part of a name: the whole is tried first
        schema, _, name = at.partition(".")
        for place in ((self._schema, at), (schema, name)):
            if place[1] and inspector.has_table(place[1], schema=place[0]):
                return place
        known = inspector.get_table_names(self._schema)
        raise CollectionMissing(
            f"The store {self._engine.name} has no table '{at}'.{_near(at, known)}",
            remedy="Correct `at:` in kept.yaml.",
        )


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), [word.lower() for word in known], n=3)
    words = [word for word in known if word.lower() in close]
    return f" It has {', '.join(words)}." if words else ""


def _type_word(kind: sa.types.TypeEngine[object]) -> str:
    if isinstance(kind, sa.types.NullType):
        return "unknown"
    try:
        return str(kind).lower()
    except sa.exc.CompileError:
        return type(kind).__name__.lower()


def _family(kind: sa.types.TypeEngine[object]) -> Family:
    if isinstance(kind, sa.DateTime):
        return Family.TIMESTAMPTZ if kind.timezone else Family.TIMESTAMP
    families: dict[type[Any], Family] = {
        sa.Date: Family.DATE,
        sa.Integer: Family.INTEGER,
        sa.Numeric: Family.NUMBER,
        sa.Float: Family.NUMBER,
        sa.Enum: Family.OTHER,
        sa.Uuid: Family.UUID,
        sa.String: Family.TEXT,
    }
    return next((family for known, family in families.items() if isinstance(kind, known)), Family.OTHER)


def _sqlite_family(kind: sa.types.TypeEngine[object]) -> Family:
    """SQLite compares by affinity, so text literals fit every column but one that has none."""
    if isinstance(kind, sa.types.NullType | sa.LargeBinary):
        return Family.BLOB
    return Family.TEXT if isinstance(kind, sa.String) else Family.OTHER


def _find_rowid(connection: sa.Connection, clause: sa.TableClause, families: dict[str, Family]) -> str | None:
    """A name under which SQLite gives the row's place; None for a view, and for a table WITHOUT ROWID."""
    taken = {name.lower() for name in families}
    name = next((name for name in _ROWID_NAMES if name not in taken), None)
    kind = connection.scalar(
        sa.text("SELECT type FROM sqlite_master WHERE name = :name COLLATE NOCASE"), {"name": clause.name}
    )
    if name is None or kind != "table":
        return None
    probe = sa.table(clause.name, sa.column(name), schema=clause.schema)
    try:
        connection.execute(sa.select(probe.c[name]).limit(0))
    except sa.exc.OperationalError:
        return None
    return name


def _sqlite_pointers(connection: sa.Connection, name: str, schema: str | None) -> tuple[Pointer, ...]:
    found: dict[tuple[str, int], list[tuple[str, str | None, str]]] = {}
    for row in connection.execute(sa.text(_SQLITE_POINTERS), {"name": name}):
        found.setdefault((row.child, row.id), []).append((row.own_field, row.to_field, row.action))
    pointers = []
    for (child, _), fields in found.items():
        to_fields = tuple(to for _, to, _ in fields if to)
        if len(to_fields) != len(fields):
            to_fields = tuple(sa.inspect(connection).get_pk_constraint(name, schema)["constrained_columns"])
        own_fields = tuple(own for own, _, _ in fields)
        pointers.append(
            Pointer(
                name=f"{child}({', '.join(own_fields)})",
                table=sa.table(child, *map(sa.column, own_fields)),
                fields=own_fields,
                to_fields=to_fields,
                action=fields[0][2].upper(),
                own=child.lower() == name.lower(),
            )
        )
    return tuple(pointers)


def _postgresql_pointers(connection: sa.Connection, name: str, schema: str | None) -> tuple[Pointer, ...]:
    rows = connection.execute(sa.text(_POSTGRESQL_POINTERS), {"name": name, "schema": schema})
    return tuple(
        Pointer(
            name=row.name,
            table=sa.table(row.child, *map(sa.column, row.fields), schema=row.child_schema),
            fields=tuple(row.fields),
            to_fields=tuple(row.to_fields),
            action={"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}.get(row.action, "NO ACTION"),
            own=row.own,
        )
        for row in rows
    )


_SQLITE_POINTERS = """
SELECT m.name AS child, f.id AS id, f."from" AS own_field, f."to" AS to_field, f.on_delete AS action
FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table' AND f."table" = :name COLLATE NOCASE ORDER BY m.name, f.id, f.seq
"""
_POSTGRESQL_POINTERS = """
SELECT c.conname AS name, child.relname AS child, space.nspname AS child_schema, c.confdeltype::text AS action,
       c.conrelid = c.confrelid AS own,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS fields,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(number, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place) AS to_fields
FROM pg_constraint c
JOIN pg_class child ON child.oid = c.conrelid
JOIN pg_namespace space ON space.oid = child.relnamespace
JOIN pg_class parent ON parent.oid = c.confrelid
JOIN pg_namespace parent_space ON parent_space.oid = parent.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND parent.relname = :name
  AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(parent.oid)
           ELSE parent_space.nspname = CAST(:schema AS text) END
ORDER BY c.conname
"""
_PARTITIONS = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relispartition
"""
