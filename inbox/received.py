"""When a mail was written and when it came: its own Date, and the first Received header of a server of ours."""

import re
from calendar import timegm
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from itertools import pairwise
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A mail that is fetched late was still received then; what is older than this says nothing of a delivery of now.
OLDEST: Final = timedelta(days=90)
# Clocks of servers differ by so much and no more.
_AHEAD: Final = timedelta(minutes=5)
# Queues give up after five days: hops inside our house are no further apart.
_LONGEST_INSIDE: Final = timedelta(days=5)
_ODD_DATE: Final = timedelta(days=2)
_BY: Final = re.compile(r"(?:^|\s)by\s+([\w.\-:\[\]]{1,255})", re.IGNORECASE | re.ASCII)
_FROM: Final = re.compile(r"\s*from\s+([\w.\-:\[\]]{1,255})", re.IGNORECASE | re.ASCII)
_LOCAL: Final = frozenset(["localhost", "localhost.localdomain", "[127.0.0.1]", "[::1]", "127.0.0.1", "::1"])


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One Received header: which server took it, from which (both in small letters, '' unsaid), and when."""

    by: str
    source: str
    at: datetime | None


def read_date(text: str) -> datetime | None:
    """A mail's date in UTC; None for what is none. Without a zone it is taken as UTC."""
    try:
        parts = parsedate_tz(text[:200])
        if parts is None:
            return None
        seconds = timegm((*parts[:6], 0, 1, 0))
        moment = _EPOCH + timedelta(seconds=seconds - (parts[9] or 0))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # The library rolls a 32nd of a month over; a mail that says so says no date.
    return moment if 1 <= parts[2] <= 31 and 0 <= parts[3] <= 24 else None


def date_problem(date: datetime | None, said: str, now: datetime) -> str:
    """What is odd about the date that a mail gives itself, as a sentence; '' for nothing."""
    if date is None:
        return "The date that the mail gives itself cannot be read." if said.strip() else "The mail gives no date."
    if date > now + _ODD_DATE:
        return f"The mail says that it was written on {date:%Y-%m-%d}, which is still to come."
    if date < now - OLDEST:
        return f"The mail says that it was written on {date:%Y-%m-%d}, which is long ago."
    return ""


def read_hop(text: str) -> Hop:
    """One Received header."""
    said, _, when = text.rpartition(";")
    by, source = _BY.search(said), _FROM.match(said)
    return Hop(by=_host(by[1]) if by else "", source=_host(source[1]) if source else "", at=read_date(when))


def first_received(values: Sequence[str], our_hosts: Sequence[str], now: datetime) -> tuple[datetime | None, str]:
    """When a server of ours first had it, and '' or why that is not known. `values`: topmost first.

    From the topmost header by a server of ours, down as long as one of ours handed it to the next: what stands below the
    one that took it from outside, anybody can write. Without `our_hosts` it is the topmost header's time.
    """
    ours = frozenset(_host(one) for one in our_hosts)
    hops = [read_hop(one) for one in values[:100]]
    if not hops:
        return None, "No server says when it received the mail."
    start = 0
    if ours:
        start = next((place for place, hop in enumerate(hops) if _is_ours(hop.by, ours)), -1)
        if start < 0:
            return None, "No server of ours says when it received the mail."
    first = _walk_inside(hops[start:], ours)
    if first is None:
        return None, "Our server's time of receipt cannot be read."
    if first > now + _AHEAD:
        return None, f"The time of receipt, {first:%Y-%m-%d %H:%M} UTC, is still to come: it is not used."
    if first < now - OLDEST:
        return None, f"The time of receipt, {first:%Y-%m-%d}, is more than {OLDEST.days} days ago: it is not used."
    return min(first, now), ""


def _walk_inside(hops: Sequence[Hop], ours: frozenset[str]) -> datetime | None:
    first = hops[0].at
    for above, hop in pairwise(hops):
        inside = not above.source or above.source in _LOCAL or _is_ours(above.source, ours)
        if not ours or not inside or not _is_ours(hop.by, ours):
            break
        if first is None or (hop.at is not None and timedelta(0) <= first - hop.at <= _LONGEST_INSIDE):
            first = hop.at
    return first


def _is_ours(host: str, ours: frozenset[str]) -> bool:
    """A name of ours, or one under a domain of ours."""
    return any(host[dot:] in ours for dot in [0, *(at + 1 for at, sign in enumerate(host) if sign == ".")])


def _host(name: str) -> str:
    return name.strip().lower().rstrip(".")
