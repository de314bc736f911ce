"""The operators' list of tickets: what a line of it holds, which tickets it shows, and how many there are."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.operators import OperatorRow
from core.personal import Personal
from dsr.stands import Stand, read_stands
from dsr.states import ENDS, OPEN, State
from dsr.tables import TicketRow
from dsr.words import RIGHT_NAMES, STAND_NAMES, STATE_NAMES
from policies.clauses import Right


@dataclass(frozen=True, kw_only=True)
class TicketLine:
    """One line of the list. `contact` is personal data: pages only. `assigned_to`: an operator's id. `stand`: of one that is
    partly done, why."""

    ref: str
    contact: Personal
    right: Right
    right_name: str
    regime: str | None
    state: State
    state_name: str
    received_at: datetime
    due_on: date | None
    identity_shown: bool
    channel: str
    is_test: bool
    assigned_to: str | None = None
    stand: Stand | None = None

    @property
    def is_closed(self) -> bool:
        return self.state in ENDS


class Which(StrEnum):
    """OPEN: what is still to be answered. CLOSED: what came to an end and was somebody's, the latest first. ALL: both."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which tickets. `state` goes before `which`. `search`: a reference or its start, or a whole address.
    `assigned_to`: those of an operator; `is_unassigned`: those of nobody who still works here."""

    which: Which = Which.OPEN
    state: State | None = None
    right: Right | None = None
    search: str = ""
    due_before: date | None = None
    assigned_to: str = ""
    is_unassigned: bool = False
    with_tests: bool = True


def list_lines(session: Session, wanted: Wanted, *, limit: int, offset: int = 0) -> list[TicketLine]:
    """Tickets by what is due next; closed ones by when they were closed, the latest first."""
    rows = sa.select(TicketRow).where(*_conditions(wanted))
    if wanted.which is Which.CLOSED and wanted.state is None:
        rows = rows.order_by(TicketRow.closed_at.is_(None), TicketRow.closed_at.desc(), TicketRow.ref)
    else:
        rows = rows.order_by(TicketRow.due_on.is_(None), TicketRow.due_on, TicketRow.received_at, TicketRow.ref)
    found = session.execute(rows.limit(limit).offset(offset)).scalars().all()
    stands = read_stands(session, found)
    return [line_of(row, stands.get(row.id)) for row in found]


def count_lines(session: Session, wanted: Wanted) -> int:
    """How many tickets a list has in all."""
    rows = sa.select(sa.func.count()).select_from(TicketRow).where(*_conditions(wanted))
    return session.execute(rows).scalar_one()


def count_states(session: Session) -> dict[State, int]:
    """How many tickets are in each state, tests left out."""
    wanted = sa.select(TicketRow.state, sa.func.count()).where(TicketRow.is_test.is_(False)).group_by(TicketRow.state)
    found = {State(state): number for state, number in session.execute(wanted)}
    return {state: found.get(state, 0) for state in State}


def count_overdue(session: Session, today: date) -> int:
    """How many open tickets were due before a day, tests left out."""
    return count_lines(session, Wanted(due_before=today, with_tests=False))


def line_of(row: TicketRow, stand: Stand | None = None) -> TicketLine:
    """A ticket as the list shows it."""
    return TicketLine(
        ref=row.ref,
        contact=row.contact,
        right=Right(row.right),
        right_name=RIGHT_NAMES[Right(row.right)],
        regime=row.regime,
        state=State(row.state),
        state_name=state_name(row, stand),
        received_at=row.received_at,
        due_on=row.due_on,
        identity_shown=row.identity_at is not None,
        channel=row.channel,
        is_test=row.is_test,
        assigned_to=row.assigned_to,
        stand=stand,
    )


def state_name(row: TicketRow, stand: Stand | None = None) -> str:
    """A ticket's state in words; one that waits for the person, a decision or its time says so."""
    if State(row.state) is State.RECEIVED and row.identity_at is None:
        return "Waits for proof"
    return STAND_NAMES[stand] if stand else STATE_NAMES[State(row.state)]


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found = [_by_state(wanted)]
    if wanted.right is not None:
        found.append(TicketRow.right == wanted.right.value)
    if wanted.due_before is not None:
        found.append(TicketRow.due_on < wanted.due_before)
    if text := wanted.search.strip():
        as_ref = TicketRow.ref.startswith(text.upper(), autoescape=True)
        found.append(sa.or_(as_ref, sa.func.lower(TicketRow.contact) == text.lower()))
    if wanted.assigned_to:
        found.append(TicketRow.assigned_to == wanted.assigned_to)
    if wanted.is_unassigned:
        here = sa.select(OperatorRow.id).where(OperatorRow.disabled_at.is_(None))
        found.append(sa.or_(TicketRow.assigned_to.is_(None), TicketRow.assigned_to.not_in(here)))
    if not wanted.with_tests:
        found.append(TicketRow.is_test.is_(False))
    return found


def _by_state(wanted: Wanted) -> sa.ColumnElement[bool]:
    if wanted.state is not None:
        return TicketRow.state == wanted.state.value
    if wanted.which is Which.OPEN:
        return TicketRow.state.in_([one.value for one in OPEN])
    if wanted.which is Which.CLOSED:
        return TicketRow.state.in_([one.value for one in ENDS - {State.EXPIRED}])
    return TicketRow.state.not_in([State.UNCONFIRMED.value, State.EXPIRED.value])
