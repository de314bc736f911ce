"""Threads: a reply lands on its request by each of four ways, and what can be made up moves nothing; a kill repeats nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.clock import SystemClock
from core.database import Database
from dsr.messages import BY_MAIL, BY_OTHER
from inbox.desk import LetterState, View
from inbox.ours import base_subject
from policies.clauses import Right
from policies.regimes import Question
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR
from tests.letter_rooms import COPY, DELETE, HERE, LetterRoom, build_room, mail
from tests.schema import import_tables, make_tables
from tests.web_installation import Installation, open_installation

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory
STRANGER = "lawyer@office.example"


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    import_tables()  # before the clock is another one: columns are read from annotations
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, StepTickTimeFactory)
        yield frozen


@pytest.fixture
def room(tmp_path: Path, time: Frozen) -> Iterator[LetterRoom]:
    """On SQLite; a slow test has the same on PostgreSQL."""
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    yield build_room(database, tmp_path / "house")
    database.close()


def sent(room: LetterRoom, words: str, address: str = ANNA) -> EmailMessage:
    """The newest mail of ours to an address whose subject has these words, as it left."""
    room.house.work()
    files = sorted((room.house.root / "var" / "outbox").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    return [one for one in mails if address in str(one["To"]) and words in str(one["Subject"])][-1]


def opened(room: LetterRoom) -> str:
    """A request that came by mail, its address shown."""
    return room.confirmed(room.receive(mail(subject="My data")).id)


def messages(room: LetterRoom, ref: str, author: str) -> list[str]:
    return [one.body for one in room.house.requests.view(ref).messages if one.author == author and one.waits]


def test_a_reply_lands_on_its_request_by_the_signed_address(room: LetterRoom) -> None:
    """Whatever its subject, and in whatever letter case a server writes the address: at once, waiting for an answer, and
    without an acknowledgement."""
    ref = opened(room)
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    line = room.receive(mail("It is about the shop.", subject="Hello", to=signed.upper()))
    assert (line.state, line.refs, line.says) == (LetterState.REPLIED, (ref,), f"Went to {ref}")
    assert messages(room, ref, BY_MAIL) == ["It is about the shop."]
    assert room.acknowledgements() == 1


def test_a_reply_lands_on_its_request_by_what_it_answers(room: LetterRoom) -> None:
    """An answer to a mail of ours about the request, to the acknowledgement of the letter that opened it, and to the person's
    own mail of before."""
    first = room.receive(mail(subject="My data", Message_ID="<first@mail.post.example>"))
    told = sent(room, "We have your mail")
    ref = room.confirmed(first.id)
    confirm = sent(room, "Did you ask")
    answers = [str(confirm["Message-ID"]), str(told["Message-ID"]), "<first@mail.post.example>"]
    for number, answered in enumerate(answers):
        line = room.receive(mail(f"Answer {number}", subject=f"Something {number}", In_Reply_To=answered))
        assert (line.state, line.refs, line.thread) == (LetterState.REPLIED, (ref,), first.thread)
    assert messages(room, ref, BY_MAIL) == ["Answer 0", "Answer 1", "Answer 2"]
    assert told["In-Reply-To"] == "<first@mail.post.example>"


def test_a_reply_lands_on_its_request_by_reference_or_subject_of_the_same_sender(room: LetterRoom) -> None:
    """Both can be made up, so they count for the address that the request is of, and for nobody else."""
    ref = opened(room)
    by_reference = room.receive(mail("First", subject=f"About {ref.lower()}, please"))
    by_subject = room.receive(mail("Second", subject="AW: Re: My  DATA"))
    assert (by_reference.refs, by_subject.refs) == ((ref,), (ref,))
    stranger = room.receive(mail("Third", subject=f"About {ref}", sender=STRANGER))
    same_subject = room.receive(mail("Fourth", subject="Re: My data", sender=STRANGER))
    assert (stranger.state, stranger.refs, same_subject.refs) == (LetterState.WAITING, (), ())
    assert messages(room, ref, BY_MAIL) == ["First", "Second"]


def test_a_signed_address_that_was_forged_names_nothing(room: LetterRoom) -> None:
    """One digit other, another reference under a good signature, another domain: an ordinary letter."""
    ref = opened(room)
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    last = "0" if signed.partition("@")[0][-1] != "0" else "1"
    local, _, domain = signed.partition("@")
    for forged in (f"{local[:-1]}{last}@{domain}", signed.replace(ref, "22222-2222"), f"{local}@elsewhere.example"):
        line = room.receive(mail(COPY, subject=forged, to=forged, sender=STRANGER))
        assert (line.state, line.refs) == (LetterState.WAITING, ())
    assert room.house.requests.messages.waiting() == {}


def test_a_stranger_in_the_thread_is_shown_and_moves_nothing(room: LetterRoom) -> None:
    """Who got hold of the address may write; an operator sees whose words they are, the person's page does not show them, the
    question stays open, and every mail goes where it went before."""
    ref = opened(room)
    room.house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?", about=Question.CLARIFICATION)
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    room.receive(mail("All of them. Send the copy to me.", sender=STRANGER, to=signed))
    view = room.house.requests.view(ref)
    assert messages(room, ref, BY_OTHER) == [f"{STRANGER} wrote:\n\nAll of them. Send the copy to me."]
    assert view.clock.question_on is not None
    assert view.line.contact.reveal() == ANNA
    grant = room.house.open_page(ref)
    assert "All of them" not in str(room.house.requests.messages.read_as_person(ref, grant))
    assert room.house.mails_to(STRANGER) == []
    room.receive(mail("The first one.", to=signed))
    assert room.house.requests.view(ref).clock.question_on is None
    assert "The first one." in str(room.house.requests.messages.read_as_person(ref, grant))


def test_before_the_link_is_pressed_the_same_address_is_theirs_and_answers_nothing(room: LetterRoom) -> None:
    """Whoever wrote the letter may add to it; what counts as an answer waits until the address is shown."""
    ref = room.accept(room.receive(mail(subject="My data")).id)[0]
    room.receive(mail("It is about the shop.", subject="Re: My data"))
    assert messages(room, ref, BY_MAIL) == ["It is about the shop."]
    assert room.count("ticket_events", "kind = 'question_answered'") == 0


def test_a_reference_alone_answers_no_question(room: LetterRoom) -> None:
    """The subject may be anybody's; an operator says whether it answers."""
    ref = opened(room)
    room.house.requests.clocks.ask(ref, by=OPERATOR, words="Which account?", about=Question.CLARIFICATION)
    room.receive(mail("The first one.", subject=f"Re: {ref}"))
    assert messages(room, ref, BY_MAIL) == ["The first one."]
    assert room.house.requests.view(ref).clock.question_on is not None


