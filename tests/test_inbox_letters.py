"""What happens to a letter: it is read once, waits for an operator, is acknowledged once, and becomes what the operator says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, StepTickTimeFactory, TickingDateTimeFactory

from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from inbox.desk import LetterState, Tone, View, WaitingLetters
from inbox.findings import Kind
from inbox.letter_words import waiting_sentence
from policies.clauses import Right
from tests.dsr_house import ANNA, BRUNO, NOON, OPERATOR
from tests.letter_rooms import COPY, DELETE, HERE, MARK, SALES, LetterRoom, build_room, mail, own_sweeps
from tests.schema import import_tables, make_tables

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory


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


def test_a_letter_waits_with_its_proposal_and_is_acknowledged(room: LetterRoom) -> None:
    """What asks for something stands in the queue with its rights, its law and the day it would be due; its writer hears that
    it came in, and nothing of what we know of them."""
    line = room.receive(mail())
    assert (line.state, line.kind, line.rights, line.regime) == (
        LetterState.WAITING,
        Kind.REQUEST,
        (Right.DELETION,),
        "gdpr",
    )
    assert (line.says, line.tone) == ("Deletion · GDPR", Tone.OK)
    assert line.due_on == date(2026, 7, 11)
    told = room.house.latest_mail(ANNA, "We have your mail")
    words = " ".join(told.text.split())
    assert "on Thursday, 11 June 2026 at 12:06 UTC+2. A person reads it." in words
    assert not re.search(r"delet|Anna|account", words)
    stranger = room.receive(mail(sender="nobody.knows@post.example"))
    assert stranger.state is LetterState.WAITING
    other = room.house.latest_mail("nobody.knows@post.example", "We have your mail")
    assert other.text == told.text
    assert room.count("tickets") == 0


def test_the_page_of_a_letter_shows_which_words_led_to_what(room: LetterRoom) -> None:
    """Every right has its words, its day and its rule; the words are marked in the text with the key of their line."""
    raw = mail(DELETE + "\n\nMy customer number is K-10234.\n\n> You wrote this.", subject="Löschung")
    view = room.desk.letter(room.receive(raw).id)
    first = view.proposal.lines[0]
    assert (first.right, first.key, first.proposed, first.due_on) == (Right.DELETION, "1", True, date(2026, 7, 11))
    assert first.due_why
    assert any("delete" in one for one in first.words)
    marked = {(one.mark, one.key) for one in view.segments if one.mark}
    assert ("deletion", "1") in marked
    assert ("regime", "R") in marked
    assert "".join(one.text for one in view.segments).startswith("Hello,")
    assert "You wrote this." in view.hidden
    assert view.proposal.regimes
    assert view.clock_from.startswith("when the mailbox got it")
    assert {one.tone for one in view.signals} >= {Tone.OK}
    assert (view.kept_until, view.has_original, view.can_undo) == (None, True, False)
    assert room.desk.original(view.id) == raw


def test_accepting_opens_requests_from_when_the_letter_came(room: LetterRoom, time: Frozen) -> None:
    """Two rights are two requests of one conversation, received with the mail, not when somebody looked; the link that proves
    the address goes to the sender, once; the letter's words stand with each."""
    arrived = datetime(2026, 6, 9, 8, 0, tzinfo=UTC)
    line = room.receive(mail(DELETE + "\n\nBefore that, send me a copy of my personal data."), at=arrived)
    refs = room.accept(line.id)
    assert len(refs) == 2
    views = [room.house.requests.view(ref) for ref in refs]
    assert {one.line.right for one in views} == {Right.ACCESS, Right.DELETION}
    assert {one.line.received_at for one in views} == {arrived}
    assert {one.line.channel for one in views} == {"mail"}
    assert {one.line.due_on for one in views} == {date(2026, 7, 9)}
    assert all("delete my account" in one.messages[0].body for one in views)
    assert not any(one.waits for view in views for one in view.messages)
    assert room.count("conversations") == 1
    assert len([one for one in room.house.mails_to(ANNA) if "Did you ask" in one.subject]) == 1
    assert room.line(line.id).says == f"Opened {', '.join(sorted(refs))}" or room.line(line.id).refs == refs
    with pytest.raises(Conflict):
        room.accept(line.id)
    room.house.requests.confirm(room.house.link_token(ANNA))
    assert all(room.house.requests.view(ref).identity_at for ref in refs)


