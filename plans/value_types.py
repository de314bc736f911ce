"""Whether a value that somebody typed can stand in a field: by the store's own word for the field's type, before anything is written."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID

from stores.contract import Field

_LENGTH: Final = re.compile(r"(?:char|character varying|varchar|nchar|nvarchar)\s*\((\d+)\)")
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?( ?(Z|[+-]\d{2}:?\d{2}))?")


def why_not_fit(field: Field, value: str | None) -> str:
    """Why a value cannot stand in a field, as the end of a sentence about the field; '' where it can, or nobody can say.

    A type that is not known here is left to its store, which refuses what it cannot take and changes nothing."""
    if value is None:
        return "" if field.nullable else "may not be empty"
    word = field.type.lower()
    if found := _LENGTH.search(word):
        return "" if len(value) <= int(found[1]) else f"holds at most {found[1]} characters"
    for pattern, fits, says in _RULES:
        if re.search(pattern, word):
            return "" if fits(value) else says
    return ""


def _parses(read: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        try:
            read(value)
        except (ValueError, InvalidOperation):
            return False
        return True

    return fits


def _is_number(value: str) -> bool:
    return _parses(Decimal)(value) and Decimal(value).is_finite()


def _is_instant(value: str) -> bool:
    return bool(_TIME.fullmatch(value)) and _parses(datetime.fromisoformat)(value)


# The first that the word holds. A field of files says which kinds of value it was seen with: text takes anything.
_RULES: Final[tuple[tuple[str, Callable[[str], bool], str], ...]] = (
    (r"text|char|str|clob|enum|\bset\b", lambda _: True, ""),
    (r"bool", lambda value: value.lower() in ("true", "false", "0", "1", "t", "f"), "takes true or false"),
    (r"json", _parses(json.loads), "takes JSON"),
    (r"uuid", _parses(UUID), "takes a UUID"),
    (r"interval|array|\[\]", lambda _: True, ""),
    (r"timestamp|datetime", _is_instant, "takes a time, such as 2026-01-31T10:00:00"),
    (r"\bdate\b", _parses(date.fromisoformat), "takes a day, such as 2026-01-31"),
    (r"int|serial", lambda value: bool(_INTEGER.fullmatch(value)), "takes a whole number"),
    (r"numeric|decimal|real|double|float|money", _is_number, "takes a number"),
)
