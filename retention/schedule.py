"""When a clause is due: pure arithmetic over its interval, its window and the controller's zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.settings import SweepSettings

DAY = timedelta(days=1)
LOOK_BACK = timedelta(days=400)  # what was missed longer ago is made up by the same one run


def due_instants(settings: SweepSettings, zone: str, *, after: datetime, until: datetime) -> list[datetime]:
    """Every instant with `after < instant <= until` at which a clause is due, in UTC, in order.

    An interval of days comes at the window's start; a shorter one at its multiples from midnight, inside the window."""
    start = max(after, until - LOOK_BACK)
    place = ZoneInfo(zone)
    day, last = start.astimezone(place).date() - DAY, until.astimezone(place).date()
    found: set[datetime] = set()
    while day <= last:
        found |= {instant for instant in _of_day(settings, day, place) if start < instant <= until}
        day += DAY
    return sorted(found)


def next_due(settings: SweepSettings, zone: str, *, after: datetime) -> datetime:
    """The first instant after `after` at which a clause is due."""
    reach = max(settings.every, DAY) + 2 * DAY
    return due_instants(settings, zone, after=after, until=after + reach)[0]


def last_due(settings: SweepSettings, zone: str, *, until: datetime) -> datetime:
    """The last instant up to `until` at which a clause was due."""
    reach = max(settings.every, DAY) + 2 * DAY
    return due_instants(settings, zone, after=until - reach, until=until)[-1]


def may_give_back(settings: SweepSettings, zone: str, at: datetime) -> bool:
    """May the stores be asked for space now? Where kept.yaml says so, in the clause's window, or any time without one."""
    return settings.reclaim and _fits(settings.window, at.astimezone(ZoneInfo(zone)).time())


def _of_day(settings: SweepSettings, day: date, place: ZoneInfo) -> Iterator[datetime]:
    opens = settings.window[0] if settings.window else time(0)
    if settings.every >= DAY:
        if day.toordinal() % settings.every.days == 0:
            yield datetime.combine(day, opens, place).astimezone(UTC)
        return
    midnight = datetime.combine(day, time(0))
    times = (midnight + count * settings.every for count in range(DAY // settings.every + 1))
    inside = [local for local in times if local.date() == day and _fits(settings.window, local.time())]
    for local in inside or [datetime.combine(day, opens)]:  # a window that no multiple falls into opens with a run
        yield local.replace(tzinfo=place).astimezone(UTC)


def _fits(window: tuple[time, time] | None, at: time) -> bool:
    return window is None or is_inside(window, at)


def is_inside(window: tuple[time, time], at: time) -> bool:
    """Does a window, which may go over midnight, hold a time of day?"""
    opens, closes = window
    return opens <= at < closes if opens < closes else at >= opens or at < closes
