"""Rights that no plan carries out, work that is tried again, what portability leaves out, and what is overdue."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, Conflict
from core.outbox import OutboxRow
from core.settings import FieldSettings
from dsr.answering import LONGEST_ANSWER
from dsr.planning import RUN
from dsr.states import State
from dsr.views import Act
from plans.tables import StepState
from policies.documents import parse_document
from tests.dsr_house import ANNA, NOON, OPERATOR, House, build_house

IN_JULY = "2026-07-14 10:00:00"  # what was published in June is in force by then
WORDS = "Your name is Anna Quill-Sommer now.\n\nYour invoices keep the old one, as they were issued."


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    """A house on either database, on a day in June."""
    with freezegun.freeze_time(NOON, tick=True):
        yield build_house(database, tmp_path / "house")


def opened_by_hand(house: House, right: str, days_ago: int = 0) -> str:
    received = datetime.now(UTC) - timedelta(days=days_ago)
    return house.requests.open_by_hand(email=ANNA, right=right, received_at=received, channel="letter", by=OPERATOR)


def proven(house: House, right: str) -> str:
    ref = opened_by_hand(house, right)
    assert house.requests.confirm(house.link_token(ANNA)) == ref
    return ref


def approved(house: House, right: str) -> str:
    ref = proven(house, right)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    return ref


def test_a_correction_is_answered_in_the_words_of_who_did_it(house: House) -> None:
    """The mail, the ticket and the person's page have the words; the ledger has that it was answered, and no word."""
    ref = proven(house, "correction")
    assert Act.ANSWER_BY_HAND in house.requests.view(ref).acts
    house.requests.answer_by_hand(ref, by=OPERATOR, words=f"  {WORDS}\x00 ")
    view = house.requests.view(ref)
    assert (view.state, view.outcome["by_hand"], view.timeline[-1].by) == (State.ANSWERED, WORDS, OPERATOR)
    assert Act.ANSWER_BY_HAND not in view.acts
    mail = house.latest_mail(ANNA, "What we did")
    for part in WORDS.split("\n\n"):
        assert part in " ".join(mail.text.split())
    assert house.requests.page(ref, house.open_page(ref)).outcome["by_hand"] == WORDS
    house.ledger.settle()
    assert "request.answered_by_hand" in [entry.kind for entry in house.requests.view(ref).evidence]
    with house.database.read() as session:
        tables = [name for name in sa.inspect(session.connection()).get_table_names() if name.startswith("ledger")]
        rows = "".join(str(row) for name in tables for row in session.execute(sa.text(f"SELECT * FROM {name}")))
    assert "Sommer" not in rows
    assert house.ledger.verify().ok


@pytest.mark.parametrize("words", ["", " \n\x00", "x" * (LONGEST_ANSWER + 1)])
def test_an_answer_by_hand_says_something(house: House, words: str) -> None:
    """Nothing, and more than a mail should hold, is refused; the request stays open."""
    ref = proven(house, "objection")
    with pytest.raises(BadInput, match="An answer has"):
        house.requests.answer_by_hand(ref, by=OPERATOR, words=words)
    assert house.requests.view(ref).state is State.RECEIVED


def test_nobody_is_answered_by_hand_before_the_address_is_shown(house: House) -> None:
    """What was done is somebody's data too: it goes to a proven address only, and once."""
    ref = opened_by_hand(house, "correction")
    assert Act.ANSWER_BY_HAND not in house.requests.view(ref).acts
    with pytest.raises(Conflict, match="not shown to be the person's"):
        house.requests.answer_by_hand(ref, by=OPERATOR, words=WORDS)
    house.requests.confirm(house.link_token(ANNA))
    house.requests.answer_by_hand(ref, by=OPERATOR, words=WORDS)
    with pytest.raises(Conflict, match="cannot become answered"):
        house.requests.answer_by_hand(ref, by=OPERATOR, words=WORDS)


@pytest.mark.parametrize("right", ["access", "portability", "deletion"])
def test_what_a_plan_carries_out_is_not_answered_by_hand(house: House, right: str) -> None:
    """A copy or a deletion is answered by what was done and read back, at no state by words alone."""
    ref = proven(house, right)
    refuses_words(house, ref)
    house.requests.make_plan(ref, by=OPERATOR)
    refuses_words(house, ref)
    house.requests.approve(ref, by=OPERATOR)
    refuses_words(house, ref)


def refuses_words(house: House, ref: str) -> None:
    assert Act.ANSWER_BY_HAND not in house.requests.view(ref).acts
    with pytest.raises(Conflict, match="a plan carries out"):
        house.requests.answer_by_hand(ref, by=OPERATOR, words=WORDS)


