"""Space given back, what stands in the way of work on a table, and MariaDB's tables that nothing orders."""

from typing import Any

import pytest

from core.settings import TimeField
from stores.conditions import AllOf, OneOf
from stores.contract import Deed, NotPermitted, Receipt, Reclaims, Work
from stores.sql import SqlStore
from stores.sql_findings import SMALL_ROWS
from tests.store_worlds import TS, FixedClock, PostgresWorld, SqliteWorld, ago, delete_work, older_than, run_through
from tests.store_worlds_mariadb import MariaWorld

SqlWorld = SqliteWorld | PostgresWorld | MariaWorld
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "


def fill(world: SqlWorld, rows: int) -> None:
    """So many records, all of them long over, with a kilobyte of text each."""
    if isinstance(world, MariaWorld):
        world.ask("SET SESSION max_recursive_iterations = 1000000")
        numbers = NUMBERS.format(rows=rows)
        world.ask("INSERT INTO requests (id, ts, note) " + numbers + "SELECT i, '2026-01-01', REPEAT('x', 1000) FROM n")
        return
    text = "hex(zeroblob(500))" if isinstance(world, SqliteWorld) else "repeat('x', 1000)"
    time = "'2026-01-01T00:00:00Z'" if isinstance(world, SqliteWorld) else "timestamptz '2026-01-01Z'"
    world.ask(f"{NUMBERS.format(rows=rows)} INSERT INTO requests (id, ts, note) SELECT i, {time}, {text} FROM n")


def reclaim(world: SqlWorld, at: str = "requests") -> str:
    store = world.store
    assert isinstance(store, Reclaims)
    return store.reclaim(at)


def findings(store: Any, at: str, *times: TimeField) -> str:
    return " ".join(store.findings(at, times=times))


def test_postgresql_vacuums_the_table_and_says_what_went_back(postgres_world: PostgresWorld) -> None:
    """VACUUM (ANALYZE), not FULL: dead rows are gone from the table, and the planner knows."""
    fill(postgres_world, 3_000)
    run_through(postgres_world.store, delete_work("requests", older_than(30)))
    said = reclaim(postgres_world)
    assert said.startswith("VACUUM (ANALYZE) of requests: its free space is open to new rows, 3.")
    assert postgres_world.ask("SELECT pg_relation_size('requests')") == [(0,)]


@pytest.mark.parametrize("mode", ["NONE", "INCREMENTAL"])
def test_sqlite_gives_back_pages_that_are_free(sqlite_world: SqliteWorld, mode: str) -> None:
    """The whole file anew, or some pages at a time where the file was made for it; nothing for little."""
    sqlite_world.run(f"PRAGMA auto_vacuum = {mode}; VACUUM")
    fill(sqlite_world, 2_000)
    assert reclaim(sqlite_world) == "Nothing was done: less than a fifth of a store.db is free."
    run_through(sqlite_world.store, delete_work("requests", older_than(30)))
    before = sqlite_world.path.stat().st_size
    said = reclaim(sqlite_world)
    assert said.startswith("VACUUM of" if mode == "NONE" else "PRAGMA incremental_vacuum of")
    assert sqlite_world.path.stat().st_size < before / 10


