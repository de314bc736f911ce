"""Rolling records up into totals, on PostgreSQL, MariaDB and SQLite: counted once, whole periods only, no small groups."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, Before, Not, OneOf
from stores.contract import Batch, Capability, Deed, FieldMissing, Receipt, StoreBusy, Totals, Work, unfinished
from stores.periods import end_of, start_of
from tests.store_worlds import NOW, PostgresWorld, SqliteWorld, ago, run_through, zulu
from tests.store_worlds_mariadb import MariaWorld

SqlWorld = SqliteWorld | PostgresWorld | MariaWorld
TS = TimeField(name="ts")
DAILY = Totals(into="usage_daily", by=("day", "model"), k=3)
WORK = Work(
    deed=Deed.AGGREGATE, at="uses", where=Before(field=TS, instant=NOW - timedelta(days=5)), order_by=TS, totals=DAILY
)


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    """Four days of use: model a six times a day by two people, model b twice; the tenth of June is not over at the cutoff."""
    kind, day = ("text", "text") if isinstance(sql_world, SqliteWorld) else ("timestamptz", "date")
    sql_world.run(f"CREATE TABLE uses (id integer PRIMARY KEY, model text, person text, ts {kind}, tokens integer)")
    sql_world.run(f'CREATE TABLE usage_daily (day {day}, model text, "rows" integer, tokens integer, note text)')
    rows = []
    for date in (7, 8, 9, 10):
        for number in range(8):
            at = zulu(datetime(2026, 6, date, number, 59, 59, tzinfo=UTC))
            model, person = ("a", f"p{number % 2}") if number < 6 else ("b", "p3")
            rows.append(f"({date * 8 + number}, '{model}', '{person}', '{at}', 10)")
    sql_world.run(f"INSERT INTO uses VALUES {', '.join(rows)}")
    return sql_world


def totals(world: SqlWorld) -> list[tuple[str, str, int, int]]:
    found = world.ask('SELECT day, model, "rows", tokens FROM usage_daily ORDER BY day, model')
    return [(str(day), str(model), int(rows), int(tokens)) for day, model, rows, tokens in found]


def left(world: SqlWorld) -> int:
    return int(world.ask("SELECT count(*) FROM uses")[0][0])


def test_whole_periods_become_totals_and_go(world: SqlWorld) -> None:
    """Each day once, oldest first; a group under k leaves nothing; the day of the cutoff waits until it is over."""
    assert Capability.AGGREGATE in world.store.capabilities
    assert [rows for _, rows in run_through(world.store, WORK)] == [8, 8, 8]
    assert totals(world) == [(f"2026-06-0{day}", "a", 6, 60) for day in (7, 8, 9)]
    assert left(world) == 8
    assert world.store.measure("uses", unfinished(WORK)).rows == 0
    assert run_through(world.store, WORK) == []


def test_people_are_counted_where_a_field_tells_them_apart(world: SqlWorld) -> None:
    """Six records of two people are a group of two."""
    by_people = replace(WORK, totals=replace(DAILY, person="person"))
    assert sum(rows for _, rows in run_through(world.store, by_people)) == 24
    assert totals(world) == []


def test_totals_stand_in_the_transaction_of_the_delete_and_the_receipt(world: SqlWorld) -> None:
    """A batch that is done again finds its receipt, and without one finds nothing to count twice."""
    world.store.prepare_receipts()
    batch, receipt = world.store.next_batch(WORK, None), Receipt(step="stp_1", batch=1)
    assert batch is not None
    assert world.store.act(WORK, batch, receipt) == 8
    assert world.store.act(WORK, batch, receipt) == 8
    assert world.store.receipt_of(receipt) == 8
    assert world.store.act(WORK, batch) == 0
    assert totals(world) == [("2026-06-07", "a", 6, 60)]


def test_what_is_held_is_neither_counted_nor_deleted(world: SqlWorld) -> None:
    """The whole condition stands in the count, in the totals and in the delete."""
    free = Not(part=OneOf(field="person", values=("p0",)))
    held = replace(WORK, where=AllOf(parts=(WORK.where, free)))
    assert sum(rows for _, rows in run_through(world.store, held)) == 15
    assert totals(world) == [(f"2026-06-0{day}", "a", 3, 30) for day in (7, 8, 9)]
    assert world.store.measure("uses", OneOf(field="person", values=("p0",))).rows == 12


def test_a_month_and_only_a_month(world: SqlWorld) -> None:
    """One total for the whole of it, once it is over."""
    monthly = Totals(into="usage_monthly", by=("month",), k=1)
    world.run("CREATE TABLE usage_monthly (month varchar(10) PRIMARY KEY, tokens integer)")
    assert run_through(world.store, replace(WORK, totals=monthly)) == []
    over = replace(WORK, totals=monthly, where=Before(field=TS, instant=datetime(2026, 7, 3, tzinfo=UTC)))
    assert [rows for _, rows in run_through(world.store, over)] == [32]
    assert world.ask("SELECT month, tokens FROM usage_monthly") == [("2026-06-01", 320)]


def test_a_failure_while_totals_are_written_loses_no_record(world: SqlWorld) -> None:
    """The totals refuse a row: the delete goes back with it."""
    world.run("CREATE UNIQUE INDEX once ON usage_daily (model)")
    with pytest.raises(KeptError, match="refused"):
        run_through(world.store, WORK)
    assert (left(world), len(totals(world))) == (24, 1)


def test_a_record_that_comes_while_the_rest_is_counted_takes_the_batch_back(world: SqlWorld) -> None:
    """More records would go than were counted: nothing of it stays done. A trigger lets one in between the two."""
    late = f"INSERT INTO uses VALUES (999, 'a', 'p9', '{zulu(ago(8))}', 10)"
    if isinstance(world, SqliteWorld):
        world.run(f"CREATE TRIGGER late AFTER INSERT ON usage_daily BEGIN {late}; END")
    elif isinstance(world, PostgresWorld):
        world.ask(f"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {late}; RETURN NULL; END$$")
        world.ask("CREATE TRIGGER late AFTER INSERT ON usage_daily EXECUTE FUNCTION late()")
    else:
        return  # its triggers may not write to a table that the statement reads
    batch = world.store.next_batch(WORK, None)
    assert batch is not None
    with pytest.raises(StoreBusy, match="changed while"):
        world.store.act(WORK, batch)
    assert (left(world), totals(world)) == (32, [])


def test_what_cannot_be_rolled_up_is_refused_in_words(world: SqlWorld) -> None:
    """No period, no time, no such field among the totals."""
    for wrong, error, words in (
        (replace(WORK, totals=replace(DAILY, by=("model",))), KeptError, "0 periods"),
        (replace(WORK, order_by=None), KeptError, "takes the records' time"),
        (replace(WORK, totals=replace(DAILY, by=("month", "model"))), FieldMissing, "no field 'month'"),
    ):
        with pytest.raises(error, match=words):
            world.store.act(wrong, Batch(low=None, high="2026-06-08T00:00:00Z"))


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("hour", "2026-12-31T23:00", "2027-01-01T00:00"),
        ("day", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("month", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("year", "2026-01-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_periods_follow_each_other_without_a_gap(period: str, start: str, end: str) -> None:
    """The end of one is the beginning of the next."""
    begun = start_of(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), period)
    assert begun.strftime("%Y-%m-%dT%H:%M") == start
    assert end_of(begun, period).strftime("%Y-%m-%dT%H:%M") == end
    assert start_of(end_of(begun, period), period) == end_of(begun, period)
