"""What people may say of runs: stop, go on, take an approval back; and that nobody is overtaken by what has changed since."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, Conflict
from core.outbox import OutboxRow
from retention.oversight import RESUME, Oversight
from retention.tables import RunState, SweepRunRow
from retention.views import SweepOutcome
from tests.plan_rooms import CLAUSES, NOW, Gateway, Rooms, ago, make_gateway, wire
from tests.schema import make_tables

LOGS = "request-logs"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host")


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Database]:
    """Kept's own database; what stands here is the same on every kind of it."""
    made = Database(f"sqlite:///{tmp_path / 'control.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def rooms(control: Database, gateway: Gateway) -> Rooms:
    made = wire(control, gateway, batch_rows=10)
    made.publish(*CLAUSES)
    return made


@pytest.fixture
def oversight(rooms: Rooms) -> Oversight:
    return Oversight(rooms.database, rooms.clock, rooms.ledger, rooms.leases, rooms.plans)


def approve(rooms: Rooms, after: int, act: object) -> SweepOutcome:
    """Approve the request logs; once so many records are done, `act` happens beside the run."""

    def on_progress(_step: object, done: int, _total: int) -> None:
        rooms.clock.advance(timedelta(seconds=1))
        if done == after:
            act()  # type: ignore[operator]

    (outcome,) = rooms.sweeps.approve(LOGS, by="opr_1", reason="looked at it", on_progress=on_progress)
    return outcome


def test_an_approval_taken_back_ends_a_run_before_its_next_batch(
    rooms: Rooms, oversight: Oversight, gateway: Gateway
) -> None:
    """What is done stays done, nothing more goes, and what is left waits for a new approval, which then finishes it."""
    stopped = approve(rooms, 20, lambda: oversight.revoke(LOGS, by="opr_2", reason="wrong period"))
    assert (stopped.state, stopped.rows) == (RunState.STOPPED, 20)
    assert gateway.count("request_log") == 80
    (waits,) = rooms.sweeps.run(LOGS)
    assert waits.waiting is not None
    assert (waits.waiting.reason, waits.waiting.sweep.rows) == ("Its approval was revoked.", 50)
    with pytest.raises(Conflict, match="No approval of request-logs stands"):
        oversight.revoke(LOGS, by="opr_2", reason="again")
    (done,) = rooms.sweeps.approve(LOGS, by="opr_1", reason="it is right after all")
    assert (done.state, done.rows) == (RunState.DONE, 50)
    assert rooms.ledger.verify().ok


def test_taking_an_approval_back_between_runs_makes_the_next_one_wait(rooms: Rooms, oversight: Oversight) -> None:
    """The standing approval is gone, with who took it back and why; without a reason it is not taken back."""
    rooms.sweeps.approve(LOGS, by="opr_1", reason="looked at it")
    with pytest.raises(BadInput):
        oversight.revoke(LOGS, by="opr_2", reason=" ")
    oversight.revoke(LOGS, by="opr_2", reason="under review")
    standing = oversight.standing(LOGS)
    assert standing is not None
    assert (standing.by, standing.revoked_by, standing.revoke_reason) == ("opr_1", "opr_2", "under review")
    rooms.clock.advance(timedelta(days=1))
    (outcome,) = rooms.sweeps.run(LOGS)
    assert outcome.state is RunState.WAITING


def test_a_paused_run_is_left_alone_until_it_is_due_or_resumed(
    rooms: Rooms, oversight: Oversight, gateway: Gateway
) -> None:
    """Every look of the scheduler in between passes it by; a person can have it gone on with, once, by one event."""
    rooms.sweeps.run_due(rooms.clock.now())
    stopped = approve(rooms, 30, lambda: oversight.stop(oversight.running()[0].run_id, by="opr_2"))
    assert (stopped.state, stopped.rows, stopped.run.stopped_by) == (RunState.PAUSED, 30, "opr_2")
    assert "Stopped after a batch" in stopped.run.note
    for _ in range(3):
        rooms.clock.advance(timedelta(minutes=1))
        assert rooms.sweeps.run_due(rooms.clock.now()) == []
    assert gateway.count("request_log") == 70
    oversight.resume(LOGS, by="opr_2")
    oversight.resume(LOGS, by="opr_2")
    with rooms.database.read() as session:
        events = session.execute(sa.select(OutboxRow.payload).where(OutboxRow.kind == RESUME)).scalars().all()
    assert [event["clause"] for event in events] == [LOGS]
    rooms.clock.advance(timedelta(days=1))
    rooms.sweeps.run_due(rooms.clock.now())
    assert gateway.count("request_log") == 29  # the rest of that run, and what a day and some seconds have added


def test_a_run_under_way_says_how_far_it_is(rooms: Rooms, oversight: Oversight) -> None:
    """Rows done of those that matched, the rate of the last batches, the time left; read from rows, no store is asked."""
    seen = []
    approve(rooms, 30, lambda: seen.extend(oversight.running()))
    (one,) = seen
    assert (one.clause, one.collection, one.matched, one.alive) == (LOGS, "requests", 69, True)
    assert one.done == 20  # the count of the last batch is written down with the bounds of the next
    assert one.rate == pytest.approx(20 / 2)  # the clock goes on one second after each batch
    assert one.left == timedelta(seconds=4.9)
    assert oversight.running() == []


def test_thirty_minutes_for_thirty_days_waits_for_a_person(control: Database, gateway: Gateway) -> None:
    """A slip in the policy takes nothing: the changed clause waits, and says that nearly everything would go."""
    rooms = wire(control, gateway, breaker=0.2)
    rooms.publish(*CLAUSES)
    rooms.sweeps.approve(LOGS, by="opr_1", reason="looked at it")
    rooms.clock.advance(timedelta(minutes=1))
    rooms.publish(CLAUSES[0].replace("P30D", "PT30M"), *CLAUSES[1:])
    (outcome,) = rooms.sweeps.run(LOGS)
    assert outcome.waiting is not None
    assert "has changed since it was approved" in outcome.waiting.reason
    (table,) = [one for one in outcome.waiting.sweep.collections if one.collection == "requests"]
    assert table.share > 0.9
    assert gateway.count("request_log") == 31


def test_a_handful_of_records_is_never_over_the_breaker(control: Database, gateway: Gateway) -> None:
    """Of three records one is a third, and no reason to ask anybody every night; eleven of thirty are."""
    rooms = wire(control, gateway, breaker=0.2)
    rooms.publish(*CLAUSES)
    rooms.sweeps.approve(LOGS, by="opr_1", reason="looked at it")
    gateway.run("DELETE FROM request_log WHERE id > 2")
    gateway.run("INSERT INTO request_log VALUES (900, 'u1', ?)", [(ago(40),)])
    (small,) = rooms.sweeps.run(LOGS)
    assert (small.state, small.rows) == (RunState.DONE, 1)
    gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(910 + row, ago(40)) for row in range(11)])
    (large,) = rooms.sweeps.run(LOGS)
    assert large.state is RunState.WAITING


