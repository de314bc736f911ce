"""The example gateway with its data in stores of every kind, swept as an installation does it, against counts by plain Python."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app import open_services
from core.keys import write_secret
from examples.gateway.build import build, write_configuration
from policies.clauses import RetentionClause
from policies.documents import parse_document
from retention.tables import RunState
from retention.views import SweepOutcome
from tests.gateway_everywhere import Data, InFiles, InS3, Left, OnMaria, OnPostgres, read_data, reckon, text
from tests.killing import fast_folder
from tests.servers import Postgres
from tests.servers_mariadb import MariaDB
from tests.servers_redis import RedisServer
from tests.servers_s3 import KEY_ID, PLAIN, SECRET, S3Server

SESSIONS = """
  - id: sessions
    at: sessions:session:{user_id}:*
    category: session
    time: created_at
    person: {user_id: accounts.id}
    fields:
      user_id: {fideslang: user.unique_id}
      ip: {fideslang: user.device.ip_address}
"""
CLAUSES = """
  - {id: session-data, kind: collects, category: session, from: person, fields: [IP address, time]}
  - {id: session-use, kind: purpose, of: [session], why: [sign-in], basis: contract}
  - {id: sessions, kind: retention, of: session, for: P7D, then: delete}
"""
SAID = """
While you are signed in we keep a session{{ clause("session-data").cite }} so that you stay
so,{{ clause("session-use").cite }} for {{ clause("sessions").for }}.
"""
Tables = OnPostgres | OnMaria
Lines = InFiles | InS3


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """The example gateway as of now."""
    root, now = tmp_path_factory.mktemp("everywhere") / "gateway", datetime.now(UTC)
    build(root, now=now)
    return root, now


@pytest.fixture(params=["postgresql", "mariadb"])
def tables(request: pytest.FixtureRequest) -> Iterator[Tables]:
    if request.param == "postgresql":
        cluster: Postgres = request.getfixturevalue("postgres")
        with cluster.fresh_database() as url:
            yield OnPostgres(url)
        return
    server: MariaDB = request.getfixturevalue("mariadb")
    with server.fresh_database() as url:
        yield OnMaria(server, url)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Path]:
    folder = fast_folder(tmp_path)
    yield folder / "installation"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lines(request: pytest.FixtureRequest, tables: Tables, installation: Path) -> Iterator[Lines]:
    """Files beside MariaDB, objects beside PostgreSQL."""
    if isinstance(tables, OnMaria):
        yield InFiles(installation / "logs")
        return
    server: S3Server = request.getfixturevalue("s3_server")
    with closing(server.client()) as client:
        yield InS3(client, PLAIN, server.fresh_prefix())


def install(root: Path, tables: Tables, lines: Lines, sessions: str, endpoint: str) -> Path:
    """The example's kept.yaml and policy, with its stores elsewhere and sessions besides."""
    write_configuration(root)
    write_secret(root / "var" / "secret.key")
    (root / "var" / "s3.id").write_text(KEY_ID)
    (root / "var" / "s3.key").write_text(SECRET)
    if isinstance(lines, InS3):
        store = f"{{kind: s3, bucket: {lines.bucket}, endpoint: '{endpoint}', key_id: 'file:var/s3.id', secret: 'file:var/s3.key'}}"
        at = f"request-files:{lines.prefix}requests-*.jsonl"
    else:
        store, at = "{kind: files, root: logs}", "request-files:requests-*.jsonl.gz"
    path = root / "kept.yaml"
    words = path.read_text(encoding="utf-8")
    for old, new in (
        ("gateway: {kind: sql, url: sqlite:///gateway.db}", f"gateway: {{kind: sql, url: '{tables.url}'}}"),
        (
            "request-files: {kind: files, root: logs}",
            f"request-files: {store}\n  sessions: {{kind: redis, url: '{sessions}'}}",
        ),
        ("request-files:requests-*.jsonl", at),
        ("\n# How the scheduler runs", f"{SESSIONS}\n# How the scheduler runs"),
    ):
        assert words.count(old) == 1, old
        words = words.replace(old, new)
    path.write_text(words, encoding="utf-8")
    policy = root / "policies" / "gateway.md"
    words = policy.read_text(encoding="utf-8")
    words = words.replace("\n  # Who else", f"{CLAUSES}\n  # Who else", 1)
    policy.write_text(words + SAID, encoding="utf-8")
    return path


def sweep(path: Path) -> tuple[list[SweepOutcome], list[SweepOutcome]]:
    """Published, approved and run by the services of an installation; and run once more."""
    with open_services(path) as kept:
        document = parse_document(kept.settings.policy.read_text(encoding="utf-8"), "gateway.md")
        kept.policies.publish(document, actor="system")
        names = [clause.id for clause in document.clauses if isinstance(clause, RetentionClause)]
        first = [one for name in names for one in kept.sweeps.approve(name, by="opr_1", reason="numbers checked")]
        again = [
            one for name in ("request-logs", "sessions", "closed", "usage-totals") for one in kept.sweeps.run(name)
        ]
        assert kept.ledger.verify().ok
    return first, again


@pytest.mark.parametrize("share", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_the_example_is_swept_exactly_in_every_kind_of_store(
    share: int,
    example: tuple[Path, datetime],
    tables: Tables,
    lines: Lines,
    redis_server: RedisServer,
    request: pytest.FixtureRequest,
    installation: Path,
) -> None:
    """Every row, line and key that is left is one that plain Python leaves, value by value; every run's number is what
    plain Python counts; a second run finds nothing."""
    data = read_data(*example, share=share)
    tables.load(data, example[0] / "gateway.db")
    lines.load(data)
    database = redis_server.fresh_database()
    endpoint = request.getfixturevalue("s3_server").endpoint if isinstance(lines, InS3) else ""
    with closing(redis_server.client(database)) as client:
        for name, record in data.sessions.items():
            client.set(name, json.dumps(record))
        path = install(installation, tables, lines, redis_server.url(database), endpoint)
        first, again = sweep(path)
        sessions = {name.decode() for name in client.keys()}  # noqa: SIM118 - a command of Redis
    left = reckon(data)
    assert {one.clause: (one.state, one.errors) for one in first} == dict.fromkeys(left.counts, (RunState.DONE, ()))
    assert {one.clause: one.rows for one in first} == left.counts
    assert [(one.rows, one.run.overdue) for one in again] == [(0, 0)] * len(again)
    compare(data, left, tables)
    assert lines.read() == left.lines
    assert sessions == left.sessions
    assert all(left.counts[name] for name in left.counts if name not in ("invoices", "daily-totals")), left.counts


def compare(data: Data, left: Left, tables: Tables) -> None:
    """Table by table; of a key that was revoked the time is the run's own."""
    for table, expected in left.rows.items():
        found: list[Any] = tables.read(table)
        if table == "api_keys":
            revoked = {row[0] for row in found if row[5] is not None and row[5] > text(data.now)}
            assert revoked == left.revoked & {row[0] for row in found}
            found = [row if row[0] not in revoked else (*row[:5], None) for row in found]
        assert found == expected, table
    totals = tables.read("usage_daily", "day, model")
    assert [(str(row[1])[:10], *row[2:]) for row in totals] == left.totals
