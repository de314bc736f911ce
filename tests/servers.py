"""The real servers that tests talk to: PostgreSQL, SMTP and Chromium, on free ports and in folders that go with them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
POSTGRES_ROOT = Path("/usr/lib/postgresql")
MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 << 30
START_SECONDS = 30.0
STOP_SECONDS = 20.0


class MissingServerError(Exception):
    """A server that the tests need is not installed, or does not start: tests fail with this, none is skipped."""


def roomy_folder() -> Path:
    """Where files go that need not outlive a run: into memory where all of a run fits, as no disk makes a database so fast."""
    fits = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return MEMORY if fits else Path("/tmp")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A running cluster of its own on 127.0.0.1; its superuser `postgres` needs no password."""

    port: int
    version: int

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> None:
        """Runs one statement outside any transaction, as the superuser, in the database `postgres`."""
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def fresh_database(self, template: str = "template0") -> Iterator[str]:
        """The URL of an empty database, or a copy of another, that is dropped at the end, whoever is still connected to it."""
        name = f"t_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def answers(self) -> bool:
        """Is it up and taking connections?"""
        try:
            psycopg.connect(self._conninfo(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"


def find_postgres(root: Path = POSTGRES_ROOT) -> Path:
    """The `bin` folder of the newest PostgreSQL server under `root`."""
    found = [path.parent for path in root.glob("*/bin/initdb") if path.parent.parent.name.isdigit()]
    if not found:
        raise MissingServerError(
            f"no PostgreSQL server under {root}: the Debian package postgresql-15 (or postgresql) is missing. "
            "Run `make setup-test`."
        )
    return max(found, key=lambda folder: int(folder.parent.name))


@contextmanager
def run_postgres(
    *, fsync: bool = False, under: Path = Path("/tmp"), settings: Mapping[str, str] | None = None
) -> Iterator[Postgres]:
    """Makes a cluster in a folder of its own, starts it, and stops and removes it at the end, whatever happened.

    `under` is where the folder goes; when root runs this, the user postgres must be able to enter it. `settings`: what
    postgresql.conf would say besides.
    """
    binaries = find_postgres()
    folder = Path(tempfile.mkdtemp(prefix="kept-postgres-", dir=under))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        _make_cluster(binaries, folder)
        with _serve_cluster(binaries, folder, fsync=fsync, more=settings or {}) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres() -> list[str]:
    """The words that run a server as somebody who may (it refuses root), and end it when this process dies."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        words += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
    return words


def _make_cluster(binaries: Path, folder: Path) -> None:
    options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    made = subprocess.run(
        [*_as_postgres(), str(binaries / "initdb"), "--pgdata", str(folder / "data"), *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise MissingServerError(f"initdb of {binaries} ended with {made.returncode}:\n{made.stdout}{made.stderr}")


@contextmanager
def _serve_cluster(binaries: Path, folder: Path, *, fsync: bool, more: Mapping[str, str]) -> Iterator[Postgres]:
    cluster = Postgres(port=free_port(), version=int(binaries.parent.name))
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(cluster.port),
        "unix_socket_directories": "",
        "timezone": "UTC",
        "fsync": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
        **more,
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_as_postgres(), str(binaries / "postgres"), "-D", str(folder / "data"), *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_cluster(cluster, process, log)
        yield cluster
    finally:
        stop(process)


def _await_cluster(cluster: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not cluster.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise MissingServerError(f"PostgreSQL did not start on port {cluster.port}:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], *, by: signal.Signals = signal.SIGINT) -> int:
    """Ends a process in order (SIGINT is PostgreSQL's fast shutdown), or by force when it does not end; its status."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One message as the SMTP server got it: the envelope's addresses and the message itself."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


@dataclass(kw_only=True)
class SmtpServer:
    """An SMTP server that keeps what it is sent, and gives `answer` to each message: change it to refuse some."""

    port: int
    answer: str = "250 OK"
    mails: list[Mail] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What `mail.smtp` says in kept.yaml."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keeps the message when the answer takes it; aiosmtpd calls this."""
        if self.answer.startswith("2"):
            content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
            message = message_from_bytes(content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            recipients = tuple(envelope.rcpt_tos)
            self.mails.append(Mail(sender=envelope.mail_from or "", recipients=recipients, message=message))
        return self.answer


@contextmanager
def run_smtp() -> Iterator[SmtpServer]:
    """An SMTP server on a free port, stopped at the end."""
    server = SmtpServer(port=free_port())
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@contextmanager
def run_chromium(executable: Path = CHROMIUM) -> Iterator[Browser]:
    """A headless Chromium, closed at the end."""
    if not executable.exists():
        raise MissingServerError(f"no {executable}: the Debian package chromium is missing. Run `make setup-test`.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()
