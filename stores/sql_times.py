"""Times in SQL columns: which form a column has, by its type and a sample, and the comparisons made of it.

Every comparison has the bare column on one side and a literal in the column's own form on the other, so an index serves it.
Text is compared as text, so each comparison also says what the text must look like: a value of another form that the
sample did not meet is counted among those without a time, and is never before anything.
"""

import re
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from core.settings import TimeField
from stores.contract import CannotCompare
from stores.sql_families import Family
from stores.sql_tables import KnownTable
from stores.times import Kind, Literal, TimeForm, find_number_form, find_text_form, name_shapes

SAMPLE_ENDS = 250  # rows at each end of the key
SAMPLE_PLACES, SAMPLE_ROWS = 10, 50  # and so many places between, of so many rows each
_NATIVE = {
    Family.TIMESTAMPTZ: Kind.AWARE,
    Family.TIMESTAMP: Kind.NAIVE,
    Family.DATE: Kind.DATE,
}
_LITERAL_TYPES: dict[Kind, sa.types.TypeEngine[Any]] = {
    Kind.AWARE: sa.TIMESTAMP(timezone=True),
    Kind.NAIVE: sa.TIMESTAMP(),
    Kind.DATE: sa.Date(),
    Kind.TEXT: sa.Text(),
    Kind.DATE_TEXT: sa.Text(),
    Kind.EPOCH: sa.BigInteger(),
}
_DIGITS = re.compile(r"[0-9]+([.][0-9]+)?", re.ASCII)
_MONTH_AND_DAY = "(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


def find_form(connection: sa.Connection, table: KnownTable, field: TimeField, dialect: str) -> TimeForm | None:
    """The form of a column; None while no row has a value in it. Raises CannotCompare."""
    column = table.column(field.name)
    family = table.family(field.name)
    if dialect != "sqlite" and family in _NATIVE:
        return _native_form(_NATIVE[family], table, field)
    values = _sample(connection, table, column, dialect)
    if not values:
        return TimeForm(kind=Kind.EPOCH, word=field.form) if field.form and field.form.startswith("epoch") else None
    if field.name not in table.families:
        values = _numbers_of_json(values)
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float | Decimal)]
    if len(texts) == len(values) and not (field.form or "").startswith("epoch"):
        return find_text_form(texts, field, table.at)
    if len(numbers) == len(values):
        return find_number_form(numbers, field, table.at)
    raise CannotCompare(
        f"{table.at}.{field.name} does not hold times of one kind: {name_shapes([str(value) for value in values])}.",
        remedy="Write them in one form, or name the right field in kept.yaml.",
    )


def time_column(
    table: KnownTable, field: TimeField, form: TimeForm, source: sa.FromClause | None = None
) -> sa.ColumnElement[Any]:
    """The column, or what a path finds in one, as what the form compares."""
    return (table.numbers if form.kind is Kind.EPOCH else table.column)(field.name, source)


def is_less(column: sa.ColumnElement[Any], form: TimeForm, instant: Any) -> sa.ColumnElement[bool]:
    """Only the comparison: it also holds for what is not a time, or not of this form. For searching, never for a deed."""
    return column < _literal(form, form.limit(instant))


def is_before(column: sa.ColumnElement[Any], form: TimeForm, instant: Any, dialect: str) -> sa.ColumnElement[bool]:
    return sa.and_(is_less(column, form, instant), *_guards(column, form, dialect, upper=False))


def is_after(column: sa.ColumnElement[Any], form: TimeForm, now: Any, dialect: str) -> sa.ColumnElement[bool]:
    return sa.and_(column > _literal(form, form.future_limit(now)), *_guards(column, form, dialect, upper=True))


def is_time(column: sa.ColumnElement[Any], form: TimeForm, dialect: str) -> sa.ColumnElement[bool]:
    return sa.and_(*_guards(column, form, dialect, upper=True))


def written(form: TimeForm, instant: Any) -> sa.ColumnElement[Any]:
    """The instant as a value to put into such a column."""
    return _literal(form, form.write(instant))


def _guards(
    column: sa.ColumnElement[Any], form: TimeForm, dialect: str, *, upper: bool
) -> list[sa.ColumnElement[bool]]:
    if form.kind in (Kind.TEXT, Kind.DATE_TEXT):
        return _text_guards(column, form, dialect)
    low, high = form.bounds()
    return [column >= _literal(form, low), *([column < _literal(form, high)] if upper else [])]


