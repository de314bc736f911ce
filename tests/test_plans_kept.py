"""Whole plans over tables with foreign keys, on every SQL database: what stays, what is said of it, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from core.database import Database
from core.leases import Leases
from core.settings import CollectionSettings, Reference, TimeField
from ledger.log import Ledger
from plans.engine import Plans
from plans.plan import Plan
from plans.preview import preview_json, read_preview
from plans.standing import StepResult
from plans.tables import PlanState, StepState
from policies.clauses import Clause, RetentionClause, Right
from policies.cutoffs import Bound, Cutoff
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.ledger_rooms import ORIGIN, SECRET
from tests.policy_texts import policy
from tests.schema import make_tables
from tests.store_worlds import PostgresWorld, SqliteWorld
from tests.store_worlds_mariadb import MariaWorld

SqlWorld = SqliteWorld | PostgresWorld | MariaWorld
ANNA = {"email": ["anna@mail.test"]}
MADE = TimeField(name="made", zone="UTC")
CLAUSES = policy(
    "{id: closed, kind: retention, of: [account], after: account_closed, for: P30D, then: delete, "
    "except: [{of: invoice, basis: legal_obligation, for: P10Y, note: tax records}]}",
    "{id: keys, kind: retention, of: [api_key], after: account_closed, for: P60D, then: delete}",
    "{id: deletion, kind: right, right: deletion, within: P30D}",
).clauses


def collection(name: str, category: str, **more: Any) -> CollectionSettings:
    person = (Reference(field="account", to="accounts", to_field="id"),)
    return CollectionSettings(id=name, store="gateway", at=name, category=category, **{"person": person, **more})


@dataclass(kw_only=True)
class House:
    """A gateway with accounts 1 (Anna) and 2, and what is planned over it."""

    world: SqlWorld
    database: Database
    plans: Plans

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.world.ask(query)]

    def table(self, name: str, pointer: str, *rows: tuple[int, int], made: str = "2026-01-01 00:00:00") -> None:
        self.world.run(
            f"CREATE TABLE {name} (id integer PRIMARY KEY, account integer {pointer}, made varchar(30), "
            f"CONSTRAINT {name}_account FOREIGN KEY (account) REFERENCES accounts(id))"
        )
        for row, account in rows:
            self.world.run(f"INSERT INTO {name} VALUES ({row}, {account}, '{made}')")

    def deletion(self) -> Plan:
        return self.plans.draft_request(
            ref="K7F3Q-2MXB", version=1, clauses=CLAUSES, right=Right.DELETION, identifiers=ANNA
        )[0]

    def approved(self, plan: Plan) -> Plan:
        self.plans.store(plan)
        self.plans.preview(plan.id)
        self.plans.approve(plan.id, by="opr_1", reason="proven")
        return plan

    def foreseen(self, plan: Plan, name: str) -> tuple[str, ...]:
        seen = self.plans.load(plan.id).preview
        assert seen is not None
        assert read_preview(preview_json(seen)) == seen
        return next(row.blockers for row in seen.rows if row.collection == name)

    def run(self, plan: Plan) -> dict[str, StepResult]:
        return {step.collection: step for step in self.plans.run(plan.id).steps}


@pytest.fixture
def house(sql_world: SqlWorld, tmp_path: Path) -> Iterator[House]:
    sql_world.run(
        "CREATE TABLE accounts (id integer PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, name varchar(40), closed varchar(30));"
        "INSERT INTO accounts VALUES (1, 'anna@mail.test', 'Anna', NULL);"
        "INSERT INTO accounts VALUES (2, 'ben@mail.test', 'Ben', NULL)"
    )
    sql_world.store._clock = SystemClock()  # type: ignore[attr-defined]
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    clock = SystemClock()
    leases = Leases(database, clock)
    datamap = DataMap(
        (
            collection(
                "accounts",
                "account",
                person=(),
                identifies={"email": "email", "account": "id"},
                events={"account_closed": TimeField(name="closed", zone="UTC")},
            ),
            collection("api_keys", "api_key"),
            collection("invoices", "invoice", time=MADE),
        ),
        {"gateway": sql_world.store},
    )
    plans = Plans(database, clock, Ledger(database, clock, leases, secret=SECRET, origin=ORIGIN), leases, datamap)
    yield House(world=sql_world, database=database, plans=plans)
    database.close()


def test_an_invoice_that_a_duty_keeps_loses_its_pointer_and_the_account_goes(house: House) -> None:
    """The pointer may be NULL: nothing of the account is left, and the preview foresaw nothing in the way."""
    house.table("invoices", "NULL", (1, 1), (2, 2))
    house.table("api_keys", "NOT NULL", (1, 1))
    plan = house.approved(house.deletion())
    assert [step.collection for step in plan.steps][-1] == "accounts"
    assert house.foreseen(plan, "accounts") == ()
    steps = house.run(plan)
    assert house.plans.load(plan.id).state is PlanState.DONE
    assert (steps["accounts"].state, steps["accounts"].rows) == (StepState.DONE, 1)
    assert house.ask("SELECT id, account FROM invoices ORDER BY id") == [(1, None), (2, 2)]
    assert house.ask("SELECT id FROM accounts") == [(2,)]
    assert house.ask("SELECT * FROM api_keys") == []


def test_where_it_may_not_be_null_the_account_stands_as_its_key_and_the_request_is_done(house: House) -> None:
    """E-mail and name are gone; the step says how many stand so and why, and the plan is finished."""
    house.table("invoices", "NOT NULL", (1, 1))
    house.table("api_keys", "NOT NULL", (1, 1))
    plan = house.approved(house.deletion())
    (word,) = house.foreseen(plan, "accounts")
    assert word.startswith("1 rows of accounts stay as their key alone: invoices points at them (key invoices")
    steps = house.run(plan)
    assert house.plans.load(plan.id).state is PlanState.DONE
    told = steps["accounts"]
    assert (told.state, told.rows, told.remaining) == (StepState.LEFT, 1, 1)
    assert told.note == (
        "1 rows of accounts stand as their key alone: kept records of api_keys or invoices point at them"
    )
    ((email, name),) = house.ask("SELECT email, name FROM accounts WHERE id = 1")
    assert email.startswith("anonymised-")
    assert name is None
    assert house.ask("SELECT id, account FROM invoices") == [(1, 1)]


def test_a_table_that_is_not_mapped_keeps_the_request_open_and_is_named(house: House) -> None:
    """Nothing is lost and nothing claimed: once its rows are gone, the same plan finishes."""
    house.table("invoices", "NULL", (1, 1))
    house.table("api_keys", "NULL")
    house.table("notes", "NULL", (1, 1))
    plan = house.approved(house.deletion())
    (word,) = house.foreseen(plan, "accounts")
    assert word.startswith("1 rows of accounts are pointed at by notes (key notes")
    told = house.run(plan)["accounts"]
    assert told.state is StepState.FAILED
    assert "1\u00a0record of accounts cannot go yet: 1 rows of accounts are pointed at by notes" in told.error
    assert house.ask("SELECT name FROM accounts WHERE id = 1") == [("Anna",)]
    house.world.run("DELETE FROM notes")
    assert house.run(plan)["accounts"].state is StepState.DONE
    assert house.plans.load(plan.id).state is PlanState.DONE


def test_a_record_under_a_hold_keeps_its_pointer_and_stays_held(house: House) -> None:
    """Were its pointer set NULL, the hold on the person would no longer find it."""
    house.table("invoices", "NULL", (1, 1), (2, 2), made="2000-01-01 00:00:00")
    house.table("api_keys", "NULL")
    house.plans.holds.add(by="opr_1", reason="case 7", collection="invoices", person={"account": ["1"]})
    plan = house.approved(house.deletion())
    assert "under a hold" in house.foreseen(plan, "accounts")[0]
    steps = house.run(plan)
    assert (steps["invoices"].state, steps["invoices"].remaining) == (StepState.LEFT, 1)
    assert steps["accounts"].state is StepState.LEFT
    assert house.ask("SELECT id, account FROM invoices ORDER BY id") == [(1, 1), (2, 2)]
    assert house.ask("SELECT id, name FROM accounts WHERE id = 1") == [(1, None)]


def test_records_that_a_declared_key_points_at_go_after_those_that_point(house: House) -> None:
    """Also where the map's references do not say so; the account comes last."""
    house.world.run(
        "CREATE TABLE carts (id integer PRIMARY KEY, account integer NOT NULL, FOREIGN KEY (account) REFERENCES accounts(id));"
        "CREATE TABLE articles (id integer PRIMARY KEY, owner varchar(80), cart integer NOT NULL, FOREIGN KEY (cart) REFERENCES carts(id));"
        "INSERT INTO carts VALUES (5, 1); INSERT INTO articles VALUES (9, 'anna@mail.test', 5)"
    )
    articles = collection("articles", "account", person=(), identifies={"email": "owner"})
    carts = collection("carts", "account")
    accounts = house.plans.datamap.collection("accounts")
    house.plans.datamap = DataMap((articles, accounts, carts), house.plans.datamap.stores)
    plan = house.approved(house.deletion())
    assert [step.collection for step in plan.steps] == ["articles", "carts", "accounts"]
    first, second, last = plan.steps
    assert (first.after, second.after, set(last.after)) == ((), (first.id,), {second.id})
    assert {step.state for step in house.run(plan).values()} == {StepState.DONE}


