"""Requests for correction: what a person says, where an operator says it stands, before and after, every copy, and the answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, Conflict, NotFound, WaitsForPerson
from core.settings import CollectionSettings, FieldSettings, Reference
from dsr.corrections import MOST, WrongValue
from dsr.finding import Choice, Ruling
from dsr.states import State
from dsr.views import Act
from stores.datamap import DataMap
from tests.dsr_house import ANNA, ANNA_NAME, BRUNO, NOON, OPERATOR, STRANGER, House, build_house

NEW_NAME, NEW_MAIL = "Anna Quill-Sommer", "anna.sommer@post.example"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    """A house on either database, on a day in June."""
    with freezegun.freeze_time(NOON, tick=True):
        yield build_house(database, tmp_path / "house")


def asked(house: House, **right: str) -> str:
    """A proven request for correction whose person said on their page what is right, by what it is about."""
    ref = house.confirmed(ANNA, "correction")
    grant = house.open_page(ref)
    for about, value in right.items():
        house.requests.corrections.propose_as_person(ref, grant, about=about.replace("__", "."), value=value)
    return ref


def placed(house: House, **right: str) -> str:
    """The same, each where it was suggested, and planned."""
    ref = asked(house, **right)
    for line in house.requests.corrections.view(ref).lines:
        house.requests.corrections.place(ref, line.id, where=line.suggested, by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    return ref


def take_all(house: House, ref: str) -> None:
    """Decide that each account that was found is this person's."""
    asked = house.requests.view(ref).found.questions
    house.requests.finding.decide(ref, {one.id: Ruling(choice=Choice.TAKE) for one in asked}, by=OPERATOR)


def done(house: House, ref: str) -> State:
    house.requests.approve(ref, by=OPERATOR)
    house.work()
    return house.requests.view(ref).state


def read(house: House, query: str) -> list[str]:
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection:
        return [row[0] for row in connection.execute(query)]


def run(house: House, statement: str) -> None:
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        connection.execute(statement)


def said_to(house: House, subject: str) -> str:
    return " ".join(house.latest_mail(ANNA, subject).text.split()).replace("\u00a0", " ")


