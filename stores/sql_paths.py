"""Fields inside JSON columns: `metadata->user_email` is the member `user_email` of the column `metadata`."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

ARROW: Final = "->"
_NUMBER = "^[0-9]+([.][0-9]+)?$"


def split_path(name: str) -> tuple[str, tuple[str, ...]]:
    """The column and the steps inside it: () for a plain column."""
    column, *steps = name.split(ARROW)
    return column, tuple(steps)


def text_at(dialect: str, column: sa.ColumnElement[Any], steps: Sequence[str]) -> sa.ColumnElement[Any]:
    """The value as text (on SQLite as what it is); NULL where there is none, or where the column holds no JSON."""
    if dialect == "postgresql":
        return sa.cast(column, JSONB()).op("#>>", return_type=sa.Text())(_postgresql_path(steps))
    if dialect == "mariadb":
        return sa.func.json_value(column, _dollar_path(steps), type_=sa.Text())
    # json_extract raises on text that is no JSON
    found = sa.func.json_extract(column, _dollar_path(steps), type_=sa.types.NullType())
    return sa.case((sa.func.json_valid(column) == sa.literal_column("1"), found))


def number_at(dialect: str, column: sa.ColumnElement[Any], steps: Sequence[str]) -> sa.ColumnElement[Any]:
    """The value as a number; NULL where it is none."""
    text = text_at(dialect, column, steps)
    if dialect == "sqlite":
        return text
    if dialect == "postgresql":
        return sa.case((text.op("~", is_comparison=True)(sa.literal(_NUMBER, sa.Text())), sa.cast(text, sa.Numeric())))
    is_number = text.op("REGEXP", is_comparison=True)(sa.literal(_NUMBER, sa.Text()))
    return sa.case((is_number, sa.cast(text, sa.Numeric(30, 6))))


def path_is_filled(dialect: str, column: sa.ColumnElement[Any], steps: Sequence[str]) -> sa.ColumnElement[bool]:
    """Is there anything but null at the path, a list or an object too?"""
    if dialect == "mariadb":
        kind = sa.func.json_type(sa.func.json_extract(column, _dollar_path(steps)))
        return sa.func.coalesce(kind, sa.literal("NULL", sa.Text())) != sa.literal("NULL", sa.Text())
    return text_at(dialect, column, steps).is_not(None)


def with_value(
    dialect: str, column: sa.ColumnElement[Any], steps: Sequence[str], value: str | None
) -> sa.ColumnElement[Any]:
    """The column with another value at the path; nothing is added where nothing was and the value is None."""
    if dialect == "postgresql":
        new = sa.literal("null", sa.Text()) if value is None else sa.func.to_json(sa.cast(sa.literal(value), sa.Text()))
        return sa.func.jsonb_set(
            sa.cast(column, JSONB()), _postgresql_path(steps), sa.cast(new, JSONB()), sa.literal(value is not None)
        )
    name = "json_replace" if value is None else "json_set"
    new_value: sa.ColumnElement[Any] = sa.null() if value is None else sa.literal(value, sa.Text())
    made: sa.ColumnElement[Any] = getattr(sa.func, name)(column, _dollar_path(steps), new_value)
    return made


def _postgresql_path(steps: Sequence[str]) -> sa.BindParameter[Any]:
    return sa.bindparam(None, list(steps), type_=ARRAY(sa.Text()), unique=True)


def _dollar_path(steps: Sequence[str]) -> sa.BindParameter[Any]:
    parts = (
        f"[{step}]" if step.isdigit() else '."' + step.replace("\\", "\\\\").replace('"', '\\"') + '"' for step in steps
    )
    return sa.literal("$" + "".join(parts), sa.Text())
