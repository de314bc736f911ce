"""The forms in which stores write times, and the literals that compare with each form without ever being early."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from core.clock import require_utc
from core.settings import TimeField
from stores.contract import CannotCompare

Literal = str | int | date | datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
# Seconds of 1973 and of 9999. A number outside is not a time: read in a wrong unit, nearly every time falls outside.
_FIRST_SECOND, _LAST_SECOND = 100_000_000, 253_402_214_400
# What a number of this year or so can only be, whatever the unit: the ranges 1973 to 2286 do not meet.
_GUESS_SECONDS = (100_000_000, 10_000_000_000)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)  # what is compared as text; a reader of single values takes no more than this either
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# The zones of the earth reach from here to there: a date without a zone is over when it is over everywhere.
_LAST_ZONE, _FIRST_ZONE = timezone(-timedelta(hours=12)), timezone(timedelta(hours=14))


class Kind(StrEnum):
    """How a column holds its times; each has literals of its own."""

    AWARE = "aware"  # timestamptz
    NAIVE = "naive"  # timestamp without a zone; the zone is declared
    DATE = "date"
    TEXT = "text"  # ISO 8601 of one and the same form
    DATE_TEXT = "date_text"
    EPOCH = "epoch"


@dataclass(frozen=True, kw_only=True)
class TimeForm:
    """One form. `separator`, `digits` (of the fraction) and `suffix` say what the text looks like; `word` is a TIME_FORMS word.

    A written time is taken to have been cut off at its last digit, so it lies anywhere in the unit that begins with it:
    literals are rounded down, and a date is earlier than an instant only when the whole day is.
    """

    kind: Kind
    word: str
    zone: str | None = None
    separator: str = "T"
    digits: int = 0
    suffix: str = ""
    kept_digits: int = 6  # of the fraction, in a column of the store's own time type

    def limit(self, instant: datetime) -> Literal:
        """A value less than this literal is surely of a time before `instant`."""
        match self.kind:
            case Kind.AWARE:
                return self._cut(require_utc(instant))
            case Kind.NAIVE:
                return self._cut(earliest_local(instant, self._zone()))
            case Kind.DATE:
                return date_limit(instant, self.zone)
            case Kind.DATE_TEXT:
                return date_limit(instant, self.zone).isoformat()
            case Kind.TEXT:
                local = earliest_local(instant, self._zone())
                return self._text(local)
            case Kind.EPOCH:
                return self._count(instant)

    def future_limit(self, now: datetime) -> Literal:
        """A value greater than this literal is surely of a time after `now`."""
        match self.kind:
            case Kind.NAIVE:
                return latest_local(now, self._zone())
            case Kind.DATE:
                return latest_local(now, _zone_of(self.zone) or _FIRST_ZONE).date()
            case Kind.DATE_TEXT:
                return latest_local(now, _zone_of(self.zone) or _FIRST_ZONE).date().isoformat()
            case Kind.TEXT:
                return self._text(latest_local(now, self._zone()))
            case _:
                return self.limit(now)

    def bounds(self) -> tuple[Literal, Literal]:
        """Outside [low, high) a value is no time: the infinities of PostgreSQL, a number of another unit."""
        match self.kind:
            case Kind.AWARE:
                return datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
            case Kind.NAIVE:
                return datetime(1, 1, 2), datetime(9999, 12, 31)  # noqa: DTZ001 naive like the column
            case Kind.DATE:
                return date(1, 1, 2), date(9999, 12, 31)
            case Kind.EPOCH:
                return _FIRST_SECOND * _UNITS[self.word], _LAST_SECOND * _UNITS[self.word]
            case _:
                return "0001-01-02", "9999-12-31"

    def write(self, instant: datetime) -> Literal:
        """The instant as this column writes it."""
        if self.kind is Kind.AWARE:
            return require_utc(instant)
        if self.kind is Kind.EPOCH:
            return self._count(instant)
        local = instant.astimezone(self._zone()).replace(tzinfo=None)
        if self.kind is Kind.TEXT:
            return self._text(local)
        if self.kind is Kind.NAIVE:
            return local
        return local.date() if self.kind is Kind.DATE else local.date().isoformat()

    def read(self, value: Any) -> datetime | None:
        """The instant of a value in this form, in UTC; None for anything else."""
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, int | float | Decimal):
            return self._read_number(value) if self.kind is Kind.EPOCH else None
        if isinstance(value, str):
            return read_text(value, self.zone)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=self._zone())).astimezone(UTC)
        return datetime.combine(value, time(), self._zone()).astimezone(UTC) if isinstance(value, date) else None

    def _read_number(self, value: int | float | Decimal) -> datetime | None:
        seconds = value / _UNITS[self.word]
        if not _FIRST_SECOND <= seconds < _LAST_SECOND:
            return None
        return _EPOCH + timedelta(microseconds=int(value * (1_000_000 // _UNITS[self.word])))

    def _count(self, instant: datetime) -> int:
        return (instant - _EPOCH) // timedelta(microseconds=1_000_000 // _UNITS[self.word])

    def _text(self, local: datetime) -> str:
        fraction = f".{local.microsecond:06d}000"[: self.digits + 1] if self.digits else ""
        return f"{local.isoformat(self.separator, 'seconds')}{fraction}{self.suffix}"

    def _cut(self, value: datetime) -> datetime:
        unit = 10 ** (6 - self.kept_digits)
        return value.replace(microsecond=value.microsecond // unit * unit)

    def _zone(self) -> tzinfo:
        if self.kind is Kind.TEXT and self.suffix:
            return _offset(self.suffix)
        return _zone_of(self.zone) or UTC


def earliest_local(instant: datetime, zone: tzinfo) -> datetime:
    """A wall-clock time before which every wall-clock time of the zone is before `instant`, clock changes included."""
    return (require_utc(instant) + min(_offsets_around(instant, zone))).replace(tzinfo=None)


def latest_local(instant: datetime, zone: tzinfo) -> datetime:
    """A wall-clock time after which every wall-clock time of the zone is after `instant`."""
    return (require_utc(instant) + max(_offsets_around(instant, zone))).replace(tzinfo=None)


def date_limit(instant: datetime, zone: str | None) -> date:
    """Every date before this one is wholly over at `instant`: in its zone, or without one, everywhere."""
    return earliest_local(instant, _zone_of(zone) or _LAST_ZONE).date()


def read_text(text: str, zone: str | None) -> datetime | None:
    """The instant that ISO text names, in UTC; naive text needs a zone; a date is the start of its day."""
    match = _ISO.fullmatch(text)
    try:
        if match is None:
            return _start_of_day(text, zone) if _DATE.fullmatch(text) else None
        day, _, clock, fraction, suffix = match.groups()
        if suffix is None and zone is None:
            return None
        naive = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}")
        return naive.replace(tzinfo=_offset(suffix) if suffix else _zone_of(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def find_text_form(values: Sequence[str], field: TimeField, where: str) -> TimeForm:
    """The one form that all of `values` have. Raises CannotCompare with the shapes that were seen."""
    matches = [_ISO.fullmatch(value) for value in values]
    forms = {(match[2], len(match[4] or ""), match[5] or "") for match in matches if match}
    if len(forms) == 1 and all(matches):
        separator, digits, suffix = forms.pop()
        if not suffix and field.zone is None:
            raise CannotCompare(
                f"The times in {where}.{field.name} have no zone ({shape_of(values[0])}).",
                remedy=f"Declare it in kept.yaml: {{field: {field.name}, zone: UTC}} or the zone they are in.",
            )
        return TimeForm(kind=Kind.TEXT, word="iso", zone=field.zone, separator=separator, digits=digits, suffix=suffix)
    if not forms and all(_DATE.fullmatch(value) for value in values):
        return TimeForm(kind=Kind.DATE_TEXT, word="date", zone=field.zone)
    raise CannotCompare(
        f"The times in {where}.{field.name} are written in ways that do not compare: {name_shapes(values)}.",
        remedy="Write them in one form, such as 2026-01-02T03:04:05Z in every row.",
    )


def find_number_form(values: Sequence[int | float | Decimal], field: TimeField, where: str) -> TimeForm:
    """The unit of numbers since 1970: as declared, else the only one that makes all of them fall into 1973 to 2286."""
    low, high = _GUESS_SECONDS
    fitting = [
        word for word, unit in _UNITS.items() if values and all(low * unit <= value < high * unit for value in values)
    ]
    if field.form in _UNITS:
        return TimeForm(kind=Kind.EPOCH, word=field.form)
    if field.form is not None or len(fitting) != 1:
        raise CannotCompare(
            f"The numbers in {where}.{field.name} are not times of one unit: {name_shapes([str(v) for v in values])}.",
            remedy=f"Say what they are in kept.yaml: {{field: {field.name}, as: epoch_s}}, or epoch_ms or epoch_us.",
        )
    return TimeForm(kind=Kind.EPOCH, word=fitting[0])


def shape_of(text: str) -> str:
    """What a value looks like, without what it says: digits are 9, letters a; T and Z stay where ISO has them."""
    kept = "TZ" if text[:1].isdigit() else ""
    return "".join("9" if c.isdigit() else c if c in kept or not c.isalpha() else "a" for c in text[:40])


def name_shapes(values: Sequence[str]) -> str:
    """The shapes of values, each once, at most six."""
    shapes = sorted({shape_of(value) for value in values})
    return ", ".join(f"'{shape}'" for shape in shapes[:6]) + (" and more" if len(shapes) > 6 else "")


def _start_of_day(text: str, zone: str | None) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), _zone_of(zone) or UTC).astimezone(UTC)


def _offsets_around(instant: datetime, zone: tzinfo) -> list[timedelta]:
    # A clock is changed at most once in a day: the offsets a day before and after hold the change that is near.
    day = timedelta(days=1)
    offsets = (zone.utcoffset((require_utc(instant) + shift).astimezone(zone)) for shift in (-day, 0 * day, day))
    return [offset or timedelta() for offset in offsets]


def _zone_of(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    return UTC if name == "UTC" else ZoneInfo(name)


def _offset(suffix: str) -> tzinfo:
    if suffix == "Z":
        return UTC
    span = timedelta(hours=int(suffix[1:3]), minutes=int(suffix[4:6]))
    return timezone(-span if suffix[0] == "-" else span)
