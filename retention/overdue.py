"""How long the oldest record of a clause is over its time, from what its looks said. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from retention.views import ClauseSweep


@dataclass(frozen=True, kw_only=True)
class Looks:
    """One clause looked at three times. `half` and `broken`: the records that were over their time already at `halfway` and
    at `limit`, the instants half of `within` and all of it before `now`; `promised`: since when there is a promise."""

    sweep: ClauseSweep
    by_own_time: bool
    now: datetime
    halfway: datetime
    limit: datetime
    promised: datetime
    half: int
    broken: int


def longest_over(looks: Looks) -> timedelta:
    """Zero where nothing is over. Between what the looks prove, the oldest record's own time says it; of a clause that is
    counted from an event no such time is known, so it is the least that is proven."""
    if not looks.sweep.rows:
        return timedelta(0)
    least = timedelta(0)
    most = looks.now - max(looks.halfway, looks.promised)
    if looks.half:
        least, most = looks.now - looks.halfway, looks.now - max(looks.limit, looks.promised)
    if looks.broken:
        least, most = looks.now - looks.limit, looks.now - looks.promised
    if not looks.by_own_time:
        return least
    own = [one.cutoff - one.oldest for one in looks.sweep.collections if one.rows and one.oldest and one.cutoff]
    return max(least, min(max(own, default=least), most))
