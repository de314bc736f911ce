"""What a run of a request ends with that is not its answer, and what has to hold before an answer by hand."""

from datetime import datetime

from core.errors import Conflict, KeptError, Unreachable
from dsr.how import by_hand
from dsr.states import State, require_move
from dsr.tables import TicketRow
from plans.plan import Plan
from plans.standing import RunResult
from plans.tables import PlanState, StepState
from plans.waiting import goes_on_at
from policies.clauses import Right


class NotDone(Unreachable):
    """Part of a request could not be carried out; the ticket stays open, names it, and the work is tried again."""


class NotYet(KeptError):
    """What is left can be done at a known moment, and goes on by itself then; nothing failed. Names collections."""

    def __init__(self, message: str, *, at: datetime) -> None:
        super().__init__(message)
        self.at = at


class OpenWork(KeptError):
    """What is left is work that people were asked to do; the ticket stays open until they answer. Names collections."""


def require_by_hand(ticket: TicketRow) -> None:
    if not by_hand(Right(ticket.right)):
        raise Conflict(
            f"Request {ticket.ref} asks for {ticket.right}, which a plan carries out.", remedy="Make its plan."
        )
    require_move(ticket.ref, State(ticket.state), State.ANSWERED)
    if ticket.identity_at is None:
        raise Conflict(
            f"The address of request {ticket.ref} is not shown to be the person's.",
            remedy="They have a mail with a link; an answer goes there once its button is pressed.",
        )


def require_through(plan: Plan, result: RunResult, *states: PlanState) -> None:
    """Raise unless the plan came to one of these states: OpenWork while people have not answered, or one of them refused
    and no operator has decided; NotYet for what waits for its time; Unreachable for what is tried again."""
    unfinished = [step for step in result.steps if step.state not in (StepState.DONE, StepState.LEFT)]
    if result.state is PlanState.ASKED:
        left = dict.fromkeys(one.collection for one in unfinished if one.state is not StepState.PLANNED)
        raise OpenWork(", ".join(left))
    if result.state is PlanState.FAILED and (at := goes_on_at(plan, result.steps)):
        raise NotYet(", ".join(dict.fromkeys(one.collection for one in unfinished)), at=at)
    if result.state not in states:
        raise Unreachable("; ".join(f"{step.collection}: {step.error or 'not done yet'}" for step in unfinished))
