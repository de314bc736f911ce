"""Sweeps end to end over small stores: nothing early, nothing unapproved, everything read back and recorded."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from core.clock import SystemClock
from core.database import Database
from core.errors import WaitsForPerson
from core.settings import TimeField
from retention.tables import RunState
from stores.contract import Capability
from stores.sql import SqlStore
from tests.ledger_rooms import StandingClock
from tests.plan_rooms import CLAUSES, COLLECTIONS, NOW, Gateway, Rooms, ago, make_gateway, wire
from tests.schema import make_tables


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host")


@pytest.fixture
def rooms(database: Database, gateway: Gateway) -> Rooms:
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


@pytest.mark.parametrize("behind", [0.7, 59])
def test_a_store_whose_clock_is_a_little_behind_is_swept_right_after_publishing(
    database: Database, gateway: Gateway, behind: float
) -> None:
    """The policy is in force by our clock; the store's only reckons the cutoff. An empty plan is never taken for a kept promise."""
    rooms = wire(database, gateway, clock=StandingClock(NOW))
    rooms.publish(*CLAUSES)
    store = rooms.plans.datamap.stores["gateway"]
    told = StandingClock(NOW - timedelta(seconds=behind))
    store.capabilities |= {Capability.OWN_CLOCK}
    store._clock = told  # type: ignore[attr-defined] # SQLite has none of its own: it tells the one it was made with
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert (outcome.state, outcome.rows) == (RunState.DONE, 69)
    assert rooms.plans.now() == told.now()


def test_the_first_run_of_a_clause_waits_for_a_person(rooms: Rooms, gateway: Gateway) -> None:
    """A clause that nobody approved deletes nothing; what waits says how much, and shows masked samples."""
    (outcome,) = rooms.sweeps.run("request-logs")
    assert outcome.state is RunState.WAITING
    assert gateway.count("request_log") == 100
    (waiting,) = rooms.sweeps.waiting()
    assert waiting.reason == "It is the first run of this clause."
    assert waiting.sweep.rows == 69
    assert len(waiting.samples["requests"]) == 5
    assert all(record["user_id"] == "••••" for record in waiting.samples["requests"])


def test_nothing_is_swept_without_a_policy(database: Database, gateway: Gateway) -> None:
    """No policy in force, no clause, no sweep: the error names the next command."""
    with pytest.raises(WaitsForPerson, match="kept policy publish"):
        wire(database, gateway).sweeps.run()


def test_an_approved_clause_sweeps_what_is_over_its_time_and_nothing_younger(rooms: Rooms, gateway: Gateway) -> None:
    """Exactly the records before the cutoff go, from tables and files; the day that straddles it is rewritten."""
    young = gateway.write_day(29, ["u1", "u1"])
    old = gateway.write_day(31, ["u1", "u1", "u1"])
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert (outcome.state, outcome.rows, outcome.run.overdue, outcome.errors) == (RunState.DONE, 72, 0, ())
    assert gateway.values("SELECT id FROM request_log ORDER BY id") == list(range(1, 32))
    assert young.read_text().count("\n") == 2
    assert not old.exists()
    assert rooms.sweeps.waiting() == []
    assert rooms.ledger.verify().ok


def test_later_runs_stand_on_the_first_approval(rooms: Rooms, gateway: Gateway) -> None:
    """Once approved, a clause runs by itself; a run that finds nothing is a kept run too, and is recorded."""
    rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    (quiet,) = rooms.sweeps.run("request-logs")
    assert (quiet.state, quiet.rows, quiet.run.plan_id) == (RunState.DONE, 0, None)
    gateway.run("INSERT INTO request_log VALUES (500, 'u1', ?)", [(ago(31),)])
    (again,) = rooms.sweeps.run("request-logs")
    assert (again.state, again.rows) == (RunState.DONE, 1)
    with rooms.database.read() as session:
        kinds = [entry.kind for entry in rooms.ledger.entries(session, ref="clause:request-logs")]
    assert kinds.count("sweep.run") == 3
    assert kinds.count("sweep.intent") == kinds.count("sweep.outcome") == 4


def test_a_run_over_the_breaker_waits(database: Database, gateway: Gateway) -> None:
    """A share of a collection over the breaker stops before the first batch, approval or not."""
    rooms = wire(database, gateway, breaker=0.2)
    rooms.publish(*CLAUSES)
    rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(500 + row, ago(40)) for row in range(20)])
    (outcome,) = rooms.sweeps.run("request-logs")
    assert outcome.state is RunState.WAITING
    assert outcome.waiting is not None
    assert "20 of 51 records of requests" in outcome.waiting.reason
    assert gateway.count("request_log") == 51


def test_a_changed_clause_waits_again(rooms: Rooms, gateway: Gateway) -> None:
    """Approval is of a clause's meaning: a shorter period is another promise, and is looked at again."""
    rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    rooms.clock.advance(timedelta(minutes=1))
    rooms.publish(CLAUSES[0].replace("P30D", "P10D"), *CLAUSES[1:])
    (outcome,) = rooms.sweeps.run("request-logs")
    assert outcome.state is RunState.WAITING
    assert outcome.sweep is not None
    assert "changed" in outcome.sweep.waits_for
    assert gateway.count("request_log") == 31


