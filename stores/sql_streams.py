"""Streams of a few columns of a large table: keyset pages along its key, taken up again after any record."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from core.errors import BadInput, KeptError
from stores.contract import Streamed
from stores.sql_batches import compare_key
from stores.sql_engine import SqlEngine
from stores.sql_tables import KnownTable

PAGE_ROWS: Final = 1_000


def stream_pages(
    engine: SqlEngine,
    table: KnownTable,
    fields: Sequence[str],
    condition: sa.ColumnElement[bool],
    after: str | None,
    *,
    plain: Callable[[Any], Any],
) -> Generator[Streamed, None, None]:
    """The columns of the matching rows, in the order of the primary key: SQLite's own row numbers change with VACUUM."""
    names = table.primary_key or table.key
    if not names:
        raise KeptError(
            f"{table.at} has no primary key, so a stream of it could not be taken up again.",
            remedy="Give it one, or map a table that has one.",
        )
    key = [table.clause.c[name] for name in names]
    columns = [table.column(name) for name in fields]
    page = (
        sa.select(*columns, *(column.label(f"kept_key_{place}") for place, column in enumerate(key)))
        .where(condition)
        .order_by(*key)
        .limit(PAGE_ROWS)
    )
    last = _read_place(after, len(key)) if after is not None else None
    while True:
        with engine.read() as connection:
            rows = connection.execute(page.where(_behind(table.dialect, key, last)) if last is not None else page).all()
        for row in rows:
            values = {name: plain(value) for name, value in zip(fields, row, strict=False)}
            yield Streamed(place=_write_place(row[len(columns) :]), values=values)
        if len(rows) < PAGE_ROWS:
            return
        last = list(rows[-1][len(columns) :])


def _behind(dialect: str, key: Sequence[sa.ColumnElement[Any]], last: Sequence[Any]) -> sa.ColumnElement[bool]:
    bounds = [sa.literal(value, sa.types.NullType()) for value in last]
    return compare_key(dialect, key, bounds, operator.gt)


def _write_place(key: Sequence[Any]) -> str:
    """Numbers as numbers, else as text, which the database reads as the column's own type."""
    return json.dumps(
        [
            value if isinstance(value, int) else {"hex": value.hex()} if isinstance(value, bytes) else str(value)
            for value in key
        ]
    )


def _read_place(place: str, size: int) -> list[Any]:
    try:
        key = json.loads(place)
        if not isinstance(key, list) or len(key) != size:
            raise ValueError(place)
        return [bytes.fromhex(value["hex"]) if isinstance(value, dict) else value for value in key]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("A stream cannot be taken up after this place.", remedy="Begin it anew.") from error
