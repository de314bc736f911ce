"""Conditions as SQL: set-based, every column qualified and bare, NULL never matching, no value of a person in the text."""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from core.settings import TimeField
from stores.conditions import (
    AllOf,
    AnyOf,
    Before,
    Condition,
    Differs,
    Filled,
    Not,
    OneOf,
    Tells,
    Through,
    Unset,
    conjuncts,
)
from stores.sql_anonymise import tells
from stores.sql_deeds import differs, is_filled, untyped
from stores.sql_families import Family
from stores.sql_mariadb import can_hold, in_unicode
from stores.sql_tables import KnownTable
from stores.sql_times import is_before, is_less, time_column
from stores.times import TimeForm

# So many values stand in the statement on SQLite; more travel as one JSON text.
INLINE_VALUES = 200
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_BIGGEST = 2**63 - 1


class SqlConditions:
    """Compiles conditions over the tables that `table_of` gives, times in the forms that `form_of` finds."""

    def __init__(
        self,
        dialect: str,
        table_of: Callable[[str], KnownTable],
        form_of: Callable[[str, TimeField], TimeForm | None],
    ) -> None:
        self._dialect = dialect
        self._table_of = table_of
        self._form_of = form_of

    def compile(self, at: str, condition: Condition) -> sa.ColumnElement[bool]:
        """The condition over the table itself."""
        table = self._table_of(at)
        return self._compile(table, table.clause, condition)

    def compile_over(self, at: str, source: sa.FromClause, condition: Condition) -> sa.ColumnElement[bool]:
        """The condition over another name of the table."""
        return self._compile(self._table_of(at), source, condition)

    def compile_search(self, at: str, condition: Condition) -> sa.ColumnElement[bool]:
        """What holds wherever the condition holds, and little else: it finds the bounds of batches, which then hold the
        condition itself. Looking at what each text looks like costs as much as finding it."""
        table = self._table_of(at)
        return sa.and_(sa.true(), *(self._search(table, part) for part in conjuncts(condition)))

    def _search(self, table: KnownTable, condition: Condition) -> sa.ColumnElement[bool]:
        if isinstance(condition, Before) and (form := self._form_of(table.at, condition.field)) is not None:
            return is_less(time_column(table, condition.field, form), form, condition.instant)
        return self._compile(table, table.clause, condition)

    def _compile(self, table: KnownTable, source: sa.FromClause, condition: Condition) -> sa.ColumnElement[bool]:
        match condition:
            case Before(field=field, instant=instant):
                form = self._form_of(table.at, field)
                if form is None:
                    return sa.false()
                return is_before(time_column(table, field, form, source), form, instant, self._dialect)
            case OneOf(field=name, values=values):
                return self._one_of(table, source, name, values)
            case Unset(field=name):
                return table.column(name, source).is_(None)
            case Filled(field=name):
                return is_filled(table, name, source)
            case Tells(field=name):
                return tells(table, name, source)
            case Differs(field=name, value=value):
                return differs(table, name, value, source)
            case Through():
                return self._through(table, source, condition)
            case AllOf(parts=parts):
                return sa.and_(sa.true(), *(self._compile(table, source, part) for part in parts))
            case AnyOf(parts=parts):
                return sa.or_(sa.false(), *(self._compile(table, source, part) for part in parts))
            case Not(part=part):
                # a comparison with NULL is unknown to SQL, and a hold must not hold what it does not name
                inner = self._compile(table, source, part)
                return sa.not_(sa.func.coalesce(inner, sa.false(), type_=sa.Boolean()))

    def _one_of(
        self, table: KnownTable, source: sa.FromClause, name: str, values: Sequence[str]
    ) -> sa.ColumnElement[bool]:
        column, family = table.column(name, source), table.family(name)
        given = [value for value in dict.fromkeys(values) if value != ""]
        if self._dialect == "sqlite":
            return _sqlite_one_of(column, family, given)
        read, kind = _READERS.get(family, (_read_text, sa.Text()))
        fitting = [value for value in map(read, given) if value is not None]
        if not fitting:
            return sa.false()
        if self._dialect == "mariadb":
            return _mariadb_one_of(column, family, fitting, table.collations.get(name))
        if family is Family.ARRAY:  # one of its elements
            return sa.cast(column, ARRAY(sa.Text())).op("&&", is_comparison=True)(_array(fitting, kind))
        compared = column if family in _READERS else sa.cast(column, sa.Text())
        return compared == sa.any_(_array(fitting, kind))

    def _through(self, table: KnownTable, source: sa.FromClause, condition: Through) -> sa.ColumnElement[bool]:
        other = self._table_of(condition.at)
        alias = other.clause.alias()
        column = table.column(condition.field, source)
        target = other.column(condition.to_field, alias)
        families = table.family(condition.field), other.family(condition.to_field)
        where = [self._compile(other, alias, condition.where), target.is_not(None)]
        if self._dialect == "sqlite" or families[1] is Family.TEXT:
            where.append(target != sa.literal("", sa.Text()))
        if self._dialect != "sqlite" and families[0] is not families[1]:
            column, target = _as_text(column, families[0]), _as_text(target, families[1])
        elif table.collations.get(condition.field) != other.collations.get(condition.to_field):
            column, target = in_unicode(column), in_unicode(target)
        return column.in_(sa.select(target).where(*where).correlate(None))


