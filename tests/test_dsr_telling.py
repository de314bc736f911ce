"""Recipients are told what was done with data they got: by API, by mail with a page, by hand; tracked, reminded, answered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.clock import day_in
from core.errors import BadInput, Conflict, NotFound
from core.outbox import OutboxRow
from dsr.desk import find_ticket
from dsr.states import State
from dsr.telling_views import Ground, TellingState, Way, What
from plans.tasks import Evidence
from promises.states import State as Promise
from tests.request_desk import hand_on, text_of
from tests.servers import run_smtp
from tests.servers_http import Fails
from tests.telling_rooms import GROQ, MAILER, Rooms, open_rooms

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
PEOPLE = iter(range(3, 41))


@dataclass(frozen=True, kw_only=True)
class Day:
    """The rooms, and their time."""

    rooms: Rooms
    frozen: Frozen

    def wait(self, **span: float) -> None:
        self.frozen.tick(timedelta(**span))
        self.rooms.installation.sessions.clear()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """One installation for all tests here; each takes people of its own."""
    root = tmp_path_factory.mktemp("told") / "in" / "kept"
    with (
        freezegun.freeze_time(datetime.now(UTC), tick=True, ignore=["_pytest.", "aiosmtpd", "asyncio"]) as frozen,
        run_smtp() as smtp,
        open_rooms(root, smtp) as rooms,
    ):
        assert not isinstance(frozen, StepTickTimeFactory)
        yield Day(rooms=rooms, frozen=frozen)


@pytest.fixture
def rooms(day: Day) -> Rooms:
    return day.rooms


def person() -> tuple[int, str]:
    number = next(PEOPLE)
    return number, f"person{number}@post.example"


def subjects(rooms: Rooms, address: str, ref: str) -> list[str]:
    return [str(mail["Subject"]).strip() for mail in rooms.mails_to(address) if ref in str(mail["Subject"])]


def untaken(rooms: Rooms) -> list[str]:
    """What went wrong with events that are to be tried again."""
    hand_on(rooms.installation.kept)
    with rooms.installation.kept.database.read() as session:
        wanted = sa.select(OutboxRow.kind, OutboxRow.trouble).where(OutboxRow.done_at.is_(None), OutboxRow.attempts > 0)
        return [f"{kind}: {trouble}" for kind, trouble in session.execute(wanted)]


def states(rooms: Rooms, ref: str) -> dict[str, TellingState]:
    return {name: one.state for name, one in rooms.told(ref).items()}


def ledger(rooms: Rooms) -> str:
    with rooms.installation.kept.database.read() as session:
        names = [name for name in sa.inspect(session.connection()).get_table_names() if name.startswith("ledger")]
        return "".join(str(row) for name in names for row in session.execute(sa.text(f"SELECT * FROM {name}")))


def test_a_deletion_is_told_to_each_recipient_of_what_went_and_to_no_other(rooms: Rooms) -> None:
    """Foreseen with what would be passed on, before the approval; sent after our own work is read back. One recipient of two
    clauses is told once; of what it does not get, and an authority, never. The vendor with an API is erased by the plan."""
    number, address = person()
    ref = rooms.planned(address)
    foreseen = rooms.told(ref)
    assert {name: (one.way, one.of) for name, one in foreseen.items()} == {
        "Groq": (Way.MAIL, ("request_log", "account")),
        "Letterbox": (Way.MAIL, ("account",)),
        "Paywell": (Way.STORE, ("account",)),
        "Countly Board": (Way.FORM, ("request_log",)),
        "Our adviser": (Way.HAND, ("account",)),
    }
    found = {
        name: [(kind, [v.reveal() for v in all_]) for kind, all_ in one.identifiers] for name, one in foreseen.items()
    }
    assert found["Groq"] == [("user_id", [str(number)])], "the opaque id, since nothing else is configured"
    assert found["Letterbox"] == [("email", [address])]
    assert found["Paywell"] == []
    assert foreseen["Letterbox"].condition == "you asked for our letter"
    assert not subjects(rooms, GROQ, ref), "nothing is sent before the approval"
    rooms.approve(ref)
    assert rooms.installation.kept.requests.view(ref).state is State.ANSWERED, "the person does not wait for recipients"
    assert states(rooms, ref) == {
        "Groq": TellingState.ASKED,
        "Letterbox": TellingState.ASKED,
        "Paywell": TellingState.DONE,
        "Countly Board": TellingState.BY_HAND,
        "Our adviser": TellingState.BY_HAND,
    }
    assert rooms.vendor.customers[f"cus_{number}"]["email"] == "[redacted]"
    (mail,) = [one for one in rooms.mails_to(GROQ) if ref in str(one["Subject"])]
    assert "Delete what you got from us about one person." in text_of(mail)
    assert address not in mail.as_string()
    answer = " ".join(text_of(rooms.mails_to(address)[-1]).split())
    assert "Who else got this data" in answer
    assert "Paywell: deleted there too on" in answer
    assert "Groq: told on" in answer
    assert "their answer is awaited" in answer
    assert "Our adviser: not told yet; we do it by hand" in answer
    assert "Courts" not in answer
    assert "Faraway" not in answer
    book = ledger(rooms)
    assert address not in book
    assert GROQ not in book
    assert rooms.installation.kept.ledger.verify().ok


def test_the_answer_of_a_recipient_ends_its_telling_and_forgets_whom_it_was_about(rooms: Rooms) -> None:
    """Done with a file, or nothing held; its link is void, what found the person there is emptied, the person's lines say so."""
    told = rooms.installation.kept.requests.told
    _, address = person()
    ref = rooms.done(address)
    link = rooms.link(GROQ).rpartition("/")[2]
    evidence = Evidence(name="../proof.txt", content=b"erased")
    told.answer_by_link(link, TellingState.DONE, note="Gone since today.", evidence=[evidence])
    with pytest.raises(NotFound):
        told.answer_by_link(link, TellingState.CANNOT, note="no")
    told.answer_by_link(rooms.link(MAILER).rpartition("/")[2], TellingState.NOTHING_HELD)
    groq = rooms.told(ref)["Groq"]
    assert (groq.state, groq.note, groq.files[0].name, groq.identifiers) == (
        TellingState.DONE, "Gone since today.", "proof.txt", ()
    )  # fmt: skip
    said = {one["title"]: one["why"] for one in told.say(ref, "de")}
    assert said["Groq"].endswith("sie haben geantwortet, dass alles gelöscht ist")
    assert said["Letterbox"].endswith("sie haben geantwortet, dass sie nichts über Sie gespeichert haben")
    assert "Gone since today." not in ledger(rooms)
    timeline = [one.kind for one in rooms.installation.kept.requests.view(ref).timeline]
    assert {"telling_asked", "telling_done", "telling_nothing_held", "telling_by_hand"} <= set(timeline)


