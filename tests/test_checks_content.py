"""The content scan: what must not be stored is found in real stores, within a budget, and no value of it is told or kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from bench.contents import clean, score
from checks.content import ContentEvidence, ContentScan
from checks.sampling import Budget
from checks.tables import ContentLookRow
from core.personal import Personal
from core.settings import CollectionSettings, FieldSettings, TimeField
from core.traces import Trace
from policies.consents import NewConsent
from promises.states import ScanEvidence, State, judge_never
from stores.contract import Store
from stores.datamap import DataMap
from stores.files import FilesStore
from stores.sql import SqlStore
from tests.store_worlds import FixedClock
from tests.web_installation import POLICY, Installation, open_installation

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROMPT = "Write a letter to Anna Vogelsang about her rent."
CLAUSES = """clauses:
  - {id: no-content, kind: never, of: content, unless: {consent: audit_log}, except: [support], silent: true}
  - {id: no-cards, kind: never, of: card_data, silent: true}
"""
SCANNED = POLICY.replace("clauses:\n", CLAUSES)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose policy says never, and whose gateway has room for what must not be there."""
    with open_installation(tmp_path / "kept", publish=False) as opened:
        opened.publish(SCANNED)
        run(opened, "ALTER TABLE request_log ADD COLUMN note TEXT")
        yield opened


def run(installation: Installation, statement: str, *values: Any) -> None:
    """Change the gateway behind Kept's back."""
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection:
        connection.execute(statement, values)
        connection.commit()


def scan(installation: Installation, **budget: Any) -> dict[str, ContentEvidence]:
    """A scan now, by clause."""
    return {one.clause: one for one in installation.kept.content.scan(Budget(**budget))}


def state_of(installation: Installation, clause: str) -> tuple[str, str]:
    """State and proof of a clause on the board."""
    board = installation.kept.board()
    return next((one.state.value, one.proof) for one in board.clauses if one.clause_id == clause)


def test_a_store_without_it_is_kept_and_the_board_says_of_how_many_rows(installation: Installation) -> None:
    """ "No finding in n of N rows", and not before anybody looked."""
    assert state_of(installation, "no-cards") == ("broken", "Not checked yet: nothing has scanned for it.")
    found = scan(installation)
    assert (found["no-cards"].rows_seen, found["no-cards"].rows_total) == (440, 440)
    assert state_of(installation, "no-cards") == ("kept", "No finding in 440 of 440\u00a0rows of 2\u00a0collections.")
    scan(installation, rows=100)
    assert state_of(installation, "no-content") == ("kept", "No finding in 140 of 440\u00a0rows of 2\u00a0collections.")


def test_what_is_found_has_a_place_and_a_count_and_no_value(installation: Installation) -> None:
    """A prompt in three rows, a card number in one; nothing of either stands in the answer or in Kept's database."""
    run(installation, "UPDATE request_log SET note = ? WHERE id IN (7, 8, 399)", json.dumps({"prompt": PROMPT}))
    run(installation, "UPDATE users SET name = ? WHERE id = 3", "Anna 4111 1111 1111 1111")
    found = scan(installation)
    (text,), (card,) = found["no-content"].findings, found["no-cards"].findings
    assert (text.store, text.collection, text.field, text.trace, text.count) == (
        "gateway",
        "requests",
        "note->prompt",
        Trace.MODEL_TEXT,
        3,
    )
    assert (card.collection, card.field, card.count) == ("accounts", "name", 1)
    state, proof = state_of(installation, "no-content")
    assert (state, proof) == (
        "broken",
        "requests.note->prompt holds prompt or response text in 3\u00a0rows. Looked at: 440 of 440\u00a0rows.",
    )
    with installation.kept.database.read() as session:
        rows = [str(vars(row)) for row in session.execute(sa.select(ContentLookRow)).scalars()]
    for secret in ("Vogelsang", "4111"):
        assert secret not in "".join(rows) + repr(found) + proof


