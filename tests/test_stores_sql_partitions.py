"""Whole partitions that are over are dropped: never early, counted exactly, wherever the process dies, and nobody waits for it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from core.settings import TimeField
from stores import sql_partitions_mariadb, sql_partitions_postgresql
from stores.conditions import AllOf, Before, Condition, Not, OneOf
from stores.contract import Batch, Deed, Receipt, StoreBusy, Work
from stores.sql import SqlStore
from stores.sql_partitions import is_partition
from stores.sql_receipts import Slip
from tests.store_worlds import FixedClock, PostgresWorld, ago, delete_work, older_than, run_through
from tests.store_worlds_mariadb import MariaWorld

# NOW is 15 June 2026, so 30 days ago is 16 May: March and April are over, May is mixed
MONTHS = ("03", "04", "05", "06")
World = PostgresWorld | MariaWorld
OVER = older_than(30)


def month(name: str, day: int = 1) -> datetime:
    return datetime(2026, int(name), day, tzinfo=UTC)


@pytest.fixture(params=["postgres_world", "mariadb_world"])
def world(request: pytest.FixtureRequest) -> World:
    made: World = request.getfixturevalue(request.param)
    return made


def make_months(world: World, months: tuple[str, ...] = MONTHS) -> None:
    """A table of these months, made anew; ten records in each, on every other day: 301 to 310, 401 to 410 and so on."""
    world.ask("DROP TABLE IF EXISTS log")
    if isinstance(world, MariaWorld):
        ends = [f"PARTITION log_{m} VALUES LESS THAN (unix_timestamp('2026-{int(m) + 1:02}-01'))" for m in months]
        world.ask(
            "CREATE TABLE log (id bigint, user_id varchar(20), ts timestamp(6) NOT NULL, PRIMARY KEY (id, ts)) "
            f"PARTITION BY RANGE (unix_timestamp(ts)) ({', '.join(ends)})"
        )
    else:
        columns = "id bigint, user_id text, ts timestamptz, PRIMARY KEY (id, ts)"
        ends = [
            f"CREATE TABLE log_{m} PARTITION OF log FOR VALUES FROM ('2026-{m}-01') TO ('2026-{int(m) + 1:02}-01')"
            for m in months
        ]
        world.ask("; ".join([f"CREATE TABLE log ({columns}) PARTITION BY RANGE (ts)", *ends]))
    rows = [f"({int(m) * 100 + day}, 'u1', '2026-{m}-{2 * day:02} 00:00:00')" for m in months for day in range(1, 11)]
    world.ask(f"INSERT INTO log (id, user_id, ts) VALUES {', '.join(rows)}")


def add(world: World, number: int, at: datetime, user: str = "u1", table: str = "log") -> None:
    plain = at.replace(tzinfo=None) if isinstance(world, MariaWorld) else at
    world.ask(f"INSERT INTO {table} (id, user_id, ts) VALUES (%s, %s, %s)", (number, user, plain))


def left(world: World, table: str = "log") -> list[int]:
    return [row[0] for row in world.ask(f"SELECT id FROM {table} ORDER BY id")]


def tables(world: World) -> set[str]:
    if isinstance(world, MariaWorld):
        asked = "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'log'"
        own = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'kept\\_gone%%'"
        return {row[0] for row in [*world.ask(asked), *world.ask(own, ())]}
    return {row[0] for row in world.ask("SELECT relname FROM pg_class WHERE relname ~ '^log_..$'")}


def left_empty(world: World) -> set[str]:
    """A partition of MariaDB that a run was killed before it could drop, when nothing was in it any more."""
    return {"log_03"} if isinstance(world, MariaWorld) else set()


def store_of(world: World, **options: Any) -> SqlStore:
    url = world.url if isinstance(world, MariaWorld) else world.conninfo.replace("postgresql:", "postgresql+psycopg:")
    return SqlStore("gateway", url, clock=FixedClock(), **options)


def held(condition: Condition, *ids: int) -> Condition:
    return AllOf(parts=(condition, Not(part=OneOf(field="id", values=tuple(map(str, ids))))))


def wholes(done: list[tuple[Batch, int]]) -> list[tuple[str, int]]:
    return [(batch.high["partition"], rows) for batch, rows in done if is_partition(batch)]


KEPT = [509, 510, *range(601, 611)]  # the 18th of May and later


def test_what_is_over_as_a_whole_is_dropped_and_the_rest_goes_by_rows(world: World) -> None:
    """Two months are a batch each, with their exact counts; the mixed one loses its rows; a second look finds nothing."""
    make_months(world)
    world.store.prepare_receipts()
    work = delete_work("log", OVER, batch_rows=3)
    done = run_through(world.store, work, step="stp_1")
    assert wholes(done) == [("log_03", 10), ("log_04", 10)]
    assert [rows for batch, rows in done if not is_partition(batch)] == [3, 3, 2]
    assert left(world) == KEPT
    assert sum(rows for _, rows in done) == 40 - len(KEPT)
    assert tables(world) == {"log_05", "log_06"}
    assert [world.store.receipt_of(Receipt(step="stp_1", batch=number)) for number in (1, 2)] == [10, 10]
    assert world.store.next_batch(work, None) is None


def test_a_held_row_keeps_its_partition_and_nothing_else(world: World) -> None:
    """Its neighbours go by rows; the table is the same afterwards, for those who use it."""
    make_months(world)
    done = run_through(world.store, delete_work("log", held(OVER, 305)))
    assert wholes(done) == [("log_04", 10)]
    assert left(world) == [305, *KEPT]
    assert "log_03" in tables(world)


def test_a_hold_that_comes_after_the_bounds_keeps_the_partition(world: World) -> None:
    """The batch is asked for again under the condition as it is now."""
    make_months(world)
    batch = world.store.next_batch(delete_work("log", OVER), None)
    assert batch is not None
    assert is_partition(batch)
    assert world.store.act(delete_work("log", held(OVER, 303)), batch) == 0
    assert len(left(world)) == 40


def test_other_deeds_and_other_conditions_go_by_rows(world: World) -> None:
    """A person's records, and a deed that leaves the record, never take a partition."""
    make_months(world)
    assert world.store.next_batch(delete_work("log", OneOf(field="user_id", values=("u1",))), None) is not None
    for work in (
        delete_work("log", AllOf(parts=(OVER, OneOf(field="user_id", values=("u2",))))),
        delete_work("log", OneOf(field="user_id", values=("u1",))),
        Work(deed=Deed.REDACT, at="log", where=OVER, fields=("user_id",)),
    ):
        batch = world.store.next_batch(work, None)
        assert batch is None or not is_partition(batch)


