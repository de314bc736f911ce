"""The queue of mails: each has a state that says what is known of it, is tried as long as that is of use, and never twice blindly."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.database import Database
from core.errors import Conflict
from notify.lost_mails import Lost
from notify.tables import MailState
from tests.ledger_rooms import StandingClock
from tests.mail_rooms import ANSWER, CODE, ONCE, open_room, post
from tests.servers import free_port

ROOT = Path(__file__).parent.parent
ANNA = "anna@post.example"


def test_the_mails_of_a_round_share_a_connection_and_many_share_a_few(database: Database, tmp_path: Path) -> None:
    """Twenty go over one; eighty over four at once and no more; each arrives once, and is said to be sent."""
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        room.queue_many(20)
        assert room.rounds.run() == 20
        assert len(server.connections) == 1
    with post(slow=0.01) as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        room.queue_many(80)
        assert room.rounds.run() == 80
        assert 2 <= len(server.connections) <= 4
        assert 2 <= server.most_open <= 4
        assert (len(server.ids), set(server.ids.values())) == (80, {1})
    assert room.states() == {MailState.SENT: 100}


def test_a_mail_that_is_put_off_is_tried_again_later_and_later(database: Database, tmp_path: Path) -> None:
    """Greylisting: 451 at first. The row says when it comes again and why; its wait grows; nobody's address stands in a log."""
    with post(lambda step, number: "451 4.7.1 later" if step == "rcpt" and number < 4 else "250 OK") as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        mail_id, waits = room.queue(to=ANNA), []
        with capture_logs() as logs:
            for _ in range(3):
                assert room.rounds.run() == 0
                row = room.row(mail_id)
                assert (row.state, "put the recipient off (451)" in row.why) == (MailState.WAITING, True)
                assert row.next_at is not None
                waits.append(row.next_at - room.clock.now())
                assert room.rounds.run() == 0  # not before then
                room.pass_time(waits[-1])
            assert room.rounds.run() == 1
        assert "anna" not in str(logs)
        assert len(server.contents) == 1
    assert timedelta(seconds=48) <= waits[0] <= timedelta(seconds=72) < waits[1] < waits[2]
    assert room.row(mail_id).state == MailState.SENT
    assert [one.state for one in room.desk.mail(mail_id).tries] == [MailState.WAITING] * 3 + [MailState.SENT]
    assert room.payload(mail_id) == {}


def test_what_no_server_takes_for_days_is_given_up_and_its_ticket_hears_of_it(
    database: Database, tmp_path: Path
) -> None:
    """Not before the time that kept.yaml gives it; then somebody has to look, and may have it tried again."""
    with post(lambda step, _number: "452 mailbox full" if step == "rcpt" else "250 OK") as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}", give_up=timedelta(days=1))
        mail_id = room.queue(reply_ref="K7F3Q-2MXB")
        room.run_on(timedelta(hours=12))
        assert room.row(mail_id).state == MailState.WAITING
        room.run_on(timedelta(hours=13))
        row = room.row(mail_id)
        assert (row.state, room.payload(mail_id)) == (MailState.GIVEN_UP, {})
        assert "Given up after" in row.why
        assert [(one.ref, one.how) for one in room.lost] == [("K7F3Q-2MXB", Lost.GIVEN_UP)]
        server.says = lambda _step, _number: "250 OK"
        room.desk.retry(mail_id, by="opr_1")
        assert room.rounds.run() == 1
        assert room.row(mail_id).state == MailState.SENT
        with pytest.raises(Conflict, match="is sent"):
            room.desk.retry(mail_id, by="opr_1")


def test_a_mail_that_is_refused_for_good_ends_and_a_person_may_send_the_same_words_again(
    database: Database, tmp_path: Path
) -> None:
    """The queue forgets the address; the words as they went are kept for a while, and go out again under their Message-ID."""
    with post(lambda step, number: "550 5.1.1 no" if step == "rcpt" and number == 1 else "250 OK") as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        mail_id = room.queue(reply_ref="K7F3Q-2MXB")
        assert room.rounds.run() == 1
        assert (room.row(mail_id).state, room.payload(mail_id)) == (MailState.REFUSED, {})
        assert room.lost[0].how is Lost.REFUSED
        first = room.desk.mail(mail_id)
        assert first.line.can_retry
        room.desk.retry(mail_id, by="opr_1")
        assert room.rounds.run() == 1
        assert str(server.messages[0]["Message-ID"]) == first.message_id
        assert room.desk.mail(mail_id).text == first.text == "Words\n"
    states = [(one.state, one.by) for one in room.desk.mail(mail_id).tries]
    assert states == [(MailState.REFUSED, ""), (MailState.WAITING, "opr_1"), (MailState.SENT, "")]


def test_a_server_that_goes_silent_after_the_message_leaves_it_uncertain(database: Database, tmp_path: Path) -> None:
    """It may have been taken. An answer with a deadline is sent again, three times at most; what is told once waits for a
    person, who has it sent or gives it up."""
    with post(lambda step, _number: "hang up" if step == "data" else "250 OK") as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        answer, once = room.queue(ANSWER), room.queue(ONCE)
        assert room.rounds.run() == 1
        assert (room.row(answer).state, room.row(once).state) == (MailState.WAITING, MailState.UNCERTAIN)
        assert "It may have arrived" in room.row(answer).why
        room.run_on(timedelta(days=1))
        assert room.row(answer).state == MailState.UNCERTAIN
        assert server.ids == {room.row(answer).message_id: 3, room.row(once).message_id: 1}
    room.desk.give_up(once, by="opr_1")
    assert room.row(once).state == MailState.GIVEN_UP
    assert room.desk.counts()[MailState.UNCERTAIN] == 1
    room.desk.arrived(answer, by="opr_1")  # somebody asked the person
    last = room.desk.mail(answer).tries[-1]
    assert (room.row(answer).state, last.state, last.by) == (MailState.SENT, MailState.SENT, "opr_1")
    room.run_on(timedelta(days=1))
    assert (len(room.desk.mail(answer).tries), room.payload(answer)) == (4, {})
    for settled in (answer, once):
        with pytest.raises(Conflict, match="nobody has to say"):
            room.desk.arrived(settled, by="opr_1")