def test_what_came_in_last_is_looked_at_whatever_the_budget(installation: Installation) -> None:
    """A sample is spread over the records' time, newest first: the first rows alone would never show last night's."""
    run(installation, "UPDATE request_log SET note = ? WHERE id >= 390", PROMPT)
    found = scan(installation, rows=100)["no-content"]
    assert (found.rows_seen, found.findings[0].field) == (140, "note")
    run(installation, "UPDATE request_log SET note = NULL")
    run(
        installation,
        "UPDATE request_log SET note = 'User: hello there\n' || 'Assistant: good morning' WHERE id BETWEEN 200 AND 220",
    )
    assert scan(installation, rows=100)["no-content"].findings[0].field == "note"


def test_whoever_consented_may_have_it_stored(installation: Installation) -> None:
    """`unless: {consent: …}` joins what is found with the consents of the people it is of."""
    run(installation, "UPDATE request_log SET note = ? WHERE user_id IN (5, 6)", json.dumps({"prompt": PROMPT}))
    before = scan(installation)["no-content"].findings[0].count
    consent = NewConsent(
        subject=Personal("5"), purpose="audit_log", given=True, channel="web", text="Keep what I ask.", language="en"
    )
    installation.kept.consents.record(consent, actor="test")
    assert (before, scan(installation)["no-content"].findings[0].count) == (20, 10)


def test_one_long_text_is_no_finding_where_people_write_and_marks_of_a_chat_are(tmp_path: Path) -> None:
    """Support letters are people's own words: they read like prompts, so that alone counts only in fields the map says nothing of."""
    with open_installation(tmp_path / "kept", publish=False) as opened:
        opened.publish(SCANNED)
        path = opened.root / "more.db"
        letters = [
            "Explain to me why my invoice of March is higher than the one of February, if you would be so kind."
        ] * 9
        with closing(sqlite3.connect(path)) as connection:
            for table in ("letters", "unsaid", "excepted"):
                connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body TEXT, n INTEGER)")
                connection.executemany(
                    f"INSERT INTO {table} (body, n) VALUES (?, 4111111111111112)", [(text,) for text in letters]
                )
            connection.execute("INSERT INTO letters (body) VALUES ('User: what is this?\nAssistant: that is a bill')")
            connection.commit()
        store = SqlStore("more", f"sqlite:///{path}", clock=FixedClock())
        said = {"body": FieldSettings(fideslang="user.content.private")}
        collections = [
            CollectionSettings(id="letters", store="more", at="letters", category="support_message", fields=said),
            CollectionSettings(id="unsaid", store="more", at="unsaid", category="account"),
            CollectionSettings(id="excepted", store="more", at="excepted", category="support"),
            CollectionSettings(id="gone", store="more", at="gone", category="account"),
        ]
        kept = opened.kept
        scanner = ContentScan(
            kept.database,
            kept.clock,
            DataMap(collections, {"more": store}),
            kept.policies,
            has_consented=lambda *_: False,
        )
        found = {one.clause: one for one in scanner.scan()}
        assert [(one.collection, one.count) for one in found["no-content"].findings] == [("letters", 1), ("unsaid", 9)]
        assert found["no-cards"].findings == (), "numbers of which nearly none has a check digit are no cards"
        assert found["no-cards"].trouble == ("gone could not be looked at: The store more has no table 'gone'.",)
        assert state_of(opened, "no-cards")[0] == "broken"
        late = {one.clause: one for one in scanner.scan(Budget(seconds=1e-9))}
        assert "There was no time left for letters." in late["no-cards"].trouble
        store.close()


def test_a_clause_that_forbids_something_else_now_is_not_checked_yet(installation: Installation) -> None:
    """Evidence is of what was promised when it was taken; the scan of the night makes up for it at once."""
    kept = installation.kept
    kept.content.scan_if_due()
    assert state_of(installation, "no-cards")[0] == "kept"
    installation.publish(SCANNED.replace("of: card_data", "of: [card_data, dream]"))
    assert "Not checked yet" in state_of(installation, "no-cards")[1]
    kept.content.scan_if_due()
    assert state_of(installation, "no-cards") == ("broken", "No detector knows what dream looks like.")


