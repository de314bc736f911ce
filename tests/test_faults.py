"""The faults that a sweep must outlive, and the tests that make each one happen; after each the counts are exact.

 1 killed in mid-batch, and a database that goes on with the statement of a dead client
     test_plans_kill_points.py::test_a_sweep_killed_anywhere_is_finished_exactly
     test_plans_kill_points.py::test_a_thousand_kill_points
     test_plans_killed.py::test_a_run_killed_anywhere_is_finished_with_exact_counts
     test_stores_sql_faults.py::test_postgresql_ends_the_statement_of_a_process_that_was_killed
     test_stores_sql_partitions.py::test_killed_at_any_statement_the_count_is_exact
     test_postgresql_whole.py::test_a_sweep_killed_in_the_middle_of_a_batch_is_finished_with_exact_counts
 2 the database stopped in mid-sweep
     test_faults.py::test_a_database_that_dies_between_batches_is_swept_exactly_when_it_is_back
     test_faults.py::test_a_server_that_freezes_in_mid_sweep_is_given_up_and_swept_when_it_thaws
     test_stores_sql_faults.py::test_a_server_that_stops_in_a_batch_has_done_all_of_it_or_nothing
     test_postgresql_whole.py::test_servers_that_stop_in_the_middle_lose_nothing
     test_stores_redis.py::test_a_sweep_cut_off_in_the_middle_is_taken_up
 3 a lock that is not given
     test_stores_sql_partitions.py::test_no_writer_waits_while_a_reader_holds_the_table
     test_stores_sql_partitions.py::test_a_detach_that_a_reader_outlasts_is_busy_and_goes_on_later
     test_plans_pace.py::test_a_batch_that_meets_a_lock_gives_way_and_comes_back_smaller
     test_plans_pace.py::test_a_lock_that_is_never_given_up_leaves_the_batch_for_later
     test_stores_sql.py::test_a_held_lock_makes_the_store_busy_and_loses_nothing
     test_stores_sql_trouble.py::test_a_held_lock_makes_mariadb_busy_and_loses_nothing
 4 a deadlock with the application
     test_faults.py::test_an_application_that_locks_the_other_way_round_never_hears_of_the_sweep
     test_stores_sql_faults.py::test_in_a_deadlock_the_sweeper_gives_way
 5 a full disk
     test_faults.py::test_a_full_disk_under_kepts_own_tables_stops_the_run_and_loses_no_count
     test_stores_sql_faults.py::test_a_full_disk_takes_a_batch_of_sqlite_back
     test_stores_sql_faults.py::test_a_full_disk_takes_a_batch_of_postgresql_back
     test_stores_files_trouble.py::test_a_full_disk_leaves_the_file_whole_and_the_others_go_on
 6 clocks: a jump, summer time, a leap day, two clocks that differ
     test_faults.py::test_a_clock_that_jumps_in_mid_run_moves_no_cutoff
     test_faults.py::test_thirty_days_are_seven_hundred_and_twenty_hours_in_any_zone
     test_faults.py::test_twelve_months_before_a_leap_day_take_nothing_early
     test_policies_periods.py::test_a_year_back_from_a_leap_day_is_the_first_of_march
     test_retention_sweeps.py::test_a_run_beside_a_wrong_clock_is_refused_and_recorded
     test_plans_engine.py::test_a_store_whose_clock_is_off_is_not_swept
     test_plans_deeds.py::test_a_store_with_a_wrong_clock_stops_its_own_clauses_only
     test_retention_sweeps.py::test_a_postgresql_store_is_swept_by_its_own_clock
     test_stores_times.py::test_the_repeated_hour_is_never_early
 7 two schedulers at once, and an empty round that is not the end
     test_faults.py::test_two_runs_of_one_clause_at_once_do_each_record_once
     test_retention_oversight.py::test_two_schedulers_at_once_run_each_due_instant_once
     test_retention_schedule.py::test_two_schedulers_claim_a_due_instant_once
     test_plans_killed.py::test_two_runs_at_once_are_one_run
     test_postgresql_whole.py::test_two_servers_share_the_work_and_one_takes_over_when_the_other_is_killed
     test_plans_engine.py::test_records_that_come_back_behind_the_bounds_are_found_by_the_next_look
 8 a row refreshed, or put on hold, while the sweeper waits for its lock
     test_faults.py::test_rows_refreshed_and_held_while_the_sweep_waits_for_them_stay
     test_stores_sql.py::test_a_row_refreshed_while_the_sweeper_waits_for_its_lock_survives
     test_postgresql_whole.py::test_a_row_that_somebody_holds_is_waited_for_and_never_lost
     test_plans_engine.py::test_a_hold_placed_while_a_sweep_runs_binds_from_the_next_batch
     test_stores_contract.py::test_a_record_refreshed_between_bounds_and_deed_survives
 9 a row that a foreign key keeps, and a child key without an index
     test_faults.py::test_a_row_that_a_key_keeps_is_named_and_the_rest_of_the_sweep_goes
     test_stores_sql.py::test_a_row_that_others_point_at_stays_and_the_rest_go
     test_stores_sql_kept.py::test_what_no_clause_covers_blocks_its_parent_and_the_rest_goes
     test_plans_kept.py::test_a_table_that_is_not_mapped_keeps_the_request_open_and_is_named
14 a wrong policy: minutes where days were meant
     test_retention_oversight.py::test_thirty_minutes_for_thirty_days_waits_for_a_person
     test_plans_deeds.py::test_minutes_for_days_wait_for_a_person
     test_retention_sweeps.py::test_a_run_over_the_breaker_waits
     test_retention_sweeps.py::test_a_changed_clause_waits_again
"""

