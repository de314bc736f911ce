"""Kept on PostgreSQL, run as people run it: its own tables there, its stores there, servers that die and processes that are killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from app import EXAMPLES, make_web, open_services
from core.database import Database
from core.errors import ConfigurationError, Unreachable
from core.migrations import upgrade
from dsr.states import State
from jobs.cli import kept as commands
from jobs.services import Wiring
from tests.postgresql_rooms import connect, load_gateway, look, started_again, stop_at_once, wait_for
from tests.request_desk import CONFIRM_LINK, find, hand_on
from tests.servers import Postgres, free_port, run_postgres
from tests.test_commands import KEPT, answers, ask, count, example, hasten, kept, serving

__all__ = ["example"]  # the fixture is used by name
APPROVE = ("sweep", "--approve", "request-logs", "--reason", "numbers checked")
OVER = "SELECT count(*) FROM request_log WHERE created_at < now() - interval '30 days'"
LATER = "SELECT count(*) FROM request_log WHERE created_at < now() - interval '30 days 5 minutes'"
ALL = "SELECT count(*) FROM request_log"
DONE = "SELECT coalesce(sum(rows), 0), coalesce(sum(settled), 0) FROM plan_steps"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kept' AND wait_event_type = 'Lock'"
BEGUN = "SELECT count(*) FROM plan_batches WHERE rows IS NULL"


def ask_here(root: Path, *words: str, status: int = 0) -> Any:
    """One command with --json in this process, where nothing is killed and a second of its own would tell no more."""
    wiring = Wiring(open_services=open_services, make_web=make_web, examples=EXAMPLES)
    with chdir(root):
        ran = CliRunner().invoke(commands, [*words, "--json"], obj=wiring)
    assert ran.exit_code == status, ran.output
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def loaded(postgres: Postgres, example: Path) -> Iterator[str]:
    """The example's tables in a database that is copied for each test, and used by none."""
    with postgres.fresh_database() as url:
        load_gateway(example / "gateway.db", url)
        yield url


@pytest.fixture
def gateway_url(postgres: Postgres, loaded: str) -> Iterator[str]:
    """The example's tables in a PostgreSQL database of this test's own."""
    name = f"g_{os.getpid()}_{time.monotonic_ns()}"
    postgres.run(f"CREATE DATABASE {name} TEMPLATE {sa.make_url(loaded).database}")
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")


def rewrite(root: Path, *, database: str | None = None, gateway: str | None = None) -> None:
    """Change the line that says where Kept's own tables are, or where the gateway's are."""
    path = root / "kept.yaml"
    text = path.read_text(encoding="utf-8")
    if database:
        text = re.sub(r"(?m)^(  database: ).*$", rf"\g<1>{database}", text)
    if gateway:
        text = text.replace("url: sqlite:///gateway.db", f'url: "{gateway}"')
    path.write_text(text, encoding="utf-8")


def begin_anew(root: Path) -> None:
    """What a person does on an empty database: says that its ledger begins anew, and publishes."""
    ask_here(root, "ledger", "accept-rollback", "--reason", "moved to PostgreSQL, nothing was done before")
    assert ask_here(root, "policy", "publish")["number"] == 1


@pytest.fixture
def workspace(example: Path, tmp_path: Path) -> Path:
    """A copy of the example, with everything on SQLite still."""
    return hasten(Path(shutil.copytree(example, tmp_path / "workspace")))


@pytest.fixture
def moved(workspace: Path, postgres_url: str) -> Path:
    """What a person does: the one line changed, the policy published."""
    rewrite(workspace, database=postgres_url)
    begin_anew(workspace)
    return workspace


@pytest.fixture
def stored(workspace: Path, gateway_url: str) -> Path:
    """The example with its tables on PostgreSQL, Kept's own on SQLite; without the log files, so that every count is SQL."""
    rewrite(workspace, gateway=gateway_url)
    for path in (workspace / "logs").iterdir():
        path.unlink()
    return workspace


def done_on_sqlite(root: Path) -> tuple[int, int]:
    """Records done over all steps, and batches whose count was lost."""
    with closing(sqlite3.connect(root / "var" / "kept.db")) as control:
        rows, settled = control.execute(DONE).fetchone()
    return int(rows), int(settled)