@pytest.mark.parametrize(
    ("more", "state", "words"),
    [
        ({}, State.KEPT, "No finding in 200 of 1\u202f000\u00a0rows of 2\u00a0collections."),
        ({"rows_seen": 0, "rows_total": 0}, State.KEPT, "0 of 0"),
        ({"rows_seen": 0}, State.BROKEN, "No row was looked at"),
        ({"collections": 0}, State.BROKEN, "no collection"),
        ({"findings": ("a.b holds a card number in 2 rows.",)}, State.BROKEN, "Looked at: 200 of"),
        ({"trouble": ("x could not be looked at.",)}, State.BROKEN, "x could not be looked at."),
        ({"checked_at": NOW - timedelta(hours=37)}, State.BROKEN, "too long ago"),
        (None, State.BROKEN, "Not checked yet"),
    ],
)
def test_what_is_never_stored_is_judged_by_the_last_scan(more: dict[str, Any] | None, state: State, words: str) -> None:
    """Kept only by a young scan that saw rows and found nothing; how much it saw is part of the proof."""
    usual: dict[str, Any] = {
        "checked_at": NOW - timedelta(hours=1),
        "collections": 2,
        "rows_seen": 200,
        "rows_total": 1_000,
        "findings": (),
        "trouble": (),
    }
    seen = ScanEvidence(**(usual | more)) if more is not None else None
    judged = judge_never(seen, good_for=timedelta(hours=36), now=NOW)
    assert (judged.state, words in judged.proof) == (state, True), judged.proof


def test_postgresql_and_files_are_scanned_alike(postgres_url: str, tmp_path: Path) -> None:
    """JSON columns, numbers, log files: the same findings."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE "SpendLogs" (id bigint PRIMARY KEY, messages jsonb, pan numeric, made timestamptz)'
        )
        connection.execute(
            "INSERT INTO \"SpendLogs\" SELECT n, '{}', 12, now() - n * interval '1 hour' FROM generate_series(1, 300) n"
        )
        connection.execute(
            'UPDATE "SpendLogs" SET messages = \'[{"role": "user", "content": "hi"}]\', pan = 5555555555554444 WHERE id = 1'
        )
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_text(
        '{"ts": "2026-01-01T00:00:00Z", "m": {"completion": "Of course."}, "n": "5555 5555 5555 4444"}\n{"m": 1}\n'
    )
    with open_installation(tmp_path / "kept", publish=False) as opened:
        opened.publish(SCANNED)
        kept, pg = opened.kept, SqlStore("pg", postgres_url, clock=FixedClock())
        collections = [
            CollectionSettings(
                id="spend", store="pg", at="SpendLogs", category="request_log", time=TimeField(name="made")
            ),
            CollectionSettings(id="logs", store="logs", at="*.jsonl", category="request_log"),
        ]
        stores: dict[str, Store] = {"pg": pg, "logs": FilesStore("logs", logs, clock=FixedClock())}
        scanner = ContentScan(
            kept.database, kept.clock, DataMap(collections, stores), kept.policies, has_consented=lambda *_: False
        )
        found = {
            (one.clause, each.collection, each.field): each.count
            for one in scanner.scan(Budget(rows=100))
            for each in one.findings
        }
        assert found == {
            ("no-content", "spend", "messages->content"): 1,
            ("no-cards", "spend", "pan"): 1,
            ("no-content", "logs", "m->completion"): 1,
            ("no-cards", "logs", "n"): 1,
        }
        pg.close()


def test_precision_and_recall_on_made_up_fields_are_as_written() -> None:
    """The table of docs/checks.md: by `python -m bench.contents`, over fields that hold it and fields that look as if."""
    scores = score()
    found, missed, wrong = (sum(getattr(one, key) for one in scores) for key in ("found", "missed", "wrong"))
    for one in scores:
        print(
            f"{one.trace.value}: precision {one.precision:.2f}, recall {one.recall:.2f}, rows {one.rows_found} of {one.rows_held}"
        )
    assert found / (found + wrong) >= 0.9
    assert found / (found + missed) >= 0.9
    assert len(list(clean())) >= 20
