"""Whom a request has told: foreseen with its plan, begun once our own work is read back, and for restrictions by themselves."""

from collections.abc import Mapping, Sequence, Set
from typing import Final

from sqlalchemy.orm import Session

from core.clock import day_in
from core.ids import new_id
from core.outbox import post
from core.personal import Personal
from dsr.desk import SYSTEM, Desk
from dsr.tables import TicketRow
from dsr.telling_tables import TellingRow, drop_foreseen
from dsr.telling_views import Facts, TellingState, of_ticket, read_facts, write_facts
from plans.build_told import Known, ToTell, Way, What, build_told, recipient_key, steps_at, touched_by
from plans.plan import Plan, StepDeed
from plans.preview import Preview
from plans.standing import PlanView
from plans.tables import StepState
from policies.clauses import Right

MAIL_DUE: Final = "telling.mail"
WHAT: Final[Mapping[Right, What]] = {Right.DELETION: What.DELETED, Right.CORRECTION: What.CORRECTED}


def foresee(
    desk: Desk,
    session: Session,
    ticket: TicketRow,
    plan: Plan,
    preview: Preview,
    identifiers: Mapping[str, Sequence[str]],
) -> None:
    """Write down whom a plan would have told, in place of what the plan before it foresaw. What an earlier plan did before
    it failed is told too: what it foresaw stays, since the person may not be found by the same identifiers any more."""
    what = WHAT.get(Right(ticket.right))
    if what is None:
        return
    if not _worked(desk, ticket):
        drop_foreseen(session, ticket.id)
    seen = {row.step for row in preview.rows if row.rows}
    names = {step.collection for step in plan.steps if step.deed is StepDeed.ASK or step.id in seen}
    touched = frozenset[str]().union(*touched_by(plan, desk.plans.datamap, names).values())
    found = build_told(
        clauses=desk.document(session, ticket).clauses,
        touched=touched,
        plan=plan,
        datamap=desk.plans.datamap,
        known=Known(identifiers=identifiers, knows=desk.settings.tell.knows),
        what=what,
    )
    _add_foreseen(desk, session, ticket, found, what)


def _add_foreseen(desk: Desk, session: Session, ticket: TicketRow, found: Sequence[ToTell], what: What) -> None:
    """A row for each recipient that has none: who is excused already stays so, and an earlier row takes in what is new."""
    known = {(row.clause, row.what): row for row in of_ticket(session, ticket.id)}
    for one in found:
        row = known.get((one.clause, what.value))
        if row is None:
            add_row(desk, session, ticket, one, what)
        elif TellingState(row.state) is TellingState.FORESEEN:
            _take_in(row, one)


def _take_in(row: TellingRow, one: ToTell) -> None:
    """What a further plan would have a recipient told, beside what an earlier one had."""
    facts = read_facts(row)
    row.of = list(dict.fromkeys([*row.of, *one.of]))
    if not facts.identifiers:
        row.way, row.address = one.way.value, Personal(one.address)
    identifiers = {**facts.identifiers, **dict(one.identifiers)}
    corrections = list(dict.fromkeys([*facts.corrections, *one.corrections]))
    row.facts = write_facts(Facts(identifiers=identifiers, corrections=corrections, why=one.why))


def begin(desk: Desk, session: Session, ticket: TicketRow, views: Sequence[PlanView], *, by: str = SYSTEM) -> None:
    """Our own work is done and read back: tell whom it concerns, by what was really done. `views`: the ticket's plans, the
    last one last. Inside the transaction that answers the request, so both happen or neither."""
    touched = frozenset[str]().union(*(_done(desk, view) for view in views))
    for row in of_ticket(session, ticket.id):
        if TellingState(row.state) is not TellingState.FORESEEN:
            continue
        row.of = [one for one in row.of if one in touched]
        if not row.of:
            session.delete(row)
        elif Way(row.way) is Way.STORE:
            settle_by_steps(desk, session, ticket, row, views[-1])
        else:
            begin_one(desk, session, ticket, row, by=by)
    session.flush()


