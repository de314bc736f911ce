"""What a correction came to, line by line in the person's language: what was put right, and what could not be, with the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.catalogue import mark
from core.words import records
from dsr.correction_tables import CorrectionChangeRow
from dsr.correction_words import word_of_place
from dsr.desk import Desk
from dsr.outcome_lines import Line, Reader, done_by_hand, gap_lines, gone_on_without, left_lines
from dsr.tables import TicketRow
from plans.correction_changes import Correctable, correctable_fields
from plans.plan import StepDeed
from plans.standing import PlanView, StepResult


def corrected(
    desk: Desk,
    session: Session,
    ticket: TicketRow,
    view: PlanView,
    *,
    steps: Sequence[StepResult],
    rows: Mapping[str, int],
    reader: Reader,
) -> dict[str, Any]:
    """The outcome of a correction. `steps`: how they ended; `rows`: records put right by collection, by every plan of it."""
    fields = correctable_fields(desk.plans.datamap)
    items, already = list[dict[str, Any]](), list[Line]()
    for step in view.plan.steps:
        for name, _ in step.corrections if step.deed is StepDeed.CORRECT else ():
            title = word_of_place(step.collection, name, fields, reader.language)
            if rows.get(step.collection, 0):
                items.append({"title": title, "count": rows[step.collection]})
            else:
                already.append({"title": title, "why": reader.say(mark("said so already")), "until": ""})
    by_hand = done_by_hand(view, reader, mark("corrected by hand, confirmed to us"))
    kept = [*_spared(session, ticket, fields, reader), *left_lines(steps, reader), *gone_on_without(view)]
    return {
        "rows": dict(rows),
        "corrected": items,
        "asked": [*already, *by_hand],
        "kept": [*kept, *gap_lines(view.plan.gaps, reader)],
    }


def _spared(session: Session, ticket: TicketRow, fields: Sequence[Correctable], reader: Reader) -> list[Line]:
    wanted = sa.select(CorrectionChangeRow).where(
        CorrectionChangeRow.ticket_id == ticket.id, CorrectionChangeRow.is_spared
    )
    return [
        {
            "title": f"{word_of_place(row.collection, row.field, fields, reader.language)}, "
            f"{records(row.rows or 0, reader.language)}",
            "why": row.spared_why,
            "until": "",
        }
        for row in session.execute(wanted.order_by(CorrectionChangeRow.id)).scalars()
    ]


def foreseen(
    desk: Desk, session: Session, ticket: TicketRow, view: PlanView, reader: Reader
) -> tuple[list[dict[str, Any]], list[Line]]:
    """What would be put right by the plan as it stands, and what would not, for the preview of the answer."""
    fields = correctable_fields(desk.plans.datamap)
    wanted = sa.select(CorrectionChangeRow).where(
        CorrectionChangeRow.ticket_id == ticket.id, CorrectionChangeRow.is_spared.is_(False)
    )
    rows: dict[str, int] = {}
    for row in session.execute(wanted.order_by(CorrectionChangeRow.is_copy, CorrectionChangeRow.id)).scalars():
        title = word_of_place(row.collection, row.field, fields, reader.language)
        rows[title] = rows.get(title, 0) + (row.rows or 0)
    items = [{"title": title, "count": number} for title, number in rows.items() if number]
    return items, [*_spared(session, ticket, fields, reader), *gap_lines(view.plan.gaps, reader)]
