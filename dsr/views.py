"""Tickets as pages and commands show them: frozen values, read in one consistent look."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from core.errors import NotFound
from dsr.certificates import CertificateView, view_certificate
from dsr.choices import why_never_refused
from dsr.clock_acts import ClockView, read_clock
from dsr.clocks import reckon_ticket
from dsr.desk import Desk, find_ticket, read_events
from dsr.finding import FoundPanel, is_sound, view_found
from dsr.grounds import Ground, grounds_for
from dsr.how import by_hand, by_plan
from dsr.listing import TicketLine, line_of
from dsr.messages import MessageView, can_be_written_to, read_messages
from dsr.package import PackageView, view_package
from dsr.planning import RUNNABLE, has_begun, holds_nothing, seal_of
from dsr.proof_panel import ProofPanel, view_proof
from dsr.retries import Trying, read_trying
from dsr.stands import LATER, read_stand
from dsr.states import ENDS, MOVES, State
from dsr.tables import TicketEventRow, TicketRow
from dsr.task_views import TaskLine, list_task_lines
from dsr.words import RIGHT_WORDS, STATE_NAMES
from ledger.entries import LedgerEntry
from plans.build_request import READ_RIGHTS
from plans.plan import Gap
from plans.standing import PlanView
from plans.waiting import opens_at
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
    REFUSE_PART = "refuse_part"
    SPLIT = "split"
    LINK = "link"
    ASSIGN = "assign"
    REPLY = "reply"
    ACCEPT_PROOF = "accept_proof"
    LIFT_CONTEST = "lift_contest"
    CARRY_OUT = "carry_out"


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One step of the plan: what the preview said, and how far it is. `rows` None: the store could not say. `state`: of its
    row, or `later` for one that waits for its time."""

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
    newest: datetime | None = None


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
    clock: ClockView
    timeline: tuple[TimelineLine, ...]
    messages: tuple[MessageView, ...]
    plan: PlanPanel | None
    found: FoundPanel
    package: PackageView | None
    certificate: CertificateView | None
    trying: Trying | None
    proof: ProofPanel
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
    def waiting_messages(self) -> int:
        """How many messages of the person nobody has answered."""
        return sum(one.waits for one in self.messages)

    @property
    def is_copy(self) -> bool:
        """Whether it is answered by a copy of records: nothing is changed in a store."""
        return self.line.right in READ_RIGHTS

    @property
    def has_plan(self) -> bool:
        """Whether a plan carries the right out; the others are done by hand."""
        return by_plan(self.line.right)


def read_view(desk: Desk, ref: str) -> TicketView:
    """One ticket with all that belongs to it. Raises NotFound."""
    with desk.database.read() as session:
        ticket = find_ticket(session, ref)
        document = desk.document(session, ticket)
        events = read_events(session, ticket)
        messages = read_messages(session, ticket)
        package = view_package(session, ticket)
        proof = view_proof(desk, session, ticket)
        certificate, trying = view_certificate(session, ticket), read_trying(session, ticket, events)
        stand = read_stand(session, ticket)
        evidence = desk.ledger.entries(session, ref=f"ticket:{ticket.ref}")
        tasks = list_task_lines(session, desk.clock.now(), trigger_ref=f"ticket:{ticket.ref}")
        never = {Act.REFUSE, Act.REFUSE_PART} if why_never_refused(session, ticket) else set[Act]()
    reckoning = reckon_ticket(ticket, events, document, now=desk.clock.now())
    plan = _plan(desk, ticket)
    regimes = (ticket.regime,) if ticket.regime else document.regimes
    return TicketView(
        line=line_of(ticket, stand),
        right_words=RIGHT_WORDS[Right(ticket.right)],
        details=ticket.details,
        country=ticket.country,
        subdivision=ticket.subdivision,
        version=ticket.version,
        identity_at=ticket.identity_at,
        due_on=reckoning.due,
        reckoning=reckoning,
        clock=read_clock(ticket, events, document, now=desk.clock.now()),
        timeline=tuple(_timeline(event) for event in events),
        messages=messages,
        plan=_panel(plan) if plan else None,
        found=view_found(ticket, plan),
        package=package,
        certificate=certificate,
        trying=trying,
        proof=proof,
        tasks=tasks,
        outcome=dict(ticket.outcome),
        grounds=grounds_for(regimes, Right(ticket.right)),
        regimes=document.regimes,
        acts=_acts(ticket, plan) - withheld_acts(proof) - never,
        evidence=tuple(evidence),
        zone=document.controller.timezone,
    )


