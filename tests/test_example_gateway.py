"""The example gateway: real in size, the same for the same seed, and true to its own configuration and policy."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined
from ruamel.yaml import YAML

from core.settings_file import load_settings
from examples.gateway.build import build, write_configuration
from examples.gateway.people import KNOWN_EMAIL, KNOWN_NAME, KNOWN_USER_ID, QUIET_USER_ID

NOW = datetime(2026, 11, 21, 3, 45, 6, 789_123, tzinfo=UTC)
FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TIMES = {
    "users": ("created_at", "deleted_at"),
    "api_keys": ("created_at", "last_used_at", "revoked_at"),
    "request_log": ("created_at",),
    "billing_log": ("created_at",),
    "invoices": ("issued_at",),
    "support_messages": ("created_at",),
    "playground": ("created_at",),
    "usage": ("created_at",),
    "feedback": ("created_at",),
}
TABLES = {
    "accounts": "users",
    "api-keys": "api_keys",
    "requests": "request_log",
    "billing": "billing_log",
    "invoices": "invoices",
    "support": "support_messages",
    "playground": "playground",
    "usage": "usage",
    "usage-daily": "usage_daily",
    "feedback": "feedback",
}


@dataclass(frozen=True, kw_only=True)
class Built:
    """An example as it was written, open for reading."""

    root: Path
    counts: dict[str, int]
    database: sqlite3.Connection

    def value(self, query: str, *arguments: object) -> Any:
        """The only value of the only row."""
        return self.database.execute(query, arguments).fetchone()[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    root = tmp_path_factory.mktemp("example") / "gateway"
    counts = build(root, now=NOW)
    write_configuration(root)
    with closing(sqlite3.connect(f"file:{root / 'gateway.db'}?mode=ro", uri=True)) as database:
        yield Built(root=root, counts=counts, database=database)


def days_ago(days: float) -> str:
    """The instant so many times 24 hours before the example's now, in the example's form."""
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def log_files(root: Path) -> list[Path]:
    return sorted((root / "logs").glob("requests-*.jsonl"))


def records_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fingerprint(root: Path) -> str:
    """Over the database as SQL text, and over each log's name, bytes and time."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(root / "gateway.db")) as database:
        for statement in database.iterdump():
            digest.update(statement.encode())
    for path in log_files(root):
        digest.update(f"{path.name} {path.stat().st_mtime_ns}".encode() + path.read_bytes())
    return digest.hexdigest()


def test_the_stores_are_as_large_as_the_counts_say(built: Built) -> None:
    """The counts handed back are those of the tables and files, and as large as a real gateway's."""
    for collection, table in TABLES.items():
        assert built.value(f"SELECT count(*) FROM {table}") == built.counts[collection]
    assert built.counts["accounts"] == 2_000
    assert min(built.counts["requests"], built.counts["billing"]) >= 100_000
    assert built.counts["files"] == len(log_files(built.root)) == 60
    assert built.counts["request-days"] == sum(len(records_of(path)) for path in log_files(built.root))


def test_the_database_is_one_plain_file_with_the_named_columns(built: Built) -> None:
    """No journal or half-written file is left beside it, no foreign key is declared, columns are the promised ones."""
    assert sorted(path.name for path in built.root.iterdir()) == [
        "gateway.db", "kept.yaml", "letter.eml", "logs", "maildir", "policies",
    ]  # fmt: skip
    assert built.value("PRAGMA journal_mode") == "delete"
    assert built.value("PRAGMA integrity_check") == "ok"
    columns = {table: [row[1] for row in built.database.execute(f"PRAGMA table_info({table})")] for table in TIMES}
    assert columns == {
        "users": ["id", "email", "name", "company", "created_at", "deleted_at"],
        "api_keys": ["id", "token_hash", "user_id", "created_at", "last_used_at", "revoked_at"],
        "request_log": [
            "id",
            "user_id",
            "api_key",
            "model",
            "status",
            "prompt_tokens",
            "completion_tokens",
            "ip",
            "created_at",
        ],
        "billing_log": ["id", "user_id", "model", "tokens", "cost_usd", "created_at"],
        "invoices": ["id", "user_id", "amount", "issued_at"],
        "support_messages": ["id", "email", "body", "created_at"],
        "playground": ["id", "user_id", "model", "prompt", "answer", "tokens", "created_at"],
        "usage": ["id", "user_id", "model", "tokens", "created_at"],
        "feedback": ["id", "user_id", "email", "rating", "comment", "created_at"],
    }
    for table in TIMES:
        assert built.database.execute(f"PRAGMA foreign_key_list({table})").fetchall() == []