def test_what_is_corrected_is_counted_and_holds_nothing_of_the_letter(room: LetterRoom) -> None:
    """Figures say how proposals fared; the row of a correction names rights and laws only, and the ledger has its entry."""
    room.accept(room.receive(mail()).id)
    room.accept(room.receive(mail(COPY, sender=BRUNO)).id, "access", "deletion")
    room.desk.not_a_request(room.receive(mail(SALES, sender="sales@leads.example")).id, why="Sales", by=OPERATOR)
    figures = room.desk.figures()
    assert (figures.decided, figures.accepted) == (3, 2)
    assert [(one.proposed, one.decided) for one in figures.corrections] == [
        ((Right.ACCESS,), (Right.ACCESS, Right.DELETION))
    ]
    assert room.count("ledger_entries", "kind = 'letter.sorted'") == 3
    with room.house.database.engine.connect() as connection:
        rows = str(connection.execute(sa.text("SELECT * FROM triage_decisions")).all())
        entries = str(connection.execute(sa.text("SELECT * FROM ledger_entries WHERE kind LIKE 'letter.%'")).all())
    for word in (ANNA, BRUNO, "leads.example", "Sales"):
        assert word not in rows + entries


def test_a_letter_is_split_and_the_rest_stays(room: LetterRoom) -> None:
    """Rights that are split off are a conversation of their own; the rest waits, and its end closes the letter."""
    line = room.receive(mail(DELETE + "\n\nAlso send me a copy of my personal data."))
    first = room.desk.split(line.id, rights=["access"], by=OPERATOR)
    assert room.line(line.id).state is LetterState.WAITING
    second = room.accept(line.id, "deletion")
    assert room.count("conversations") == 2
    assert room.line(line.id).refs == first + second
    assert room.desk.figures().accepted == 1
    other = room.receive(mail(COPY, sender=BRUNO))
    room.desk.split(other.id, rights=["access"], by=OPERATOR)
    room.desk.not_a_request(other.id, why="The rest is about the weather.", by=OPERATOR)
    assert room.line(other.id).state is LetterState.ACCEPTED


def test_what_is_wrong_is_refused_and_changes_nothing(room: LetterRoom) -> None:
    """An unknown right, law, language or letter, and a sender that no mail can go to: said, and the letter waits on."""
    line = room.receive(mail())
    wrong: list[dict[str, Any]] = [
        {"rights": ["everything"]},
        {"rights": []},
        {"regime": "moon"},
        {"language": "tlh"},
        {"contact": "nobody"},
    ]
    for given in wrong:
        with pytest.raises(BadInput):
            room.desk.accept(
                line.id, by=OPERATOR, **{"rights": ["deletion"], "regime": None, "language": None, **given}
            )
    with pytest.raises(BadInput):
        room.desk.not_a_request(line.id, why=" ", by=OPERATOR)
    with pytest.raises(NotFound):
        room.desk.belongs_to(line.id, "22222-2222", by=OPERATOR)
    with pytest.raises(NotFound):
        room.desk.letter("ltr_nothing")
    nobody = room.receive(mail(sender="undisclosed"))
    with pytest.raises(BadInput):
        room.accept(nobody.id)
    assert room.accept(nobody.id, contact=BRUNO)
    assert room.count("tickets") == 1
    assert room.line(line.id).state is LetterState.WAITING


