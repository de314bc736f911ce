"""Records that stay and point at records that go, on every SQL database: loosened, left as a stub, or named as what blocks."""

from typing import Any

import pytest

from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, OneOf, Through
from stores.contract import Batch, Deed, Points, Receipt, Refused, Work, unfinished
from stores.sql import SqlStore
from tests.store_worlds import PostgresWorld, SqliteWorld, run_through
from tests.store_worlds_mariadb import MariaWorld

SqlWorld = SqliteWorld | PostgresWorld | MariaWorld
EVERYTHING = AllOf(parts=())
ALL = ("accounts", "invoices", "letters")


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    """Accounts 1 to 6; what points at them is made by each test."""
    sql_world.run(
        "CREATE TABLE accounts (id integer PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, name varchar(40), "
        "since varchar(30) NOT NULL, plan varchar(10) NOT NULL);"
        + "".join(f"INSERT INTO accounts VALUES ({n}, 'p{n}@mail.test', 'P{n}', '2020', 'pro');" for n in range(1, 7))
    )
    return sql_world


def delete(*ids: int, loosens: tuple[str, ...] = ALL, at: str = "accounts", **more: Any) -> Work:
    where = OneOf(field="id", values=tuple(map(str, ids)))
    return Work(deed=Deed.DELETE, at=at, where=where, loosens=loosens, **more)


def children(world: SqlWorld, name: str, declared: str, *rows: tuple[int, int | None], key: str = "") -> None:
    world.run(f"CREATE TABLE {name} (id integer PRIMARY KEY, account integer {declared}, CONSTRAINT {name}_key {key})")
    for row, account in rows:
        world.run(f"INSERT INTO {name} VALUES ({row}, {account if account is not None else 'NULL'})")


def refers(action: str = "", to: str = "accounts") -> str:
    return f"FOREIGN KEY (account) REFERENCES {to}(id) {action}"


def rows_of(world: SqlWorld, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in world.ask(query)]


def store_of(world: SqlWorld) -> SqlStore:
    assert isinstance(world.store, SqlStore)
    return world.store


def blockers(world: SqlWorld, work: Work, step: str | None = None) -> list[tuple[int | None, bool]]:
    return [(one.rows, one.stub) for one in store_of(world).blockers(work, step)]


@pytest.mark.parametrize("action", ["", "ON DELETE CASCADE", "ON DELETE SET NULL"])
def test_a_kept_record_loses_its_pointer_and_stays(world: SqlWorld, action: str) -> None:
    """Whatever the key says happens on delete: the child stays, in the same transaction its pointer becomes NULL."""
    children(world, "invoices", "NULL", (1, 1), (2, 2), (3, None), key=refers(action))
    work = delete(1, 3)
    assert blockers(world, work) == []
    assert sum(rows for _, rows in run_through(world.store, work)) == 2
    assert rows_of(world, "SELECT id FROM accounts ORDER BY id") == [(2,), (4,), (5,), (6,)]
    assert rows_of(world, "SELECT * FROM invoices ORDER BY id") == [(1, None), (2, 2), (3, None)]


@pytest.mark.parametrize("action", ["", "ON DELETE CASCADE"])
def test_where_the_pointer_may_not_be_null_the_record_stands_as_its_key(world: SqlWorld, action: str) -> None:
    """E-mail and name are gone, the key stays, the child is as it was; done again, nothing changes; the count is exact."""
    children(world, "invoices", "NOT NULL", (1, 1), (2, 2), key=refers(action))
    world.store.prepare_receipts()
    work = delete(1, 3)
    (before,) = store_of(world).blockers(work)
    assert (before.rows, before.stub) == (1, True)
    assert before.why.startswith("1 rows of accounts stay as their key alone: invoices points at them (key invoices")
    assert "may not be NULL" in before.why
    assert sum(rows for _, rows in run_through(world.store, work, "stp_1")) == 2
    ((key, email, name, since, plan),) = rows_of(world, "SELECT * FROM accounts WHERE id = 1")
    assert (key, name, since, plan) == (1, None, "", "")
    assert email.startswith("anonymised-")
    assert rows_of(world, "SELECT * FROM invoices ORDER BY id") == [(1, 1), (2, 2)]
    assert rows_of(world, "SELECT email FROM accounts WHERE id = 2") == [("p2@mail.test",)]
    assert run_through(world.store, work, "stp_2") == []
    assert blockers(world, work, "stp_1") == [(1, True)]
    assert [one for one in blockers(world, delete(3), "stp_1") if one[0]] == [(1, True)], "also when it matches no more"


