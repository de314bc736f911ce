"""The real MariaDB server that tests talk to: bootstrapped in a folder of its own, on a free port, gone at the end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from tests.servers import START_SECONDS, MissingServerError, free_port, roomy_folder, stop

SERVER = Path("/usr/sbin/mariadbd")
TABLES_OF_ITS_OWN = Path("/usr/share/mysql")
_SCRIPTS = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
)
_BEFORE = "SET @auth_root_socket=NULL;\nSET @skip_auth_anonymous=1;\ncreate database mysql;\nuse mysql;\n"
# small files and no syncing: a test's data need not outlive the test
_FRUGAL = (
    "--no-defaults",
    "--user=root",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=32M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--performance-schema=OFF",
)
# as a server is run whose data count: each commit on the disk, room for what is worked on
_DURABLE = (
    "--no-defaults",
    "--user=root",
    "--innodb-log-file-size=1G",
    "--innodb-buffer-pool-size=1G",
    "--innodb-flush-log-at-trx-commit=1",
    "--performance-schema=OFF",
)


@dataclass(frozen=True, kw_only=True)
class MariaDB:
    """A running server of its own on 127.0.0.1; its user `root` needs no password."""

    port: int

    def url(self, database: str, user: str = "root", password: str = "") -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"mariadb+pymysql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str, values: Any = None, *, database: str | None = None) -> list[tuple[Any, ...]]:
        """Runs one statement as root, committed at once."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        finally:
            connection.close()

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The URL of an empty database with a user of the same name and the password `secret`, both gone at the end."""
        name = f"t_{uuid.uuid4().hex[:16]}"
        self.ask(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self.ask(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'secret'")
        self.ask(f"GRANT ALL ON {name}.* TO {name}@'127.0.0.1'")
        try:
            yield self.url(name, user=name, password="secret")
        finally:
            self.ask(f"DROP USER {name}@'127.0.0.1'")
            self.ask(f"KILL USER {name}")
            self.ask(f"DROP DATABASE {name}")

    def answers(self) -> bool:
        """Is it up and taking connections?"""
        try:
            self.connect(None).close()
        except pymysql.err.OperationalError:
            return False
        return True

    def connect(self, database: str | None) -> pymysql.Connection[Any]:
        """A connection as root that commits each statement, in UTC, with names in double quotes."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
            init_command="SET time_zone = '+00:00', sql_mode = 'ANSI_QUOTES'",
        )


@contextmanager
def run_mariadb(*, durable: bool = False) -> Iterator[MariaDB]:
    """Makes a data folder, starts a server on it, and stops and removes both at the end, whatever happened."""
    if not SERVER.exists():
        raise MissingServerError(
            f"no {SERVER}: the Debian package mariadb-server-core is missing. Run `make setup-test`."
        )
    folder = Path(tempfile.mkdtemp(prefix="kept-mariadb-", dir="/tmp" if durable else roomy_folder()))
    try:
        _make_data(folder)
        with _serve(folder, _DURABLE if durable else _FRUGAL) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_data(folder: Path) -> None:
    (folder / "data").mkdir()
    scripts = "".join((TABLES_OF_ITS_OWN / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    made = subprocess.run(
        [str(SERVER), *_FRUGAL, "--bootstrap", f"--datadir={folder / 'data'}"],
        input=_BEFORE + scripts,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise MissingServerError(f"the bootstrap of {SERVER} ended with {made.returncode}:\n{made.stderr[-2000:]}")


@contextmanager
def _serve(folder: Path, options: Sequence[str]) -> Iterator[MariaDB]:
    server, log = MariaDB(port=free_port()), folder / "server.log"
    words = (f"--datadir={folder / 'data'}", f"--port={server.port}", f"--socket={folder / 'sock'}")
    rest = ("--bind-address=127.0.0.1", "--skip-name-resolve", f"--pid-file={folder / 'pid'}")
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", str(SERVER), *options, *words, *rest],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise MissingServerError(f"MariaDB did not start on port {server.port}:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield server
    finally:
        stop(process, by=signal.SIGTERM)
