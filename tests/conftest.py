"""The fixtures that hand real servers to tests, and the check that a test run leaves no process behind."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.database import Database
from tests.kept_commands import end_commands
from tests.schema import make_tables
from tests.servers import Postgres, SmtpServer, roomy_folder, run_chromium, run_postgres, run_smtp
from tests.servers_imap import Dovecot, DovecotUser, run_dovecot
from tests.servers_mariadb import MariaDB, run_mariadb
from tests.servers_redis import RedisServer, run_redis
from tests.servers_s3 import S3Server, run_s3

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

    from tests.store_worlds import PostgresWorld, SqliteWorld
    from tests.store_worlds_mariadb import MariaWorld
    from tests.store_worlds_redis import RedisWorld
    from tests.store_worlds_s3 import S3World

RUN_MARK = "KEPT_TEST_RUN"
GRACE_SECONDS = 5.0


class Viewport(Enum):
    """The two screens that pages are looked at on: width and height in CSS pixels."""

    DESKTOP = (1280, 800)
    PHONE = (390, 844)


OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL cluster for the whole run, started when the first test asks for it."""
    with run_postgres(under=roomy_folder()) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """One MariaDB server for the whole run, started when the first test asks for it."""
    with run_mariadb() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """The URL of an empty MariaDB database of this test's own, with a user of its own."""
    with mariadb.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis server for the whole run, started when the first test asks for it."""
    with run_redis() as server:
        yield server


@pytest.fixture
def redis_world(redis_server: RedisServer) -> Iterator[RedisWorld]:
    """A Redis database of this test's own, and a store over it."""
    from tests.store_worlds_redis import RedisWorld

    world = RedisWorld(redis_server)
    yield world
    world.close()


@pytest.fixture
def sqlite_world(tmp_path: Path) -> Iterator[SqliteWorld]:
    """A SQLite database with a table of requests, as a store."""
    from tests.store_worlds import SqliteWorld

    made = SqliteWorld(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def postgres_world(postgres_url: str) -> Iterator[PostgresWorld]:
    """The same in PostgreSQL."""
    from tests.store_worlds import PostgresWorld

    made = PostgresWorld(postgres_url)
    yield made
    made.store.close()


@pytest.fixture
def mariadb_world(mariadb: MariaDB, mariadb_url: str) -> Iterator[MariaWorld]:
    """The same in MariaDB."""
    from tests.store_worlds_mariadb import MariaWorld

    made = MariaWorld(mariadb, mariadb_url)
    yield made
    made.close()


@pytest.fixture(params=["sqlite_world", "postgres_world", "mariadb_world"])
def sql_world(request: pytest.FixtureRequest) -> SqliteWorld | PostgresWorld | MariaWorld:
    """A test that takes it runs on every SQL database."""
    made: SqliteWorld | PostgresWorld | MariaWorld = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One S3 server for the whole run, started when the first test asks for it."""
    with run_s3() as server:
        yield server


@pytest.fixture
def s3_world(s3_server: S3Server) -> Iterator[S3World]:
    """A bucket of this test's own, and a store over it."""
    from tests.store_worlds_s3 import S3World

    world = S3World(s3_server)
    yield world
    world.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def control_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database for Kept's own tables; a test that takes it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kept.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres) -> str:
    """The name of a database with Kept's own tables, there to be copied: nobody can connect to it."""
    name = "kept_tables"
    postgres.run(f"CREATE DATABASE {name} TEMPLATE template0")
    made = Database(postgres.url(name))
    make_tables(made)
    made.close()
    postgres.run(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def tables_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with Kept's own tables, made by copying one; on SQLite and on PostgreSQL."""
    if request.param == "postgresql":
        template = request.getfixturevalue("postgres_tables")
        with request.getfixturevalue("postgres").fresh_database(template) as url:
            yield url
        return
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    made = Database(url)
    make_tables(made)
    made.close()
    yield url


@pytest.fixture
def database(tables_url: str) -> Iterator[Database]:
    """Kept's control database with its tables, on SQLite and on PostgreSQL."""
    made = Database(tables_url)
    yield made
    made.close()


@pytest.fixture
def smtp_server() -> Iterator[SmtpServer]:
    """An SMTP server that keeps in `mails` what it is sent."""
    with run_smtp() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One IMAP and LMTP server for the whole run, started when the first test asks for it."""
    with run_dovecot() as server:
        yield server


@pytest.fixture
def mail_user(dovecot: Dovecot) -> DovecotUser:
    """A user of it with an empty mailbox of this test's own."""
    return dovecot.add_user()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the whole run."""
    with run_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages: `page()`, `page(Viewport.PHONE)`, `page(dark=True)`, each with cookies of its own, downloads allowed.

    A script that throws and anything that the content policy blocks fail the test when it ends.
    """
    complaints: list[str] = []

    def note_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    with ExitStack() as stack:

        def open_page(viewport: Viewport = Viewport.DESKTOP, *, dark: bool = False) -> Page:
            width, height = viewport.value
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
                has_touch=viewport is Viewport.PHONE,
                locale="en-GB",
                timezone_id="UTC",
            )
            stack.callback(context.close)
            opened = context.new_page()
            opened.set_default_timeout(10_000)
            opened.on("pageerror", lambda error: complaints.append(str(error)))
            opened.on("console", note_console)
            return opened

        yield open_page
    assert not complaints, f"the browser complained: {complaints}"


def pytest_configure(config: pytest.Config) -> None:
    """Marks this process, so that whatever it starts can be told from everything else on the machine.

    The processes that share the tests of one run (xdist) are started with its mark, and keep it."""
    if not hasattr(config, "workerinput"):
        os.environ[RUN_MARK] = uuid.uuid4().hex
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would each compile all of Kept
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(roomy_folder()))  # SQLite syncs each commit


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that leaves a process behind has failed, whatever its tests said; asked once the last of its processes ended."""
    end_commands()
    if hasattr(session.config, "workerinput"):
        return
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := find_descendants()) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"\nthis run left processes behind: {left}", red=True)


def find_descendants() -> list[str]:
    """What this run started and still runs, as `pid command`: known by the mark in its environment, wherever it hangs."""
    mark = f"{RUN_MARK}={os.environ[RUN_MARK]}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(f"{folder.name} {(folder / 'comm').read_text().strip()}")
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return found
