"""Messages of a request and their files: both ways, in every state, sealed, limited, and gone with their key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import BadInput, Conflict, NotFound, TooMuch
from dsr.attachments import LARGEST_FILE, Attachment, FileKind, kind_of, plain_name
from dsr.limits import DEFAULT_LIMITS
from dsr.messages import IN, REPLY, Messages
from dsr.states import State
from dsr.tables import TicketRow
from tests.dsr_house import ANNA, BRUNO, OPERATOR, House, build_house
from tests.schema import make_tables

SECRET_WORDS = "My sister Ottilie typed it, please leave her out of it."
FILE = Attachment(name="letter.txt", content=b"Ottilie Quill, Lindenweg 4")


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return build_house(database, tmp_path / "house")


@pytest.fixture
def small_house(tmp_path: Path) -> Iterator[House]:
    """On SQLite alone: for rules that no database has a part in."""
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    yield build_house(database, tmp_path / "house")
    database.close()


def rows(house: House, statement: str) -> list[tuple[object, ...]]:
    with house.database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def write(house: House, ref: str, grant: str, words: str, *files: Attachment) -> None:
    house.requests.messages.write_as_person(ref, grant, words=words, files=files)


def test_what_is_written_stands_on_both_sides_and_in_no_mail_or_evidence(house: House) -> None:
    """The person writes, an operator answers: both read both; a mail says only that something waits; notes stay ours."""
    ref = house.confirmed()
    grant, messages = house.open_page(ref), house.requests.messages
    write(house, ref, grant, SECRET_WORDS, FILE)
    house.requests.add_note(ref, by=OPERATOR, text="Only we see this.")
    assert messages.waiting() == {ref: 1}
    assert house.requests.view(ref).waiting_messages == 1
    messages.reply(ref, by=OPERATOR, words="We leave Ottilie out.", files=[FILE])
    assert messages.waiting() == {}

    talk = messages.read_as_person(ref, grant)
    assert [(one.direction, one.body) for one in talk.messages] == [
        (IN, SECRET_WORDS),
        (REPLY, "We leave Ottilie out."),
    ]
    assert talk.for_them is not None
    for one in talk.messages:
        assert messages.open_as_person(ref, grant, one.files[0].id).content == FILE.content
        assert messages.open_as_operator(ref, one.files[0].id).name == "letter.txt"
    assert [one.direction for one in house.requests.view(ref).messages if one.direction != "out"] == [IN, "note", REPLY]

    mail = house.latest_mail(ANNA, "A message about your request")
    for word in ("Ottilie", "Lindenweg", "letter.txt"):
        assert word not in mail.text
    assert f"/requests/{ref}" in mail.text
    kinds = [one.kind for one in house.requests.view(ref).timeline]
    assert kinds.count("person_wrote") == kinds.count("we_wrote") == 1
    kept = str(rows(house, "SELECT refs, kind FROM ledger_entries")) + str(rows(house, "SELECT * FROM ledger_private"))
    assert kept.count("request.message") == 2
    assert not [word for word in ("Ottilie", "Lindenweg", "letter.txt") if word in kept]


def test_a_message_while_the_deletion_runs_is_kept_and_stops_nothing(small_house: House) -> None:
    """Rule: whoever writes in the middle of the work is heard, the work goes on, and the ticket says when it was written."""
    house = small_house
    ref = house.confirmed(right="deletion")
    grant = house.open_page(ref)
    house.requests.make_plan(ref, by=OPERATOR)
    house.requests.approve(ref, by=OPERATOR)
    written: list[str] = []

    def on_progress(*_: object) -> None:
        if not written:
            written.append(ref)
            assert house.requests.messages.read_as_person(ref, grant).is_working
            write(house, ref, grant, "Wait, is my name gone already?")
            house.submit(ANNA, "access")  # and a second request, of the same person, at the same time

    assert house.requests.run(ref, on_progress=on_progress) is State.ANSWERED
    assert written
    assert house.count("users", "id = 'u_anna'") == 0
    view = house.requests.view(ref)
    asked = next(one for one in view.messages if one.direction == IN)
    assert (asked.during, asked.waits) == (State.RUNNING, True)
    assert State.ANSWERED in {one.after for one in view.timeline}

    write(house, ref, grant, "And my letters?")  # after the end: heard, and nothing opens again
    talk = house.requests.messages.read_as_person(ref, grant)
    assert (talk.is_closed, talk.messages[-1].during) == (True, State.ANSWERED)
    assert house.requests.view(ref).state is State.ANSWERED
    house.requests.messages.reply(ref, by=OPERATOR, words="They are gone too.")
    assert house.requests.messages.waiting() == {}

    second = house.requests.confirm(house.link_token(ANNA))
    house.requests.make_plan(second, by=OPERATOR)
    plan = house.requests.view(second).plan
    assert second != ref
    assert plan is not None
    assert plan.nothing_found


def test_the_files_of_a_request_are_sealed_under_its_own_key_and_go_with_it(house: House) -> None:
    """No plain byte stands in the database; another ticket's key opens none; once the key is gone nothing opens, names too."""
    ref, other = house.confirmed(), house.confirmed(BRUNO)
    grant, theirs, messages = house.open_page(ref), house.open_page(other, BRUNO), house.requests.messages
    write(house, ref, grant, "", FILE, Attachment(name="b.bin", content=bytes(range(256)) * 600))
    write(house, other, theirs, "", FILE)
    sealed = [bytes(row[0]) for row in rows(house, "SELECT content FROM ticket_attachments")]  # type: ignore[call-overload]
    assert len(sealed) == 3
    assert not [one for one in sealed if FILE.content[:8] in one]
    keys = {bytes(row[0]) for row in rows(house, "SELECT wrapped_key FROM ticket_keys")}  # type: ignore[call-overload]
    assert len(keys) == 2
    first = messages.read_as_person(ref, grant).messages[0].files[0]
    with pytest.raises(NotFound):
        messages.open_as_person(other, theirs, first.id)
    with pytest.raises(NotFound):
        messages.open_as_operator(other, first.id)

    with pytest.raises(BadInput):
        messages.throw_away_files(ref, by=OPERATOR, why=" ")
    assert messages.throw_away_files(ref, by=OPERATOR, why="An identity card that nobody asked for.") == 2
    with pytest.raises(NotFound):
        messages.open_as_person(ref, grant, first.id)
    left = rows(house, "SELECT name, content FROM ticket_attachments WHERE gone_at IS NOT NULL")
    assert left == [("", None), ("", None)]
    assert [one[0] is None for one in rows(house, "SELECT wrapped_key FROM ticket_keys ORDER BY made_at")] == [
        True,
        False,
    ]
    with pytest.raises(Conflict):
        messages.throw_away_files(ref, by=OPERATOR, why="Again.")
    write(house, ref, grant, "", FILE)  # a new key for what comes after
    again = messages.read_as_person(ref, grant).messages[-1].files[0]
    assert messages.open_as_person(ref, grant, again.id).content == FILE.content
    assert [one.kind for one in house.requests.view(ref).timeline].count("files_gone") == 1