def withheld_acts(proof: ProofPanel) -> frozenset[Act]:
    """What cannot be done as the proof stands."""
    can = {
        Act.APPROVE: not proof.missing,
        Act.CARRY_OUT: not proof.missing,
        Act.ANSWER_BY_HAND: not proof.standing.may_ask,
        Act.NOTHING_FOUND: not proof.standing.may_ask,
        # Whoever asks and the person have mails of their own, with links of their own.
        Act.ASK_AGAIN: proof.standing.asker is None or proof.standing.asker.rule is None,
        Act.ACCEPT_PROOF: not proof.standing.enough,
        Act.LIFT_CONTEST: proof.standing.contested_at is not None,
    }
    return frozenset(act for act, may in can.items() if not may)


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


def _plan(desk: Desk, ticket: TicketRow) -> PlanView | None:
    """None without one, and some time after the request was closed, when its details were emptied."""
    try:
        return desk.plans.load(ticket.plan_id) if ticket.plan_id else None
    except NotFound:
        return None


def _acts(ticket: TicketRow, plan: PlanView | None) -> frozenset[Act]:
    state, proven = State(ticket.state), ticket.identity_at is not None
    nothing = plan is not None and holds_nothing(plan)
    sound = plan is not None and is_sound(plan) and not nothing and not has_begun(plan)
    right = Right(ticket.right)
    carried_out = by_plan(right)
    at_rest = state in (State.RECEIVED, State.PLANNED, State.PARTLY_DONE)
    can = {
        Act.MAKE_PLAN: at_rest and proven and carried_out,
        Act.APPROVE: state is State.PLANNED and sound,
        Act.REFUSE: State.REFUSED in MOVES[state],
        Act.NOTHING_FOUND: state is State.PLANNED and nothing,
        Act.RUN: state in RUNNABLE,
        Act.ANSWER_BY_HAND: state is State.RECEIVED and proven and by_hand(right),
        Act.WITHDRAW: State.WITHDRAWN in MOVES[state],
        Act.ASK_AGAIN: state is State.RECEIVED and not proven and bool(ticket.contact),
        Act.SET_REGIME: state not in ENDS,
        Act.NOTE: True,
        Act.REFUSE_PART: _may_refuse_part(state, carried_out=carried_out, sound=sound),
        Act.SPLIT: bool(ticket.contact) and state not in (State.UNCONFIRMED, State.EXPIRED),
        Act.LINK: state not in (State.UNCONFIRMED, State.EXPIRED),
        Act.ASSIGN: state not in ENDS,
        Act.REPLY: can_be_written_to(ticket),
        Act.ACCEPT_PROOF: proven and state not in ENDS,
        Act.LIFT_CONTEST: state not in ENDS,
        Act.CARRY_OUT: state is State.RECEIVED and not carried_out,
    }
    return frozenset(act for act, may in can.items() if may)


def _may_refuse_part(state: State, *, carried_out: bool, sound: bool) -> bool:
    # A part of what a plan found, or, where none carries the right out, a part in words.
    return (state is State.PLANNED and sound) if carried_out else state is State.RECEIVED


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
            state=LATER if opens_at(step, result.error) else result.state.value,
            done=result.rows,
            remaining=result.remaining,
            note=result.note,
            error=result.error,
        )
        lines.append(line)
    return tuple(lines)
