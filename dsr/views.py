"""Tickets as pages and commands show them: frozen values, read in one consistent look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.personal import Personal
from dsr.clocks import reckon_ticket
from dsr.desk import Desk, find_ticket, read_events
from dsr.grounds import Ground, grounds_for
from dsr.intake import CARRIED_OUT
from dsr.package import PackageView, view_package
from dsr.planning import RUNNABLE, holds_nothing, seal_of
from dsr.states import ENDS, MOVES, OPEN, State
from dsr.tables import MessageRow, TicketEventRow, TicketRow
from dsr.task_views import TaskLine, list_task_lines
from dsr.words import RIGHT_NAMES, RIGHT_WORDS, STATE_NAMES
from ledger.entries import LedgerEntry
from plans.build_request import READ_RIGHTS
from plans.plan import Gap
from plans.standing import PlanView
from policies.clauses import Right
from policies.reckoning import Reckoning


class Act(StrEnum):
    """What an operator can do with a ticket now."""

    MAKE_PLAN = "make_plan"
    APPROVE = "approve"
    REFUSE = "refuse"
    NOTHING_FOUND = "nothing_found"
    RUN = "run"
    WITHDRAW = "withdraw"
    ASK_AGAIN = "ask_again"
    SET_REGIME = "set_regime"
    NOTE = "note"
    ANSWER_BY_HAND = "answer_by_hand"


@dataclass(frozen=True, kw_only=True)
class TicketLine:
    """One line of the list. `contact` is personal data: pages only."""

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


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step of the plan: what the preview said, and how far it is. `rows` None: the store could not say."""

    id: str
    position: int
    title: str
    collection: str
    store: str
    at: str
    deed: str
    clause: str
    rows: int | None
    oldest: datetime | None
    newest: datetime | None
    held: int
    blocked: str | None
    state: str
    done: int
    remaining: int | None
    note: str
    error: str


@dataclass(frozen=True, kw_only=True)
class StayLine:
    """Records that stay, why, and until when in words."""

    collection: str
    clause: str
    basis: str
    reason: str
    until: str
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class PlanPanel:
    """The plan of a ticket with its preview. `seal` goes into the approval's form."""

    id: str
    version: int
    made_at: datetime
    looked_at: datetime | None
    steps: tuple[StepLine, ...]
    stays: tuple[StayLine, ...]
    gaps: tuple[Gap, ...]
    total: int
    staying: int
    nothing_found: bool
    blocked: tuple[str, ...]
    seal: str
    state: str
    approved_by: str | None
    approved_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TimelineLine:
    """One thing that happened. `by`: `person`, `system` or an operator's id."""

    at: datetime
    kind: str
    before: State
    after: State
    after_name: str
    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class MessageView:
    """A note (`note`) or a mail of ours (`out`; `body` is then the mail's name)."""

    at: datetime
    direction: str
    author: str
    body: str


@dataclass(frozen=True, kw_only=True)
class TicketView:
    """Everything about one ticket."""

    line: TicketLine
    right_words: str
    details: str
    country: str | None
    subdivision: str | None
    version: int
    identity_at: datetime | None
    due_on: date
    reckoning: Reckoning
    timeline: tuple[TimelineLine, ...]
    messages: tuple[MessageView, ...]
    plan: PlanPanel | None
    package: PackageView | None
    tasks: tuple[TaskLine, ...]
    outcome: Mapping[str, Any]
    grounds: tuple[Ground, ...]
    regimes: tuple[str, ...]
    acts: frozenset[Act]
    evidence: tuple[LedgerEntry, ...]
    zone: str

    @property
    def ref(self) -> str:
        return self.line.ref

    @property
    def state(self) -> State:
        return self.line.state

    @property
    def is_copy(self) -> bool:
        """Whether it is answered by a copy of records: nothing is changed in a store."""
        return self.line.right in READ_RIGHTS

    @property
    def has_plan(self) -> bool:
        """Whether a plan carries the right out; the others are done by hand."""
        return self.line.right in CARRIED_OUT