def _sqlite_one_of(column: sa.ColumnElement[Any], family: Family, given: list[str]) -> sa.ColumnElement[bool]:
    # The column's affinity turns text into numbers where it holds numbers; without an affinity both stand there.
    values: list[str | int] = list(given)
    if family is Family.BLOB:
        values += [number for number in map(_read_integer, given) if number is not None]
    if not values:
        return sa.false()
    if len(values) <= INLINE_VALUES:
        return column.in_([untyped(value) for value in values])
    listed = sa.func.json_each(sa.literal(json.dumps(values, ensure_ascii=False), sa.Text())).table_valued("value")
    return column.in_(sa.select(listed.c.value).correlate(None))


def _mariadb_one_of(
    column: sa.ColumnElement[Any], family: Family, fitting: list[Any], collation: str | None
) -> sa.ColumnElement[bool]:
    # A text never stands against a number: there '1abc' equals 1. The driver writes a tuple as a list of literals.
    if family is Family.TEXT:
        fitting = [value for value in fitting if can_hold(collation, value)]
        if not fitting:
            return sa.false()
    if family is Family.BLOB:
        values: list[Any] = [value.encode() for value in fitting]
    else:
        values = [str(value) if family is Family.UUID else value for value in fitting]
    compared = column if family in _READERS or family is Family.BLOB else sa.cast(column, sa.Text())
    return compared.op("IN", is_comparison=True)(untyped(tuple(values)))


def _as_text(column: sa.ColumnElement[Any], family: Family) -> sa.ColumnElement[Any]:
    return column if family is Family.TEXT else sa.cast(column, sa.Text())


def _array(values: list[Any], kind: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(None, values, type_=ARRAY(kind), unique=True)


def _read_integer(text: str) -> int | None:
    number = int(text) if _INTEGER.fullmatch(text) else None
    return number if number is not None and abs(number) <= _BIGGEST else None


def _read_number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _read_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _read_text(text: str) -> str | None:
    # PostgreSQL has no text with a NUL in it, so nothing equals one
    return None if "\0" in text else text


_READERS: dict[Family, tuple[Callable[[str], Any], sa.types.TypeEngine[Any]]] = {
    Family.INTEGER: (_read_integer, sa.BigInteger()),
    Family.NUMBER: (_read_number, sa.Numeric()),
    Family.UUID: (_read_uuid, sa.Uuid()),
    Family.TEXT: (_read_text, sa.Text()),
}
