"""What only SQL stores have: forms of times in columns, keys of every make, foreign keys, locks and quoting."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from core.errors import ConfigurationError, KeptError
from core.settings import StoreSettings, TimeField
from stores.conditions import AllOf, Before, Not, OneOf, Through
from stores.contract import (
    CannotCompare,
    Capability,
    CollectionMissing,
    Deed,
    FieldMissing,
    Receipt,
    StoreBusy,
    StoreUnreachable,
    Work,
)
from stores.registry import open_store
from stores.sql import SqlStore
from tests.store_worlds import (
    NOW,
    TS,
    FixedClock,
    PostgresWorld,
    SqliteWorld,
    ago,
    delete_work,
    older_than,
    run_through,
    zulu,
)
from tests.store_worlds_mariadb import MariaWorld

EVERYTHING = AllOf(parts=())
SqlWorld = SqliteWorld | PostgresWorld | MariaWorld


@pytest.fixture
def sqlite(sqlite_world: SqliteWorld) -> SqliteWorld:
    return sqlite_world


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    return sql_world


def old(world: SqlWorld, at: str, field: TimeField, days: float = 30) -> list[object]:
    condition = Before(field=field, instant=ago(days))
    return sorted((record["id"] for record in world.store.records(at, condition)), key=str)


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", None),
        ("%Y-%m-%d %H:%M:%S", "UTC"),
        ("%Y-%m-%d %H:%M:%S.%f", "UTC"),
        ("%Y-%m-%dT%H:%M:%S.%f+00:00", None),
    ],
)
def test_text_times_of_one_form_compare_to_the_second(world: SqlWorld, written: str, zone: str | None) -> None:
    """Whatever the form, what is a second older than the instant is before it and the instant itself is not."""
    world.run("CREATE TABLE t (id integer PRIMARY KEY, at varchar(40))")
    for place, instant in enumerate([ago(30), ago(30) - timedelta(seconds=1), ago(29)], start=1):
        world.run(f"INSERT INTO t VALUES ({place}, '{instant.strftime(written)}')")
    field = TimeField(name="at", zone=zone)
    assert world.store.time_form("t", field) == "iso"
    assert old(world, "t", field) == [2]
    assert world.store.measure("t", EVERYTHING, time=field).oldest == ago(30) - timedelta(seconds=1)


def test_text_times_with_an_offset_compare_by_their_instant(world: SqlWorld) -> None:
    """A fixed offset is part of the form and of the literal."""
    world.run("CREATE TABLE t (id integer PRIMARY KEY, at text)")
    world.run("INSERT INTO t VALUES (1, '2026-05-16T13:59:59+02:00'), (2, '2026-05-16T14:00:00+02:00')")
    assert old(world, "t", TimeField(name="at")) == [1]


def test_mixed_text_forms_are_refused_with_their_shapes(world: SqlWorld) -> None:
    """A space sorts before a T: comparing them as text would be early."""
    world.run("CREATE TABLE t (id integer PRIMARY KEY, at text)")
    world.run("INSERT INTO t VALUES (1, '2026-05-16T13:59:59Z'), (2, '2026-05-16 14:00:00')")
    with pytest.raises(CannotCompare, match="'9999-99-99 99:99:99', '9999-99-99T99:99:99Z'"):
        world.store.time_form("t", TimeField(name="at"))
    with pytest.raises(CannotCompare):
        world.store.next_batch(delete_work("t", Before(field=TimeField(name="at"), instant=NOW)), None)


def test_times_without_a_zone_are_refused_until_one_is_declared(world: SqlWorld) -> None:
    """A local time may be up to fourteen hours away."""
    kind = "text" if isinstance(world, SqliteWorld) else "timestamp"
    world.run(f"CREATE TABLE t (id integer PRIMARY KEY, at {kind})")
    world.run("INSERT INTO t VALUES (1, '2026-05-16 13:30:00'), (2, '2026-05-16 14:00:00')")
    with pytest.raises(CannotCompare, match="zone"):
        world.store.time_form("t", TimeField(name="at"))
    assert old(world, "t", TimeField(name="at", zone="Europe/Berlin")) == [1]
    assert old(world, "t", TimeField(name="at", zone="America/Los_Angeles")) == []


def test_a_value_of_a_form_the_sample_did_not_meet_is_never_early(world: SqlWorld) -> None:
    """One row among thousands written otherwise sorts wrongly; it is counted as timeless and stays."""
    world.run("CREATE TABLE t (id integer PRIMARY KEY, at text)")
    world.store.time_form("t", TimeField(name="at"))
    world.run("INSERT INTO t VALUES (1, '2026-01-01T00:00:00Z')")
    field = TimeField(name="at")
    assert old(world, "t", field) == [1]  # the form is known from here on
    strange = ["2026-05-16 23:00:00Z", "", "1", "2026-13-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01- 1T00:00:00Z"]
    for place, text in enumerate(strange, start=2):
        world.run(f"INSERT INTO t VALUES ({place}, '{text}')")
    run_through(world.store, delete_work("t", Before(field=field, instant=ago(30))))
    assert [row[0] for row in world.ask("SELECT id FROM t ORDER BY id")] == [2, 3, 4, 5, 6, 7]
    assert world.store.census("t", field).missing == 6
    assert run_through(world.store, delete_work("t", Before(field=field, instant=ago(30)))) == []


@pytest.mark.parametrize(("unit", "word"), [(1, "epoch_s"), (1_000, "epoch_ms"), (1_000_000, "epoch_us")])
def test_the_unit_of_numbers_is_found_and_guarded(world: SqlWorld, unit: int, word: str) -> None:
    """Seconds among milliseconds would read as 1970; they are no time, so they stay."""
    world.run("CREATE TABLE t (id integer PRIMARY KEY, at bigint)")
    values = [int(instant.timestamp()) * unit for instant in (ago(30) - timedelta(seconds=1), ago(30))]
    for place, value in enumerate(values, start=1):
        world.run(f"INSERT INTO t VALUES ({place}, {value})")
    field = TimeField(name="at")
    assert world.store.time_form("t", field) == word
    assert old(world, "t", field) == [1]
    world.run("INSERT INTO t VALUES (3, 0), (4, 1700000)")
    assert old(world, "t", field) == [1]
    declared = TimeField(name="at", form=word)
    assert old(world, "t", declared) == [1]
    again = SqlStore("again", world_url(world), clock=FixedClock())
    with pytest.raises(CannotCompare, match="as: epoch_s"):
        again.time_form("t", field)
    again.close()


def world_url(world: SqlWorld) -> str:
    if isinstance(world, SqliteWorld):
        return f"sqlite:///{world.path}"
    if isinstance(world, MariaWorld):
        return world.url
    return world.conninfo


def test_a_date_is_before_only_when_its_whole_day_is(world: SqlWorld) -> None:
    """Without a zone it is over when it is over everywhere on earth."""
    kind = "text" if isinstance(world, SqliteWorld) else "date"
    world.run(f"CREATE TABLE t (id integer PRIMARY KEY, at {kind})")
    world.run("INSERT INTO t VALUES (1, '2026-05-14'), (2, '2026-05-15'), (3, '2026-05-16')")
    assert world.store.time_form("t", TimeField(name="at")) == "date"
    assert old(world, "t", TimeField(name="at")) == [1, 2]  # the instant is noon of the 16th in UTC
    assert old(world, "t", TimeField(name="at", zone="UTC")) == [1, 2]
    assert old(world, "t", TimeField(name="at"), days=30.01) == [1]


def test_names_of_any_make_are_quoted(world: SqlWorld) -> None:
    """Capitals, blanks, quotes and words of SQL are only names."""
    world.run('CREATE TABLE "Order Log" ("Id" integer PRIMARY KEY, "select" text, "Created At" text, "it\'s" text)')
    row = f"'u1', '{zulu(ago(90))}', 'x'"
    world.run(f'INSERT INTO "Order Log" VALUES (1, {row}), (2, {row})')
    old_rows = Before(field=TimeField(name="Created At"), instant=ago(30))
    work = Work(
        deed=Deed.DELETE,
        at="Order Log",
        where=AllOf(
            parts=(old_rows, OneOf(field="Id", values=("1",)), Not(part=OneOf(field="select", values=("u2",))))
        ),
    )
    assert sum(rows for _, rows in run_through(world.store, work)) == 1
    assert world.store.shape("Order Log").key == ("Id",)
    assert "Order Log" in world.store.collections()


def test_a_table_of_another_schema_is_found_by_its_full_name(postgres_world: PostgresWorld) -> None:
    """schema.table, unless the whole is a table's name."""
    postgres_world.run('CREATE SCHEMA "Logs"; CREATE TABLE "Logs".t (id integer PRIMARY KEY, ts timestamptz)')
    postgres_world.run("INSERT INTO \"Logs\".t VALUES (1, '2020-01-01Z')")
    assert run_through(postgres_world.store, delete_work("Logs.t", older_than(30)))[0][1] == 1
    assert "Logs.t" in postgres_world.store.collections()


