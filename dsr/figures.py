"""How many requests are open, late and answered, by right: for the promise board."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dsr.states import OPEN, State
from dsr.tables import TicketRow
from policies.clauses import Right

ANSWERS = (State.ANSWERED, State.REFUSED, State.NOTHING_FOUND)


@dataclass(frozen=True, kw_only=True)
class RightFigures:
    """Tickets of one right, tests left out. `late`: open on a day after the due date."""

    open: int = 0
    late: int = 0
    answered: int = 0


def count_rights(session: Session, today: date) -> dict[Right, RightFigures]:
    """The figures of every right anyone has asked for; `today` in the controller's zone."""
    is_open = TicketRow.state.in_([state.value for state in OPEN])
    wanted = (
        sa.select(
            TicketRow.right,
            sa.func.count().filter(is_open),
            sa.func.count().filter(is_open, TicketRow.due_on < today),
            sa.func.count().filter(TicketRow.state.in_([state.value for state in ANSWERS])),
        )
        .where(TicketRow.is_test.is_(False))
        .group_by(TicketRow.right)
    )
    rows = session.execute(wanted).all()
    return {
        Right(right): RightFigures(open=opened, late=late, answered=answered) for right, opened, late, answered in rows
    }
