"""Work on a request that failed: it is tried again by itself, longer apart each time, and after some days waits for an operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import SOURCE
from core.outbox import OutboxRow, post
from core.words import long_day
from dsr.desk import SYSTEM, Desk, find_ticket, read_events
from dsr.outcome_lines import count_gone
from dsr.planning import RUN
from dsr.stands import Stand, read_stand
from dsr.states import State
from dsr.tables import TicketEventRow, TicketRow
from dsr.words import RIGHT_NAMES
from plans.plan import StepDeed
from plans.standing import PlanView
from plans.tables import FINISHED
from policies.clauses import Right

# The outbox waits 5 minutes at first and 6 hours at last: with so many tries, about four days.
MOST_TRIES: Final = 24
GAVE_UP: Final = "gave_up"
MAIL: Final = "request_gave_up"
_FRESH: Final = frozenset({"run_asked"})
# What waits for its time is not tried more often than so, should clocks differ.
_SOONEST: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Trying:
    """How often work failed since an operator last set it going; 0: it did not, it waits for its time. `next_at` None: it is
    not tried again by itself."""

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
    """When the work is tried again; None where none of it failed or waits for its time."""
    is_later = read_stand(session, ticket) is Stand.TIME
    tries = 0 if is_later else count_tries(events)
    if State(ticket.state) is not State.PARTLY_DONE or not (tries or is_later):
        return None
    return Trying(tries=tries, next_at=min(_scheduled(session, ticket), default=None))


def give_up(desk: Desk, ref: str) -> bool:
    """After the last try the ticket waits for an operator, says so, and whoever the alerts go to is told."""
    with desk.database.begin() as session:
        ticket = find_ticket(session, ref, lock=True)
        tries = count_tries(read_events(session, ticket))
        if tries < MOST_TRIES:
            return False
        desk.note_event(session, ticket, GAVE_UP, by=SYSTEM, why=f"{tries} tries")
        desk.record(session, ticket, "request.gave_up", by=SYSTEM, private={"tries": tries})
        controller = desk.document(session, ticket).controller
        variables = {
            "controller": {"name": controller.name, "email": controller.email},
            "ref": ticket.ref,
            "right": RIGHT_NAMES[Right(ticket.right)],
            "tries": tries,
            "due": long_day(ticket.due_on, SOURCE) if ticket.due_on else "",
            "link": f"{desk.base_url}/console/requests/{ticket.ref}",
        }
        for address in () if ticket.is_test else desk.alerts:
            desk.queue_mail(session, event=MAIL, to=address, variables=variables, now=desk.clock.now(), language=SOURCE)
    return True


def schedule_later(session: Session, ticket: TicketRow, at: datetime, *, now: datetime) -> None:
    """Schedule what is left for the moment it can be done, once."""
    due = max(at, now + _SOONEST)
    if due not in _scheduled(session, ticket):
        post(session, RUN, {"ref": ticket.ref}, now=now, due=due)


def _scheduled(session: Session, ticket: TicketRow) -> list[datetime]:
    wanted = sa.select(OutboxRow.payload, OutboxRow.due_at).where(OutboxRow.kind == RUN, OutboxRow.done_at.is_(None))
    return [due for payload, due in session.execute(wanted) if payload.get("ref") == ticket.ref]


def so_far(view: PlanView) -> dict[str, Any]:
    """What of a deletion is done, and in which collections something is left: records by collection, and names."""
    steps = {step.id: step for step in view.plan.steps}
    rows: dict[str, int] = {}
    left: list[str] = []
    for result in view.steps:
        if steps[result.step_id].deed is StepDeed.EXPORT:
            continue
        # Records that lose what leads to the person stay: they are none of those that went.
        gone = 0 if steps[result.step_id].deed is StepDeed.ANONYMISE else count_gone(result)
        if gone:
            rows[result.collection] = rows.get(result.collection, 0) + gone
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
