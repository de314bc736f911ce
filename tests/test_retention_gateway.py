"""The example gateway swept whole, and counted by queries that know nothing of Kept."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.database import Database
from core.keys import write_secret
from core.leases import Leases
from core.settings_file import load_settings
from examples.gateway.build import build, write_configuration
from ledger.log import Ledger
from plans.engine import Plans
from policies.documents import parse_document
from policies.versions import Policies
from retention.sweeps import Sweeps
from retention.tables import RunState
from retention.views import SweepOutcome
from stores.datamap import DataMap
from stores.registry import open_store
from tests.ledger_rooms import ORIGIN, SECRET, StandingClock
from tests.schema import make_tables

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MONTH_AGO = "2026-10-22T12:00:00.000Z"
YEAR_AGO = "2025-11-21T12:00:00.000Z"
QUARTER_AGO = "2026-08-23T12:00:00.000Z"

Rows = dict[str, list[tuple[object, ...]]]
TABLES = (
    "users", "api_keys", "request_log", "billing_log", "invoices", "support_messages", "playground", "usage", "feedback",
)  # fmt: skip
CLAUSES = (
    "request-logs", "billing-logs", "invoices", "support-letters", "closed", "idle-keys", "revoked-keys", "prompts",
    "playground-logs", "usage-totals", "daily-totals", "opinions",
)  # fmt: skip
HALF_A_YEAR_AGO = "2026-05-21T12:00:00.000Z"
THREE_DAYS_AGO = "2026-11-18T12:00:00.000Z"


@dataclass(frozen=True, kw_only=True)
class Swept:
    """The gateway before and after: all rows of all tables, all lines of all files."""

    before: Rows
    after: Rows
    lines_before: dict[str, list[str]]
    lines_after: dict[str, list[str]]
    totals: list[tuple[str, str, int, int]]
    outcomes: list[SweepOutcome]
    ledger: Ledger
    sweeps: Sweeps


def read_rows(root: Path) -> Rows:
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in TABLES}


def read_totals(root: Path) -> list[tuple[str, str, int, int]]:
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        return connection.execute("SELECT day, model, rows, tokens FROM usage_daily ORDER BY day, model").fetchall()


def read_lines(root: Path) -> dict[str, list[str]]:
    return {path.name: path.read_text().splitlines() for path in sorted((root / "logs").glob("*.jsonl"))}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    root = tmp_path_factory.mktemp("swept") / "gateway"
    build(root, now=NOW)
    write_configuration(root)
    write_secret(root / "var" / "secret.key")
    settings = load_settings(root / "kept.yaml")
    clock = StandingClock(NOW)
    database = Database(settings.service.database)
    make_tables(database)
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=SECRET, origin=ORIGIN)
    stores = {name: open_store(one, clock=clock) for name, one in settings.stores.items()}
    plans = Plans(database, clock, ledger, leases, DataMap(settings.collections, stores))
    policies = Policies(database, clock, ledger)
    policies.publish(parse_document(settings.policy.read_text(), "gateway.md"), actor="system")
    sweeps = Sweeps(database, clock, ledger, policies, plans, settings)
    before, lines_before = read_rows(root), read_lines(root)
    outcomes = sweeps.approve("all", by="opr_1", reason="the first run")
    yield Swept(
        before=before,
        after=read_rows(root),
        lines_before=lines_before,
        lines_after=read_lines(root),
        totals=read_totals(root),
        outcomes=outcomes,
        ledger=ledger,
        sweeps=sweeps,
    )
    database.close()


def test_every_clause_is_kept_after_the_first_approved_run(swept: Swept) -> None:
    """Every clause, all done, nothing over its time left, the ledger whole."""
    assert {outcome.clause: outcome.state for outcome in swept.outcomes} == dict.fromkeys(CLAUSES, RunState.DONE)
    assert {(o.run.overdue, o.run.remaining, o.errors) for o in swept.outcomes} == {(0, 0, ())}
    assert swept.ledger.verify().ok


@pytest.mark.parametrize(("table", "time", "cutoff"), [("request_log", 8, MONTH_AGO), ("billing_log", 5, YEAR_AGO)])
def test_exactly_the_records_before_the_cutoff_went(swept: Swept, table: str, time: int, cutoff: str) -> None:
    """Text order is time order in this form: what is left is what was not before the cutoff, every value as it was."""
    expected = [row for row in swept.before[table] if str(row[time]) >= cutoff]
    assert len(expected) < len(swept.before[table])
    assert swept.after[table] == expected


def test_exactly_the_lines_before_the_cutoff_went(swept: Swept) -> None:
    """Whole days are unlinked, the day that straddles the cutoff is rewritten, every other file is byte for byte the same."""
    expected = {
        name: kept
        for name, lines in swept.lines_before.items()
        if (kept := [line for line in lines if json.loads(line)["ts"] >= MONTH_AGO])
    }
    assert len(expected) < len(swept.lines_before)
    straddling = swept.lines_before["requests-2026-10-22.jsonl"]
    assert 0 < len(expected["requests-2026-10-22.jsonl"]) < len(straddling)
    assert swept.lines_after == expected


def test_exactly_the_accounts_closed_long_enough_ago_went_with_their_keys(swept: Swept) -> None:
    """Open accounts and those closed within thirty days stay; invoices and logs of a closed account stay whole."""
    gone = {row[0] for row in swept.before["users"] if row[5] and str(row[5]) < MONTH_AGO}
    assert gone
    assert swept.after["users"] == [row for row in swept.before["users"] if row[0] not in gone]
    left = [row[0] for row in swept.before["api_keys"] if row[2] not in gone and not long_revoked(row)]
    assert [row[0] for row in swept.after["api_keys"]] == left
    assert swept.after["invoices"] == swept.before["invoices"]


def long_revoked(key: tuple[object, ...]) -> bool:
    return key[5] is not None and str(key[5]) < MONTH_AGO


def test_exactly_the_idle_keys_were_revoked(swept: Swept) -> None:
    """Ninety days without use, and not revoked before; a key that was never used is not idle."""
    after = {row[0]: row for row in swept.after["api_keys"]}
    revoked = 0
    for row in swept.before["api_keys"]:
        if row[0] not in after:
            continue
        idle = row[4] is not None and str(row[4]) < QUARTER_AGO and row[5] is None
        revoked += idle
        assert after[row[0]][:5] == row[:5]
        assert after[row[0]][5] == (row[5] if not idle else after[row[0]][5])
        assert (after[row[0]][5] is not None) == (idle or row[5] is not None)
    assert revoked > 0


def test_exactly_what_was_said_in_the_playground_was_emptied(swept: Swept) -> None:
    """Three days for question and answer, ninety for the record; model, tokens and time of what is left are as they were."""
    there = [row for row in swept.before["playground"] if str(row[6]) >= QUARTER_AGO]
    assert 0 < len(there) < len(swept.before["playground"])
    assert swept.after["playground"] == [
        row if str(row[6]) >= THREE_DAYS_AGO else (*row[:3], None, None, *row[5:]) for row in there
    ]
    assert any(row[3] for row in swept.after["playground"])


def test_exactly_the_closed_days_of_use_became_totals(swept: Swept) -> None:
    """By day and model, of ten people or more; the day of the cutoff waits until it is over."""
    groups: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for row in swept.before["usage"]:
        if str(row[4])[:10] < MONTH_AGO[:10]:
            groups.setdefault((str(row[4])[:10], str(row[2])), []).append(row)
    expected = [
        (day, model, len(rows), sum(int(str(row[3])) for row in rows))
        for (day, model), rows in sorted(groups.items())
        if len({row[1] for row in rows}) >= 10
    ]
    assert 0 < len(expected) < len(groups)
    assert swept.totals == expected
    assert swept.after["usage"] == [row for row in swept.before["usage"] if str(row[4])[:10] >= MONTH_AGO[:10]]


def test_exactly_the_old_feedback_is_nobodys(swept: Swept) -> None:
    """What leads to a person is gone after six months; the rating and the time stay."""
    assert swept.after["feedback"] == [
        row if str(row[5]) >= HALF_A_YEAR_AGO else (row[0], None, None, row[3], None, row[5])
        for row in swept.before["feedback"]
    ]
    assert {row[1] is None for row in swept.after["feedback"]} == {True, False}


def test_the_numbers_of_the_runs_are_the_numbers_that_went(swept: Swept) -> None:
    """What the evidence says is what an independent count says."""
    rows = {outcome.clause: outcome.rows for outcome in swept.outcomes}

    def lost(table: str) -> int:
        return len(swept.before[table]) - len(swept.after[table])

    lines = sum(map(len, swept.lines_before.values())) - sum(map(len, swept.lines_after.values()))
    assert rows["request-logs"] == lost("request_log") + lines
    assert rows["billing-logs"] == lost("billing_log")
    assert rows["closed"] + rows["revoked-keys"] == lost("users") + lost("api_keys")
    assert rows["playground-logs"] == lost("playground")
    assert rows["usage-totals"] == lost("usage")
    assert rows["support-letters"] == lost("support_messages")


def test_the_next_run_finds_nothing(swept: Swept) -> None:
    """Swept is swept: the same clock again makes quiet runs, totals and all."""
    again = swept.sweeps.run()
    assert [(outcome.state, outcome.rows) for outcome in again] == [(RunState.DONE, 0)] * len(CLAUSES)
    assert NOW - timedelta(days=30) <= (swept.sweeps.state("request-logs").last_run or again[0].run).oldest_remaining  # type: ignore[operator]
