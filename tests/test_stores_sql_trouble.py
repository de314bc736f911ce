"""What goes wrong with SQL stores: each trouble is named, without a value of a person, and the rest goes on."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from core.errors import ConfigurationError, KeptError
from core.settings import TimeField
from stores.conditions import AllOf, Before, OneOf
from stores.contract import (
    CannotCompare,
    CollectionMissing,
    Deed,
    NotPermitted,
    StoreBusy,
    StoreUnreachable,
    Work,
)
from stores.sql import SqlStore
from tests.servers import Postgres
from tests.store_worlds import FixedClock, PostgresWorld, SqliteWorld, ago, delete_work, older_than, run_through, zulu
from tests.store_worlds_mariadb import MariaWorld

EVERYTHING = AllOf(parts=())
SqlWorld = SqliteWorld | PostgresWorld | MariaWorld


def store_at(url: str, **options: Any) -> SqlStore:
    return SqlStore("gateway", url, clock=FixedClock(), **options)


@pytest.mark.parametrize("world", ["postgres_world", "mariadb_world"])
def test_wrong_credentials_are_told_apart_from_a_server_that_is_down(
    request: pytest.FixtureRequest, world: str
) -> None:
    """Which of the two it is decides who has to act; the password is in no message."""
    made: PostgresWorld | MariaWorld = request.getfixturevalue(world)
    url = made.url if isinstance(made, MariaWorld) else made.conninfo
    wrong = sa.make_url(url).set(username="nobody-here", password="hunter2")
    store = store_at(wrong.render_as_string(hide_password=False))
    with pytest.raises(StoreUnreachable, match="it refused the credentials") as raised:
        store.ping()
    assert "hunter2" not in str(raised.value)
    store.close()


@contextmanager
def silent_host() -> Iterator[int]:
    """A host that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_host_that_hangs_is_given_up() -> None:
    """A connection that is taken and not answered ends after the time for connecting, on both servers."""
    told: list[str] = []

    def ask(url: str) -> None:
        store = store_at(url, connect_seconds=1)
        with pytest.raises(StoreUnreachable) as raised:
            store.ping()
        told.append(str(raised.value))
        store.close()

    with silent_host() as port:
        urls = (f"postgresql+psycopg://a@127.0.0.1:{port}/b", f"mariadb+pymysql://a@127.0.0.1:{port}/b")
        threads = [threading.Thread(target=ask, args=(url,)) for url in urls]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert time.monotonic() - begun < 10
    assert len(told) == 2


def test_trouble_with_tls_is_named(postgres_world: PostgresWorld, mariadb_world: MariaWorld) -> None:
    """A server that cannot, and a certificate that is not there: the store did not answer, and why."""
    urls = [
        f"{postgres_world.conninfo}?sslmode=require",
        f"{postgres_world.conninfo}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
        f"{mariadb_world.url}?ssl_ca=/nowhere/ca.pem",
        f"{mariadb_world.url}?ssl_check_hostname=false",
    ]
    for url in urls:
        store = store_at(url)
        with pytest.raises(StoreUnreachable, match=r"SSL|certificate|No such file"):
            store.ping()
        store.close()


def test_a_table_dropped_between_bounds_and_deed_is_missing(sql_world: SqlWorld) -> None:
    """Its step fails by name; the store's other tables are worked on."""
    sql_world.run("CREATE TABLE other (id integer PRIMARY KEY, ts text)")
    sql_world.run(f"INSERT INTO other VALUES (1, '{zulu(ago(90))}')")
    sql_world.put([{"id": 1, "ts": ago(90)}])
    work = delete_work("requests", older_than(30))
    batch = sql_world.store.next_batch(work, None)
    assert batch is not None
    sql_world.run("DROP TABLE requests")
    for call in (lambda: sql_world.store.act(work, batch), lambda: sql_world.store.next_batch(work, None)):
        with pytest.raises(CollectionMissing):
            call()
    assert [rows for _, rows in run_through(sql_world.store, delete_work("other", older_than(30)))] == [1]