def list_lines(
    session: Session,
    *,
    state: State | None,
    right: Right | None,
    search: str,
    is_open: bool,
    due_before: date | None,
    limit: int,
) -> list[TicketLine]:
    """Tickets by what is due next; `search` is a reference or its start, or a whole address."""
    wanted = sa.select(TicketRow).order_by(TicketRow.due_on.is_(None), TicketRow.due_on, TicketRow.received_at)
    if state is not None:
        wanted = wanted.where(TicketRow.state == state.value)
    elif is_open:
        wanted = wanted.where(TicketRow.state.in_([one.value for one in OPEN]))
    else:
        hidden = [State.UNCONFIRMED.value, State.EXPIRED.value]
        wanted = wanted.where(TicketRow.state.not_in(hidden))
    if right is not None:
        wanted = wanted.where(TicketRow.right == right.value)
    if due_before is not None:
        wanted = wanted.where(TicketRow.due_on < due_before)
    if text := search.strip():
        as_ref = TicketRow.ref.startswith(text.upper(), autoescape=True)
        wanted = wanted.where(sa.or_(as_ref, sa.func.lower(TicketRow.contact) == text.lower()))
    return [_line(row) for row in session.execute(wanted.limit(limit)).scalars()]


def count_states(session: Session) -> dict[State, int]:
    """How many tickets are in each state, tests left out."""
    wanted = sa.select(TicketRow.state, sa.func.count()).where(TicketRow.is_test.is_(False)).group_by(TicketRow.state)
    found = {State(state): number for state, number in session.execute(wanted)}
    return {state: found.get(state, 0) for state in State}


def count_overdue(session: Session, today: date) -> int:
    """How many open tickets were due before a day, tests left out."""
    is_open = TicketRow.state.in_([one.value for one in OPEN])
    wanted = sa.select(sa.func.count()).where(is_open, TicketRow.due_on < today, TicketRow.is_test.is_(False))
    return session.execute(wanted).scalar_one()


def read_view(desk: Desk, ref: str) -> TicketView:
    """One ticket with all that belongs to it. Raises NotFound."""
    with desk.database.read() as session:
        ticket = find_ticket(session, ref)
        document = desk.document(session, ticket)
        events = read_events(session, ticket)
        messages = _messages(session, ticket)
        package = view_package(session, ticket)
        evidence = desk.ledger.entries(session, ref=f"ticket:{ticket.ref}")
        tasks = list_task_lines(session, desk.clock.now(), trigger_ref=f"ticket:{ticket.ref}")
    reckoning = reckon_ticket(ticket, events, document, now=desk.clock.now())
    plan = _plan(desk, ticket)
    regimes = (ticket.regime,) if ticket.regime else document.regimes
    return TicketView(
        line=_line(ticket),
        right_words=RIGHT_WORDS[Right(ticket.right)],
        details=ticket.details,
        country=ticket.country,
        subdivision=ticket.subdivision,
        version=ticket.version,
        identity_at=ticket.identity_at,
        due_on=reckoning.due,
        reckoning=reckoning,
        timeline=tuple(_timeline(event) for event in events),
        messages=messages,
        plan=_panel(plan) if plan else None,
        package=package,
        tasks=tasks,
        outcome=dict(ticket.outcome),
        grounds=grounds_for(regimes, Right(ticket.right)),
        regimes=document.regimes,
        acts=_acts(ticket, plan),
        evidence=tuple(evidence),
        zone=document.controller.timezone,
    )


def _line(row: TicketRow) -> TicketLine:
    return TicketLine(
        ref=row.ref,
        contact=row.contact,
        right=Right(row.right),
        right_name=RIGHT_NAMES[Right(row.right)],
        regime=row.regime,
        state=State(row.state),
        state_name=_state_name(row),
        received_at=row.received_at,
        due_on=row.due_on,
        identity_shown=row.identity_at is not None,
        channel=row.channel,
        is_test=row.is_test,
    )