def test_undo_puts_back_as_long_as_nothing_followed(room: LetterRoom) -> None:
    """Each decision can be taken back; requests that were opened by mistake end as tests, in no count; once the address is
    shown it is too late."""
    line = room.receive(mail())
    with pytest.raises(Conflict):
        room.desk.undo(line.id, by=OPERATOR)
    ref = room.accept(line.id)[0]
    assert room.desk.letter(line.id).can_undo
    room.desk.undo(line.id, by=OPERATOR)
    assert (room.line(line.id).state, room.line(line.id).refs) == (LetterState.WAITING, ())
    assert (room.house.requests.view(ref).line.state, room.count("tickets", "is_test")) == ("withdrawn", 1)
    assert room.desk.figures().decided == 0
    room.desk.not_a_request(line.id, why="A mistake", by=OPERATOR)
    assert room.count("message_originals", "set_aside_at IS NOT NULL") == 1
    room.desk.undo(line.id, by=OPERATOR)
    assert room.count("message_originals", "set_aside_at IS NOT NULL") == 0
    kept = room.confirmed(line.id)
    with pytest.raises(Conflict):
        room.desk.undo(line.id, by=OPERATOR)
    other = room.receive(mail("And hurry up.", sender=BRUNO, subject="Hurry"))
    room.desk.belongs_to(other.id, kept, by=OPERATOR)
    assert room.house.requests.messages.waiting() == {kept: 1}
    room.desk.undo(other.id, by=OPERATOR)
    assert room.house.requests.messages.waiting() == {}


def test_the_original_goes_at_its_time(room: LetterRoom, time: Frozen) -> None:
    """It counts from the end of the last request that the letter opened; of what is no request, from that decision."""
    line = room.receive(mail(DELETE + "\n\nAlso send me a copy of my personal data."))
    refs = room.accept(line.id)
    room.house.requests.withdraw(refs[0], by=OPERATOR, why="By telephone.")
    assert room.reading.note_closed() == 0
    time.tick(timedelta(days=1))
    room.house.requests.withdraw(refs[1], by=OPERATOR, why="By telephone.")
    assert (room.reading.note_closed(), room.reading.note_closed()) == (1, 0)
    assert room.count("message_originals", "request_closed_at LIKE '2026-06-12%'") == 1
    assert room.desk.letter(line.id).kept_until == date(2026, 12, 12)
    with room.house.database.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM message_originals"))
    view = room.desk.letter(line.id)
    assert (view.has_original, view.segments, view.refs) == (False, (), tuple(sorted(refs)) and view.refs)
    with pytest.raises(NotFound):
        room.desk.original(line.id)


BY_PROGRAMS: list[tuple[dict[str, str], str, View]] = [
    ({"Auto_Submitted": "auto-replied"}, "I am out of office.", View.BY_ITSELF),
    ({"X_Kept": MARK}, DELETE, View.BY_ITSELF),
    ({"X_Kept": "of another one"}, DELETE, View.TO_SORT),
    ({"X_Kept": "of another one"}, SALES, View.BY_ITSELF),
    ({"Message_ID": "<evt_0123456789abcdef01234567@lanternway.example>"}, DELETE, View.BY_ITSELF),
    ({"Precedence": "bulk"}, SALES, View.BY_ITSELF),
    ({"List_Id": "<news.leads.example>"}, SALES, View.BY_ITSELF),
    ({"Auto_Submitted": "auto-generated"}, DELETE, View.TO_SORT),
    ({"Precedence": "junk"}, COPY, View.TO_SORT),
]


def test_what_a_program_wrote_is_never_acknowledged(room: LetterRoom) -> None:
    """Loops, answering machines and lists are shown where nothing has to be sorted; a service that asks for people does stand
    in the queue. None of them gets an answer."""
    for number, (headers, text, view) in enumerate(BY_PROGRAMS):
        line = room.receive(mail(text, sender=f"p{number}@post.example", **headers))
        assert line.id in [one.id for one in room.desk.list_letters(view)], headers
        assert room.desk.letter(line.id).no_acknowledgement
    assert room.count("outbox", "kind = 'mail'") == 0


def test_no_acknowledgement_goes_where_nobody_reads(room: LetterRoom) -> None:
    """Addresses that nobody reads, our own, and none at all."""
    senders = (
        "no-reply@post.example",
        "MAILER-DAEMON@post.example",
        HERE,
        "privacy+x@lanternway.example",
        "no address",
    )
    for sender in senders:
        assert room.receive(mail(sender=sender)).state is LetterState.WAITING
    assert room.count("outbox", "kind = 'mail'") == 0


