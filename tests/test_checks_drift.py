"""The drift check: map against stores and policy, by function, by command, at night, and on the board."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from app import make_web, open_services
from checks.comparing import Difference, compare_policy, seems_personal, uncovered
from checks.drift import Drift, DriftReport
from checks.nights import is_due
from core.settings import CollectionSettings, FieldSettings, Reference, TimeField
from jobs.cli import kept as kept_command
from jobs.services import Wiring
from policies.documents import parse_document
from promises.states import MapEvidence, State, judge_collects
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.store_worlds import FixedClock
from tests.web_installation import CONFIGURATION, POLICY, Installation, open_installation

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose map was looked at once."""
    with open_installation(tmp_path / "kept") as opened:
        assert opened.kept.drift.check().findings == ()
        yield opened


def change(installation: Installation, *statements: str) -> None:
    """Change the gateway's schema behind Kept's back."""
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    for store in installation.kept.stores.values():
        assert isinstance(store, SqlStore)
        store._tables.forget()  # what is known for half a minute


def kinds(report: DriftReport) -> list[tuple[Difference, str | None]]:
    """What was found, as (kind, field)."""
    return [(one.kind, one.field) for one in report.findings]


def state_of(installation: Installation, clause: str) -> tuple[str, str]:
    """State and proof of a clause on the board."""
    board = installation.kept.board()
    return next((one.state.value, one.proof) for one in board.clauses if one.clause_id == clause)


def test_a_map_that_covers_its_stores_has_no_finding(installation: Installation) -> None:
    """The first look finds no field called as people's data are; the board says what was covered."""
    assert state_of(installation, "account-data") == ("kept", "The map covers every field of 1\u00a0collection.")


def test_a_new_column_of_a_mapped_table_turns_the_board_red(installation: Installation) -> None:
    """Whatever it is called, until it is named in the map or accepted; only the clauses of its collection are in doubt."""
    change(installation, "ALTER TABLE users ADD COLUMN shade TEXT")
    kept = installation.kept
    report = kept.drift.check()
    assert kinds(report) == [(Difference.UNMAPPED_FIELD, "shade")]
    assert "accounts has a field 'shade' that the map does not name" in report.findings[0].what
    assert state_of(installation, "account-data")[0] == "broken"
    assert state_of(installation, "request-data")[0] == "kept"
    assert kinds(kept.drift.check()) == [(Difference.UNMAPPED_FIELD, "shade")], "it stays red until somebody acts"
    assert kept.drift.check(accept=True).findings == ()
    assert kept.drift.check().findings == ()
    assert state_of(installation, "account-data")[0] == "kept"


def test_what_is_gone_changed_or_new_is_each_named(installation: Installation) -> None:
    """A mapped field and a mapped table that are gone, a type that is another, a table that nobody has thought of."""
    change(
        installation,
        "ALTER TABLE users DROP COLUMN deleted_at",
        "DROP TABLE request_log",
        "ALTER TABLE users DROP COLUMN email",
        "ALTER TABLE users ADD COLUMN email INTEGER",
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, seen TEXT)",
        "CREATE TABLE alembic_version (version_num TEXT)",
    )
    report = installation.kept.drift.check()
    assert sorted(kinds(report), key=str) == sorted(
        [
            (Difference.MISSING_FIELD, "deleted_at"),
            (Difference.CHANGED_TYPE, "email"),
            (Difference.MISSING_COLLECTION, None),
            (Difference.UNMAPPED_TABLE, None),
        ],
        key=str,
    )
    assert all(one.what.endswith(".") and one.remedy for one in report.findings)
    changed = next(one for one in report.findings if one.kind is Difference.CHANGED_TYPE)
    assert changed.what == "accounts.email was text and is integer now."
    assert all(state_of(installation, clause)[0] == "broken" for clause in ("account-data", "request-data"))


def test_the_first_look_asks_about_what_is_called_as_peoples_data_are(tmp_path: Path) -> None:
    """A field `phone` or a table of addresses is a finding at once, `shade` is not; `strict` wants every name."""
    with open_installation(tmp_path / "kept") as opened:
        change(
            opened,
            "ALTER TABLE users ADD COLUMN phone TEXT",
            "ALTER TABLE users ADD COLUMN shade TEXT",
            "CREATE TABLE leads (id INTEGER PRIMARY KEY, email TEXT)",
            "CREATE TABLE prices (id INTEGER PRIMARY KEY, amount REAL)",
        )
        drift = opened.kept.drift
        report = drift.check()
        assert [one.field or one.what for one in report.findings] == [
            "phone",
            "gateway has a table 'leads' that no collection covers.",
        ]
        assert report.without_people == ("gateway:prices",)
        strict = drift.check(strict=True)
        fields = {one.field for one in strict.findings if one.kind is Difference.UNMAPPED_FIELD}
        assert fields == {"phone", "shade", "name"}
        assert sum(one.kind is Difference.UNMAPPED_TABLE for one in strict.findings) == 2
        change(opened, "CREATE TABLE prices_of_old (id INTEGER PRIMARY KEY, amount REAL)")
        assert any("prices_of_old" in one.what for one in drift.check().findings)