def test_a_closed_account_takes_its_keys_with_it_and_the_keys_go_first(rooms: Rooms, gateway: Gateway) -> None:
    """Keys borrow the closing from the account: they go before it, in the same run, and only those of accounts closed
    long enough ago."""
    (outcome,) = rooms.sweeps.approve("closed", by="opr_1", reason="looked at it")
    assert (outcome.state, outcome.rows) == (RunState.DONE, 2)
    assert gateway.values("SELECT id FROM users ORDER BY id") == ["u1", "u3"]
    assert gateway.values("SELECT id FROM api_keys ORDER BY id") == [1, 2, 3, 5]
    assert gateway.count("invoices") == 2


def test_idle_keys_are_revoked_and_never_used_ones_are_counted(rooms: Rooms, gateway: Gateway) -> None:
    """Revoking sets the time where none is. A key that was never used has no last use: it stays, and the run says so."""
    (dry,) = rooms.sweeps.dry_run("idle-keys")
    assert dry.rows == 2
    assert dry.stays == ("api-keys: last_used_at is not set: never used, so never idle (1)",)
    rooms.sweeps.approve("idle-keys", by="opr_1", reason="looked at it")
    assert gateway.values("SELECT id FROM api_keys WHERE revoked_at IS NOT NULL ORDER BY id") == [2, 4, 5]
    assert gateway.values("SELECT revoked_at FROM api_keys WHERE id = 5") == [ago(110)]


def test_a_dry_run_changes_nothing_anywhere(rooms: Rooms, gateway: Gateway) -> None:
    """It takes the same path and ends before the first change: no row goes, no run and no plan is stored."""
    before = gateway.path.read_bytes()
    gateway.write_day(31, ["u1"])
    found = {sweep.clause: sweep for sweep in rooms.sweeps.dry_run()}
    assert {name: sweep.rows for name, sweep in found.items()} == {
        "request-logs": 70, "invoices": 1, "closed": 2, "idle-keys": 2,
    }  # fmt: skip
    assert gateway.path.read_bytes() == before
    assert rooms.sweeps.state("request-logs").runs == ()


def test_a_hold_keeps_its_records_and_the_run_says_how_many(rooms: Rooms, gateway: Gateway) -> None:
    """A hold on a person keeps that person's records in every collection; released, they go with the next run."""
    gateway.run("INSERT INTO request_log VALUES (500, 'u2', ?)", [(ago(50),)])
    hold = rooms.plans.holds.add(by="opr_1", reason="case 7", person={"email": ["ben@mail.test"]})
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert (outcome.rows, outcome.run.remaining) == (69, 1)
    assert "kept by a hold" in outcome.run.note
    assert gateway.values("SELECT id FROM request_log WHERE user_id = 'u2'") == [500]
    (closed,) = rooms.sweeps.approve("closed", by="opr_1", reason="looked at it")
    assert closed.rows == 0
    assert gateway.count("users") == 3
    rooms.plans.holds.release(hold.id, by="opr_1", reason="case closed")
    rooms.sweeps.run()
    assert gateway.count("request_log", "user_id = 'u2'") == 1  # nobody else could agree: it ends a day later
    rooms.clock.advance(timedelta(days=1))
    rooms.sweeps.run()
    assert gateway.count("request_log", "user_id = 'u2'") == 0
    assert gateway.count("users") == 2


def test_records_without_a_time_and_from_the_future_are_counted_and_stay(rooms: Rooms, gateway: Gateway) -> None:
    """NULL is never before anything, and a time to come has not passed."""
    gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(600, None), (601, ago(-3))])
    (dry,) = rooms.sweeps.dry_run("request-logs")
    (table,) = [one for one in dry.collections if one.collection == "requests"]
    assert (table.rows, table.timeless, table.future, table.total) == (69, 1, 1, 102)
    rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert gateway.count("request_log", "id >= 600") == 2


def test_one_store_that_fails_leaves_its_step_open_and_the_others_go_on(rooms: Rooms, gateway: Gateway) -> None:
    """The failed step names its error; when the store is back the same command finishes that step."""
    old = gateway.write_day(31, ["u1"])
    away = gateway.path.rename(gateway.root / "away.db")
    gateway.path.write_bytes(b"this is no database" * 100)
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert outcome.state is RunState.FAILED
    assert outcome.errors
    assert not old.exists()
    gateway.path.unlink()
    away.rename(gateway.path)
    taken_up, fresh = rooms.sweeps.run("request-logs")
    assert (taken_up.state, taken_up.rows) == (RunState.DONE, 70)
    assert (fresh.state, fresh.rows) == (RunState.DONE, 0)
    assert gateway.count("request_log") == 31


