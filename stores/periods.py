"""Calendar periods in UTC that records are rolled up by: where one begins and where the next one does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.clock import require_utc
from core.errors import KeptError

PERIODS: Final = ("hour", "day", "month", "year")


def period_in(by: Sequence[str]) -> str:
    """The one of `by` that is a period. Raises KeptError: without one no group is ever complete."""
    found = [word for word in by if word in PERIODS]
    if len(found) != 1:
        raise KeptError(
            f"Totals by {', '.join(by) or 'nothing'} name {len(found)} periods.",
            remedy=f"Name one of {', '.join(PERIODS)}: only a period that is over can be counted once.",
        )
    return found[0]


def start_of(instant: datetime, period: str) -> datetime:
    """The beginning of the period that the instant lies in."""
    start = require_utc(instant).replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return start
    start = start.replace(hour=0)
    if period == "day":
        return start
    return start.replace(day=1) if period == "month" else start.replace(month=1, day=1)


def end_of(start: datetime, period: str) -> datetime:
    """The beginning of the period after the one that begins at `start`."""
    lengths = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}
    return start_of(start + lengths.get(period, timedelta(days=366)), period)
