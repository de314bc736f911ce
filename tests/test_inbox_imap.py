"""Mail is taken from a real IMAP server: each message once, whatever happens in between, and the mailbox stays as it was."""

from __future__ import annotations

import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import ConfigurationError, Unreachable
from inbox.boxes import Boxes
from inbox.message import LARGEST
from tests.inbox_rooms import InboxRoom, mail, make_room, settings_of
from tests.schema import make_tables
from tests.servers_imap import PASSWORD, Dovecot, DovecotUser

ROOT = Path(__file__).parent.parent


@pytest.fixture
def room(tmp_path: Path) -> Iterator[InboxRoom]:
    """On SQLite; what the databases do differently is tested with `Taking` alone."""
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    yield make_room(database)
    database.close()


def boxes_of(room: InboxRoom, user: DovecotUser, **given: Any) -> Boxes:
    return room.boxes(settings_of(user.url(), **{"password": user.password, **given}))


def poll(boxes: Boxes) -> list[tuple[int, int, str]]:
    return [(one.taken, one.known, one.trouble) for one in boxes.poll()]


def wait_until(true: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_each_mail_is_taken_once_and_the_mailbox_stays_as_it_was(room: InboxRoom, mail_user: DovecotUser) -> None:
    """Two polls take every mail once, byte for byte, with the time of its arrival; none is read, moved or deleted."""
    arrived = datetime(2026, 6, 11, 9, 31, tzinfo=UTC)
    mail_user.put(mail(1), mail(2), at=arrived)
    boxes = boxes_of(room, mail_user)
    assert poll(boxes) == [(2, 0, "")]
    mail_user.deliver(mail(3))
    assert poll(boxes) == [(1, 0, "")]
    assert poll(boxes_of(room, mail_user)) == [(0, 0, "")]
    rows = room.rows()
    assert [row.arrived_at for row in rows[:2]] == [arrived, arrived]
    assert {row.source for row in rows} == {f"{mail_user.name}@127.0.0.1/INBOX"}
    assert all(row.read_at is None and not row.too_large for row in rows)
    assert {mail(1), mail(2)} < set(room.originals())
    assert (mail_user.count(), mail_user.unseen()) == (3, 3)
    heartbeat = room.heartbeat()
    assert heartbeat
    assert heartbeat.good_at == heartbeat.ran_at
    room.ledger.settle()
    assert room.ledger.verify().ok


def test_several_folders_are_read_and_a_mail_that_lies_in_two_is_taken_once(
    room: InboxRoom, mail_user: DovecotUser
) -> None:
    """`folders` names all of them, with letters of any script; the same bytes are the same mail."""
    mail_user.create("Datenschutz.Anträge")
    mail_user.put(mail(1), mail(2))
    mail_user.put(mail(2), mail(3), folder="Datenschutz.Anträge")
    boxes = boxes_of(room, mail_user, folders=["INBOX", "Datenschutz.Anträge"])
    assert poll(boxes) == [(2, 0, ""), (1, 1, "")]
    assert len(room.rows()) == 3


def test_a_mailbox_that_numbers_its_mails_anew_brings_nothing_twice(room: InboxRoom, mail_user: DovecotUser) -> None:
    """Another UIDVALIDITY: everything is looked at again, and what is here is known by its bytes."""
    mail_user.create("Privacy")
    mail_user.put(mail(1), mail(2), mail(3), folder="Privacy")
    boxes = boxes_of(room, mail_user, folders=["Privacy"])
    assert poll(boxes) == [(3, 0, "")]
    before = {row.place.partition("/")[0] for row in room.rows()}
    mail_user.remove("Privacy")
    time.sleep(1.1)  # UIDVALIDITY is the second in which a folder was made
    mail_user.create("Privacy")
    mail_user.put(mail(2), mail(4), mail(3), folder="Privacy")
    assert poll(boxes) == [(1, 2, "")]
    assert len(room.rows()) == 4
    assert {row.place.partition("/")[0] for row in room.rows()} > before


def test_a_mail_server_that_went_back_to_its_backup_loses_nothing(room: InboxRoom, mail_user: DovecotUser) -> None:
    """The same UIDVALIDITY, and UIDs that were given before to other mails: what is new is taken all the same."""
    mail_user.create("Privacy")
    mail_user.put(mail(1), folder="Privacy")
    folder, backup = mail_user.maildir / ".Privacy", mail_user.maildir / "backup"
    subprocess.run(["cp", "-a", folder, backup], check=True)
    mail_user.put(mail(2), mail(3), mail(4), folder="Privacy")
    boxes = boxes_of(room, mail_user, folders=["Privacy"])
    assert poll(boxes) == [(4, 0, "")]
    shutil.rmtree(folder)
    backup.rename(folder)
    mail_user.put(mail(5), folder="Privacy")
    assert poll(boxes) == [(1, 1, "")]
    mail_user.put(mail(6), mail(3), folder="Privacy")
    assert poll(boxes) == [(1, 1, "")]
    assert sorted(room.originals()) == sorted(mail(number) for number in range(1, 7))
    places = [row.place for row in room.rows()]
    validity = places[0].partition("/")[0]
    assert places[:4] == [f"{validity}/{uid}" for uid in (1, 2, 3, 4)]
    assert places[4:] == [f"{validity}.1/2", f"{validity}.1/3"]


def test_what_arrived_before_the_day_named_is_left(room: InboxRoom, mail_user: DovecotUser) -> None:
    """Nobody who wrote years ago gets an acknowledgement because a mailbox was connected."""
    mail_user.put(mail(1), at=datetime(2026, 5, 31, 23, 59, tzinfo=UTC))
    mail_user.put(mail(2), at=datetime(2026, 6, 1, tzinfo=UTC))
    assert poll(boxes_of(room, mail_user, since="2026-06-01")) == [(1, 0, "")]
    assert room.originals() == [mail(2)]


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_poll_that_is_killed_about_a_commit_loses_nothing_and_repeats_nothing(
    room: InboxRoom, mail_user: DovecotUser, point: str
) -> None:
    """SIGKILL between fetch and commit, or right after it: the next poll brings exactly what is missing."""
    mail_user.put(*(mail(number) for number in range(12)))
    words = [str(room.database.url), mail_user.url(), PASSWORD, point]
    for nth in (5, 4):
        ended = subprocess.run([sys.executable, "-m", "tests.inbox_rooms", *words, str(nth)], cwd=ROOT, check=False)
        assert ended.returncode == -signal.SIGKILL
    here = 7 if point == "before" else 9
    assert len(room.rows()) == here
    assert poll(boxes_of(room, mail_user)) == [(12 - here, 0, "")]
    assert sorted(room.originals()) == sorted(mail(number) for number in range(12))


def test_news_is_heard_within_seconds_and_a_vanished_folder_shows_until_it_is_back(
    room: InboxRoom, mail_user: DovecotUser
) -> None:
    """IDLE tells of a mail long before the next poll is due; what cannot be opened stands on the heartbeat, and what comes
    in after it is back is taken."""
    mail_user.create("Privacy")
    mail_user.put(mail(1), folder="Privacy")
    boxes = boxes_of(room, mail_user, folders=["Privacy"], poll="5m")

    def ticked(count: int) -> bool:
        boxes.tick()
        return len(room.rows()) == count

    wait_until(lambda: ticked(1))
    heard = boxes._standing[0].idling
    assert heard
    wait_until(heard.news.is_set)  # it listens
    wait_until(lambda: ticked(1) and not heard.news.is_set())
    began = time.monotonic()
    mail_user.put(mail(2), folder="Privacy")
    wait_until(lambda: ticked(2))
    assert time.monotonic() - began < 5
    mail_user.remove("Privacy")
    ((taken, _, trouble),) = poll(boxes)
    assert taken == 0
    assert "has no such folder" in trouble
    beaten = room.heartbeat()
    assert beaten
    assert beaten.note == trouble
    assert beaten.good_at
    assert beaten.good_at < beaten.ran_at
    time.sleep(1.1)
    mail_user.create("Privacy")
    mail_user.put(mail(1), mail(3), folder="Privacy")
    assert poll(boxes) == [(1, 1, "")]
    well = room.heartbeat()
    assert well
    assert (well.note, well.good_at) == ("", well.ran_at)
    boxes.close()


class CutRelay:
    """A port before the mail server that ends each connection after so many bytes of its answers."""

    def __init__(self, port: int, bytes_each: int) -> None:
        self._target, self.bytes_each, self.connections = port, bytes_each, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = int(self._listener.getsockname()[1])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _accept(self) -> None:
        with self._listener:
            while not self._ended.is_set():
                try:
                    near, _ = self._listener.accept()
                except TimeoutError:
                    continue
                self.connections += 1
                with near, socket.create_connection(("127.0.0.1", self._target)) as far:
                    self._pass_on(near, far)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        left = self.bytes_each
        while left > 0 and not self._ended.is_set():
            for one in select.select([near, far], [], [], 0.05)[0]:
                data = one.recv(4096)
                if not data:
                    return
                if one is near:
                    far.sendall(data)
                else:
                    near.sendall(data[:left])
                    left -= len(data)


@contextmanager
def cutting(port: int, bytes_each: int) -> Iterator[CutRelay]:
    relay = CutRelay(port, bytes_each)
    try:
        yield relay
    finally:
        relay.close()


def test_a_server_that_drops_in_mid_fetch_is_asked_again_until_all_is_here(
    room: InboxRoom, mail_user: DovecotUser, dovecot: Dovecot
) -> None:
    """What came before the end is kept; a mail at which connections end again does not hold up those after it, and is
    taken as soon as it can be."""
    mail_user.put(*(mail(number) for number in range(6)), mail(6, size=200_000), *(mail(n) for n in range(7, 10)))
    with cutting(dovecot.port, 60_000) as relay:
        boxes = room.boxes(settings_of(mail_user.url(port=relay.port), password=PASSWORD))
        ((taken, _, trouble),) = poll(boxes)
        assert taken == 9
        assert "does not give out 1 mail (UID 7)" in trouble
        assert 2 <= relay.connections <= 4
        relay.bytes_each = 10_000_000
        assert poll(boxes) == [(1, 0, "")]
        relay.bytes_each = 400  # not even a sign-in comes through
        ((taken, _, trouble),) = poll(boxes)
        assert "Nothing was lost" in trouble
    assert sorted(room.originals()) == sorted([*(mail(n) for n in range(10) if n != 6), mail(6, size=200_000)])


def test_a_mail_that_the_server_cannot_read_holds_up_no_other(room: InboxRoom, mail_user: DovecotUser) -> None:
    """It is named, and taken as soon as the server gives it out."""
    mail_user.put(*(mail(number) for number in range(5)))
    broken = next(one for one in mail_user.maildir.rglob("*,S=*") if one.read_bytes().find(b"My data 2") > 0)
    broken.chmod(0)
    boxes = boxes_of(room, mail_user)
    ((taken, _, trouble),) = poll(boxes)
    assert (taken, trouble.partition(")")[0]) == (4, f"{boxes.checks()[0][0]} does not give out 1 mail (UID 3")
    mail_user.put(mail(5))
    assert [one[0] for one in poll(boxes)] == [1]
    broken.chmod(0o600)
    assert poll(boxes) == [(1, 0, "")]
    assert sorted(room.originals()) == sorted(mail(number) for number in range(6))


def test_a_mail_that_is_too_large_is_known_by_its_headers_and_stays(room: InboxRoom, mail_user: DovecotUser) -> None:
    """60 MB are not fetched: the operator sees who wrote, and how large it is."""
    large = mail(1) + b"x" * 60_000_000
    mail_user.put(large, mail(2))
    assert poll(boxes_of(room, mail_user)) == [(2, 0, "")]
    row = next(one for one in room.rows() if one.too_large)
    assert row.size == len(large) > LARGEST
    headers = next(one for one in room.originals() if one != mail(2))
    assert b"Subject: My data 1\r\n" in headers
    assert len(headers) < 1000
    assert poll(boxes_of(room, mail_user)) == [(0, 0, "")]
    assert mail_user.count() == 2


def test_mails_are_moved_only_where_the_configuration_says_so(room: InboxRoom, mail_user: DovecotUser) -> None:
    """`move_to`: after they are taken, also those that a killed poll left behind; without the folder it is said."""
    mail_user.put(mail(1), mail(2))
    assert poll(boxes_of(room, mail_user)) == [(2, 0, "")]
    boxes = boxes_of(room, mail_user, move_to="Done")
    ((_, _, trouble),) = poll(boxes)
    assert "does not move mails to Done" in trouble
    mail_user.create("Done")
    mail_user.put(mail(3))
    assert poll(boxes) == [(1, 0, "")]
    assert (mail_user.count(), mail_user.count("Done"), mail_user.unseen("Done")) == (0, 3, 3)


@pytest.mark.parametrize("scheme", ["imaps", "imap+starttls"])
def test_a_connection_is_made_only_to_a_server_whose_certificate_is_trusted(
    room: InboxRoom, mail_user: DovecotUser, dovecot: Dovecot, scheme: str
) -> None:
    """TLS from the start or by STARTTLS: an authority that is not known, and a name that is not the certificate's, end it
    before the password is sent."""
    mail_user.put(mail(1))
    port = dovecot.tls_port if scheme == "imaps" else dovecot.port
    for host, ca, says in (
        ("127.0.0.1", None, "is not trusted"),
        ("localhost", dovecot.certificate, "is not trusted"),
        ("127.0.0.1", dovecot.certificate, ""),
    ):
        address = f"{scheme}://{mail_user.name}@{host}:{port}"
        boxes = room.boxes(settings_of(address, password=PASSWORD, ca=str(ca) if ca else None))
        ((_, _, trouble),) = poll(boxes)
        assert says in trouble
        assert bool(trouble) is bool(says)
    assert len(room.rows()) == 1


def test_a_wrong_password_and_a_server_that_is_not_there_are_told_apart(
    room: InboxRoom, mail_user: DovecotUser
) -> None:
    """One is for whoever runs Kept to correct, the other passes; neither tells the password."""
    boxes = boxes_of(room, mail_user, password="not the password")
    (wrong,) = boxes.poll()
    assert isinstance(wrong.error, ConfigurationError)
    assert "not the password" not in wrong.trouble
    for _name, check in boxes.checks():
        with pytest.raises(ConfigurationError):
            check()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = room.boxes(settings_of(mail_user.url(port=nobody.getsockname()[1]), password=PASSWORD))
        (away,) = gone.poll()
    assert isinstance(away.error, Unreachable)
    with pytest.raises(ConfigurationError, match="No mailbox is configured"):
        room.boxes(settings_of()).poll()


def oauth_boxes(room: InboxRoom, user: DovecotUser) -> Boxes:
    oauth = {
        "token_url": user.server.provider.token_url,
        "client_id": "kept",
        "client_secret": "s",
        "refresh_token": "first",
    }
    return room.boxes(settings_of(user.url(), oauth=oauth))


def test_an_access_token_is_kept_while_it_lasts_and_asked_for_anew_when_it_is_refused(
    room: InboxRoom, mail_user: DovecotUser, dovecot: Dovecot
) -> None:
    """XOAUTH2 with tokens that the server has the provider judge: one serves several polls; one that was taken back before
    its time is asked for anew, once."""
    provider = dovecot.provider
    provider.begin(mail_user.name)
    mail_user.put(mail(1))
    boxes = oauth_boxes(room, mail_user)
    assert poll(boxes) == [(1, 0, "")]
    assert poll(boxes) == [(0, 0, "")]
    assert len(provider.asked) == 1
    assert provider.asked[0]["grant_type"] == "refresh_token"
    provider.expire()
    mail_user.put(mail(2))
    assert poll(boxes) == [(1, 0, "")]
    assert len(provider.asked) == 2
    provider.lasts = 0  # it says itself that they end at once: each is asked for before it is used
    provider.expire()
    assert [poll(boxes), poll(boxes)] == [[(0, 0, "")]] * 2
    assert len(provider.asked) == 4


def test_a_new_refresh_token_is_kept_sealed_and_one_that_is_void_is_said(
    room: InboxRoom, mail_user: DovecotUser, dovecot: Dovecot
) -> None:
    """A provider that turns refresh tokens would be lost after the first: the new one is in the database, not readable."""
    provider = dovecot.provider
    provider.begin(mail_user.name)
    provider.turns = True
    assert poll(oauth_boxes(room, mail_user)) == [(0, 0, "")]
    assert poll(oauth_boxes(room, mail_user)) == [(0, 0, "")]  # another process: it begins with what is kept
    assert [one["refresh_token"] == "first" for one in provider.asked] == [True, False]
    kept = Path(str(room.database.url.database)).read_bytes()
    assert provider.refresh_token.encode() not in kept
    provider.refusal = "invalid_grant"
    (refused,) = oauth_boxes(room, mail_user).poll()
    assert isinstance(refused.error, ConfigurationError)
    assert "invalid_grant" in refused.trouble
