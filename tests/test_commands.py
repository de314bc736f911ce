"""The commands of kept, run as people run them: as processes, on the example gateway, judged by exit status and by counts of our own."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kept_commands import run_command
from tests.servers import free_port

KEPT = str(Path(sys.executable).with_name("kept"))


def kept(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command in an installation."""
    return run_command(root, *words)


def ask(root: Path, *words: str, status: int = 0) -> Any:
    """Run one command with --json: its document, after its exit status was checked."""
    ran = kept(root, *words, "--json")
    assert ran.returncode == status, ran.stderr + ran.stdout
    return json.loads(ran.stdout)


def count(root: Path, statement: str, *values: object) -> int:
    """A count in the gateway's database, made without Kept."""
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        return int(connection.execute(statement, values).fetchone()[0])


def before(**period: float) -> str:
    """An instant that long ago, as the gateway writes times."""
    return (datetime.now(UTC) - timedelta(**period)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example gateway as `kept init` leaves it; tests copy it."""
    root = tmp_path_factory.mktemp("example") / "gateway"
    made = kept(root.parent, "init", "gateway", "--example", "gateway")
    assert made.returncode == 0, made.stderr
    return root


def hasten(root: Path) -> Path:
    """Sweeps go as fast as they can: what a gentle one leaves to others on a busy host is measured in tests of the pace."""
    path = root / "kept.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"profile: (normal|gentle)", "profile: fast", text), encoding="utf-8")
    return root


@pytest.fixture
def workspace(example: Path, tmp_path: Path) -> Path:
    """A copy of the example for one test."""
    return hasten(Path(shutil.copytree(example, tmp_path / "workspace")))


@contextmanager
def serving(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`kept serve` on a free port; gives the process and its address, and stops it."""
    port = free_port()
    process = subprocess.Popen(
        [KEPT, "serve", "--port", str(port)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(f"{address}/healthz"):
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=90)  # it lets the job that runs come to its end


def answers(url: str) -> bool:
    """Whether an address gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def test_what_is_over_its_time_goes_and_nothing_else(workspace: Path) -> None:
    """First run waits; approved, exactly the expired rows go, by counts made without Kept; then nothing is left to do."""
    line = before(days=30)
    over = count(workspace, "SELECT count(*) FROM request_log WHERE created_at < ?", line)
    total = count(workspace, "SELECT count(*) FROM request_log")
    dry = ask(workspace, "sweep", "--dry-run")
    rows = {(one["clause"], each["collection"]): each["rows"] for one in dry for each in one["collections"]}
    assert over - 50 <= rows["request-logs", "requests"] <= over + 50  # the clock runs while we look

    waits = ask(workspace, "sweep", status=1)
    assert {one["clause"] for one in waits if one["state"] == "waiting"} >= {
        "request-logs",
        "billing-logs",
        "closed",
        "idle-keys",
    }
    assert count(workspace, "SELECT count(*) FROM request_log") == total
    assert ask(workspace, "approvals", status=1)

    users = count(workspace, "SELECT count(*) FROM users WHERE deleted_at IS NULL OR deleted_at >= ?", line)
    done = ask(workspace, "sweep", "--approve", "all", "--reason", "numbers checked")
    assert all(one["state"] == "done" and one["overdue"] == 0 for one in done)
    cutoffs = {
        (one["clause"], each["collection"]): each["cutoff"]
        for one in done
        if one["sweep"]
        for each in one["sweep"]["collections"]
    }
    cutoff = cutoffs["request-logs", "requests"][:23] + "Z"
    assert count(workspace, "SELECT count(*) FROM request_log WHERE created_at < ?", cutoff) == 0
    assert count(workspace, "SELECT count(*) FROM users") == pytest.approx(users, abs=1)
    swept = next(one for one in done if one["clause"] == "request-logs")["rows"]
    left = count(workspace, "SELECT count(*) FROM request_log")
    files = sorted((workspace / "logs").glob("*.jsonl"))
    records = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert min(one["ts"] for one in records) >= cutoff
    assert swept == (total - left) + (23_664 - len(records)) or swept > total - left
    assert ask(workspace, "approvals") == []
    assert ask(workspace, "ledger", "verify")["ok"]


def test_rows_that_are_kept_stay_whole_when_their_account_goes(workspace: Path) -> None:
    """A foreign key alone is never a reason to delete: invoices of closed accounts keep every column."""
    invoices = count(workspace, "SELECT count(*) FROM invoices")
    ask(workspace, "sweep", "--approve", "closed", "--reason", "numbers checked")
    assert count(workspace, "SELECT count(*) FROM invoices") == invoices
    assert count(workspace, "SELECT count(*) FROM invoices WHERE user_id IS NULL") == 0
    assert count(workspace, "SELECT count(*) FROM invoices WHERE user_id NOT IN (SELECT id FROM users)") > 0


def test_clauses_that_the_budget_did_not_reach_are_named(workspace: Path) -> None:
    """Silence would read as done: what was not looked at is said, and the exit status is 1."""
    slow = ("--rate", "1", "--budget", "1s")  # a row a second: the first clause uses all of it up
    ran = kept(workspace, "sweep", "--approve", "all", "--reason", "numbers checked", *slow)
    assert ran.returncode == 1, ran.stderr
    said = next(line for line in ran.stdout.splitlines() if line.startswith("The budget ended before"))
    assert "opinions" in said


def test_a_hold_says_how_much_it_covers_and_when_it_is_looked_at_again(workspace: Path) -> None:
    """A slip in a name shows at once; days are the controller's: midnight in Berlin is still the day before in UTC."""
    nobody = ("--person", "user_id=u_nobody", "--review", "2099-01-31")
    assert ask(workspace, "hold", "add", "--clause", "opinions", *nobody, "--reason", "case 9")["covers"] == 0
    assert "2099-01-31" in kept(workspace, "hold", "list").stdout


def test_a_hold_keeps_a_persons_rows_and_its_release_lets_them_go(workspace: Path) -> None:
    """Rows under hold stay past their time and are counted as held; released by one person alone, they go a day later."""
    mine = "SELECT count(*) FROM request_log WHERE user_id = 'u_000042' AND created_at < ?"
    over = count(workspace, mine, before(days=30))
    assert over > 0
    hold = ask(workspace, "hold", "add", "--person", "user_id=u_000042", "--reason", "case 7 O 118")
    assert hold["covers"] >= over
    swept = ask(workspace, "sweep", "--approve", "request-logs", "--reason", "numbers checked")[0]
    assert swept["sweep"]["held"] >= over
    assert count(workspace, mine, before(days=30)) >= over - 5
    asked = ask(workspace, "hold", "release", hold["id"], "--reason", "case closed", status=1)
    assert not asked["released"]
    assert asked["release_due_at"] > before(days=-0.99)  # one operator: nobody else could agree to it
    ask(workspace, "sweep", "--approve", "request-logs", "--reason", "still held")
    assert count(workspace, mine, before(days=30)) >= over - 5
    with closing(sqlite3.connect(workspace / "var" / "kept.db")) as control, control:
        control.execute("UPDATE holds SET release_due_at = ?", [before(minutes=1)])
    assert ask(workspace, "hold", "list")[0]["rows"] >= over - 5
    ask(workspace, "sweep", "--approve", "request-logs", "--reason", "a day later")
    assert count(workspace, mine, before(days=30, minutes=5)) == 0
    assert ask(workspace, "hold", "list") == []


def test_the_board_has_every_clause_and_says_what_nobody_checks(workspace: Path) -> None:
    """Each clause of the policy is on the board; kinds without evidence are broken and say so."""
    board = ask(workspace, "promises", status=1)
    states = {one["clause_id"]: one["state"] for one in board["clauses"]}
    assert states["request-logs"] == states["support-letters"] == "due"
    assert states["access"] == "kept"
    assert states["no-sale"] == "broken"
    assert all(one["proof"] for one in board["clauses"])
    ask(workspace, "sweep", "--approve", "all", "--reason", "numbers checked")
    after = ask(workspace, "promises", status=1)
    # Not request-logs: of those one comes due every few minutes, so also while this test looks.
    assert {one["clause_id"]: one["state"] for one in after["clauses"]}["support-letters"] == "kept"


def test_a_row_changed_or_removed_by_sql_is_named(workspace: Path) -> None:
    """The triggers refuse; with the triggers gone, verification names the entry and exits 1."""
    ask(workspace, "sweep", "--approve", "all", "--reason", "numbers checked")
    with closing(sqlite3.connect(workspace / "var" / "kept.db")) as ledger:
        for statement in ("UPDATE ledger_entries SET kind = 'sweep.other'", "DELETE FROM ledger_entries"):
            with pytest.raises(sqlite3.DatabaseError, match="is refused"):
                ledger.execute(statement)
        for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f"DROP TRIGGER {name}")
        changed, removed = (
            ledger.execute("SELECT entry_id FROM ledger_leaves WHERE position = ?", (at,)).fetchone()[0]
            for at in (4, 9)
        )
        ledger.execute("UPDATE ledger_entries SET kind = 'sweep.other' WHERE id = ?", (changed,))
        ledger.execute("DELETE FROM ledger_entries WHERE id = ?", (removed,))
        ledger.commit()
    found = ask(workspace, "ledger", "verify", status=1)["findings"]
    # The run whose entry is gone is named too, by its own id.
    assert {one["entry_id"] for one in found} - {None} == {changed, removed}


def test_an_export_verifies_where_there_is_no_installation(workspace: Path, tmp_path: Path) -> None:
    """`ledger verify FILE` needs no configuration, and a changed file does not verify."""
    ask(workspace, "ledger", "export", "-o", str(tmp_path / "ledger.jsonl"))
    (tmp_path / "elsewhere").mkdir()
    assert ask(tmp_path / "elsewhere", "ledger", "verify", str(tmp_path / "ledger.jsonl"))["ok"]
    text = (tmp_path / "ledger.jsonl").read_text(encoding="utf-8")
    (tmp_path / "changed.jsonl").write_text(text.replace("policy.published", "policy.retracted"), encoding="utf-8")
    assert not ask(tmp_path / "elsewhere", "ledger", "verify", str(tmp_path / "changed.jsonl"), status=1)["ok"]


def test_publishing_the_same_text_again_changes_nothing(workspace: Path) -> None:
    """`kept policy publish` in a job that runs at every push."""
    assert ask(workspace, "policy", "publish")["number"] == 1
    assert ask(workspace, "policy", "show")["number"] == 1


def test_a_policy_with_a_loose_period_is_refused_with_the_right_spelling(workspace: Path) -> None:
    """30d names its line, its clause, and P30D."""
    path = workspace / "policies" / "gateway.md"
    path.write_text(path.read_text(encoding="utf-8").replace("for: P30D", "for: 30d"), encoding="utf-8")
    linted = kept(workspace, "policy", "lint", str(path))
    assert linted.returncode == 2
    assert "clause request-logs" in linted.stderr
    assert "P30D" in linted.stderr
    assert kept(workspace, "policy", "publish").returncode == 2


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("init", ".", "--example", "gateway"), 2),
        (("init", "x", "--example", "nothing"), 2),
        (("sweep", "--clause", "nothing"), 2),
        (("sweep", "--approve", "all"), 2),
        (("sweep", "--budget", "soon"), 2),
        (("sweep", "--profile", "hasty"), 2),
        (("sweep", "--rate", "0"), 2),
        (("hold", "release", "hold_0", "--reason", "x"), 2),
        (("hold", "add", "--person", "u_000042", "--reason", "x"), 2),
        (("request", "show", "NOPE2-2222"), 2),
        (("user", "add", "no address", "--name", "x"), 2),
        (("user", "reset", "nobody@example.com"), 2),
        (("due", "gdpr", "yesterday"), 2),
        (("due", "nowhere", "2026-03-05"), 2),
        (("policy", "show", "99"), 2),
        (("ledger", "prove", "clause:none"), 2),
    ],
)
def test_bad_input_gets_words_and_status_2(workspace: Path, words: tuple[str, ...], status: int) -> None:
    """No traceback: what is wrong, with which thing, and what to do."""
    ran = kept(workspace, *words)
    assert ran.returncode == status, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith(("kept:", "Usage:"))


