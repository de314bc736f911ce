"""Finding a person: several accounts, merged ones, circles, chains, shared values and shared records, stores that do not answer."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, KeptError
from core.settings import CollectionSettings, Reference
from plans.finding import find
from plans.identifying import MOST_RECORDS
from plans.lanes import Ask, ask_all
from plans.people import Found, NeedsReview, clean_identifiers, linked_identifiers
from plans.plan import Plan, StepDeed, plan_json, read_plan
from plans.questions import NO_RULINGS, Choice, Matter, Ruling, Rulings
from plans.tables import PlanState
from policies.clauses import Right
from stores.contract import Store, StoreUnreachable
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.ledger_rooms import StandingClock
from tests.plan_rooms import ANNA, CLAUSES, COLLECTIONS, NOW, Gateway, Rooms, ago, make_gateway, wire
from tests.schema import make_tables

ACCOUNTS = COLLECTIONS[0]
TALKS = """
CREATE TABLE talks (id INTEGER PRIMARY KEY, first TEXT, second TEXT);
CREATE TABLE lines (id INTEGER PRIMARY KEY, talk INTEGER, body TEXT);
CREATE TABLE members (id INTEGER PRIMARY KEY, user_id TEXT, team TEXT);
CREATE TABLE bills (id INTEGER PRIMARY KEY, team TEXT, amount TEXT);
CREATE TABLE addresses (id INTEGER PRIMARY KEY, user_id TEXT, email TEXT);
"""


def collection(name: str, person: Mapping[str, str], **given: Any) -> CollectionSettings:
    """A collection of the gateway whose fields refer to those of others."""
    ways = tuple(
        Reference(field=field, to=target.split(".")[0], to_field=target.split(".")[1])
        for field, target in person.items()
    )
    return CollectionSettings(id=name, store="gateway", at=name, category=name, person=ways, **given)


SHARED = (
    ACCOUNTS,
    collection("talks", {"first": "accounts.id", "second": "accounts.id"}),
    collection("lines", {"talk": "talks.id"}),
    collection("members", {"user_id": "accounts.id"}),
    collection("bills", {"team": "members.team"}),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Finding is a matter of the host's stores: one kind of control database will do."""
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = make_gateway(tmp_path / "host", requests=20)
    for statement in filter(str.strip, TALKS.split(";")):
        made.run(statement)
    made.run(
        "INSERT INTO talks VALUES (?, ?, ?)", [(1, "u1", None), (2, "u1", "u2"), (3, "u2", "u1"), (4, "u1", "gone")]
    )
    made.run("INSERT INTO lines VALUES (?, ?, 'hello')", [(1, 1), (2, 2), (3, 2), (4, 4)])
    made.run("INSERT INTO members VALUES (?, ?, ?)", [(1, "u1", "red"), (2, "u2", "red"), (3, "u1", "own")])
    made.run("INSERT INTO bills VALUES (?, ?, '9')", [(1, "red"), (2, "own"), (3, "red")])
    return made


def shared_rooms(database: Database, gateway: Gateway, collections: Sequence[CollectionSettings] = SHARED) -> Rooms:
    rooms = wire(database, gateway, collections=collections)
    rooms.publish(*CLAUSES)
    return rooms


def draft(rooms: Rooms, right: Right, rulings: Rulings = NO_RULINGS, who: Mapping[str, Sequence[str]] = ANNA) -> Plan:
    return rooms.draft(right, who, ref="T-1", rulings=rulings)


def run(rooms: Rooms, plan: Plan) -> PlanState:
    return rooms.plans.run(rooms.approve(plan)).state


def rows_of(found: Found) -> dict[str, int | None]:
    return {place.collection: place.rows for place in found.collections}


def take(found: Found, matter: Matter, choice: Choice, *picked: str) -> dict[str, Ruling]:
    return {one.id: Ruling(choice=choice, picked=picked) for one in found.questions if one.matter is matter}


# -- whose an identifier is


