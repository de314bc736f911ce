"""Faults that happen to databases in the middle of a batch: whatever it was, the count is exact and nothing younger went."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from stores.conditions import AllOf
from stores.contract import Deed, Receipt, StoreUnreachable, Work
from stores.sql import SqlStore
from tests.postgresql_rooms import started_again, stop_at_once, wait_for
from tests.servers import run_postgres
from tests.store_worlds import FixedClock, PostgresWorld, SqliteWorld, ago, delete_work, older_than
from tests.store_worlds_mariadb import MariaWorld

WORK = delete_work("requests", older_than(30))
FIRST = Receipt(step="stp_1", batch=1)
SLOW = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN OLD; END';
CREATE TRIGGER slow BEFORE DELETE ON requests FOR EACH ROW EXECUTE FUNCTION slowly()
"""
AT_WORK = (
    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'kept' AND state = 'active' AND query ILIKE '%%DELETE%%'"
)


def postgres_url(world: PostgresWorld) -> str:
    return world.conninfo.replace("postgresql:", "postgresql+psycopg:")


def test_postgresql_ends_the_statement_of_a_process_that_was_killed(postgres_world: PostgresWorld) -> None:
    """Left alone it would go on: here for twenty seconds. It is noticed within a second or two, and taken back whole."""
    postgres_world.put({"id": place, "ts": ago(90)} for place in range(1, 401))
    postgres_world.ask(SLOW)
    postgres_world.store.prepare_receipts()
    batch = postgres_world.store.next_batch(WORK, None)
    assert batch is not None
    child = os.fork()
    if not child:
        try:
            SqlStore("gateway", postgres_url(postgres_world), clock=FixedClock()).act(WORK, batch, FIRST)
        finally:
            os._exit(0)
    wait_for(lambda: postgres_world.ask(AT_WORK))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    begun = time.monotonic()
    wait_for(lambda: not postgres_world.ask(AT_WORK))
    assert time.monotonic() - begun < 10
    assert (len(postgres_world.ids()), postgres_world.store.receipt_of(FIRST)) == (400, None)
    postgres_world.ask("DROP TRIGGER slow ON requests")
    assert postgres_world.store.act(WORK, batch, FIRST) == 400


@pytest.mark.parametrize("world", ["postgres_world", "mariadb_world"])
def test_in_a_deadlock_the_sweeper_gives_way(request: pytest.FixtureRequest, world: str) -> None:
    """The application has one row and wants the other, which the batch has: the application never hears of it."""
    made: PostgresWorld | MariaWorld = request.getfixturevalue(world)
    made.put({"id": place, "ts": ago(90)} for place in (1, 2, 3))
    batch = made.store.next_batch(WORK, None)
    assert batch is not None
    counted: list[int] = []
    for statement in application(made):
        statement("UPDATE requests SET note = 'x' WHERE id = 3")
        sweeper = threading.Thread(target=lambda: counted.append(made.store.act(WORK, batch)))
        sweeper.start()
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            statement("UPDATE requests SET note = 'x' WHERE id = 2")
            statement("UPDATE requests SET note = 'y' WHERE id = 1")
            time.sleep(0.02)
    sweeper.join(timeout=20)
    assert counted == [3]
    assert made.ids() == []


def application(world: PostgresWorld | MariaWorld) -> Iterator[Callable[[str], object]]:
    """One transaction of another program, committed at its end."""
    if isinstance(world, MariaWorld):
        maria = world.server.connect(world.name)
        maria.autocommit(False)
        yield maria.cursor().execute
        maria.commit()
        maria.close()
        return
    with psycopg.connect(world.conninfo) as postgres:
        yield lambda words: postgres.execute(words)


@pytest.mark.slow
def test_a_server_that_stops_in_a_batch_has_done_all_of_it_or_nothing() -> None:
    """Stopped hard in the middle of the statement, started again: the same batch, once."""
    with run_postgres() as cluster:
        world = PostgresWorld(cluster.url("postgres"))
        world.put({"id": place, "ts": ago(90)} for place in range(1, 401))
        world.ask(SLOW)
        world.store.prepare_receipts()
        batch = world.store.next_batch(WORK, None)
        assert batch is not None
        raised: list[Exception] = []

        def act() -> None:
            try:
                world.store.act(WORK, batch, FIRST)
            except StoreUnreachable as error:
                raised.append(error)

        sweeper = threading.Thread(target=act)
        sweeper.start()
        wait_for(lambda: world.ask(AT_WORK))
        words = stop_at_once(cluster)
        sweeper.join(timeout=20)
        assert len(raised) == 1
        with started_again(cluster, words):
            assert (world.store.receipt_of(FIRST), len(world.ids())) == (None, 400)
            world.ask("DROP TRIGGER slow ON requests")
            assert world.store.act(WORK, batch, FIRST) == 400
            world.store.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")


@needs_mounts
def test_a_full_disk_takes_a_batch_of_sqlite_back(tmp_path: Path) -> None:
    """Its journal finds no room: said so, nothing changed; with room the same batch is done."""
    with small_disk(tmp_path, "1m"):
        world = SqliteWorld(tmp_path)
        world.put({"id": place, "ts": ago(90), "note": "x" * 500} for place in range(1, 1_001))
        work = Work(deed=Deed.CORRECT, at="requests", where=AllOf(parts=()), corrections=(("note", "y" * 900),))
        ballast = tmp_path / "ballast"
        left = os.statvfs(tmp_path)
        ballast.write_bytes(b"\0" * (left.f_bavail * left.f_frsize - 8_192))
        batch = world.store.next_batch(work, None)
        assert batch is not None
        with pytest.raises(StoreUnreachable, match="is full"):
            world.store.act(work, batch)
        assert world.ask("SELECT count(*) FROM requests WHERE note LIKE 'x%'") == [(1_000,)]
        ballast.unlink()
        fewer = Work(deed=Deed.DELETE, at="requests", where=older_than(30), batch_rows=100)
        first = world.store.next_batch(fewer, None)
        assert first is not None
        assert world.store.act(fewer, first) == 100
        world.store.close()


@needs_mounts
def test_a_full_disk_takes_a_batch_of_postgresql_back(postgres_world: PostgresWorld) -> None:
    """The table cannot grow, so a deed that writes rows anew is taken back, and the reason is said."""
    data = Path(postgres_world.ask("SHOW data_directory")[0][0])
    folder = data.parent / "small"
    folder.mkdir()
    with small_disk(folder, "1m"):
        (folder / "t").mkdir()
        os.chown(folder / "t", data.stat().st_uid, data.stat().st_gid)
        postgres_world.ask(f"CREATE TABLESPACE small LOCATION '{folder / 't'}'")
        try:
            postgres_world.ask("CREATE TABLE grows (id bigint PRIMARY KEY, note text) TABLESPACE small")
            postgres_world.ask("INSERT INTO grows SELECT i, repeat('x', 600) FROM generate_series(1, 1000) i")
            work = Work(deed=Deed.CORRECT, at="grows", where=AllOf(parts=()), corrections=(("note", "y" * 600),))
            batch = postgres_world.store.next_batch(work, None)
            assert batch is not None
            with pytest.raises(StoreUnreachable, match="is full"):
                postgres_world.store.act(work, batch)
            assert postgres_world.ask("SELECT count(*) FROM grows WHERE note LIKE 'x%%'") == [(1000,)]
        finally:
            postgres_world.ask("DROP TABLE IF EXISTS grows")
            postgres_world.ask("DROP TABLESPACE small")
    folder.rmdir()