@contextmanager
def reading(world: World) -> Iterator[Callable[[], None]]:
    """A reader in a transaction of its own, until it is told to end."""
    if isinstance(world, MariaWorld):
        maria = world.server.connect(world.name)
        maria.autocommit(False)
        maria.cursor().execute("SELECT * FROM log")
        yield maria.rollback
        maria.close()
        return
    with psycopg.connect(world.conninfo) as postgres:
        postgres.execute("SELECT * FROM log")
        yield postgres.rollback


def test_no_writer_waits_while_a_reader_holds_the_table(world: World) -> None:
    """The reader stays for two seconds; the partition goes after it, and meanwhile every write is done at once."""
    make_months(world)
    store, work = store_of(world), delete_work("log", OVER)
    batch = store.next_batch(work, None)
    assert batch is not None
    counted: list[int] = []
    with reading(world) as end:
        deleting = threading.Thread(target=lambda: counted.append(store.act(work, batch)))
        deleting.start()
        waits, ends, number = [], time.monotonic() + 2, 1_000
        while time.monotonic() < ends:
            begun, number = time.monotonic(), number + 1
            add(world, number, month("06", 3))
            waits.append(time.monotonic() - begun)
            time.sleep(0.02)
        assert counted == []
        end()
        deleting.join(timeout=20)
    assert counted == [10]
    assert max(waits) < 1
    assert sorted(waits)[len(waits) // 2] < 0.2
    store.close()


def die_in_child(world: World, work: Work, batch: Batch, point: str, nth: int, receipt: Receipt | None) -> bool:
    """A process of its own does the batch and kills itself at the nth statement, before or after it; was it so?"""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    try:
        _arm(point, nth)
        store_of(world, receipts=receipt is not None).act(work, batch, receipt)
    finally:
        os._exit(0)


def _arm(point: str, nth: int) -> None:
    calls = [0]

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            calls[0] += 1
            if calls[0] == nth and point.endswith("before"):
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*given)
            if calls[0] == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    if point.startswith("receipt"):
        Slip.write = deadly(Slip.write)  # type: ignore[method-assign]
        return
    for module in (sql_partitions_postgresql, sql_partitions_mariadb):
        vars(module)["say"] = deadly(vars(module)["say"])