def test_the_same_seed_and_now_write_the_same_bytes(built: Built, tmp_path: Path) -> None:
    """Determinism: a second run is the same to the byte, another seed is not."""
    counts = build(tmp_path / "again", now=NOW)
    build(tmp_path / "other", now=NOW, seed=7)
    assert counts == built.counts
    assert fingerprint(tmp_path / "again") == fingerprint(built.root)
    assert fingerprint(tmp_path / "other") != fingerprint(built.root)


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in TIMES for column in TIMES[table]])
def test_every_time_has_one_form_and_is_not_in_the_future(built: Built, table: str, column: str) -> None:
    """Text times are compared as text, so every one has the same form; none lies after now."""
    times = [row[0] for row in built.database.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")]
    assert times
    assert all(FORM.fullmatch(time) for time in times)
    assert max(times) <= days_ago(0)


def test_each_log_file_holds_its_own_day_and_bears_the_time_of_its_last_record(built: Built) -> None:
    """One file a day for 60 days up to today, at least 200 records each, in order, mtime that of the last."""
    names = [path.name for path in log_files(built.root)]
    assert names == [f"requests-{days_ago(day)[:10]}.jsonl" for day in reversed(range(60))]
    for path in log_files(built.root):
        times = [record["ts"] for record in records_of(path)]
        assert len(times) >= 200
        assert times == sorted(times)
        assert all(FORM.fullmatch(time) and time[:10] == path.stem[9:] for time in times)
        assert times[-1] <= days_ago(0)
        assert path.stat().st_mtime_ns == round(datetime.fromisoformat(times[-1]).timestamp() * 1000) * 1_000_000


def test_a_log_record_is_a_row_of_the_request_log(built: Built) -> None:
    """The files hold the text of the same requests whose figures are in the table."""
    path = log_files(built.root)[-2]
    day = path.stem[9:]
    rows = built.database.execute(
        "SELECT created_at, user_id FROM request_log WHERE created_at LIKE ? ORDER BY id", (f"{day}%",)
    )
    assert [(record["ts"], record["user_id"]) for record in records_of(path)] == rows.fetchall()
    assert all(set(record) == {"ts", "user_id", "prompt", "response"} for record in records_of(path))


def test_every_clause_has_something_over_its_time_and_something_under(built: Built) -> None:
    """A sweep has work for each period and must leave work behind; only invoices are all younger than theirs."""
    for table, column, days in (
        ("request_log", "created_at", 30),
        ("billing_log", "created_at", 366),
        ("support_messages", "created_at", 732),
        ("users", "deleted_at", 30),
        ("api_keys", "last_used_at", 90),
        ("api_keys", "revoked_at", 30),
        ("playground", "created_at", 3),
        ("playground", "created_at", 90),
        ("usage", "created_at", 30),
        ("feedback", "created_at", 184),
    ):
        over = built.value(f"SELECT count(*) FROM {table} WHERE {column} < ?", days_ago(days))
        assert 0 < over < built.value(f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL")
    idle = "SELECT count(*) FROM api_keys WHERE last_used_at < ? AND revoked_at IS NULL"
    assert built.value(idle, days_ago(90)) > 0
    assert built.value("SELECT count(*) FROM api_keys WHERE last_used_at IS NULL") > 0
    assert built.value("SELECT min(issued_at) FROM invoices") > days_ago(10 * 365)
    of_closed = "SELECT count(*) FROM invoices WHERE user_id IN (SELECT id FROM users WHERE deleted_at IS NOT NULL)"
    assert built.value(of_closed) > 0


def test_the_rows_agree_with_each_other(built: Built) -> None:
    """Nobody sends requests before the account is opened or after it is closed, nor with somebody else's key."""
    strays = (
        "SELECT count(*) FROM request_log r LEFT JOIN users u ON u.id = r.user_id LEFT JOIN api_keys k ON k.id = r.api_key "
        "WHERE u.id IS NULL OR k.user_id IS NOT r.user_id OR r.created_at < u.created_at "
        "OR r.created_at >= coalesce(u.deleted_at, '9') OR r.created_at > k.last_used_at OR r.created_at < k.created_at"
    )
    assert built.value(strays) == 0
    assert built.value("SELECT count(*) FROM api_keys WHERE last_used_at > coalesce(revoked_at, '9')") == 0
    without_account = "SELECT count(*) FROM support_messages WHERE email NOT IN (SELECT email FROM users)"
    assert 0 < built.value(without_account) < built.counts["support"]


def test_the_known_person_has_something_of_everything(built: Built) -> None:
    """Tours and tests can count on one account: open, busy on both sides of every line they look at."""
    row = built.database.execute("SELECT email, name, deleted_at FROM users WHERE id = ?", (KNOWN_USER_ID,)).fetchone()
    assert row == (KNOWN_EMAIL, KNOWN_NAME, None) == ("mara.lindqvist@example.com", "Mara Lindqvist", None)
    requests = "SELECT count(*) FROM request_log WHERE user_id = ? AND created_at "
    assert built.value(requests + "< ?", KNOWN_USER_ID, days_ago(30)) >= 60
    assert built.value(requests + ">= ?", KNOWN_USER_ID, days_ago(30)) >= 60
    for table, least in (("api_keys", 2), ("billing_log", 60), ("invoices", 2)):
        assert built.value(f"SELECT count(*) FROM {table} WHERE user_id = ?", KNOWN_USER_ID) >= least
    assert built.value("SELECT count(*) FROM support_messages WHERE email = ?", KNOWN_EMAIL) >= 2
    assert all(any(r["user_id"] == KNOWN_USER_ID for r in records_of(path)) for path in log_files(built.root))


@pytest.mark.parametrize("now", [datetime(2028, 2, 29, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, 0, 5_000, tzinfo=UTC)])
def test_a_day_that_has_just_begun_is_full_too(tmp_path: Path, now: datetime) -> None:
    """At midnight itself, and a moment after it, there are 60 files, and no record lies in the future."""
    counts = build(tmp_path, now=now)
    newest = log_files(tmp_path)[-1]
    assert counts["files"] == 60
    assert newest.stem[9:] == now.date().isoformat()
    assert len(records_of(newest)) >= 200
    assert all(datetime.fromisoformat(record["ts"]) <= now for record in records_of(newest))


def test_a_naive_now_and_a_database_that_is_there_are_refused(built: Built, tmp_path: Path) -> None:
    """Both would spoil something quietly: times in an unknown zone, and a database somebody has swept."""
    with pytest.raises(ValueError, match="time zone"):
        build(tmp_path, now=NOW.replace(tzinfo=None))
    with pytest.raises(FileExistsError, match="is there already"):
        build(built.root, now=NOW)


def test_the_shipped_trace_is_small_and_says_where_it_is_from() -> None:
    """The sample keeps within its size, and its licence asks for names and for what was changed."""
    folder = Path(__file__).parent.parent / "examples" / "gateway"
    assert (folder / "trace.csv.gz").stat().st_size <= 200_000
    notice = (folder / "NOTICE").read_text(encoding="utf-8")
    assert all(words in notice for words in ("CC-BY 4.0", "Splitwise", "sample cut from", "What was changed"))


def test_the_configuration_is_accepted_and_maps_what_was_built(built: Built) -> None:
    """`kept.yaml` loads, and each collection, column and category in it is one that exists."""
    (built.root / "var").mkdir()
    (built.root / "var" / "secret.key").write_text("ab" * 32, encoding="utf-8")
    settings = load_settings(built.root / "kept.yaml")
    assert {collection.id for collection in settings.collections} == set(built.counts) - {"files"}
    head, _ = policy_of(built.root)
    collected = {clause["category"] for clause in head["clauses"] if clause["kind"] == "collects"}
    held = {collection.category for collection in settings.collections}
    held |= {field.category for one in settings.collections for field in one.fields.values() if field.category}
    assert held == collected
    for collection in settings.collections:
        if collection.store == "gateway":
            columns = {row[1] for row in built.database.execute(f"PRAGMA table_info({collection.at})")}
            named = {*collection.fields, *collection.identifies.values(), *(r.field for r in collection.person)}
            named |= {event.name for event in collection.events.values()}
            assert columns >= named


def policy_of(root: Path) -> tuple[dict[str, Any], str]:
    """Head and prose of the policy document."""
    _, head, prose = (root / "policies" / "gateway.md").read_text(encoding="utf-8").split("---\n", 2)
    return YAML(typ="safe").load(head), prose


def test_the_policy_cites_every_clause_and_says_nothing_of_its_own(built: Built) -> None:
    """Each clause is cited in the prose, each citation is of a clause's own key, and no digit or address is bare."""
    head, prose = policy_of(built.root)
    clauses = {clause["id"]: {**clause, "cite": ""} for clause in head["clauses"]}
    assert set(re.findall(r'clause\("([a-z-]+)"\)', prose)) == set(clauses)
    environment = Environment(undefined=StrictUndefined)
    facts = {"controller": head["controller"], "in_force": "today"}
    assert environment.from_string(prose).render(clause=clauses.__getitem__, **facts)
    bare = re.sub(r"{{.*?}}", "", prose)
    assert not re.search(r"\d|@|https?:", bare)
    names = {clause["name"] for clause in head["clauses"] if clause["kind"] == "recipient"}
    assert not [name for name in names if name in bare]


def test_every_category_has_its_period(built: Built) -> None:
    """What is collected is kept for a stated time, and invoices outlive the account under a legal obligation."""
    head, _ = policy_of(built.root)
    retained: set[str] = set()
    for clause in head["clauses"]:
        if clause["kind"] == "retention":
            retained |= {clause["of"]} if isinstance(clause["of"], str) else set(clause["of"])
    assert retained == {clause["category"] for clause in head["clauses"] if clause["kind"] == "collects"}
    closed = next(clause for clause in head["clauses"] if clause["id"] == "closed")
    assert closed["of"] == ["account", "api_key"]
    assert [(kept["of"], kept["basis"]) for kept in closed["except"]] == [("invoice", "legal_obligation")]


def test_the_quiet_person_has_records_in_both_stores_and_none_in_the_file_of_today(built: Built) -> None:
    """A deletion can be finished in one sitting: nothing of this person stands in a file that is still written to."""
    assert built.value("SELECT count(*) FROM request_log WHERE user_id = ?", QUIET_USER_ID) > 50
    assert built.value("SELECT count(*) FROM invoices WHERE user_id = ?", QUIET_USER_ID) > 0
    holding = [path.name for path in log_files(built.root) if QUIET_USER_ID in path.read_text("utf-8")]
    assert holding
    assert holding[-1] < f"requests-{NOW:%Y-%m-%d}.jsonl"
