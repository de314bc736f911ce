"""`kept policy publish`, `list`, `show` and `withdraw`: what a job and a person are told, judged by JSON and exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app import make_web, open_services
from jobs.cli import kept
from jobs.services import Wiring
from tests.policy_house import NOTICE, logs
from tests.policy_texts import policy_text

Run = Callable[..., Result]
WIRING = Wiring(open_services=open_services, make_web=make_web, examples={})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a new installation."""
    monkeypatch.delenv("KEPT_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(kept, words, obj=WIRING)
        assert result.exit_code == status, result.output
        return result

    run_command("init", ".")
    return run_command


def ask(run: Run, *words: str, status: int = 0) -> Any:
    return json.loads(run(*words, "--json", status=status).stdout)


def write(period: str, *, day: str = "", german: bool = False) -> None:
    """The draft that kept.yaml names, and its translation."""
    text = policy_text(logs(period), NOTICE, extra=f"not_before: {day}" if day else "")
    Path("policies/policy.md").write_text(text, encoding="utf-8")
    if german:
        translated = text.replace("title: Privacy Policy", "title: Datenschutz\nlanguage: de")
        Path("policies/policy.de.md").write_text(translated, encoding="utf-8")


def test_publishing_says_what_changed_when_it_takes_effect_and_what_holds_it_up(run: Run) -> None:
    """The first is in force at once; a material change waits for the notice that was promised."""
    write("P30D")
    first = ask(run, "policy", "publish")
    assert (first["number"], first["state"], first["verdict"], first["changed"]) == (1, "in_force", None, True)
    write("P60D")
    said = run("policy", "publish").stdout
    assert "Version 2 of gateway is published, in en." in said
    assert "The change is material." in said
    earliest = (datetime.now(UTC) + timedelta(days=14)).strftime("%Y")
    assert "People are being told by e-mail. It takes effect 14 days after the last has been told, on " in said
    assert f"{earliest} at the earliest." in said


def test_a_job_that_publishes_at_every_push_changes_nothing_when_nothing_changed(run: Run) -> None:
    """Exit status 0 each time, `changed` false from the second on, and it says so."""
    write("P30D", german=True)
    assert ask(run, "policy", "publish")["changed"] is True
    again = ask(run, "policy", "publish")
    assert (again["changed"], again["number"], again["languages"]) == (False, 1, ["en", "de"])
    assert "These documents are version 1 of gateway already. Nothing was changed." in run("policy", "publish").stdout
    assert len(ask(run, "policy", "list")["versions"]) == 1


def test_a_verdict_is_overruled_with_a_reason_and_the_person_is_named(run: Run) -> None:
    """One without the other is refused; a planned day is said with the last day to tell people."""
    write("P30D")
    run("policy", "publish")
    write("P60D", day=(datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%d"))
    assert "go together" in ask(run, "policy", "publish", "--verdict", "minor", status=2)["error"]
    assert "go together" in ask(run, "policy", "publish", "--reason", "So it is.", status=2)["error"]
    assert "takes a reason" in ask(run, "policy", "publish", "--verdict", "minor", "--reason", " ", status=2)["error"]
    done = ask(run, "policy", "publish", "--verdict", "editorial", "--reason", "Nobody is logged yet.")
    assert (done["verdict"], done["overruled"]["verdict"]) == ("editorial", "material")
    assert done["overruled"]["by"].startswith("cli:")
    listed = run("policy", "list").stdout
    assert "editorial (overruled)" in listed
    assert done["digest"][:12] in listed


def test_withdrawing_from_the_command_line(run: Run) -> None:
    """Only with a reason, only what is planned; the list keeps it."""
    assert "No version is published" in run("policy", "list").stdout
    write("P30D")
    run("policy", "publish")
    write("P60D")
    run("policy", "publish")
    run("policy", "withdraw", "2", status=2)
    said = run("policy", "withdraw", "2", "--reason", "Wrong period.").stdout
    assert said.startswith("Version 2: Withdrawn on ")
    assert "Wrong period." in said
    assert ask(run, "policy", "withdraw", "1", "--reason", "No.", status=1)["error"].startswith("Version 1 is in force")
    assert [one["state"] for one in ask(run, "policy", "list")["versions"]] == ["in_force", "withdrawn"]


def test_showing_a_version_in_a_language(run: Run) -> None:
    """Without a number the one in force; a language that it lacks is refused with those it has."""
    assert "No version is in force" in ask(run, "policy", "show", status=2)["error"]
    write("P30D", german=True)
    run("policy", "publish")
    assert "title: Privacy Policy" in ask(run, "policy", "show")["text"]
    assert "title: Datenschutz" in ask(run, "policy", "show", "1", "--language", "de")["text"]
    refused = ask(run, "policy", "show", "--language", "fr", status=2)
    assert "not published in 'fr'" in refused["error"]
    assert refused["remedy"] == "It is in: en, de."
    run("policy", "show", "9", status=2)


def test_a_day_that_has_gone_by_is_refused_with_its_remedy(run: Run) -> None:
    """Exit status 2, and nothing is published."""
    write("P30D", day="2026-01-01")
    refused = ask(run, "policy", "publish", status=2)
    assert "not_before is 2026-01-01, and today is" in refused["error"]
    assert "leave not_before out" in refused["remedy"]
    assert ask(run, "policy", "list")["versions"] == []


def test_what_a_person_withdrew_is_not_published_again_by_a_job(run: Run) -> None:
    """The next run of a CI job finds the same text: it says what was decided, and only a person's word publishes it again."""
    write("P30D")
    run("policy", "publish")
    write("P60D")
    run("policy", "publish")
    run("policy", "withdraw", "2", "--reason", "Wrong period.")
    assert ask(run, "policy", "publish", status=1)["error"] == (
        "These documents are version 2, which was withdrawn: Wrong period."
    )
    again = ask(run, "policy", "publish", "--again")
    assert (again["number"], again["changed"]) == (3, True)


def test_lint_holds_a_translation_against_its_original(run: Run) -> None:
    """Whoever writes gateway.de.md alone learns at once that it promises something else."""
    write("P30D", german=True)
    translation = Path("policies/policy.de.md")
    translation.write_text(translation.read_text(encoding="utf-8").replace("P30D", "P31D"), encoding="utf-8")
    assert "period is not that of the original" in ask(run, "policy", "lint", str(translation), status=2)["error"]