def test_a_column_of_garbage_dates_is_refused_and_the_next_is_not(sql_world: SqlWorld) -> None:
    """The shapes that were seen are named, never a value."""
    sql_world.run("CREATE TABLE t (id integer PRIMARY KEY, bad text, good text)")
    for place, bad in enumerate(("yesterday", "31.12.2025", "Anna", ""), start=1):
        sql_world.run(f"INSERT INTO t VALUES ({place}, '{bad}', '{zulu(ago(90))}')")
    with pytest.raises(CannotCompare, match=r"'99\.99\.9999', 'aaaa', 'aaaaaaaaa'") as raised:
        sql_world.store.measure("t", Before(field=TimeField(name="bad"), instant=ago(1)))
    assert "Anna" not in str(raised.value)
    assert sql_world.store.measure("t", Before(field=TimeField(name="good"), instant=ago(1))).rows == 4


def test_text_that_is_not_utf8_comes_as_bytes_and_goes_like_any_other_in_sqlite(sqlite_world: SqliteWorld) -> None:
    """A record with it is counted, read and deleted."""
    sqlite_world.put([{"id": 1, "ts": ago(90)}, {"id": 2, "ts": ago(90), "note": "ü"}])
    sqlite_world.run("UPDATE requests SET note = CAST(X'416eff' AS TEXT) WHERE id = 1")
    notes = [record["note"] for record in sqlite_world.store.records("requests", EVERYTHING)]
    assert notes == [b"An\xff", "ü"]
    assert [rows for _, rows in run_through(sqlite_world.store, delete_work("requests", older_than(30)))] == [2]


