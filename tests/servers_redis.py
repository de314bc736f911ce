"""A real Redis server for tests, and a relay before any server that can be cut or made to hang."""

from __future__ import annotations

import itertools
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests.servers import START_SECONDS, MissingServerError, free_port, stop

DATABASES = 4096


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """A running server on 127.0.0.1; `tls_port` speaks TLS with a certificate of its own where one was given."""

    port: int
    tls_port: int | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: int = 0) -> str:
        """What `url` says in kept.yaml."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def fresh_database(self) -> int:
        """The number of an empty database that no other test uses."""
        return next(self._numbers) % DATABASES

    def client(self, database: int = 0) -> Any:
        """A plain client of the database."""
        return redis.Redis(port=self.port, db=database)


@contextmanager
def run_redis(*, certificate: tuple[Path, Path] | None = None) -> Iterator[RedisServer]:
    """Starts a server in a folder of its own, and stops it at the end. `certificate`: its file and its key's."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise MissingServerError("no redis-server: the Debian package is missing. Run `make setup-test`.")
    folder = Path(tempfile.mkdtemp(prefix="kept-redis-"))
    server = RedisServer(port=free_port(), tls_port=free_port() if certificate else None)
    words = ["--port", str(server.port), "--bind", "127.0.0.1", "--save", "", "--databases", str(DATABASES)]
    if certificate:
        words += ["--tls-port", str(server.tls_port), "--tls-auth-clients", "no"]
        words += ["--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1])]
        words += ["--tls-ca-cert-file", str(certificate[0])]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", binary, *words, "--dir", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(server, process, log)
        yield server
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _await(server: RedisServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with server.client() as client:
                client.ping()
            return
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise MissingServerError(f"Redis did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.02)


class Relay:
    """A port that passes everything on to another one, until it is cut (refuses) or hangs (takes and says nothing)."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._hangs = False
        self._open: list[socket.socket] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def hang(self) -> None:
        """From now on nothing is passed on, and no connection ends."""
        self._hangs = True

    def cut(self) -> None:
        """Ends every connection and takes no more."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            near, _ = self._listener.accept()
            far = socket.create_connection(("127.0.0.1", self._target))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(one)
            for pair in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pass_on, args=pair, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        while not self._stopped.is_set():
            if not select.select([source], [], [], 0.05)[0]:
                continue
            if self._hangs:
                time.sleep(0.01)
                continue
            try:
                data = source.recv(65_536)
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                return


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """A relay that is cut at the end."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.cut()
