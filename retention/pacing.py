"""How long and how fast a run of a clause goes, out of kept.yaml and what was asked for; and what is said of the rest."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.settings import SweepSettings
from core.words import plural, span
from plans.pace import Forecast, Pacing
from plans.standing import RunResult
from plans.tables import PlanState
from retention.schedule import is_inside


def pacing_of(settings: SweepSettings, *, profile: str | None, rate: int | None) -> Pacing:
    """What was asked for, else what kept.yaml says. Raises BadInput for a profile or a rate that there cannot be."""
    return Pacing(profile=profile or settings.profile, rate=settings.rate if rate is None else rate)


def run_deadline(
    settings: SweepSettings, zone: str, now: datetime, *, asked: datetime | None, by_schedule: bool
) -> datetime | None:
    """When a run that begins now ends, done or not: what was asked for; by the schedule also the budget and the window."""
    ends = [asked] if asked is not None else []
    if by_schedule:
        ends += [now + settings.budget] if settings.budget is not None else []
        closes = window_closes(settings, zone, now)
        ends += [closes] if closes is not None else []
    return min(ends, default=None)


def window_closes(settings: SweepSettings, zone: str, now: datetime) -> datetime | None:
    """The end of the window that `now` lies in, by the wall clock of the zone; None outside it, and where there is none."""
    local = now.astimezone(ZoneInfo(zone))
    if settings.window is None or not is_inside(settings.window, local.time()):
        return None
    closes = datetime.combine(local.date(), settings.window[1], ZoneInfo(zone))
    if settings.window[1] <= local.time().replace(tzinfo=None):
        closes = datetime.combine(local.date() + timedelta(days=1), settings.window[1], ZoneInfo(zone))
    return closes.astimezone(UTC)


def words_ahead(result: RunResult, settings: SweepSettings) -> str:
    """What is said of a run that its budget ended: that it goes on, and how long the rest takes; '' for any other."""
    ahead = result.forecast
    if result.state is not PlanState.PAUSED or ahead is None:
        return ""
    return f"It goes on next time: {ahead.words}{_runs(ahead, settings.budget)}"


def _runs(ahead: Forecast, budget: timedelta | None) -> str:
    runs = ahead.runs_left(budget) if budget is not None else None
    if runs is None or budget is None:
        return ""
    return f", {plural(runs, 'more run', 'more runs')} of {span(budget)}"