def test_what_a_person_approved_lapses_when_it_has_changed(control: Database, gateway: Gateway) -> None:
    """Approval is of what was seen: with another clause, or many more records, the run waits again and nothing goes."""
    rooms = wire(control, gateway, breaker=0.2)
    rooms.publish(*CLAUSES)
    (first,) = rooms.sweeps.run(LOGS)
    gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(500 + row, ago(40)) for row in range(50)])
    (grown,) = rooms.sweeps.approve_waiting(first.run.id, by="opr_1", reason="looked at it")
    assert grown.state is RunState.WAITING
    rooms.clock.advance(timedelta(minutes=1))
    rooms.publish(CLAUSES[0].replace("P30D", "P29D"), *CLAUSES[1:])
    (changed,) = rooms.sweeps.approve_waiting(grown.run.id, by="opr_1", reason="looked at it")
    assert changed.state is RunState.WAITING
    assert gateway.count("request_log") == 150
    assert rooms.sweeps.approve_waiting(first.run.id, by="opr_1", reason="of yesterday") == []
    (done,) = rooms.sweeps.approve_waiting(changed.run.id, by="opr_1", reason="looked at it")
    assert (done.state, done.rows) == (RunState.DONE, 121)


def test_two_schedulers_at_once_run_each_due_instant_once(database: Database, gateway: Gateway) -> None:
    """Whatever they do at the same moment, a due instant has one run, and a round that found nothing to do leaves no row."""
    first, second = (wire(database, gateway) for _ in range(2))
    first.publish(*CLAUSES)
    first.sweeps.approve("all", by="opr_1", reason="looked at it")
    with database.read() as session:
        before = session.execute(sa.select(sa.func.count()).select_from(SweepRunRow)).scalar_one()
    now = NOW + timedelta(days=1)
    start, outcomes = threading.Barrier(2), list[SweepOutcome]()

    def fire(rooms: Rooms) -> None:
        rooms.clock.advance(timedelta(days=1))
        start.wait(timeout=10)
        for _ in range(3):
            outcomes.extend(rooms.sweeps.run_due(now))

    threads = [threading.Thread(target=fire, args=[rooms]) for rooms in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with database.read() as session:
        rows = session.execute(sa.select(SweepRunRow).where(SweepRunRow.due_at.is_not(None))).scalars().all()
        after = session.execute(sa.select(sa.func.count()).select_from(SweepRunRow)).scalar_one()
    assert sorted(row.clause for row in rows) == ["closed", "idle-keys", "invoices", LOGS]
    assert {row.state for row in rows} == {RunState.DONE}
    assert after - before == len(outcomes) == 4
    assert gateway.count("request_log") == 30


def test_claims_of_processes_that_died_are_made_up_for_by_one_run(rooms: Rooms) -> None:
    """Two instants claimed and never run make one run, and it says so."""
    rooms.sweeps.run_due(NOW)
    for _ in range(2):
        rooms.clock.advance(timedelta(days=1))
        rooms.sweeps.make_up(rooms.clock.now())
    rooms.sweeps.run_due(rooms.clock.now())
    runs = [run for run in rooms.sweeps.state(LOGS).runs if run.state is RunState.WAITING]
    assert [(run.missed, run.made_up) for run in runs] == [(1, True)]
    assert rooms.sweeps.run_due(rooms.clock.now()) == []
