"""The bounds of batches in a SQL table: along a key, each found under the whole condition, none overlapping another."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa

from core.errors import KeptError
from stores.conditions import Before, Condition, conjuncts
from stores.contract import Batch, Deed, Work
from stores.sql_families import Family
from stores.sql_pointers import Pointer
from stores.sql_tables import KnownTable

# What a delete does to rows that point here without harming them; every other pointer keeps the row it points at.
_HARMLESS = ("SET NULL", "SET DEFAULT")


class BatchKey:
    """The columns that the batches of one work go along.

    The key of the table; without one, the time that the condition compares, so that records of one instant always go
    together; else the row's place where the server tells it (PostgreSQL); else none, and the work is one batch.
    """

    def __init__(self, table: KnownTable, where: Condition) -> None:
        if table.obstacle is not None:
            raise KeptError(
                f"{table.at} {table.obstacle}: nothing can be deleted from it or changed in it.",
                remedy="Map the tables it is made of, or make it a table that can.",
            )
        self._dialect = table.dialect
        self._table = table
        times = (part.field.name for part in conjuncts(where) if isinstance(part, Before))
        compared = [name for name in times if name in table.families]
        self.names = table.key or tuple(compared[:1]) or table.place
        self.columns: list[sa.ColumnElement[Any]] = [self._ordered(name) for name in self.names]

    def within(self, low: Any, high: Any) -> list[sa.ColumnElement[bool]]:
        """After `low` up to and with `high`; None is no bound."""
        if not self.columns:
            return []
        bounds = []
        if low is not None:
            bounds.append(self._against(low, operator.gt))
        if high is not None:
            bounds.append(self._against(high, operator.le))
        return bounds

    def nth(self, connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]], place: int) -> Any:
        """The key of the place-th matching row in key order, as JSON; None where there are fewer."""
        found = sa.select(*map(self._encoded, self.names, self.columns)).where(*where)
        return self._one(connection, found.order_by(*self.columns).offset(place - 1).limit(1))

    def last(self, connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> Any:
        """The greatest key of a matching row. OFFSET 0 lets the condition's index find the rows, not a walk along the key."""
        labelled = [column.label(f"k{place}") for place, column in enumerate(self.columns)]
        inner = sa.select(*labelled).where(*where).offset(0).subquery()
        columns: list[sa.ColumnElement[Any]] = list(inner.c)
        found = sa.select(*map(self._encoded, self.names, columns))
        return self._one(connection, found.order_by(*(column.desc() for column in columns)).limit(1))

    def _one(self, connection: sa.Connection, found: sa.Select[Any]) -> Any:
        row = connection.execute(found).first()
        if row is None:
            return None
        values = [{"hex": value.hex()} if isinstance(value, bytes) else value for value in row]
        return values if len(values) > 1 else values[0]

    def _encoded(self, name: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        # PostgreSQL's own text for a value reads back as exactly that value, whatever the type
        family = self._table.families.get(name)
        bare = (Family.INTEGER, Family.TEXT, Family.BLOB) if self._dialect == "mariadb" else (Family.INTEGER,)
        if self._dialect == "sqlite" or family in bare:
            return column
        return sa.cast(column, sa.Text())

    def _ordered(self, name: str) -> sa.ColumnElement[Any]:
        column: sa.ColumnElement[Any] = self._table.clause.c[name]
        if self._dialect == "mariadb" and self._table.families.get(name) is Family.ENUM:
            return sa.cast(column, sa.Text())  # sorted by its number, compared by its word
        return column

    def _against(self, bound: Any, compare: Callable[[Any, Any], Any]) -> sa.ColumnElement[bool]:
        values = [_untyped(value) for value in (bound if isinstance(bound, list | tuple) else [bound])]
        return compare_key(self._dialect, self.columns, values, compare)


def compare_key(
    dialect: str,
    columns: Sequence[sa.ColumnElement[Any]],
    values: Sequence[sa.ColumnElement[Any]],
    compare: Callable[[Any, Any], Any],
) -> sa.ColumnElement[bool]:
    """The key against values: `operator.gt` after them, `operator.le` up to them.

    MariaDB compares rows of values rightly, but without its index, so there it is written out."""
    if len(columns) == 1:
        return cast("sa.ColumnElement[bool]", compare(columns[0], values[0]))
    if dialect != "mariadb":
        return cast("sa.ColumnElement[bool]", compare(sa.tuple_(*columns), sa.tuple_(*values)))
    first, value = columns[0], values[0]
    rest = compare_key(dialect, columns[1:], values[1:], compare)
    if compare is operator.gt:
        return sa.and_(first >= value, sa.or_(first > value, rest))
    return sa.and_(first <= value, sa.or_(first < value, rest))


class Batches:
    """Finds batch after batch; remembers how far a work reaches, so that the rows behind it are not looked at."""

    def __init__(self) -> None:
        self._ends: dict[Work, Any] = {}

    def next(
        self,
        connection: sa.Connection,
        table: KnownTable,
        work: Work,
        search: Sequence[sa.ColumnElement[bool]],
        exact: Sequence[sa.ColumnElement[bool]],
        after: Batch | None,
    ) -> Batch | None:
        """`search` holds wherever `exact` does, and is quicker to look for."""
        key = BatchKey(table, work.where)
        low = after.high if after is not None else None
        if after is None and not self._any(connection, table, exact):
            return None
        if not key.columns:
            return Batch(low=None, high=None) if after is None else None
        if after is None or work not in self._ends:
            self._remember(work, key.last(connection, [*key.within(low, None), *search]))
        end = self._ends[work]
        if end is None or low == end:
            return None
        remaining = [*key.within(low, end), *search]
        high = key.nth(connection, remaining, work.batch_rows)
        if high is None and key.nth(connection, remaining, 1) is None:
            return None
        return Batch(low=low, high=end if high is None else high)

    def _any(self, connection: sa.Connection, table: KnownTable, exact: Sequence[sa.ColumnElement[bool]]) -> bool:
        found = sa.select(sa.literal(1)).select_from(table.clause).where(*exact).limit(1)
        return connection.scalar(found) is not None

    def _remember(self, work: Work, end: Any) -> None:
        if len(self._ends) >= 64:
            self._ends.clear()
        self._ends[work] = end


def deed_statement(
    work: Work, table: KnownTable, predicate: Sequence[sa.ColumnElement[bool]], values: Mapping[str, Any]
) -> sa.Delete | sa.Update:
    """One batch's statement; the whole condition stands in it."""
    if work.deed is Deed.DELETE:
        return sa.delete(table.clause).where(*predicate)
    return sa.update(table.clause).values(dict(values)).where(*predicate)


def unpointed(table: KnownTable) -> list[sa.ColumnElement[bool]]:
    """No row that a foreign key of another row points at: a delete would fail for its whole batch, or take that row along."""
    return [_no_row_points(table, pointer) for pointer in table.pointers if _holds(pointer)]


def _holds(pointer: Pointer) -> bool:
    # rows of one table that point at each other may go in one statement, unless going means taking others along
    return pointer.action not in _HARMLESS and (not pointer.own or pointer.action == "CASCADE")


def _no_row_points(table: KnownTable, pointer: Pointer) -> sa.ColumnElement[bool]:
    child = pointer.table.alias()
    own = {column.name.lower(): column for column in table.clause.c}
    pairs = zip(pointer.fields, pointer.to_fields, strict=True)
    same = [child.c[field] == own[to_field.lower()] for field, to_field in pairs]
    return ~sa.exists(sa.select(sa.literal(1)).select_from(child).where(*same).correlate(table.clause))


def _untyped(value: Any) -> sa.BindParameter[Any]:
    raw = bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
    return sa.bindparam(None, raw, type_=sa.types.NullType(), unique=True)
