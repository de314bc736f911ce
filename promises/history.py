"""How each retention clause fared, day by day: the worst that was seen of it on every day (UTC) that somebody looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base
from core.words import count, plural, short_day, span

DAYS_SHOWN: Final = 30
KEPT_FOR: Final = timedelta(days=400)


class HistoryRow(Base):
    """The worst of one clause on one day; each number is the largest of its own, of `looks` looks."""

    __tablename__ = "promise_history"
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    looks: Mapped[int] = mapped_column(default=0)
    due: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    broken: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    over_seconds: Mapped[int] = mapped_column(sa.BigInteger, default=0)


@dataclass(frozen=True, kw_only=True)
class Day:
    """The worst of a day: records over their period, of these the ones past `within`, and how long the oldest was over."""

    day: date
    due: int
    broken: int
    over: timedelta


@dataclass(frozen=True, kw_only=True)
class History:
    """The days of the last 30 on which somebody looked, the oldest first; a day without a look is not among them."""

    days: tuple[Day, ...]

    @property
    def worst(self) -> Day | None:
        """The day on which the oldest record was over for longest; None where no day saw one over its time."""
        over = [one for one in self.days if one.due or one.broken]
        return max(over, key=lambda one: (one.over, one.broken, one.due), default=None)

    @property
    def most_due(self) -> int:
        return max((one.due for one in self.days), default=0)

    @property
    def most_broken(self) -> int:
        return max((one.broken for one in self.days), default=0)

    def words(self, today: date) -> str:
        """The finding in a sentence or two."""
        looked = f"Looked at on {len(self.days)} of the last {DAYS_SHOWN} days."
        worst = self.worst
        if worst is None:
            return f"Nothing was over. {looked}" if self.days else "Nobody looked in the last 30 days."
        longest = f"Worst overdue: {span(worst.over)}, on {short_day(worst.day, today)}. " if worst.over else ""
        past = f", {count(self.most_broken)} past the limit" if self.most_broken else ""
        return f"{longest}At most {plural(self.most_due, 'record', 'records')} over at once{past}. {looked}"

    def as_json(self) -> dict[str, Any]:
        """For machines: whole seconds, and every day."""
        worst = self.worst
        return {
            "days": DAYS_SHOWN,
            "looked_on": len(self.days),
            "due": self.most_due,
            "broken": self.most_broken,
            "over_seconds": int(worst.over.total_seconds()) if worst else 0,
            "on": worst.day.isoformat() if worst else None,
            "by_day": [
                {
                    "day": one.day.isoformat(),
                    "due": one.due,
                    "broken": one.broken,
                    "over_seconds": int(one.over.total_seconds()),
                }
                for one in self.days
            ],
        }


NOTHING_SEEN: Final = History(days=())


def note_look(session: Session, clause: str, day: date, *, due: int, broken: int, over: timedelta) -> None:
    """Count one look at a clause into the row of its day, and let days go that are too long ago."""
    row = session.get(HistoryRow, (clause, day))
    if row is None:
        row = HistoryRow(clause=clause, day=day, looks=0, due=0, broken=0, over_seconds=0)
        session.add(row)
        session.execute(sa.delete(HistoryRow).where(HistoryRow.day < day - KEPT_FOR))
    row.looks += 1
    row.due, row.broken = max(row.due, due), max(row.broken, broken)
    row.over_seconds = max(row.over_seconds, int(over.total_seconds()))


def read_histories(session: Session, today: date) -> Mapping[str, History]:
    """The last 30 days of every clause that was looked at in them, today included."""
    wanted = sa.select(HistoryRow).where(HistoryRow.day > today - timedelta(days=DAYS_SHOWN), HistoryRow.day <= today)
    days: dict[str, list[Day]] = {}
    for row in session.execute(wanted.order_by(HistoryRow.clause, HistoryRow.day)).scalars():
        over = timedelta(seconds=row.over_seconds)
        days.setdefault(row.clause, []).append(Day(day=row.day, due=row.due, broken=row.broken, over=over))
    return {clause: History(days=tuple(found)) for clause, found in days.items()}