POINTS = (("say:before", 3), ("say:before", 6), ("receipt:before", 1), ("receipt:after", 1))
ALL_POINTS = tuple((f"say:{when}", nth) for nth in range(1, 10) for when in ("before", "after"))


@pytest.mark.parametrize("points", [POINTS, pytest.param(ALL_POINTS, marks=pytest.mark.slow)])
def test_killed_at_any_statement_the_count_is_exact(world: World, points: tuple[tuple[str, int], ...]) -> None:
    """Before each statement of the drop, and around its receipt: whoever takes the batch up finishes it, and nothing counts
    twice."""
    world.store.prepare_receipts()
    work, killed = delete_work("log", older_than(60)), 0
    for number, (point, nth) in enumerate(points, start=1):
        make_months(world, ("03", "06"))
        store, receipt = store_of(world), Receipt(step="stp_1", batch=number)
        batch = store.next_batch(work, None)
        assert batch is not None
        assert is_partition(batch)
        killed += die_in_child(world, work, batch, point, nth, receipt)
        done = store.receipt_of(receipt)
        assert (store.act(work, batch, receipt) if done is None else done) == 10
        assert (store.act(work, batch, receipt), store.receipt_of(receipt)) == (10, 10)
        assert left(world) == list(range(601, 611))
        assert tables(world) - left_empty(world) == {"log_06"}
        store.close()
    assert killed >= len(points) // 2  # one server needs fewer statements than the other


def test_without_receipts_a_batch_that_is_taken_up_ends_all_the_same(world: World) -> None:
    """Counted by whoever drops it; a count that died with its process is nought, and said to be settled."""
    work = delete_work("log", older_than(60))
    for nth in (4, 5):
        make_months(world, ("03", "06"))
        store = store_of(world, receipts=False)
        batch = store.next_batch(work, None)
        assert batch is not None
        assert die_in_child(world, work, batch, "say:before", nth, None)
        assert store.act(work, batch) in (0, 10)
        assert left(world) == list(range(601, 611))
        assert tables(world) - left_empty(world) == {"log_06"}
        store.close()


def test_a_hold_on_what_a_killed_run_had_taken_away_brings_it_back(world: World) -> None:
    """The row that is held now stands in its table again; nothing was dropped with it."""
    work = delete_work("log", older_than(60))
    for nth in (3, 5) if isinstance(world, PostgresWorld) else (4, 6):
        make_months(world, ("03", "06"))
        store = store_of(world, receipts=False)
        batch = store.next_batch(work, None)
        assert batch is not None
        die_in_child(world, work, batch, "say:before", nth, None)
        kept = delete_work("log", held(older_than(60), 304))
        done = [store.act(kept, batch), *(rows for _, rows in run_through(store, kept))]
        assert sum(done) == 9
        assert left(world) == [304, *range(601, 611)]
        store.close()


def test_postgresql_finishes_a_detach_that_a_killed_run_left_pending(postgres_world: PostgresWorld) -> None:
    """A reader holds the table, the run dies while it waits: the partition is neither there nor gone until it is taken up."""
    make_months(postgres_world, ("03", "06"))
    store, work = postgres_world.store, delete_work("log", older_than(60))
    store.prepare_receipts()
    batch, receipt = store.next_batch(work, None), Receipt(step="stp_1", batch=1)
    assert batch is not None
    with reading(postgres_world) as end:
        assert die_in_child(postgres_world, work, batch, "say:before", 4, receipt)
        assert postgres_world.ask("SELECT inhdetachpending FROM pg_inherits WHERE inhdetachpending") == [(True,)]
        assert any("being detached already" in word for word in findings(store, "log"))
        end()
    assert store.receipt_of(receipt) is None
    assert store.act(work, batch, receipt) == 10
    assert (tables(postgres_world), left(postgres_world)) == ({"log_06"}, list(range(601, 611)))