def test_a_reply_that_asks_for_more_stands_in_the_queue_too(room: LetterRoom) -> None:
    """It is on its request as what was written, and an operator decides about the further right, which is a conversation of
    its own with a link of its own."""
    ref = opened(room)
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    line = room.receive(mail("Thanks. And " + COPY, to=signed))
    assert (line.state, line.refs, line.rights) == (LetterState.WAITING, (ref,), (Right.ACCESS,))
    more = room.accept(line.id)[0]
    views = [room.house.requests.view(one) for one in (ref, more)]
    assert views[1].identity_at is None
    assert room.count("conversations") == 2
    again = room.receive(mail("As I said, please delete my account.", to=signed))
    assert again.state is LetterState.REPLIED


def test_what_is_written_about_a_closed_request_goes_to_the_queue(room: LetterRoom) -> None:
    """It opens nothing by itself; an operator adds it, or accepts it as something new."""
    ref = opened(room)
    room.house.requests.withdraw(ref, by=OPERATOR, why="By telephone.")
    line = room.receive(mail("One more thing.", subject="Re: My data"))
    assert (line.state, line.says) == (LetterState.WAITING, f"Belongs to {ref}, closed")
    assert [(one.ref, one.is_closed) for one in room.desk.letter(line.id).candidates] == [(ref, True)]
    room.desk.belongs_to(line.id, ref, by=OPERATOR)
    assert messages(room, ref, BY_MAIL) == ["One more thing."]
    assert room.desk.figures().corrections == ()


def test_an_answering_machine_in_the_thread_is_noted_once_a_day(room: LetterRoom) -> None:
    """No message that waits, no answer; the request says that one came."""
    ref = opened(room)
    told = str(sent(room, "Did you ask")["Message-ID"])
    before = room.acknowledgements()
    for number in range(3):
        line = room.receive(
            mail(f"Away {number}", subject="Out of office", In_Reply_To=told, Auto_Submitted="auto-replied")
        )
        assert (line.state, line.refs) == (LetterState.AUTOMATIC, (ref,))
    assert room.house.requests.messages.waiting() == {}
    assert room.count("ticket_events", "kind = 'auto_reply'") == 1
    assert room.acknowledgements() == before


def test_a_flood_in_a_thread_stays_in_the_queue(room: LetterRoom) -> None:
    """Thirty an hour go to the request; the others wait, and none is lost."""
    ref = opened(room)
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    room.hand_in(*(mail(f"Number {number}", to=signed) for number in range(40)))
    assert room.reading.read_new() == 40
    assert room.house.requests.messages.waiting() == {ref: 30}
    assert room.desk.counts()[View.TO_SORT] == 10


def test_an_answer_to_a_form_that_nobody_confirmed_is_a_letter(room: LetterRoom) -> None:
    """The request is nobody's before its link is pressed, so nothing is added to it."""
    room.house.submit(BRUNO)
    told = str(sent(room, "Did you ask", BRUNO)["Message-ID"])
    line = room.receive(mail("Yes, that was me.", sender=BRUNO, In_Reply_To=told))
    assert (line.state, line.refs) == (LetterState.WAITING, ())


