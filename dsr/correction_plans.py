"""What a plan of correction is made from and leaves with its ticket: the decisions before it, before and after beside it."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.errors import Conflict, WaitsForPerson
from core.ids import new_id
from core.keys import derive_key
from core.personal import Personal
from dsr.conversations_tables import RefusedPartRow
from dsr.correction_tables import CorrectionChangeRow, CorrectionRow
from dsr.desk import Desk
from dsr.states import State
from dsr.tables import TicketRow
from plans.build_correction import Correction, Spared
from plans.correction_changes import Change
from policies.clauses import Right

# While one of these holds, what should be put right can still change.
CHANGEABLE: Final = frozenset({State.RECEIVED, State.PLANNED, State.PARTLY_DONE})
WANTED: Final = "corrections"  # in the ticket's outcome: a keyed hash of what its plan was made from


def standing_corrections(session: Session, ticket: TicketRow) -> Sequence[CorrectionRow]:
    """What is said to be wrong, in the order it was said; without what was taken back."""
    wanted = sa.select(CorrectionRow).where(CorrectionRow.ticket_id == ticket.id, CorrectionRow.taken_back_at.is_(None))
    return session.execute(wanted.order_by(CorrectionRow.at, CorrectionRow.id)).scalars().all()


def wanted_corrections(session: Session, ticket: TicketRow) -> dict[str, Any]:
    """What the plan of a request puts right, for `Plans.draft_request`: nothing for another right.

    Raises WaitsForPerson while somebody has to say where something stands, or that it is not done."""
    if Right(ticket.right) is not Right.CORRECTION:
        return {}
    rows = standing_corrections(session, ticket)
    refused = refused_ids(session, ticket)
    undecided = [row for row in rows if not row.collection and row.part_id not in refused]
    if undecided or not rows:
        what = f"{len(undecided)} of {len(rows)} things to put right are" if undecided else "Nothing to put right is"
        raise WaitsForPerson(
            f"{what} decided for request {ticket.ref}.", remedy="Say where each stands, or decline it with the reason."
        )
    given = [
        Correction(collection=row.collection, field=row.field, value=row.value.reveal() or None)
        for row in rows
        if row.collection and row.field
    ]
    if not given:
        raise Conflict(
            f"All that should be put right for request {ticket.ref} is declined.",
            remedy="Refuse the request, with its ground.",
        )
    return {"corrections": given, "spared": _spared(session, ticket)}


def refused_ids(session: Session, ticket: TicketRow) -> frozenset[str]:
    """The parts of a ticket that are refused: what was declined as one of them is undecided again once it is taken back."""
    wanted = sa.select(RefusedPartRow.id).where(RefusedPartRow.ticket_id == ticket.id)
    return frozenset(session.execute(wanted).scalars())


def seal_wanted(desk: Desk, wanted: dict[str, Any]) -> str:
    """A keyed hash of what a plan is made from: the values are a person's."""
    values = [[one.collection, one.field, one.value] for one in wanted.get("corrections", ())]
    spared = [[one.collection, one.field, one.value, one.why] for one in wanted.get("spared", ())]
    return keyed_digest(derive_key(desk.secret, "requests.corrections"), [values, spared])


def require_planned_so(desk: Desk, session: Session, ticket: TicketRow) -> None:
    """Refuse an approval of a plan that was made from other decisions than those that stand now. Raises Conflict."""
    if Right(ticket.right) is not Right.CORRECTION:
        return
    if ticket.outcome.get(WANTED) != seal_wanted(desk, wanted_corrections(session, ticket)):
        raise Conflict(
            f"What should be put right for request {ticket.ref} has changed since its plan was made.",
            remedy="Make the plan again.",
        )


def keep_changes(session: Session, ticket: TicketRow, changes: Sequence[Change], wanted: dict[str, Any]) -> None:
    """Keep before and after with the ticket, in place of those of an earlier plan; what was spared stays spared."""
    named = {(one.collection, one.field) for one in wanted.get("corrections", ())}
    old = sa.select(CorrectionChangeRow).where(
        CorrectionChangeRow.ticket_id == ticket.id, CorrectionChangeRow.is_spared.is_(False)
    )
    for row in session.execute(old).scalars():
        session.delete(row)
    for one in changes:
        session.add(
            CorrectionChangeRow(
                id=new_id("chg"),
                ticket_id=ticket.id,
                collection=one.collection,
                store=one.store,
                field=one.field,
                before=Personal(one.before) if one.before is not None else None,
                after=Personal(one.after) if one.after is not None else None,
                rows=one.rows,
                is_copy=(one.collection, one.field) not in named,
                is_spared=False,
            )
        )


def _spared(session: Session, ticket: TicketRow) -> tuple[Spared, ...]:
    wanted = sa.select(CorrectionChangeRow).where(
        CorrectionChangeRow.ticket_id == ticket.id, CorrectionChangeRow.is_spared
    )
    return tuple(
        Spared(
            collection=row.collection,
            field=row.field,
            value=row.before.reveal() if row.before is not None else None,
            why=row.spared_why,
        )
        for row in session.execute(wanted.order_by(CorrectionChangeRow.id)).scalars()
    )
