"""How many requests are open, late and answered, by right: for the promise board."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import day_in
from dsr.states import OPEN, State
from dsr.tables import RequestCountRow, TicketRow
from policies.clauses import Right

# What a test ticket is said to have ended as, whatever it came to.
TEST = "test"
ANSWERS = (State.ANSWERED, State.PARTLY_REFUSED, State.REFUSED, State.NOTHING_FOUND, State.FORWARDED)


@dataclass(frozen=True, kw_only=True)
class RightFigures:
    """Tickets of one right, tests left out. `late`: open on a day after the due date."""

    open: int = 0
    late: int = 0
    answered: int = 0


@dataclass(frozen=True, kw_only=True)
class LateRequest:
    """A request that is open on a day after the one it was due. `since`: the instant it became late."""

    ref: str
    right: Right
    due_on: date
    since: datetime


def list_late(session: Session, now: datetime, zone: str) -> tuple[LateRequest, ...]:
    """Every request that is late in the controller's zone, the longest first, tests left out."""
    is_open = TicketRow.state.in_([state.value for state in OPEN])
    wanted = (
        sa.select(TicketRow.ref, TicketRow.right, TicketRow.due_on)
        .where(is_open, TicketRow.due_on < day_in(now, zone), TicketRow.is_test.is_(False))
        .order_by(TicketRow.due_on, TicketRow.ref)
    )
    return tuple(
        LateRequest(ref=ref, right=Right(right), due_on=due, since=_end_of(due, zone))
        for ref, right, due in session.execute(wanted)
        if due is not None
    )


def _end_of(day: date, zone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def count_rights(session: Session, today: date) -> dict[Right, RightFigures]:
    """The figures of every right anyone has asked for; `today` in the controller's zone."""
    is_open = TicketRow.state.in_([state.value for state in OPEN])
    wanted = (
        sa.select(
            TicketRow.right,
            sa.func.count().filter(is_open),
            sa.func.count().filter(is_open, TicketRow.due_on < today),
            sa.func.count().filter(TicketRow.state.in_([state.value for state in ANSWERS])),
        )
        .where(TicketRow.is_test.is_(False))
        .group_by(TicketRow.right)
    )
    rows = session.execute(wanted).all()
    return {
        Right(right): RightFigures(open=opened, late=late, answered=answered) for right, opened, late, answered in rows
    }


def count_due(session: Session, last: date) -> dict[date, int]:
    """How many open requests are due on each day up to `last`, those that are over included; tests left out."""
    wanted = (
        sa.select(TicketRow.due_on, sa.func.count())
        .where(TicketRow.state.in_([state.value for state in OPEN]), TicketRow.is_test.is_(False))
        .where(TicketRow.due_on <= last)
        .group_by(TicketRow.due_on)
        .order_by(TicketRow.due_on)
    )
    return {day: number for day, number in session.execute(wanted) if day is not None}


def count_ages(session: Session, now: datetime) -> Counter[tuple[int, State]]:
    """How many open requests there are by age in whole days and state, tests left out."""
    wanted = sa.select(TicketRow.received_at, TicketRow.state).where(
        TicketRow.state.in_([state.value for state in OPEN]), TicketRow.is_test.is_(False)
    )
    return Counter(((now - received).days, State(state)) for received, state in session.execute(wanted))


def forget_tests(session: Session) -> None:
    """Take test tickets out of what is left of closed requests: they stand in no count, however long ago they were."""
    session.execute(sa.delete(RequestCountRow).where(RequestCountRow.outcome == TEST))