def test_a_collection_that_leaves_the_map_is_asked_about(installation: Installation, tmp_path: Path) -> None:
    """A table that was mapped is not one that was taken to hold nothing about people."""
    kept = installation.kept
    fewer = DataMap([one for one in kept.datamap.collections if one.id != "requests"], kept.stores)
    report = Drift(kept.database, kept.clock, fewer, kept.policies, lambda: None).check()
    assert (Difference.UNMAPPED_TABLE, None) in kinds(report)
    assert any(one.clause == "request-logs" for one in report.findings)
    assert state_of(installation, "request-data")[0] == "broken"


def test_map_and_policy_are_compared_by_category() -> None:
    """A category that no clause speaks for, one that a clause forbids, a clause that no collection stands behind."""
    policy = POLICY.replace(
        "clauses:\n",
        "clauses:\n  - {id: no-content, kind: never, of: content, except: [request_log], silent: true}\n"
        "  - {id: invoices, kind: retention, of: invoice, for: P10Y, then: delete, silent: true}\n",
    )
    document = parse_document(policy, "p.md")

    def collection(name: str, category: str, **fields: str) -> CollectionSettings:
        return CollectionSettings(
            id=name,
            store="s",
            at=name,
            category=category,
            fields={field: FieldSettings(category=own) for field, own in fields.items()},
        )

    found = list(
        compare_policy(
            [
                collection("accounts", "account", shoe="shoe_size", note="content"),
                collection("requests", "request_log", prompt="content"),
            ],
            document,
        )
    )
    assert [(one.kind, one.collection, one.clause) for one in found] == [
        (Difference.FORBIDDEN_CATEGORY, "accounts", "no-content"),
        (Difference.UNSPOKEN_CATEGORY, "accounts", None),
        (Difference.CLAUSE_WITHOUT_COLLECTION, None, "invoices"),
    ]


def test_a_store_that_does_not_answer_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Its clauses are broken with its words; where no store answers the report says so."""
    configuration = (
        CONFIGURATION.replace(
            "collections:",
            "  other: {kind: sql, url: sqlite:///gone.db}\n  hands: {kind: manual, contact: a@b.example}\ncollections:",
        )
        + "  - {id: others, at: other:things, category: request_log}\n  - {id: files, at: hands:cabinet, category: account}\n"
    )
    with open_installation(tmp_path / "kept", configuration=configuration) as opened:
        report = opened.kept.drift.check()
        assert report.reached
        assert report.by_hand == ("hands",)
        assert [(one.kind, one.store) for one in report.findings] == [(Difference.NOT_LOOKED, "other")]
        assert state_of(opened, "request-data")[0] == "broken"
        assert "did not answer" in state_of(opened, "request-data")[1]
        assert "1\u00a0more is kept where nothing can look" in state_of(opened, "account-data")[1]
        (opened.root / "gateway.db").unlink()
        assert not opened.kept.drift.check().reached


@pytest.mark.parametrize(
    ("evidence", "state", "words"),
    [
        (None, State.BROKEN, "Not checked yet"),
        ({"current": False}, State.BROKEN, "Not checked yet"),
        ({}, State.KEPT, "The map covers every field of 2"),
        ({"checked_at": NOW - timedelta(hours=40)}, State.BROKEN, "too long ago"),
        ({"differences": ("a.", "b.", "c.", "d.", "e.")}, State.BROKEN, "a. b. c. And 2 more."),
        ({"collections": 0}, State.BROKEN, "No collection of the map holds it."),
        ({"collections": 0, "by_hand": 1}, State.BROKEN, "Nothing can look"),
    ],
)
def test_what_is_collected_is_judged_by_the_last_look(
    evidence: dict[str, Any] | None, state: State, words: str
) -> None:
    """Kept only by a young look at the version in force that found no difference."""
    usual: dict[str, Any] = {
        "checked_at": NOW - timedelta(hours=2),
        "current": True,
        "collections": 2,
        "by_hand": 0,
        "differences": (),
    }
    seen = MapEvidence(**(usual | evidence)) if evidence is not None else None
    judged = judge_collects(seen, good_for=timedelta(hours=36), now=NOW)
    assert (judged.state, words in judged.proof) == (state, True), judged.proof


def test_the_look_of_the_night_comes_once_a_night_and_after_a_new_version(installation: Installation) -> None:
    """Two o'clock where the controller is; a version that came into force is looked at without waiting for it."""
    berlin = "Europe/Berlin"
    assert is_due(datetime(2026, 6, 1, 23, 0, tzinfo=UTC), datetime(2026, 6, 2, 0, 1, tzinfo=UTC), berlin)
    assert not is_due(datetime(2026, 6, 2, 0, 1, tzinfo=UTC), datetime(2026, 6, 2, 23, 0, tzinfo=UTC), berlin)
    late = datetime(2026, 6, 2, 0, 1, tzinfo=UTC)
    assert is_due(late, late + timedelta(minutes=20), berlin, in_doubt=True), "a bad look is made again soon"
    kept = installation.kept
    with kept.database.read() as session:
        first = kept.drift.last(session)
    kept.drift.check_if_due()
    installation.publish(POLICY.replace("P30D, then: delete, promises", "P20D, then: delete, promises"))
    assert state_of(installation, "account-data")[0] == "broken"
    kept.drift.check_if_due()
    with kept.database.read() as session:
        last = kept.drift.last(session)
    assert first is not None
    assert last is not None
    assert (first.version, last.version) == (1, 2)
    assert state_of(installation, "account-data")[0] == "kept"