def test_a_link_answers_for_its_own_request_and_recipient_only(rooms: Rooms) -> None:
    """A link of one recipient does nothing to another's; one of another purpose opens nothing; whoever holds it answers once."""
    told = rooms.installation.kept.requests.told
    _, one = person()
    _, other = person()
    first, second = rooms.done(one), rooms.done(other)
    token = rooms.link(GROQ).rpartition("/")[2]
    assert told.look_at_link(token).ref == second
    told.answer_by_link(token, TellingState.DONE)
    assert states(rooms, first)["Groq"] is TellingState.ASKED
    assert states(rooms, second)["Letterbox"] is TellingState.ASKED
    with pytest.raises(NotFound):
        rooms.installation.kept.tasks.look_at_link(rooms.link(MAILER).rpartition("/")[2])
    with pytest.raises(NotFound):
        told.look_at_link("x" * 43)
    with pytest.raises(BadInput, match="no answer"):
        told.answer_by_link(rooms.link(MAILER).rpartition("/")[2], TellingState.EXCUSED)


def test_who_does_not_answer_is_reminded_and_breaks_the_promise(day: Day) -> None:
    """One mail a week however many schedulers; over the day the board row of the recipient is broken, and whole again after."""
    rooms, kept = day.rooms, day.rooms.installation.kept
    told = kept.requests.told
    for one in told.lines():
        told.excuse(one.id, by="opr_1", ground=Ground.NOT_GIVEN, reason="Of another test.")

    def row(clause: str) -> tuple[Promise, str]:
        found = next(one for one in kept.board().clauses if one.clause_id == clause)
        return found.state, found.proof.replace("\xa0", " ")

    assert row("letters")[0] is Promise.KEPT
    _, address = person()
    ref = rooms.done(address)
    assert row("letters") == (Promise.DUE, "1 telling open, none late.")
    told.send_due()
    assert len(subjects(rooms, MAILER, ref)) == 1
    day.wait(days=7, minutes=1)
    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(lambda _: told.send_due(), range(3)))
    assert untaken(rooms) == []
    assert [one.partition(":")[0] for one in subjects(rooms, MAILER, ref)[1:]] == ["Reminder"]
    assert rooms.told(ref)["Letterbox"].state is TellingState.REMINDED
    day.wait(days=8)
    told.send_due()
    assert [one.partition(":")[0] for one in subjects(rooms, MAILER, ref)[2:]] == ["Overdue"]
    assert rooms.told(ref)["Letterbox"].is_overdue
    assert row("letters") == (Promise.BROKEN, "1 telling past its day.")
    assert told.count_overdue() == 4
    told.note_answer(rooms.told(ref)["Letterbox"].id, TellingState.DONE, by="opr_1", note="By telephone.")
    assert row("letters")[0] is Promise.KEPT
    day.wait(days=8)
    told.send_due()
    assert len(subjects(rooms, MAILER, ref)) == 3