def test_a_stub_that_matches_no_more_is_still_told_of(world: SqlWorld) -> None:
    """The person's e-mail was the condition, and it is gone: the receipts say how many stand, in words."""
    children(world, "invoices", "NOT NULL", (1, 1), key=refers())
    world.store.prepare_receipts()
    where = OneOf(field="email", values=("p1@mail.test", "p2@mail.test"))
    work = Work(deed=Deed.DELETE, at="accounts", where=where, loosens=ALL)
    assert [rows for _, rows in run_through(world.store, work, "stp_1")] == [2]
    assert world.store.measure("accounts", where).rows == 0
    (told,) = store_of(world).blockers(work, "stp_1")
    assert (told.rows, told.stub) == (1, True)
    assert told.why == "1 rows of accounts stand as their key alone: kept records of invoices point at them"
    assert store_of(world).blockers(work) == ()


@pytest.mark.parametrize("action", ["", "ON DELETE CASCADE"])
def test_what_no_clause_covers_blocks_its_parent_and_the_rest_goes(world: SqlWorld, action: str) -> None:
    """A table that is not mapped is never touched, and never taken along; the key, the table and the number are named."""
    children(world, "notes", "NULL", (1, 2), (2, 2), (3, 4), key=refers(action))
    work = delete(1, 2, 3, 4)
    assert sum(rows for _, rows in run_through(world.store, work)) == 2
    assert rows_of(world, "SELECT id FROM accounts ORDER BY id") == [(2,), (4,), (5,), (6,)]
    assert rows_of(world, "SELECT * FROM notes ORDER BY id") == [(1, 2), (2, 2), (3, 4)]
    (told,) = store_of(world).blockers(work)
    assert (told.rows, told.stub) == (2, False)
    assert told.why.startswith("2 rows of accounts are pointed at by notes (key notes")
    assert world.store.measure("accounts", work.where).rows == 2


def test_a_record_is_counted_under_one_reason_only(world: SqlWorld) -> None:
    """What keeps it whole comes before what keeps its key, so the sum is the number of records that stay."""
    children(world, "notes", "NULL", (1, 1), key=refers())
    children(world, "invoices", "NOT NULL", (1, 1), (2, 2), key=refers())
    work = delete(1, 2, 3)
    assert blockers(world, work) == [(1, False), (1, True)]
    assert sum(rows for _, rows in run_through(world.store, work)) == 2
    assert rows_of(world, "SELECT name FROM accounts WHERE id = 1") == [("P1",)], "what is blocked stays whole"
    assert blockers(world, work) == [(1, False), (1, True)]


def test_a_pinned_record_keeps_its_pointer_and_its_parent_stands_as_a_key(world: SqlWorld) -> None:
    """A hold finds records by their pointer: those keep it, others of the same table lose it."""
    children(world, "invoices", "NULL", (1, 1), (2, 2), key=refers())
    work = delete(1, 2, pins=(("invoices", OneOf(field="account", values=("1",))),))
    assert blockers(world, work) == [(1, True)]
    run_through(world.store, work)
    assert rows_of(world, "SELECT * FROM invoices ORDER BY id") == [(1, 1), (2, None)]
    assert rows_of(world, "SELECT id, name FROM accounts WHERE id < 3") == [(1, None)]


