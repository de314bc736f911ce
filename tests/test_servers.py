"""Tests of the test servers: they are real, they answer, and they leave nothing behind."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import OpenPage, Viewport, find_descendants
from tests.servers import (
    MissingServerError,
    Postgres,
    SmtpServer,
    find_postgres,
    free_port,
    run_chromium,
    run_postgres,
    stop,
)

ROOT = Path(__file__).parent.parent


def test_a_control_database_is_empty_and_takes_tables(control_url: str) -> None:
    """Each test gets a database of its own with no table in it, on both engines."""
    engine = sa.create_engine(control_url)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE marks (id INTEGER PRIMARY KEY)"))
    engine.dispose()


def test_a_database_is_dropped_even_while_somebody_is_connected(postgres: Postgres) -> None:
    """A test that forgets a connection does not keep its database alive."""
    with postgres.fresh_database() as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        connection = engine.connect()
        connection.execute(sa.text("SELECT 1"))
    with pytest.raises(sa.exc.OperationalError), engine.connect():
        pass
    connection.invalidate()
    connection.close()


def test_a_cluster_goes_when_its_block_fails() -> None:
    """Also after an exception the server is stopped."""
    started: list[Postgres] = []

    def fail_beside_a_cluster() -> None:
        with run_postgres() as cluster:
            started.append(cluster)
            assert cluster.answers()
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail_beside_a_cluster()
    assert not started[0].answers()


def test_a_cluster_goes_when_its_test_run_is_killed() -> None:
    """A killed test run cannot clean up, so the server must end by itself."""
    code = (
        "import pathlib, sys, time\nfrom tests.servers import run_postgres\n"
        "with run_postgres(under=pathlib.Path(sys.argv[1])) as cluster:\n"
        "    print(cluster.port, flush=True)\n    time.sleep(60)\n"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        child = subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE)
        assert child.stdout is not None
        cluster = Postgres(port=int(child.stdout.readline()), version=0)
        assert cluster.answers()
        stop(child, by=signal.SIGKILL)
        child.stdout.close()
        deadline = time.monotonic() + 10
        while list(Path(folder).glob("*/data/postmaster.pid")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not cluster.answers()


def test_a_missing_postgresql_names_its_package(tmp_path: Path) -> None:
    """A missing server is an error that says what to install, never a skip."""
    with pytest.raises(MissingServerError, match="postgresql-15"):
        find_postgres(tmp_path)


def test_a_missing_browser_names_its_package(tmp_path: Path) -> None:
    """A missing browser is an error that says what to install, never a skip."""
    with pytest.raises(MissingServerError, match="package chromium"), run_chromium(tmp_path / "chromium"):
        pass


def test_the_newest_postgresql_is_taken(tmp_path: Path) -> None:
    """Versions are compared as numbers, so 9 does not win over 15."""
    for version in ("9", "15"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
    assert find_postgres(tmp_path) == tmp_path / "15" / "bin"


def test_the_smtp_server_keeps_what_it_takes_and_not_what_it_refuses(smtp_server: SmtpServer) -> None:
    """Mail tests read what arrived, and can make the server refuse."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "desk@example.com", "person@example.com", "Ärger"
    message.set_content("Hello")
    with smtplib.SMTP("127.0.0.1", smtp_server.port) as client:
        client.send_message(message)
        smtp_server.answer = "451 later"
        with pytest.raises(smtplib.SMTPDataError, match="later"):
            client.send_message(message)
    (mail,) = smtp_server.mails
    assert (mail.recipients, mail.message["Subject"]) == (("person@example.com",), "Ärger")


@pytest.mark.browser
def test_the_browser_shows_a_page_at_the_width_asked_for(page: OpenPage) -> None:
    """Pages are looked at on a desktop and on a phone, light and dark."""
    phone, desktop = page(Viewport.PHONE, dark=True), page()
    assert phone.evaluate("innerWidth") == Viewport.PHONE.value[0]
    assert desktop.evaluate("innerWidth") == Viewport.DESKTOP.value[0]
    assert phone.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


def test_what_this_run_started_is_found_wherever_it_hangs() -> None:
    """A process whose parent is gone is still known as ours, so nothing can be left behind unseen."""
    started = subprocess.run(
        ["/bin/sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True, check=True
    )
    pid = int(started.stdout)
    try:
        assert f"{pid} sleep" in find_descendants()
    finally:
        os.kill(pid, signal.SIGKILL)


def test_free_ports_can_be_listened_on() -> None:
    """No test may rely on a fixed port."""
    assert 1024 < free_port() < 65536