def test_a_message_is_refused_where_it_cannot_be_taken_and_nothing_of_it_stays(small_house: House) -> None:
    """Empty, too long, a file empty or over 10 MB, six files: each says what to put right, and no row is written."""
    house = small_house
    ref = house.confirmed()
    grant = house.open_page(ref)
    for words, files in (("", []), (" \n", []), ("x" * 10_001, []), ("six", [FILE] * 6)):
        with pytest.raises(BadInput):
            write(house, ref, grant, words, *files)
    for content in (b"", bytes(LARGEST_FILE + 1)):
        with pytest.raises(BadInput):
            Attachment(name="big.bin", content=content)
    assert rows(house, "SELECT count(*) FROM ticket_messages WHERE direction = 'in'") == [(0,)]
    assert rows(house, "SELECT count(*) FROM ticket_attachments") == [(0,)]


def test_one_request_holds_a_hundred_megabytes_at_most(tmp_path: Path) -> None:
    """Nobody fills the disk through a page of their own: the bound is over all messages, and what was thrown away is free."""
    assert DEFAULT_LIMITS.file_bytes_per_ticket == 100 * 2**20
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    house = build_house(database, tmp_path / "house", limits=replace(DEFAULT_LIMITS, file_bytes_per_ticket=100))
    ref = house.confirmed()
    grant = house.open_page(ref)
    write(house, ref, grant, "", Attachment(name="a", content=b"a" * 60))
    with pytest.raises(BadInput, match="100 MB"):
        write(house, ref, grant, "", Attachment(name="b", content=b"b" * 60))
    house.requests.messages.throw_away_files(ref, by=OPERATOR, why="Too much.")
    write(house, ref, grant, "", Attachment(name="b", content=b"b" * 60))


