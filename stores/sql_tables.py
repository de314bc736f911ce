"""The tables of a SQL store as they are now: columns, types, keys and the foreign keys that point at them."""

import difflib
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import sqlalchemy as sa

from stores.contract import CollectionMissing, Field, FieldMissing
from stores.sql_engine import SqlEngine
from stores.sql_families import Family, digits_of, family_of, type_word
from stores.sql_paths import number_at, split_path, text_at
from stores.sql_pointers import Pointer, find_pointers

RECEIPTS_TABLE = "kept_receipts"
# what a partition of MariaDB is exchanged for, until what was in it is counted
GONE_PREFIX = "kept_gone_"
# A schema changes seldom, but under a server that runs for months it does.
KNOWN_SECONDS = 30.0
# An index over an expression is no key; SQLAlchemy says aloud that it cannot describe SQLite's.
warnings.filterwarnings("ignore", message="Skipped unsupported reflection of expression-based index")
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True, kw_only=True)
class KnownTable:
    """One table. `key`: the columns that batches go along, unique and never NULL; () where there are none.

    `obstacle`: why nothing may be changed here, None where it may. `collations`: of MariaDB's text columns."""

    at: str
    dialect: str
    clause: sa.TableClause
    fields: tuple[Field, ...]
    families: Mapping[str, Family]
    primary_key: tuple[str, ...]
    key: tuple[str, ...]
    place: tuple[str, ...] = ()  # where there is no key: the row's place, good for the bounds of a batch
    obstacle: str | None = None
    partitioned: bool = False
    digits: Mapping[str, int] = dataclass_field(default_factory=dict)
    collations: Mapping[str, str] = dataclass_field(default_factory=dict)
    pointers: tuple[Pointer, ...] = dataclass_field(default=(), repr=False)

    def column(self, name: str, source: sa.FromClause | None = None) -> sa.ColumnElement[Any]:
        """A column of the table, or of an alias of it; or what a path finds in a column of JSON."""
        if name in self.families:
            return self._plain(name, source)
        column, steps = self.path(name)
        return text_at(self.dialect, self._plain(column, source), steps)

    def numbers(self, name: str, source: sa.FromClause | None = None) -> sa.ColumnElement[Any]:
        """The same for a field that holds numbers: JSON gives its values as text."""
        if name in self.families:
            return self._plain(name, source)
        column, steps = self.path(name)
        return number_at(self.dialect, self._plain(column, source), steps)

    def family(self, name: str) -> Family:
        """The family of a field; of what a path finds, the one that it is compared as."""
        if name in self.families:
            return self.families[name]
        self.path(name)
        return Family.BLOB if self.dialect == "sqlite" else Family.TEXT

    def path(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The column and the steps of a field that lies in JSON. Raises FieldMissing."""
        column, steps = split_path(name)
        if not steps or column not in self.families:
            raise FieldMissing(
                f"{self.at} has no field '{column}'.{near(column, list(self.families))}",
                remedy="Correct the map; `kept doctor` names what does not fit.",
            )
        if self.dialect == "postgresql" and self.families[column] is not Family.JSON:
            raise FieldMissing(
                f"{self.at}.{column} is not of a JSON type, so '{name}' names nothing in it.",
                remedy="Map the column itself, or make it jsonb.",
            )
        return column, steps

    def field(self, name: str) -> Field:
        """What is known of a column. Raises FieldMissing."""
        self.column(name)
        return next(field for field in self.fields if field.name == name)

    def _plain(self, name: str, source: sa.FromClause | None) -> sa.ColumnElement[Any]:
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
            names = [name for name in names if not name.startswith(GONE_PREFIX)]
            if self._engine.dialect == "mariadb":
                versioned = connection.scalars(sa.text(_VERSIONED), {"schema": self._schema})
                names = sorted({*names, *versioned})
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
        inspector, dialect = sa.inspect(connection), self._engine.dialect
        schema, name = self._locate(inspector, at)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SAWarning)  # a type that SQLAlchemy does not know is none of ours
            columns = inspector.get_columns(name, schema)
        if dialect == "mariadb":
            for column in columns:
                column["name"] = _unquoted(column["name"])
        families = {column["name"]: family_of(dialect, column["type"]) for column in columns}
        if dialect == "mariadb":  # whose JSON is text with a check
            families |= dict.fromkeys(_json_columns(connection, name, schema) & set(families), Family.JSON)
        clause = sa.table(name, *(sa.column(column) for column in families), schema=schema)
        obstacle, partitioned = _nature(connection, dialect, name, schema)
        primary_key = tuple(map(_unquoted, inspector.get_pk_constraint(name, schema)["constrained_columns"] or ()))
        key = primary_key
        if dialect == "sqlite" and (rowid := _find_rowid(connection, clause, families)):
            clause = sa.table(name, *(sa.column(column) for column in (*families, rowid)), schema=schema)
            key = (rowid,)
        elif not key and dialect != "sqlite":
            key = _unique_key(inspector, name, schema, {column["name"] for column in columns if column["nullable"]})
        place: tuple[str, ...] = ()
        if not key and dialect == "postgresql" and obstacle is None and not partitioned:
            clause = sa.table(name, *(sa.column(column) for column in (*families, "ctid")), schema=schema)
            place = ("ctid",)
        return KnownTable(
            at=at,
            dialect=dialect,
            clause=clause,
            fields=tuple(map(_field, columns)),
            families=families,
            primary_key=primary_key,
            key=key,
            place=place,
            obstacle=obstacle,
            partitioned=partitioned,
            digits={column["name"]: digits_of(dialect, column["type"]) for column in columns},
            collations=_collations(connection, name, schema) if dialect == "mariadb" else {},
            pointers=find_pointers(dialect, connection, name, schema),
        )

    def _locate(self, inspector: sa.Inspector, at: str) -> tuple[str | None, str]:
        # a dot may be part of a name: the whole is tried first
        schema, _, name = at.partition(".")
        for place in ((self._schema, at), (schema, name)):
            if place[1] and inspector.has_table(place[1], schema=place[0]):
                return place
        known = inspector.get_table_names(self._schema)
        raise CollectionMissing(
            f"The store {self._engine.name} has no table '{at}'.{near(at, known)}",
            remedy="Correct `at:` in kept.yaml.",
        )


def near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), [word.lower() for word in known], n=3)
    words = [word for word in known if word.lower() in close]
    return f" It has {', '.join(words)}." if words else ""


def _find_rowid(connection: sa.Connection, clause: sa.TableClause, families: Mapping[str, Family]) -> str | None:
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


def _unquoted(name: str) -> str:
    return name.replace("``", "`")  # SQLAlchemy leaves MariaDB's quoting of a backtick in the name


def _field(column: Any) -> Field:
    return Field(
        name=column["name"],
        type=type_word(column["type"]),
        nullable=bool(column["nullable"]),
        generated="computed" in column or bool((column.get("identity") or {}).get("always")),
    )


def _json_columns(connection: sa.Connection, name: str, schema: str | None) -> set[str]:
    return set(connection.scalars(sa.text(_MARIADB_JSON), {"name": name, "schema": schema}))


def _collations(connection: sa.Connection, name: str, schema: str | None) -> dict[str, str]:
    rows = connection.execute(sa.text(_MARIADB_COLLATIONS), {"name": name, "schema": schema})
    return {row.field: row.collation for row in rows}


def _unique_key(inspector: sa.Inspector, name: str, schema: str | None, nullable: set[str]) -> tuple[str, ...]:
    """The columns of a unique index over whole columns that are never NULL: as good as a primary key."""
    for index in inspector.get_indexes(name, schema):
        columns = [column for column in index["column_names"] if column is not None]
        whole = len(columns) == len(index["column_names"]) and not nullable & set(columns)
        partial = any(option.endswith("_where") for option in index.get("dialect_options", {}))
        if index["unique"] and columns and whole and not partial:
            return tuple(columns)
    return ()


def _nature(connection: sa.Connection, dialect: str, name: str, schema: str | None) -> tuple[str | None, bool]:
    """Why nothing may be changed in what bears this name (None: it may), and whether it is made of partitions."""
    asked = {"name": name, "schema": schema}
    if dialect == "sqlite":
        kind = connection.scalar(sa.text("SELECT type FROM sqlite_master WHERE name = :name COLLATE NOCASE"), asked)
        return ("is a view" if kind == "view" else None), False
    row = connection.execute(sa.text(_NATURES[dialect]), asked).first()
    if row is None:
        return None, False
    if dialect == "postgresql":
        return _RELATIONS.get(row.kind), row.kind == "p"
    if row.kind == "SYSTEM VERSIONED":
        return "keeps every version of a row that was deleted (system versioning)", False
    if row.kind == "VIEW":
        return "is a view", False
    careless = None if row.transactions == "YES" else f"is stored by {row.engine}, which cannot take a batch back"
    return careless, "partitioned" in (row.options or "")


_RELATIONS = {
    "v": "is a view",
    "m": "is a materialised view",
    "f": "is a foreign table",
}
_NATURES = {
    "postgresql": """
SELECT c.relkind::text AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = :name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid)
           ELSE n.nspname = CAST(:schema AS text) END
""",
    "mariadb": """
SELECT t.TABLE_TYPE AS kind, t.ENGINE AS engine, t.CREATE_OPTIONS AS options, e.TRANSACTIONS AS transactions
FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
WHERE t.TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND t.TABLE_NAME = :name
""",
}
_MARIADB_JSON = """
SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_NAME = :name AND LEVEL = 'Column'
  AND CHECK_CLAUSE LIKE 'json_valid(%'
"""
# tables that SQLAlchemy leaves out of its list
_VERSIONED = """
SELECT TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_TYPE = 'SYSTEM VERSIONED'
"""
_MARIADB_COLLATIONS = """
SELECT COLUMN_NAME AS field, COLLATION_NAME AS collation FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = COALESCE(:schema, DATABASE()) AND TABLE_NAME = :name AND COLLATION_NAME IS NOT NULL
"""
_PARTITIONS = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relispartition
"""
