"""The whole life of work for people: asked by mail, reminded, confirmed or refused behind a link or in the console."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, TickingDateTimeFactory

from core.errors import BadInput, Conflict
from dsr.states import State
from dsr.tasks import Evidence, TaskState
from dsr.words import BY_OTHERS, say_status
from plans.tables import StepState
from plans.tasks import LARGEST_EVIDENCE, MOST_EVIDENCE
from tests.request_desk import CODE, SOURCES, fetch_package, find, hand_on, read_mails, text_of
from tests.task_rooms import CONTACT, WITH_HELPDESK, asked, link_of, nonce_of, press, send_form
from tests.web_installation import AGENT, Installation, csrf_of, open_installation, read
from web.security import limiter

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
PEOPLE = iter(f"person{number}@post.example" for number in range(3, 41))  # the first two have closed accounts


@dataclass(frozen=True, kw_only=True)
class House:
    """An installation whose time can be moved on, and never back: its leases and limits stand in it."""

    installation: Installation
    frozen: Frozen

    def wait(self, **span: float) -> None:
        """Let time pass; every session is over by then."""
        self.frozen.tick(timedelta(**span))
        self.installation.sessions.clear()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The small gateway, and a helpdesk that a vendor looks after."""
    root = tmp_path_factory.mktemp("tasks") / "kept"
    with freezegun.freeze_time(datetime.now(UTC), tick=True, ignore=["_pytest."]) as frozen:
        assert not isinstance(frozen, freezegun.api.StepTickTimeFactory)
        with open_installation(root, configuration=WITH_HELPDESK) as opened:
            yield House(installation=opened, frozen=frozen)


@pytest.fixture
def installation(house: House) -> Installation:
    """The installation; what other tests tried does not count against the limits here."""
    limiter.reset()
    return house.installation


def mails(installation: Installation, ref: str) -> list[str]:
    """The subjects of the mails to the contact about one request, the oldest first."""
    found = [str(mail["Subject"]) for mail in read_mails(installation.root, CONTACT)]
    return [subject for subject in found if ref in subject]


def state_of(installation: Installation, ref: str) -> tuple[State, str]:
    """A request's state, and that of its step that people do."""
    view = installation.kept.requests.view(ref)
    assert view.plan
    return view.state, next(step.state for step in view.plan.steps if step.deed == "ask")


def everything_in_the_ledger(installation: Installation) -> str:
    with installation.kept.database.read() as session:
        names = [name for name in sa.inspect(session.connection()).get_table_names() if name.startswith("ledger")]
        return "".join(str(row) for name in names for row in session.execute(sa.text(f"SELECT * FROM {name}")))


def test_a_deletion_waits_for_the_vendor_and_is_answered_by_their_word(installation: Installation) -> None:
    """Asked by a mail without the person, confirmed behind its link with a file; what a program deletes does not wait."""
    kept, person = installation.kept, next(PEOPLE)
    ref, task = asked(installation, person)
    assert state_of(installation, ref) == (State.PARTLY_DONE, StepState.INTENDED)
    assert kept.requests.view(ref).plan.state == "asked"  # type: ignore[union-attr]
    # Nothing failed and no place was out of reach: it waits for people, and the person reads that.
    assert kept.requests.view(ref).line.state_name == "Waits for people"
    assert "by hand" in say_status(BY_OTHERS, "en").body
    kept.requests.ask_code(ref, source=next(SOURCES))
    hand_on(kept)
    seen = kept.requests.page(ref, kept.requests.open_page(ref, find(CODE, installation.root, person)))
    assert seen.status == say_status(BY_OTHERS, "en")
    assert not any("not possible" in step.words for step in seen.steps)
    (mail,) = [one for one in read_mails(installation.root, CONTACT) if ref in str(one["Subject"])]
    assert "Delete what you hold about one person, in helpdesk (letters)." in " ".join(text_of(mail).split())
    assert person not in mail.as_string()
    client, link = installation.client(), link_of(installation, ref)
    page = client.get(link).get_data(as_text=True)
    assert person in page
    evidence = ("../../proof<1>.txt", b"deleted: 3 tickets of Anna")
    answer = press(client, link, "confirm", note="Three tickets of Anna went.", file=evidence)
    assert "We have your answer" in answer.get_data(as_text=True)
    hand_on(kept)
    assert state_of(installation, ref) == (State.ANSWERED, StepState.DONE)
    told = [mail for mail in read_mails(installation.root, person) if "deleted" in str(mail["Subject"])]
    assert "Letters: deleted by hand, confirmed to us" in text_of(told[-1])
    view = kept.tasks.view(task.id)
    assert (view.line.state, view.line.answered_by, view.files[0].name) == (
        TaskState.CONFIRMED,
        "contact",
        "proof1.txt",
    )
    with kept.database.read() as session:
        entries = kept.ledger.entries(session, ref=task.id)
    kinds = ["request.outcome", "task.confirmed", "task.evidence", "task.asked"]
    assert [entry.kind for entry in entries] == kinds
    ledger = everything_in_the_ledger(installation)
    assert view.files[0].sha256 in ledger
    assert "Anna" not in ledger
    assert CONTACT not in ledger
    assert person not in ledger
    assert kept.ledger.verify().ok