@pytest.mark.parametrize("number", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_many_mails_of_one_sender_are_one_acknowledgement(room: LetterRoom, time: Frozen, number: int) -> None:
    """However many come, and in however many threads, one a day; all of them are there, and the first is not held up."""
    room.hand_in(*(mail(f"{DELETE} {one}", subject=f"Number {one}") for one in range(number)))
    assert sum(room.reading.read_new() for _ in range(6)) == number
    assert room.desk.counts()[View.TO_SORT] == number
    assert room.acknowledgements() == 1
    page = room.desk.list_letters(View.TO_SORT, limit=number // 3)
    rest = room.desk.list_letters(View.TO_SORT, limit=500, before=page[-1].id)
    assert len({one.id for one in (*page, *rest)}) == number
    assert len({one.same_as for one in (*page, *rest)}) == 2  # the first, and nothing for itself
    time.tick(timedelta(days=1))
    room.receive(mail(subject="A day later"))
    assert room.acknowledgements() == 2


def test_a_list_asks_the_database_no_more_often_for_more_letters(room: LetterRoom) -> None:
    """The same statements for two letters and for forty."""
    statements = list[str]()
    sa.event.listen(
        room.house.database.engine, "before_cursor_execute", lambda *given: statements.append(str(given[2]))
    )
    counted = []
    for number in (2, 40):
        room.hand_in(*(mail(sender=f"p{number}.{n}@post.example") for n in range(number)))
        room.reading.read_new()
        statements.clear()
        room.desk.list_letters(View.TO_SORT)
        counted.append(len(statements))
    assert counted[0] == counted[1] <= 8


def test_a_repeat_is_linked_and_never_merged(room: LetterRoom) -> None:
    """The same person asks again: shown as such, each can be accepted, and their requests name each other."""
    first = room.receive(mail())
    again = room.receive(mail(subject="Again", text=DELETE.replace("please", "kindly")))
    assert again.same_as == first.id
    one, two = room.accept(first.id)[0], room.accept(again.id)[0]
    assert [n.ref for n in room.house.requests.conversations.neighbours(one).linked] == [two]
    third = room.receive(mail(subject="Erase me"))
    assert third.same_as == first.id
    assert third.says in (f"Deletion · GDPR, as {one}", f"Deletion · GDPR, as {two}")
    reminder = room.receive(
        mail("I asked you on 9 June to delete my account and have heard nothing.", subject="Reminder")
    )
    assert reminder.says in (f"Reminder of {one}", f"Reminder of {two}")
    assert {c.ref for c in room.desk.letter(third.id).candidates} == {one, two}
    stranger = room.receive(mail(sender=BRUNO))
    assert stranger.same_as is None


def test_a_bounce_is_handed_on(room: LetterRoom) -> None:
    """What a server says of a mail of ours goes to who keeps that, and nobody has to sort it."""
    report = (
        b"From: MAILER-DAEMON@mx.post.example\r\nTo: privacy@lanternway.example\r\nSubject: Undelivered Mail\r\n"
        b"Message-ID: <b1@mx.post.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\n--x\r\n\r\nIt failed.\r\n'
        b"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.post.example\r\n\r\n"
        b"Final-Recipient: rfc822; anna.quill@post.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"--x\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <evt_0123456789abcdef01234567@lanternway.example>\r\n\r\n--x--\r\n"
    )
    line = room.receive(report)
    assert room.bounces == [("<evt_0123456789abcdef01234567@lanternway.example>", ANNA, "failed", "5.1.1")]
    assert (line.state, line.says) == (LetterState.AUTOMATIC, "A mail of ours did not arrive")
    assert room.acknowledgements() == 0


def test_hostile_mails_are_bounded_and_shown(room: LetterRoom) -> None:
    """Marks that turn the writing, letters without width, headers in a name, a subject of 10 kB, a date that cannot be, NUL
    bytes, bytes that are no mail: each is a letter, and none of it reaches a header of ours."""
    turned = "\u202e" + "\u200b".join("please delete my account") + "\u200f\u2066"
    room.hand_in(
        mail(turned),
        mail().replace(
            b"From: " + ANNA.encode(), b"From: =?utf-8?q?Eve=0D=0ABcc=3A_all=40post=2Eexample?= <eve@post.example>"
        ),
        mail(subject="s" * 10_000, sender="long@post.example"),
        mail(sender="old@post.example", Date="Thu, 01 Jan 1970 00:00:00 +0000"),
        mail(sender="new@post.example", Date="Fri, 01 Jan 2027 00:00:00 +0000"),
        mail(sender="nul@post.example").replace(b"Anna", b"An\0na").replace(b"A request", b"A re\0quest"),
        b"",
        bytes(range(256)) * 50,
    )
    assert room.reading.read_new() == 8
    lines = room.desk.list_letters(View.TO_SORT)
    assert len(lines) == 8
    assert all(abs(one.received_at - datetime(2026, 6, 11, 10, 6, tzinfo=UTC)) < timedelta(minutes=5) for one in lines)
    assert max(len(one.subject) for one in lines) <= 1_000
    for one in lines:
        assert room.desk.letter(one.id).state is LetterState.WAITING
    room.house.work()
    for path in (room.house.root / "var" / "outbox").glob("*.eml"):
        head = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        assert not re.search(rb"(?im)^bcc:", head)
    mallory = next(one for one in lines if one.sender == "eve@post.example")
    assert "\n" not in mallory.sender_name


def test_a_mail_that_was_too_large_waits_with_what_is_known_of_it(room: LetterRoom) -> None:
    """Only its headers were taken: a person reads it, whatever they say, and it says so."""
    raw = mail(SALES, subject="Special offer, buy now").partition(b"\n\n")[0] + b"\n\n"
    line = room.receive(raw, too_large=True, size=60_000_000)
    assert (line.state, line.kind, line.tone) == (LetterState.WAITING, Kind.REQUEST, Tone.WARN)
    assert any("60 MB" in one for one in room.desk.letter(line.id).problems)


def test_a_mailbox_of_years_is_read_without_a_word(room: LetterRoom, time: Frozen) -> None:
    """What came in more than a week ago stands in the queue with its own clock, and nobody is mailed about it now."""
    line = room.receive(mail(), at=datetime(2026, 5, 2, 8, 0, tzinfo=UTC))
    assert (line.state, line.due_on) == (LetterState.WAITING, date(2026, 6, 1))
    assert room.count("outbox", "kind = 'mail'") == 0
    assert "a week" in room.desk.letter(line.id).no_acknowledgement


def test_letters_go_with_their_originals(tmp_path: Path, room: LetterRoom, time: Frozen) -> None:
    """Kept's own clauses take a letter, what it was attached to and its bytes on the same day; what waits stays."""
    line = room.receive(mail())
    ref = room.accept(line.id)[0]
    room.house.requests.withdraw(ref, by=OPERATOR, why="By telephone.")
    room.desk.not_a_request(room.receive(mail(SALES, sender="a@leads.example")).id, why="Sales", by=OPERATOR)
    waits = room.receive(mail(sender=BRUNO))
    assert room.reading.note_closed() == 1
    sweeps = own_sweeps(room.house)
    for days, left in ((89, 3), (92, 2), (200, 1)):
        time.move_to(datetime(2026, 6, 11, 12, 0) + timedelta(days=days))
        for clause in ("kept:set-aside", "kept:originals"):
            sweeps.run(clause)
        assert (room.count("letters"), room.count("message_originals")) == (left, left)
    assert room.count("letter_tickets") == 0
    assert room.count("inbox_messages") == 3
    assert [one.id for one in room.desk.list_letters(View.TO_SORT)] == [waits.id]


def test_letters_that_wait_are_told_of(room: LetterRoom, time: Frozen) -> None:
    """After a day, and when the day comes near on which one would be due; before that nothing is wrong."""
    now, today = datetime(2026, 6, 11, 10, 6, tzinfo=UTC), date(2026, 6, 11)
    assert waiting_sentence(room.desk.waiting(), now, today) == ""
    room.receive(mail())
    waits = room.desk.waiting()
    assert (waits.count, waits.next_due) == (1, date(2026, 7, 11))
    assert waiting_sentence(waits, now, today) == ""
    assert (
        waiting_sentence(waits, now + timedelta(days=3), today)
        == "1 letter waits to be sorted, the oldest for 2\u202fd."
    )
    near = WaitingLetters(count=3, oldest_at=now, next_due=date(2026, 6, 12))
    assert waiting_sentence(near, now, today) == "3 letters wait to be sorted, and one would be due on 12 June 2026."
    late = WaitingLetters(count=3, oldest_at=now, next_due=date(2026, 6, 10))
    assert "would have been due on 10 June 2026" in waiting_sentence(late, now, today)