def sweep_in_background(root: Path) -> subprocess.Popen[str]:
    """`kept sweep --approve request-logs`, running."""
    return subprocess.Popen(
        [KEPT, *APPROVE, "--json"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def middle(url: str, before: int = 62_345) -> int:
    """The id of an expired row amid the others: batches go along the key, so there is work `before` it and behind it."""
    return int(
        look(
            url,
            "SELECT id FROM request_log WHERE created_at < now() - interval '31 days' ORDER BY id "
            f"OFFSET {before} LIMIT 1",
        )
    )


def test_the_control_database_moves_by_one_line(moved: Path, postgres_url: str) -> None:
    """Look, wait, approve, read back, prove: all on PostgreSQL; then its ledger refuses change, and names what was changed."""
    line = "SELECT count(*) FROM request_log WHERE created_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 days', ?)"
    left_alone = (moved / "var" / "kept.db").read_bytes()
    over, total = count(moved, line, "0 days"), count(moved, "SELECT count(*) FROM request_log")
    dry = {one["clause"]: one for one in ask_here(moved, "sweep", "--dry-run")}
    assert dry["request-logs"]["collections"][0]["rows"] == pytest.approx(over, abs=50)
    assert {one["state"] for one in ask_here(moved, "sweep", status=1)} == {"waiting", "done"}
    assert count(moved, "SELECT count(*) FROM request_log") == total
    assert {one["clause"] for one in ask_here(moved, "approvals", status=1)} >= {"request-logs", "closed"}
    swept = ask(moved, "sweep", "--approve", "all", "--reason", "numbers checked")
    assert all((one["state"], one["overdue"]) == ("done", 0) for one in swept)
    assert count(moved, line, "-5 minutes") == 0
    assert total - count(moved, "SELECT count(*) FROM request_log") == pytest.approx(over, abs=50)
    board = {one["clause_id"]: one["state"] for one in ask_here(moved, "promises", status=1)["clauses"]}
    assert board["request-logs"] in ("kept", "due"), "a record may have come over its period since the sweep"
    assert board["access"] == "kept"
    assert look(postgres_url, "SELECT count(*) FROM plan_batches WHERE rows IS NULL OR settled") == 0
    assert ask_here(moved, "ledger", "verify")["ok"]
    spoilt = spoil_ledger(postgres_url)
    found = ask_here(moved, "ledger", "verify", status=1)["findings"]
    assert {one["entry_id"] for one in found} == spoilt
    assert (moved / "var" / "kept.db").read_bytes() == left_alone


def spoil_ledger(url: str) -> set[str]:
    """Try every way of changing the ledger's tables; then change one entry and remove one, its triggers disabled."""
    with connect(url, autocommit=True) as connection:
        for table, column in (("entries", "kind"), ("leaves", "leaf"), ("nodes", "hash"), ("checkpoints", "note")):
            name = f"ledger_{table}"
            for statement in (
                f"UPDATE {name} SET {column} = {column}",
                f"DELETE FROM {name}",
                f"TRUNCATE {name} CASCADE",
            ):
                with pytest.raises(psycopg.DatabaseError, match="is refused"):
                    connection.execute(statement.encode())
        connection.execute(b"ALTER TABLE ledger_entries DISABLE TRIGGER ALL")
        wanted = b"SELECT entry_id FROM ledger_leaves WHERE position IN (4, 9) ORDER BY position"
        changed, removed = (str(one) for (one,) in connection.execute(wanted).fetchall())
        connection.execute("UPDATE ledger_entries SET kind = 'sweep.other' WHERE id = %s", (changed,))
        connection.execute("DELETE FROM ledger_entries WHERE id = %s", (removed,))
    return {changed, removed}


def test_two_servers_share_the_work_and_one_takes_over_when_the_other_is_killed(
    moved: Path, postgres: Postgres, postgres_url: str
) -> None:
    """One leads the scheduler, one stands by; killed, the leader is replaced; two sweeps beside them do the work once."""
    holder = "SELECT holder FROM leases WHERE name = 'scheduler'"
    total = count(moved, "SELECT count(*) FROM request_log")
    with serving(moved) as (first, _), serving(moved) as (second, address):
        assert look(postgres_url, holder) == f"{socket.gethostname()}:{first.pid}"
        assert answers(f"{address}/readyz")
        first.kill()
        first.wait(timeout=10)
        killed_at = time.monotonic()
        both = [sweep_in_background(moved) for _ in range(2)]
        ended = [(*one.communicate(timeout=60), one.returncode) for one in both]
        assert {status for *_, status in ended} <= {0, 1}, ended
        assert 0 in {status for *_, status in ended}, ended
        wait_for(lambda: look(postgres_url, holder) == f"{socket.gethostname()}:{second.pid}")
        assert time.monotonic() - killed_at < 60
        beat = "SELECT count(*) FROM heartbeats WHERE ran_at > now() - interval '10 seconds' AND note = ''"
        wait_for(lambda: look(postgres_url, beat) >= 3)
        with shut_off(postgres, postgres_url):
            assert answers(f"{address}/healthz")
            assert not answers(f"{address}/readyz")
            assert not answers(f"{address}/privacy")
        assert answers(f"{address}/readyz")
        assert answers(f"{address}/privacy")
    line = "SELECT count(*) FROM request_log WHERE created_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 days', '-5 minutes')"
    assert count(moved, line) == 0
    lines = sum(len(path.read_bytes().splitlines()) for path in (moved / "logs").glob("*.jsonl"))
    gone = total - count(moved, "SELECT count(*) FROM request_log") + 23_664 - lines
    assert look(postgres_url, DONE) == (gone, 0)
    assert ask_here(moved, "ledger", "verify")["ok"]


@contextmanager
def shut_off(postgres: Postgres, url: str) -> Iterator[None]:
    """One database that answers nobody, while the server runs on."""
    name = sa.make_url(url).database
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    yield
    postgres.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_request_lives_on_postgresql_from_the_form_to_the_deletion(
    workspace: Path, postgres_url: str, gateway_url: str
) -> None:
    """Copy and deletion, with Kept's tables and the gateway's both there: exactly this person's rows go, invoices stay."""
    rewrite(workspace, database=postgres_url, gateway=gateway_url)
    every = " AND ".join(
        f"EXISTS (SELECT 1 FROM {t} x WHERE x.user_id = u.id)" for t in ("api_keys", "request_log", "invoices")
    )
    wanted = f"SELECT id, email FROM users u WHERE deleted_at IS NULL AND {every} ORDER BY id LIMIT 1"
    person, email = look(gateway_url, wanted)
    tables = {
        "users": "id",
        "api_keys": "user_id",
        "request_log": "user_id",
        "billing_log": "user_id",
        "invoices": "user_id",
    }

    def rows() -> dict[str, int]:
        return {
            t: look(gateway_url, f"SELECT count(*) FROM {t} WHERE {column} = %s", person)
            for t, column in tables.items()
        }

    before, others = rows(), look(gateway_url, "SELECT count(*) FROM request_log WHERE user_id <> %s", person)
    begin_anew(workspace)
    old = time.time() - 3 * 86_400  # no file is being written to
    for path in (workspace / "logs").iterdir():
        os.utime(path, (old, old))
    with open_services(workspace / "kept.yaml") as opened:
        for number, right in enumerate(("access", "deletion")):
            opened.requests.submit_form(email=email, right=right, details="", source=f"198.51.100.{number}")
            hand_on(opened)
            token = find(CONFIRM_LINK, workspace, email).rpartition("/")[2]
            ref = opened.requests.confirm(token, source=f"198.51.100.{number}")
            hand_on(opened)
            opened.requests.make_plan(ref, by="opr_1")
            panel = opened.requests.view(ref).plan
            assert panel is not None
            opened.requests.approve(ref, by="opr_1", seal=panel.seal)
            hand_on(opened)
            view = opened.requests.view(ref)
            assert view.state is State.ANSWERED, view.timeline
            if right == "access":
                assert rows() == before
                assert (view.outcome["rows"]["requests"], view.outcome["rows"]["invoices"]) == (
                    before["request_log"],
                    before["invoices"],
                )
        assert opened.ledger.verify().ok
    assert rows() == {**dict.fromkeys(before, 0), "invoices": before["invoices"]}
    assert look(gateway_url, "SELECT count(*) FROM request_log WHERE user_id <> %s", person) == others


def test_stores_on_postgresql_are_swept_by_instants_and_by_text(stored: Path, gateway_url: str) -> None:
    """Delete, revoke and the way through an account's closing, each against a count by SQL of our own."""
    closed = "deleted_at < now() - interval '30 days'"
    texts = {
        "keys": f"SELECT count(*) FROM api_keys WHERE user_id IN (SELECT id FROM users WHERE {closed})",
        "users": f"SELECT count(*) FROM users WHERE {closed}",
        "bills": "SELECT count(*) FROM billing_log WHERE created_at::timestamptz < now() - interval '12 months 5 minutes'",
        "letters": "SELECT count(*) FROM support_messages WHERE created_at::timestamptz < now() - interval '24 months 5 minutes'",
        "idle": "SELECT count(*) FROM api_keys WHERE last_used_at::timestamptz < now() - interval '90 days 5 minutes' AND revoked_at IS NULL",
        "revoked": "SELECT count(*) FROM api_keys WHERE revoked_at::timestamptz < now() - interval '30 days 5 minutes' "
        f"AND user_id NOT IN (SELECT id FROM users WHERE {closed})",
        "prompts": "SELECT count(*) FROM playground WHERE created_at < now() - interval '3 days 5 minutes' AND prompt IS NOT NULL",
        "uses": "SELECT count(*) FROM usage WHERE created_at < date_trunc('day', now() - interval '30 days', 'UTC')",
        "opinions": "SELECT count(*) FROM feedback WHERE created_at::timestamptz < now() - interval '6 months 5 minutes' "
        "AND (email IS NOT NULL OR user_id IS NOT NULL)",
        "logs": LATER,
    }
    names = ("users", "api_keys", "invoices", "request_log", "billing_log")
    totals = {name: look(gateway_url, f"SELECT count(*) FROM {name}") for name in names}
    before = {name: look(gateway_url, text) for name, text in texts.items()}
    assert min(before.values()) > 50, before
    swept = ask_here(stored, "sweep", "--approve", "all", "--reason", "numbers checked")
    assert {one["state"] for one in swept} == {"done"}, [one["errors"] for one in swept]
    assert {name: look(gateway_url, text) for name, text in texts.items()} == dict.fromkeys(texts, 0)
    left = {name: look(gateway_url, f"SELECT count(*) FROM {name}") for name in names}
    assert totals["users"] - left["users"] == before["users"]
    assert totals["api_keys"] - left["api_keys"] == before["keys"] + before["revoked"]
    assert left["invoices"] == totals["invoices"]
    now_revoked = "SELECT count(*) FROM api_keys WHERE revoked_at::timestamptz > now() - interval '1 hour'"
    assert before["idle"] >= look(gateway_url, now_revoked) > before["idle"] - before["keys"]
    youngest = "SELECT count(*) FROM request_log WHERE created_at >= now() - interval '30 days'"
    assert left["request_log"] == look(gateway_url, youngest) + look(gateway_url, OVER)


def test_a_row_that_somebody_holds_is_waited_for_and_never_lost(stored: Path, gateway_url: str) -> None:
    """A reader's lock: exit 3, words, the batch goes back whole. A row refreshed while the sweep waits for it survives."""
    # in the first batch, and so early that five tries with ever smaller ones all meet it: each waits for five seconds
    row, total = middle(gateway_url, before=120), look(gateway_url, ALL)
    with connect(gateway_url) as reader:
        reader.execute("SELECT 1 FROM request_log WHERE id = %s FOR SHARE", (row,))
        ran = kept(stored, *APPROVE)
        assert ran.returncode == 3, ran.stdout + ran.stderr
        assert "The store gateway was too busy: a lock was not given in time" in ran.stdout
        assert look(gateway_url, ALL) == total - done_on_sqlite(stored)[0]
        assert look(gateway_url, "SELECT count(*) FROM request_log WHERE id = %s", row) == 1
    with connect(gateway_url) as program:
        program.execute("UPDATE request_log SET created_at = now() WHERE id = %s", (row,))
        sweep = sweep_in_background(stored)
        wait_for(lambda: look(gateway_url, WAITING))
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 0, out + err
    assert look(gateway_url, "SELECT count(*) FROM request_log WHERE id = %s", row) == 1
    assert look(gateway_url, LATER) == 0
    assert done_on_sqlite(stored) == (total - look(gateway_url, ALL), 0)


def test_a_sweep_killed_in_the_middle_of_a_batch_is_finished_with_exact_counts(
    stored: Path, gateway_url: str, postgres_url: str
) -> None:
    """SIGKILL while the server works on its batch; Kept's tables and the gateway's both on PostgreSQL."""
    rewrite(stored, database=postgres_url)
    begin_anew(stored)
    row, total = middle(gateway_url), look(gateway_url, ALL)
    with connect(gateway_url) as program:
        program.execute("SELECT 1 FROM request_log WHERE id = %s FOR UPDATE", (row,))
        sweep = sweep_in_background(stored)
        wait_for(lambda: look(gateway_url, WAITING))
        sweep.kill()
        sweep.communicate(timeout=60)
        wait_for(lambda: not look(gateway_url, WAITING))
    assert look(postgres_url, BEGUN) == 1
    assert 0 < total - look(gateway_url, ALL) == look(postgres_url, DONE)[0]
    ask_here(stored, *APPROVE)
    assert look(gateway_url, LATER) == 0
    assert look(postgres_url, DONE) == (total - look(gateway_url, ALL), 0)
    assert look(gateway_url, "SELECT count(*) FROM kept_receipts") == 0
    assert ask_here(stored, "ledger", "verify")["ok"]


def test_servers_that_stop_in_the_middle_lose_nothing(workspace: Path, example: Path) -> None:
    """The store's server, then the one of Kept's own tables, in a batch: exit 3 and words; started again, all is exact."""
    for path in (workspace / "logs").iterdir():
        path.unlink()
    with run_postgres() as cluster:
        tables, control = cluster.url("tables"), cluster.url("control")
        for name in ("tables", "control"):
            cluster.run(f"CREATE DATABASE {name}")
        load_gateway(example / "gateway.db", tables, only="request_log")
        on_store = Path(shutil.copytree(workspace, workspace.with_name("store")))
        rewrite(on_store, gateway=tables)
        rewrite(workspace, database=control)
        begin_anew(workspace)
        total, others = look(tables, ALL), count(workspace, ALL)
        first, second, words = stop_amid_sweeps(cluster, tables, control, (on_store, workspace))
        assert (first[0], "The store gateway did not answer" in first[1]) == (3, True), first[1]
        assert (second[0], "The control database" in second[1]) == (3, True), second[1]
        assert "Traceback" not in first[1] + second[1]
        with started_again(cluster, words):
            ask_here(on_store, *APPROVE)
            ask_here(workspace, *APPROVE)
            assert look(tables, LATER) == 0
            assert done_on_sqlite(on_store) == (total - look(tables, ALL), 0)
            assert look(control, DONE) == (others - count(workspace, ALL), 0)
            assert ask_here(workspace, "ledger", "verify")["ok"]


def stop_amid_sweeps(
    cluster: Postgres, tables: str, control: str, roots: tuple[Path, Path]
) -> tuple[tuple[int, str], tuple[int, str], list[str]]:
    """Start two sweeps, of a store there and of Kept's own tables there; stop the server when both are in their batches.

    Gives how each ended and what it said, and the words that start the server again.
    """
    with suppress(psycopg.OperationalError), connect(tables) as program:
        program.execute("SELECT 1 FROM request_log WHERE id = %s FOR UPDATE", (middle(tables),))
        first, second = (sweep_in_background(root) for root in roots)
        wait_for(lambda: look(tables, WAITING) and look(control, "SELECT count(*) FROM plan_batches") > 1)
        words = stop_at_once(cluster)
    said = ["".join(one.communicate(timeout=60)) for one in (first, second)]
    return (first.returncode, said[0]), (second.returncode, said[1]), words


def test_a_database_that_cannot_be_used_is_said_so_and_is_not_touched(
    moved: Path, postgres: Postgres, postgres_url: str
) -> None:
    """Down, not made, newer, another program's, not permitted, not an address: each its words, and the right exit status."""
    here = sa.make_url(postgres_url)
    with connect(postgres_url, autocommit=True) as connection:
        connection.execute(b"DROP ROLE IF EXISTS lodger")
        connection.execute(b"CREATE ROLE lodger LOGIN")
        connection.execute(b"UPDATE alembic_version SET version_num = 'from_the_future'")
    rewrite(moved, database=postgres_url)
    refused_here(postgres_url, ConfigurationError, "from_the_future")
    newer = kept(moved, "serve", "--port", str(free_port()))
    assert (newer.returncode, "from_the_future" in newer.stderr) == (2, True), newer
    with postgres.fresh_database() as url:
        lodger = url.replace("postgres@", "lodger@")
        refused_here(lodger, ConfigurationError, "does not permit this to its user")
        with connect(url) as connection:
            connection.execute(b"CREATE TABLE outbox (id integer)")
        refused_here(url, ConfigurationError, "has tables of another program, such as 'outbox'")
        assert look(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1
    with connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(b"DROP ROLE lodger")
    refused_here(str(here.set(database="nowhere")), Unreachable, 'database "nowhere" does not exist')
    refused_here(str(here.set(port=free_port())), Unreachable, "did not answer: .*Connection refused")
    down = postgres_url.replace("postgres@", "postgres:5ecret@").replace(f":{here.port}/", f":{free_port()}/")
    rewrite(moved, database=down)
    ran = kept(moved, "sweep")
    assert (ran.returncode, "5ecret" in ran.stderr, "run the same command again" in ran.stderr) == (3, False, True), ran
    for url in ("kept.db", "mysql://host/kept", "postgres://host/kept"):
        with pytest.raises(ConfigurationError, match=r"Use sqlite:/// or postgresql\+psycopg://"):
            Database(url)
    assert Database("postgresql+psycopg2://host/kept").url.drivername == "postgresql+psycopg"


def refused_here(url: str, error: type[Exception], words: str) -> None:
    """What a start says about a database."""
    database = Database(url)
    with pytest.raises(error, match=words):
        upgrade(database)
    database.close()