def test_a_scanner_that_follows_the_link_changes_nothing(installation: Installation) -> None:
    """GET and HEAD show; a POST without the page's nonce is refused; an act that the page does not have is, too."""
    ref, task = asked(installation, next(PEOPLE))
    client, link = installation.client(), link_of(installation, ref)
    for _ in range(3):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    assert client.post(link, data={"act": "confirm"}).status_code == 400
    assert client.post(link, data={"act": "confirm", "nonce": "0" * 64}).status_code == 400
    assert press(client, link, "explode").status_code == 400
    assert installation.kept.tasks.view(task.id).line.state is TaskState.ASKED
    page = client.get(link)
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in page.headers


def test_a_link_works_once_and_not_for_ever(installation: Installation, house: House) -> None:
    """After an answer, after its time, and for a token that never was: one and the same page, and nothing happens."""
    ref, task = asked(installation, next(PEOPLE))
    client, link = installation.client(), link_of(installation, ref)
    nonce = nonce_of(client.get(link))
    assert press(client, link, "refuse", reason="We hold nothing.").status_code == 200
    again = client.post(link, data={"nonce": nonce, "act": "confirm"})
    assert (client.get(link).status_code, again.status_code) == (404, 404)
    assert installation.kept.tasks.view(task.id).line.state is TaskState.REFUSED
    late_ref, late = asked(installation, next(PEOPLE))
    late_link = link_of(installation, late_ref)
    house.wait(days=31)
    gone = client.get(late_link)
    assert gone.status_code == 404
    assert gone.get_data() == client.get(link).get_data() == client.get("/tasks/" + "x" * 43).get_data()
    assert installation.kept.tasks.view(late.id).line.is_overdue


def test_who_does_not_answer_is_reminded_every_week_by_one_mail(installation: Installation, house: House) -> None:
    """By however many schedulers: one mail a week; missed weeks make one; overdue is loud; an answer ends it."""
    kept = installation.kept
    ref, task = asked(installation, next(PEOPLE))
    first = link_of(installation, ref)
    kept.tasks.send_due()
    hand_on(kept)
    assert len(mails(installation, ref)) == 1
    house.wait(days=7, minutes=1)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda _: kept.tasks.send_due(), range(4)))
    hand_on(kept)
    assert [subject.partition(":")[0] for subject in mails(installation, ref)[1:]] == ["Reminder"]
    assert kept.tasks.view(task.id).line.state is TaskState.REMINDED
    assert f"letters in helpdesk, {ref}" not in read(installation, "/console/").get_text(" ")
    house.wait(days=16)
    kept.tasks.send_due()
    kept.tasks.send_due()
    hand_on(kept)
    assert [subject.partition(":")[0] for subject in mails(installation, ref)[2:]] == ["Overdue"]
    assert (kept.tasks.view(task.id).line.reminders, kept.tasks.view(task.id).line.is_overdue) == (2, True)
    assert f"Delete: letters in helpdesk, {ref}" in read(installation, "/console/").get_text(" ")
    assert press(installation.client(), first, "confirm").status_code == 200, "an earlier link is good until an answer"
    house.wait(days=8)
    kept.tasks.send_due()
    hand_on(kept)
    assert len(mails(installation, ref)) == 3