def test_names_cover_and_names_tell() -> None:
    """Patterns cover what falls under them, whatever stands for a field; books of migrations need no collection."""

    def at(name: str) -> CollectionSettings:
        return CollectionSettings(id="x", store="s", at=name, category="c")

    names = ("users", "audit.users", "session:*:data", "logs/requests-*.jsonl", "_prisma_migrations", "Orders")
    assert uncovered(names, [at("public.users"), at("session:{user_id}:*"), at("logs/*.jsonl")]) == (
        "audit.users",
        "Orders",
    )
    assert [seems_personal(name) for name in ("userEmail", "phone", "last_name", "spend", "model_id")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_ten_thousand_tables_are_compared_at_once() -> None:
    """Only so many are looked into; names are compared without going over them again and again."""
    names = [f"table_{number}" for number in range(10_000)]
    mapped = [
        CollectionSettings(id=f"c{number}", store="s", at=f"table_{number}", category="c") for number in range(300)
    ]
    start = time.process_time()
    assert len(uncovered(names, mapped)) == 9_700
    assert time.process_time() - start < 1


def test_postgresql_with_mixed_case_and_schemas(postgres_url: str, tmp_path: Path) -> None:
    """Names are as the server says them; JSON paths belong to their column; permission denied on one table is one finding."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE "User" ("userId" text PRIMARY KEY, "eMail" text, metadata jsonb, made timestamptz)'
        )
        connection.execute("CREATE SCHEMA audit CREATE TABLE events (id bigint PRIMARY KEY, client_ip text)")
    with open_installation(tmp_path / "kept") as opened:
        store = SqlStore("pg", postgres_url, clock=FixedClock())
        users = CollectionSettings(
            id="users", store="pg", at="User", category="account", time=TimeField(name="made"), identifies={"email": "eMail"},
            person=(Reference(field="userId", to="users", to_field="userId"),), fields={"metadata->phone": FieldSettings()},
        )  # fmt: skip
        kept = opened.kept
        drift = Drift(kept.database, kept.clock, DataMap([users], {"pg": store}), kept.policies, lambda: None)
        report = drift.check()
        assert [one.what for one in report.findings if one.kind is Difference.UNMAPPED_TABLE] == [
            "pg has a table 'audit.events' that no collection covers."
        ]
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute('ALTER TABLE "User" ALTER COLUMN made TYPE date')
            connection.execute('ALTER TABLE "User" ADD COLUMN shade text')
        store._tables.forget()
        found = [(one.kind, one.field) for one in drift.check().findings if one.collection == "users"]
        assert found == [(Difference.CHANGED_TYPE, "made"), (Difference.UNMAPPED_FIELD, "shade")]
        store.close()


def test_the_command_ends_with_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 where nothing differs, 1 where something does, 3 where no store answers; --json is one document."""
    with open_installation(tmp_path / "kept") as opened:
        root = opened.root
    monkeypatch.setenv("KEPT_CONFIG", str(root / "kept.yaml"))
    wiring = Wiring(open_services=open_services, make_web=make_web, examples={})

    def run(*words: str) -> tuple[int, Any]:
        ran = CliRunner().invoke(kept_command, ["map", "check", *words, "--json"], obj=wiring)
        return ran.exit_code, json.loads(ran.stdout)

    status, told = run()
    assert (status, told["ok"], told["judged_by"], told["findings"]) == (0, True, "version 1", [])
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        connection.execute("ALTER TABLE users ADD COLUMN shade TEXT")
    status, told = run("--content")
    assert (status, told["findings"][0]["field"], told["contents"]) == (1, "shade", [])
    in_words = CliRunner().invoke(kept_command, ["map", "check", "--accept"], obj=wiring)
    assert (in_words.exit_code, in_words.stdout) == (0, "No finding in 2\u00a0collections, judged by version 1.\n")
    (root / "gateway.db").unlink()
    assert run()[0] == 3
    assert run("--content", "--rows", "0")[0] == 2
