"""Which of two periods is the longer one, by the calendar and not by a guess at the length of a month."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Final

from policies.periods import Period


class Order(StrEnum):
    """How a new period stands to an old one. UNTOLD: now longer, now shorter, by where in the calendar it begins."""

    SAME = "same"
    SHORTER = "shorter"
    LONGER = "longer"
    UNTOLD = "untold"


# Every month's first, middle and last day through two leap years: where months and years differ, they differ here.
_STARTS: Final = tuple(
    datetime(year, month, day, tzinfo=UTC)
    for year in range(2023, 2029)
    for month in range(1, 13)
    for day in (1, 15, 28)
)


@cache
def order_periods(old: Period, new: Period) -> Order:
    """Whether `new` is shorter or longer than `old`, from every day it can begin on."""
    if old == new:
        return Order.SAME
    apart = {_sign(old, new, start) for start in _STARTS}
    if apart == {0}:
        return Order.SAME
    if apart <= {0, 1}:
        return Order.LONGER
    return Order.SHORTER if apart <= {0, -1} else Order.UNTOLD


def _sign(old: Period, new: Period, start: datetime) -> int:
    before, after = old.after_instant(start), new.after_instant(start)
    return (after > before) - (after < before)
