"""`kept backup` and `kept restore`: a copy that is whole or refused, put back so that nobody who was erased is forgotten."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import BadInput, CheckFailed, Conflict, Unreachable
from core.settings_file import load_settings
from jobs.backup import back_up, restore
from jobs.restored import is_restored
from tests.erasure_rooms import ask, copy_database, count, erase
from tests.kept_commands import run_command
from tests.web_installation import open_installation

NOW = datetime(2026, 6, 11, 10, 0, tzinfo=UTC)
ERASED = ("person3@post.example", "person4@post.example", "person5@post.example")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small installation with its policy in force; tests copy it."""
    root = tmp_path_factory.mktemp("backup") / "kept"
    with open_installation(root):
        pass
    return root


@pytest.fixture
def root(installed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(installed, tmp_path / "kept"))


def test_after_a_restore_nothing_serves_before_everyone_erased_since_is_erased_again(root: Path) -> None:
    """Fault 12: Kept and the host's database are both put back to yesterday, before three deletions. Neither serves nor
    sweeps until the replay, which knows the three from the lines on this machine, has erased exactly them again."""
    from app import open_services

    safe, key = root.parent / "safe", root.parent / "backup.key"
    safe.mkdir()
    made = ask(root, "backup", str(safe), "--key", str(key))
    assert (made["sealed"], made["has_secret"]) == (True, True)
    copy_database(root / "gateway.db", safe / "gateway.db")
    with open_services(root / "kept.yaml") as kept:
        refs = erase(kept, root, *ERASED)
    assert count(root, "SELECT count(*) FROM users WHERE id IN (3, 4, 5)") == 0
    others = count(root, "SELECT count(*) FROM request_log")
    copy_database(safe / "gateway.db", root / "gateway.db")
    assert "--force" in ask(root, "restore", made["path"], "--key", str(key), status=1)["remedy"]
    back = ask(root, "restore", made["path"], "--key", str(key), "--force")
    assert back["joined"] == 6
    for words in (("serve",), ("sweep",), ("request", "run", "K7F3Q-2MXB")):
        refused = run_command(root, *words)
        assert refused.returncode == 1
        assert "kept erasures replay" in refused.stderr
    assert count(root, "SELECT count(*) FROM users WHERE id IN (3, 4, 5)") == 3
    # The database is behind its last checkpoint, which lies on this machine: a person says why before anything is recorded.
    assert "accept-rollback" in ask(root, "erasures", "replay", "--dry-run", status=1)["remedy"]
    ask(root, "ledger", "accept-rollback", "--reason", "the disk broke")
    dry = ask(root, "erasures", "replay", "--dry-run", status=1)
    assert sorted(one["request"] for one in dry["found"]) == sorted(refs)
    assert is_restored(root / "var")
    done = ask(root, "erasures", "replay")
    assert sorted(done["again"]) == sorted(refs)
    assert count(root, "SELECT count(*) FROM users WHERE id IN (3, 4, 5)") == 0
    assert count(root, "SELECT count(*) FROM request_log") == others
    assert count(root, "SELECT count(*) FROM users") == 37
    ask(root, "sweep", "--clause", "closed", status=1)  # waits for its first approval, and no longer for a replay
    assert ask(root, "ledger", "verify")["ok"]


def test_a_copy_is_whole_or_it_is_refused_and_nothing_is_changed(root: Path) -> None:
    """Cut off anywhere, changed in a byte, or opened with another key, a backup is refused before anything is touched."""
    settings, target = load_settings(root / "kept.yaml"), root.parent / "new"
    key = root.parent / "backup.key"
    sealed = back_up(settings, root.parent / "sealed.backup", now=NOW, key_file=key).path
    plain = back_up(settings, root.parent / "plain.backup", now=NOW).path
    assert (sealed.stat().st_mode & 0o777, plain.stat().st_mode & 0o777) == (0o600, 0o600)
    assert b"privacy@lanternway.example" in plain.read_bytes()
    assert b"privacy@lanternway.example" not in sealed.read_bytes()
    with pytest.raises(Conflict, match="exists"):
        back_up(settings, plain, now=NOW)
    broken = root.parent / "broken.backup"
    whole = plain.read_bytes()
    for content in (
        whole[:-1_600],
        whole[: len(whole) // 2],
        b"no backup",
        whole.replace(b"Lanternway", b"Lantermway", 1),
    ):
        broken.write_bytes(content)
        with pytest.raises(CheckFailed, match="cannot be restored"):
            restore(broken, target, now=NOW)
    broken.write_bytes(sealed.read_bytes()[:-7])
    with pytest.raises(CheckFailed):
        restore(broken, target, now=NOW, key_file=key)
    with pytest.raises(BadInput, match="encrypted"):
        restore(sealed, target, now=NOW)
    other = root.parent / "other.key"
    other.write_text("0" * 64)
    with pytest.raises(CheckFailed):
        restore(sealed, target, now=NOW, key_file=other)
    assert list(target.iterdir()) == []
    assert restore(sealed, target, now=NOW, key_file=key).aside is None
    assert (target / "var" / "secret.key").read_bytes() == (root / "var" / "secret.key").read_bytes()
    assert ask(target, "erasures", "list")["erasures"] == 0


def test_what_was_there_is_moved_aside_and_another_key_is_refused(root: Path) -> None:
    """A restore over an installation loses nothing of it; a register of another key, which would find nobody, is refused."""
    made = back_up(load_settings(root / "kept.yaml"), root.parent / "plain.backup", now=NOW)
    (root / "var" / "newer.txt").write_text("here")
    register = root / "var" / "erasures.jsonl"
    line = {"key": "0" * 16, "hash": "a" * 64, "kind": "email", "ref": "R", "version": 1, "erased_at": "", "kept": []}
    register.write_text(json.dumps(line) + "\n")
    with pytest.raises(CheckFailed, match="another secret key"):
        restore(made.path, root, now=NOW, force=True)
    assert (root / "var" / "newer.txt").read_text() == "here"
    register.unlink()
    done = restore(made.path, root, now=NOW, force=True)
    assert done.aside is not None
    assert (done.aside / "var" / "newer.txt").read_text() == "here"
    assert (done.aside / "var" / "kept.db").is_file()
    assert not (root / "var" / "newer.txt").exists()


def test_without_the_client_of_postgresql_the_command_to_run_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pg_dump: nothing is written, and the words that would have been run stand there, without the password."""
    monkeypatch.setenv("PATH", str(root))
    settings = load_settings(root / "kept.yaml")
    url = "postgresql+psycopg://kept:s3cret@db.example/kept"
    settings = replace(settings, service=replace(settings.service, database=url))
    with pytest.raises(Unreachable, match="pg_dump is not there") as error:
        back_up(settings, root.parent / "copy.backup", now=NOW)
    assert "postgresql://kept@db.example/kept" in error.value.remedy
    assert "s3cret" not in error.value.remedy
    assert not (root.parent / "copy.backup").exists()
