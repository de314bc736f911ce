"""A clause that is swept too seldom to be kept: said by doctor and by the dry run."""

from datetime import UTC, datetime, time, timedelta

import pytest

from core.settings import SweepSettings
from policies.clauses import Action, RetentionClause
from policies.periods import Period
from retention.seldom import too_seldom

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the night before clocks go forward
HOURLY = SweepSettings(every=timedelta(hours=1))


@pytest.mark.parametrize(
    ("period", "within", "schedule", "words"),
    [
        ("P30D", "P1D", SweepSettings(), ""),
        ("P30D", "PT2H", HOURLY, ""),
        ("P30D", "PT1H", SweepSettings(), "between two runs its promise is broken"),
        ("P30D", "P1D", SweepSettings(every=timedelta(days=7)), "between two runs its promise is broken"),
        ("P30D", "PT2H", SweepSettings(every=timedelta(hours=1), window=(time(1), time(5))), "is broken"),
        ("PT30M", "P1D", SweepSettings(), "longer than the 30 minutes it promises"),
        ("PT30M", "P1D", HOURLY, "longer than the 30 minutes it promises"),
    ],
)
def test_a_schedule_is_held_against_what_is_promised(
    period: str, within: str, schedule: SweepSettings, words: str
) -> None:
    """Longer between two runs than the work may take, or than the period itself, windows included."""
    clause = RetentionClause(
        id="logs",
        of=("log",),
        then=Action.DELETE,
        period=Period.parse(period),
        within=Period.parse(within),
    )
    found = too_seldom(clause, schedule, NOW)
    assert words in found
    assert bool(found) is bool(words)
