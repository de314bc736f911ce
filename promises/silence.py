"""Silence: which of the standing jobs has not run for too long, or only fails. Pure, from heartbeats and the time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.heartbeats import Heartbeat, heartbeats
from core.leases import LeaseRow
from core.words import span

# The jobs whose silence is an alarm, and how often each runs; a test holds them against the scheduler's own.
WATCHED: Final[Mapping[str, timedelta]] = {
    "outbox": timedelta(seconds=1),
    "webhooks": timedelta(seconds=1),
    "ledger": timedelta(seconds=1),
    "checkpoints": timedelta(minutes=1),
    "ledger check": timedelta(hours=1),
    "inbox": timedelta(seconds=1),
    "letters": timedelta(seconds=2),
    "sweeps": timedelta(minutes=1),
    "promises": timedelta(minutes=5),
    "requests": timedelta(minutes=10),
    "reminders": timedelta(minutes=5),
    "alarms": timedelta(minutes=1),
    "board": timedelta(minutes=1),
}
SCHEDULER: Final = "scheduler"
SWEEPS: Final = "sweeps"
SWEEP_LEASES: Final = "sweep:"
SHORTEST: Final = timedelta(minutes=10)
TIMES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Silence:
    """One job that is not heard of. `job`: its name, `scheduler` for all of them. `since`: when it was last well."""

    job: str
    since: datetime
    fails: bool

    def words(self, now: datetime) -> str:
        """What is the matter, in a sentence."""
        for_long = span(now - self.since)
        if self.job == SCHEDULER:
            return f"The scheduler has not run for {for_long}: nothing is swept, sent or checked."
        if self.fails:
            return f"The job {self.job} has failed each time for {for_long}."
        return f"The job {self.job} has not run for {for_long}."


def find_silences(
    beats: Sequence[Heartbeat], now: datetime, *, busy: Collection[str] = (), awake_since: datetime | None = None
) -> tuple[Silence, ...]:
    """The watched jobs that were not heard of, or not well, for three rounds and ten minutes at least.

    Nothing ever ran: nothing is silent. `busy`: jobs that show otherwise that they work. `awake_since`: since when the
    asking process leads; what was silent before that is no news of it."""
    known = {beat.job: beat for beat in beats if beat.job in WATCHED}
    if not known:
        return ()
    last = max(beat.ran_at for beat in known.values())
    if awake_since is None and now - last > SHORTEST and not busy:
        return (Silence(job=SCHEDULER, since=last, fails=False),)
    judged = (_judge(beat, now, awake_since) for name, beat in known.items() if name not in busy)
    return tuple(one for one in judged if one is not None)


def _judge(beat: Heartbeat, now: datetime, awake_since: datetime | None) -> Silence | None:
    allowed = max(SHORTEST, TIMES * WATCHED[beat.job])
    if now - max(beat.ran_at, awake_since or beat.ran_at) > allowed:
        return Silence(job=beat.job, since=beat.ran_at, fails=False)
    good = beat.good_at or awake_since
    if beat.note and good is not None and now - max(good, awake_since or good) > allowed:
        return Silence(job=beat.job, since=good, fails=True)
    return None


def read_silences(session: Session, now: datetime, *, awake_since: datetime | None = None) -> tuple[Silence, ...]:
    """The same from the control database; a sweep that goes on for long holds a lease, so it is not silent."""
    sweeping = sa.select(LeaseRow.name).where(LeaseRow.name.startswith(SWEEP_LEASES), LeaseRow.expires_at > now)
    busy = {SWEEPS} if session.execute(sweeping.limit(1)).first() else set()
    return find_silences(heartbeats(session), now, busy=busy, awake_since=awake_since)