def test_ten_messages_an_hour_and_a_button_pressed_twice_is_one(small_house: House) -> None:
    """A page is no way to flood us; a form that is sent again by a reload changes nothing."""
    house = small_house
    ref = house.confirmed()
    grant = house.open_page(ref)
    for number in range(10):
        write(house, ref, grant, f"Message {number}")
        write(house, ref, grant, f"Message {number}")
    assert house.requests.view(ref).waiting_messages == 10
    with pytest.raises(TooMuch):
        write(house, ref, grant, "One more")
    assert house.requests.view(ref).waiting_messages == 10


def test_nobody_is_written_to_before_the_address_is_proven(small_house: House) -> None:
    """A page that opens for nobody takes no answer; without a grant nothing is taken or shown."""
    house = small_house
    ref = house.requests.open_by_hand(
        email=ANNA, right="access", received_at=house.requests._desk.clock.now(), channel="letter", by=OPERATOR
    )
    with pytest.raises(Conflict, match="not proven"):
        house.requests.messages.reply(ref, by=OPERATOR, words="Hello")
    with pytest.raises(NotFound):
        write(house, ref, "no grant", "Hello")
    with pytest.raises(Conflict):
        house.requests.messages.settle(ref, by=OPERATOR)


def test_what_is_written_on_a_test_waits_in_no_count(small_house: House) -> None:
    """A request that was opened to try things out takes messages as any other, and is nobody's work on Home."""
    now = small_house.requests._desk.clock.now()
    ref = small_house.requests.open_by_hand(
        email=ANNA, right="access", received_at=now, channel="letter", by=OPERATOR, is_test=True
    )
    small_house.requests.confirm(small_house.link_token(ANNA))
    write(small_house, ref, small_house.open_page(ref), "Only to try.")
    assert small_house.requests.view(ref).waiting_messages == 1
    assert small_house.requests.messages.waiting() == {}


def test_what_hangs_on_a_persons_message_happens_with_it_or_not_at_all(small_house: House) -> None:
    """A hook runs in the transaction of the message: where it fails, the message was never written."""
    house = small_house
    ref = house.confirmed()
    grant, desk = house.open_page(ref), house.requests._desk
    seen: list[str] = []

    def hook(session: Session, ticket: TicketRow) -> None:
        seen.append(ticket.ref)
        if len(seen) > 1:
            raise Conflict("No.", remedy="")

    messages = Messages(desk, house.requests._pages, on_person_message=[hook])
    messages.write_as_person(ref, grant, words="First")
    with pytest.raises(Conflict):
        messages.write_as_person(ref, grant, words="Second")
    assert seen == [ref, ref]
    assert [one.body for one in messages.read_as_person(ref, grant).messages] == ["First"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n", FileKind.PDF),
        (b"\x89PNG\r\n\x1a\n....", FileKind.PICTURE),
        (b"RIFF\x00\x00\x00\x00WEBPVP8", FileKind.PICTURE),
        (b"PK\x03\x04", FileKind.ARCHIVE),
        (b"MZ\x90\x00", FileKind.PROGRAM),
        (b"#!/bin/sh\n", FileKind.PROGRAM),
        (b"  <!DOCTYPE html><script>", FileKind.WEB_PAGE),
        (b"<svg onload=alert(1)>", FileKind.WEB_PAGE),
        ("Grüße".encode(), FileKind.TEXT),
        (b"\xff\xfe\x00", FileKind.OTHER),
        (b"a\x00b", FileKind.OTHER),
    ],
)
def test_a_file_is_what_its_bytes_say_whatever_it_is_called(content: bytes, kind: FileKind) -> None:
    """The type that is shown comes from the beginning of the file."""
    assert kind_of(content) is kind
    assert Attachment(name="harmless.pdf", content=content).kind is kind


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\card.png", "card.png"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ('a"b<c>\r\nX-Evil: 1.txt', "abcX-Evil 1.txt"),
        (" ..", "file"),
        ("", "file"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("Grüße 2026.txt", "Grüße 2026.txt"),
    ],
)
def test_a_name_is_cut_down_to_what_a_file_may_be_called(given: str, name: str) -> None:
    """No folder, no sign that turns its end around, none that a header would read; at most 120 characters."""
    assert plain_name(given) == name
