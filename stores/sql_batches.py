"""The bounds of batches in a SQL table: along a key, each found under the whole condition, none overlapping another."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import limit

from core.errors import KeptError
from stores.conditions import Before, Condition, conjuncts
from stores.contract import Batch, Deed, Work
from stores.sql_families import Family
from stores.sql_pointers import Pointer
from stores.sql_tables import KnownTable

# What a delete does to rows that point here without harming them; every other pointer keeps the row it points at.
_HARMLESS = ("SET NULL", "SET DEFAULT")
_DENSE = 0.8


_FIRST = "first"


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

    def youngest(self, connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]], condition: Condition) -> Any:
        """The key of the matching row with the latest time, which an index on the time gives; None where no row matches, and
        without a time that is compared."""
        times = [part.field.name for part in conjuncts(condition) if isinstance(part, Before)]
        if not self.counts or not times or times[0] not in self._table.families:
            return None
        found = sa.select(*map(self._encoded, self.names, self.columns)).where(*where)
        return self._one(connection, found.order_by(self._table.clause.c[times[0]].desc()).limit(1))

    @property
    def counts(self) -> bool:
        """Is the key one column of whole numbers, each of which one row has at most?"""
        if not self._table.key or len(self.names) != 1:
            return False
        return self._dialect == "sqlite" or self._table.families.get(self.names[0]) is Family.INTEGER

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


@dataclass(kw_only=True)
class _Course:
    """How one work goes along its key. `end`: the key it goes up to; `sure`: no matching row had a greater one when that was
    asked. `dense`: in the last batch nearly every number between the bounds was a row that matched."""

    end: Any
    sure: bool
    dense: bool = False


class Batches:
    """Finds batch after batch; remembers how far a work reaches, so that the rows behind it are not looked at."""

    def __init__(self) -> None:
        self._courses: dict[Work, _Course] = {}
        self._stuck: set[str] = set()

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
            return self._first_ones(table, work, after, any_left=lambda: self._any(connection, table, exact))
        course = self._courses.get(work.matter)
        if after is None or course is None:
            course = self._begin(connection, key, work, search)
        if low == course.end:
            return None  # what has a greater key is found by the read-back, and by the look after it
        return self._within(connection, key, course, low, search, work)

    def _first_ones(
        self, table: KnownTable, work: Work, after: Batch | None, *, any_left: Callable[[], bool]
    ) -> Batch | None:
        """Without anything to go along: on MariaDB the first rows that match, again and again; else all at once."""
        if table.dialect != "mariadb" or table.pointers:
            return Batch(low=None, high=None) if after is None else None
        if after is None:
            self._stuck.discard(work.at)
        elif work.at in self._stuck or not any_left():
            return None
        return Batch(low=None, high={_FIRST: work.batch_rows})

    def note(self, work: Work, batch: Batch, rows: int) -> None:
        """How many rows a batch had, so that the next one need not be searched for where the key counts them up."""
        if is_of_first(batch) and not rows:
            self._stuck.add(work.at)
        course = self._courses.get(work.matter)
        if course is not None:
            whole = isinstance(batch.low, int) and isinstance(batch.high, int)
            course.dense = whole and rows >= _DENSE * (batch.high - batch.low)

    def _begin(
        self, connection: sa.Connection, key: BatchKey, work: Work, search: Sequence[sa.ColumnElement[bool]]
    ) -> _Course:
        """Up to the key of the youngest row that matches, which mostly is the greatest; else, and at a later look, up to the
        greatest."""
        end = None if work.look else key.youngest(connection, search, work.where)
        course = _Course(end=end, sure=False)
        if end is None:
            course = _Course(end=key.last(connection, search), sure=True)
        if len(self._courses) >= 64:
            self._courses.clear()
        self._courses[work.matter] = course
        return course

    def _within(
        self,
        connection: sa.Connection,
        key: BatchKey,
        course: _Course,
        low: Any,
        search: Sequence[sa.ColumnElement[bool]],
        work: Work,
    ) -> Batch | None:
        if course.end is None:
            return None
        rows = work.batch_rows
        if course.dense and key.counts and isinstance(low, int) and low + rows < course.end:
            return Batch(low=low, high=low + rows)  # at most so many rows have a whole number in between as their key
        remaining = [*key.within(low, course.end), *search]
        high = key.nth(connection, remaining, rows)
        if high is not None:
            return Batch(low=low, high=high)
        if course.sure or low is not None:
            return Batch(low=low, high=course.end) if key.nth(connection, remaining, 1) is not None else None
        # where the youngest row led, others may have greater keys
        course.end, course.sure = key.last(connection, [*key.within(low, None), *search]), True
        return self._within(connection, key, course, low, search, work)

    def _any(self, connection: sa.Connection, table: KnownTable, exact: Sequence[sa.ColumnElement[bool]]) -> bool:
        found = sa.select(sa.literal(1)).select_from(table.clause).where(*exact).limit(1)
        return connection.scalar(found) is not None


def is_of_first(batch: Batch) -> bool:
    """Is it of the first rows that match, however many of them an earlier try has done?"""
    return isinstance(batch.high, dict) and _FIRST in batch.high


def change_first(
    connection: sa.Connection,
    work: Work,
    table: KnownTable,
    batch: Batch,
    where: Sequence[sa.ColumnElement[bool]],
    values: Mapping[str, Any],
) -> int:
    """Do so many of the rows that match; a deed done twice does others, and none of them twice."""
    return connection.execute(deed_statement(work, table, where, values).ext(limit(batch.high[_FIRST]))).rowcount


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
