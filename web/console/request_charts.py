"""Charts of open requests: what is due on which day, and how old they are, by state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from core.words import count, long_day, plural, short_day
from dsr.figures import count_ages, count_due
from dsr.states import State
from dsr.words import STATE_NAMES
from web.services import services

DAYS_AHEAD: Final = 30
SOON: Final = 2
ROOM: Final = timedelta(days=3)
# Ages in days, by week, up to the month that most laws give; the last for all that are older.
AGES: Final = ((0, 7), (8, 14), (15, 21), (22, 30), (31, 45), (46, None))
LATE_FROM: Final = 31


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """What `charts.chart` draws: the finding in words, and bars {label, value, state, tick, today}; () where nothing is open."""

    finding: str
    bars: Sequence[dict[str, Any]]


def due_chart(today: date) -> BarChart:
    """Requests due on each of the next days; what is over its day stands before them."""
    with services().database.read() as session:
        due = count_due(session, today + timedelta(days=DAYS_AHEAD))
    if not due:
        return BarChart(finding="No open request is due in the next 30 days.", bars=())
    late = sum(number for day, number in due.items() if day < today)
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    first = [{"label": "Over the day", "value": late, "state": "late"}] if late else []
    bars = [
        {
            "label": long_day(day),
            "value": due.get(day, 0),
            "state": "soon" if day <= today + timedelta(days=SOON) else "",
            "tick": _tick(day, today),
            "today": day == today,
        }
        for day in days
    ]
    return BarChart(finding=_say_due(due, late, today), bars=[*first, *bars])


def _tick(day: date, today: date) -> str:
    """Today and Mondays, where there is room beside it."""
    if day == today:
        return "today"
    return short_day(day, today) if day.weekday() == 0 and day - today > ROOM else ""


def _say_due(due: dict[date, int], late: int, today: date) -> str:
    said = [f"{plural(late, 'request is', 'requests are')} over the day"] if late else []
    said += [f"{count(due[today])} due today"] if due.get(today) else []
    ahead = {day: number for day, number in due.items() if day > today}
    if ahead:
        most = max(ahead, key=lambda day: ahead[day])
        said.append(f"most on {long_day(most)} with {count(ahead[most])}")
    return f"{', '.join(said)}."


def age_chart() -> BarChart:
    """Open requests by the weeks since they came in; each bar says in which states they are."""
    kept = services()
    with kept.database.read() as session:
        ages = count_ages(session, kept.clock.now())
    if not ages:
        return BarChart(finding="No request is open.", bars=())
    bars = []
    for low, high in AGES:
        states: Counter[State] = Counter()
        for (days, state), number in ages.items():
            if low <= days and (high is None or days <= high):
                states[state] += number
        span = f"{low}–{high}" if high is not None else f"{low}+"
        said = ", ".join(f"{count(number)} {STATE_NAMES[state].lower()}" for state, number in states.most_common())
        bars.append(
            {
                "label": f"{span} days" + (f": {said}" if said else ""),
                "value": states.total(),
                "tick": span,
                "state": "soon" if low >= LATE_FROM else "",
            }
        )
    oldest = max(days for days, _ in ages)
    total = plural(ages.total(), "request is", "requests are")
    return BarChart(finding=f"{total} open; the oldest came in {plural(oldest, 'day', 'days')} ago.", bars=bars)