def test_a_budget_ends_a_run_between_batches_and_the_next_goes_on(database: Database, gateway: Gateway) -> None:
    """A run that is out of time is paused, not failed, and nothing is done twice."""
    rooms = wire(database, gateway, batch_rows=10)
    rooms.publish(*CLAUSES)

    def tick(*_: object) -> None:
        rooms.clock.advance(timedelta(seconds=5))

    (outcome,) = rooms.sweeps.approve(
        "request-logs", by="opr_1", reason="looked", budget=timedelta(seconds=12), on_progress=tick
    )
    assert (outcome.state, outcome.rows) == (RunState.PAUSED, 30)
    assert outcome.run.overdue == 39
    taken_up, fresh = rooms.sweeps.run("request-logs")
    assert (taken_up.state, taken_up.rows) == (RunState.DONE, 69)
    assert fresh.rows == 1  # the clock has moved on past the thirtieth day of one more
    assert gateway.count("request_log") == 30


def test_a_dropped_clause_keeps_binding_what_was_collected_under_it(rooms: Rooms, gateway: Gateway) -> None:
    """Taking a clause out of the policy does not free the records that were promised under it."""
    rooms.clock.advance(timedelta(minutes=1))
    rooms.publish(*CLAUSES[1:])
    (dry,) = rooms.sweeps.dry_run("request-logs")
    assert (dry.dropped, dry.rows) == (True, 70)


def test_what_the_map_cannot_reach_is_a_gap(database: Database, gateway: Gateway) -> None:
    """A category without a collection, and a deed that the map names no field for, show up in the run, never in silence."""
    rooms = wire(database, gateway)
    rooms.publish(
        "{id: drafts, kind: retention, of: draft, for: P30D, then: delete}",
        "{id: invoices, kind: retention, of: invoice, for: P10Y, then: aggregate, into: yearly, by: [year], k: 5}",
        "{id: keys, kind: retention, of: account, for: P3D, then: revoke}",
    )
    drafts, totals, keys = rooms.sweeps.dry_run()
    assert "no collection" in drafts.gaps[0]
    assert "There is no yearly in gateway" in totals.gaps[0]
    assert "no event `revoked`" in keys.gaps[0]


def test_overdue_is_measured_now_and_broken_counts_from_the_time_the_work_may_take(
    rooms: Rooms, gateway: Gateway
) -> None:
    """Over its period a record is due; a day later (`within`) the promise is broken. A new policy is not broken at once."""
    at_once = next(one for one in rooms.sweeps.overdue() if one.clause == "request-logs")
    assert (at_once.due, at_once.broken) == (69, 0)
    rooms.clock.advance(timedelta(days=2))
    later = next(one for one in rooms.sweeps.overdue() if one.clause == "request-logs")
    assert (later.due, later.broken) == (71, 70)


def test_a_map_that_names_no_such_field_blocks_its_collection_and_the_others_go_on(
    database: Database, gateway: Gateway
) -> None:
    """Drift between map and schema is said in the preview and in the run; it never sweeps by a guess."""
    drifted = [replace(one, time=TimeField(name="made_at")) if one.id == "requests" else one for one in COLLECTIONS]
    gateway.write_day(40, ["u1"])
    rooms = wire(database, gateway, collections=drifted)
    rooms.publish(*CLAUSES)
    (dry,) = rooms.sweeps.dry_run("request-logs")
    assert len(dry.blocked) == 1
    assert dry.rows == 1
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked")
    assert (outcome.state, outcome.rows) == (RunState.FAILED, 1)
    assert gateway.count("request_log") == 100


def test_a_run_beside_a_wrong_clock_is_refused_and_recorded(rooms: Rooms, gateway: Gateway) -> None:
    """A store whose clock is minutes away is not swept; the run failed, and says why."""
    rooms.datamap.stores["gateway"]._clock = StandingClock(NOW + timedelta(minutes=5))  # type: ignore[attr-defined]
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked")
    assert outcome.state is RunState.FAILED
    assert "clock of the store gateway" in outcome.errors[0]
    assert gateway.count("request_log") == 100


def test_a_postgresql_store_is_swept_by_its_own_clock(tmp_path: Path, postgres_url: str) -> None:
    """The same clause on PostgreSQL: cutoff by the server's clock, native times, receipts dropped when proven."""
    control = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(control)
    clock = SystemClock()
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute(
            "CREATE TABLE request_log (id int PRIMARY KEY, user_id text, created_at timestamptz);"
            "CREATE INDEX ON request_log (created_at);"
            "INSERT INTO request_log SELECT n, 'u1', now() - n * interval '1 day' FROM generate_series(1, 100) n"
        )
    gateway = make_gateway(tmp_path / "host")
    rooms = wire(control, gateway, collections=[one for one in COLLECTIONS if one.id == "requests"], clock=clock)
    store = SqlStore("gateway", postgres_url, clock=clock)
    rooms.datamap.stores["gateway"] = store  # type: ignore[index]
    rooms.publish(CLAUSES[0])
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked")
    assert (outcome.state, outcome.rows, outcome.run.overdue) == (RunState.DONE, 71, 0)
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        left = connection.execute("SELECT min(id), max(id), count(*) FROM request_log").fetchone()
        receipts = connection.execute("SELECT count(*) FROM kept_receipts").fetchone()
    assert (left, receipts) == ((1, 29, 29), (0,))
    store.close()
    control.close()