from __future__ import annotations

import ast
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from core.clock import SystemClock
from core.database import Database
from core.errors import Conflict, Unreachable
from core.settings import CollectionSettings, TimeField
from plans.pace import Timer
from plans.tables import BatchRow, StepRow
from retention.tables import RunState
from stores.contract import Store
from stores.redis import RedisStore
from stores.sql import SqlStore
from tests.ledger_rooms import StandingClock
from tests.plan_rooms import CLAUSES, NOW, Gateway, Rooms, make_gateway, wire
from tests.postgresql_rooms import is_running, started_again, stop_at_once, wait_for
from tests.schema import make_tables
from tests.servers import run_postgres
from tests.servers_mariadb import MariaDB, _make_data, _serve
from tests.servers_redis import run_redis
from tests.store_worlds import PostgresWorld, SqliteWorld
from tests.store_worlds_mariadb import MariaWorld
from tests.test_stores_sql_faults import needs_mounts, small_disk

FOLDER = Path(__file__).parent
FAULTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 14)
LOGS = "{id: request-logs, kind: retention, of: request_log, for: P30D, then: delete}"
REQUESTS = CollectionSettings(
    id="requests", store="gateway", at="requests", category="request_log", time=TimeField(name="ts"),
    identifies={"user_id": "user_id"},
)  # fmt: skip
OLD, COUNT = timedelta(days=90), 60
SqlWorld = SqliteWorld | PostgresWorld | MariaWorld


def test_each_fault_has_tests_and_each_test_is_there() -> None:
    """The list above names every fault once, and no test that does not exist."""
    assert __doc__ is not None
    parts = re.split(r"^ ?(\d+) (?=\w)", __doc__, flags=re.MULTILINE)[1:]
    named = {
        int(number): re.findall(r"(\w+\.py)::(\w+)", words)
        for number, words in zip(parts[::2], parts[1::2], strict=True)
    }
    assert tuple(named) == FAULTS
    assert all(named.values())
    for file in {file for pairs in named.values() for file, _ in pairs}:
        tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
        there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        wanted = {name for pairs in named.values() for other, name in pairs if other == file}
        assert wanted <= there, f"{file} has no {wanted - there}"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host")


@pytest.fixture
def server_world(request: pytest.FixtureRequest) -> PostgresWorld | MariaWorld:
    """Of the fixture that the test names."""
    made: PostgresWorld | MariaWorld = request.getfixturevalue(request.param)
    return made


on_servers = pytest.mark.parametrize("server_world", ["postgres_world", "mariadb_world"], indirect=True)