def findings(store: Any, at: str, *times: TimeField) -> tuple[str, ...]:
    found: tuple[str, ...] = store.findings(at, times=times)
    return found


def test_a_detach_that_a_reader_outlasts_is_busy_and_goes_on_later(postgres_world: PostgresWorld) -> None:
    """Nothing is lost and nothing is counted; the same batch is done by the next run."""
    make_months(postgres_world, ("03", "06"))
    store, work = store_of(postgres_world), delete_work("log", older_than(60))
    assert store._partitions is not None
    store._partitions._server._patience = 0.5  # type: ignore[attr-defined]
    batch = store.next_batch(work, None)
    assert batch is not None
    with reading(postgres_world) as end:
        with pytest.raises(StoreBusy, match="log_03 of log is on its way out"):
            store.act(work, batch)
        end()
    assert store.act(work, batch) == 10
    store.close()


def make(world: PostgresWorld, script: str) -> None:
    world.ask(f"CREATE TABLE users_of (id bigint PRIMARY KEY); {script}")


@pytest.mark.parametrize(
    ("column", "field", "ends", "goes"),
    [
        ("timestamptz", TimeField(name="at"), "'2026-05-16 12:00:00+00'", True),
        ("timestamptz", TimeField(name="at"), "'2026-05-16 14:00:00+02'", True),
        ("timestamptz", TimeField(name="at"), "'2026-05-16 12:00:00.000001+00'", False),
        ("timestamp", TimeField(name="at", zone="Europe/Berlin"), "'2026-05-16 14:00:00'", True),
        ("timestamp", TimeField(name="at", zone="Europe/Berlin"), "'2026-05-16 14:00:00.000001'", False),
        ("date", TimeField(name="at"), "'2026-05-16'", True),
        ("date", TimeField(name="at"), "'2026-05-17'", False),
        ("bigint", TimeField(name="at", form="epoch_s"), "1778932800", True),
        ("bigint", TimeField(name="at", form="epoch_s"), "1778932801", False),
        ("timestamptz", TimeField(name="at"), "MAXVALUE", False),
    ],
)
def test_postgresql_drops_up_to_the_instant_and_not_a_tick_later(
    postgres_world: PostgresWorld, column: str, field: TimeField, ends: str, goes: bool
) -> None:
    """The end of a partition is compared in the column's own type and zone; no bound at all is never over."""
    old = "1700000000" if column == "bigint" else "'2026-01-01'"
    postgres_world.ask(
        f"CREATE TABLE log (id bigint, at {column}) PARTITION BY RANGE (at);"
        f"CREATE TABLE part PARTITION OF log FOR VALUES FROM (MINVALUE) TO ({ends}); INSERT INTO log VALUES (1, {old})"
    )
    work = Work(deed=Deed.DELETE, at="log", where=Before(field=field, instant=ago(30)))
    batch = postgres_world.store.next_batch(work, None)
    assert batch is not None
    assert is_partition(batch) is goes
    assert postgres_world.store.act(work, batch) == 1


