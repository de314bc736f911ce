"""When the checks of the night are due."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

AT_NIGHT: Final = time(2, 0)
# The look of one night may fail and be made up for in the morning.
GOOD_FOR: Final = timedelta(hours=36)
# What was wrong is looked at again before the next night: a store answers again, somebody has corrected the map.
AGAIN: Final = timedelta(minutes=15)


def is_due(last: datetime, now: datetime, zone: str, *, in_doubt: bool = False) -> bool:
    """Whether two o'clock at night, where the controller is, has passed since the last look, or a while after a bad one."""
    if in_doubt and now - last >= AGAIN:
        return True
    here = now.astimezone(ZoneInfo(zone))
    night = here.replace(hour=AT_NIGHT.hour, minute=0, second=0, microsecond=0)
    if here < night:
        night -= timedelta(days=1)
    return last < night