def _text_guards(column: sa.ColumnElement[Any], form: TimeForm, dialect: str) -> list[sa.ColumnElement[bool]]:
    with_clock = form.kind is Kind.TEXT
    if dialect == "sqlite":
        fraction = "." + "?" * form.digits if form.digits else ""
        pattern = "????-??-??" + (f"{form.separator}??:??:??{fraction}{form.suffix}" if with_clock else "")
        # GLOB holds every character that is not a digit to its place; julianday is NULL unless the rest are a time
        return [column.op("GLOB", is_comparison=True)(_text(pattern)), sa.func.julianday(column).is_not(None)]
    fraction = rf"\.[0-9]{{{form.digits}}}" if form.digits else ""
    suffix = form.suffix.replace("+", r"\+")
    clock = f"{form.separator}{_CLOCK}{fraction}{suffix}" if with_clock else ""
    pattern = f"^[0-9]{{4}}-{_MONTH_AND_DAY}{clock}"
    if dialect == "mariadb":
        return [column.op("REGEXP", is_comparison=True)(_text(pattern + r"\z"))]  # its $ lets a line's end follow
    return [column.op("~", is_comparison=True)(_text(pattern + "$"))]


def _literal(form: TimeForm, value: Literal) -> sa.ColumnElement[Any]:
    return sa.literal(value, _LITERAL_TYPES[form.kind])


def _text(value: str) -> sa.ColumnElement[str]:
    return sa.literal(value, sa.Text())


def _numbers_of_json(values: list[object]) -> list[object]:
    """What a path finds is text on some servers: digits alone are numbers."""
    plain = [str(value) for value in values]
    return [Decimal(text) for text in plain] if all(map(_DIGITS.fullmatch, plain)) else values


def _native_form(kind: Kind, table: KnownTable, field: TimeField) -> TimeForm:
    at = table.at
    if field.form and field.form.startswith("epoch"):
        raise CannotCompare(
            f"kept.yaml says {at}.{field.name} is {field.form}, but the column is a {kind}.",
            remedy="Leave `as:` out: the column's type says enough.",
        )
    if kind is Kind.NAIVE and field.zone is None:
        raise CannotCompare(
            f"{at}.{field.name} is a timestamp without a time zone.",
            remedy=f"Declare it in kept.yaml: {{field: {field.name}, zone: UTC}} or the zone it is in.",
        )
    word, digits = "date" if kind is Kind.DATE else "timestamp", table.digits.get(field.name, 6)
    return TimeForm(kind=kind, word=word, zone=field.zone, kept_digits=digits)


def _sample(connection: sa.Connection, table: KnownTable, column: sa.ColumnElement[Any], dialect: str) -> list[object]:
    """Values from both ends of the key and from places between; where they are rare, the first there are."""
    keys = [table.clause.c[name] for name in table.key]
    rows = sa.select(column.label("value"))
    parts = [rows.limit(2 * SAMPLE_ENDS)]
    if keys:
        backwards = [key.desc() for key in keys]
        parts = [rows.order_by(*keys).limit(SAMPLE_ENDS), rows.order_by(*backwards).limit(SAMPLE_ENDS)]
    if len(keys) == 1 and (dialect == "sqlite" or table.families.get(table.key[0]) is Family.INTEGER):
        parts += _places_between(connection, rows, keys[0])
    found = [value for part in parts for value in connection.scalars(part) if value is not None]
    return found or list(connection.scalars(rows.where(column.is_not(None)).limit(SAMPLE_ENDS)))


def _places_between(
    connection: sa.Connection, rows: sa.Select[Any], key: sa.ColumnElement[Any]
) -> list[sa.Select[Any]]:
    low = connection.scalar(sa.select(key).order_by(key).limit(1))
    high = connection.scalar(sa.select(key).order_by(key.desc()).limit(1))
    if not isinstance(low, int) or not isinstance(high, int):
        return []
    steps = range(1, SAMPLE_PLACES + 1)
    starts = [low + (high - low) * step // (SAMPLE_PLACES + 1) for step in steps]
    return [rows.where(key >= sa.literal(start, sa.BigInteger())).order_by(key).limit(SAMPLE_ROWS) for start in starts]