@pytest.mark.parametrize("value", ["test@example.com", "null", " N/A "])
def test_what_everybody_types_is_followed_only_once_a_person_takes_it(
    database: Database, gateway: Gateway, value: str
) -> None:
    """It stops for a decision: taken, it finds; left out, nobody is found by it, and with no other identifier that is said."""
    gateway.run("UPDATE users SET email = ? WHERE id = 'u1'", [(value.strip(),)])
    datamap = wire(database, gateway).datamap
    found = find(datamap, {"email": [value]})
    (question,) = found.questions
    assert (found.collections, question.matter, question.choices) == (
        (), Matter.IDENTIFIER, (Choice.TAKE, Choice.SKIP),
    )  # fmt: skip
    taken = find(datamap, {"email": [value]}, rulings=take(found, Matter.IDENTIFIER, Choice.TAKE))
    assert (rows_of(taken)["accounts"], taken.questions) == (1, ())
    skipped = take(found, Matter.IDENTIFIER, Choice.SKIP)
    with pytest.raises(NeedsReview, match="left out"):
        find(datamap, {"email": [value]}, rulings=skipped)
    other = find(datamap, {"email": [value], "user_id": ["u2"]}, rulings=skipped)
    assert other.identifiers == {"user_id": ("u2",)}


def test_an_empty_value_is_nobodys(database: Database, gateway: Gateway) -> None:
    """Neither '' nor blanks nor no value at all ever match."""
    datamap = wire(database, gateway).datamap
    for values in (["  "], [""], []):
        with pytest.raises(BadInput):
            find(datamap, {"email": values})


def test_an_address_on_many_accounts_waits_and_the_others_are_followed(database: Database, gateway: Gateway) -> None:
    """More than twenty accounts under one value are no one person's until somebody says so."""
    gateway.run("INSERT INTO users VALUES (?, 'desk@mail.test', ?, NULL)", [(f"d{n}", ago(1)) for n in range(21)])
    datamap = wire(database, gateway).datamap
    who = {"email": ["desk@mail.test", "anna@mail.test"]}
    found = find(datamap, who)
    (question,) = found.questions
    assert (question.rows, question.value, rows_of(found)["accounts"]) == (21, "desk@mail.test", 1)
    assert {(match.value, match.rows) for match in found.matches} == {("desk@mail.test", 21), ("anna@mail.test", 1)}
    several = find(datamap, who, rulings=take(found, Matter.IDENTIFIER, Choice.TAKE))
    assert rows_of(several)["accounts"] == 22


def test_an_identifier_of_a_hundred_thousand_records_waits(database: Database, gateway: Gateway) -> None:
    """Where records name the person themselves, so many of them may well be of many people."""
    gateway.run("CREATE TABLE letters (id INTEGER PRIMARY KEY, email TEXT)")
    gateway.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO letters (email) SELECT 'anna@mail.test' FROM n",
        [(MOST_RECORDS,)],
    )
    letters = collection("letters", {}, identifies={"email": "email"})
    datamap = wire(database, gateway, collections=[*COLLECTIONS, letters]).datamap
    found = find(datamap, ANNA)
    (question,) = found.questions
    assert (question.rows, found.collections) == (MOST_RECORDS, ())
    taken = find(datamap, ANNA, rulings=take(found, Matter.IDENTIFIER, Choice.TAKE))
    assert rows_of(taken)["letters"] == MOST_RECORDS


def test_two_accounts_under_one_address_are_taken_or_told_apart(database: Database, gateway: Gateway) -> None:
    """A couple with one mailbox: all is shown, and nothing approved before somebody says whose the accounts are; a third
    account makes it a new question."""
    gateway.run("UPDATE users SET email = 'anna@mail.test' WHERE id = 'u2'")
    datamap = wire(database, gateway).datamap
    found = find(datamap, ANNA)
    (question,) = found.questions
    assert (question.matter, question.options) == (Matter.ACCOUNTS, ("u1", "u2"))
    assert rows_of(found)["accounts"] == 2
    one = find(datamap, ANNA, rulings=take(found, Matter.ACCOUNTS, Choice.TAKE, "u2"))
    assert (rows_of(one)["accounts"], rows_of(one)["api-keys"], one.questions) == (1, 1, ())
    both = take(found, Matter.ACCOUNTS, Choice.TAKE)
    assert find(datamap, ANNA, rulings=both).questions == ()
    gateway.run("UPDATE users SET email = 'anna@mail.test' WHERE id = 'u3'")
    assert len(find(datamap, ANNA, rulings=both).questions) == 1


