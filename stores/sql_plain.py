"""Records as they leave a SQL store: values that the contract names, instants in UTC."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from stores.sql_families import Family
from stores.sql_tables import KnownTable

_PLAIN: Final = (str, int, float, bool, datetime, date, Decimal, bytes, type(None))


def plain_record(table: KnownTable, row: sa.Row[Any]) -> Mapping[str, Any]:
    values = {field.name: plain(value) for field, value in zip(table.fields, row, strict=False)}
    if table.dialect == "mariadb":  # its instants come without a zone; the session's is UTC
        for name, value in values.items():
            if isinstance(value, datetime) and table.families[name] is Family.TIMESTAMPTZ:
                values[name] = value.replace(tzinfo=UTC)
    return values


def plain(value: Any) -> Any:
    """What JSON has no word for becomes text; what the contract names stays as it is."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    return str(value)
