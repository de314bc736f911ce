"""`kept campaign`, and the scheduler's job: the same work from the command line and by itself, on an installation of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import app
from core.settings_file import load_settings
from jobs.cli import kept as commands
from jobs.scheduler import standing_jobs
from jobs.services import Services, Wiring
from notify.campaign_tables import CampaignPersonRow, PersonState
from tests.campaign_rooms import NOTICE, clauses, make_host, part, read_mail
from tests.policy_texts import policy_text

CONFIG = """
policy: policy.md
service: {base_url: "http://127.0.0.1:8080", database: "sqlite:///var/kept.db", secret_key: "%s"}
mail: {from: Lanternway <privacy@lanternway.example>}
stores: {gateway: {kind: sql, url: "sqlite:///gateway.db"}}
collections:
  - id: accounts
    at: gateway:users
    category: account
    time: created_at
    events: {account_closed: deleted_at}
    identifies: {email: email, user_id: id}
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with Anna and Ben; its draft keeps request logs for 60 days, version 1 for 30."""
    make_host(tmp_path)
    (tmp_path / "kept.yaml").write_text(CONFIG % ("k" * 40))
    monkeypatch.setenv("KEPT_CONFIG", str(tmp_path / "kept.yaml"))
    run("policy", "publish", str(draft(tmp_path, "P30D")))
    draft(tmp_path, "P60D")
    with sqlite3.connect(tmp_path / "gateway.db") as connection:
        for name in ("anna", "ben"):
            row = (name, f"{name}@mail.example", None, None, "2026-01-01T00:00:00Z", None)
            connection.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.close()
    return tmp_path


def draft(root: Path, period: str) -> Path:
    (root / "policy.md").write_text(policy_text(*clauses(period, notice=NOTICE)))
    return root / "policy.md"


def run(*words: str, status: int = 0) -> str:
    """What one command says."""

    @contextmanager
    def opened(path: Path | None, *, links_at: str | None = None) -> Iterator[Services]:
        with app.open_services(path, links_at=links_at) as services:
            yield services

    wiring = Wiring(open_services=opened, make_web=app.make_web, examples={})
    done = CliRunner().invoke(commands, list(words), obj=wiring)
    assert done.exit_code == status, done.output
    return done.stdout


def ask(*words: str, status: int = 0) -> Any:
    return json.loads(run(*words, "--json", status=status))


def outbox(root: Path) -> list[Path]:
    return sorted((root / "var" / "outbox").glob("*.eml"))


def test_people_are_told_from_the_command_line(house: Path) -> None:
    """Preview first, publish, tell, look: each command says how it stands, in words and as JSON."""
    assert run("campaign", "list").startswith("No version had to be told of")
    run("campaign", "preview", "--to", "ines@ccr.example")
    (preview,) = outbox(house)
    assert read_mail(preview)["Subject"].startswith("Preview: Our privacy policy changes")
    assert "60 days" in part(read_mail(preview))
    run("campaign", "preview", "--to", "nobody", status=2)
    run("policy", "publish")
    run("campaign", "pause", "2")
    assert ask("campaign", "run", "2", status=1)["state"] == "paused"
    run("campaign", "resume", "2")
    assert ask("campaign", "run", "2")["told"] == 2
    assert len(outbox(house)) == 3
    assert [one["state"] for one in ask("campaign", "list")] == ["completed"]
    assert "completed" in run("campaign", "show", "2")
    run("campaign", "show", "7", status=2)
    run("campaign", "complete", "2", "--reason", "letters", status=1)


def test_what_is_uncertain_waits_for_a_person(house: Path) -> None:
    """The command ends with 1 and says what to do; settled as told, nobody is asked for again."""
    run("policy", "publish")
    run("campaign", "run", "2")
    with app.open_services(None) as kept, kept.database.begin() as session:
        row = session.query(CampaignPersonRow).first()
        assert row is not None
        row.state = PersonState.UNCERTAIN.value
    assert "kept campaign settle 2" in run("campaign", "show", "2", status=1)
    assert "1 person is taken as told" in run("campaign", "settle", "2", "--as", "told").replace("\u00a0", " ")
    run("campaign", "settle", "2", "--as", "again", status=1)


def test_bounces_are_taken_in_from_files(house: Path) -> None:
    """A file that holds no bounce is counted as such; one that is not there is bad input."""
    (house / "hello.eml").write_text("From: a@b.example\n\nhello\n")
    assert ask("campaign", "bounces", str(house / "hello.eml"))["others"] == 1
    run("campaign", "bounces", str(house / "none.eml"), status=2)


def test_the_server_tells_people_by_itself(house: Path) -> None:
    """The scheduler has a job for it; nobody has to run a command."""
    run("policy", "publish")
    with app.open_services(None) as kept:
        (job,) = [one for one in standing_jobs(kept) if one.name == "campaigns"]
        job.run()
        with kept.database.read() as session:
            assert kept.campaigns.view(session, 2).told == 2


def test_the_rate_is_set_in_the_configuration(tmp_path: Path) -> None:
    """120 a minute unless it is said, none where it is null; without a mail server there is nobody to spare."""
    (tmp_path / "policy.md").write_text("")
    for words, rate in (("", 120), (", per_minute: 600", 600), (", per_minute: null", None)):
        text = CONFIG % ("k" * 40)
        (tmp_path / "kept.yaml").write_text(text.replace(".example>}", f".example>, smtp: 'smtp://h'{words}}}"))
        assert load_settings(tmp_path / "kept.yaml").mail.campaign_rate == rate
    (tmp_path / "kept.yaml").write_text(CONFIG % ("k" * 40))
    assert load_settings(tmp_path / "kept.yaml").mail.campaign_rate is None
