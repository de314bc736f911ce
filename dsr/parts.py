"""Parts of a request that are refused, each with its ground and reason, while the rest of it is done and answered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import SOURCE
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.words import records
from dsr.conversations_tables import RefusedPartRow
from dsr.desk import Desk, find_ticket
from dsr.grounds import Ground, all_grounds, find_ground
from dsr.how import by_plan
from dsr.outcome_lines import Line, title_of
from dsr.states import State
from dsr.tables import TicketRow
from plans.plan import Plan, Stays, Step
from plans.standing import PlanView
from policies.clauses import Right

# The basis of what stays, or is left out, because it is refused.
REFUSED: Final = "refused"
LONGEST_WHAT: Final = 500
LONGEST_REASON: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class RefusedPart:
    """One part that is refused. `what`: in words; `collections`: what of the plan it is; `reason`: words for the person."""

    id: str
    what: str
    collections: tuple[str, ...]
    ground: Ground
    reason: str
    at: datetime
    by: str


class Parts:
    """Refuses parts of requests. `replan` makes a ticket's plan anew, without them."""

    def __init__(self, desk: Desk, replan: Callable[[str, str], object]) -> None:
        self._desk = desk
        self._replan = replan

    def refuse(
        self, ref: str, *, by: str, ground: str, reason: str, collections: Sequence[str] = (), what: str = ""
    ) -> None:
        """Refuse a part of a planned request: `collections` of its plan; or, where no plan carries the right out, `what`.

        The plan is made anew without them, so what is approved is what is done. The person is told with the answer.
        Raises BadInput for a ground or a part that there is not, Conflict where nothing would be left to do."""
        desk, words = self._desk, reason.replace("\x00", "").strip()
        if not words or len(words) > LONGEST_REASON:
            raise BadInput(
                f"A reason has 1 to {LONGEST_REASON} characters.", remedy="Say why, in words for the person."
            )
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            found = _ground_of(desk, session, ticket, ground)
            is_planned = by_plan(Right(ticket.right))
            names = self._collections(ticket, collections) if is_planned else ()
            part = ", ".join(title_of(name) for name in names) if is_planned else _part_in_words(ticket, what)
            row = RefusedPartRow(
                id=new_id("prt"),
                ticket_id=ticket.id,
                at=desk.clock.now(),
                by=by,
                collections=list(names),
                what=part,
                ground=found.id,
                reason=words,
            )
            session.add(row)
            desk.note_event(session, ticket, "part_refused", by=by, why=f"{part}: {found.sentence(SOURCE)}")
            private = {"ground": found.id, "collections": list(names), "reason_mark": desk.mark(words)}
            desk.record(session, ticket, "request.part_refused", by=by, private=private)
        if is_planned:
            self._replan(ref, by)

    def take_back(self, ref: str, part_id: str, *, by: str) -> None:
        """Do that part after all: the plan is made anew with it. Raises NotFound, Conflict once it is approved."""
        desk = self._desk
        with desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            row = session.get(RefusedPartRow, part_id)
            if row is None or row.ticket_id != ticket.id:
                raise NotFound(f"Request {ticket.ref} refuses no such part.", remedy="Look at it again.")
            if State(ticket.state) not in (State.PLANNED, State.RECEIVED):
                raise Conflict(
                    f"Request {ticket.ref} is {ticket.state.replace('_', ' ')}.", remedy="Make a new plan first."
                )
            is_planned = bool(row.collections)
            desk.note_event(session, ticket, "part_taken_back", by=by, why=row.what)
            desk.record(session, ticket, "request.part_taken_back", by=by, private={"ground": row.ground})
            session.delete(row)
        if is_planned:
            self._replan(ref, by)

    def list(self, ref: str) -> tuple[RefusedPart, ...]:
        """What of a request is refused. Raises NotFound."""
        with self._desk.database.read() as session:
            return read_parts(self._desk, session, find_ticket(session, ref))

    def _collections(self, ticket: TicketRow, named: Sequence[str]) -> tuple[str, ...]:
        if State(ticket.state) is not State.PLANNED or ticket.plan_id is None:
            raise Conflict(
                f"Request {ticket.ref} is {ticket.state.replace('_', ' ')}: a part is refused once a plan shows the parts.",
                remedy="Make the plan first.",
            )
        view = self._desk.plans.load(ticket.plan_id)
        offered, wanted = refusable(view), tuple(dict.fromkeys(named))
        if not wanted or not set(wanted) <= {step.collection for step in view.plan.steps}:
            raise BadInput(
                f"Request {ticket.ref} cannot be refused for {', '.join(wanted) or 'no part'}.",
                remedy=f"Choose from what its plan has left: {', '.join(offered) or 'nothing'}.",
            )
        if set(offered) <= set(wanted):
            raise Conflict(
                f"That is all that is left of request {ticket.ref}.", remedy="Refuse the request, not a part of it."
            )
        return wanted