def test_records_that_point_at_their_own_table_go_in_any_batch_size(world: SqlWorld) -> None:
    """A chain, a cycle, and one that stays: it loses its pointer. One row a batch, so that no statement holds them all."""
    world.run(
        "CREATE TABLE people (id integer PRIMARY KEY, boss integer NULL, FOREIGN KEY (boss) REFERENCES people(id))"
    )
    world.run("INSERT INTO people VALUES (1, NULL), (2, 1), (3, 2), (4, 4), (5, NULL), (6, 5), (7, 3)")
    world.run("UPDATE people SET boss = 6 WHERE id = 5")
    work = delete(1, 2, 3, 4, 5, 6, at="people", loosens=("people",), batch_rows=1)
    assert sum(rows for _, rows in run_through(world.store, work)) == 6
    assert rows_of(world, "SELECT * FROM people") == [(7, None)]


def test_of_a_chain_that_may_not_be_loosened_the_ends_go_first(world: SqlWorld) -> None:
    """Within one batch, from the last to the first; one that a record which stays points at stands as its key."""
    world.run(
        "CREATE TABLE people (id integer PRIMARY KEY, name varchar(20), boss integer NOT NULL, FOREIGN KEY (boss) REFERENCES people(id))"
    )
    world.run("INSERT INTO people VALUES (1, 'a', 1)")
    for row, boss in ((2, 1), (3, 2), (10, 10), (11, 10)):
        world.run(f"INSERT INTO people VALUES ({row}, 'x', {boss})")
    work = delete(1, 2, 3, 10, at="people", loosens=("people",))
    assert sum(rows for _, rows in run_through(world.store, work)) == 4
    itself = [(1, None, 1)] if isinstance(world, MariaWorld) else []  # which lets no record go that points at itself
    assert rows_of(world, "SELECT * FROM people ORDER BY id") == [*itself, (10, None, 10), (11, "x", 10)]


def test_two_tables_that_point_at_each_other_let_go(world: SqlWorld) -> None:
    """A cycle is broken by setting NULL first, whichever of the two is worked on first."""
    children(world, "invoices", "NULL", (1, 1), key=refers())
    if isinstance(world, SqliteWorld):
        world.run("ALTER TABLE accounts ADD COLUMN latest integer REFERENCES invoices(id)")
    else:
        world.run("ALTER TABLE accounts ADD COLUMN latest integer")
        world.run("ALTER TABLE accounts ADD FOREIGN KEY (latest) REFERENCES invoices(id)")
    world.run("UPDATE accounts SET latest = 1 WHERE id = 1")
    assert isinstance(world.store, Points)
    assert set(world.store.pointers_between(("accounts", "invoices", "nowhere"))) == {
        ("accounts", "invoices"),
        ("invoices", "accounts"),
    }
    assert sum(rows for _, rows in run_through(world.store, delete(1, at="invoices"))) == 1
    assert sum(rows for _, rows in run_through(world.store, delete(1))) == 1


def test_of_a_key_of_several_columns_one_null_is_enough(world: SqlWorld) -> None:
    """The column that another key shares stays; one that may not be NULL, or is part of the child's key, cannot go."""
    world.run("CREATE TABLE tenants (id integer PRIMARY KEY)")
    world.run("CREATE TABLE members (tenant integer, id integer, name varchar(20), PRIMARY KEY (tenant, id))")
    both = "FOREIGN KEY (tenant, member) REFERENCES members(tenant, id)"
    world.run(
        f"CREATE TABLE letters (id integer PRIMARY KEY, tenant integer, member integer, {both}, FOREIGN KEY (tenant) REFERENCES tenants(id))"
    )
    world.run(f"CREATE TABLE invoices (tenant integer, member integer, PRIMARY KEY (tenant, member), {both})")
    world.run(
        "INSERT INTO tenants VALUES (7); INSERT INTO members VALUES (7, 1, 'a'), (7, 2, 'b'), (7, 3, 'c');"
        "INSERT INTO letters VALUES (1, 7, 1); INSERT INTO invoices VALUES (7, 2)"
    )
    work = delete(1, 2, 3, at="members", loosens=("members", *ALL))
    assert blockers(world, work) == [(1, True)]
    assert sum(rows for _, rows in run_through(world.store, work)) == 3
    assert rows_of(world, "SELECT * FROM letters") == [(1, 7, None)]
    assert rows_of(world, "SELECT * FROM members") == [(7, 2, None)]


