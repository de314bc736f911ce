"""Recipes: what is refused in one and on which line, other ways of asking than Stripe's, and a deletion that spans a
database and a vendor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import ConfigurationError, KeptError
from core.http_line import Line
from core.settings import CollectionSettings, Reference
from core.settings_file import load_settings
from plans.build import build_sweep
from plans.engine import Plans
from plans.plan import StepDeed
from plans.tables import PlanState, StepState
from policies.clauses import Action, RetentionClause, Right
from policies.cutoffs import Bound, Cutoff
from stores.conditions import OneOf
from stores.contract import Deed, Work
from stores.datamap import DataMap
from stores.http import HttpStore
from stores.http_client import HttpClient, Key
from stores.http_recipe_file import find_recipe, load_recipe
from tests.plan_rooms import CLAUSES, COLLECTIONS, make_gateway, wire
from tests.schema import make_tables
from tests.servers_http import KEY, Fails, Helpdesk, customer, run_vendor
from tests.store_worlds import NOW, FixedClock, run_through

HELPDESK = """\
recipe: helpdesk
base: https://desk.vendor.test
auth: {kind: basic}
ping: {get: /api/linked}
objects:
  people:
    key: no
    fields: {no: no, mail: contact.mail, nick: nick?}
    find:
      mail:
        - get: /api/people
          query: {mail: "{value}"}
          items: results.people
          pages: {kind: number, send: page}
        - get: /api/linked
          items: results.people
          pages: {kind: link, next: links.next}
    read: {get: "/api/people/{key}", item: person}
    not_found: {statuses: [404, 410]}
    erase: {delete: "/api/people/{key}", at_once: 3}
