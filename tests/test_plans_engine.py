"""Plans from draft to done: what approval is of, what holds do to a run under way, and what a run refuses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import CheckFailed, Conflict, WaitsForPerson
from core.leases import LeaseRow
from core.outbox import OutboxRow
from plans.plan import Plan, plan_json, read_plan
from plans.preview import preview_json, read_preview
from plans.tables import PlanRow, PlanState, StepState
from policies.clauses import RetentionClause
from retention.terms import cutoffs_of
from tests.ledger_rooms import StandingClock
from tests.plan_rooms import CLAUSES, COLLECTIONS, NOW, Gateway, Rooms, ago, make_gateway, wire


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host")


@pytest.fixture
def rooms(database: Database, gateway: Gateway) -> Rooms:
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


def draft(rooms: Rooms, name: str = "request-logs") -> Plan:
    with rooms.database.read() as session:
        history = rooms.policies.history(session)
    clause = history[-1].document.clause(name)
    assert isinstance(clause, RetentionClause)
    cutoffs = cutoffs_of(history, name, NOW)
    return rooms.plans.draft_sweep(clause=clause, cutoffs=cutoffs, version=1, now=NOW)


def approved(rooms: Rooms, name: str = "request-logs") -> str:
    plan_id = rooms.plans.store(draft(rooms, name))
    rooms.plans.preview(plan_id)
    rooms.plans.approve(plan_id, by="opr_1", reason="looked at it")
    return plan_id


def after_batches(count: int, act: Callable[[], None]) -> Callable[..., None]:
    """A progress callback that acts once, when so many batches are done."""
    seen = [0]

    def on_progress(*_: object) -> None:
        seen[0] += 1
        if seen[0] == count:
            act()

    return on_progress


def test_a_plan_and_its_preview_survive_json(rooms: Rooms) -> None:
    """What is stored is what was made: same value, same digest."""
    for name in ("request-logs", "closed", "idle-keys"):
        plan = draft(rooms, name)
        assert read_plan(plan_json(plan)) == plan
        assert read_plan(plan_json(plan)).digest == plan.digest
        preview = rooms.plans.look(plan)
        assert read_preview(preview_json(preview)) == preview


def test_a_plan_without_approval_does_not_run(rooms: Rooms, gateway: Gateway) -> None:
    """Approval comes after the preview and before the first step."""
    plan_id = rooms.plans.store(draft(rooms))
    with pytest.raises(Conflict, match="no preview"):
        rooms.plans.approve(plan_id, by="opr_1", reason="blind")
    rooms.plans.preview(plan_id)
    with pytest.raises(WaitsForPerson, match="not approved"):
        rooms.plans.run(plan_id)
    assert gateway.count("request_log") == 100


def test_approval_lapses_when_the_preview_changes(rooms: Rooms, gateway: Gateway) -> None:
    """Who approved 69 records did not approve 70."""
    plan_id = approved(rooms)
    gateway.run("INSERT INTO request_log VALUES (500, 'u1', ?)", [(ago(40),)])
    rooms.plans.preview(plan_id)
    with pytest.raises(WaitsForPerson):
        rooms.plans.run(plan_id)
    rooms.plans.approve(plan_id, by="opr_1", reason="looked again")
    assert rooms.plans.run(plan_id).rows == 70


def test_a_plan_that_was_changed_in_the_database_is_refused(rooms: Rooms, gateway: Gateway) -> None:
    """The digest is of what was approved; another body under it is not run."""
    plan_id = approved(rooms)
    with rooms.database.begin() as session:
        row = session.get_one(PlanRow, plan_id)
        body = dict(row.body)
        body["steps"] = [{**step, "condition": {"all": []}} for step in body["steps"]]
        row.body = body
    with pytest.raises(CheckFailed, match="changed after it was made"):
        rooms.plans.run(plan_id)
    assert gateway.count("request_log") == 100


def test_a_hold_placed_while_a_sweep_runs_binds_from_the_next_batch(rooms: Rooms, gateway: Gateway) -> None:
    """Holds are read again before every batch, and stand in the statement."""

    def hold() -> None:
        rooms.plans.holds.add(by="opr_1", reason="case 7", collection="requests")

    result = rooms.plans.run(approved(rooms), on_progress=after_batches(2, hold))
    (table,) = [step for step in result.steps if step.collection == "requests"]
    assert (table.state, table.rows, table.remaining) == (StepState.LEFT, 14, 55)
    assert table.note == "55 kept by a hold"
    assert gateway.count("request_log") == 86


def test_a_record_refreshed_while_a_sweep_runs_survives(rooms: Rooms, gateway: Gateway) -> None:
    """The whole condition stands in every statement, so what became young meanwhile stays."""

    def refresh() -> None:
        gateway.run("UPDATE request_log SET created_at = ? WHERE id IN (50, 60)", [(ago(0),)])

    result = rooms.plans.run(approved(rooms), on_progress=after_batches(1, refresh))
    assert result.state is PlanState.DONE
    assert gateway.count("request_log", "id IN (50, 60)") == 2
    assert result.rows == 67


def test_records_that_come_back_behind_the_bounds_are_found_by_the_next_look(rooms: Rooms, gateway: Gateway) -> None:
    """The last batch is not the end; done is when the store, asked again, says zero."""

    def write_old() -> None:
        gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(-1, ago(90)), (-2, ago(91))])

    result = rooms.plans.run(approved(rooms), on_progress=after_batches(9, write_old))
    assert result.rows == 71
    assert gateway.count("request_log") == 31


def test_a_run_whose_lease_was_taken_writes_nothing_more(rooms: Rooms, gateway: Gateway) -> None:
    """The token fences: after another process took the name, this one stops before its next batch."""
    plan_id = approved(rooms)

    def lose() -> None:
        with rooms.database.begin() as session:
            session.execute(sa.update(LeaseRow).where(LeaseRow.name.like("plan:%")).values(token=LeaseRow.token + 1))

    with pytest.raises(Conflict, match="taken by another process"):
        rooms.plans.run(plan_id, on_progress=after_batches(2, lose))
    assert gateway.count("request_log") == 86
    with rooms.database.begin() as session:
        session.execute(sa.update(LeaseRow).values(expires_at=NOW))
    assert rooms.plans.resume()[0].rows == 69


def test_a_store_whose_clock_is_off_is_not_swept(rooms: Rooms, database: Database, gateway: Gateway) -> None:
    """More than a minute apart and nobody knows what is over its time."""
    plan_id = approved(rooms)
    wrong = wire(database, gateway, clock=StandingClock(NOW + timedelta(minutes=5)))
    rooms.datamap.stores["gateway"]._clock = wrong.clock  # type: ignore[attr-defined]
    with pytest.raises(CheckFailed, match="clock of the store gateway is 300 s away"):
        rooms.plans.run(plan_id)
    assert gateway.count("request_log") == 100


def test_the_lender_of_an_event_waits_while_a_borrower_is_not_done(rooms: Rooms, gateway: Gateway) -> None:
    """Were the account to go first, nobody could tell any more that its keys are over their time."""
    plan_id = approved(rooms, "closed")
    gateway.run("CREATE TRIGGER stuck BEFORE DELETE ON api_keys BEGIN SELECT RAISE(ABORT, 'not now'); END")
    result = rooms.plans.run(plan_id)
    assert {step.collection: step.state for step in result.steps} == {
        "api-keys": StepState.FAILED,
        "accounts": StepState.WAITING,
    }
    assert gateway.count("users") == 3
    gateway.run("DROP TRIGGER stuck")
    assert rooms.plans.run(plan_id).state is PlanState.DONE
    assert gateway.count("users") == 2


def test_intent_comes_before_the_work_and_outcome_with_the_step_row(rooms: Rooms) -> None:
    """One intent and one outcome a step, both under a checkpoint when the run returns, and an event in the outbox."""
    result = rooms.plans.run(approved(rooms))
    with rooms.database.read() as session:
        for step in result.steps:
            kinds = [entry.kind for entry in rooms.ledger.entries(session, ref=step.step_id)]
            assert kinds == ["sweep.outcome", "sweep.intent"]
        outcome = rooms.ledger.entries(session, kind="sweep.outcome")[-1]
        assert outcome.private is not None
        assert (outcome.private["rows"], outcome.private["remaining"], outcome.private["state"]) == (69, 0, "done")
        events = [row.kind for row in session.execute(sa.select(OutboxRow)).scalars()]
    assert events.count("plan.step") == 2
    assert rooms.ledger.waiting().count == 0


def test_a_finished_plan_runs_no_second_time(rooms: Rooms, gateway: Gateway) -> None:
    """Asked again, it says what it did; what came later needs a plan of its own."""
    plan_id = approved(rooms)
    rooms.plans.run(plan_id)
    gateway.run("INSERT INTO request_log VALUES (500, 'u1', ?)", [(ago(40),)])
    assert rooms.plans.run(plan_id).rows == 69
    assert gateway.count("request_log", "id = 500") == 1


def test_a_shorter_period_binds_earlier_records_and_a_longer_one_does_not_reach_back(
    rooms: Rooms, gateway: Gateway
) -> None:
    """Accounts made under thirty days keep that promise under a later version of sixty; newer ones have sixty."""
    rooms.clock.advance(timedelta(days=1))
    rooms.publish(*CLAUSES[:2], CLAUSES[2].replace("P30D", "P60D", 1), *CLAUSES[3:])
    rooms.clock.advance(timedelta(days=100))
    later = rooms.clock.now()
    closed = (later - timedelta(days=45)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    made = (NOW + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    gateway.run("DELETE FROM users")
    gateway.run("INSERT INTO users VALUES (?, 'x@mail.test', ?, ?)", [("old", ago(10), closed), ("new", made, closed)])
    (outcome,) = rooms.sweeps.approve("closed", by="opr_1", reason="looked")
    assert outcome.rows == 1
    assert gateway.values("SELECT id FROM users") == ["new"]


def test_an_event_counted_until_is_over_when_it_has_happened(database: Database, gateway: Gateway) -> None:
    """`until: account_closed`: what belongs to a closed account is over its time at once, what belongs to an open one never."""
    rooms = wire(database, gateway)
    rooms.publish("{id: drafts, kind: retention, of: api_key, until: account_closed, within: P1D, then: delete}")
    (outcome,) = rooms.sweeps.approve("drafts", by="opr_1", reason="looked")
    assert (outcome.rows, gateway.values("SELECT id FROM api_keys ORDER BY id")) == (1, [1, 2, 3, 5])


def test_a_collection_without_a_time_of_its_own_is_a_gap_or_has_the_shortest_promise(
    database: Database, gateway: Gateway
) -> None:
    """Counted from the record's own time there is nothing to compare; counted from an event the shortest period binds."""
    timeless = [replace(one, time=None) for one in COLLECTIONS]
    rooms = wire(database, gateway, collections=timeless)
    rooms.publish(*CLAUSES)
    (logs,) = rooms.sweeps.dry_run("request-logs")
    assert [gap.partition(":")[0] for gap in logs.gaps] == ["requests in gateway", "request-days in files"]
    (closed,) = rooms.sweeps.dry_run("closed")
    assert (closed.rows, closed.gaps) == (2, ())