def refusable(view: PlanView) -> tuple[str, ...]:
    """The collections of a plan in which something is to be done, as far as the stores can say: the parts of a request."""
    seen = {row.step: row.extent for row in view.preview.rows} if view.preview else {}
    extents = ((step.collection, seen.get(step.id)) for step in view.plan.steps)
    return tuple(dict.fromkeys(name for name, extent in extents if extent is None or extent.rows))


def read_parts(desk: Desk, session: Session, ticket: TicketRow) -> tuple[RefusedPart, ...]:
    """What of a ticket is refused, the earliest first."""
    rows = session.execute(
        sa.select(RefusedPartRow)
        .where(RefusedPartRow.ticket_id == ticket.id)
        .order_by(RefusedPartRow.at, RefusedPartRow.id)
    ).scalars()
    return tuple(
        RefusedPart(
            id=row.id,
            what=row.what,
            collections=tuple(row.collections),
            ground=_ground_as_chosen(desk, session, ticket, row.ground),
            reason=row.reason,
            at=row.at,
            by=row.by,
        )
        for row in rows
    )


def leave_out(plan: Plan, parts: Sequence[RefusedPart]) -> Plan:
    """The plan without what is refused: it stays, or is left out of the copy, for the ground it is refused on."""
    refused = {name: part for part in parts for name in part.collections}
    gone = {step.id for step in plan.steps if step.collection in refused}
    steps = (
        replace(step, after=tuple(one for one in step.after if one not in gone))
        for step in plan.steps
        if step.id not in gone
    )
    stays = (_stays(step, refused[step.collection]) for step in plan.steps if step.id in gone)
    return replace(plan, steps=tuple(steps), stays=(*plan.stays, *stays)) if gone else plan


def require_left_out(ticket: TicketRow, plan: Plan, parts: Sequence[RefusedPart]) -> None:
    """Refuse a plan that would still do what is refused. Raises Conflict."""
    refused = {name for part in parts for name in part.collections}
    if found := sorted({step.collection for step in plan.steps} & refused):
        raise Conflict(
            f"The plan of request {ticket.ref} still holds what is refused: {', '.join(found)}.",
            remedy="Make the plan again.",
        )


def end_of(parts: Sequence[RefusedPart]) -> State:
    """The state in which a request ends whose answer goes out now."""
    return State.PARTLY_REFUSED if parts else State.ANSWERED


def without_refused(stays: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What stays for another reason than a refusal."""
    return [one for one in stays if one["basis"] != REFUSED]


def refused_lines(parts: Sequence[RefusedPart], stays: Iterable[Mapping[str, Any]], language: str) -> list[Line]:
    """What is refused and why, line by line in the person's language. `stays`: of the preview, with counts."""
    rows = {one["collection"]: one["rows"] for one in stays if one["basis"] == REFUSED}
    return [
        {"title": title, "why": f"{part.ground.sentence(language)} {part.reason}".rstrip("."), "until": ""}
        for part in parts
        for title in (_titles(part.collections, rows, language) or [part.what])
    ]


def _titles(collections: Sequence[str], rows: Mapping[str, int | None], language: str) -> list[str]:
    titles = []
    for name in collections:
        number = rows.get(name)
        titles.append(f"{title_of(name)}, {records(number, language)}" if number is not None else title_of(name))
    return titles


def _stays(step: Step, part: RefusedPart) -> Stays:
    return Stays(
        collection=step.collection,
        store=step.store,
        at=step.at,
        clause=step.clause,
        basis=REFUSED,
        until="",
        reason=part.ground.sentence(SOURCE).rstrip("."),
        condition=step.where,
    )


def _ground_of(desk: Desk, session: Session, ticket: TicketRow, ground: str) -> Ground:
    regimes = [ticket.regime] if ticket.regime else list(desk.document(session, ticket).regimes)
    return find_ground(ground, regimes, Right(ticket.right))


def _ground_as_chosen(desk: Desk, session: Session, ticket: TicketRow, ground: str) -> Ground:
    """The ground of a part that was refused; of another law where the request was put under one without it since."""
    try:
        return _ground_of(desk, session, ticket, ground)
    except BadInput:
        return find_ground(ground, list(all_grounds()), Right(ticket.right))


def _part_in_words(ticket: TicketRow, what: str) -> str:
    words = what.replace("\x00", "").strip()
    if State(ticket.state) is not State.RECEIVED:
        raise Conflict(f"Request {ticket.ref} is {ticket.state.replace('_', ' ')}.", remedy="Look at it again.")
    if not words or len(words) > LONGEST_WHAT:
        raise BadInput(f"A part has 1 to {LONGEST_WHAT} characters.", remedy="Name it in words for the person.")
    return words
