"""Work on a request that failed: it is tried again by itself, longer apart each time, and after some days waits for an operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.outbox import OutboxRow
from dsr.planning import RUN
from dsr.states import State
from dsr.tables import TicketEventRow, TicketRow
from plans.plan import StepDeed
from plans.standing import PlanView
from plans.tables import FINISHED

# The outbox waits 5 minutes at first and 6 hours at last: with so many tries, about four days.
MOST_TRIES: Final = 24
GAVE_UP: Final = "gave_up"
_FRESH: Final = frozenset({"run_asked"})


@dataclass(frozen=True, kw_only=True)
class Trying:
    """How often work failed since an operator last set it going. `next_at` None: it is not tried again by itself."""

    tries: int
    next_at: datetime | None

    @property
    def gave_up(self) -> bool:
        return self.next_at is None


def count_tries(events: Sequence[TicketEventRow]) -> int:
    """How often the work failed since it was approved, or an operator had it tried again."""
    tries = 0
    for event in events:
        if event.kind in _FRESH or (event.kind == "state" and event.after == State.APPROVED):
            tries = 0
        elif event.kind == "state" and event.after == State.PARTLY_DONE:
            tries += 1
    return tries


def read_trying(session: Session, ticket: TicketRow, events: Sequence[TicketEventRow]) -> Trying | None:
    """When the work is tried again; None where none of it failed."""
    tries = count_tries(events)
    if State(ticket.state) is not State.PARTLY_DONE or not tries:
        return None
    wanted = sa.select(OutboxRow.payload, OutboxRow.due_at).where(OutboxRow.kind == RUN, OutboxRow.done_at.is_(None))
    waits = [due for payload, due in session.execute(wanted) if payload.get("ref") == ticket.ref]
    return Trying(tries=tries, next_at=min(waits, default=None))


def so_far(view: PlanView) -> dict[str, Any]:
    """What of a deletion is done, and in which collections something is left: records by collection, and names."""
    steps = {step.id: step for step in view.plan.steps}
    rows: dict[str, int] = {}
    left: list[str] = []
    for result in view.steps:
        if steps[result.step_id].deed is StepDeed.EXPORT:
            continue
        if result.rows:
            rows[result.collection] = rows.get(result.collection, 0) + result.rows
        if result.state not in FINISHED and result.collection not in left:
            left.append(result.collection)
    return {"rows": rows, "left": left}


def told_now(ticket: TicketRow, *, is_done: bool) -> Mapping[str, Any]:
    """What the person's page tells of the outcome: all of it in the end, before that what is done so far."""
    if is_done:
        return dict(ticket.outcome)
    if State(ticket.state) is State.PARTLY_DONE and "so_far" in ticket.outcome:
        return {"so_far": ticket.outcome["so_far"]}
    return {}