def test_subjects_are_compared_without_what_programs_add() -> None:
    """Prefixes of several languages, lists and spaces; a word that only begins so stays."""
    for said in ("Re: My data", "AW: WG: my  data", "[Privacy] Re[2]: MY DATA", "Fwd: Re: My data "):
        assert base_subject(said) == "my data"
    assert base_subject("Recall: my data") == "recall: my data"
    assert base_subject("Re: ") == ""


class Crash(BaseException):
    """As if the process had gone."""


def _everything(room: LetterRoom) -> dict[str, int]:
    tables = (
        "letters",
        "letter_tickets",
        "ticket_messages",
        "ticket_events",
        "outbox",
        "ledger_entries",
        "request_counters",
    )
    return {name: room.count(name) for name in tables} | {"read": room.count("inbox_messages", "read_at IS NOT NULL")}


@pytest.mark.parametrize(
    "what",
    [
        "a reply",
        pytest.param("a letter", marks=pytest.mark.slow),
        pytest.param("an answering machine", marks=pytest.mark.slow),
    ],
)
def test_a_crash_at_any_statement_repeats_nothing(room: LetterRoom, what: str) -> None:
    """Whichever statement is the last: nothing of the message is there, and the next round makes each thing once."""
    ref = opened(room)
    room.house.work()
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    raw = {
        "a letter": mail(COPY, sender=BRUNO),
        "a reply": mail("The first one.", to=signed),
        "an answering machine": mail("Away", to=signed, Auto_Submitted="auto-replied"),
    }[what]
    room.hand_in(raw)
    before, left = _everything(room), [0]

    def count(*_given: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash

    sa.event.listen(room.house.database.engine, "before_cursor_execute", count)
    for last in range(1, 200):
        left[0] = last
        try:
            assert room.reading.read_new() == 1
        except Crash:
            left[0] = -1
            assert _everything(room) == before
            continue
        break
    left[0] = -1
    sa.event.remove(room.house.database.engine, "before_cursor_execute", count)
    assert last > 8
    after = _everything(room)
    assert (after["letters"], after["read"]) == (before["letters"] + 1, before["read"] + 1)
    assert after["outbox"] == before["outbox"] + (what == "a letter")
    assert after["ticket_messages"] == before["ticket_messages"] + (what == "a reply")
    assert room.reading.read_new() == 0


@pytest.mark.slow
def test_a_process_that_is_killed_repeats_nothing(tmp_path: Path) -> None:
    """SIGKILL at three statements of an installation as it is wired, then a round to the end: one letter a mail, one message,
    one acknowledgement a sender."""
    with open_installation(tmp_path) as installation:
        kept = installation.kept
        for number in range(6):
            raw = mail(DELETE, sender=f"p{number}@post.example", to=HERE)
            kept.inbox.taking.take(raw, source="box", place=str(number), arrived_at=SystemClock().now())
        for last, ended in ((9, -signal.SIGKILL), (31, -signal.SIGKILL), (60, -signal.SIGKILL), (0, 0)):
            words = [sys.executable, "-m", "tests.letter_child", str(installation.root / "kept.yaml"), str(last)]
            assert subprocess.run(words, check=False, timeout=60).returncode == ended
        assert _counts(installation) == (6, 6, 6)


def _counts(installation: Installation) -> tuple[int, int, int]:
    with installation.kept.database.engine.connect() as connection:
        first, second, third = (
            int(connection.execute(sa.text(f"SELECT count(*) FROM {what}")).scalar_one())
            for what in ("letters", "outbox WHERE kind = 'mail'", "inbox_messages WHERE read_at IS NOT NULL")
        )
    return first, second, third


@pytest.mark.slow
def test_the_whole_way_on_postgresql(postgres_url: str, tmp_path: Path, time: Frozen) -> None:
    """Letters, threads, decisions, lists and times where rows are locked and text holds no NUL."""
    database = Database(postgres_url)
    make_tables(database)
    room = build_room(database, tmp_path / "house")
    ref = opened(room)
    signed = room.ours.addresses.make(ref).partition("<")[2].rstrip(">")
    assert room.receive(mail("An\0swer", to=signed)).state is LetterState.REPLIED
    other = room.receive(mail(COPY + "\0", sender=BRUNO, subject="A\0"))
    room.accept(other.id)
    room.desk.undo(other.id, by=OPERATOR)
    room.desk.not_a_request(other.id, why="No.", by=OPERATOR)
    room.hand_in(*(mail(f"{DELETE} {number}", subject=f"Number {number}") for number in range(20)))
    assert room.reading.read_new() == 20
    page = room.desk.list_letters(View.TO_SORT, limit=15)
    assert len(page) + len(room.desk.list_letters(View.TO_SORT, before=page[-1].id)) == room.desk.counts()[View.TO_SORT]
    for one in page:
        assert room.desk.letter(one.id).id == one.id
    room.house.requests.withdraw(ref, by=OPERATOR, why="By telephone.")
    assert room.reading.note_closed() >= 1
    assert room.desk.figures().decided == 2
    assert re.fullmatch(r"thr_[0-9a-f]{24}", page[0].thread)
    database.close()
