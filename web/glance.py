"""What several parts of one page look at, read once for each request: the versions, the board, waiting approvals, the last ledger check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar, cast

from flask import g

from core.clock import day_in
from core.heartbeats import Heartbeat, heartbeats
from core.words import ago
from dsr.states import OPEN
from inbox.boxes import HEARTBEAT
from inbox.letter_values import WaitingLetters
from notify.stuck_mails import count_stuck
from notify.tables import MailState
from policies.versions import Version, VersionState
from promises.board import Board
from promises.states import State
from retention.views import WaitingApproval
from web.services import services

T = TypeVar("T")
# The scheduler's check, and the one that somebody asked for in the console; the later one counts.
CHECK_BY_SCHEDULER: Final = "ledger check"
CHECK_BY_HAND: Final = "ledger check by hand"


@dataclass(frozen=True, kw_only=True)
class OpenRequests:
    """How many requests are open, and how many of them are over their day; those opened as tests are in neither."""

    number: int
    overdue: int


def once(name: str, read: Callable[[], T]) -> T:
    """What `read` gives, asked for at most once while this request is answered."""
    if name not in g:
        setattr(g, name, read())
    return cast(T, getattr(g, name))


def published() -> list[Version]:
    """Every version of the policy, oldest first."""

    def read() -> list[Version]:
        kept = services()
        with kept.database.read() as session:
            return kept.policies.versions(session)

    return once("kept_versions", read)


def in_force() -> Version | None:
    """The version in force, None before the first."""
    return next((one for one in published() if one.state is VersionState.IN_FORCE), None)


def board() -> Board:
    """The board of the version in force."""
    return once("kept_board", services().board)


def count_states() -> Counter[State]:
    """How many clauses are in each state."""
    return Counter(one.state for one in board().clauses)


def open_requests(today: date) -> OpenRequests:
    """The open requests on a day, in the controller's zone."""

    def read() -> OpenRequests:
        kept = services().requests
        counts = kept.count_states()
        return OpenRequests(number=sum(counts[one] for one in OPEN), overdue=kept.count_overdue(today))

    return once("kept_open_requests", read)


def waiting_letters() -> WaitingLetters:
    """The letters of the inbox that nobody has sorted."""
    return once("kept_waiting_letters", services().inbox.desk.waiting)


def stuck_mails() -> Mapping[MailState, int]:
    """How many mails need somebody, by state: uncertain, refused, come back or given up."""

    def read() -> Mapping[MailState, int]:
        kept = services()
        with kept.database.read() as session:
            return count_stuck(session, kept.clock.now())

    return once("kept_stuck_mails", read)


def overdue_tasks() -> int:
    """How many tasks that people were asked to do are over their day, and recipients that were to be told."""
    return once(
        "kept_overdue_tasks", lambda: services().tasks.count_overdue() + services().requests.told.count_overdue()
    )


def waiting_approvals() -> list[WaitingApproval]:
    """The sweeps that wait for a person."""
    return once("kept_approvals", services().sweeps.waiting)


def inbox_says() -> str:
    """When every mailbox was last read, or since when one cannot be; empty where there is none."""
    kept = services()
    if not kept.inbox.boxes.any:
        return ""
    with kept.database.read() as session:
        found = next((one for one in heartbeats(session) if one.job == HEARTBEAT), None)
    if found is None:
        return "Inbox not read yet"
    now = kept.clock.now()
    if found.note:
        return f"Inbox fails: last read {ago(found.good_at, now)}" if found.good_at else "Inbox cannot be read"
    return f"Inbox read {ago(found.ran_at, now)}"


def last_ledger_check() -> Heartbeat | None:
    """The last time the whole ledger was verified, by the scheduler or by hand."""

    def read() -> Heartbeat | None:
        with services().database.read() as session:
            checks = [one for one in heartbeats(session) if one.job in (CHECK_BY_SCHEDULER, CHECK_BY_HAND)]
        return max(checks, key=lambda one: one.ran_at, default=None)

    return once("kept_ledger_check", read)


def shown_years() -> list[int]:
    """The years whose requests the public page tells, the newest first: those that are over; none where it is not shown."""

    def read() -> list[int]:
        kept, version = services(), in_force()
        if version is None or not kept.settings.public_requests:
            return []
        zone = version.document.controller.timezone
        begun = [day_in(one.in_force_at, zone).year for one in published() if one.in_force_at]
        last = day_in(kept.clock.now(), zone).year - 1
        return list(range(last, min([*begun, *kept.requests.figures.years(zone)]) - 1, -1))

    return once("kept_shown_years", read)
