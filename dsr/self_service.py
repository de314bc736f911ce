"""Requests that need no operator: of people whom the application handed over, where the policy's clause says so and all is clean.

The clause approves, as `clause:ID`, exactly the plan and preview that were looked at, like an operator would. A copy is made at
once; a deletion waits for the cool-off, and its person can stop it until then. Whatever is in doubt waits for an operator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from sqlalchemy.orm import Session

from core.catalogue import mark
from core.clock import day_in
from core.errors import KeptError, NotFound, Unreachable
from core.one_time import issue_token, look_up_token, spend_token, void_tokens
from core.outbox import Event, post
from core.words import long_day
from dsr.asker_tables import asker_row
from dsr.clocks import right_clause
from dsr.desk import PERSON, Desk, find_ticket
from dsr.finding import open_questions
from dsr.planning import Planning, holds_nothing, seal_of
from dsr.proof_standing import read_standing
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from dsr.ways_in_tables import SelfServiceRow
from plans.plan import StepDeed
from plans.standing import PlanView
from policies.clauses import Right

log = structlog.get_logger()
SERVE: Final = "request.self_service"
STOP: Final = "self_service_stop"
MAIL: Final = "deletion_cooling"
SERVED: Final = frozenset({Right.ACCESS, Right.PORTABILITY, Right.DELETION})


class Served(StrEnum):
    """LOOKING: the plan is being made. COOLING: it is clean, and goes at its hour. RUNNING: approved by the clause. OPERATOR:
    something is in doubt. STOPPED: its person took it back."""

    LOOKING = "looking"
    COOLING = "cooling"
    RUNNING = "running"
    OPERATOR = "operator"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class ServiceView:
    """How a request that needs no operator stands. `why`: what an operator has to look at; `runs_on`: the day in words."""

    clause: str
    state: Served
    why: tuple[str, ...]
    runs_at: datetime | None
    runs_on: str


@dataclass(frozen=True, kw_only=True)
class StopView:
    """What the page behind the link shows."""

    ref: str
    right: Right
    language: str
    runs_on: str


class SelfService:
    """Carries out by the clause what is clean, and hands the rest to operators."""

    def __init__(self, desk: Desk, planning: Planning) -> None:
        self._desk = desk
        self._planning = planning

    def offer(self, session: Session, ticket: TicketRow) -> bool:
        """In the transaction that takes a handed-over person's request: let a job carry it out, where the clause says so."""
        clause = right_clause(ticket, self._desk.document(session, ticket))
        if clause is None or not clause.self_service or Right(ticket.right) not in SERVED:
            return False
        now = self._desk.clock.now()
        session.add(
            SelfServiceRow(
                ticket_id=ticket.id, clause=clause.id, at=now, state=Served.LOOKING.value, why=[], runs_at=None
            )
        )
        self._desk.note_event(session, ticket, "self_service", by=f"clause:{clause.id}")
        post(session, SERVE, {"ref": ticket.ref}, now=now)
        return True

    def handle(self, event: Event) -> None:
        """The outbox's handler. Raises Unreachable while a store does not answer: it is tried again."""
        ref = str(event.payload["ref"])
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            row = session.get(SelfServiceRow, ticket.id)
        if row is None or row.state not in (Served.LOOKING, Served.COOLING):
            return
        if State(ticket.state) not in (State.RECEIVED, State.PLANNED):
            return  # an operator took it up, or it was taken back
        if row.runs_at is not None and row.runs_at > self._desk.clock.now():
            return  # an event of its own is due then
        try:
            self._serve(ref, row)
        except Unreachable:
            raise
        except KeptError as error:  # a crowd's address, a proof that lacks: somebody has to look
            self._give_up(ref, [error.message])

    def look(self, session: Session, ticket: TicketRow) -> ServiceView | None:
        """How a ticket stands; None for one that operators work on as ever."""
        row = session.get(SelfServiceRow, ticket.id)
        if row is None:
            return None
        zone = self._desk.document(session, ticket).controller.timezone
        return ServiceView(
            clause=row.clause,
            state=Served(row.state),
            why=tuple(row.why),
            runs_at=row.runs_at,
            runs_on=long_day(day_in(row.runs_at, zone), ticket.language) if row.runs_at else "",
        )

    def read(self, ref: str) -> ServiceView | None:
        """The same, for pages of operators. Raises NotFound."""
        with self._desk.database.read() as session:
            return self.look(session, find_ticket(session, ref))

    # -- the link that stops it

    def look_at_stop(self, token: str) -> StopView:
        """What the page of a link shows; changes nothing. Raises NotFound for a link that is used, over or unknown."""
        desk = self._desk
        with desk.database.read() as session:
            ticket = _of_link(session, look_up_token(session, token, purpose=STOP, now=desk.clock.now()))
            view = self.look(session, ticket)
            return StopView(
                ref=ticket.ref,
                right=Right(ticket.right),
                language=ticket.language,
                runs_on=view.runs_on if view else "",
            )

    def stop(self, token: str) -> None:
        """Press the link's button: nothing is deleted. Raises NotFound, and Conflict once the work has begun."""
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            found = _of_link(session, spend_token(session, token, purpose=STOP, now=now))
            ticket = find_ticket(session, found.ref, lock=True)
            desk.move(session, ticket, State.WITHDRAWN, by=PERSON, why="Stopped by the link.")
            session.get_one(SelfServiceRow, ticket.id).state = Served.STOPPED.value

    def _serve(self, ref: str, row: SelfServiceRow) -> None:
        by = f"clause:{row.clause}"
        plan_id = self._planning.make_plan(ref, by=by)
        view = self._desk.plans.load(plan_id)
        with self._desk.database.read() as session:
            ticket = find_ticket(session, ref)
            doubts = list(self._doubts(session, ticket, view))
            runs_at = self._hour(session, ticket, row)
        if doubts:
            self._give_up(ref, doubts)
        elif runs_at > self._desk.clock.now():
            self._wait(ref, runs_at)
        else:
            assert view.preview is not None
            reason = f"The clause {row.clause} lets it go without an operator, and all is clean."
            self._planning.approve(ref, by=by, seal=seal_of(view.plan, view.preview), reason=reason)
            self._note(ref, Served.RUNNING)

    def _doubts(self, session: Session, ticket: TicketRow, view: PlanView) -> Iterator[str]:
        """What somebody has to look at, in words for operators."""
        plan, preview = view.plan, view.preview
        if preview is None or preview.blocked:
            yield "A store did not answer."
            return
        if open_questions(view):
            yield "Something has to be decided first."
        if plan.gaps:
            yield f"No program can look into {', '.join(gap.what for gap in plan.gaps)}."
        if any(step.deed is StepDeed.ASK for step in plan.steps):
            yield "People have to do a part of it."
        if any(step.deed is StepDeed.ANONYMISE for step in plan.steps):
            yield "Records are shared with other people."
        if any(row.held for row in preview.rows) or any(one.basis == "hold" for one in preview.stays):
            yield "A legal hold keeps some of it."
        if preview.total > self._desk.settings.self_service_most:
            yield f"It is about {preview.total} records, more than {self._desk.settings.self_service_most}."
        if holds_nothing(view):
            yield "Nothing was found."
        asker = asker_row(session, ticket)
        if asker is not None and (asker.kind != "self" or asker.minor or asker.customer):
            yield "Somebody else asks for the person, or it is not ours alone to answer."
        standing = read_standing(self._desk, session, ticket)
        if standing.contested_at is not None or not standing.enough:
            yield standing.missing(self._desk.clock.now())

    def _hour(self, session: Session, ticket: TicketRow, row: SelfServiceRow) -> datetime:
        """When it may begin: a deletion after the cool-off, and nothing before a fresh contact has been there long enough."""
        begins = row.runs_at or row.at
        if Right(ticket.right) is Right.DELETION and row.runs_at is None:
            begins = row.at + self._desk.settings.cool_off
        waits = read_standing(self._desk, session, ticket).waits_until
        return max(begins, waits) if waits else begins

    def _wait(self, ref: str, runs_at: datetime) -> None:
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = session.get_one(SelfServiceRow, ticket.id)
            row.state, row.runs_at = Served.COOLING.value, runs_at
            post(session, SERVE, {"ref": ticket.ref}, now=now, due=runs_at)
            zone = desk.document(session, ticket).controller.timezone
            day = long_day(day_in(runs_at, zone), ticket.language)
            desk.note_event(session, ticket, "cooling", by=f"clause:{row.clause}", why=long_day(day_in(runs_at, zone)))
            if Right(ticket.right) is Right.DELETION:
                void_tokens(session, purpose=STOP, subject=ticket.id, now=now)
                token = issue_token(session, purpose=STOP, subject=ticket.id, now=now, lasts=runs_at - now)
                link = desk.address(f"/requests/keep/{token}", ticket)
                desk.mail(session, ticket, MAIL, link=link, expires=day)

    def _give_up(self, ref: str, why: list[str]) -> None:
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = session.get_one(SelfServiceRow, ticket.id)
            row.state, row.why, row.runs_at = Served.OPERATOR.value, why, None
            by = f"clause:{row.clause}"
            self._desk.note_event(session, ticket, "needs_operator", by=by, why=" ".join(why))
            self._desk.record(session, ticket, "request.needs_operator", by=by, private={"why": list(why)})
        log.info("self_service.operator", ref=ref, reasons=len(why))

    def _note(self, ref: str, state: Served) -> None:
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            session.get_one(SelfServiceRow, ticket.id).state = state.value


def _of_link(session: Session, ticket_id: str) -> TicketRow:
    ticket = session.get(TicketRow, ticket_id)
    if ticket is None or State(ticket.state) in ENDS:
        raise NotFound(mark("This link has been used, or its time is over."), remedy=mark("Look at your request."))
    return ticket