def test_a_name_is_put_right_from_the_persons_page_to_the_answer(house: House) -> None:
    """Field by field on the page, suggested by the map, before and after, run and read back, told; nobody else's changes,
    and no value stands in the ledger or in an event."""
    ref = asked(house, user__name="  Anna\tQuill-Sommer ", user__contact__organization="Quill GmbH")
    corrections = house.requests.corrections
    view = corrections.view(ref)
    assert [(one.word, one.suggested, one.is_decided) for one in view.lines] == [
        ("Name", "accounts.name", False),
        ("Company or organisation", "accounts.company", False),
    ]
    assert {one.about for one in view.offered} == {"user.name", "user.contact.email", "user.contact.organization", ""}
    with pytest.raises(WaitsForPerson, match="2 of 2"):
        house.requests.make_plan(ref, by=OPERATOR)
    for line in view.lines:
        corrections.place(ref, line.id, where=line.suggested, by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    changes = {one.place: one for one in corrections.view(ref).changes}
    name = changes["accounts.name"]
    assert (name.before and name.before.reveal(), name.after and name.after.reveal(), name.rows, name.is_copy) == (
        ANNA_NAME, NEW_NAME, 1, False,
    )  # fmt: skip
    assert done(house, ref) is State.ANSWERED
    assert read(house, "SELECT name || '/' || company FROM users WHERE id = 'u_anna'") == [f"{NEW_NAME}/Quill GmbH"]
    assert read(house, "SELECT name FROM users WHERE id = 'u_bruno'") == ["Bruno Pappel"]
    words = said_to(house, "is put right")
    assert "Name in Accounts: 1 record" in words
    assert "who got your data" in words
    assert NEW_NAME not in words
    house.ledger.settle()
    kinds = [entry.kind for entry in house.requests.view(ref).evidence]
    assert {"request.correction_proposed", "request.correction_placed", "request.outcome_told"} <= set(kinds)
    with house.database.read() as session:
        names = [one for one in sa.inspect(session.connection()).get_table_names() if one.startswith("ledger")]
        rows = "".join(
            str(row) for one in (*names, "ticket_events") for row in session.execute(sa.text(f"SELECT * FROM {one}"))
        )
    assert "Sommer" not in rows
    assert ANNA_NAME not in rows


def test_every_copy_is_put_right_or_named_and_what_differs_can_be_left(house: House) -> None:
    """An address stands in accounts, letters and opinions: each is shown with what it says now; an opinion under another
    address of hers is left as it is, and the answer says so in the operator's words."""
    run(house, "UPDATE feedback SET email = 'quill@work.example' WHERE user_id = 'u_anna'")
    ref = placed(house, user__contact__email=NEW_MAIL)
    corrections = house.requests.corrections
    changes = {one.place: one for one in corrections.view(ref).changes}
    assert {place: (one.before and one.before.reveal(), one.is_copy) for place, one in changes.items()} == {
        "accounts.email": (ANNA, False), "support.email": (ANNA, True), "feedback.email": ("quill@work.example", True),
    }  # fmt: skip
    corrections.spare(ref, changes["feedback.email"].id, why="This is your address at work.", by=OPERATOR)
    view = corrections.view(ref)
    assert {one.place: one.spared_why for one in view.changes if one.spared_why} == {
        "feedback.email": "This is your address at work."
    }
    assert done(house, ref) is State.ANSWERED
    assert read(house, "SELECT email FROM users ORDER BY id") == [NEW_MAIL, BRUNO]
    assert sorted(read(house, "SELECT email FROM support_messages")) == sorted([NEW_MAIL, BRUNO])
    assert read(house, "SELECT email FROM feedback WHERE user_id = 'u_anna'") == ["quill@work.example"]
    words = said_to(house, "Part of your data is put right")
    assert "E-mail address in Feedback, 1 record: This is your address at work." in words
    assert "E-mail address in Support: 1 record" in words


def test_two_accounts_of_one_address_are_told_apart_by_what_they_say(house: House) -> None:
    """Both show in before and after with their own words; one is put right, the other stays."""
    run(house, f"INSERT INTO users VALUES ('u_two', '{ANNA}', 'Quill Bakery', NULL, '2026-02-01T08:00:00Z', NULL)")
    ref = placed(house, user__name=NEW_NAME)
    take_all(house, ref)
    corrections = house.requests.corrections
    changes = {one.before.reveal(): one for one in corrections.view(ref).changes if one.before}
    assert set(changes) == {ANNA_NAME, "Quill Bakery"}
    corrections.spare(ref, changes["Quill Bakery"].id, why="That account is your bakery's.", by=OPERATOR)
    assert done(house, ref) is State.ANSWERED
    assert sorted(read(house, f"SELECT name FROM users WHERE email = '{ANNA}'")) == [NEW_NAME, "Quill Bakery"]


def test_an_address_that_another_account_has_is_not_given_twice(house: House) -> None:
    """The operator is told, no plan is made, and the person learns nothing of the other account."""
    ref = asked(house, user__contact__email=BRUNO.upper())
    line = house.requests.corrections.view(ref).lines[0]
    house.requests.corrections.place(ref, line.id, where="accounts.email", by=OPERATOR)
    with pytest.raises(Conflict, match="Another record of accounts"):
        house.requests.make_plan(ref, by=OPERATOR)
    assert house.requests.view(ref).state is State.RECEIVED
    assert len(house.mails_to(ANNA)) == 3  # link, received, code


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("accounts.id", "is a key"),
        ("requests.user_id", "is a key"),
        ("accounts.created_at", "is a time that clauses count from"),
        ("billing.tokens", "takes a whole number"),
        ("accounts.nickname", "There is no field"),
        ("accounts", "not said where"),
    ],
)
def test_where_it_cannot_stand_is_refused_with_the_reason(house: House, where: str, words: str) -> None:
    """A key, a time that clauses count from, a value of another type, a field that is not there."""
    ref = asked(house, user__name=NEW_NAME)
    line = house.requests.corrections.view(ref).lines[0]
    with pytest.raises(BadInput, match=words):
        house.requests.corrections.place(ref, line.id, where=where, by=OPERATOR)
    assert not house.requests.corrections.view(ref).lines[0].is_decided


