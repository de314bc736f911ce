"""From a received request to an approved plan: finding the person by what is proven, looking, and a person's approval."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from core.canonical import digest
from core.errors import BadInput, Conflict, WaitsForPerson
from core.outbox import post
from dsr.askers import Askers
from dsr.correction_plans import WANTED, keep_changes, require_planned_so, seal_wanted, wanted_corrections
from dsr.desk import Desk, find_ticket
from dsr.finding import keep_matches, open_questions, read_rulings, require_decided, without_refused
from dsr.how import by_plan
from dsr.parts import leave_out, read_parts, require_left_out
from dsr.proof_changes import Changes
from dsr.proof_standing import proven_identifiers, require_shown
from dsr.states import State, require_move
from dsr.tables import TicketRow
from dsr.telling_plans import foresee
from plans.correction_changes import read_changes
from plans.known_by import known_by
from plans.plan import Plan, StepDeed
from plans.preview import Preview
from plans.standing import PlanView
from policies.clauses import Right

RUN: Final = "request.run"
# What was approved and is not answered yet.
RUNNABLE: Final = frozenset({State.APPROVED, State.RUNNING, State.PARTLY_DONE})


class Planning:
    """Makes and approves the plans of tickets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def make_plan(self, ref: str, *, by: str) -> str:
        """Find the person, build the plan, ask the stores, keep both with the ticket; gives the plan's id.

        Only what was shown to be the person's is looked for. Raises WaitsForPerson before it was shown, or
        where an identifier is not one person's.
        """
        desk = self._desk
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            _require_plannable(ticket)
            document, parts = desk.document(session, ticket), read_parts(desk, session, ticket)
            wanted = wanted_corrections(session, ticket)
            known = proven_identifiers(session, ticket)
            rulings = read_rulings(ticket)
        # No transaction is open while the stores are asked.
        plan, found = desk.plans.draft_request(
            ref=f"ticket:{ticket.ref}",
            version=ticket.version,
            clauses=document.clauses,
            right=Right(ticket.right),
            identifiers=known,
            rulings=rulings,
            **wanted,
        )
        plan = without_refused(leave_out(plan, parts), parts)
        preview = desk.plans.look(plan, rulings=rulings)
        moved = Changes(desk).read(ticket, found.identifiers)
        changes = read_changes(plan, desk.plans.datamap) if wanted else ()
        known_elsewhere = known_by(desk.plans.datamap, found, desk.settings.tell.knows)
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            _require_plannable(ticket)
            require_left_out(ticket, plan, read_parts(desk, session, ticket))
            desk.plans.add(session, plan, preview=preview)
            Changes(desk).note(session, ticket, moved)
            if wanted:
                keep_changes(session, ticket, changes, wanted)
                ticket.outcome = {**ticket.outcome, WANTED: seal_wanted(desk, wanted)}
            keep_matches(ticket, found)
            foresee(desk, session, ticket, plan, preview, known_elsewhere)
            self._take(session, ticket, plan, searched=len(found.collections), by=by)
        return plan.id

    def approve(self, ref: str, *, by: str, seal: str | None = None, reason: str = "") -> None:
        """Approve exactly the ticket's plan with exactly its preview, and schedule the work.

        `seal` is what the operator's page showed (`seal_of`): another plan or preview since then raises Conflict.
        """
        desk = self._desk
        with desk.database.read() as session:
            ticket = find_ticket(session, ref)
            require_move(ticket.ref, State(ticket.state), State.APPROVED)
            require_shown(desk, session, ticket)
        view = self._planned(ticket)
        _require_sound(ticket, view, seal)
        desk.plans.approve(view.plan.id, by=by, reason=reason or f"request {ticket.ref}")
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if ticket.plan_id != view.plan.id:
                raise Conflict(f"Request {ticket.ref} has a new plan.", remedy="Look at it and approve that.")
            require_left_out(ticket, view.plan, read_parts(desk, session, ticket))
            require_planned_so(desk, session, ticket)
            Askers(desk).require_shown(session, ticket)
            desk.move(session, ticket, State.APPROVED, by=by, why=reason)
            post(session, RUN, {"ref": ticket.ref}, now=desk.clock.now())

    def schedule_run(self, ref: str, *, by: str) -> None:
        """Schedule now what is left of an approved request, and write down who wished it. Raises Conflict."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            if State(ticket.state) not in RUNNABLE:
                raise Conflict(f"Request {ticket.ref} has nothing left to try again.", remedy="Look at it again.")
            desk.note_event(session, ticket, "run_asked", by=by)
            post(session, RUN, {"ref": ticket.ref}, now=desk.clock.now())

    def _planned(self, ticket: TicketRow) -> PlanView:
        if ticket.plan_id is None:
            raise Conflict(f"Request {ticket.ref} has no plan.", remedy="Make one first.")
        return self._desk.plans.load(ticket.plan_id)

    def _take(self, session: Session, ticket: TicketRow, plan: Plan, *, searched: int, by: str) -> None:
        earlier = list(ticket.outcome.get("plans", []))
        ticket.plan_id = plan.id
        ticket.outcome = {**ticket.outcome, "plans": [*earlier, plan.id], "searched": searched}
        self._desk.move(session, ticket, State.PLANNED, by=by)


def seal_of(plan: Plan, preview: Preview) -> str:
    """What an approval is of: one hash over the plan and what the stores said."""
    return digest([plan.digest, preview.digest])


def holds_nothing(view: PlanView) -> bool:
    """Whether the stores said that there is nothing of this person, neither to touch nor to keep."""
    preview = view.preview
    if open_questions(view):
        return False  # nobody has looked everywhere, or at what may be theirs
    if any(step.deed in (StepDeed.ASK, StepDeed.CORRECT) for step in view.plan.steps):
        return False  # whoever is asked may find something; what is right already is there
    return preview is not None and not preview.blocked and not preview.total and not stays_in(preview)


def has_begun(view: PlanView) -> bool:
    """Whether a run of this plan did something: its counts are no longer what there is, so it is not approved again."""
    return any(one.rows for one in view.steps)


def stays_in(preview: Preview) -> tuple[Mapping[str, Any], ...]:
    """What stays of this person, by the preview: those with records, or whose number nobody knows."""
    return tuple(vars(stay) for stay in preview.stays if stay.rows != 0)


def _require_plannable(ticket: TicketRow) -> None:
    if not by_plan(Right(ticket.right)):
        raise BadInput(
            f"Request {ticket.ref} asks for {ticket.right}, which no plan carries out.", remedy="Do it by hand."
        )
    require_move(ticket.ref, State(ticket.state), State.PLANNED)
    if State(ticket.state) in (State.APPROVED, State.RUNNING):
        raise Conflict(f"The work on request {ticket.ref} is scheduled.", remedy="Wait for it to end.")
    if ticket.identity_at is None:
        raise WaitsForPerson(
            f"The address of request {ticket.ref} is not shown to be the person's.",
            remedy="They have a mail with a link; nothing is looked for before its button is pressed.",
        )


def _require_sound(ticket: TicketRow, view: PlanView, seal: str | None) -> None:
    preview = view.preview
    require_decided(ticket, view)
    if preview is None or preview.blocked:
        why = "; ".join(preview.blocked) if preview else "It was never looked at."
        raise Conflict(f"The plan of request {ticket.ref} cannot be approved: {why}", remedy="Make the plan again.")
    if has_begun(view):
        raise Conflict(
            f"The plan of request {ticket.ref} was carried out in part, so its counts are no longer right.",
            remedy="Make the plan again, and approve that.",
        )
    if seal is not None and seal != seal_of(view.plan, preview):
        raise Conflict(
            f"The plan of request {ticket.ref} has changed since you looked at it.", remedy="Look at it again."
        )
    if holds_nothing(view):
        raise Conflict(
            f"Nothing was found for request {ticket.ref}, so there is nothing to approve.",
            remedy="Answer that nothing was found.",
        )