def test_trying_again_is_written_down_with_who_wished_it(house: House) -> None:
    """It posts the work and an event of the ticket; where nothing is left to do it is refused."""
    ref = proven(house, "access")
    with pytest.raises(Conflict, match="nothing left to try"):
        house.requests.schedule_run(ref, by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    house.requests.schedule_run(ref, by="opr_uwe")
    with house.database.read() as session:
        waiting = session.execute(sa.select(OutboxRow.payload).where(OutboxRow.kind == RUN)).scalars().all()
    assert waiting == [{"ref": ref}, {"ref": ref}]
    last = house.requests.view(ref).timeline[-1]
    assert (last.kind, last.by, last.after) == ("run_asked", "opr_uwe", State.APPROVED)
    house.work()
    assert house.requests.view(ref).state is State.ANSWERED
    assert len([mail for mail in house.mails_to(ANNA) if "ready" in mail.subject]) == 1
    with pytest.raises(Conflict, match="nothing left to try"):
        house.requests.schedule_run(ref, by=OPERATOR)


def test_the_steps_of_a_copy_are_done_once_each_was_read_to_its_end(house: House) -> None:
    """The plan's own state says how many records of which collection were read."""
    ref = approved(house, "access")
    before = house.requests.view(ref).plan
    assert before
    assert {step.state for step in before.steps} == {StepState.PLANNED.value}
    house.work()
    view = house.requests.view(ref)
    assert view.plan
    assert {step.state for step in view.plan.steps} == {StepState.DONE.value}
    assert {step.collection: step.done for step in view.plan.steps} == view.outcome["rows"]
    assert view.plan.state == "done"


def test_a_copy_to_take_elsewhere_holds_what_the_person_gave_under_consent_or_a_contract(house: House) -> None:
    """Letters and invoices rest on other grounds: not in the files, and named with the reason in plan, letter and answer."""
    ref = approved(house, "portability")
    plan = house.requests.view(ref).plan
    assert plan
    assert {step.collection for step in plan.steps} == {
        "accounts", "api-keys", "requests", "request-days", "billing", "playground",
    }  # fmt: skip
    assert {(stay.collection, stay.rows) for stay in plan.stays} == {
        ("invoices", 2), ("support", 1), ("usage", 1), ("feedback", 1),
    }  # fmt: skip
    house.work()
    view = house.requests.view(ref)
    titles = [line["title"].replace("\u00a0", " ") for line in view.outcome["kept"]]
    assert sorted(titles) == ["Feedback, 1 record", "Invoices, 2 records", "Support, 1 record", "Usage, 1 record"]
    mail = " ".join(house.latest_mail(ANNA, "ready").text.split())
    assert "what is left out and why" in mail
    assert "everything" not in mail
    package = fetch(house, ref)
    assert {name for name in package.namelist() if "invoices" in name or "support" in name} == set()
    assert len(json.loads(package.read("data/requests.json"))) == 7
    letter = package.read("letter.pdf").decode().replace("\u00a0", " ")
    for words in (
        "What is left out, and why",
        "Invoices, 2 records",
        "neither consent nor a contract",
        "What is in this copy",
    ):
        assert words in letter
    assert "comes with all of it" not in letter


def test_where_nothing_is_portable_the_letter_says_so(house: House) -> None:
    """Without a purpose under consent or a contract the answer is a letter that names what is left out, and no file of data."""
    publish_with(house, ("basis: contract", "basis: legitimate_interests"))
    with freezegun.freeze_time(IN_JULY, tick=True):
        house.policies.tick()
        ref = approved(house, "portability")
        plan = house.requests.view(ref).plan
        assert plan
        assert (plan.steps, plan.total, plan.staying, plan.nothing_found) == ((), 0, 23, False)
        house.work()
        assert house.requests.view(ref).outcome["rows"] == {}
        package = fetch(house, ref)
    assert set(package.namelist()) == {"index.html", "letter.pdf", "manifest.json"}
    letter = package.read("letter.pdf").decode()
    assert "but none that is what you gave us yourself" in letter
    assert "What we hold" not in letter


def test_a_field_of_a_category_that_is_not_portable_is_left_out_of_its_records(house: House) -> None:
    """The record comes without it, and the letter names the field with the reason."""
    datamap = house.plans.datamap
    requests = datamap.collection("requests")
    requests.fields["ip"] = FieldSettings(category="address")  # type: ignore[index]
    ref = approved(house, "portability")
    house.work()
    package = fetch(house, ref)
    records = json.loads(package.read("data/requests.json"))
    assert len(records) == 7
    assert all("ip" not in record and "model" in record for record in records)
    assert "ip in Requests: the policy does not say that the person provides it" in package.read("letter.pdf").decode()


def publish_with(house: House, change: tuple[str, str]) -> None:
    text = (house.root / "policies" / "gateway.md").read_text()
    assert change[0] in text
    house.policies.publish(parse_document(text.replace(*change), "gateway.md"), actor="system")


def fetch(house: House, ref: str) -> zipfile.ZipFile:
    grant = house.open_page(ref)
    house.requests.ask_code(ref, source="192.0.2.7")
    return zipfile.ZipFile(io.BytesIO(b"".join(house.requests.download(ref, grant, house.code(ANNA)).chunks)))


def test_what_is_over_its_day_is_counted_and_listed(house: House) -> None:
    """Open requests whose day has passed; one that was closed late, or is a test, is none."""
    late, fresh = opened_by_hand(house, "correction", days_ago=60), opened_by_hand(house, "correction")
    today = date(2026, 6, 11)
    assert house.requests.count_overdue(today) == 1
    assert [line.ref for line in house.requests.list_tickets(due_before=today)] == [late]
    assert {line.ref for line in house.requests.list_tickets()} == {late, fresh}
    house.requests.withdraw(late, by=OPERATOR, why="By phone.")
    assert house.requests.count_overdue(today) == 0
