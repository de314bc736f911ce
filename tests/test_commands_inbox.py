"""`kept inbox triage`, as people and programs run it: without a configuration, on files and standard input."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from jobs.commands.inbox import inbox
from tests.kept_commands import run_command

KEYS = {"file", "kind", "rights", "language", "regime", "identifiers", "why"}
MAIL = (
    "From: Anna Berg <anna@example.org>\r\nTo: privacy@example.com\r\nSubject: My data\r\n"
    "Date: Thu, 5 Mar 2026 09:30:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    "Please delete my account.\r\n\r\n> On Monday you wrote:\r\n> send me a copy of my data\r\n"
)


def _run(*words: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(inbox, ["triage", *words], input=stdin)


def test_triage_answers_a_list_with_the_fixed_keys_and_nothing_else(tmp_path: Path) -> None:
    """A mail, a letter and a note in a folder without any configuration: one document on standard output."""
    (tmp_path / "a.eml").write_bytes(MAIL.encode())
    (tmp_path / "b.txt").write_text("Ich bitte um Auskunft nach Art. 15 DSGVO.", encoding="utf-8")
    (tmp_path / "c.md").write_text("We offer SEO services for your website. Book a free call.", encoding="utf-8")
    done = run_command(tmp_path, "inbox", "triage", "a.eml", "b.txt", "c.md", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [set(row) for row in rows] == [KEYS] * 3
    assert [(row["file"], row["kind"], row["rights"], row["language"], row["regime"]) for row in rows] == [
        ("a.eml", "request", ["deletion"], "en", None),
        ("b.txt", "request", ["access"], "de", "gdpr"),
        ("c.md", "other", [], "en", None),
    ]
    assert rows[0]["identifiers"][0]["value"] == "anna@example.org"
    assert any(why["for"] == "access" and why["words"] for why in rows[1]["why"])


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_answered(tmp_path: Path) -> None:
    """Exit status 2, one sentence on standard error for each, and the document holds the rest."""
    (tmp_path / "a.txt").write_text("Please delete my account.", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    done = run_command(tmp_path, "inbox", "triage", "gone.eml", "folder", "a.txt", "--json")
    assert done.returncode == 2
    assert [row["file"] for row in json.loads(done.stdout)] == ["a.txt"]
    assert "gone.eml" in done.stderr
    assert "folder" in done.stderr


def test_standard_input_is_a_mail_or_a_letter_by_its_look() -> None:
    """`-` takes both: what begins with headers is a mail."""
    for raw in (MAIL.encode(), b"Please delete my account."):
        done = _run("-", "--json", stdin=raw)
        assert done.exit_code == 0
        assert [(row["file"], row["rights"]) for row in json.loads(done.stdout)] == [("-", ["deletion"])]


def test_people_read_a_table_with_the_words_that_counted(tmp_path: Path) -> None:
    """Without --json: the file, the kind, the rights, the words."""
    file = tmp_path / "a.txt"
    file.write_text("Please delete my account.", encoding="utf-8")
    done = _run(str(file))
    assert done.exit_code == 0
    assert "deletion" in done.stdout
    assert "delete my account" in done.stdout


def test_nothing_that_is_no_mail_at_all_breaks_it(tmp_path: Path) -> None:
    """Empty, binary, a wrong charset, only headers: a request that could not be read."""
    for number, raw in enumerate(
        (b"", b"\x00\xff\xfe" * 400, "Löschen".encode("utf-16"), b"Subject: x\r\n\r\n", b"From: a\nFrom: b\n")
    ):
        file = tmp_path / f"{number}.eml"
        file.write_bytes(raw)
        done = _run(str(file), "--json")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)[0]["kind"] == "request"


def test_without_a_file_it_says_so() -> None:
    """Exit status 2."""
    assert _run("--json").exit_code == 2