def test_text_that_is_not_utf8_comes_as_bytes_and_goes_like_any_other_in_postgresql(postgres: Postgres) -> None:
    """A database without an encoding takes any bytes for text."""
    postgres.run("CREATE DATABASE any_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        world = PostgresWorld(postgres.url("any_bytes"))
        world.put([{"id": 1, "ts": ago(90)}, {"id": 2, "ts": ago(90), "note": "u"}])
        world.run("UPDATE requests SET note = convert_from('\\x416eff', 'SQL_ASCII') WHERE id = 1")
        assert [record["note"] for record in world.store.records("requests", EVERYTHING)] == [b"An\xff", "u"]
        assert [rows for _, rows in run_through(world.store, delete_work("requests", older_than(30)))] == [2]
        world.store.close()
    finally:
        postgres.run("DROP DATABASE any_bytes WITH (FORCE)")


@pytest.mark.parametrize("world", ["postgres_world", "mariadb_world"])
def test_permission_denied_on_one_table_leaves_the_others(request: pytest.FixtureRequest, world: str) -> None:
    """The table is named where the server names it; reading may be allowed where deleting is not."""
    made: PostgresWorld | MariaWorld = request.getfixturevalue(world)
    made.put([{"id": 1, "ts": ago(90)}])
    url = sa.make_url(made.url if isinstance(made, MariaWorld) else made.conninfo)
    account = f"lodger_{str(url.database)[-8:]}"
    if isinstance(made, MariaWorld):
        made.ask(f"CREATE USER {account}@'127.0.0.1' IDENTIFIED BY 'x'")
        made.ask(f"GRANT SELECT ON {made.name}.requests TO {account}@'127.0.0.1'")
        made.ask(f"GRANT INSERT ON {made.name}.users TO {account}@'127.0.0.1'")
    else:
        made.run(f"CREATE ROLE {account} LOGIN; GRANT SELECT ON requests TO {account}")
    store = store_at(url.set(username=account, password="x").render_as_string(hide_password=False))
    try:
        with pytest.raises(NotPermitted, match="users"):
            store.measure("users", EVERYTHING)
        work = delete_work("requests", older_than(30))
        batch = store.next_batch(work, None)
        assert batch is not None
        with pytest.raises(NotPermitted, match="requests"):
            store.act(work, batch)
        with pytest.raises(NotPermitted):
            store.prepare_receipts()
        assert store.measure("requests", EVERYTHING).rows == 1
    finally:
        store.close()
        if isinstance(made, MariaWorld):
            made.ask(f"DROP USER {account}@'127.0.0.1'")
        else:
            made.run(f"DROP OWNED BY {account}; DROP ROLE {account}")


def test_a_correction_that_does_not_fit_is_refused_without_its_value(
    postgres_world: PostgresWorld, mariadb_world: MariaWorld
) -> None:
    """Nothing is cut to fit, nothing becomes nought; the batch is taken back whole."""
    for world in (postgres_world, mariadb_world):
        world.run("CREATE TABLE t (id integer PRIMARY KEY, short varchar(3), num integer, at timestamptz)")
        world.run("INSERT INTO t (id, short, num) VALUES (1, 'abc', 5)")
        for field in ("short", "num", "at"):
            work = Work(deed=Deed.CORRECT, at="t", where=EVERYTHING, corrections=((field, "anna@x.example"),))
            with pytest.raises(KeptError, match="does not fit") as raised:
                run_through(world.store, work)
            assert "anna" not in str(raised.value)
        assert world.ask("SELECT short, num FROM t") == [("abc", 5)]


def test_every_wait_of_mariadb_has_an_end_and_batches_read_what_is_committed(mariadb_world: MariaWorld) -> None:
    """Statements, locks and the session's zone are bounded and fixed on each connection."""
    store = store_at(mariadb_world.url, lock_seconds=2)
    asked = sa.text("SELECT @@max_statement_time, @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@tx_isolation")
    with store._engine.read() as connection:
        assert tuple(connection.execute(asked).one()) == (600, 2, 2, "READ-COMMITTED")
    with store._engine.write() as connection:
        assert connection.execute(asked).one()[0] == 60
    store.close()


def test_a_count_of_mariadb_is_of_rows_changed(mariadb_world: MariaWorld) -> None:
    """Not of rows found: writing what stands there already is nothing done."""
    mariadb_world.put([{"id": 1, "ts": ago(1), "note": "x"}, {"id": 2, "ts": ago(1), "note": "y"}])
    store = store_at(mariadb_world.url)
    with store._engine.write() as connection:
        assert connection.execute(sa.text("UPDATE requests SET note = 'x'")).rowcount == 1
    store.close()


def test_a_held_lock_makes_mariadb_busy_and_loses_nothing(mariadb_world: MariaWorld) -> None:
    """It gives way, says so, and the same call works later; a row refreshed meanwhile survives."""
    mariadb_world.put([{"id": 1, "ts": ago(90)}, {"id": 2, "ts": ago(90)}])
    store = store_at(mariadb_world.url, lock_seconds=1)
    work = delete_work("requests", older_than(30))
    batch = store.next_batch(work, None)
    assert batch is not None
    other = pymysql.connect(
        host="127.0.0.1", port=mariadb_world.server.port, user="root", database=mariadb_world.name, autocommit=False
    )
    with other, other.cursor() as cursor:
        cursor.execute("UPDATE requests SET ts = UTC_TIMESTAMP() WHERE id = 1")
        with pytest.raises(StoreBusy, match="lock"):
            store.act(work, batch)
        other.commit()
    assert store.act(work, batch) == 1
    assert mariadb_world.ids() == [1]
    store.close()


def test_a_reader_that_leaves_early_does_not_read_the_rest(mariadb_world: MariaWorld) -> None:
    """Of a table without a key, which MariaDB streams: its connection is given up, the next call gets another."""
    mariadb_world.ask("CREATE TABLE bare (note text)")
    mariadb_world.ask("INSERT INTO bare SELECT seq FROM seq_1_to_5000")
    records = mariadb_world.store.records("bare", EVERYTHING)
    assert next(iter(records))["note"]
    records.close()  # type: ignore[attr-defined]
    assert mariadb_world.store.measure("bare", OneOf(field="note", values=("4999",))).rows == 1
    assert len(list(mariadb_world.store.records("bare", EVERYTHING))) == 5000


def test_a_url_without_a_database_is_refused(mariadb_world: MariaWorld) -> None:
    """Every table has to lie somewhere; both spellings of the driver are taken."""
    with pytest.raises(ConfigurationError, match="names 'mariadb'"):
        store_at("mariadb+pymysql://root@127.0.0.1")
    store = store_at(mariadb_world.url.replace("mariadb+", "mysql+"))
    store.ping()
    store.close()