def _state_name(row: TicketRow) -> str:
    if State(row.state) is State.RECEIVED and row.identity_at is None:
        return "Waits for proof"
    return STATE_NAMES[State(row.state)]


def _timeline(event: TicketEventRow) -> TimelineLine:
    after = State(event.after)
    return TimelineLine(
        at=event.at,
        kind=event.kind,
        before=State(event.before),
        after=after,
        after_name=STATE_NAMES[after],
        by=event.by,
        why=event.why,
    )


def _messages(session: Session, ticket: TicketRow) -> tuple[MessageView, ...]:
    wanted = sa.select(MessageRow).where(MessageRow.ticket_id == ticket.id).order_by(MessageRow.at, MessageRow.id)
    rows: Sequence[MessageRow] = session.execute(wanted).scalars().all()
    return tuple(MessageView(at=row.at, direction=row.direction, author=row.author, body=row.body) for row in rows)


def _plan(desk: Desk, ticket: TicketRow) -> PlanView | None:
    """None without one, and some time after the request was closed, when its details were emptied."""
    try:
        return desk.plans.load(ticket.plan_id) if ticket.plan_id else None
    except NotFound:
        return None


def _acts(ticket: TicketRow, plan: PlanView | None) -> frozenset[Act]:
    state, proven = State(ticket.state), ticket.identity_at is not None
    nothing = plan is not None and holds_nothing(plan)
    sound = plan is not None and plan.preview is not None and not plan.preview.blocked and not nothing
    carried_out = Right(ticket.right) in CARRIED_OUT
    at_rest = state in (State.RECEIVED, State.PLANNED, State.PARTLY_DONE)
    can = {
        Act.MAKE_PLAN: at_rest and proven and carried_out,
        Act.APPROVE: state is State.PLANNED and sound,
        Act.REFUSE: State.REFUSED in MOVES[state],
        Act.NOTHING_FOUND: state is State.PLANNED and nothing,
        Act.RUN: state in RUNNABLE,
        Act.ANSWER_BY_HAND: state is State.RECEIVED and proven and not carried_out,
        Act.WITHDRAW: State.WITHDRAWN in MOVES[state],
        Act.ASK_AGAIN: state is State.RECEIVED and not proven,
        Act.SET_REGIME: state not in ENDS,
        Act.NOTE: True,
    }
    return frozenset(act for act, may in can.items() if may)


def _panel(view: PlanView) -> PlanPanel:
    plan, preview = view.plan, view.preview
    stays = preview.stays if preview else ()
    return PlanPanel(
        id=plan.id,
        version=plan.version,
        made_at=plan.made_at,
        looked_at=preview.at if preview else None,
        steps=_step_lines(view),
        stays=tuple(StayLine(**vars(stay)) for stay in stays if stay.rows != 0),
        gaps=plan.gaps,
        total=preview.total if preview else 0,
        staying=sum(stay.rows or 0 for stay in stays),
        nothing_found=holds_nothing(view),
        blocked=preview.blocked if preview else (),
        seal=seal_of(plan, preview) if preview else "",
        state=view.state.value,
        approved_by=view.approved_by,
        approved_at=view.approved_at,
    )


def _step_lines(view: PlanView) -> tuple[StepLine, ...]:
    results = {result.step_id: result for result in view.steps}
    seen = {row.step: row for row in view.preview.rows} if view.preview else {}
    lines = []
    for step in view.plan.steps:
        row, result = seen.get(step.id), results[step.id]
        extent = row.extent if row else None
        line = StepLine(
            id=step.id,
            position=step.position,
            title=step.title,
            collection=step.collection,
            store=step.store,
            at=step.at,
            deed=step.deed.value,
            clause=step.clause,
            rows=extent.rows if extent else None,
            oldest=extent.oldest if extent else None,
            newest=extent.newest if extent else None,
            held=row.held if row else 0,
            blocked=row.blocked if row else None,
            state=result.state.value,
            done=result.rows,
            remaining=result.remaining,
            note=result.note,
            error=result.error,
        )
        lines.append(line)
    return tuple(lines)
