"""What a host application says of a closed account, and how such an event stands."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.clock import require_utc
from core.errors import BadInput
from core.personal import Personal

LONGEST_REASON: Final = 200
# Clocks of two machines differ a little.
SKEW: Final = timedelta(minutes=5)
OLDEST: Final = timedelta(days=3_653)


class Closed(StrEnum):
    """TAKEN: written down. WAITING: its ticket waits for its day. UNKNOWN: nobody of this id is in the stores. NO_CLAUSE: the
    policy promises nothing of closed accounts. DONE: a look found the account gone. BY_HAND: it was not gone in time.
    REPLACED: the account was closed again later."""

    TAKEN = "taken"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    NO_CLAUSE = "no_clause"
    DONE = "done"
    BY_HAND = "by_hand"
    REPLACED = "replaced"


@dataclass(frozen=True, kw_only=True)
class AccountClosed:
    """One event, as the host application says it."""

    subject: Personal
    closed_at: datetime
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """How many events are new, and how many were known."""

    new: int
    known: int


@dataclass(frozen=True, kw_only=True)
class ClosedLine:
    """One closed account, for operators. `ref`: of its ticket, '' without one."""

    subject: Personal
    closed_at: datetime
    state: Closed
    ref: str


def require_possible(one: AccountClosed, now: datetime) -> None:
    """Refuse an event that cannot have happened."""
    at = require_utc(one.closed_at)
    if at > now + SKEW:
        raise BadInput("The account is closed in the future.", remedy="Send it once the account is closed.")
    if at < now - OLDEST:
        raise BadInput("The account was closed more than ten years ago.", remedy="Look at the time.")
    if len(one.reason) > LONGEST_REASON:
        raise BadInput(f"A reason has at most {LONGEST_REASON} characters.", remedy="Send a word, as user or idle.")
