"""Mail is taken once whatever way it comes in: by its place and by its bytes, from a Maildir, by the API; and settings that say where from."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import ConfigurationError
from core.settings_file import load_settings
from core.settings_inbox import Security
from inbox.message import LARGEST
from tests.inbox_rooms import InboxRoom, mail, make_room, settings_of
from tests.ledger_rooms import StandingClock
from tests.web_installation import CONFIGURATION, write_installation

NOW = datetime(2026, 6, 11, 9, 30, tzinfo=UTC)


@pytest.fixture
def room(database: Database) -> InboxRoom:
    """On either database."""
    return make_room(database)


def test_a_message_is_known_by_its_place_and_by_its_bytes(room: InboxRoom) -> None:
    """It comes in once with its bytes, an entry in the ledger that holds only a digest, and the actor who handed it in."""
    made = room.taking.take(mail(1), source="a", place="7/1", arrived_at=NOW, by="tok_1")
    assert made
    assert made.startswith("msg_in_")
    assert room.taking.take(mail(1), source="b", place="9/4", arrived_at=NOW) is None
    assert room.taking.take(mail(2), source="a", place="7/1", arrived_at=NOW) is None
    assert room.taking.take(mail(2), source="b", place="7/1", arrived_at=NOW)
    digest = hashlib.sha256(mail(1)).hexdigest()
    assert room.taking.find(digest) == made
    assert sorted(room.originals()) == sorted([mail(1), mail(2)])
    room.ledger.settle()
    with room.database.read() as session:
        (entry,) = room.ledger.entries(session, ref=made)
    assert (entry.kind, entry.actor, entry.refs) == ("mail.taken", "tok_1", (made,))
    assert entry.private == {"digest": digest}


def test_several_who_take_the_same_message_at_once_take_it_once(room: InboxRoom) -> None:
    """Two processes, or a mailbox and the API, may hold the same bytes in the same moment."""
    mails = [mail(number) for number in range(5)]

    def take_all(source: str) -> int:
        return sum(
            room.taking.take(raw, source=source, place=str(place), arrived_at=NOW) is not None
            for place, raw in enumerate(mails)
        )

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take_all, ["a", "b", "a", "c"])) == 5
    assert sorted(room.originals()) == sorted(mails)


def put(folder: Path, name: str, raw: bytes, *, at: datetime = NOW) -> Path:
    (folder / name).write_bytes(raw)
    os.utime(folder / name, (at.timestamp(), at.timestamp()))
    return folder / name


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """An empty Maildir."""
    for name in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    return tmp_path / "Maildir"


def test_a_maildir_is_read_once_and_left_as_it_is(room: InboxRoom, maildir: Path) -> None:
    """`new` and `cur`, not `tmp`, links or hidden files; a mail that is moved and flagged by a mail program is the same;
    one of 60 MB is known by its headers."""
    put(maildir / "new", "1781000001.M1.host", mail(1))
    put(maildir / "cur", "1781000002.M2.host:2,S", mail(2))
    put(maildir / "tmp", "1781000003.M3.host", mail(3))
    put(maildir / "new", ".hidden", mail(4))
    (maildir / "new" / "linked").symlink_to(maildir / "tmp" / "1781000003.M3.host")
    os.mkfifo(maildir / "new" / "pipe")
    boxes = room.boxes(settings_of(root=maildir.parent, maildir="Maildir"))
    before = sorted((str(one), one.lstat().st_mtime_ns) for one in maildir.rglob("*"))
    assert [(one.taken, one.trouble) for one in boxes.poll()] == [(2, "")]
    assert sorted((str(one), one.lstat().st_mtime_ns) for one in maildir.rglob("*")) == before
    assert {(row.place, row.arrived_at) for row in room.rows()} == {
        ("1781000001.M1.host", NOW),
        ("1781000002.M2.host", NOW),
    }
    (maildir / "new" / "1781000001.M1.host").rename(maildir / "cur" / "1781000001.M1.host:2,FS")
    put(maildir / "new", "1781000004.M4.host", mail(5) + b"x" * 60_000_000)
    boxes.tick()
    assert len(room.rows()) == 3
    large = next(row for row in room.rows() if row.too_large)
    assert large.size == len(mail(5)) + 60_000_000 > LARGEST
    assert all(len(raw) < 2000 for raw in room.originals())
    put(maildir / "cur", "1781000005.M5.host:2,", mail(2))
    again = [boxes.poll(), boxes.poll()]
    assert [(one.taken, one.known) for (one,) in again] == [(0, 1), (0, 0)]


def test_a_maildir_that_vanishes_shows_and_nothing_is_lost_when_it_is_back(database: Database, maildir: Path) -> None:
    """Tries come further and further apart, up to the time between polls; the heartbeat says what is wrong meanwhile."""
    clock = StandingClock(NOW)
    room = make_room(database, clock)
    boxes = room.boxes(settings_of(root=maildir.parent, maildir="Maildir", poll="1m"))
    put(maildir / "new", "a", mail(1))
    boxes.tick()
    away = maildir.rename(maildir.parent / "away")
    put(away / "new", "b", mail(2))
    tried: list[datetime] = []
    for _ in range(400):
        clock.advance(timedelta(seconds=1))
        boxes.tick()
        beat = room.heartbeat()
        assert beat
        if beat.note and (not tried or tried[-1] != beat.ran_at):
            tried.append(beat.ran_at)
            assert "cannot be read" in beat.note
            assert beat.good_at == NOW
    pauses = [int((later - earlier).total_seconds()) for earlier, later in pairwise(tried)]
    assert pauses == [5, 10, 20, 40, 60, 60, 60, 60]
    away.rename(maildir)
    clock.advance(timedelta(minutes=1))
    boxes.tick()
    beat = room.heartbeat()
    assert beat
    assert (beat.note, beat.good_at, len(room.rows())) == ("", clock.now(), 2)
    room.boxes(settings_of()).tick()  # the mailbox was taken out of kept.yaml: its silence is no news
    assert room.heartbeat() is None


def test_an_address_of_a_mailbox_says_how_it_is_reached(tmp_path: Path) -> None:
    """Scheme, user, host, port and folder; a password may stand in it or apart."""
    imap = settings_of("imaps://privacy%40mail.example:p%3Aw@mail.example/Data%20protection").imap
    assert imap
    assert (imap.user, imap.password, imap.host, imap.port) == ("privacy@mail.example", "p:w", "mail.example", 993)
    assert (imap.folders, imap.security) == (("Data protection",), Security.TLS)
    assert imap.source("INBOX") == "privacy@mail.example@mail.example/INBOX"
    assert "p:w" not in repr(imap)
    plain = settings_of("imap+starttls://u@h", folders=["A", "B", "A"], hosts=["MX.Example"], password="x")
    assert plain.imap
    assert (plain.imap.port, plain.imap.folders, plain.hosts) == (143, ("A", "B"), ("mx.example",))
    assert settings_of("imap://u@127.0.0.1:1143").imap
    assert settings_of(root=tmp_path, maildir=["a", "/b"]).maildirs == (tmp_path / "a", Path("/b"))
    assert not settings_of().any


def test_the_sections_are_read_from_a_file_and_refused_with_their_lines(tmp_path: Path) -> None:
    """As everything else of kept.yaml: all that is wrong at once, unknown keys too."""
    write_installation(tmp_path / "kept", CONFIGURATION)
    file = tmp_path / "kept" / "kept.yaml"
    text = CONFIGURATION.replace("mail:\n", "mail:\n  imap: imaps://privacy@mail.example/INBOX\n")
    file.write_text(text + "inbox: {since: 2026-11-01, maildir: Mail, trusted_servers: [mx.example]}\n")
    inbox = load_settings(file).inbox
    assert (inbox.since, inbox.maildirs) == (date(2026, 11, 1), (tmp_path / "kept" / "Mail",))
    assert inbox.imap
    assert inbox.trusted_servers == ("mx.example",)
    wrong = "inbox:\n  poll: 1d\n  hosts: [http://mx]\n"
    file.write_text(text.replace("imaps://", "smtp://") + wrong)
    lines = len(text.splitlines())
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file)
    assert f"kept.yaml:{lines + 3}: inbox.hosts.0: found 'http://mx'. Write a host name." in str(refused.value)
    file.write_text(text.replace("imaps://", "smtp://") + wrong.replace("http://", "") + "  maildirs: x\n")
    with pytest.raises(ConfigurationError, match=r"inbox\.maildirs: this version knows no such key"):
        load_settings(file)
    file.write_text(text.replace("imaps://", "smtp://") + wrong.replace("http://", "") + "  oauth: {client_id: x}\n")
    with pytest.raises(ConfigurationError) as both:
        load_settings(file)
    assert f"kept.yaml:{lines + 2}: inbox.poll: found '1d'" in str(both.value)
    assert "mail.imap: it begins with 'smtp'" in str(both.value)
    assert "inbox.oauth.token_url: this key is missing" in str(both.value)


OAUTH = {"token_url": "https://oauth2.googleapis.com/token", "client_id": "c", "refresh_token": "r"}


@pytest.mark.parametrize(
    ("address", "given", "says"),
    [
        ("imap://u:secret@mail.example", {}, "mail.imap: a connection to mail.example would be readable"),
        ("pop3://u:secret@mail.example", {}, "it begins with 'pop3'. Allowed: imaps, imap+starttls, imap."),
        ("imaps://mail.example/INBOX", {}, "it names no user or no host"),
        ("imaps://u:secret@mail.example/a?b", {}, "more than a folder"),
        ("imaps://u:secret@mail.example:x/a", {}, "it is no address"),
        ("imaps://u:secret@mail.example", {"password": "other"}, "inbox.password: mail.imap holds a password already"),
        ("imaps://u:secret@mail.example", {"oauth": OAUTH}, "inbox.oauth: there is a password too"),
        ("imaps://u@mail.example", {"oauth": OAUTH | {"token_url": "http://x.example/t"}}, "by https alone"),
        ("imaps://u@mail.example/A", {"move_to": "A"}, "inbox.move_to: found 'A', which is read"),
        ("imaps://u@mail.example", {"ca": "none.pem"}, "none.pem is no file"),
        ("imaps://u@mail.example", {"poll": "1h"}, "inbox.poll: found '1h'. Write 10s to 5m."),
        ("imaps://u@mail.example", {"since": "last week"}, "inbox.since: found 'last week'. Write a day"),
        ("imaps://u@mail.example", {"poll": "soon"}, "inbox.poll: found 'soon'"),
        (None, {"folders": ["A"]}, "inbox.folders: there is no mail.imap"),
        (None, {"maildir": 7}, "inbox.maildir: found 7. Write a folder"),
    ],
)
def test_what_no_mailbox_can_be_read_by_is_refused_without_a_word_of_a_password(
    address: str | None, given: dict[str, Any], says: str
) -> None:
    """With its key, what was found and what is allowed."""
    with pytest.raises(ConfigurationError) as refused:
        settings_of(address, **given)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)
