"""Reads a SQL store for the scanner: the catalogue in bulk, then a bounded look at each table, a failure of one named and left."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import exc

from core.detectors import Kind, kinds_of
from core.errors import KeptError
from stores.contract import CollectionMissing, StoreUnreachable
from stores.scanner_reading import LONGEST_VALUE, MAX_ROWS, Column, Link, Shape, Table, Unread
from stores.sql_engine import SqlEngine
from stores.sql_tables import Tables

LOCK_SECONDS = 2.0
TABLE_SECONDS = 10
CHUNK = 100
MOST_VALUES = 300  # values that are asked for at once
# A value larger than this is not taken apart by the server to show its beginning: it is left out of the sample.
LARGEST_BYTES = 1_000_000
_LARGE_SHAPES = {Shape.TEXT, Shape.JSON, Shape.LIST, Shape.OTHER}
_SHAPES: tuple[tuple[Shape, type[Any]], ...] = (
    (Shape.BOOLEAN, sa.Boolean),
    (Shape.DATE, sa.Date),
    (Shape.JSON, sa.JSON),
    (Shape.LIST, sa.ARRAY),
    (Shape.BINARY, sa.LargeBinary),
    (Shape.NUMBER, sa.Integer),
    (Shape.NUMBER, sa.Numeric),
    (Shape.NUMBER, sa.Float),
    (Shape.TEXT, sa.String),
    (Shape.TEXT, sa.Uuid),
)


class SqlSource:
    """A SQL database to be scanned. `schema` None: the connection's default."""

    def __init__(self, name: str, url: str, *, schema: str | None = None) -> None:
        self.name = name
        self._engine = SqlEngine(name, url, lock_seconds=LOCK_SECONDS)
        self._schema = schema
        self._tables = Tables(self._engine, schema)
        self._kinds: dict[tuple[str, str], sa.types.TypeEngine[Any]] = {}

    def names(self) -> tuple[str, ...]:
        return self._tables.names()

    def read(self, names: Sequence[str]) -> Iterator[Table | Unread]:
        for start in range(0, len(names), CHUNK):
            yield from self._read_chunk(names[start : start + CHUNK])

    def holds(self, at: str, column: str, values: Collection[str]) -> int:
        schema, name = self._place(at)
        kind = self._kinds.get((at, column), sa.Text())
        asked = list(_in_kind(kind, sorted(values)[:MOST_VALUES]))
        field = sa.table(name, sa.column(column, _asked_as(kind)), schema=schema).c[column]
        found = sa.select(sa.func.count(sa.distinct(field))).where(field.in_(asked))
        try:
            with self._engine.read() as connection:
                self._limit(connection)
                return int(connection.scalar(found) or 0) if asked else 0
        except KeptError:
            return 0

    def close(self) -> None:
        self._engine.close()

    def _read_chunk(self, names: Sequence[str]) -> Iterator[Table | Unread]:
        outlines, missing = self._outlines(names)
        yield from missing
        for outline in outlines:
            yield self._with_sample(outline)

    def _outlines(self, names: Sequence[str]) -> tuple[list[Table], list[Unread]]:
        places: dict[str | None, list[str]] = {}
        for at in names:
            schema, name = self._place(at)
            places.setdefault(schema, []).append(name)
        found: list[Table] = []
        missing: list[Unread] = []
        for schema, tables in places.items():
            try:
                read = self._catalogue(schema, tables)
            except StoreUnreachable:
                raise
            except (KeptError, exc.SQLAlchemyError) as error:
                why = error.message if isinstance(error, KeptError) else "its schema cannot be read"
                missing += [Unread(at=self._at(schema, name), why=why) for name in tables]
                continue
            found += read
            seen = {table.at for table in read}
            gone = (at for name in tables if (at := self._at(schema, name)) not in seen)
            missing += [Unread(at=at, why="it went while the schema was read") for at in gone]
        return found, missing

    def _catalogue(self, schema: str | None, names: Sequence[str]) -> list[Table]:
        with self._engine.read() as connection:
            inspector = sa.inspect(connection)
            asked: dict[str, Any] = {"schema": schema, "filter_names": list(names)}
            columns = inspector.get_multi_columns(**asked)
            keys = inspector.get_multi_pk_constraint(**asked)
            foreign = inspector.get_multi_foreign_keys(**asked)
            indexes = inspector.get_multi_indexes(**asked)
            unique = inspector.get_multi_unique_constraints(**asked)
        made = []
        for place, rows in columns.items():
            if not rows:
                continue
            key = tuple((keys.get(place) or {"constrained_columns": []})["constrained_columns"] or ())
            at = self._at(schema, place[1])
            self._kinds |= {(at, row["name"]): row["type"] for row in rows}
            first, alone = _indexed(key, indexes.get(place) or [], unique.get(place) or [])
            made.append(
                Table(
                    at=at,
                    columns=tuple(_column(row, first, alone) for row in rows),
                    key=key,
                    links=tuple(self._links(schema, foreign.get(place) or [])),
                )
            )
        return made

    def _links(self, schema: str | None, rows: Sequence[Mapping[str, Any]]) -> Iterator[Link]:
        for row in rows:
            own, to = row["constrained_columns"], row["referred_columns"]
            if len(own) == 1 and len(to) == 1:
                target = self._at(row.get("referred_schema") or schema, row["referred_table"])
                yield Link(field=own[0], to=target, to_field=to[0])

    def _with_sample(self, table: Table) -> Table | Unread:
        schema, name = self._place(table.at)
        taken = [column for column in table.columns if column.shape is not Shape.BINARY]
        clause = sa.table(name, *(sa.column(column.name) for column in table.columns), schema=schema)
        shown: list[sa.ColumnElement[Any]] = [
            self._shown(clause.c[column.name], column).label(f"c{place}") for place, column in enumerate(taken)
        ]
        try:
            with self._engine.read() as connection:
                self._limit(connection)
                rows = connection.execute(
                    sa.select(*(shown or [sa.literal(1)])).select_from(clause).limit(MAX_ROWS)
                ).all()
        except StoreUnreachable:
            self._still_there()
            return Unread(at=table.at, why="the store broke off while it was read")
        except CollectionMissing:
            return Unread(at=table.at, why="it went while it was read")
        except KeptError as error:
            return Unread(at=table.at, why=error.message)
        values = {
            column.name: tuple(_text(row[place]) for row in rows if row[place] is not None)
            for place, column in enumerate(taken)
        }
        return Table(
            at=table.at, columns=table.columns, key=table.key, links=table.links, rows=len(rows), values=values
        )

    def _shown(self, column: sa.ColumnElement[Any], known: Column) -> sa.ColumnElement[Any]:
        """The value as text, cut in the server: no large value, no date that Python has no word for travels."""
        if self._engine.dialect == "sqlite":
            # as bytes, since what SQLite calls text need not be UTF-8
            return sa.cast(sa.func.substr(sa.cast(column, sa.Text), 1, LONGEST_VALUE), sa.LargeBinary)
        text = sa.func.left(sa.cast(column, sa.Text), LONGEST_VALUE)
        if self._engine.dialect == "postgresql" and known.shape in _LARGE_SHAPES:
            return sa.case((sa.func.pg_column_size(column) < LARGEST_BYTES, text))
        return text

    def _limit(self, connection: sa.Connection) -> None:
        if self._engine.dialect == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {TABLE_SECONDS * 1_000}")

    def _still_there(self) -> None:
        with self._engine.read() as connection:
            connection.scalar(sa.text("SELECT 1"))

    def _place(self, at: str) -> tuple[str | None, str]:
        """A dot may be part of a name: what has a schema in front was named so by `Tables.names`."""
        if self._schema is None and "." in at and self._engine.dialect != "sqlite":
            schema, _, name = at.partition(".")
            if schema in self._schemas():
                return schema, name
        return self._schema, at

    def _at(self, schema: str | None, name: str) -> str:
        return name if schema == self._schema else f"{schema}.{name}"

    def _schemas(self) -> frozenset[str]:
        if not hasattr(self, "_known_schemas"):
            with self._engine.read() as connection:
                self._known_schemas = frozenset(sa.inspect(connection).get_schema_names())
        return self._known_schemas