# -- references both ways


def test_merged_accounts_are_one_person_along_a_chain_and_both_ways(database: Database, gateway: Gateway) -> None:
    """u3 was merged into u2 and u2 into u1: whichever is proven, all three are found, and their records with them."""
    gateway.run("ALTER TABLE users ADD COLUMN merged_into TEXT")
    gateway.run("UPDATE users SET merged_into = ? WHERE id = ?", [("u1", "u2"), ("u2", "u3")])
    both_ways = (
        Reference(field="merged_into", to="accounts", to_field="id"),
        Reference(field="id", to="accounts", to_field="merged_into"),
    )
    merged = (replace(ACCOUNTS, person=both_ways), *COLLECTIONS[1:])
    datamap = wire(database, gateway, collections=merged).datamap
    for proven in ("anna@mail.test", "ben@mail.test"):
        found = find(datamap, {"email": [proven]})
        assert (rows_of(found)["accounts"], rows_of(found)["api-keys"], found.questions) == (3, 5, ())
        # A hold on any of them keeps them all.
        assert set(linked_identifiers(datamap, clean_identifiers({"email": [proven]}))["user_id"]) == {"u1", "u2", "u3"}


def test_one_of_three_addresses_finds_the_account_and_the_other_two(database: Database, gateway: Gateway) -> None:
    """Account and addresses refer to each other: the circle is gone round until nothing new turns up, and ends."""
    gateway.run(
        "INSERT INTO addresses VALUES (?, ?, ?)",
        [
            (1, "u1", "anna@mail.test"),
            (2, "u1", "a.quill@work.test"),
            (3, "u1", "old@mail.test"),
            (4, "u2", "b@x.test"),
        ],
    )
    circle = (
        collection("addresses", {"user_id": "accounts.id"}, identifies={"email": "email"}),
        replace(ACCOUNTS, person=(Reference(field="id", to="addresses", to_field="user_id"),)),
        *COLLECTIONS[1:4],
    )
    for order in (circle, (circle[1], circle[0], *circle[2:])):
        rooms = (
            shared_rooms(database, gateway, order) if order is circle else wire(database, gateway, collections=order)
        )
        found = find(rooms.datamap, {"email": ["old@mail.test"]})
        assert rows_of(found) == {"accounts": 1, "addresses": 3, "api-keys": 4, "requests": 20, "invoices": 2}
    plan = draft(shared_rooms(database, gateway, circle), Right.DELETION, who={"email": ["old@mail.test"]})
    assert run(rooms, plan) is PlanState.DONE
    assert (gateway.values("SELECT id FROM addresses"), gateway.count("users")) == ([4], 2)


# -- shared records


def test_records_of_two_and_of_a_team_are_marked_and_their_parts_too(database: Database, gateway: Gateway) -> None:
    """Two references to two people, a team's bill, a line of such a talk; a pointer at nobody makes no record shared."""
    found = find(shared_rooms(database, gateway).datamap, ANNA)
    shared = {place.collection: (place.rows, place.shared_rows) for place in found.collections}
    assert shared == {"accounts": (1, 0), "talks": (4, 2), "lines": (4, 2), "members": (2, 0), "bills": (3, 2)}


@pytest.mark.parametrize(("server", "quote"), [("postgres", '"'), ("mariadb", "`")])
def test_servers_tell_the_same_of_shared_records(
    gateway: Gateway, server: str, quote: str, request: pytest.FixtureRequest
) -> None:
    """Semijoins into records of others, and back: what SQLite says, PostgreSQL and MariaDB say too."""
    with request.getfixturevalue(server).fresh_database() as url:
        copy_tables(gateway, url, quote)
        store = SqlStore("gateway", url, clock=StandingClock(NOW))
        found = find(DataMap([replace(one, time=None, events={}) for one in SHARED], {"gateway": store}), ANNA)
        store.close()
    assert {place.collection: (place.rows, place.shared_rows) for place in found.collections} == {
        "accounts": (1, 0), "talks": (4, 2), "lines": (4, 2), "members": (2, 0), "bills": (3, 2),
    }  # fmt: skip


