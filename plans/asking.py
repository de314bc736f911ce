"""Carrying out the steps that people do: a task is opened once, and its answer finishes the step, whenever it comes."""

from typing import Final

from sqlalchemy.orm import Session

from core.errors import ConfigurationError
from plans.build_request import held_by_hand
from plans.execute import Tools, step_refs
from plans.plan import AskedFor, Step
from plans.tables import StepRow, StepState
from plans.tasks import Tasks, TaskState
from stores.contract import Asks

# How a step stands whose task was answered before this plan took it over.
_ANSWERED: Final = {TaskState.CONFIRMED: StepState.DONE, TaskState.REFUSED: StepState.FAILED}


class AskWork:
    """The work on one step of kind ASK: it ends with the question; the answer comes from the page or the console."""

    def __init__(self, tools: Tools, step: Step, tasks: Tasks) -> None:
        self._tools = tools
        self._step = step
        self._tasks = tasks

    def run(self) -> bool:
        """Ask, unless somebody was asked already. Always goes on: nothing else waits for people."""
        tools, step = self._tools, self._step
        store = tools.datamap.stores[step.store]
        if not isinstance(store, Asks):
            raise ConfigurationError(
                f"The store {step.store} is no longer one whose work people do.", remedy="Make the plan again."
            )
        with tools.database.begin() as session:
            tools.lease.require(session)
            tools.require_approved(session, tools.plan.id)
            row = session.get_one(StepRow, step.id)
            task = self._tasks.of_step(session, tools.plan, step, by=tools.actor)
            if task is None and self._is_held(session):
                row.state = StepState.WAITING
                row.error = f"A hold may keep records of {step.collection}, so nobody is asked to delete them."
                return True
            now = tools.clock.now()
            if task is None:
                row.intent = tools.ledger.record(
                    session,
                    kind="request.intent",
                    actor=tools.actor,
                    refs=step_refs(tools.plan, step),
                    private={"collection": step.collection, "deed": step.deed.value, "plan_digest": tools.plan.digest},
                )
                row.started_at, row.error = now, ""
                task = self._tasks.open(session, tools.plan, step, store, by=tools.actor)
            row.state = _ANSWERED.get(TaskState(task.state), StepState.INTENDED)
            if row.state == StepState.DONE:
                row.note, row.ended_at = "confirmed before, under an earlier plan", now
        return True

    def _is_held(self, session: Session) -> bool:
        if self._step.asked is not AskedFor.DELETE:
            return False
        tools, step = self._tools, self._step
        collection = tools.datamap.collection(step.collection)
        return held_by_hand(tools.holds.binding(session), collection, step.clause, tools.datamap, step.condition)