def test_what_no_program_can_tell_is_told_by_hand_or_left_with_its_ground(rooms: Rooms) -> None:
    """On a day that was, with words; or not, with a ground of the law and a reason for the person; who never got it, is none."""
    told = rooms.installation.kept.requests.told
    _, address = person()
    ref = rooms.planned(address)
    told.excuse(rooms.told(ref)["Letterbox"].id, by="opr_1", ground=Ground.NOT_GIVEN, reason="No letter was asked for.")
    rooms.approve(ref)
    lines = rooms.told(ref)
    assert not subjects(rooms, MAILER, ref)
    today = day_in(datetime.now(UTC), "Europe/Berlin")
    with pytest.raises(BadInput, match="cannot have been told"):
        told.note_told(lines["Our adviser"].id, by="opr_1", on=today + timedelta(days=2), how="By letter.")
    told.note_told(lines["Our adviser"].id, by="opr_1", on=today, how="By telephone, to Ms Dorn.")
    with pytest.raises(BadInput, match="needs a reason"):
        told.excuse(lines["Countly Board"].id, by="opr_1", ground=Ground.EFFORT, reason=" ")
    told.excuse(lines["Countly Board"].id, by="opr_1", ground=Ground.IMPOSSIBLE, reason="the company is no more")
    with pytest.raises(Conflict, match="told by hand"):
        told.remind(lines["Our adviser"].id, by="opr_1")
    said = {one["title"]: one["why"] for one in told.say(ref, "en")}
    assert said["Our adviser"].startswith("told on ")
    assert said["Countly Board"] == "not told: the company is no more"
    assert "Letterbox" not in said


def test_a_recipient_that_cannot_waits_for_an_operator_and_a_withdrawn_one_gets_a_mail(rooms: Rooms) -> None:
    """Cannot needs a reason; it can be asked again. Withdrawn: the link is void and they hear that nothing is needed."""
    told = rooms.installation.kept.requests.told
    _, address = person()
    ref = rooms.done(address)
    link = rooms.link(GROQ).rpartition("/")[2]
    with pytest.raises(BadInput, match="needs a reason"):
        told.answer_by_link(link, TellingState.CANNOT, note=" ")
    told.answer_by_link(link, TellingState.CANNOT, note="It is in our backups.")
    groq = rooms.told(ref)["Groq"]
    assert (groq.state, groq.is_open) == (TellingState.CANNOT, True)
    told.ask_again(groq.id, by="opr_1")
    assert len(subjects(rooms, GROQ, ref)) == 2
    again = rooms.link(GROQ).rpartition("/")[2]
    told.withdraw(groq.id, by="opr_1", why="Sent by mistake.")
    assert "you need to do nothing more" in subjects(rooms, GROQ, ref)[-1]
    with pytest.raises(NotFound):
        told.look_at_link(again)