def url_of(world: SqlWorld) -> str:
    if isinstance(world, SqliteWorld):
        return f"sqlite:///{world.path}"
    return world.url if isinstance(world, MariaWorld) else world.conninfo.replace("postgresql:", "postgresql+psycopg:")


@contextmanager
def rooms_over(
    control: Database, folder: Path, store: Store, collection: CollectionSettings = REQUESTS, **more: Any
) -> Iterator[Rooms]:
    """The engine over one store, by the machine's clock, with the clause in force."""
    gateway = Gateway(root=folder)
    rooms = wire(control, gateway, collections=[collection], clock=SystemClock(), **more)
    rooms.datamap.stores["gateway"] = store  # type: ignore[index]
    with control.read() as session:
        published = rooms.policies.in_force(session) is not None
    if not published:
        rooms.publish(LOGS)
    yield rooms
    store.close()


def fill(world: SqlWorld, count: int = COUNT, young: int = 5) -> None:
    """Records over their time, numbered from 1, and young ones after them."""
    now = datetime.now(UTC)
    world.put({"id": n, "user_id": f"u{n}", "ts": now - OLD} for n in range(1, count + 1))
    world.put({"id": n, "user_id": f"u{n}", "ts": now} for n in range(count + 1, count + young + 1))


def counted(control: Database) -> tuple[int, int, int]:
    """Records done, counts settled by read-back, batches without a count."""
    with control.read() as session:
        rows, settled = session.execute(sa.select(sa.func.sum(StepRow.rows), sa.func.sum(StepRow.settled))).one()
        found = list(session.execute(sa.select(BatchRow.rows)).scalars())
    return int(rows or 0), int(settled or 0), found.count(None)


