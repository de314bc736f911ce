"""The one form in which the example writes its times, and where its chance comes from."""

import random
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DAY_MS = 86_400_000
"""Milliseconds in a day; every time in the example is whole milliseconds since 1970, in UTC, until it is written."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms_of(instant: datetime) -> int:
    """Whole milliseconds since 1970, rounded down so that a time never lies after `instant`."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; give the instant in UTC")
    return (instant - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=8192)
def day_text(day: int) -> str:
    """The date of a day counted from 1970, as `2026-01-02`."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def instant_text(ms: int) -> str:
    """The one form of every time in the example: `2026-01-02T03:04:05.123Z`."""
    day, rest = divmod(ms, DAY_MS)
    seconds, millis = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day_text(day)}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"


def optional_text(ms: int | None) -> str | None:
    """A time that may be missing: NULL stays NULL."""
    return None if ms is None else instant_text(ms)


def chance(seed: int, purpose: str) -> random.Random:
    """A stream of its own per purpose, so that a change in one table leaves the others as they were."""
    return random.Random(f"{seed}:{purpose}")  # noqa: S311 - sample data, must repeat; nothing secret comes from it