def test_what_is_refused_waits_for_an_operator(installation: Installation) -> None:
    """It is not tried again by itself: asked again, refused again, and gone on without, with the reason for the person."""
    kept, person = installation.kept, next(PEOPLE)
    ref, task = asked(installation, person)
    press(installation.client(), link_of(installation, ref), "refuse", reason="Not under our contract.")
    hand_on(kept)
    assert state_of(installation, ref) == (State.PARTLY_DONE, StepState.FAILED)
    kept.requests.schedule_run(ref, by="system")
    hand_on(kept)
    assert state_of(installation, ref) == (State.PARTLY_DONE, StepState.FAILED)
    page = read(installation, f"/console/requests/{ref}").get_text(" ")
    assert "Refused, so you decide: letters in helpdesk" in page
    assert "Not under our contract." in page
    kept.tasks.ask_again(task.id, by="opr_1")
    hand_on(kept)
    assert state_of(installation, ref) == (State.PARTLY_DONE, StepState.INTENDED)
    assert not mails(installation, ref)[-1].startswith("Reminder")
    press(installation.client(), link_of(installation, ref), "refuse", reason="Still not.")
    with pytest.raises(BadInput, match="in words for the person"):
        kept.tasks.go_on_without(task.id, by="opr_1", reason=" ")
    kept.tasks.go_on_without(task.id, by="opr_1", reason="The vendor has to keep it for its own accounts")
    hand_on(kept)
    assert state_of(installation, ref) == (State.ANSWERED, StepState.LEFT)
    assert "The vendor has to keep it for its own accounts" in " ".join(
        text_of(read_mails(installation.root, person)[-1]).split()
    )
    with pytest.raises(Conflict, match="cannot become confirmed"):
        kept.tasks.confirm(task.id, by="opr_1")


def test_a_copy_comes_after_the_vendors_answer_and_without_their_file(installation: Installation) -> None:
    """The file is for an operator to look at; the letter says that the place is looked after by hand."""
    kept, person = installation.kept, next(PEOPLE)
    ref, task = asked(installation, person, "access")
    assert state_of(installation, ref) == (State.PARTLY_DONE, StepState.INTENDED)
    assert kept.requests.view(ref).package is None
    content = b"From: someone else's address\n"
    kept.tasks.confirm(task.id, by="opr_1", evidence=[Evidence(name="tickets.eml", content=content)])
    hand_on(kept)
    assert state_of(installation, ref) == (State.ANSWERED, StepState.DONE)
    with fetch_package(installation, ref, person) as made:
        assert not [name for name in made.namelist() if "tickets" in name or "letters" in name]
        assert "data/accounts.json" in made.namelist()
    assert "looked after by hand" in str(kept.requests.view(ref).outcome["kept"])
    answer = installation.signed_in(AGENT).get(
        f"/console/tasks/{task.id}/evidence/{kept.tasks.view(task.id).files[0].id}"
    )
    assert (answer.get_data(), answer.mimetype) == (content, "application/octet-stream")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert installation.client().get(answer.request.path).status_code == 302


def test_evidence_has_a_size(installation: Installation) -> None:
    """One byte too many is refused in words, on the page and before it; the link stays good, and nothing is kept."""
    kept = installation.kept
    ref, task = asked(installation, next(PEOPLE))
    client, link = installation.client(), link_of(installation, ref)
    for size, status in ((LARGEST_EVIDENCE + 1, 400), (LARGEST_EVIDENCE + 2**20, 413)):
        answer = press(client, link, "confirm", file=("big.zip", b"x" * size))
        assert answer.status_code == status
        assert "evidence has at most 10 MB" in answer.get_data(as_text=True)
    assert press(client, link, "confirm", file=("empty.zip", b"")).status_code == 400
    operator = installation.signed_in(AGENT)
    page = f"/console/tasks/{task.id}"
    data = {"csrf_token": csrf_of(operator, page)}
    answer = send_form(operator, f"{page}/evidence", data, ("big.zip", b"x" * (LARGEST_EVIDENCE + 1)))
    assert (answer.status_code, "evidence has at most 10 MB" in answer.get_data(as_text=True)) == (400, True)
    assert kept.tasks.view(task.id).files == ()
    assert press(client, link, "confirm", file=("just.zip", b"x" * LARGEST_EVIDENCE)).status_code == 200
    for number in range(1, MOST_EVIDENCE):
        kept.tasks.attach(task.id, Evidence(name=f"{number}", content=b"x"), by="opr_1")
    with pytest.raises(BadInput, match="5 files already"):
        kept.tasks.attach(task.id, Evidence(name="sixth", content=b"x"), by="opr_1")