def test_a_store_that_is_down_is_named_and_nothing_is_lost(workspace: Path) -> None:
    """Exit 3; the other store's work goes on; the same command finishes later."""
    (workspace / "gateway.db").rename(workspace / "away.db")
    ran = kept(workspace, "sweep", "--approve", "all", "--reason", "numbers checked")
    assert ran.returncode == 3
    assert "The store gateway did not answer" in ran.stdout
    (workspace / "away.db").rename(workspace / "gateway.db")
    assert kept(workspace, "sweep", "--approve", "all", "--reason", "numbers checked").returncode == 0
    assert count(workspace, "SELECT count(*) FROM request_log WHERE created_at < ?", before(days=30, minutes=5)) == 0


def test_a_table_that_is_gone_is_named_and_the_rest_goes_on(workspace: Path) -> None:
    """One collection missing: its clause says which, the others are swept."""
    with closing(sqlite3.connect(workspace / "gateway.db")) as gateway:
        gateway.execute("ALTER TABLE billing_log RENAME TO billing_old")
    ran = kept(workspace, "sweep", "--approve", "all", "--reason", "numbers checked")
    assert ran.returncode == 3
    assert "billing_log" in ran.stdout
    assert count(workspace, "SELECT count(*) FROM request_log WHERE created_at < ?", before(days=30, minutes=5)) == 0
    assert kept(workspace, "doctor").returncode != 0


