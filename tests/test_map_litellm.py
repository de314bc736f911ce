"""The scanner on the schema of a real gateway, held against what a person wrote down before; and the map that ships for it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from core.clock import SystemClock
from core.settings import Settings
from core.settings_file import load_settings
from jobs.map_scanning import policy_words, scan_installation
from policies.lint import lint, refusals
from policies.translations import read_family
from stores.datamap import DataMap
from stores.registry import open_store
from stores.scanner import PolicyWords, Scan, scan_sources
from stores.scanner_sql import SqlSource
from tests.litellm_people import People, apply_migrations, fill
from tests.map_judging import Score, judge, read_truth
from tests.servers import Postgres

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "litellm"
TABLES, FOREIGN_KEYS = 101, 33
ENOUGH = 0.85


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The gateway's database, filled, and what the scanner makes of it."""

    url: str
    scan: Scan
    seconds: float


@pytest.fixture(scope="module")
def gateway(postgres: Postgres) -> Iterator[Gateway]:
    """Every migration applied in order, every table filled with people who do not exist, then scanned once."""
    with postgres.fresh_database() as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            apply_migrations(connection)
            connection.autocommit = False
            fill(connection, People())
        source = SqlSource("gateway", url)
        started = time.monotonic()
        scan = scan_sources([source], policy=PolicyWords())
        seconds = time.monotonic() - started
        source.close()
        yield Gateway(url=url, scan=scan, seconds=seconds)


@pytest.fixture
def installation(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The map that ships, over the gateway."""
    monkeypatch.setenv("GATEWAY_URL", gateway.url)
    (tmp_path / "policies").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret.key").write_text("s" * 64)
    shutil.copyfile(EXAMPLE / "policy.md", tmp_path / "policies" / "policy.md")
    shutil.copyfile(EXAMPLE / "kept.yaml", tmp_path / "kept.yaml")
    return load_settings(tmp_path / "kept.yaml")


def test_the_schema_is_that_of_the_real_gateway(gateway: Gateway) -> None:
    """All its migrations apply, whatever their folders are called: the tables and foreign keys it is known to have."""
    with psycopg.connect(gateway.url.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f'").fetchone()
    assert gateway.scan.tables == TABLES
    assert row == (FOREIGN_KEYS,)
    assert not gateway.scan.unread
    assert not gateway.scan.left_out


def test_a_hundred_tables_are_scanned_in_less_than_thirty_seconds(gateway: Gateway) -> None:
    """Reading and judging 101 tables takes seconds."""
    assert gateway.seconds < 30


def test_the_truth_speaks_of_every_table_once() -> None:
    """What a person wrote down is whole: no table of the schema is left out of the judgement, none counted twice."""
    truth = read_truth(EXAMPLE / "expected.yaml")
    named = [*truth["collections"], *truth["either"], *truth["nobody"]]
    assert len(named) == len(set(named)) == TABLES


@pytest.mark.parametrize("what", ["time", "identifiers", "categories", "fideslang"])
def test_the_proposal_is_right_in_at_least_85_percent(gateway: Gateway, what: str) -> None:
    """Of all that is true or proposed; each miss is named, and stands in the guide."""
    score: Score = judge(gateway.scan, read_truth(EXAMPLE / "expected.yaml"))[what]
    print(f"{what}: {score.right} of {score.total} right, {score.share:.1%}", *score.wrong, sep="\n  ")
    assert score.share >= ENOUGH, score.wrong
    guide = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert [one for one in score.wrong if one.partition(": ")[0].removeprefix("LiteLLM_") not in guide] == []


def test_an_empty_schema_gives_nearly_the_same_map(postgres_url: str) -> None:
    """Before the first request names alone speak: less is found, and less is claimed."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        apply_migrations(connection)
    source = SqlSource("gateway", postgres_url)
    scan = scan_sources([source], policy=PolicyWords())
    source.close()
    scores = judge(scan, read_truth(EXAMPLE / "expected.yaml"))
    print({name: f"{score.share:.1%}" for name, score in scores.items()})
    assert min(score.share for score in scores.values()) > 0.75
    assert all(way.confidence < 0.6 for one in scan.proposals for way in one.person if "no values" in way.why)


def test_the_map_that_ships_fits_the_schema_and_lacks_nothing(installation: Settings) -> None:
    """Every collection and every field of it is there, and a scan proposes nothing more but what was left on purpose."""
    clock = SystemClock()
    store = open_store(installation.stores["gateway"], clock=clock)
    for collection in installation.collections:
        shape = store.shape(collection.at)
        times = [collection.time, *collection.events.values()]
        fields = [*collection.fields, *collection.identifies.values(), *(one.field for one in collection.person)]
        for name in [*fields, *(one.name for one in times if one)]:
            assert shape.has(name.partition("->")[0]), f"{collection.id}.{name}"
    store.close()
    scan = scan_installation(installation, clock)
    assert [one.at for one in scan.proposals] == []


def test_the_policy_that_ships_is_not_refused_and_speaks_for_every_category(installation: Settings) -> None:
    """No collection of the map holds what no clause says anything of."""
    document = read_family(installation.policy)[0]
    assert refusals(lint(document)) == []
    words = policy_words(installation.policy)
    held = {collection.category for collection in installation.collections}
    held |= {field.category for one in installation.collections for field in one.fields.values() if field.category}
    assert {category for category in held if not words.speaking(category)} == set()


def test_a_user_is_found_in_the_request_log_through_hashed_keys_and_free_text(installation: Settings) -> None:
    """From a user's id the map leads to the keys, from their hashes to the log, from the log to its errors and indexes."""
    store = open_store(installation.stores["gateway"], clock=SystemClock())
    routes = {
        one.collection: one for one in DataMap(installation.collections, {"gateway": store}).person_routes(["user_id"])
    }
    store.close()
    assert {(hop.field, hop.to) for hop in routes["spend-logs"].hops} >= {
        ("api_key", "verification-tokens"),
        ("user", "users"),
    }
    assert {"error-logs", "spend-log-tool-index", "adaptive-router-sessions", "daily-user-spend"} <= set(routes)
    assert "end-users" not in routes, "an id that a customer chose is no id of a user"