def test_what_is_declined_is_a_refused_part_and_told_with_its_ground(house: House) -> None:
    """The rest is put right; the request ends as partly refused; where all is declined no plan is made."""
    ref = asked(house, user__name=NEW_NAME, user__contact__organization="Quill GmbH")
    corrections = house.requests.corrections
    name, company = corrections.view(ref).lines
    with pytest.raises(BadInput, match="no ground"):
        corrections.decline(ref, company.id, ground="made_up", reason="No.", by=OPERATOR)
    corrections.decline(ref, company.id, ground="excessive", reason="The company told us otherwise.", by=OPERATOR)
    corrections.decline(ref, name.id, ground="excessive", reason="No.", by=OPERATOR)
    with pytest.raises(Conflict, match="is declined"):
        house.requests.make_plan(ref, by=OPERATOR)
    corrections.place(ref, name.id, where="accounts.name", by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    assert done(house, ref) is State.PARTLY_REFUSED
    words = said_to(house, "Part of your data is put right")
    assert "The company told us otherwise" in words
    assert "complain" in words
    assert read(house, "SELECT company FROM users WHERE id = 'u_anna'") == ["-Quill & Co"]


def test_a_plan_made_before_the_last_decision_is_not_approved(house: House) -> None:
    """The person may add something while the plan waits; the approval is of what is decided now."""
    ref = placed(house, user__name=NEW_NAME)
    grant = house.open_page(ref)
    house.requests.corrections.propose_as_person(ref, grant, about="user.contact.organization", value="Quill GmbH")
    assert house.requests.corrections.view(ref).stale
    with pytest.raises(WaitsForPerson, match="1 of 2"):
        house.requests.approve(ref, by=OPERATOR)
    new = house.requests.corrections.view(ref).lines[1]
    house.requests.corrections.take_back(ref, grant, new.id)
    assert not house.requests.corrections.view(ref).stale
    line = house.requests.corrections.view(ref).lines[0]
    house.requests.corrections.place(ref, line.id, where="accounts.company", by=OPERATOR)
    with pytest.raises(Conflict, match="has changed since"):
        house.requests.approve(ref, by=OPERATOR)
    with pytest.raises(Conflict, match="decided already"):
        house.requests.corrections.take_back(ref, grant, line.id)


def test_what_is_right_already_is_an_answer_and_a_stranger_has_nothing_to_correct(house: House) -> None:
    """Nothing is written where it says so already, and the answer says that; of a stranger nothing is found."""
    ref = placed(house, user__name=ANNA_NAME)
    assert Act.NOTHING_FOUND not in house.requests.view(ref).acts
    assert done(house, ref) is State.ANSWERED
    assert "Name in Accounts: said so already" in said_to(house, "is put right")
    other = house.confirmed(STRANGER, "correction")
    key = house.requests.corrections.propose(other, about="user.name", value="Nobody", by=OPERATOR)
    house.requests.corrections.place(other, key, where="accounts.name", by=OPERATOR)
    house.requests.make_plan(other, by=OPERATOR)
    assert house.requests.view(other).acts >= {Act.NOTHING_FOUND}
    house.requests.answer_nothing_found(other, by=OPERATOR)


def test_the_page_takes_only_what_the_map_offers_and_only_from_its_person(house: House) -> None:
    """Another field, no value, an address that is none, more than one request takes, another person's grant, a request for
    another right, one whose work has begun: each is refused, and shows nothing that is held."""
    ref = asked(house)
    corrections, grant = house.requests.corrections, house.open_page(ref)
    for about, value in (
        ("user.authorization.credentials", "x"),
        ("user.name", " \x00"),
        ("user.contact.email", "anna"),
    ):
        with pytest.raises(WrongValue):
            corrections.propose_as_person(ref, grant, about=about, value=value)
    with pytest.raises(NotFound):
        corrections.propose_as_person(ref, "made up", about="user.name", value=NEW_NAME)
    seen = corrections.read_as_person(ref, grant)
    assert seen is not None
    assert "Quill" not in repr(seen)
    for _ in range(MOST):
        corrections.propose_as_person(ref, grant, about="", value="The month in your letter.")
    with pytest.raises(BadInput, match="as much as"):
        corrections.propose_as_person(ref, grant, about="", value="More.")
    access = house.confirmed(ANNA, "access")
    with pytest.raises(BadInput, match="corrects nothing"):
        corrections.propose(access, about="user.name", value="x", by=OPERATOR)
    later = placed(house, user__name=NEW_NAME)
    house.requests.approve(later, by=OPERATOR)
    with pytest.raises(Conflict, match="can no longer change"):
        corrections.propose(later, about="user.name", value="x", by=OPERATOR)


def test_a_correction_can_be_made_in_the_application_and_told(house: House) -> None:
    """A key is corrected by hand; the person gets the operator's words."""
    ref = asked(house, user__name=NEW_NAME)
    house.requests.answer_by_hand(ref, by=OPERATOR, words="Your account number is right now.")
    assert house.requests.view(ref).state is State.ANSWERED


def test_only_what_can_be_changed_is_offered_and_the_rest_is_named_with_its_reason(house: House) -> None:
    """A fact that is a key of its table is not offered, not taken, and named with why; nothing is asked of the store's
    records for that."""
    run(house, "CREATE TABLE profiles (nickname TEXT PRIMARY KEY, title TEXT NOT NULL, user_id TEXT)")
    profiles = CollectionSettings(
        id="profiles",
        store="gateway",
        at="profiles",
        category="account",
        person=(Reference(field="user_id", to="accounts", to_field="id"),),
        fields={
            "nickname": FieldSettings(fideslang="user.name.first"),
            "title": FieldSettings(fideslang="user.job_title"),
        },
    )
    house.plans.datamap = DataMap([*house.plans.datamap.collections, profiles], house.plans.datamap.stores)
    ref = asked(house)
    corrections, grant = house.requests.corrections, house.open_page(ref)
    seen = corrections.read_as_person(ref, grant)
    assert seen
    assert "user.name.first" not in {one.about for one in seen.offered}
    assert [(one.word, one.why) for one in seen.fixed] == [("First name", "other records are found by it")]
    with pytest.raises(WrongValue):
        corrections.propose_as_person(ref, grant, about="user.name.first", value="Anni")
    with pytest.raises(BadInput, match="nothing that can be put right"):
        corrections.propose(ref, about="user.name.first", value="Anni", by=OPERATOR)
    with pytest.raises(WrongValue, match="cannot be emptied"):
        corrections.propose_as_person(ref, grant, about="user.job_title", value="", empty=True)


def test_a_field_is_emptied_where_it_may_be_empty(house: House) -> None:
    """The person asks for nothing to stand there; before and after say so, and it is NULL afterwards. Something else, in
    words, cannot be empty."""
    ref = house.confirmed(ANNA, "correction")
    grant, corrections = house.open_page(ref), house.requests.corrections
    with pytest.raises(WrongValue, match="in words"):
        corrections.propose_as_person(ref, grant, about="", value="", empty=True)
    corrections.propose_as_person(ref, grant, about="user.contact.organization", value="", empty=True)
    (line,) = corrections.view(ref).lines
    assert (line.is_emptied, line.suggested) == (True, "accounts.company")
    corrections.place(ref, line.id, where=line.suggested, by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    (change,) = corrections.view(ref).changes
    assert (change.before and change.before.reveal(), change.after) == ("-Quill & Co", None)
    assert done(house, ref) is State.ANSWERED
    assert read(house, "SELECT company FROM users WHERE id = 'u_anna'") == [None]