@pytest.mark.parametrize(
    "key", ["uid text PRIMARY KEY", "uid text, part integer NOT NULL, PRIMARY KEY (uid, part)", "uid text"]
)
def test_tables_with_any_key_or_none_are_swept_exactly(world: SqlWorld, key: str) -> None:
    """Text keys, keys of two columns, and none at all."""
    columns = key.replace("part integer NOT NULL,", "part integer NOT NULL, id integer, ts timestamptz,")
    if "part" not in key:
        columns = key.replace("uid text", "uid text", 1) + ", part integer, id integer, ts timestamptz"
    world.run(f"CREATE TABLE t ({columns})")
    rows = (f"('ü''{place % 7}-{place}', {place % 3}, {place}, '{zulu(ago(place))}')" for place in range(1, 41))
    world.run(f"INSERT INTO t (uid, part, id, ts) VALUES {', '.join(rows)}")
    done = run_through(world.store, delete_work("t", older_than(20), batch_rows=3))
    assert sum(rows for _, rows in done) == 20
    assert all(rows <= 3 for _, rows in done)
    assert sorted(row[0] for row in world.ask("SELECT id FROM t")) == list(range(1, 21))
    assert len(list(world.store.records("t", EVERYTHING))) == 20


@pytest.mark.parametrize("kind", ["uuid", "numeric", "timestamptz", "bytea", "char(8)"])
def test_keys_of_every_type_bound_batches(postgres_world: PostgresWorld, kind: str) -> None:
    """Bounds are JSON, and read back as exactly the key they were."""
    makers = {
        "uuid": "gen_random_uuid()",
        "numeric": "n / 7.0",
        "timestamptz": "now() - n * interval '1.000001 s'",
        "bytea": "sha256(n::text::bytea)",
        "char(8)": "n::text",
    }
    postgres_world.ask(f"CREATE TABLE t (k {kind} PRIMARY KEY, id integer, ts timestamptz)")
    postgres_world.ask(
        f"INSERT INTO t SELECT {makers[kind]}, n, '2026-06-15T12:00Z'::timestamptz - n * interval '1 day' FROM generate_series(1, 40) n"
    )
    done = run_through(postgres_world.store, delete_work("t", older_than(20), batch_rows=6))
    assert [rows for _, rows in done] == [6, 6, 6, 2]