def _indexed(
    key: tuple[str, ...], indexes: Sequence[Mapping[str, Any]], unique: Sequence[Mapping[str, Any]]
) -> tuple[set[str], set[str]]:
    """The columns that an index begins with, and those that alone are a key."""
    first, alone = set(key[:1]), set(key) if len(key) == 1 else set()
    for index in (*indexes, *unique):
        names = [name for name in index["column_names"] if name]
        first.update(names[:1])
        if (
            len(names) == 1
            and index.get("unique", True)
            and not (index.get("dialect_options") or {}).get("postgresql_where")
        ):
            alone.update(names)
    return first, alone


def _column(row: Mapping[str, Any], first: set[str], alone: set[str]) -> Column:
    kind = row["type"]
    try:
        word = str(kind).lower()
    except exc.CompileError:
        word = type(kind).__name__.lower()
    name = row["name"]
    shape = _shape(kind)
    return Column(
        name=name, type=word, shape=shape, nullable=bool(row["nullable"]), indexed=name in first, unique=name in alone
    )


def _shape(kind: Any) -> Shape:
    if isinstance(kind, sa.DateTime):
        return Shape.INSTANT if kind.timezone else Shape.NAIVE
    return next((shape for shape, known in _SHAPES if isinstance(kind, known)), Shape.OTHER)


def _asked_as(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """What values are bound as, so that the column stands bare in the question and an index serves it."""
    if isinstance(kind, sa.Integer):
        return sa.BigInteger()
    return sa.Uuid() if isinstance(kind, sa.Uuid) else sa.Text()


def _in_kind(kind: sa.types.TypeEngine[Any], values: Sequence[str]) -> Iterator[Any]:
    for value in values:
        if isinstance(kind, sa.Integer):
            if re.fullmatch(r"-?[0-9]{1,18}", value):
                yield int(value)
        elif isinstance(kind, sa.Uuid):
            if Kind.UUID in kinds_of(value):
                yield UUID(value)
        else:
            yield value


def _text(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | bytearray | memoryview) else str(value)