def test_a_server_that_is_down_ends_the_round_and_is_left_alone(database: Database, tmp_path: Path) -> None:
    """One mail finds out; the others are not tried one by one, and nothing counts against any of them."""
    room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{free_port()}")
    room.queue_many(10)
    assert room.rounds.run() == 0
    assert room.states() == {MailState.WAITING: 1, MailState.QUEUED: 9}
    assert room.rounds.run() == 0
    assert room.states()[MailState.QUEUED] == 9
    with post() as server:
        up = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        up.pass_time(timedelta(minutes=20))
        assert up.rounds.run() == 10
    assert up.states() == {MailState.SENT: 10}


def test_a_domain_gets_no_more_mails_a_minute_than_it_may(database: Database, tmp_path: Path) -> None:
    """What is over waits for its minute, in order; a code goes past the line; another domain waits for nobody."""
    with post() as server:
        limits = {"default": None, "post.example": 5}
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}", per_domain=limits)
        room.queue_many(12)
        for gone in (5, 5, 10, 10, 12):
            room.rounds.run()
            assert len(server.contents) == gone
            room.pass_time(timedelta(seconds=31))
        room.queue_many(6)
        room.rounds.run()
        room.queue(CODE)
        room.queue(to="eve@other.example")
        before = len(server.contents)
        room.rounds.run()
        assert sorted(server.recipients[before:]) == [ANNA, "eve@other.example"]
    assert all(one.attempts == 1 for one in room.desk.list_mails(state="sent"))


@pytest.mark.parametrize(("event", "point"), [(ANSWER, "after"), (ONCE, "before"), (ONCE, "after")])
def test_killed_around_a_handover_an_answer_goes_again_and_what_is_told_once_waits(
    tmp_path: Path, event: str, point: str
) -> None:
    """A real SIGKILL. The next process begins at once: whatever had been claimed is found, and one mail at most is in doubt."""
    database = _control(tmp_path)
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}", clock=None)
        room.queue_many(8, event)
        assert _child(tmp_path, server.port, point, 4) == -signal.SIGKILL
        assert room.states()[MailState.SENDING] == 1
        assert _child(tmp_path, server.port) == 0
        twice = [one for one, times in server.ids.items() if times > 1]
    if event == ANSWER:
        assert room.states() == {MailState.SENT: 8}
        assert (len(server.ids), len(twice)) == (8, 1 if point == "after" else 0)
    else:
        assert room.states() == {MailState.SENT: 7, MailState.UNCERTAIN: 1}
        assert (len(server.ids), twice) == (8 if point == "after" else 7, [])
    database.close()


def _control(tmp_path: Path) -> Database:
    from tests.schema import make_tables

    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    return made


def _child(tmp_path: Path, port: int, point: str = "none", nth: int = 0) -> int:
    words = [str(tmp_path), f"sqlite:///{tmp_path / 'kept.db'}", f"smtp://127.0.0.1:{port}", point, str(nth)]
    command = [sys.executable, "-m", "tests.mail_child", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode


def test_codes_leave_no_text_behind_and_other_mails_do_for_a_while(database: Database, tmp_path: Path) -> None:
    """What lets somebody in is for one reader; of the rest the outbox shows what went out, headers and both parts."""
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        code, answer = room.queue(CODE), room.queue(ANSWER, language="de")
        room.rounds.run()
        assert room.kept_texts() == 1
        seen = room.desk.mail(answer)
        assert (seen.text, seen.html, seen.no_text) == ("Words\n", "<p>Words</p>\n", "")
        assert dict(seen.headers)["To"] == ANNA
        assert (seen.purpose, seen.repeats, seen.line.language) == ("kept:answering", True, "de")
        hidden = room.desk.mail(code)
        assert (hidden.text, hidden.headers, hidden.line.can_retry) == (None, (), False)
        assert "lets somebody in" in hidden.no_text
        first = room.desk.list_mails(limit=1)[0].id
        assert {first, *(one.id for one in room.desk.list_mails(before=first))} == {code, answer}


def test_a_mail_that_cannot_be_written_says_so_and_holds_up_no_other(database: Database, tmp_path: Path) -> None:
    """A fault of a template is no state of the mail: it stays queued, with the fault, and comes again more and more slowly."""
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        broken, whole = room.queue("no_such_mail", purpose="answering"), room.queue()
        room.rounds.run()
        assert (room.row(broken).state, room.row(whole).state) == (MailState.QUEUED, MailState.SENT)
        assert "It could not be written" in room.desk.mail(broken).line.why
        assert room.rounds.run() == 0


def test_a_second_round_elsewhere_is_left_to_who_began(database: Database, tmp_path: Path) -> None:
    """Two processes never take each other's claimed mails for those of a dead one."""
    with post() as server:
        room = open_room(database, tmp_path, smtp=f"smtp://127.0.0.1:{server.port}")
        room.queue()
        with room.rounds._hold("mail"):
            assert room.rounds.run() == 0
        assert room.rounds.run() == 1
    assert isinstance(room.clock, StandingClock)
