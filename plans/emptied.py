"""Collections that held records and hold none: a table that was renamed and made anew looks like nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from plans.plan import Plan, StepDeed, read_plan
from plans.preview import Preview, StepPreview, read_preview
from plans.questions import Choice, Matter, Question, Rulings
from plans.tables import PlanRow, StepRow

LOOKS_BACK: Final = 200  # plans, the latest first: a day of sweeps and requests, or a few


@dataclass(frozen=True, kw_only=True)
class LastSeen:
    """How many records a collection held after the last work on it that we know of, and when it was looked at."""

    rows: int
    at: datetime


def read_last_seen(session: Session, plan: Plan, seen: Preview) -> Mapping[str, LastSeen]:
    """What earlier previews saw of the collections that are empty now."""
    empty = {row.collection for row in seen.rows if row.extent is not None and not row.total}
    found: dict[str, LastSeen] = {}
    if not empty:
        return found
    wanted = sa.select(PlanRow).where(PlanRow.preview.is_not(None), PlanRow.id != plan.id)
    for row in session.execute(wanted.order_by(PlanRow.made_at.desc()).limit(LOOKS_BACK)).scalars():
        if not row.body or not row.preview or not empty - found.keys():
            continue
        earlier, preview = read_plan(row.body), read_preview(row.preview)
        steps = sa.select(StepRow).where(StepRow.plan_id == row.id)
        done = {step.id: step.rows for step in session.execute(steps).scalars()}
        for one in preview.rows:
            if one.collection in empty - found.keys() and one.extent is not None and not one.blocked:
                goes = earlier.step(one.step).deed in (StepDeed.DELETE, StepDeed.AGGREGATE)
                left = max(one.total, one.rows) - (done.get(one.step, 0) if goes else 0)
                found[one.collection] = LastSeen(rows=max(0, left), at=preview.at)
    return found


def say_emptied(plan: Plan, seen: Preview, last: Mapping[str, LastSeen], rulings: Rulings) -> Preview:
    """The preview, blocked where a collection came back empty that nothing of ours emptied, until a person says it is so."""
    return replace(seen, rows=tuple(_say(row, last.get(row.collection), rulings) for row in seen.rows))


def question_of(row: StepPreview) -> Question | None:
    """What a person is asked about a step that is blocked for this."""
    if (
        row.blocked is None
        or row.extent is None
        or row.total
        or not row.blocked.startswith(_WAS.format(row.collection))
    ):
        return None
    return Question(
        matter=Matter.EMPTY,
        subject=row.collection,
        why=row.blocked,
        remedy="Look whether it was renamed, and correct `at:` in kept.yaml; or say that it is rightly empty.",
        choices=(Choice.EMPTY,),
    )


_WAS: Final = "{} came back empty"


def _say(row: StepPreview, last: LastSeen | None, rulings: Rulings) -> StepPreview:
    if row.extent is None or row.blocked or row.total or last is None or not last.rows:
        return row
    why = f"{_WAS.format(row.collection)}; on {last.at:%Y-%m-%d} it held records. Was it renamed?"
    blocked = replace(row, blocked=why)
    question = question_of(blocked)
    return row if question is not None and question.id in rulings else blocked