def copy_tables(gateway: Gateway, url: str, quote: str) -> None:
    """What of the gateway the shared collections need, on a server."""
    tables = {"users": "id, email", "talks": "id, first, second", "lines": "id, talk", "members": "id, user_id, team"}
    engine = sa.create_engine(url)
    with engine.begin() as connection, closing(sqlite3.connect(gateway.path)) as host:
        for table, columns in {**tables, "bills": "id, team"}.items():
            names, at = columns.split(", "), f"{quote}{table}{quote}"
            kinds = ", ".join(f"{name} varchar(20)" for name in names)
            connection.execute(sa.text(f"CREATE TABLE {at} ({kinds}, PRIMARY KEY (id))"))
            rows = [dict(zip(names, row, strict=True)) for row in host.execute(f"SELECT {columns} FROM {table}")]
            marks = ", ".join(f":{name}" for name in names)
            connection.execute(sa.text(f"INSERT INTO {at} VALUES ({marks})"), rows)
    engine.dispose()


def test_nothing_shared_goes_before_somebody_decided(database: Database, gateway: Gateway) -> None:
    """The plan asks for each collection, and takes only what is the person's alone; redacting is offered where a field leads
    to the person, which a team's does not."""
    plan = draft(shared_rooms(database, gateway), Right.DELETION)
    asked = {one.subject: one.choices for one in plan.questions}
    every = (Choice.KEEP, Choice.REDACT, Choice.DELETE)
    assert asked == {"talks": every, "lines": every, "bills": (Choice.KEEP, Choice.DELETE)}
    assert read_plan(plan_json(plan)) == plan
    assert "questions" not in plan_json(replace(plan, questions=())), "plans of an earlier release keep their digest"


def test_shared_records_are_kept_redacted_or_deleted_as_decided(database: Database, gateway: Gateway) -> None:
    """Kept: as they are, with the reason for the person. Redacted: what leads to the person goes, the other one stays.
    Deleted: with the rest."""
    rooms = shared_rooms(database, gateway)
    rulings = {
        "shared:talks:deletion": Ruling(choice=Choice.REDACT),
        "shared:lines:deletion": Ruling(choice=Choice.KEEP),
        "shared:bills:deletion": Ruling(choice=Choice.DELETE),
    }
    plan = draft(rooms, Right.DELETION, rulings)
    assert plan.questions == ()
    assert {(stay.collection, stay.basis) for stay in plan.stays} == {("talks", ""), ("lines", "")}
    assert [step.fields for step in plan.steps if step.deed is StepDeed.ANONYMISE] == [("first",), ("second",)]
    assert run(rooms, plan) is PlanState.DONE
    with_ben = gateway.values("SELECT id || coalesce(first, '-') || coalesce(second, '-') FROM talks ORDER BY id")
    assert with_ben == ["2-u2", "3u2-"]
    assert gateway.values("SELECT id FROM lines") == [2, 3]
    assert gateway.count("bills") == 0
    assert (gateway.values("SELECT user_id FROM members"), gateway.count("users")) == (["u2"], 2)


def test_a_copy_leaves_out_what_is_shared_or_gives_it_as_decided(database: Database, gateway: Gateway) -> None:
    """Nothing about anybody else goes out without a decision."""
    rooms = shared_rooms(database, gateway)
    for choice, expected in ((Choice.LEAVE_OUT, 2), (Choice.GIVE, 4)):
        plan = draft(
            rooms, Right.ACCESS, {f"shared:{one}:copy": Ruling(choice=choice) for one in ("talks", "lines", "bills")}
        )
        preview = rooms.plans.look(plan)
        talks = next(row for row in preview.rows if row.collection == "talks")
        assert (plan.questions, talks.rows) == ((), expected)
        assert {stay.collection for stay in plan.stays} == ({"talks", "lines", "bills"} if expected == 2 else set())