def test_a_table_without_key_and_time_goes_by_the_rows_place_or_by_number(world: SqlWorld) -> None:
    """MariaDB tells no row's place: so many rows that match at a time."""
    world.run("CREATE TABLE t (user_id text, note text)")
    world.run("INSERT INTO t VALUES ('1', 'a'), ('1', 'b'), ('2', 'c'), (NULL, 'd')")
    work = Work(deed=Deed.DELETE, at="t", where=OneOf(field="user_id", values=("1",)), batch_rows=1)
    assert [rows for _, rows in run_through(world.store, work)] == [1, 1]
    assert sorted(str(row[0]) for row in world.ask("SELECT user_id FROM t")) == ["2", "None"]


def test_a_sqlite_table_without_rowid_and_a_column_named_rowid_are_no_trouble(sqlite: SqliteWorld) -> None:
    """The row's place is used only where it is the row's place."""
    sqlite.run(
        "CREATE TABLE a (k TEXT PRIMARY KEY, id INT, ts TEXT) WITHOUT ROWID; CREATE TABLE b (rowid TEXT, id INT, ts TEXT)"
    )
    for at in "ab":
        for place in range(1, 11):
            sqlite.ask(
                f"INSERT INTO {at} VALUES ('same{place if at == 'a' else ''}', {place}, '{zulu(ago(place * 10))}')"
            )
        assert [rows for _, rows in run_through(sqlite.store, delete_work(at, older_than(50), 2))] == [2, 2, 1]


def test_the_infinities_of_postgresql_are_no_times(postgres_world: PostgresWorld) -> None:
    """-infinity is less than every cutoff, and says nothing about when."""
    postgres_world.run("INSERT INTO requests (id, ts) VALUES (1, '-infinity'), (2, 'infinity'), (3, '2020-01-01Z')")
    run_through(postgres_world.store, delete_work("requests", older_than(30)))
    assert postgres_world.ids() == [1, 2]
    assert postgres_world.store.measure("requests", EVERYTHING, time=TS).timeless == 2