def test_a_correction_tells_only_what_is_right_and_only_to_who_got_that_field(rooms: Rooms) -> None:
    """The new value stands on the page, never in the mail; who gets other categories is not told."""
    kept = rooms.installation.kept
    _, address = person()
    ref = rooms.received(address, "correction")
    kept.requests.corrections.propose(ref, about="user.name", value="Petra New", by="opr_1")
    for line in kept.requests.corrections.view(ref).lines:
        kept.requests.corrections.place(ref, line.id, where="accounts.name", by="opr_1")
    kept.requests.make_plan(ref, by="system")
    assert set(rooms.told(ref)) == {"Groq", "Letterbox", "Paywell", "Our adviser"}
    rooms.approve(ref)
    groq = rooms.told(ref)["Groq"]
    assert groq.what is What.CORRECTED
    assert [(name, value.reveal()) for name, value in groq.corrections] == [("name", "Petra New")]
    mail = next(one for one in reversed(rooms.mails_to(GROQ)) if ref in str(one["Subject"]))
    assert "Petra New" not in mail.as_string()
    assert "Correct what you got from us about one person" in str(mail["Subject"])


def test_a_restriction_is_told_and_so_is_its_end_to_who_heard_of_it(rooms: Rooms) -> None:
    """The stores say where the person is; a lifting supersedes what is not answered; a repeated event tells nobody twice."""
    kept = rooms.installation.kept
    _, address = person()
    ref = rooms.received(address, "access")
    told = kept.requests.told
    with kept.database.begin() as session:
        told.note_restriction(session, find_ticket(session, ref), lifted=False, categories=["account"])
    hand_on(kept)
    restricted = rooms.told(ref)
    assert set(restricted) == {"Groq", "Letterbox", "Paywell", "Our adviser"}
    assert restricted["Groq"].of == ("account",)
    assert (restricted["Paywell"].way, restricted["Paywell"].state) == (Way.HAND, TellingState.BY_HAND)
    told.excuse(restricted["Letterbox"].id, by="opr_1", ground=Ground.NOT_GIVEN, reason="Never.")
    told.answer_by_link(rooms.link(GROQ).rpartition("/")[2], TellingState.DONE)
    with kept.database.begin() as session:
        told.note_restriction(session, find_ticket(session, ref), lifted=True)
    hand_on(kept)
    lines = [(one.recipient, one.what, one.state) for one in told.lines(ref=ref)]
    assert ("Groq", What.LIFTED, TellingState.ASKED) in lines
    assert ("Paywell", What.RESTRICTED, TellingState.WITHDRAWN) in lines
    assert not [one for one in lines if one[0] == "Letterbox" and one[1] is What.LIFTED]
    assert "You may use again" in subjects(rooms, GROQ, ref)[-1]


def test_a_vendor_that_does_not_answer_holds_up_the_deletion_and_nobody_is_told_yet(rooms: Rooms) -> None:
    """A step that is part of the deletion comes first; while it fails the request is partly done, and no mail went out."""
    _, address = person()
    ref = rooms.planned(address)
    rooms.vendor.fail("/v1/privacy", *[Fails(status=400) for _ in range(12)])
    rooms.approve(ref)
    assert rooms.installation.kept.requests.view(ref).state is State.PARTLY_DONE
    assert set(states(rooms, ref).values()) == {TellingState.FORESEEN}
    assert not subjects(rooms, GROQ, ref)
    rooms.vendor.forget_failures()


def test_a_request_that_is_withdrawn_before_the_work_tells_nobody(rooms: Rooms) -> None:
    """What was foreseen is forgotten with its end."""
    kept = rooms.installation.kept
    _, address = person()
    ref = rooms.planned(address)
    kept.requests.withdraw(ref, by="opr_1", why="By telephone.")
    kept.requests.told.send_due()
    assert rooms.told(ref) == {}
    assert not subjects(rooms, GROQ, ref)
