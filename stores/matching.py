"""Conditions evaluated on records in Python, with the semantics that the SQL stores have."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Differs, Filled, Not, OneOf, Tells, Through, Unset
from stores.times import Kind, TimeForm, date_limit, earliest_local, read_text

Record = Mapping[str, Any]
Matcher = Callable[[Record], bool]
FormOf = Callable[[TimeField], TimeForm | None]
# The commonest form, of days that every month has: such texts sort as their times do.
_COMMON = re.compile(r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)
# what anonymising puts where nothing may not stand
ANONYMISED = re.compile(r"anonymised-[0-9a-f]{8,32}", re.ASCII)
_EPOCH_DIGITS = re.compile(r"\d{9,16}(?:\.\d{1,9})?", re.ASCII)


def compile_condition(condition: Condition, form_of: FormOf) -> Matcher:
    """The condition as a function of a record; `form_of` says how numbers of a time field are meant."""
    match condition:
        case Before(field=field, instant=instant):
            return _before(field, instant, form_of(field))
        case OneOf(field=name, values=values):
            wanted, get = frozenset(values) - {""}, getter(name)
            return lambda record: as_text(get(record)) in wanted
        case Unset(field=name):
            get = getter(name)
            return lambda record: get(record) is None
        case Filled(field=name):
            get = getter(name)
            return lambda record: get(record) is not None
        case Tells(field=name):
            get = getter(name)
            return lambda record: not _is_anonymous(get(record))
        case Differs(field=name, value=value):
            get = getter(name)
            return lambda record: as_text(get(record)) != value
        case AllOf(parts=parts):
            return _all(tuple(compile_condition(part, form_of) for part in parts))
        case AnyOf(parts=parts):
            return _any(tuple(compile_condition(part, form_of) for part in parts))
        case Not(part=part):
            inner = compile_condition(part, form_of)
            return lambda record: not inner(record)
        case Through(at=at):
            raise KeptError(
                f"A store of files cannot look into '{at}' for a condition.",
                remedy="Read the values there, and ask for those.",
            )


def getter(name: str) -> Callable[[Record], Any]:
    """Reads a field: the key itself, else the path that its dots spell."""
    path = name.split(".")

    def get(record: Record) -> Any:
        if name in record:
            return record[name]
        node: Any = record
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    return get if len(path) > 1 else lambda record: record.get(name)


def as_text(value: Any) -> str | None:
    """A value as it is compared with identifiers: text as it is, numbers in digits, nothing else that has parts."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        return None
    return json.dumps(value) if isinstance(value, bool) else str(value)


def epoch_number(text: str) -> int | Decimal | None:
    """The number that a text of digits is, where it can be a time since 1970: in CSV every number is text."""
    if not _EPOCH_DIGITS.fullmatch(text):
        return None
    return Decimal(text) if "." in text else int(text)


def time_reader(field: TimeField, form: TimeForm | None) -> Callable[[Record], datetime | None]:
    """Reads a record's time, in UTC; None where it has none or one that cannot be read."""
    get = getter(field.name)

    def read(record: Record) -> datetime | None:
        value = get(record)
        if isinstance(value, str):
            number = epoch_number(value) if form is not None and form.kind is Kind.EPOCH else None
            if number is None:
                return read_text(value, field.zone)
            value = number
        return form.read(value) if form is not None else None

    return read


def _is_anonymous(value: Any) -> bool:
    return value is None or (isinstance(value, str) and ANONYMISED.fullmatch(value) is not None)


def _all(parts: tuple[Matcher, ...]) -> Matcher:
    return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)


def _any(parts: tuple[Matcher, ...]) -> Matcher:
    return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)


def _before(field: TimeField, instant: datetime, form: TimeForm | None) -> Matcher:
    get, text_is_before = getter(field.name), _text_before(instant, field.zone)
    limit = form.limit(instant) if form is not None and form.kind is Kind.EPOCH else None
    low = form.bounds()[0] if limit is not None and form is not None else None

    def before(record: Record) -> bool:
        value = get(record)
        if isinstance(value, str):
            number = epoch_number(value) if limit is not None else None
            if number is None:
                return text_is_before(value)
            value = number
        if limit is None or isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return False
        return low <= value < limit  # type: ignore[operator] # both bounds of numbers are numbers

    return before


def _text_before(instant: datetime, zone: str | None) -> Callable[[str], bool]:
    """Whether a written time, cut off at its last digit, is before the instant wherever in its unit it lies."""
    # one limit for each number of digits; a naive time is compared in wall-clock time, where clocks may be changed
    spans = [timedelta(microseconds=10 ** (6 - digits)) for digits in range(7)]
    place: tzinfo = ZoneInfo(zone) if zone else UTC
    naive_limit = earliest_local(instant, place)
    aware_limit = instant.astimezone(UTC)
    last_day = date_limit(instant, zone)
    common_limit = (aware_limit - spans[0]).strftime("%Y-%m-%dT%H:%M:%SZ") if aware_limit.year > 1000 else ""

    def before(text: str) -> bool:
        if len(text) == 20 and _COMMON.fullmatch(text):
            return text <= common_limit
        if len(text) == 10:
            return read_text(text, "UTC") is not None and date.fromisoformat(text) < last_day
        read = read_text(text, zone)
        if read is None:
            return False
        unit = spans[min(_digits(text), 6)]
        if text[-1] == "Z" or text[-6] in "+-":
            return read + unit <= aware_limit
        return _wall(text) + unit <= naive_limit

    return before


def _digits(text: str) -> int:
    if len(text) < 20 or text[19] != ".":
        return 0
    end = 20
    while end < len(text) and text[end].isdigit():
        end += 1
    return end - 20


def _wall(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:10]}T{text[11:26]}")