def test_a_trigger_that_forbids_some_records_stops_no_others(world: SqlWorld) -> None:
    """What no schema tells is found by halving the batch, named, and left; the rest goes, the count is exact."""
    world.run("".join(f"INSERT INTO accounts VALUES ({n}, '{n}@x', NULL, '', '');" for n in range(7, 60)))
    forbid(world, "OLD.id IN (9, 41)")
    world.store.prepare_receipts()
    work = delete(*range(7, 60))
    done = run_through(world.store, work, "stp_1")
    assert sum(rows for _, rows in done) == 51
    assert world.store.receipt_of(Receipt(step="stp_1", batch=1)) == 51
    assert rows_of(world, "SELECT id FROM accounts WHERE id > 6 ORDER BY id") == [(9,), (41,)]
    found = store_of(world).blockers(work)
    assert [(one.rows, one.stub) for one in found] == [(2, False)]
    assert found[0].why.startswith("2 rows of accounts: the constraint")


def test_a_table_that_lets_nothing_go_says_so_at_once(world: SqlWorld) -> None:
    """Refused again and again before anything went: the batch is given up, with the constraint's name."""
    world.run("".join(f"INSERT INTO accounts VALUES ({n}, '{n}@x', NULL, '', '');" for n in range(7, 60)))
    forbid(world, "OLD.id > 0")
    with pytest.raises(Refused, match="constraint"):
        run_through(world.store, delete(*range(1, 60)))
    assert len(rows_of(world, "SELECT id FROM accounts")) == 59


def forbid(world: SqlWorld, test: str) -> None:
    if isinstance(world, SqliteWorld):
        body = "BEGIN SELECT RAISE(ABORT, 'kept by law') WHERE " + test + "; END"
        world.run(f"CREATE TRIGGER law BEFORE DELETE ON accounts {body}")
    elif isinstance(world, PostgresWorld):
        world.ask(
            "CREATE FUNCTION law() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {test} THEN RAISE EXCEPTION 'kept by law'; END IF; RETURN OLD; END $$"
        )
        world.ask("CREATE TRIGGER law BEFORE DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION law()")
    else:
        world.ask(
            "CREATE TRIGGER law BEFORE DELETE ON accounts FOR EACH ROW "
            f"IF {test} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'kept by law'; END IF"
        )


def test_a_key_that_is_looked_at_only_at_the_end_is_found_all_the_same(postgres_world: PostgresWorld) -> None:
    """A deferred constraint trigger refuses the whole transaction: only the record that it means stays."""
    world = postgres_world
    world.run("CREATE TABLE accounts (id integer PRIMARY KEY); INSERT INTO accounts SELECT generate_series(1, 20)")
    world.ask(
        "CREATE FUNCTION law() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF OLD.id = 5 THEN RAISE EXCEPTION 'kept by law'; END IF; RETURN NULL; END $$"
    )
    world.ask(
        "CREATE CONSTRAINT TRIGGER law AFTER DELETE ON accounts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION law()"
    )
    assert sum(rows for _, rows in run_through(world.store, delete(*range(1, 21)))) == 19
    assert rows_of(world, "SELECT id FROM accounts") == [(5,)]


def test_a_batch_that_was_killed_after_it_committed_is_told_exactly(world: SqlWorld) -> None:
    """Its receipt holds what went and what became a stub; doing it again changes neither."""
    children(world, "invoices", "NOT NULL", (1, 2), (2, 3), key=refers())
    world.store.prepare_receipts()
    work = delete(1, 2, 3)
    batch, receipt = world.store.next_batch(work, None), Receipt(step="stp_1", batch=1)
    assert isinstance(batch, Batch)
    assert world.store.act(work, batch, receipt) == 3  # the caller is killed here
    again = SqlStore("gateway", store_url(world), clock=store_of(world)._clock)
    assert again.receipt_of(receipt) == 3
    assert again.act(work, batch, receipt) == 3
    assert [one.rows for one in again.blockers(work, "stp_1")] == [2]
    again.drop_receipts("stp_1")
    assert rows_of(world, "SELECT * FROM kept_receipts") == []
    again.close()