# -- stores


class Dead(SqlStore):
    """A store that nobody reaches."""

    def measure(self, *given: Any, **named: Any) -> Any:
        raise StoreUnreachable("The store dead did not answer.")


def test_a_store_that_is_down_blocks_only_its_own_step(database: Database, gateway: Gateway) -> None:
    """The plan is made with all the others; what the dead one holds is blocked, never nothing found."""
    rooms = wire(database, gateway, collections=[*COLLECTIONS[:4], replace(COLLECTIONS[2], id="dead", store="dead")])
    rooms.publish(*CLAUSES)
    dead = Dead("dead", f"sqlite:///{gateway.path}", clock=rooms.clock)
    rooms.datamap.stores["dead"] = dead  # type: ignore[index]
    seen = rooms.plans.look(draft(rooms, Right.ACCESS))
    blocked = {row.collection: bool(row.blocked) for row in seen.rows}
    assert blocked == {"accounts": False, "api-keys": False, "requests": False, "invoices": False, "dead": True}


def test_a_store_that_hangs_is_left_behind_and_asked_nothing_more() -> None:
    """Every answer of the others is there; the one that hangs, and what was to be asked after it, did not answer."""
    gate, asked = threading.Event(), list[str]()

    def hang() -> str:
        gate.wait(60)
        return "too late"

    def after() -> str:
        asked.append("after")
        return "after"

    asks = [Ask(store="dead", call=hang), Ask(store="dead", call=after)]
    try:
        answers = ask_all([*asks, *(Ask(store="fine", call=lambda: "fine") for _ in range(5))], patience=1)
    finally:
        gate.set()
    assert answers[2:] == ["fine"] * 5
    assert [str(one) for one in answers[:2]] == [
        "The store dead did not answer within 1 s. Look whether it is up, then look again."
    ] * 2
    assert asked == []


def test_stores_are_asked_at_once_and_each_one_thing_at_a_time() -> None:
    """Two stores meet in the middle, which they only can at the same time; a store's own questions never overlap."""
    meet, open_ones, most = threading.Barrier(2, timeout=10), [0], [0]

    def own() -> str:
        open_ones[0] += 1
        most[0] = max(most[0], open_ones[0])
        time.sleep(0.001)
        open_ones[0] -= 1
        return "own"

    def met() -> str:
        meet.wait()
        return "met"

    def fails() -> str:
        raise StoreUnreachable("down")

    asks = [Ask(store="a", call=met), Ask(store="b", call=met), *(Ask(store="c", call=own) for _ in range(20))]
    answers = ask_all([*asks, Ask(store="a", call=fails)])
    assert answers[:3] == ["met", "met", "own"]
    assert (most, str(answers[-1])) == ([1], "down")


def test_a_store_that_cannot_lead_on_is_named_and_the_others_are_looked_into(
    database: Database, gateway: Gateway
) -> None:
    """The accounts' table was renamed: what is found through them cannot be, and that is said of each place, with no error
    that hides the rest."""
    letters = collection("addresses", {}, identifies={"email": "email"})
    gateway.run("INSERT INTO addresses VALUES (1, 'u1', 'anna@mail.test')")
    rooms = wire(database, gateway, collections=[*COLLECTIONS, letters])
    gateway.run("ALTER TABLE users RENAME TO people")
    found = find(rooms.datamap, ANNA)
    assert [(one.matter, one.subject, one.choices) for one in found.questions if one.of == ""] == [
        (Matter.UNREACHED, "request-days", ())
    ]
    assert rows_of(found)["addresses"] == 1
    assert rows_of(found)["accounts"] is None


class Counted:
    """Counts what a store is asked."""

    def __init__(self, store: Store) -> None:
        self._store, self.asked = store, list[str]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def counted(*given: Any, **named: Any) -> Any:
            self.asked.append(name)
            return found(*given, **named)

        return counted


