"""What a step waits for that only time brings: a file that is written today can be changed once its day is over."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from plans.plan import Plan, Step, StepDeed
from plans.standing import StepResult
from plans.tables import FINISHED, StepState
from stores.file_names import FilePattern

# In the words of the run: what is left, file by file, and nothing else is the matter.
_NOT_YET: Final = re.compile(r".+ of \S+ cannot go yet: (?P<files>.+)\. It goes on by itself once that is over\.")
_OF_TODAY: Final = ": it is the file of today"


def opens_at(step: Step, error: str) -> datetime | None:
    """When a step that failed can be done, where it waits for nothing but that files of today are over; else None."""
    found = _NOT_YET.fullmatch(error)
    if found is None:
        return None
    pattern, ends = FilePattern(step.at, step.store), list[datetime]()
    for told in found["files"].split("; "):
        span = pattern.span(told.removesuffix(_OF_TODAY)) if told.endswith(_OF_TODAY) else None
        if span is None:
            return None
        ends.append(span[1].replace(tzinfo=UTC))  # a file's name is read as UTC
    return max(ends)


def goes_on_at(plan: Plan, results: Sequence[StepResult]) -> datetime | None:
    """When the rest of a plan can be done, where every step of a program that is left waits for its time, or for one that
    does; None where something failed, or nothing of that kind is left."""
    steps = {step.id: step for step in plan.steps}
    ends = list[datetime]()
    for one in results:
        step = steps[one.step_id]
        if one.state in FINISHED or one.state is StepState.WAITING or step.deed in (StepDeed.ASK, StepDeed.EXPORT):
            continue
        end = opens_at(step, one.error) if one.state is StepState.FAILED else None
        if end is None:
            return None
        ends.append(end)
    return max(ends, default=None)