"""
DESK = OneOf(field="mail", values=("desk@mail.test",))
STRIPE = CollectionSettings(
    id="stripe-customers",
    store="billing",
    at="customers",
    category="account",
    identifies={"email": "email"},
    person=(Reference(field="id", to="accounts", to_field="stripe_id"),),
)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Database]:
    """A control database; what is tested here does not depend on its kind."""
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


def write(folder: Path, text: str) -> Path:
    path = folder / "helpdesk.yaml"
    path.write_text(text)
    return path


def open_over(base: str, recipe: Path, key: Key) -> HttpStore:
    clock = FixedClock()
    line = Line(base, allow=("http", "private"))
    client = HttpClient("desk", load_recipe(recipe), line, key, clock=clock, pause=lambda _: None)
    return HttpStore("desk", client, clock=clock)


def test_pages_by_number_and_by_address_and_one_request_for_each_record(tmp_path: Path) -> None:
    """A vendor of another kind needs another recipe and no program."""
    desk = Helpdesk()
    with run_vendor(vendor=desk) as (_, base):
        store = open_over(base, write(tmp_path, HELPDESK), Key(secret="pass:word", user="kept"))
        assert [record["no"] for record in store.records("people", DESK)] == [1, 2, 3, 4, 5]
        assert len([one for one in desk.asked if one.path == "/api/linked"]) == 3
        work = Work(deed=Deed.DELETE, at="people", where=DESK)
        batch = store.next_batch(work, None)
        assert batch is not None
        desk.people.pop("1")  # somebody else was faster
        assert store.act(work, batch) == 3
        assert store.act(work, batch) == 3  # done again after a kill: the same three
        assert [rows for _, rows in run_through(store, work)] == [2]
        assert desk.people == {}
        desk.people = {str(n): {"no": n, "contact": {"mail": "x@mail.test"}} for n in range(1, 4)}
        desk.link_host = "http://elsewhere.test"
        with pytest.raises(KeptError, match="at another host"):
            store.measure("people", DESK)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("auth: {kind: basic}", "auth: {kind: magic}", 3, "auth.kind"),
        ("auth: {kind: basic}", "auth: {kind: header}", 3, "needs `header:`"),
        ("base: https://desk.vendor.test", "bass: x", 2, "no such key"),
        ("/api/people\n", "api/people\n", 11, "begins with /"),
        ("{mail: \"{value}\"}", "{mail: \"{values}\"}", 11, "{values} is no place"),
        ("{mail: \"{value}\"}", "{mail: \"{value:shell}\"}", 11, "there is only quoted"),
        ("{kind: number, send: page}", "{kind: number}", 14, "needs `send:`"),
        ("key: no\n", "key: id\n", 6, "'id' is none of its fields"),
        ("contact.mail", "contact..mail", 8, "dots between"),
        ("{delete: \"/api/people/{key}\", at_once: 3}", "{at_once: 3}", 20, "either one request"),
        ("{get: \"/api/people/{key}\", item: person}", "{item: person}", 18, "exactly one of"),
        ("statuses: [404, 410]", "statuses: [500]", 19, "statuses"),
    ],
)  # fmt: skip
def test_a_recipe_is_refused_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    """What was found, where it stands and what is allowed; a recipe that is wrong sends nothing."""
    assert HELPDESK.count(old) >= 1
    path = write(tmp_path, HELPDESK.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as refused:
        load_recipe(path)
    lines = [one for one in str(refused.value).splitlines() if words in one]
    assert lines, str(refused.value)
    found = int(lines[0].split(".yaml:")[1].split(":")[0])
    assert abs(found - line) <= 1, str(refused.value)


def test_the_recipe_in_the_documentation_is_one(tmp_path: Path) -> None:
    """What people copy is read as it stands there."""
    text = (Path(__file__).parent.parent / "docs" / "stores.md").read_text(encoding="utf-8")
    block = text.partition("### A recipe")[2].partition("```yaml\n")[2].partition("```")[0]
    people = load_recipe(write(tmp_path, block)).objects["people"]
    assert people.gone.flag == "deleted?"
    assert sorted(people.identifying) == ["id", "mail"]


def test_an_unknown_recipe_names_those_that_come_along(tmp_path: Path) -> None:
    """A name or a path; a file that is no YAML mapping is refused like one that is wrong."""
    with pytest.raises(ConfigurationError, match="Write one of stripe"):
        find_recipe("strip")
    with pytest.raises(ConfigurationError):
        load_recipe(write(tmp_path, "- just\n- a list\n"))
    path = tmp_path / "raw.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_recipe(path)


def test_the_settings_of_such_a_store_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe file is found beside kept.yaml; what may be allowed is a closed list."""
    monkeypatch.setenv("DESK_KEY", "k-1")
    head = "policy: p.md\nservice: {base_url: 'http://127.0.0.1:1', database: 'sqlite:///k.db', secret_key: '%s'}\n" % (
        "s" * 40
    )
    head += "mail: {from: 'P <p@mail.test>'}\nstores:\n"
    path = tmp_path / "kept.yaml"
    path.write_text(head + "  desk: {kind: http, recipe: helpdesk.yaml, key: env:DESK_KEY, allow: [private]}\n")
    options = load_settings(path).stores["desk"].options
    assert options["recipe"] == str(tmp_path / "helpdesk.yaml")
    assert "k-1" not in repr(load_settings(path).stores["desk"])
    path.write_text(head + "  desk: {kind: http, recipe: stripe, allow: [everything], retries: 3}\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(path)
    for words in ("needs 'key'", "Write a list of: http, private", "has no such key"):
        assert words in str(refused.value)


def with_vendor(datamap: DataMap, store: HttpStore, **more: Any) -> DataMap:
    """The gateway's map, with its customers at the vendor."""
    return DataMap((*datamap.collections, replace(STRIPE, **more)), {**datamap.stores, "billing": store})


def test_a_deletion_spans_the_database_and_the_vendor_and_is_open_while_the_vendor_is_at_it(
    tmp_path: Path, control: Database
) -> None:
    """Found by address and by the vendor's key on the account; approved, run; half-done keeps the account and the plan open;
    run again it finishes, counted exactly, and nothing is found any more."""
    gateway = make_gateway(tmp_path / "host", requests=3)
    gateway.run("ALTER TABLE users ADD COLUMN stripe_id TEXT")
    gateway.run("UPDATE users SET stripe_id = 'cus_1' WHERE id = 'u1'")
    rooms = wire(control, gateway)
    rooms.publish(*CLAUSES)
    with run_vendor() as (vendor, base):
        vendor.put(
            customer("cus_1", "old-address@mail.test"),
            customer("cus_2", "anna@mail.test"),
            customer("cus_3", "ben@mail.test"),
        )
        line = Line(base, allow=("http", "private"))
        client = HttpClient(
            "billing",
            load_recipe(find_recipe("stripe")),
            line,
            Key(secret=KEY),
            clock=rooms.clock,
            pause=lambda _: None,
        )
        datamap = with_vendor(rooms.datamap, HttpStore("billing", client, clock=rooms.clock))
        plans = Plans(control, rooms.clock, rooms.ledger, rooms.leases, datamap, batch_rows=7)
        with control.read() as session:
            version = rooms.policies.in_force(session)
        assert version is not None
        plan, found = plans.draft_request(
            ref="K7F3Q-2MXB",
            version=1,
            clauses=version.document.clauses,
            right=Right.DELETION,
            identifiers={"email": ["anna@mail.test"]},
        )
        assert "stripe-customers" in {place.collection for place in found.collections}
        step = next(step for step in plan.steps if step.collection == "stripe-customers")
        assert (step.deed, plan.gaps) == (StepDeed.DELETE, ())
        plans.store(plan)
        preview = plans.preview(plan.id)
        assert (preview.of(step.id).rows, preview.blocked) == (2, ())
        plans.approve(plan.id, by="opr_1", reason="proven")

        vendor.stuck = "redacting"
        first = plans.run(plan.id)
        assert first.state is PlanState.FAILED
        states = {result.collection: result for result in first.steps}
        assert states["stripe-customers"].state is StepState.FAILED
        assert "not done yet" in states["stripe-customers"].error
        assert states["accounts"].state is StepState.WAITING
        assert gateway.count("users", "id = 'u1'") == 1

        vendor.stuck = None
        vendor.fail("/v1/privacy", Fails(status=429, headers={"Retry-After": "1"}), Fails())
        second = plans.run(plan.id)
        assert second.state is PlanState.DONE, second.errors
        states = {result.collection: result for result in second.steps}
        assert (states["stripe-customers"].rows, states["stripe-customers"].remaining) == (2, 0)
        assert gateway.count("users", "id = 'u1'") == 0
        assert len(vendor.jobs) == 1
        assert [key for key, one in vendor.customers.items() if one["email"] != "[redacted]"] == ["cus_3"]


def test_a_sweep_over_a_vendor_is_a_gap_and_access_reads_it(tmp_path: Path, control: Database) -> None:
    """Nothing there is found by its time, so a clause has a gap; a person who asks for a copy gets what the vendor has."""
    gateway = make_gateway(tmp_path / "host", requests=1)
    rooms = wire(control, gateway, collections=COLLECTIONS[:1])
    rooms.publish(CLAUSES[2], CLAUSES[4], CLAUSES[5])
    with run_vendor() as (vendor, base):
        vendor.put(customer("cus_2", "anna@mail.test"))
        line = Line(base, allow=("http", "private"))
        client = HttpClient("billing", load_recipe(find_recipe("stripe")), line, Key(secret=KEY), clock=rooms.clock)
        datamap = with_vendor(rooms.datamap, HttpStore("billing", client, clock=rooms.clock), person=())
        plans = Plans(control, rooms.clock, rooms.ledger, rooms.leases, datamap, batch_rows=7)
        with control.read() as session:
            version = rooms.policies.in_force(session)
        assert version is not None
        clauses = version.document.clauses
        plan, _ = plans.draft_request(
            ref="K7F3Q-2MXB", version=1, clauses=clauses, right=Right.ACCESS, identifiers={"email": ["anna@mail.test"]}
        )
        step = next(step for step in plan.steps if step.collection == "stripe-customers")
        assert [record["id"] for record in datamap.stores["billing"].records(step.at, step.condition)] == ["cus_2"]
        bound = Bound(record_before=None, event_before=NOW, version=1, event="account_closed")
        sweep = build_sweep(
            version=1,
            cutoffs={"account": Cutoff(clause_id="closed", now=NOW, bounds=(bound,))},
            datamap=datamap,
            holds=[],
            now=NOW,
            clause=RetentionClause(id="closed", of=("account",), after="account_closed", then=Action.DELETE),
        )
        assert [one.collection for one in sweep.steps] == ["accounts"]
        assert ["found by its time" in gap.why for gap in sweep.gaps] == [True]