@pytest.mark.parametrize(
    ("column", "by", "ends", "field", "goes"),
    [
        ("datetime(6)", "RANGE COLUMNS (at)", "'2026-05-16 12:00:00'", TimeField(name="at", zone="UTC"), True),
        ("datetime(6)", "RANGE COLUMNS (at)", "'2026-05-16 12:00:01'", TimeField(name="at", zone="UTC"), False),
        ("datetime", "RANGE (to_days(at))", "to_days('2026-05-16')", TimeField(name="at", zone="UTC"), True),
        ("datetime", "RANGE (to_days(at))", "to_days('2026-05-17')", TimeField(name="at", zone="UTC"), False),
        ("datetime", "RANGE (year(at))", "2026", TimeField(name="at", zone="UTC"), True),
        ("date", "RANGE COLUMNS (at, id)", "'2026-05-15', 7", TimeField(name="at"), True),
        ("date", "RANGE COLUMNS (at, id)", "'2026-05-16', 7", TimeField(name="at"), False),
        ("bigint", "RANGE (at)", "1778932800", TimeField(name="at", form="epoch_s"), True),
        ("bigint", "RANGE (at)", "1778932801", TimeField(name="at", form="epoch_s"), False),
        ("bigint", "RANGE (at)", "MAXVALUE", TimeField(name="at", form="epoch_s"), False),
        ("datetime", "RANGE (month(at))", "4", TimeField(name="at", zone="UTC"), False),
    ],
)
def test_mariadb_drops_up_to_the_instant_and_not_a_tick_later(
    mariadb_world: MariaWorld, column: str, by: str, ends: str, field: TimeField, goes: bool
) -> None:
    """Through the functions that never step back; any other one decides nothing."""
    old = "1700000000" if column == "bigint" else "'2025-01-01'"
    maximum = (
        ""
        if ends == "MAXVALUE"
        else f", PARTITION rest VALUES LESS THAN ({'MAXVALUE' if ',' not in ends else 'MAXVALUE, MAXVALUE'})"
    )
    mariadb_world.ask(
        f"CREATE TABLE log (id bigint, at {column}) PARTITION BY {by} (PARTITION part VALUES LESS THAN ({ends}){maximum})"
    )
    mariadb_world.ask(f"INSERT INTO log VALUES (1, {old})")
    work = Work(deed=Deed.DELETE, at="log", where=Before(field=field, instant=ago(30)))
    batch = mariadb_world.store.next_batch(work, None)
    assert batch is not None
    assert is_partition(batch) is goes
    assert mariadb_world.store.act(work, batch) == 1
    assert left(mariadb_world) == []


def test_a_row_without_a_time_keeps_mariadbs_first_partition(mariadb_world: MariaWorld) -> None:
    """MariaDB puts NULL into the first one, and NULL is before nothing."""
    mariadb_world.ask(
        "CREATE TABLE log (id bigint, at date) PARTITION BY RANGE (to_days(at)) "
        "(PARTITION p VALUES LESS THAN (to_days('2026-01-01')), PARTITION rest VALUES LESS THAN MAXVALUE)"
    )
    mariadb_world.ask("INSERT INTO log VALUES (1, '2025-05-05'), (2, NULL)")
    work = Work(deed=Deed.DELETE, at="log", where=Before(field=TimeField(name="at"), instant=ago(30)))
    done = run_through(mariadb_world.store, work)
    assert (wholes(done), sum(rows for _, rows in done), left(mariadb_world)) == ([], 1, [2])


NESTED = """
CREATE TABLE log (id bigint, tenant text, ts timestamptz) PARTITION BY LIST (tenant);
CREATE TABLE "log A" PARTITION OF log FOR VALUES IN ('a') PARTITION BY RANGE (ts, id);
CREATE TABLE a_old PARTITION OF "log A" FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2026-05-16 12:00+00', MINVALUE);
CREATE TABLE a_new PARTITION OF "log A" FOR VALUES FROM ('2026-05-16 12:00+00', MINVALUE) TO ('2026-05-20', 5);
CREATE TABLE log_b PARTITION OF log FOR VALUES IN ('b') PARTITION BY RANGE (ts);
CREATE TABLE b_old PARTITION OF log_b FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY HASH (id);
CREATE TABLE b_old_0 PARTITION OF b_old FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE b_old_1 PARTITION OF b_old FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE b_rest PARTITION OF log_b DEFAULT;
INSERT INTO log SELECT i, 'b', '2026-01-10' FROM generate_series(1, 7) i;
INSERT INTO log VALUES (11, 'a', '2026-01-05'), (12, 'a', '2026-05-17'), (13, 'b', '2026-03-03'), (14, 'b', NULL)
"""


def test_partitions_of_partitions_go_with_all_that_is_below_them(postgres_world: PostgresWorld) -> None:
    """A key of several columns is decided by the first; the default partition's rows go one by one; NULL stays."""
    postgres_world.ask(NESTED)
    done = run_through(postgres_world.store, delete_work("log", OVER))
    assert sorted(wholes(done)) == [("a_old", 1), ("b_old", 7)]
    assert sum(rows for _, rows in done) == 9
    assert left(postgres_world) == [12, 14]
    assert postgres_world.ask("SELECT 1 FROM pg_class WHERE relname LIKE 'b_old%'") == []


