"""Records as they leave a SQL store: values that the contract names, instants in UTC."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any, Final

import sqlalchemy as sa

from stores.sql_families import Family
from stores.sql_tables import KnownTable

_PLAIN: Final = (str, int, float, bool, datetime, date, Decimal, bytes, type(None))
_zone: Final = attrgetter("tzinfo")
_AS_THEY_ARE: Final = frozenset((str, int, float, bool, date, Decimal, bytes, type(None)))


def plain_records(table: KnownTable, rows: Sequence[sa.Row[Any] | tuple[Any, ...]]) -> Iterator[Mapping[str, Any]]:
    """Rows as records. By columns: whether a value needs care is asked once for all of a kind, not for each."""
    if not rows:
        return
    names = [field.name for field in table.fields]
    # A page's rows end with its keys, which no name takes.
    plainly = [_plain_column(table, name, list(map(itemgetter(place), rows))) for place, name in enumerate(names)]
    yield from [dict(zip(names, record, strict=True)) for record in zip(*plainly, strict=True)]


def _plain_column(table: KnownTable, name: str, values: Sequence[Any]) -> Sequence[Any]:
    kinds = set(map(type, values))
    if kinds <= _AS_THEY_ARE:
        return values
    if table.dialect == "mariadb" and table.families[name] is Family.TIMESTAMPTZ:
        # its instants come without a zone; the session's is UTC
        return [value.replace(tzinfo=UTC) if isinstance(value, datetime) else plain(value) for value in values]
    if kinds == {datetime} and set(map(_zone, values)) <= {UTC, None}:
        return values
    return [plain(value) for value in values]


def plain(value: Any) -> Any:
    """What JSON has no word for becomes text; what the contract names stays as it is."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    return str(value)