def test_two_sweeps_at_once_beside_a_running_server_do_the_work_once(workspace: Path) -> None:
    """Of two commands one may find the clause taken; between them everything is done, and receipts are not doubled."""
    total = count(workspace, "SELECT count(*) FROM request_log")
    with serving(workspace):
        command = [KEPT, "sweep", "--approve", "request-logs", "--reason", "numbers checked", "--json"]
        both = [
            subprocess.Popen(command, cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        ended = [(*one.communicate(timeout=60), one.returncode) for one in both]
    assert {status for _, _, status in ended} <= {0, 1}, ended
    assert 0 in {status for _, _, status in ended}
    swept = sum(one["rows"] for out, _, status in ended if status == 0 for one in json.loads(out))
    left = count(workspace, "SELECT count(*) FROM request_log")
    assert swept >= total - left > 0
    assert count(workspace, "SELECT count(*) FROM request_log WHERE created_at < ?", before(days=30, minutes=5)) == 0
    assert ask(workspace, "ledger", "verify")["ok"]


def test_a_second_server_on_the_same_database_is_refused(workspace: Path) -> None:
    """It names the process that runs, and the first one goes on."""
    with serving(workspace) as (process, address):
        second = kept(workspace, "serve", "--port", str(free_port()))
        assert second.returncode == 1
        assert str(process.pid) in second.stderr
        assert answers(f"{address}/privacy")


def ask_form(address: str, source: str) -> int:
    """The status of an empty form that a proxy passes on, and that it says comes from there."""
    form = urllib.request.Request(f"{address}/requests/new", b"", {"X-Forwarded-For": source})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(form, timeout=10)
    refused.value.close()
    return refused.value.code


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_proxy_that_is_trusted_says_where_a_visitor_comes_from(workspace: Path, trusted: bool) -> None:
    """Through it each visitor has limits of their own, whatever they wrote into the header; without it all share one."""
    path = workspace / "kept.yaml"
    text = path.read_text(encoding="utf-8")
    line = f"  trusted_proxy: {'127.0.0.1' if trusted else '192.0.2.1'}\n"
    path.write_text(text.replace("  languages: [en]\n", f"  languages: [en]\n{line}"), encoding="utf-8")
    with serving(workspace) as (_, address):
        assert [ask_form(address, "203.0.113.7") for _ in range(21)][-1] == 429
        assert ask_form(address, "203.0.113.99, 203.0.113.7") == 429
        assert (ask_form(address, "203.0.113.8") == 429) is not trusted


def test_a_server_killed_hard_can_be_started_again_at_once(workspace: Path) -> None:
    """The lock ends with the process, and the scheduler's lead is taken over."""
    with serving(workspace) as (process, _):
        process.kill()
        process.wait(timeout=10)
    with serving(workspace) as (_, address):
        assert answers(f"{address}/readyz")


def test_the_scheduler_looks_at_every_clause_by_itself(workspace: Path) -> None:
    """A server that starts takes the board's evidence and makes up the runs that were missed: they wait for approval."""
    with serving(workspace):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            ran = kept(workspace, "approvals", "--json")
            if ran.returncode == 1:
                break
            time.sleep(0.5)
    assert "request-logs" in {one["clause"] for one in json.loads(ran.stdout)}


def test_a_port_that_is_taken_is_said_so(workspace: Path) -> None:
    """--port is obeyed or refused, never changed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = kept(workspace, "serve", "--port", str(taken.getsockname()[1]))
    assert ran.returncode == 2
    assert "is taken" in ran.stderr