def test_ids_match_across_text_and_numbers(world: SqlWorld) -> None:
    """A reference of text to a key of numbers is followed, and values fit the column they meet."""
    world.run("CREATE TABLE a (id integer PRIMARY KEY, email text)")
    world.run("CREATE TABLE b (id integer PRIMARY KEY, owner text, num numeric)")
    world.run("INSERT INTO a VALUES (1, 'a@example.com'), (2, NULL)")
    world.run("INSERT INTO b VALUES (10, '1', 1), (11, 'x', 2), (12, NULL, NULL), (13, '', 5)")
    through = Through(field="owner", at="a", to_field="id", where=EVERYTHING)
    assert [row["id"] for row in world.store.records("b", through)] == [10]
    assert [row["id"] for row in world.store.records("b", OneOf(field="num", values=("2", "zwei")))] == [11]


def test_a_missing_table_or_field_is_named(world: SqlWorld) -> None:
    """With what comes near it."""
    with pytest.raises(CollectionMissing, match=r"'request'\. It has requests"):
        world.store.measure("request", EVERYTHING)
    with pytest.raises(FieldMissing, match=r"'user'\. It has user_id"):
        world.store.measure("requests", OneOf(field="user", values=("1",)))


def test_a_table_that_goes_while_it_is_known_is_missing(world: SqlWorld) -> None:
    """Never an empty result from what is remembered of it."""
    assert world.store.measure("users", EVERYTHING).rows == 0
    world.run("DROP TABLE users")
    with pytest.raises(CollectionMissing):
        world.store.measure("users", EVERYTHING)


def test_a_row_that_others_point_at_stays_and_the_rest_go(world: SqlWorld) -> None:
    """A foreign key never takes a record along, nor stops a whole batch for one row."""
    for place, action in enumerate(("NO ACTION", "CASCADE")):
        world.run(f"CREATE TABLE parent{place} (id integer PRIMARY KEY, ts text)")
        world.run(
            f"CREATE TABLE child{place} (id integer PRIMARY KEY, p integer REFERENCES parent{place}(id) ON DELETE {action})"
        )
        world.run(f"INSERT INTO parent{place} VALUES (1, '{zulu(ago(90))}'), (2, '{zulu(ago(90))}')")
        world.run(f"INSERT INTO child{place} VALUES (7, 1)")
        work = delete_work(f"parent{place}", older_than(30))
        assert [rows for _, rows in run_through(world.store, work)] == [1]
        assert world.ask(f"SELECT id FROM child{place}") == [(7,)]
        assert world.store.measure(f"parent{place}", older_than(30)).rows == 1


def test_a_constraint_that_forbids_it_is_named(postgres_world: PostgresWorld) -> None:
    """And the batch is rolled back whole."""
    postgres_world.run(
        "CREATE TABLE t (id integer PRIMARY KEY, ts timestamptz, gone timestamptz CONSTRAINT never_gone CHECK (gone IS NULL))"
    )
    postgres_world.run("INSERT INTO t (id, ts) VALUES (1, '2020-01-01Z')")
    work = Work(deed=Deed.SET_TIME, at="t", where=older_than(30), field=TimeField(name="gone"), value=NOW)
    with pytest.raises(KeptError, match="never_gone"):
        run_through(postgres_world.store, work)


def test_a_held_lock_makes_the_store_busy_and_loses_nothing(postgres_world: PostgresWorld) -> None:
    """The sweeper gives way, says so, and the same call works later."""
    store = SqlStore("short", postgres_world.conninfo, clock=FixedClock(), lock_seconds=0.2)
    postgres_world.put([{"id": 1, "ts": ago(90)}])
    work = delete_work("requests", older_than(30))
    batch = store.next_batch(work, None)
    assert batch is not None
    with psycopg.connect(postgres_world.conninfo) as other:
        other.execute("SELECT * FROM requests FOR UPDATE")
        with pytest.raises(StoreBusy, match="lock"):
            store.act(work, batch)
    assert store.act(work, batch) == 1
    store.close()


def test_a_row_refreshed_while_the_sweeper_waits_for_its_lock_survives(postgres_world: PostgresWorld) -> None:
    """The server looks at the condition again once it has the lock."""
    postgres_world.put([{"id": 1, "ts": ago(90)}, {"id": 2, "ts": ago(90)}])
    work = delete_work("requests", older_than(30))
    batch = postgres_world.store.next_batch(work, None)
    assert batch is not None
    counts: list[int] = []
    with psycopg.connect(postgres_world.conninfo) as other:
        other.execute("UPDATE requests SET ts = now() WHERE id = 1")
        sweeper = threading.Thread(target=lambda: counts.append(postgres_world.store.act(work, batch)))
        sweeper.start()
        while not postgres_world.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            time.sleep(0.02)
    sweeper.join()
    assert (counts, postgres_world.ids()) == ([1], [1])


