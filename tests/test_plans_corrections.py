"""Putting right what is wrong in a person's records: the field that was named, and every copy that the map knows of."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.database import Database
from core.errors import BadInput, NotFound
from core.settings import CollectionSettings, FieldSettings
from plans.build_correction import Correction
from plans.plan import Plan, StepDeed, plan_json, read_plan
from plans.tables import PlanState
from policies.clauses import Right
from tests.plan_rooms import CLAUSES, COLLECTIONS, CREATED, USER, Gateway, Rooms, make_gateway, wire
from tests.schema import make_tables

EMAIL = FieldSettings(fideslang="user.contact.email")
ACCOUNTS = replace(COLLECTIONS[0], fields={"email": EMAIL, "id": FieldSettings(fideslang="user.unique_id")})
LETTERS = CollectionSettings(
    id="letters", store="gateway", at="letters", category="letter", time=CREATED, person=USER,
    fields={"sender": EMAIL, "body": FieldSettings(fideslang="user.content"), "note": FieldSettings(fideslang="user.content")},
)  # fmt: skip
MAIL_LOG = CollectionSettings(
    id="mail-log", store="gateway", at="mail_log", category="mail", time=CREATED, identifies={"email": "recipient"}
)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = make_gateway(tmp_path / "host", requests=1)
    made.run(
        "CREATE TABLE letters (id INTEGER PRIMARY KEY, user_id TEXT, sender TEXT, body TEXT, note TEXT, created_at TEXT)"
    )
    made.run("CREATE TABLE mail_log (recipient TEXT PRIMARY KEY, created_at TEXT)")
    made.run(
        "INSERT INTO letters VALUES (?, ?, ?, 'hi', 'n', '2026-01-01')",
        [(1, "u1", "old@mail.test"), (2, "u2", "b@x.test")],
    )
    return made


@pytest.fixture
def rooms(tmp_path: Path, gateway: Gateway) -> Rooms:
    control = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(control)
    made = wire(control, gateway, collections=(ACCOUNTS, *COLLECTIONS[1:], LETTERS, MAIL_LOG))
    made.publish(*CLAUSES)
    return made


def draft(rooms: Rooms, *given: Correction, right: Right = Right.CORRECTION) -> Plan:
    return rooms.draft(right, corrections=given)


def carry_out(rooms: Rooms, plan: Plan) -> PlanState:
    return rooms.plans.run(rooms.approve(plan)).state


def test_a_field_and_its_copies_are_put_right_for_this_person_alone(rooms: Rooms, gateway: Gateway) -> None:
    """By Fideslang key in another table; the account last, since the way to the copies leads through it. A copy that is a
    key is named as a gap; what was right already is not touched."""
    gateway.run("INSERT INTO mail_log VALUES ('anna@mail.test', '2026-01-01')")
    plan = draft(rooms, Correction(collection="accounts", field="email", value="anna@new.test"))
    assert [(step.collection, step.deed, step.corrections) for step in plan.steps] == [
        ("letters", StepDeed.CORRECT, (("sender", "anna@new.test"),)),
        ("accounts", StepDeed.CORRECT, (("email", "anna@new.test"),)),
    ]
    assert [gap.what for gap in plan.gaps] == ["recipient of mail-log in gateway"]
    assert "is a key" in plan.gaps[0].why
    assert read_plan(plan_json(plan)) == plan
    assert carry_out(rooms, plan) is PlanState.DONE
    assert gateway.values("SELECT email FROM users ORDER BY id") == ["anna@new.test", "ben@mail.test", "cleo@mail.test"]
    assert gateway.values("SELECT sender FROM letters ORDER BY id") == ["anna@new.test", "b@x.test"]


def test_of_two_possible_copies_neither_is_guessed(rooms: Rooms, gateway: Gateway) -> None:
    """Two fields of one key in another collection: somebody must say which; named, it is taken."""
    gateway.run("CREATE TABLE bios (id INTEGER PRIMARY KEY, user_id TEXT, bio TEXT)")
    gateway.run("INSERT INTO bios VALUES (1, 'u1', 'hello')")
    fields = {"bio": FieldSettings(fideslang="user.content")}
    bios = CollectionSettings(id="bios", store="gateway", at="bios", category="bio", person=USER, fields=fields)
    rooms.plans.datamap = type(rooms.datamap)((ACCOUNTS, LETTERS, bios), rooms.datamap.stores)
    one = Correction(collection="bios", field="bio", value=None)
    plan = draft(rooms, one)
    assert [gap.what for gap in plan.gaps] == ["body, note of letters in gateway"]
    assert [step.collection for step in plan.steps] == ["bios"]
    both = draft(rooms, one, Correction(collection="letters", field="note", value="right"))
    assert both.gaps == ()
    assert [step.corrections for step in both.steps if step.collection == "letters"] == [(("note", "right"),)]


@pytest.mark.parametrize(
    ("collection", "field", "words"),
    [
        ("accounts", "id", "is a key"),
        ("requests", "user_id", "is a key"),
        ("accounts", "created_at", "is a time that clauses count from"),
        ("accounts", "deleted_at", "is a time that clauses count from"),
        ("accounts", "nickname", "There is no field accounts.nickname"),
        ("tickets", "email", "no collection 'tickets'"),
    ],
)
def test_what_cannot_be_put_right_is_refused_with_its_name(
    rooms: Rooms, collection: str, field: str, words: str
) -> None:
    """Keys lead to other records, times decide when a record goes: neither is changed on a person's word."""
    with pytest.raises(BadInput, match=words):
        draft(rooms, Correction(collection=collection, field=field, value="x"))


