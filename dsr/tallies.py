"""What is counted of a closed request, as numbers that can be summed: so days and grounds outlive the tickets themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import day_in

# Days within which a request was closed, and the column that counts it; the last is for all that took longer.
BOUNDS: Final = (1, 3, 7, 14, 21, 30, 45, 60, 90)
COLUMNS: Final = (*(f"took_{days}" for days in BOUNDS), "took_longer")


class Tally:
    """Columns of a ticket and of the totals that tickets become. On a ticket each number is 0 or 1 but `took_days`, set when
    it is closed; in totals they are sums. `received_in`: the year in the controller's zone; `ground`: of a refusal;
    `answered_late`: closed on a day after the one it was due."""

    received_in: Mapped[int | None] = mapped_column()
    ground: Mapped[str | None] = mapped_column(sa.String(40))
    answered_late: Mapped[int | None] = mapped_column()
    took_days: Mapped[int | None] = mapped_column()
    took_1: Mapped[int | None] = mapped_column()
    took_3: Mapped[int | None] = mapped_column()
    took_7: Mapped[int | None] = mapped_column()
    took_14: Mapped[int | None] = mapped_column()
    took_21: Mapped[int | None] = mapped_column()
    took_30: Mapped[int | None] = mapped_column()
    took_45: Mapped[int | None] = mapped_column()
    took_60: Mapped[int | None] = mapped_column()
    took_90: Mapped[int | None] = mapped_column()
    took_longer: Mapped[int | None] = mapped_column()


def count_days(row: Tally, *, received_at: datetime, closed_at: datetime, late: bool, zone: str) -> None:
    """Set the numbers of a ticket that is closed: calendar days in the controller's zone, from the day it came in."""
    first = day_in(received_at, zone)
    days = max(0, (day_in(closed_at, zone) - first).days)
    row.received_in, row.took_days, row.answered_late = first.year, days, int(late)
    within = next((name for bound, name in zip(BOUNDS, COLUMNS, strict=False) if days <= bound), COLUMNS[-1])
    for name in COLUMNS:
        setattr(row, name, int(name == within))