def test_a_hundred_collections_in_ten_stores_take_few_questions(database: Database, gateway: Gateway) -> None:
    """Of each store: one count a collection for the preview, one for what is proven, and the values that lead on once a
    store and not once a collection."""
    collections = [ACCOUNTS]
    for number in range(99):
        store = f"s{number % 9}"
        collections.append(replace(COLLECTIONS[2], id=f"log-{number}", store=store))
    stores: dict[str, Any] = {}
    rooms = wire(database, gateway)
    rooms.publish(*CLAUSES)
    for name in ("gateway", *(f"s{n}" for n in range(9))):
        stores[name] = Counted(SqlStore(name, f"sqlite:///{gateway.path}", clock=rooms.clock))
    rooms.plans.datamap = DataMap(collections, stores)
    plan = draft(rooms, Right.ACCESS)
    seen = rooms.plans.look(plan)
    assert (len(plan.steps), seen.total) == (100, 99 * 20 + 1)
    asked = [one for store in stores.values() for one in store.asked]
    counts = {name: asked.count(name) for name in set(asked)}
    assert counts == {"measure": 101, "values": 1, "shape": 1}


# -- emptied


def test_a_collection_that_came_back_empty_is_no_answer(database: Database, gateway: Gateway) -> None:
    """Renamed and made anew, it holds nothing: blocked, with the question, until a person says it is rightly so."""
    rooms = wire(database, gateway)
    rooms.publish(*CLAUSES)
    rooms.sweeps.approve("invoices", by="opr_1", reason="looked")  # saw two, and deleted one
    gateway.run("ALTER TABLE invoices RENAME TO invoices_old")
    gateway.run("CREATE TABLE invoices (id INTEGER PRIMARY KEY, user_id TEXT, issued_at TEXT NOT NULL)")
    plan = draft(rooms, Right.ACCESS)
    (blocked,) = rooms.plans.look(plan).blocked
    assert blocked.startswith("invoices came back empty; on 2026-11-21 it held records")
    said = {"empty:invoices": Ruling(choice=Choice.EMPTY)}
    assert rooms.plans.look(plan, rulings=said).blocked == ()


def test_what_a_sweep_emptied_is_rightly_empty(database: Database, gateway: Gateway) -> None:
    """Nothing is asked about a collection that our own work left with nothing."""
    gateway.run("DELETE FROM invoices WHERE id = 1")
    rooms = wire(database, gateway)
    rooms.publish(*CLAUSES)
    rooms.sweeps.approve("invoices", by="opr_1", reason="looked")
    assert gateway.count("invoices") == 0
    assert rooms.plans.look(draft(rooms, Right.ACCESS)).blocked == ()


def test_a_renamed_table_blocks_and_is_never_nothing_found(database: Database, gateway: Gateway) -> None:
    """The store answers, and has no such table: the step says so, and no approval can be given."""
    rooms = wire(database, gateway)
    rooms.publish(*CLAUSES)
    gateway.run("ALTER TABLE invoices RENAME TO invoices_old")
    (blocked,) = rooms.plans.look(draft(rooms, Right.DELETION)).blocked
    assert "invoices" in blocked


def test_questions_tell_no_identifier(database: Database, gateway: Gateway) -> None:
    """What a question says, and its id, may stand in logs; the value stands apart."""
    gateway.run("INSERT INTO users VALUES (?, 'anna@mail.test', ?, NULL)", [(f"d{n}", ago(1)) for n in range(21)])
    (question,) = find(wire(database, gateway).datamap, ANNA).questions
    assert question.value == "anna@mail.test"
    assert "anna" not in f"{question!r} {question.id} {question.why} {question.remedy}"


def test_errors_that_are_not_a_stores_are_raised() -> None:
    """A mistake of ours is no answer of a store."""

    def wrong() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_all([Ask(store="a", call=wrong), Ask(store="b", call=lambda: "fine")])
    assert isinstance(ask_all([Ask(store="a", call=lambda: (_ for _ in ()).throw(KeptError("no")))])[0], KeptError)
