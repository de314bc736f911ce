"""How fast the mailboxes of one domain are written to: at most so many mails in any minute, each with a place in the line."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from core.settings_mail import DEFAULT

MINUTE: Final = timedelta(minutes=1)
MOST_DOMAINS: Final = 10_000


class DomainRates:
    """One for all mails of a process. `per_domain`: mails a minute, `default` for domains that are not named, None for no
    limit."""

    def __init__(self, per_domain: Mapping[str, int | None]) -> None:
        self._limits = per_domain
        self._times: dict[str, deque[datetime]] = {}
        self._places: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def place(self, domain: str, name: str, *, now: datetime, can_wait: bool = True) -> datetime | None:
        """When the mail of this name may leave; None: now, and it is counted. Asked again before then, it keeps its place.

        `can_wait` False: it leaves now in any case, and the others wait for it.
        """
        limit = self._limits.get(domain, self._limits.get(DEFAULT))
        if limit is None:
            return None
        with self._lock:
            if (held := self._places.get(name)) is not None:
                if held > now and can_wait:
                    return held
                del self._places[name]
                return None
            return self._take(domain, limit, name, now, can_wait)

    def _take(self, domain: str, limit: int, name: str, now: datetime, can_wait: bool) -> datetime | None:
        if len(self._times) > MOST_DOMAINS:
            self._forget(now)
        times = self._times.setdefault(domain, deque(maxlen=limit))
        free = times[0] + MINUTE if len(times) == limit else now
        if free <= now or not can_wait:
            times.append(max(now, times[-1]) if times else now)
            return None
        times.append(free)
        self._places[name] = free
        return free

    def _forget(self, now: datetime) -> None:
        self._times = {domain: times for domain, times in self._times.items() if times[-1] + MINUTE > now}
        self._places = {name: at for name, at in self._places.items() if at + MINUTE > now}