def store_url(world: SqlWorld) -> str:
    if isinstance(world, SqliteWorld):
        return f"sqlite:///{world.path}"
    return world.url if isinstance(world, MariaWorld) else world.conninfo


def test_without_receipts_stubs_are_told_of_by_who_made_them(world: SqlWorld) -> None:
    """The store remembers them for as long as its process lives."""
    children(world, "invoices", "NOT NULL", (1, 1), key=refers())
    where = OneOf(field="email", values=("p1@mail.test",))
    work = Work(deed=Deed.DELETE, at="accounts", where=where, loosens=ALL)
    run_through(world.store, work)
    assert blockers(world, work, "stp_1") == [(1, True)]


def test_anonymising_puts_nothing_or_what_leads_nowhere(world: SqlWorld) -> None:
    """NULL where it may be; else random, another one in each record; done again, nothing changes; what tells is counted."""
    kind = "varchar(36)" if isinstance(world, SqliteWorld) else "uuid"
    world.run(
        "CREATE TABLE people (id integer PRIMARY KEY, email varchar(80) NOT NULL, nick varchar(40) UNIQUE, name varchar(40), "
        f"age integer NOT NULL, device {kind} NOT NULL, short varchar(5) NOT NULL)"
    )
    for n in (1, 2, 3):
        device = f"6ba7b81{n}-9dad-41d1-80b4-00c04fd430c8"
        nick = "NULL" if n == 3 else f"'n{n}'"
        world.run(f"INSERT INTO people VALUES ({n}, 'p{n}@x', {nick}, 'P', 40, '{device}', 'ab')")
    fields = ("email", "nick", "name", "age", "device", "short")
    work = Work(
        deed=Deed.ANONYMISE, at="people", where=OneOf(field="id", values=("1", "2", "3")), fields=fields, batch_rows=2
    )
    assert world.store.measure("people", unfinished(work)).rows == 3
    assert [rows for _, rows in run_through(world.store, work)] == [2, 1]
    assert world.store.measure("people", unfinished(work)).rows == 0
    assert run_through(world.store, work) == []
    found = rows_of(world, "SELECT * FROM people ORDER BY id")
    assert [(row[0], row[3], row[4]) for row in found] == [(1, None, 0), (2, None, 0), (3, None, 0)]
    assert all(row[1].startswith("anonymised-") for row in found)
    assert len({row[1] for row in found}) == 3
    assert found[2][2] is None, "what was nothing stays nothing"
    assert found[0][2] != found[1][2]
    assert found[0][2].startswith("anonymised-")
    assert len({str(row[5]) for row in found}) == 3
    assert not any("9dad" in str(row[5]) for row in found)
    long_enough = isinstance(world, SqliteWorld)
    assert all(row[6].startswith("anonymised-") if long_enough else row[6] == "" for row in found)


def test_what_cannot_be_anonymised_is_refused_with_the_reason(world: SqlWorld) -> None:
    """A key, what others point at, and a number that has to be one of a kind."""
    world.run(
        "CREATE TABLE people (id integer PRIMARY KEY, code varchar(40) UNIQUE NOT NULL, tax integer UNIQUE NOT NULL)"
    )
    world.run(
        "CREATE TABLE notes (id integer PRIMARY KEY, code varchar(40), FOREIGN KEY (code) REFERENCES people(code))"
    )
    for field, why in (("id", "the table's key"), ("code", "what notes points at"), ("tax", "part of a unique key")):
        work = Work(deed=Deed.ANONYMISE, at="people", where=EVERYTHING, fields=(field,))
        with pytest.raises(KeptError, match=why):
            world.store.next_batch(work, None)


def test_a_table_that_nothing_points_at_has_no_blockers(world: SqlWorld) -> None:
    """Also when its own condition looks through another collection."""
    children(world, "invoices", "NULL", (1, 1), key=refers())
    mine = Through(field="account", at="accounts", to_field="id", where=OneOf(field="email", values=("p1@mail.test",)))
    work = Work(deed=Deed.DELETE, at="invoices", where=mine, loosens=ALL, order_by=TimeField(name="id"))
    assert store_of(world).blockers(work) == ()
