"""Campaigns that are really killed (SIGKILL): the next process goes on, everyone is told, and nobody twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from notify.campaign_tables import CampaignPersonRow, CampaignState
from notify.campaign_views import CampaignView
from tests.campaign_rooms import TellingRooms, clauses, make_host, wire_telling
from tests.schema import make_tables
from tests.servers import SmtpServer, run_smtp

ROOT = Path(__file__).parent.parent


def make_people(root: Path, number: int) -> None:
    """So many open accounts with an address each."""
    rows = ((f"u{place:07}", f"person{place}@mail.example", f"Person {place}") for place in range(number))
    with closing(sqlite3.connect(root / "gateway.db")) as connection, connection:
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, NULL, '2026-01-01T00:00:00.000Z', NULL)", rows)


def begin(database: Database, root: Path, people: int) -> TellingRooms:
    """Version 2 is published, and nobody is told yet."""
    make_host(root)
    make_people(root, people)
    rooms = wire_telling(database, root)
    rooms.publish(*clauses())
    rooms.publish(*clauses("P60D"))
    return rooms


def start(rooms: TellingRooms, smtp: str = "-", point: str = "none", nth: int = 0) -> subprocess.Popen[bytes]:
    words = [str(rooms.root), rooms.database.url.render_as_string(hide_password=False), smtp, point, str(nth)]
    command = [sys.executable, "-m", "tests.campaign_child", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def kill_after(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill it (SIGKILL) so long after it has begun; False when it was through before that."""
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(seconds)
    was_running = child.poll() is None
    child.kill()
    child.communicate(timeout=60)
    return was_running


def finish(rooms: TellingRooms, smtp: str = "-") -> int:
    """Let the next process go on to the end; gives its peak memory in MiB."""
    child = start(rooms, smtp)
    out, _ = child.communicate(timeout=900)
    assert child.returncode == 0
    return int(out.split()[-1])


def view(rooms: TellingRooms) -> CampaignView:
    with rooms.database.read() as session:
        return rooms.campaigns.view(session, 2)


def files(rooms: TellingRooms) -> list[str]:
    with os.scandir(rooms.root / "var" / "outbox") as found:
        return [entry.name for entry in found]


def receivers(rooms: TellingRooms) -> Counter[str]:
    """Who got a mail, by the To of each file."""
    told: Counter[str] = Counter()
    for name in files(rooms):
        with (rooms.root / "var" / "outbox" / name).open("rb") as file:
            told[next(line for line in file if line.startswith(b"To: ")).decode().strip()] += 1
    return told


def check_all_told_once(rooms: TellingRooms, people: int) -> None:
    found = view(rooms)
    assert (found.state, found.told, found.uncertain, found.total) == (CampaignState.COMPLETED, people, 0, people)
    told = receivers(rooms)
    assert (len(told), sum(told.values())) == (people, people)
    assert not [name for name in files(rooms) if not name.endswith(".eml")]


@pytest.mark.parametrize("seed", [3])
def test_a_campaign_that_is_killed_again_and_again_tells_everyone_once(
    control_url: str, tmp_path: Path, seed: int
) -> None:
    """2 000 people, three kills at moments nobody chose: in the pass, while files are written, between the two."""
    database = Database(control_url)
    make_tables(database)
    rooms = begin(database, tmp_path / "host", 2_000)
    chance = random.Random(seed)
    for _ in range(3):
        kill_after(start(rooms), chance.uniform(0.0, 0.5))
    finish(rooms)
    check_all_told_once(rooms, 2_000)
    database.close()


def test_two_processes_at_once_tell_everyone_once(postgres_url: str, tmp_path: Path, smtp_server: SmtpServer) -> None:
    """Both are started on the same campaign: one sends, the other takes over where it stops."""
    database = Database(postgres_url)
    make_tables(database)
    rooms = begin(database, tmp_path / "host", 150)
    children = [start(rooms, smtp_server.url) for _ in range(2)]
    assert [child.communicate(timeout=120) and child.returncode for child in children] == [0, 0]
    seen = Counter(str(mail.message["Message-ID"]).strip() for mail in smtp_server.mails)
    assert (view(rooms).told, len(seen), max(seen.values())) == (150, 150, 1)
    database.close()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.mark.parametrize("point", ["send:before", "send:after"])
def test_killed_around_a_hand_over_one_row_is_uncertain_and_not_sent_again(
    control: Database, tmp_path: Path, smtp_server: SmtpServer, point: str
) -> None:
    """Whether the server had the mail cannot be known: the row says so, and waits for a person or a bounce."""
    rooms = begin(control, tmp_path / "host", 30)
    child = start(rooms, smtp_server.url, point, 7)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    finish(rooms, smtp_server.url)
    found = view(rooms)
    assert (found.state, found.told, found.uncertain) == (CampaignState.COMPLETED, 29, 1)
    seen = Counter(str(mail.message["Message-ID"]).strip() for mail in smtp_server.mails)
    assert (len(seen), max(seen.values())) == (29 if point == "send:before" else 30, 1)


def test_to_a_mail_server_each_kill_leaves_one_uncertain_at_most(control: Database, tmp_path: Path) -> None:
    """Over a real SMTP server, with kills at random: each Message-ID came once, who did not get one is uncertain."""
    chance, kills = random.Random(11), 0
    with run_smtp() as server:
        rooms = begin(control, tmp_path / "host", 400)
        for _ in range(3):
            kills += kill_after(start(rooms, server.url), chance.uniform(0.2, 0.7))
        finish(rooms, server.url)
        seen = Counter(str(mail.message["Message-ID"]).strip() for mail in server.mails)
        people = {mail.recipients[0] for mail in server.mails}
    found = view(rooms)
    assert found.state is CampaignState.COMPLETED
    assert found.uncertain <= kills
    assert found.told + found.uncertain == 400
    assert max(seen.values()) == 1
    assert found.told <= len(people) <= 400


@pytest.mark.slow
def test_a_hundred_thousand_people_and_ten_kills(control: Database, tmp_path: Path) -> None:
    """Nobody twice, nobody left out, nothing uncertain; memory as for ten thousand."""
    small = begin(control, tmp_path / "small", 10_000)
    base = finish(small)
    large = Database(f"sqlite:///{tmp_path / 'large.db'}")
    make_tables(large)
    rooms = begin(large, tmp_path / "large", 100_000)
    chance, killed, began = random.Random(5), 0, time.monotonic()
    while killed < 10:
        killed += kill_after(start(rooms), chance.uniform(0.3, 4.0))
        assert view(rooms).state is CampaignState.RUNNING, "it was through before ten kills"
    peak = finish(rooms)
    seconds = time.monotonic() - began
    check_all_told_once(rooms, 100_000)
    with large.read() as session:
        rows = session.scalar(sa.select(sa.func.count()).select_from(CampaignPersonRow))
    print(f"rows {rows}, kills {killed}, {seconds:.0f} s, peak {peak} MiB (10 000 people: {base} MiB)")
    assert rows == 100_000
    assert peak <= base * 1.5
    large.close()
