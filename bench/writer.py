"""The application beside a sweep: inserts fifty rows a second, one commit each, and says how long each insert took.

`python -m bench.writer URL` reads words from standard input: `go` begins, `stop` ends a spell and prints its seconds."""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import psycopg
import pymysql
import sqlalchemy as sa

A_SECOND: Final = 50
_FIRST: Final = 1_000_000_000  # far above the ids of the rows that are swept
_INSERT: Final = (
    "INSERT INTO request_log (id, user_id, created_at, model, path, note) VALUES ({0}, {0}, {0}, {0}, {0}, {0})"
)


class Writer:
    """The other process, from this side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @contextmanager
    def writing(self, seconds: list[float]) -> Iterator[None]:
        """Let it write while the block runs; what each insert took is added to `seconds`."""
        self._say("go")
        time.sleep(0.1)
        try:
            yield
        finally:
            self._say("stop")
            assert self._process.stdout is not None
            seconds += json.loads(self._process.stdout.readline())

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()


@contextmanager
def run_writer(url: str) -> Iterator[Writer]:
    """A writer of its own process, ended with the block."""
    words = [sys.executable, "-m", "bench.writer", url]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


def p99(seconds: Sequence[float]) -> float:
    """What 99 of 100 stay under; the most of a few."""
    if len(seconds) < 100:
        return max(seconds, default=0.0)
    return statistics.quantiles(seconds, n=100)[98]


class _Inserts:
    """Inserts one row and commits it."""

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        self._mark, self._form = "%s", "%Y-%m-%d %H:%M:%S"
        self._connection: Any
        if parsed.get_backend_name() == "sqlite":
            self._mark, self._form = "?", "%Y-%m-%dT%H:%M:%S.000Z"
            self._connection = sqlite3.connect(parsed.database or "", timeout=60, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
        elif parsed.get_backend_name() == "postgresql":
            self._form += "+00"
            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(plain, autocommit=True)
        else:
            self._connection = pymysql.connect(
                host=parsed.host or "",
                port=parsed.port or 0,
                user=parsed.username or "",
                password=parsed.password or "",
                database=parsed.database,
                autocommit=True,
            )

    def insert(self, number: int) -> None:
        at = datetime.now(UTC).strftime(self._form)
        row = (number, "u_000001", at, "gpt-4o", "/v1/chat/completions", "written beside")
        self._connection.cursor().execute(_INSERT.format(self._mark), row)

    def close(self) -> None:
        self._connection.close()


def main(url: str) -> None:
    goes, rested, seconds = threading.Event(), threading.Event(), list[float]()
    numbers = count(_FIRST)

    def write() -> None:
        while True:
            rested.set()
            goes.wait()
            rested.clear()
            with closing(_Inserts(url)) as inserts:  # a table or a file filled anew takes new connections
                _write(inserts, goes, numbers, seconds)

    threading.Thread(target=write, daemon=True).start()
    for line in sys.stdin:
        rested.wait() if line.strip() == "go" else goes.clear()
        if line.strip() == "go":
            goes.set()
            continue
        rested.wait()
        print(json.dumps(seconds), flush=True)
        seconds.clear()


def _write(inserts: _Inserts, goes: threading.Event, numbers: Iterator[int], seconds: list[float]) -> None:
    due = time.perf_counter()
    for number in numbers:
        if not goes.is_set():
            return
        start = time.perf_counter()
        inserts.insert(number)
        seconds.append(time.perf_counter() - start)
        due = max(due + 1 / A_SECOND, time.perf_counter() - 1)
        time.sleep(max(0.0, due - time.perf_counter()))


if __name__ == "__main__":
    main(*sys.argv[1:])
