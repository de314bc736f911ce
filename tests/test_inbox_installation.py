"""Mail that comes in, in a whole installation: the command, the job, the API, the doctor, the board and the pulse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from core.heartbeats import beat
from core.operators import create_token
from inbox.message import LARGEST
from jobs.commands.doctor import _checks as checks
from jobs.scheduler import Scheduler, standing_jobs
from tests.inbox_rooms import mail
from tests.kept_commands import run_command
from tests.servers_imap import DovecotUser
from tests.test_inbox_imap import wait_until
from tests.web_installation import CONFIGURATION, Installation, open_installation, read, write_installation

TYPE = "message/rfc822"


def with_mailbox(user: DovecotUser) -> str:
    return CONFIGURATION.replace("mail:\n", f"mail:\n  imap: {user.url()}\n") + (
        f"inbox: {{password: {user.password}, poll: 5m, hosts: [mx.lanternway.example]}}\n"
    )


@pytest.fixture
def installation(tmp_path: Path, mail_user: DovecotUser) -> Iterator[Installation]:
    """One with a mailbox on the real server."""
    with open_installation(tmp_path / "kept", configuration=with_mailbox(mail_user)) as made:
        yield made


def test_the_command_fetches_reads_and_says_what_it_did(tmp_path: Path, mail_user: DovecotUser) -> None:
    """One JSON document with each mailbox; a second call takes nothing; one that does not answer is exit status 3."""
    root = tmp_path / "kept"
    write_installation(root, with_mailbox(mail_user))
    mail_user.put(mail(1), mail(2))
    done = run_command(root, "inbox", "poll", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["taken"], said["read"]) == (2, 2)
    assert said["mailboxes"] == [
        {"mailbox": f"{mail_user.name}@127.0.0.1/INBOX", "taken": 2, "known": 0, "too_large": 0, "not_given_out": [],
         "trouble": ""}
    ]  # fmt: skip
    again = run_command(root, "inbox", "poll")
    assert again.returncode == 0
    assert "well" in again.stdout
    text = (root / "kept.yaml").read_text()
    (root / "kept.yaml").write_text(text.replace(f":{mail_user.server.port}/", ":1/"))
    away = run_command(root, "inbox", "poll", "--json")
    assert away.returncode == 3
    assert "did not answer" in json.loads(away.stdout)["mailboxes"][0]["trouble"]


def test_the_scheduler_takes_a_mail_within_seconds_and_its_silence_is_an_alarm(
    installation: Installation, mail_user: DovecotUser
) -> None:
    """IDLE beside the job; the heartbeat is that of a mailbox that was really read; a mailbox that fails for a quarter of
    an hour stands on the board."""
    kept = installation.kept
    jobs = tuple(job for job in standing_jobs(kept) if job.name == "inbox")
    scheduler = Scheduler(kept, jobs)
    scheduler.start()
    try:
        mail_user.put(mail(1))
        wait_until(lambda: kept.inbox.taking.count() == 1)
        mail_user.put(mail(2))
        wait_until(lambda: kept.inbox.taking.count() == 2)
    finally:
        scheduler.stop()
    dict(checks(kept))[f"mailbox {mail_user.name}@127.0.0.1/INBOX"]()
    page = read(installation, "/console/")
    assert "Inbox read" in page.get_text(" ")
    now = kept.clock.now()
    with kept.database.begin() as session:
        for job in standing_jobs(kept):
            beat(session, job.name, now)
        beat(session, "inbox", now - timedelta(minutes=15))
        beat(session, "inbox", now, trouble="The mail server did not answer.")
    assert [one.words(now) for one in kept.board().silences] == ["The job inbox has failed each time for 15\u202fmin."]


def send(installation: Installation, scope: str, body: bytes, content_type: str = TYPE) -> TestResponse:
    kept = installation.kept
    with kept.database.begin() as session:
        token = create_token(session, name="mx", scopes=frozenset({scope}), now=kept.clock.now())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    return installation.client().post("/api/v1/inbox", data=body, headers=headers)


def test_a_program_hands_in_mail_as_it_came(installation: Installation, mail_user: DovecotUser) -> None:
    """201 with an id, 200 with the same one for the same bytes, also when the mailbox brings them; a scope of its own; what
    is no mail, empty or larger than 50 MB is refused and not kept."""
    made = send(installation, "inbox:write", mail(1))
    assert made.status_code == 201
    assert made.get_json()["new"] is True
    again = send(installation, "inbox:write", mail(1))
    assert (again.status_code, again.get_json()) == (200, {"id": made.get_json()["id"], "new": False})
    mail_user.put(mail(1))
    assert [(one.taken, one.known) for one in installation.kept.inbox.boxes.poll()] == [(0, 1)]
    assert send(installation, "requests:write", mail(2)).status_code == 403
    assert installation.client().post("/api/v1/inbox", data=mail(2)).status_code == 401
    assert send(installation, "inbox:write", b"{}", "application/json").status_code == 400
    assert send(installation, "inbox:write", b" \r\n").status_code == 400
    large = send(installation, "inbox:write", b"Subject: x\r\n\r\n" + b"x" * LARGEST)
    assert (large.status_code, large.content_type) == (413, "application/problem+json")
    assert "50 MB" in large.get_json()["detail"]
    assert installation.kept.inbox.taking.count() == 1
    described = installation.client().get("/api/v1/openapi.json").get_json()["paths"]["/api/v1/inbox"]["post"]
    assert list(described["requestBody"]["content"]) == [TYPE]
    assert described["security"] == [{"token": ["inbox:write"]}]
