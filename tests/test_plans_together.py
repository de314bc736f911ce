"""Small deletions of one request in one store, done together: what holds for each alone holds for each of them."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from plans.plan import Plan, Step
from plans.standing import RunResult
from plans.tables import PlanState, StepState
from policies.clauses import Right
from tests.plan_rooms import ANNA, CLAUSES, Gateway, Rooms, make_gateway, wire

_IN_ORDER = "SELECT kind, refs FROM ledger_entries e JOIN ledger_leaves l ON l.entry_id = e.id ORDER BY l.position"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host", requests=20)


@pytest.fixture
def rooms(database: Database, gateway: Gateway) -> Rooms:
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


@pytest.fixture
def plan(rooms: Rooms, gateway: Gateway) -> Plan:
    """A deletion of three tables of one database; the files hold nothing."""
    made = rooms.draft(Right.DELETION, ANNA)
    assert [step.collection for step in made.steps if step.store == "gateway"][-1] == "accounts"
    rooms.approve(made)
    return made


def test_all_intents_are_written_before_the_first_outcome(rooms: Rooms, plan: Plan) -> None:
    """Two transactions of the control database for all of them, and every entry that each would have alone."""
    assert rooms.plans.run(plan.id).state is PlanState.DONE
    together = {step.id for step in plan.steps if step.store == "gateway"}
    with rooms.database.read() as session:
        rows = session.execute(sa.text(_IN_ORDER)).all()
    told = [kind for kind, refs in rows if any(one in str(refs) for one in together)]
    assert told == ["request.intent"] * len(together) + ["request.outcome"] * len(together)


def test_a_hold_placed_after_the_intent_keeps_what_it_is_about(rooms: Rooms, gateway: Gateway, plan: Plan) -> None:
    """The intents of all stand already; each deed asks for holds again."""

    def hold(step: Step, *_: int) -> None:
        if step.collection != "accounts" and not rooms.plans.holds.list():
            rooms.plans.holds.add(by="opr_1", reason="case 7", collection="accounts", person=ANNA)

    result = rooms.plans.run(plan.id, on_progress=hold)
    assert states_of(result)["accounts"] is StepState.LEFT
    assert gateway.count("users") == 3
    assert gateway.count("api_keys") == 1


def test_an_approval_taken_back_stops_at_the_next_deed(rooms: Rooms, gateway: Gateway, plan: Plan) -> None:
    """What was done by then has its outcome; the rest is as it was, and goes on with a new approval."""

    def revoke(*_: object) -> None:
        with rooms.database.begin() as session:
            rooms.plans.revoke_in(session, plan.id, by="opr_2", reason="a doubt")

    result = rooms.plans.run(plan.id, on_progress=revoke)
    assert result.state is PlanState.PAUSED
    assert [
        step.rows > 0 for step in result.steps if step.state is StepState.DONE and step.collection != "request-days"
    ] == [True]
    assert gateway.count("users") == 3
    rooms.plans.approve(plan.id, by="opr_1", reason="no doubt any more")
    assert rooms.plans.run(plan.id).state is PlanState.DONE
    assert gateway.count("users") == 2


def test_one_that_fails_leaves_the_others_their_outcome(rooms: Rooms, gateway: Gateway, plan: Plan) -> None:
    """Those before it are done, those that can be done without it too; what it leads to waits, and a later run finishes."""
    gateway.run("ALTER TABLE api_keys RENAME TO api_keys_away")
    result = rooms.plans.run(plan.id)
    told = states_of(result)
    assert (told["api-keys"], told["accounts"], told["requests"]) == (
        StepState.FAILED, StepState.WAITING, StepState.DONE,
    )  # fmt: skip
    assert (gateway.count("request_log"), gateway.count("users")) == (0, 3)
    gateway.run("ALTER TABLE api_keys_away RENAME TO api_keys")
    assert rooms.plans.run(plan.id).state is PlanState.DONE
    assert (gateway.count("api_keys"), gateway.count("users")) == (1, 2)


def states_of(result: RunResult) -> dict[str, StepState]:
    """By collection."""
    return {step.collection: step.state for step in result.steps}
