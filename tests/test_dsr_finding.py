"""What a person decides about what was found, an approval taken back in mid-run, a clock set back, and who may do it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.catalogue import catalogue
from core.database import Database
from core.errors import BadInput, Conflict, NotFound, WaitsForPerson
from core.settings import CollectionSettings, Reference
from dsr.finding import Choice, Matter, Ruling
from dsr.states import State
from dsr.views import Act
from plans.build_shared import BUT_TEXTS, TAKEN_OUT, THEIRS_TOO
from plans.plan import Step
from plans.tables import StepState
from stores.datamap import DataMap
from tests.dsr_house import ANNA, OPERATOR, House, build_house

TALKS = CollectionSettings(
    id="talks",
    store="gateway",
    at="talks",
    category="playground",
    person=(
        Reference(field="first", to="accounts", to_field="id"),
        Reference(field="second", to="accounts", to_field="id"),
    ),
)
SHARED = "shared:talks:deletion"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    """Anna has one talk of her own, and two with Bruno."""
    made = build_house(database, tmp_path / "house")
    run(made, "CREATE TABLE talks (id INTEGER PRIMARY KEY, first TEXT, second TEXT)")
    run(made, "INSERT INTO talks VALUES (1, 'u_anna', NULL), (2, 'u_anna', 'u_bruno'), (3, 'u_bruno', 'u_anna')")
    made.plans.datamap = DataMap([*made.plans.datamap.collections, TALKS], made.plans.datamap.stores)
    return made


def run(house: House, statement: str) -> None:
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection, connection:
        connection.execute(statement)


def planned(house: House, right: str = "deletion") -> str:
    ref = house.confirmed(right=right)
    house.requests.make_plan(ref, by=OPERATOR)
    return ref


def approve(house: House, ref: str) -> None:
    panel = house.requests.view(ref).plan
    assert panel
    house.requests.approve(ref, by=OPERATOR, seal=panel.seal)


def test_shared_records_wait_for_a_decision_and_the_answer_tells_of_it(house: House) -> None:
    """Nothing is approved, and nobody told that nothing was found, before somebody decided; then the plan is made anew by
    that, who decided what stands on the ticket, and the person learns what stays and why, and what is counted is what went."""
    ref = planned(house)
    view = house.requests.view(ref)
    (question,) = view.found.questions
    assert (question.matter, question.rows) == (Matter.SHARED, 2)
    assert not {Act.APPROVE, Act.NOTHING_FOUND} & view.acts
    with pytest.raises(Conflict, match="shared records of talks"):
        approve(house, ref)
    house.requests.finding.decide(ref, {SHARED: Ruling(choice=Choice.REDACT)}, by=OPERATOR)
    view = house.requests.view(ref)
    assert (view.found.questions, view.found.decided) == (
        (), ("shared records of talks: kept without what leads to the person",),
    )  # fmt: skip
    (decided,) = [one for one in view.timeline if one.kind == "found_decided"]
    assert (decided.by, decided.why) == (OPERATOR, view.found.decided[0])
    approve(house, ref)
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.ANSWERED
    assert view.outcome["rows"]["talks"] == 1
    (told,) = [line for line in view.outcome["kept"] if line["title"].startswith("Talks")]
    assert told == {"title": "Talks, 2\xa0records", "why": TAKEN_OUT, "until": ""}
    assert TAKEN_OUT in " ".join(house.latest_mail(ANNA, "deleted").text.split())
    assert (house.count("talks"), house.count("talks", "first = 'u_anna' OR second = 'u_anna'")) == (2, 0)


def test_what_is_said_of_shared_records_is_said_in_german_too() -> None:
    """Nobody reads our English in a German answer."""
    for words in (THEIRS_TOO, TAKEN_OUT, BUT_TEXTS):
        assert catalogue("de").gettext(words) != words


def test_only_what_is_asked_and_offered_can_be_decided(house: House) -> None:
    """An old page, another question, a choice that is not among those: refused, and nothing is written down."""
    ref = planned(house)
    for answers in (
        {},
        {"shared:requests:deletion": Ruling(choice=Choice.KEEP)},
        {SHARED: Ruling(choice=Choice.GIVE)},
        {SHARED: Ruling(choice=Choice.KEEP, picked=("u_anna",))},
    ):
        with pytest.raises(BadInput):
            house.requests.finding.decide(ref, answers, by=OPERATOR)
    assert house.requests.view(ref).found.decided == ()
    house.requests.finding.decide(ref, {SHARED: Ruling(choice=Choice.KEEP)}, by=OPERATOR)
    house.requests.finding.decide_anew(ref, by=OPERATOR)
    assert len(house.requests.view(ref).found.questions) == 1
    house.requests.finding.decide(ref, {SHARED: Ruling(choice=Choice.DELETE)}, by=OPERATOR)
    approve(house, ref)
    with pytest.raises(Conflict):
        house.requests.finding.decide(ref, {SHARED: Ruling(choice=Choice.KEEP)}, by=OPERATOR)


def test_what_was_found_is_counted_by_store_and_by_identifier(house: House) -> None:
    """Before anything is done: how much lies where, and what the address found by itself."""
    found = house.requests.view(planned(house)).found
    assert [(one.store, one.rows) for one in found.stores] == [("gateway", 22), ("request-files", 4)]
    assert {(one.collection, one.rows) for one in found.matches} == {
        ("accounts", 1), ("support", 1), ("feedback", 0),
    }  # fmt: skip


def test_two_accounts_under_the_address_are_told_apart_on_the_ticket(house: House) -> None:
    """A couple with one mailbox: one account is picked, and nothing of the other is in the copy."""
    run(house, f"UPDATE users SET email = '{ANNA}' WHERE id = 'u_bruno'")
    ref = planned(house, "access")
    questions = {one.matter: one for one in house.requests.view(ref).found.questions}
    picked = {questions[Matter.ACCOUNTS].id: Ruling(choice=Choice.TAKE, picked=("u_anna",))}
    house.requests.finding.decide(ref, picked, by=OPERATOR)
    (left,) = house.requests.view(ref).found.questions
    house.requests.finding.decide(ref, {left.id: Ruling(choice=Choice.LEAVE_OUT)}, by=OPERATOR)
    panel = house.requests.view(ref).plan
    assert panel
    rows = {step.collection: step.rows for step in panel.steps}
    assert (rows["accounts"], rows["requests"], rows["talks"]) == (1, 7, 1)


def test_a_table_that_was_renamed_is_never_nothing_found(house: House) -> None:
    """Nothing else of the person is there: the renamed table still keeps the answer back, and says why."""
    run(house, f"DELETE FROM users WHERE email <> '{ANNA}'")
    ref = house.confirmed("nobody.knows@post.example")
    run(house, "ALTER TABLE talks RENAME TO talks_old")
    house.requests.make_plan(ref, by=OPERATOR)
    view = house.requests.view(ref)
    assert Act.NOTHING_FOUND not in view.acts
    assert view.plan
    assert "talks" in view.plan.blocked[0]
    with pytest.raises(Conflict):
        house.requests.answer_nothing_found(ref, by=OPERATOR)


def test_an_approval_taken_back_in_mid_run_stops_the_work(house: House) -> None:
    """No further batch begins, what was done is counted, the ticket is planned again with the reason; a new approval of a
    new plan finishes it, and the answer counts all of it."""
    ref = planned(house)
    house.requests.finding.decide(ref, {SHARED: Ruling(choice=Choice.KEEP)}, by=OPERATOR)
    approve(house, ref)

    def stop(step: Step, done: int, total: int) -> None:
        if house.requests.view(ref).state is State.RUNNING:
            house.requests.finding.take_back(ref, by=OPERATOR, why="the wrong person")

    assert house.requests.run(ref, on_progress=stop) is State.PLANNED
    view = house.requests.view(ref)
    assert (view.state, view.timeline[-1].kind, view.timeline[-1].why) == (
        State.PLANNED,
        "taken_back",
        "the wrong person",
    )
    assert view.plan
    states = {step.state for step in view.plan.steps}
    assert StepState.PLANNED.value in states
    assert house.count("users") == 2, "the account goes last"
    house.work()
    assert house.requests.view(ref).state is State.PLANNED, "the scheduled work does not begin again by itself"
    # The counts that it was approved with are no longer right.
    assert Act.APPROVE not in house.requests.view(ref).acts
    with pytest.raises(Conflict, match="carried out in part"):
        approve(house, ref)
    house.requests.make_plan(ref, by=OPERATOR)
    approve(house, ref)
    house.work()
    view = house.requests.view(ref)
    assert (view.state, sum(view.outcome["rows"].values()), house.count("users")) == (State.ANSWERED, 22, 1)


def test_only_what_is_under_way_can_be_stopped(house: House) -> None:
    """Nothing approved: nothing to take back; and it takes a reason."""
    ref = planned(house)
    with pytest.raises(Conflict):
        house.requests.finding.take_back(ref, by=OPERATOR, why="no")
    with pytest.raises(BadInput):
        house.requests.finding.take_back(ref, by=OPERATOR, why="  ")
    with pytest.raises(NotFound):
        house.requests.finding.take_back("XXXXX-XXXX", by=OPERATOR, why="no")


def test_a_ticket_of_an_address_that_everybody_types_can_go_on(house: House) -> None:
    """The plan asks whose it is; taken, it finds; left out, nothing else is known of the person, and that is said."""
    run(house, "UPDATE users SET email = 'test@example.com' WHERE id = 'u_bruno'")
    ref = house.confirmed("test@example.com", "access")
    house.requests.make_plan(ref, by=OPERATOR)
    (question,) = house.requests.view(ref).found.questions
    assert (question.matter, Act.NOTHING_FOUND in house.requests.view(ref).acts) == (Matter.IDENTIFIER, False)
    with pytest.raises(WaitsForPerson, match="left out"):
        house.requests.finding.decide(ref, {question.id: Ruling(choice=Choice.SKIP)}, by=OPERATOR)
    house.requests.finding.decide(ref, {question.id: Ruling(choice=Choice.TAKE)}, by=OPERATOR)
    assert [one.matter for one in house.requests.view(ref).found.questions] == [Matter.SHARED]