def test_sqlite_is_not_written_anew_where_the_disk_has_no_room(
    sqlite_world: SqliteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where its writers would wait too long; both are said with their numbers."""
    fill(sqlite_world, 2_000)
    sqlite_world.ask("DELETE FROM requests WHERE id > 500")
    monkeypatch.setattr("stores.sql_reclaim.BYTES_A_SECOND", 10_000)
    assert "its writers would wait for about" in reclaim(sqlite_world)
    assert len(sqlite_world.ids()) == 500


def test_mariadb_rebuilds_a_table_only_where_much_of_it_is_free(mariadb_world: MariaWorld) -> None:
    """It says that it was a rebuild; a table that is full is left."""
    fill(mariadb_world, 100)
    assert reclaim(mariadb_world) == "requests was not rebuilt: less than a fifth of it is free."
    mariadb_world.ask("DELETE FROM requests")
    fill(mariadb_world, 12_000)
    run_through(mariadb_world.store, delete_work("requests", older_than(30)))
    said = ""
    for _ in range(100):  # InnoDB frees deleted rows a moment later
        said = reclaim(mariadb_world)
        if "rebuilt (ALTER TABLE" in said:
            return
        mariadb_world.ask("DO SLEEP(0.05)")
    pytest.fail(said)


def test_a_time_that_no_index_serves_is_named_with_the_statement_that_mends_it(sql_world: SqlWorld) -> None:
    """Quoted for the server; a small table, and a time that an index begins with, are not spoken of."""
    column = "timestamptz" if not isinstance(sql_world, SqliteWorld) else "text"
    sql_world.ask(f'CREATE TABLE "Order" (id integer PRIMARY KEY, "Made At" {column})')
    made = TimeField(name="Made At")
    assert findings(sql_world.store, "Order", made) == ""
    value = "'2026-01-01T00:00:00Z'" if isinstance(sql_world, SqliteWorld) else "CAST('2026-01-01' AS date)"
    if isinstance(sql_world, MariaWorld):
        sql_world.ask(f'INSERT INTO "Order" SELECT seq, {value} FROM seq_1_to_{SMALL_ROWS + 1}')
        wanted = "CREATE INDEX `Order_Made At` ON `Order` (`Made At`);"
    else:
        sql_world.ask(f'{NUMBERS.format(rows=SMALL_ROWS + 1)} INSERT INTO "Order" SELECT i, {value} FROM n')
        postgres = isinstance(sql_world, PostgresWorld)
        wanted = 'CREATE INDEX CONCURRENTLY ON "Order" ("Made At");' if postgres else 'CREATE INDEX "Order_Made At" ON'
    found = findings(sql_world.store, "Order", made)
    assert "No index begins with Made At of Order: each look reads all of it." in found
    assert wanted in found
    sql_world.ask(found.partition(": each look reads all of it. ")[2].replace("`", '"'))
    sql_world.store.close()
    assert findings(sql_world.store, "Order", made) == ""


def test_a_pointer_without_an_index_is_named_with_the_statement(postgres_world: PostgresWorld) -> None:
    """The words can be run as they stand."""
    postgres_world.ask('CREATE TABLE "Child" (id int, "Of" bigint REFERENCES requests (id))')
    assert 'CREATE INDEX CONCURRENTLY ON public."Child" ("Of");' in findings(postgres_world.store, "requests")


def test_a_database_that_takes_no_changes_is_a_reason_not_a_failure(
    postgres_world: PostgresWorld, mariadb_world: MariaWorld, sqlite_world: SqliteWorld
) -> None:
    """A read-only one says so by name, before the run and in it; nothing is lost."""
    name = postgres_world.ask("SELECT current_database()")[0][0]
    postgres_world.put([{"id": 1, "ts": ago(90)}])
    postgres_world.ask(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    url = postgres_world.conninfo.replace("postgresql:", "postgresql+psycopg:")
    store = SqlStore("gateway", url, clock=FixedClock())
    assert "The database is read-only" in findings(store, "requests")
    work = delete_work("requests", older_than(30))
    batch = store.next_batch(work, None)
    assert batch is not None
    with pytest.raises(NotPermitted, match="read-only"):
        store.act(work, batch)
    store.close()


def test_a_view_is_named_as_one(sql_world: SqlWorld) -> None:
    """Its own sentence, and nothing else is looked at."""
    sql_world.run("CREATE VIEW recent AS SELECT * FROM requests")
    assert (
        findings(sql_world.store, "recent", TS) == "recent is a view: nothing can be deleted from it or changed in it."
    )
    assert reclaim(sql_world, "recent") == "recent is a view: it has no space to give back."


def test_mariadb_works_a_table_that_nothing_orders_in_bounded_batches(mariadb_world: MariaWorld) -> None:
    """So many rows that match at a time, the whole condition in each statement, each with its receipt."""
    mariadb_world.ask("CREATE TABLE bare (user_id varchar(20), note varchar(20))")
    mariadb_world.ask("INSERT INTO bare SELECT IF(seq <= 25, 'u1', 'u2'), seq FROM seq_1_to_40")
    store = mariadb_world.store
    store.prepare_receipts()
    work = delete_work("bare", OneOf(field="user_id", values=("u1",)), batch_rows=10)
    done = run_through(store, work, step="stp_1")
    assert [rows for _, rows in done] == [10, 10, 5]
    assert [
        store.act(work, done[0][0], Receipt(step="stp_1", batch=1)),
        store.receipt_of(Receipt(step="stp_1", batch=3)),
    ] == [10, 5]
    assert mariadb_world.ask("SELECT count(*), min(user_id) FROM bare") == [(15, "u2")]
    redact = Work(deed=Deed.REDACT, at="bare", where=AllOf(parts=()), fields=("note",), batch_rows=6)
    assert [rows for _, rows in run_through(store, redact)] == [6, 6, 3]


def test_a_timestamp_with_a_zone_is_called_one(postgres_world: PostgresWorld) -> None:
    """What the map check compares is the type, zone and all."""
    kinds = {field.name: field.type for field in postgres_world.store.shape("requests").fields}
    assert (kinds["ts"], kinds["id"]) == ("timestamptz", "bigint")
    postgres_world.ask("CREATE TABLE plain (at timestamp, day date)")
    assert [field.type for field in postgres_world.store.shape("plain").fields] == ["timestamp", "date"]