def sweep_of(house: House, name: str, days: int, clauses: tuple[Clause, ...] = CLAUSES) -> Plan:
    clause = next(one for one in clauses if one.id == name)
    assert isinstance(clause, RetentionClause)
    now = datetime.now(UTC)
    bound = Bound(record_before=None, event="account_closed", event_before=now - timedelta(days=days), version=1)
    cutoffs = {category: Cutoff(clause_id=name, now=now, bounds=(bound,)) for category in clause.of}
    return house.plans.draft_sweep(clause=clause, cutoffs=cutoffs, version=1, now=now, clauses=clauses)


def test_a_swept_account_waits_for_records_whose_time_is_told_by_it(house: House) -> None:
    """Keys go 60 days after the account closed, and only the account says when that was: it is left, with the reason."""
    house.table("api_keys", "NULL", (1, 1))
    house.table("invoices", "NULL", (1, 1), (2, 2))
    long_ago = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m-%d %H:%M:%S")
    house.world.run(f"UPDATE accounts SET closed = '{long_ago}'")
    plan = house.approved(sweep_of(house, "closed", 30))
    assert set(plan.steps[0].loosens) == {"accounts", "invoices"}
    told = house.run(plan)["accounts"]
    assert (told.state, told.rows, told.remaining) == (StepState.LEFT, 1, 1)
    assert told.note.startswith("1 rows of accounts are pointed at by api_keys (key api_keys")
    assert house.plans.load(plan.id).state is PlanState.DONE
    assert house.ask("SELECT id FROM accounts") == [(1,)]
    assert house.ask("SELECT id, account FROM invoices ORDER BY id") == [(1, 1), (2, None)]


def test_a_run_that_is_taken_up_again_counts_each_record_once(house: House) -> None:
    """Killed after its batch was committed and before the count was stored: its receipt tells both numbers."""
    house.table("invoices", "NOT NULL", (1, 1))
    house.table("api_keys", "NULL")
    plan = house.approved(house.deletion())
    store = house.world.store
    assert isinstance(store, SqlStore)
    act = store.act

    def die(*given: Any) -> int:
        act(*given)
        raise KeyboardInterrupt

    store.act = die  # type: ignore[method-assign, assignment]
    for _ in range(3):  # one step after the other dies so
        with pytest.raises(KeyboardInterrupt):
            house.plans.run(plan.id)
        if house.ask("SELECT id FROM accounts WHERE name IS NULL"):
            break
    store.act = act  # type: ignore[method-assign]
    told = house.run(plan)["accounts"]
    assert (told.state, told.rows, told.remaining, told.settled) == (StepState.LEFT, 1, 1, 0)
    assert house.ask("SELECT * FROM kept_receipts") == []