def test_a_request_that_ends_takes_its_open_work_with_it(installation: Installation) -> None:
    """The contact is told, the link is dead, and nobody can confirm for a request that is closed."""
    kept = installation.kept
    ref, task = asked(installation, next(PEOPLE))
    link = link_of(installation, ref)
    kept.requests.make_plan(ref, by="system")
    assert kept.tasks.view(task.id).line.state is TaskState.ASKED, "until the new plan is decided about"
    kept.requests.withdraw(ref, by="system", why="by telephone")
    hand_on(kept)
    assert kept.tasks.view(task.id).line.state is TaskState.WITHDRAWN
    assert mails(installation, ref)[-1] == f"Request {ref}: you need to do nothing more"
    assert installation.client().get(link).status_code == 404
    for act in (kept.tasks.confirm, kept.tasks.remind):
        with pytest.raises(Conflict, match="withdrawn"):
            act(task.id, by="opr_1")
    kept.tasks.send_due()
    hand_on(kept)
    assert len(mails(installation, ref)) == 2


def test_a_new_plan_takes_over_what_was_asked_before(installation: Installation) -> None:
    """Nobody is asked twice for the same; an answer given meanwhile counts for the new plan."""
    kept = installation.kept
    ref, task = asked(installation, next(PEOPLE))
    kept.requests.make_plan(ref, by="system")
    press(installation.client(), link_of(installation, ref), "confirm")
    hand_on(kept)
    assert kept.requests.view(ref).state is State.PLANNED
    kept.requests.approve(ref, by="system")
    hand_on(kept)
    assert state_of(installation, ref) == (State.ANSWERED, StepState.DONE)
    assert [one.id for one in kept.tasks.list_tasks(is_open=False, ref=ref)] == [task.id]
    assert len(mails(installation, ref)) == 1


def test_an_operator_does_in_the_console_what_the_contact_can(installation: Installation) -> None:
    """Remind, refuse, ask again, attach, confirm: each is on the task's page, and each names who did it."""
    kept, operator = installation.kept, installation.signed_in(AGENT)
    ref, task = asked(installation, next(PEOPLE))
    page = f"/console/tasks/{task.id}"

    def send(act: str, *, file: tuple[str, bytes] | None = None, **data: str) -> int:
        return send_form(operator, f"{page}/{act}", {"csrf_token": csrf_of(operator, page), **data}, file).status_code

    assert send("remind") == 302
    assert (send("refuse", reason=""), send("refuse", reason="They have closed down.")) == (400, 302)
    assert send("remind") == 409
    assert send("ask-again") == 302
    assert send("evidence") == 400
    assert send("evidence", file=("letter.pdf", b"%PDF-")) == 302
    assert send("confirm", note="By telephone.") == 302
    hand_on(kept)
    assert state_of(installation, ref) == (State.ANSWERED, StepState.DONE)
    words = read(installation, page, AGENT).get_text(" ")
    for said in ("Reminded by Tom Ackerby", "Refused by Tom Ackerby", "Confirmed by Tom Ackerby", "letter.pdf"):
        assert said in words
    listed = read(installation, "/console/tasks?state=all").get_text(" ")
    assert f"{ref}" in listed
    assert "Confirmed" in listed
    assert operator.post(f"{page}/remind").status_code == 400, "no act without its token"


def test_an_empty_list_of_tasks_says_what_fills_it(tmp_path: Path) -> None:
    """Before the first task the pages name the kind of store that makes one."""
    with open_installation(tmp_path / "kept") as fresh:
        assert "No work for people is open" in read(fresh, "/console/tasks").get_text(" ")
        assert "A store of kind manual" in read(fresh, "/console/tasks?state=all").get_text(" ")
        assert fresh.signed_in().get("/console/tasks/task_none").status_code == 404