def begin_one(desk: Desk, session: Session, ticket: TicketRow, row: TellingRow, *, by: str) -> None:
    """From here on a recipient has its time to answer, or an operator to tell it."""
    now = desk.clock.now()
    is_mail = Way(row.way) is Way.MAIL
    row.state = (TellingState.ASKED if is_mail else TellingState.BY_HAND).value
    row.asked_at, row.due_at = now, now + desk.settings.tell.due
    if is_mail:
        row.told_on, row.mail_at = day_in(now, desk.document(session, ticket).controller.timezone), now
        post(session, MAIL_DUE, {"telling": row.id}, now=now)
    note_telling(desk, session, ticket, row, by=by)


def settle_by_steps(desk: Desk, session: Session, ticket: TicketRow, row: TellingRow, view: PlanView) -> None:
    """A recipient with an API was told by the steps of the plan, and its answer was read back there."""
    ids = {step.id: step for step in steps_at(view.plan, row.address.reveal())}
    results = [one for one in view.steps if one.step_id in ids]
    did = any(one.rows or (ids[one.step_id].deed is StepDeed.ASK and one.state is StepState.DONE) for one in results)
    left = [one for one in results if one.state is StepState.LEFT and (one.remaining or not one.rows)]
    state = TellingState.CANNOT if left else TellingState.DONE if did else TellingState.NOTHING_HELD
    now = desk.clock.now()
    row.state, row.answered_at, row.answered_by = state.value, now, SYSTEM
    row.asked_at, row.due_at = now, now + desk.settings.tell.due
    row.told_on = day_in(now, desk.document(session, ticket).controller.timezone)
    row.note, row.facts = "; ".join(one.note for one in left if one.note), Personal("")
    note_telling(desk, session, ticket, row, by=SYSTEM)


def note_telling(desk: Desk, session: Session, ticket: TicketRow, row: TellingRow, *, by: str, why: str = "") -> None:
    """What happened to a telling, in the ticket's history and in the ledger."""
    words = f"{row.recipient}: {why}" if why else row.recipient
    desk.note_event(session, ticket, f"telling_{row.state}", by=by, why=words)
    private = {"telling": row.id, "clause": row.clause, "what": row.what, "way": row.way, "why_mark": desk.mark(why)}
    desk.record(session, ticket, f"request.telling_{row.state}", by=by, private=private)


def add_row(desk: Desk, session: Session, ticket: TicketRow, one: ToTell, what: What) -> TellingRow:
    """A recipient to tell, foreseen."""
    facts = Facts(identifiers=dict(one.identifiers), corrections=one.corrections, why=one.why)
    row = TellingRow(
        id=new_id("tel"),
        ticket_id=ticket.id,
        at=desk.clock.now(),
        what=what.value,
        clause=one.clause,
        recipient=one.name,
        recipient_key=recipient_key(one.name),
        condition=one.condition,
        way=one.way.value,
        address=Personal(one.address),
        of=list(one.of),
        facts=write_facts(facts),
        state=TellingState.FORESEEN.value,
        mails=0,
        ground="",
        note="",
    )
    session.add(row)
    session.flush()
    return row


def plans_of(desk: Desk, ticket: TicketRow) -> list[PlanView]:
    """Every plan of a ticket as it stands, the last one last."""
    names = [*ticket.outcome.get("plans", []), *([ticket.plan_id] if ticket.plan_id else [])]
    return [desk.plans.load(one) for one in dict.fromkeys(names)]


def _done(desk: Desk, view: PlanView) -> Set[str]:
    """The categories of which a plan changed something, or people did."""
    steps = {step.id: step for step in view.plan.steps}
    names = {
        one.collection
        for one in view.steps
        if one.rows or (steps[one.step_id].deed is StepDeed.ASK and one.state is StepState.DONE)
    }
    return frozenset[str]().union(*touched_by(view.plan, desk.plans.datamap, names).values())


def _worked(desk: Desk, ticket: TicketRow) -> bool:
    """Whether an earlier plan of the ticket changed anything before another took its place."""
    return any(result.rows for view in plans_of(desk, ticket) for result in view.steps)