def test_with_a_default_partition_what_came_meanwhile_moves_back_with_it(postgres_world: PostgresWorld) -> None:
    """The run died with the partition detached; a row of its range went to the default one; a hold brings all back."""
    make_months(postgres_world, ("03", "06"))
    postgres_world.ask("CREATE TABLE log_rest PARTITION OF log DEFAULT")
    store, work = postgres_world.store, delete_work("log", older_than(60))
    batch = store.next_batch(work, None)
    assert batch is not None
    assert die_in_child(postgres_world, work, batch, "say:before", 3, None)
    add(postgres_world, 999, month("03", 7))
    assert left(postgres_world) == [*range(601, 611), 999]
    assert store.act(delete_work("log", held(older_than(60), 304)), batch) == 0
    assert left(postgres_world) == [*range(301, 311), *range(601, 611), 999]
    assert postgres_world.ask("SELECT id FROM log_03 WHERE id = 999") == [(999,)]


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (
            "ALTER TABLE log ADD UNIQUE (id, ts);"
            "CREATE TABLE child (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES log (id, ts));"
            "INSERT INTO child SELECT id, ts FROM log WHERE id = 302",
            "foreign keys point at it",
        ),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
            "CREATE TRIGGER t BEFORE DELETE ON log FOR EACH ROW EXECUTE FUNCTION f()",
            "triggers on DELETE",
        ),
        ("CREATE VIEW march AS SELECT * FROM log_03", "views stand on its partitions"),
        ("CREATE PUBLICATION p FOR TABLE log", "published"),
    ],
)
def test_what_a_drop_would_pass_over_makes_its_rows_go_one_by_one(
    postgres_world: PostgresWorld, script: str, word: str
) -> None:
    """Foreign keys, triggers, views and subscribers see each row go, and the findings say why."""
    make_months(postgres_world, ("03", "06"))
    postgres_world.ask(script)
    assert any(word in found for found in findings(postgres_world.store, "log"))
    done = run_through(postgres_world.store, delete_work("log", older_than(60)))
    assert wholes(done) == []
    assert sum(rows for _, rows in done) == (9 if "child" in script else 10)


def test_a_user_who_does_not_own_the_table_deletes_rows(postgres_world: PostgresWorld) -> None:
    """Detaching is the owner's; deleting may be granted."""
    make_months(postgres_world, ("03", "06"))
    lodger = f"lodger_{postgres_world.ask('SELECT current_database()')[0][0][-8:]}"
    postgres_world.ask(f"CREATE ROLE {lodger} LOGIN; GRANT SELECT, DELETE ON log TO {lodger}")
    url = postgres_world.conninfo.replace("postgresql:", "postgresql+psycopg:").replace("postgres@", f"{lodger}@")
    store = SqlStore("gateway", url, clock=FixedClock(), receipts=False)
    try:
        said = findings(store, "log")
        assert any("owns neither" in word for word in said)
        assert any(f"GRANT UPDATE ON log TO {lodger};" in word for word in said)
        done = run_through(store, delete_work("log", older_than(60)))
        assert (wholes(done), sum(rows for _, rows in done)) == ([], 10)
    finally:
        store.close()
        postgres_world.ask(f"DROP OWNED BY {lodger}; DROP ROLE {lodger}")


def test_mariadb_partitions_of_partitions_and_triggers_go_by_rows(mariadb_world: MariaWorld) -> None:
    """Neither can be exchanged, or would pass over somebody; the findings say so."""
    make_months(mariadb_world, ("03", "06"))
    mariadb_world.ask("CREATE TRIGGER t BEFORE DELETE ON log FOR EACH ROW SET @x = 1")
    assert any("triggers on DELETE" in word for word in findings(mariadb_world.store, "log"))
    assert wholes(run_through(mariadb_world.store, delete_work("log", older_than(60)))) == []
    assert left(mariadb_world) == list(range(601, 611))
