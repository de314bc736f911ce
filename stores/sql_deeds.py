"""What a deed that leaves the row writes into it: a time, nothing or the neutral value, what is right."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from core.errors import KeptError
from stores.contract import Field
from stores.sql_families import Family
from stores.sql_mariadb import in_unicode
from stores.sql_paths import path_is_filled, split_path, with_value
from stores.sql_tables import KnownTable

# what stands in a column that may not be NULL once its value is gone
_NEUTRAL: Final[Mapping[Family, Any]] = {
    Family.TEXT: "",
    Family.INTEGER: 0,
    Family.NUMBER: 0,
    Family.BOOLEAN: False,
    Family.UUID: "00000000-0000-0000-0000-000000000000",
    Family.JSON: "{}",
    Family.ARRAY: "{}",
    Family.BLOB: b"",
}
_SQLITE_TIMES: Final = ("date", "time")


def redactions(table: KnownTable, names: tuple[str, ...]) -> dict[str, Any]:
    """What stands in each column afterwards: NULL, or the neutral value where it may not be NULL."""
    return _assignments(table, tuple((name, None) for name in names), emptied=True)


def corrections(table: KnownTable, given: tuple[tuple[str, str | None], ...]) -> dict[str, Any]:
    """The given values, as text that the server reads as the column's own type."""
    return _assignments(table, given, emptied=False)


def neutral(table: KnownTable, field: Field) -> Any:
    """The value that says nothing, for a column that may not be NULL. Raises KeptError where the type has none."""
    family = table.families[field.name]
    if table.dialect == "sqlite" and family is Family.OTHER:
        timed = any(word in field.type for word in _SQLITE_TIMES)
        family = Family.ENUM if timed else Family.INTEGER
    if family not in _NEUTRAL:
        raise KeptError(
            f"{table.at}.{field.name} may not be NULL, and its type ({field.type}) has no value that says nothing.",
            remedy="Let the column be NULL, or delete the record instead.",
        )
    return _NEUTRAL[family]


def is_filled(table: KnownTable, name: str, source: sa.FromClause | None = None) -> sa.ColumnElement[bool]:
    """Does the field hold anything that redacting would take away?"""
    column = table.column(name, source)
    if name not in table.families:
        path_column, steps = table.path(name)
        return path_is_filled(table.dialect, table.column(path_column, source), steps)
    field = table.field(name)
    if field.nullable:
        return column.is_not(None)
    empty = neutral(table, field)
    if table.dialect == "postgresql" and table.families[name] in (Family.JSON, Family.ARRAY, Family.UUID):
        column = sa.cast(column, sa.Text())  # json has no equality of its own
    return column != untyped(empty)


def differs(
    table: KnownTable, name: str, value: str | None, source: sa.FromClause | None = None
) -> sa.ColumnElement[bool]:
    """Is the value another than this one, to the letter, whatever the collation takes for the same?"""
    column, family = table.column(name, source), table.family(name)
    if value is None:
        return column.is_not(None) if name in table.families else is_filled(table, name, source)
    if table.dialect == "postgresql" and family in (Family.TEXT, Family.JSON):
        if family is Family.JSON:
            given = sa.cast(sa.literal(value, sa.Text()), JSONB())
            return sa.cast(column, JSONB()).is_distinct_from(given)
        return sa.cast(column, sa.Text()).collate("C").is_distinct_from(sa.literal(value, sa.Text()))
    if table.dialect == "mariadb" and family is Family.TEXT:
        return in_unicode(column).is_distinct_from(sa.literal(value, sa.Text()))
    if table.dialect == "sqlite" and name in table.families:
        return column.collate("BINARY").is_distinct_from(untyped(value))
    return column.is_distinct_from(untyped(value))


def untyped(value: Any) -> sa.BindParameter[Any]:
    """A value that the server reads as the type of what it stands against."""
    return sa.bindparam(None, value, type_=sa.types.NullType(), unique=True)


def _assignments(table: KnownTable, given: tuple[tuple[str, str | None], ...], *, emptied: bool) -> dict[str, Any]:
    if not given:
        raise KeptError(f"{table.at}: this deed takes the fields that it changes.")
    values: dict[str, Any] = {}
    for name, value in given:
        column = name if name in table.families else split_path(name)[0]
        field = _changeable(table, name, column)
        if name != column:
            before = values.get(column, table.clause.c[column])
            values[column] = with_value(table.dialect, before, table.path(name)[1], value)
        elif value is None:
            empty = emptied and not field.nullable
            values[column] = untyped(neutral(table, field)) if empty else sa.null()
        else:
            values[column] = untyped(value)
    return values


def _changeable(table: KnownTable, name: str, column: str) -> Field:
    table.column(name)  # raises where there is none
    field = table.field(column)
    if column in table.primary_key:
        raise KeptError(
            f"{table.at}.{column} is the table's key: it cannot be emptied or changed.",
            remedy="Delete the record instead, or map another field.",
        )
    if field.generated:
        raise KeptError(
            f"{table.at}.{column} is made by the store from other fields.",
            remedy="Name the fields that it is made from.",
        )
    return field
