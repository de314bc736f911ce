"""Random kill points over every kind of store: nothing that is not over goes, nothing that is over stays, and the counts hold."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.killing import ForkServer, Killing, Verdict, fast_folder, fork_server
from tests.killing_houses import FilesHouse, House, MariaHouse, PostgresHouse, RedisHouse, S3House, SqliteHouse
from tests.servers import Postgres
from tests.servers_mariadb import MariaDB

KINDS = ("postgresql", "mariadb", "sqlite", "files", "s3", "redis")
# kill points of `make test`: twenty in all
FEW = {"postgresql": 4, "mariadb": 3, "sqlite": 4, "files": 4, "s3": 2, "redis": 3}
# those of `make test-slow`: a thousand, 25 at a time; the S3 server takes longest
KILLS_A_PART = 25
PARTS = [(kind, part) for kind in KINDS for part in range(1, 6 if kind == "s3" else 8)]
SEED = int(os.environ.get("KEPT_KILL_SEED", "20261121"))


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with fork_server() as server:
        yield server


@pytest.fixture
def killing(request: pytest.FixtureRequest, forks: ForkServer, tmp_path: Path) -> Iterator[Killing]:
    """Of the kind that the test names."""
    with ExitStack() as stack:
        house = build_house(request, request.param, tmp_path, stack)
        folder = fast_folder(tmp_path)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield Killing(house, forks, folder)


def build_house(request: pytest.FixtureRequest, kind: str, folder: Path, stack: ExitStack) -> House:
    match kind:
        case "postgresql":
            cluster: Postgres = request.getfixturevalue("postgres")
            return PostgresHouse(cluster, stack.enter_context(cluster.fresh_database()))
        case "mariadb":
            server: MariaDB = request.getfixturevalue("mariadb")
            url = stack.enter_context(server.fresh_database())
            return MariaHouse(server, url, url.rpartition("/")[2])
        case "sqlite":
            return SqliteHouse(folder)
        case "files":
            return FilesHouse(folder)
        case "s3":
            s3 = S3House(request.getfixturevalue("s3_server"))
            stack.callback(s3.client.close)
            return s3
    redis = RedisHouse(request.getfixturevalue("redis_server"))
    stack.callback(redis.client.close)
    return redis


def told(kind: str, verdicts: list[Verdict]) -> str:
    """The numbers, and the seeds that give them again."""
    names = ("kills", "runs", "expired", "batches", "redone", "settled", "refreshed", "added", "twice")
    sums = ", ".join(f"{sum(getattr(one, name) for one in verdicts)} {name}" for name in names)
    return f"{kind}: seeds {verdicts[0].seed} to {verdicts[-1].seed}: {sums}"


@pytest.mark.parametrize("killing", KINDS, indirect=True)
def test_a_sweep_killed_anywhere_is_finished_exactly(killing: Killing, request: pytest.FixtureRequest) -> None:
    """Killed at moments and calls by chance while another program writes, and run again: no record that is not over is
    lost, none that is over is left, each batch is done again at most once a kill, and the ledger tells the same counts."""
    wanted = FEW[request.node.callspec.params["killing"]]
    assert sum(one.kills for one in killing.until(wanted, seed=SEED)) >= wanted


@pytest.mark.slow
@pytest.mark.parametrize(("killing", "part"), PARTS, indirect=["killing"])
def test_a_thousand_kill_points(
    killing: Killing, part: int, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same a thousand times over all kinds; the seeds are printed, and KEPT_KILL_SEED gives others."""
    verdicts = killing.until(KILLS_A_PART, seed=SEED + 1_000 * part)
    with capsys.disabled():
        print(f"\n{told(request.node.callspec.params['killing'], verdicts)}")
    assert sum(one.kills for one in verdicts) >= KILLS_A_PART