def test_a_correction_says_one_thing_and_belongs_to_its_right(rooms: Rooms) -> None:
    """Nothing named, one field twice, another right: each is refused."""
    given = Correction(collection="accounts", field="email", value="a@new.test")
    with pytest.raises(BadInput, match="Nothing is named"):
        draft(rooms)
    with pytest.raises(BadInput, match="two values"):
        draft(rooms, given, replace(given, value="b@new.test"))
    with pytest.raises(BadInput, match="corrects nothing"):
        draft(rooms, given, right=Right.DELETION)
    assert "new.test" not in repr(given)
    with pytest.raises(NotFound):
        draft(rooms, replace(given, collection="nowhere"))


def test_a_hold_keeps_a_record_as_it_is(rooms: Rooms, gateway: Gateway) -> None:
    """What is evidence is not changed: the plan says so, and the rest is put right."""
    rooms.plans.holds.add(by="opr_1", reason="case 7", collection="letters")
    plan = draft(rooms, Correction(collection="accounts", field="email", value="anna@new.test"))
    assert [(stay.collection, stay.basis) for stay in plan.stays] == [("letters", "hold")]
    carry_out(rooms, plan)
    assert gateway.values("SELECT sender FROM letters ORDER BY id") == ["old@mail.test", "b@x.test"]
    assert gateway.count("users", "email = 'anna@new.test'") == 1


def test_a_store_that_cannot_correct_is_a_gap(rooms: Rooms, gateway: Gateway) -> None:
    """The copy is named, with who has to do it; the rest goes on."""
    store = rooms.datamap.stores["files"]
    files = replace(COLLECTIONS[4], fields={"prompt": EMAIL})
    rooms.plans.datamap = type(rooms.datamap)((ACCOUNTS, files), {**rooms.datamap.stores})
    gateway.write_day(2, ["u1"])
    store.capabilities = frozenset(one for one in store.capabilities if one != "correct")
    plan = draft(rooms, Correction(collection="accounts", field="email", value="anna@new.test"))
    assert [(gap.what, gap.why) for gap in plan.gaps] == [
        ("request-days in files", "No program can correct in a store of kind files.")
    ]
    assert [step.collection for step in plan.steps] == ["accounts"]
