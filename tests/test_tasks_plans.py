"""Work for people in plans: who is asked about whom, what stays, and that nothing a program does waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.database import Database
from core.settings import CollectionSettings, Reference, TimeField
from plans.asked_values import before_of, values_of
from plans.holds import HoldRow
from plans.plan import AskedFor, StepDeed, plan_json, read_plan
from plans.tables import PlanState, StepState
from plans.task_tables import TaskRow
from plans.tasks import TASK_MOVES, TaskState
from policies.clauses import Right
from stores.contract import Store
from stores.datamap import DataMap
from stores.manual import ManualStore
from tests.plan_rooms import ANNA, CLAUSES, COLLECTIONS, Gateway, Rooms, make_gateway, wire

REF = "ticket:K7F3Q-2MXB"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host", requests=5)


@pytest.fixture
def rooms(database: Database, gateway: Gateway) -> Rooms:
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


def with_crm(rooms: Rooms, **more: Any) -> None:
    manual = ManualStore("crm", "crm@mail.test", clock=rooms.clock)
    letters = CollectionSettings(id="letters", store="crm", at="letters", **{"category": "letter", **more})
    stores: dict[str, Store] = {**rooms.datamap.stores, "crm": manual}
    rooms.plans.datamap = rooms.plans.holds._datamap = DataMap((*COLLECTIONS, letters), stores)


def test_who_looks_after_a_place_by_hand_is_asked(rooms: Rooms, gateway: Gateway) -> None:
    """By a proven identifier, or by what other stores tell of the person; the step comes first and nothing waits for it."""
    for way, values in (
        ({"identifies": {"email": "e"}}, {"e": ("anna@mail.test",)}),
        ({"person": (Reference(field="user", to="accounts", to_field="id"),)}, {"user": ("u1",)}),
    ):
        with_crm(rooms, **way)
        for right, what in ((Right.DELETION, AskedFor.DELETE), (Right.ACCESS, AskedFor.COPY)):
            plan = rooms.draft(right, ANNA, ref=REF)
            assert plan.gaps == ()
            step = plan.steps[0]
            assert (step.deed, step.asked, step.collection, step.after) == (StepDeed.ASK, what, "letters", ())
            assert values_of(step.condition) == values
            assert not [one for one in plan.steps if step.id in one.after]
            assert rooms.plans.look(plan).blocked == ()
            assert read_plan(plan_json(plan)) == plan


def test_nobody_is_asked_about_a_person_who_cannot_be_there(rooms: Rooms, gateway: Gateway) -> None:
    """Where only the account leads there, and there is no account, there is nothing to ask by, and no gap either."""
    with_crm(rooms, person=(Reference(field="user", to="accounts", to_field="id"),))
    plan = rooms.draft(Right.DELETION, {"email": ["stranger@mail.test"]}, ref=REF)
    assert ([step for step in plan.steps if step.deed is StepDeed.ASK], plan.gaps) == ([], ())


def test_under_a_hold_nobody_is_asked_to_delete(rooms: Rooms, gateway: Gateway) -> None:
    """What no program can look into is not told apart: a hold on this person keeps all of it, one on another person
    nothing; one placed after the approval keeps it too, until it is released."""
    with_crm(rooms, identifies={"email": "e"})
    other = rooms.plans.holds.add(
        by="opr_1", reason="case 7", collection="letters", person={"email": ["bea@mail.test"]}
    )
    assert rooms.draft(Right.DELETION, ANNA, ref=REF).steps[0].deed is StepDeed.ASK
    plan_id = rooms.approve(rooms.draft(Right.DELETION, ANNA, ref=REF))
    hold = rooms.plans.holds.add(by="opr_1", reason="case 8", collection="letters", person=ANNA)
    held = rooms.draft(Right.DELETION, ANNA, ref=REF)
    assert [step.deed for step in held.steps if step.collection == "letters"] == []
    assert {stay.basis for stay in held.stays if stay.collection == "letters"} == {"hold"}
    assert rooms.draft(Right.ACCESS, ANNA, ref=REF).steps[0].deed is StepDeed.ASK
    result = rooms.plans.run(plan_id)
    assert (result.state, result.steps[0].state) == (PlanState.FAILED, StepState.WAITING)
    assert "nobody is asked" in result.steps[0].error
    with rooms.database.begin() as session:
        session.execute(
            sa.update(HoldRow).where(HoldRow.id.in_([hold.id, other.id])).values(released_at=rooms.clock.now())
        )
    result = rooms.plans.run(plan_id)
    assert (result.state, result.steps[0].state) == (PlanState.ASKED, StepState.INTENDED)
    assert rooms.plans.run(plan_id).state is PlanState.ASKED
    with rooms.database.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(TaskRow)).scalar_one() == 1


def test_what_an_exception_keeps_people_leave_too(rooms: Rooms, gateway: Gateway) -> None:
    """A duty keeps invoices wherever they lie: what stays is in the plan, and they are asked for the older ones alone."""
    with_crm(rooms, identifies={"email": "e"}, category="invoice", time=TimeField(name="issued"))
    plan = rooms.draft(Right.DELETION, ANNA, ref=REF)
    assert ("letters", "legal_obligation") in [(stay.collection, stay.basis) for stay in plan.stays]
    before = before_of(plan.steps[0].condition)
    assert before is not None
    assert (plan.steps[0].collection, before[0]) == ("letters", "issued")


def test_only_a_refusal_can_be_taken_back() -> None:
    """What is confirmed or withdrawn stays so; every other state can be withdrawn."""
    ends = {state for state, moves in TASK_MOVES.items() if not moves}
    assert ends == {TaskState.CONFIRMED, TaskState.WITHDRAWN}
    assert all(TaskState.WITHDRAWN in TASK_MOVES[state] for state in TaskState if state not in ends)
    assert [state for state in TaskState if TaskState.ASKED in TASK_MOVES[state]] == [TaskState.REFUSED]
