"""Time as it is passed around: a clock that is handed in, and instants that are aware and in UTC."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from core.errors import BadInput


class Clock(Protocol):
    """Tells the present instant, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def require_utc(instant: datetime) -> datetime:
    """Refuse a naive datetime at the door; give any other back in UTC."""
    if instant.tzinfo is None:
        raise BadInput(f"{instant!r} has no time zone.", remedy="Give the instant with its offset.")
    return instant.astimezone(UTC)


def day_in(instant: datetime, zone: str) -> date:
    """The calendar day of an instant in a zone of the tz database."""
    return require_utc(instant).astimezone(ZoneInfo(zone)).date()


def iso_utc(instant: datetime) -> str:
    """An instant as `2026-01-02T03:04:05.123456Z`: one form for hashes, ledger entries and interfaces."""
    # Not strftime: it writes the year 1 as `1`, which sorts wrongly and is not read again.
    return require_utc(instant).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_iso(text: str) -> datetime:
    """The instant that ISO 8601 text with an offset names, in UTC."""
    try:
        return require_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise BadInput(f"'{text}' is not a time.", remedy="Write it as 2026-01-02T03:04:05Z.") from error