def at_batch(number: int, act: Callable[[], object]) -> Callable[..., None]:
    """A progress callback that acts once, after so many batches."""
    seen = [0]

    def on_progress(*_given: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            act()

    return on_progress


def approve(rooms: Rooms, **more: Any) -> Any:
    """The outcome of the last run that the command made."""
    return rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it", **more)[-1]


@dataclass(kw_only=True)
class Mortal:
    """A database server that can be killed and started again. `url` once it runs."""

    url: str
    ids: Callable[[], list[int]]
    kill: Callable[[], object]
    again: Callable[[], Any]


@contextmanager
def mortal_postgres() -> Iterator[Mortal]:
    with run_postgres() as cluster:
        world, words = PostgresWorld(cluster.url("postgres")), list[str]()
        fill(world)
        url = url_of(world)

        @contextmanager
        def again() -> Iterator[str]:
            with started_again(cluster, words):
                yield url

        yield Mortal(url=url, ids=world.ids, kill=lambda: words.extend(stop_at_once(cluster)), again=again)
        world.store.close()


@contextmanager
def mortal_mariadb(folder: Path) -> Iterator[Mortal]:
    """Each commit is on the disk before it is answered: what was told to be done is done."""
    options = ("--no-defaults", "--user=root", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=32M")
    _make_data(folder)
    current: list[MariaDB] = []

    def kill() -> None:
        pid = int((folder / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid))

    @contextmanager
    def again() -> Iterator[str]:
        with _serve(folder, options) as server:
            current[:] = [server]
            yield server.url("host")

    with _serve(folder, options) as server:
        server.ask("CREATE DATABASE host")
        world = MariaWorld(server, server.url("host"))
        fill(world)
        world.close()
        current[:] = [server]

        def ids() -> list[int]:
            return [row[0] for row in current[0].ask("SELECT id FROM requests ORDER BY id", database="host")]

        yield Mortal(url=server.url("host"), ids=ids, kill=kill, again=again)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_that_dies_between_batches_is_swept_exactly_when_it_is_back(
    kind: str, control: Database, tmp_path: Path
) -> None:
    """Killed in mid-sweep: the run fails and says so; started again, the same command does the rest, and counts each once."""
    folder = tmp_path / "server"
    folder.mkdir()
    with mortal_postgres() if kind == "postgresql" else mortal_mariadb(folder) as server:
        store = SqlStore("gateway", server.url, clock=SystemClock())
        with rooms_over(control, tmp_path, store, batch_rows=10) as rooms:
            failed = approve(rooms, on_progress=at_batch(3, server.kill))
        assert failed.state is RunState.FAILED
        assert "did not answer" in failed.errors[0]
        with server.again() as url:
            store = SqlStore("gateway", url, clock=SystemClock())
            with rooms_over(control, tmp_path, store, batch_rows=10) as rooms:
                assert approve(rooms).state is RunState.DONE
                assert rooms.ledger.verify().ok
            assert server.ids() == list(range(COUNT + 1, COUNT + 6))
    assert counted(control) == (COUNT, 0, 0)


def test_a_server_that_freezes_in_mid_sweep_is_given_up_and_swept_when_it_thaws(
    control: Database, tmp_path: Path
) -> None:
    """SIGSTOP: it takes connections and says nothing. The run ends by itself; awake again, the same command finishes."""
    sessions = CollectionSettings(
        id="requests", store="gateway", at="request:*", category="request_log", time=TimeField(name="ts")
    )
    with run_redis() as server, closing(server.client()) as client:
        now = datetime.now(UTC)
        for number in range(COUNT):
            client.hset(f"request:{number:03}", mapping={"ts": (now - OLD).isoformat()})
        client.hset("request:900", mapping={"ts": now.isoformat()})
        pid = client.info("server")["process_id"]
        store = RedisStore("gateway", server.url(), clock=SystemClock(), answer_seconds=0.5)
        with rooms_over(control, tmp_path, store, sessions, batch_rows=10) as rooms:
            failed = approve(rooms, on_progress=at_batch(2, lambda: os.kill(pid, signal.SIGSTOP)))
            os.kill(pid, signal.SIGCONT)
            assert failed.state is RunState.FAILED
            assert "did not answer" in failed.errors[0]
            assert approve(rooms).state is RunState.DONE
        assert client.keys() == [b"request:900"]
    rows, settled, open_ones = counted(control)
    assert (rows, settled, open_ones) == (COUNT, 0, 0) or (settled == 1 and rows >= COUNT - 10)


@on_servers
def test_an_application_that_locks_the_other_way_round_never_hears_of_the_sweep(
    server_world: PostgresWorld | MariaWorld, control: Database, tmp_path: Path
) -> None:
    """Two rows a transaction, the later one first, all through the sweep: no transaction of it is ever broken off, and the
    sweep ends with exact counts."""
    fill(server_world, 200)
    ended, broken, made = threading.Event(), list[Exception](), [0]

    def work() -> None:
        chance = random.Random(4)
        while not ended.is_set():
            first, second = sorted(chance.sample(range(1, 201), 2), reverse=True)
            try:
                with transaction(server_world) as run:
                    run(f"UPDATE requests SET note = 'a' WHERE id = {first}")
                    ended.wait(0.01)
                    run(f"UPDATE requests SET note = 'b' WHERE id = {second}")
            except (psycopg.Error, pymysql.err.Error) as error:
                broken.append(error)
            made[0] += 1

    programs = [threading.Thread(target=work) for _ in range(2)]
    store = SqlStore("gateway", url_of(server_world), clock=SystemClock())
    with rooms_over(control, tmp_path, store, batch_rows=20) as rooms:
        programs[0].start()
        try:
            outcome = approve(rooms, on_progress=lambda *_: time.sleep(0.03))
            while outcome.state is RunState.FAILED and "gave way" in outcome.errors[0]:
                outcome = approve(rooms)
        finally:
            ended.set()
            programs[0].join()
        assert outcome.state is RunState.DONE
    assert broken == []
    assert made[0] > 3
    assert server_world.ids() == list(range(201, 206))
    assert counted(control) == (200, 0, 0)


@contextmanager
def transaction(world: PostgresWorld | MariaWorld) -> Iterator[Callable[[str], object]]:
    """One transaction of another program."""
    if isinstance(world, MariaWorld):
        with closing(world.server.connect(world.name)) as maria:
            maria.autocommit(False)
            yield maria.cursor().execute
            maria.commit()
        return
    with psycopg.connect(world.conninfo) as postgres:
        yield lambda words: postgres.execute(words.encode())


@needs_mounts
def test_a_full_disk_under_kepts_own_tables_stops_the_run_and_loses_no_count(gateway: Gateway, tmp_path: Path) -> None:
    """What was done stands, and its receipts tell how much; with room again the same command does the rest."""
    folder = tmp_path / "small"
    folder.mkdir()
    with small_disk(folder, "8m"):
        database = Database(f"sqlite:///{folder / 'kept.db'}")
        make_tables(database)
        rooms = wire(database, gateway)
        rooms.publish(*CLAUSES)
        ballast = folder / "ballast"

        def fill_up() -> None:
            with ballast.open("wb", buffering=0) as file:
                for size in (65_536, 1_024, 1):
                    try:
                        while True:
                            file.write(b"\0" * size)
                    except OSError:
                        continue

        with pytest.raises(Unreachable, match="full"):
            approve(rooms, on_progress=at_batch(3, fill_up))
        database.close()
        assert 31 < gateway.count("request_log") < 100
        ballast.unlink()
        database = Database(f"sqlite:///{folder / 'kept.db'}")
        # the process that ended so is gone; this one, which is still here, waits for the end of its lease
        rooms = wire(database, gateway, clock=StandingClock(NOW + timedelta(seconds=61)))
        outcomes = rooms.sweeps.approve("request-logs", by="opr_1", reason="again")
        assert [(outcome.state, outcome.rows) for outcome in outcomes] == [(RunState.DONE, 69), (RunState.DONE, 1)]
        assert gateway.values("SELECT id FROM request_log ORDER BY id") == list(range(1, 31))  # one more is over by now
        assert counted(database) == (70, 0, 0)
        assert rooms.ledger.verify().ok
        database.close()


@pytest.mark.parametrize("jump", [timedelta(days=10), timedelta(hours=1), timedelta(hours=-1), timedelta(days=-400)])
def test_a_clock_that_jumps_in_mid_run_moves_no_cutoff(control: Database, gateway: Gateway, jump: timedelta) -> None:
    """The cutoff is reckoned once a run and kept with it: forwards or back, exactly what was over at its start goes."""
    rooms = wire(control, gateway, clock=StandingClock(NOW - timedelta(days=500)))
    rooms.publish(*CLAUSES)
    rooms.clock.advance(timedelta(days=500))
    outcome = approve(rooms, on_progress=at_batch(2, lambda: rooms.clock.advance(jump)))
    assert (outcome.state, outcome.rows) == (RunState.DONE, 69)
    assert gateway.values("SELECT id FROM request_log ORDER BY id") == list(range(1, 32))


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 1, 0, 30, tzinfo=UTC),  # Berlin's clocks went back on 25 October
        datetime(2026, 4, 10, 22, 30, tzinfo=UTC),  # and forward on 29 March
        datetime(2028, 3, 1, 12, tzinfo=UTC),  # over a 29 February
    ],
)
def test_thirty_days_are_seven_hundred_and_twenty_hours_in_any_zone(
    control: Database, gateway: Gateway, now: datetime
) -> None:
    """The controller's zone has a summer time: a second over 720 hours goes, a second under stays."""
    gateway.run("DELETE FROM request_log")
    for number, seconds in ((1, -1), (2, 1)):
        at = now - timedelta(hours=720) + timedelta(seconds=seconds)
        gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(number, at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))])
    rooms = wire(control, gateway, clock=StandingClock(now))
    rooms.publish(*CLAUSES)
    assert approve(rooms).rows == 1
    assert gateway.values("SELECT id FROM request_log") == [2]


