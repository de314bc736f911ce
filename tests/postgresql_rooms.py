"""The example's tables on PostgreSQL, questions of our own to it, and a server that is stopped hard and started again."""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import Postgres, stop

# Half of the tables have times as the server keeps them, half as text: both are met in the wild.
TIMES = {
    "users": ("created_at", "deleted_at"),
    "request_log": ("created_at",),
    "invoices": ("issued_at",),
    "api_keys": (),
    "billing_log": (),
    "support_messages": (),
}


def connect(url: str, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of our own, without Kept."""
    return psycopg.connect(url.replace("+psycopg", ""), **options)


def look(url: str, question: str, *values: object) -> Any:
    """The one row that a question of our own gives, or its one value."""
    with connect(url) as connection:
        row = connection.execute(question.encode(), values).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def wait_for(is_so: Callable[[], object], seconds: float = 30) -> None:
    """Until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def load_gateway(source: Path, url: str, *, only: str = "") -> None:
    """The tables of the example's SQLite file, or one of them, in a PostgreSQL database."""
    tables = {name: times for name, times in TIMES.items() if only in ("", name)}
    with closing(sqlite3.connect(source)) as origin, connect(url) as target:
        for table, times in tables.items():
            columns = origin.execute(f"PRAGMA table_info({table})").fetchall()
            types = [
                (name, "timestamptz" if name in times else kind.replace("REAL", "float8"))
                for _, name, kind, *_ in columns
            ]
            ends = ["PRIMARY KEY" if key else "" for *_, key in columns]
            described = ", ".join(f"{name} {kind} {end}" for (name, kind), end in zip(types, ends, strict=True))
            target.execute(f"CREATE TABLE {table} ({described})".encode())
            with target.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for row in origin.execute(f"SELECT * FROM {table}"):
                    copy.write_row(row)
        for table, column in (("request_log", "created_at"), ("request_log", "user_id"), ("billing_log", "created_at")):
            if table in tables:
                target.execute(f"CREATE INDEX ON {table} ({column})".encode())


def stop_at_once(cluster: Postgres) -> list[str]:
    """`pg_ctl stop -m immediate`: no transaction ends in order. Gives the words that start it again."""
    data = Path(look(cluster.url("postgres"), "SHOW data_directory"))
    words = shlex.split((data / "postmaster.opts").read_text())
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    wait_for(lambda: not is_running(pid))
    return words


def is_running(pid: int) -> bool:
    """A zombie that its parent has not looked at yet runs no more."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@contextmanager
def started_again(cluster: Postgres, words: list[str]) -> Iterator[None]:
    """The same server on the same port and data, recovered; stopped at the end."""
    as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    folder = words[words.index("-D") + 1]
    process = subprocess.Popen(
        [*as_owner, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(cluster.answers)
        yield
    finally:
        stop(process)
