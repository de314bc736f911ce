"""Small deletions of one request that follow each other in one store: their intents in one transaction, then each deed by
itself, then their outcomes in one transaction. A run that is killed in between is taken up step by step, as any other."""

from collections.abc import Iterator, Sequence

from sqlalchemy.orm import Session

from core.errors import KeptError
from plans.execute import Outcome, StepWork
from plans.plan import Step, StepDeed, TriggerKind
from plans.tables import FINISHED, StepRow, StepState
from plans.tools import Tools


def find_together(session: Session, tools: Tools, first: Step) -> list[Step]:
    """The steps that may go with this one, itself included: begun by nobody, and waiting for no others."""
    plan = tools.plan
    if plan.trigger.kind is not TriggerKind.REQUEST:
        return []
    found: list[Step] = []
    for step in plan.steps[plan.steps.index(first) :]:
        states = {one: session.get_one(StepRow, one).state for one in (step.id, *step.after)}
        waits = {one for one in step.after if states[one] not in FINISHED} - {one.id for one in found}
        is_new = step.deed is StepDeed.DELETE and step.store == first.store and states[step.id] == StepState.PLANNED
        if waits or not is_new:
            break
        found.append(step)
    return found


def work_together(tools: Tools, steps: Sequence[Step], tried: set[str]) -> bool:
    """Work on as many of the steps, from the first on, as are small, and note them in `tried`; False when the budget ended
    first. What is behind one that failed is each step's own work again."""
    works = list(_small(tools, steps)) if len(steps) > 1 else []
    if len(works) < 2:
        return True
    with tools.database.begin() as session:
        tools.lease.require(session)
        tools.require_approved(session, tools.plan.id)
        for work in works:
            work.intend_in(session)
    done: list[tuple[StepWork, Outcome]] = []
    try:
        for work in works:
            work.look_again()
            outcome = work.work()
            if outcome is None:
                return False
            done.append((work, outcome))
            tried.add(work.step.id)
            if outcome.state is StepState.FAILED:
                break
    finally:
        if done:
            with tools.database.begin() as session:
                tools.lease.require(session)
                for work, outcome in done:
                    work.close_in(session, outcome)
    return True


def _small(tools: Tools, steps: Sequence[Step]) -> Iterator[StepWork]:
    for step in steps:
        work = StepWork(tools, step)
        try:
            if not work.is_small():
                return
        except KeptError:
            return  # its own run meets the same, and says so
        yield work