def test_twelve_months_before_a_leap_day_take_nothing_early(control: Database, gateway: Gateway) -> None:
    """On 29 February a year back is the first instant of March: the 28th of that year is over as a whole, 1 March is not."""
    gateway.run("DELETE FROM request_log")
    times = ("2027-02-28T23:59:59.000Z", "2027-03-01T00:00:00.000Z")
    gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", list(enumerate(times, start=1)))
    rooms = wire(control, gateway, clock=StandingClock(datetime(2028, 2, 29, 0, 10, tzinfo=UTC)))
    rooms.publish(CLAUSES[0].replace("P30D", "P12M"), *CLAUSES[1:])
    assert approve(rooms).rows == 1
    assert gateway.values("SELECT id FROM request_log") == [2]


def test_two_runs_of_one_clause_at_once_do_each_record_once(control: Database, gateway: Gateway) -> None:
    """Two schedulers, each with connections of its own: one works, the other is told so or finds it done."""
    wire(control, gateway).publish(*CLAUSES)
    start, told, outcomes = threading.Barrier(2), list[Conflict](), list[Any]()

    def run() -> None:
        database = Database(str(control.url))
        rooms = wire(database, gateway, batch_rows=3)
        start.wait(timeout=20)
        try:
            outcomes.extend(rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it"))
        except Conflict as conflict:
            told.append(conflict)
        database.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(told) + len(outcomes) == 2
    assert sum(one.rows for one in outcomes) == 69
    assert gateway.values("SELECT id FROM request_log ORDER BY id") == list(range(1, 32))
    assert counted(control) == (69, 0, 0)


@on_servers
def test_rows_refreshed_and_held_while_the_sweep_waits_for_them_stay(
    server_world: PostgresWorld | MariaWorld, control: Database, tmp_path: Path
) -> None:
    """Another program has both rows; before it lets go, one of them is fresh and the other under a hold: only they stay."""
    fill(server_world, 10)
    slept: list[float] = []
    with two_ended(server_world) as (run, commit):
        run("UPDATE requests SET ts = now() WHERE id = 5")
        run("UPDATE requests SET note = 'x' WHERE id = 6")

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 1:
                rooms.plans.holds.add(by="opr_1", reason="case 7", person={"user_id": ["u6"]})
                commit()

        store = SqlStore("gateway", url_of(server_world), clock=SystemClock(), lock_seconds=0.3)
        timer = Timer(sleep=sleep)
        with rooms_over(control, tmp_path, store, batch_rows=100, timer=timer) as rooms:
            outcome = approve(rooms)
    assert slept
    assert (outcome.state, outcome.rows) == (RunState.DONE, 8)
    assert "1 kept by a hold" in outcome.run.note
    assert server_world.ids() == [5, 6, *range(11, 16)]
    assert counted(control) == (8, 0, 0)


@contextmanager
def two_ended(world: PostgresWorld | MariaWorld) -> Iterator[tuple[Callable[[str], object], Callable[[], object]]]:
    """A transaction of another program that ends when it is told to."""
    if isinstance(world, MariaWorld):
        with closing(world.server.connect(world.name)) as maria:
            maria.autocommit(False)
            yield maria.cursor().execute, maria.commit
        return
    with closing(psycopg.connect(world.conninfo)) as postgres:
        yield (lambda words: postgres.execute(words.encode())), postgres.commit


def test_a_row_that_a_key_keeps_is_named_and_the_rest_of_the_sweep_goes(
    sql_world: SqlWorld, control: Database, tmp_path: Path
) -> None:
    """The run is done but for that row, which it names by key and table; without the child it goes with the next run."""
    fill(sql_world, 20)
    sql_world.run(
        "CREATE TABLE notes (id bigint PRIMARY KEY, request bigint, FOREIGN KEY (request) REFERENCES requests(id))"
    )
    sql_world.run("INSERT INTO notes VALUES (1, 7)")
    store = SqlStore("gateway", url_of(sql_world), clock=SystemClock())
    with rooms_over(control, tmp_path, store, batch_rows=5) as rooms:
        (dry,) = rooms.sweeps.dry_run("request-logs")
        if not isinstance(sql_world, MariaWorld):  # which has an index for every key
            assert any("notes" in finding and "CREATE INDEX" in finding for finding in dry.collections[0].findings)
        outcome = approve(rooms)
        assert (outcome.state, outcome.rows, outcome.run.remaining) == (RunState.DONE, 19, 1)
        assert "notes" in outcome.run.note
        assert sql_world.ids() == [7, *range(21, 26)]
        sql_world.run("DELETE FROM notes")
        assert approve(rooms).rows == 1
    assert sql_world.ids() == list(range(21, 26))
    assert counted(control) == (20, 0, 0)