def test_a_killed_process_leaves_a_batch_with_its_receipt_or_neither(world: SqlWorld) -> None:
    """Killed after act and before the caller stored the count: the store has it."""
    world.put({"id": place, "ts": ago(90)} for place in range(1, 101))
    world.store.prepare_receipts()
    program = f"""
import os, signal
from tests.store_worlds import *
store = SqlStore("gateway", {world_url(world)!r}, clock=FixedClock())
work = delete_work("requests", older_than(30), batch_rows=40)
batch = store.next_batch(work, None)
store.act(work, batch, Receipt(step="stp_9", batch=1))
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent.parent, env={**os.environ}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert world.store.receipt_of(Receipt(step="stp_9", batch=1)) == 40
    assert len(world.ids()) == 60


def test_receipts_can_be_refused(tmp_path: Path) -> None:
    """receipts: false is a capability less, and no table."""
    world = SqliteWorld(tmp_path)
    settings = StoreSettings(name="g", kind="sql", options={"url": f"sqlite:///{world.path}"}, receipts=False)
    store = open_store(settings, clock=FixedClock())
    assert Capability.RECEIPTS not in store.capabilities
    with pytest.raises(KeptError, match="keeps no receipts"):
        store.prepare_receipts()
    store.close()
    world.store.close()


def test_a_busy_sqlite_file_is_busy_not_gone(sqlite: SqliteWorld) -> None:
    """Another program's write lock is told apart from an outage."""
    sqlite.put([{"id": 1, "ts": ago(90)}])
    store = SqlStore("short", f"sqlite:///{sqlite.path}", clock=FixedClock(), lock_seconds=0.05)
    work = delete_work("requests", older_than(30))
    batch = store.next_batch(work, None)
    assert batch is not None
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="write lock"):
        store.act(work, batch)
    other.execute("ROLLBACK")
    other.close()
    assert store.act(work, batch) == 1
    store.close()


def test_a_file_that_is_no_database_is_unreachable(tmp_path: Path) -> None:
    """Said in words, with the store's name."""
    (tmp_path / "x.db").write_text("this is a letter, not a database, and it is long enough to be one. " * 20)
    store = SqlStore("g", f"sqlite:///{tmp_path / 'x.db'}", clock=FixedClock())
    with pytest.raises(StoreUnreachable, match="store g did not answer"):
        store.ping()
    store.close()
    with pytest.raises(ConfigurationError, match="oracle"):
        SqlStore("g", "oracle://x/y", clock=FixedClock())


def test_a_database_restored_over_the_old_one_is_seen(sqlite: SqliteWorld, tmp_path: Path) -> None:
    """A pooled connection does not go on in the file that is gone."""
    sqlite.put([{"id": 1, "ts": ago(90)}])
    copy = tmp_path / "copy.db"
    copy.write_bytes(sqlite.path.read_bytes())
    run_through(sqlite.store, delete_work("requests", older_than(30)))
    assert sqlite.store.measure("requests", EVERYTHING).rows == 0
    copy.rename(sqlite.path)
    assert sqlite.store.measure("requests", EVERYTHING).rows == 1


def test_an_index_on_the_time_serves_the_comparison(world: SqlWorld) -> None:
    """The bare column stands against a literal: no function hides it from the index."""
    world.run("CREATE INDEX by_time ON requests (ts)")
    world.put({"id": place, "ts": ago(place % 400)} for place in range(1, 3001))
    store = world.store
    assert isinstance(store, SqlStore)
    condition = store._conditions.compile("requests", older_than(398))
    sqlite = isinstance(world, SqliteWorld)
    driver = "sqlite" if sqlite else "mariadb+pymysql" if isinstance(world, MariaWorld) else "postgresql+psycopg"
    dialect = sa.create_engine(f"{driver}://").dialect
    text = str(condition.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    world.ask("ANALYZE TABLE requests" if isinstance(world, MariaWorld) else "ANALYZE requests")
    plan = world.ask(f"EXPLAIN {'QUERY PLAN' if sqlite else ''} SELECT * FROM requests WHERE {text}")
    assert "by_time" in str(plan)


def test_no_value_of_a_person_stands_in_an_error(world: SqlWorld) -> None:
    """Driver errors quote rows and parameters; what goes on names only tables and constraints."""
    secret = "someone@example.com"
    world.run("DROP TABLE users")
    through = Through(field="user_id", at="users", to_field="id", where=OneOf(field="email", values=(secret,)))
    with pytest.raises(CollectionMissing) as raised:
        world.store.measure("requests", through)
    assert secret not in str(raised.value)
