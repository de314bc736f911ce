"""A receiver of webhooks: a real server that checks each signature by the library, and answers as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1yZWNlaXZlci1vZi10aGUtdGVzdHM="
NEXT_SECRET = "whsec_" + "dGhlLW5leHQtc2VjcmV0LW9mLXRoZS1zYW1lLXJlY2VpdmVy"


@dataclass(frozen=True, kw_only=True)
class Got:
    """One request as it came. `good`: whether a signature is by the receiver's secret."""

    id: str
    path: str
    body: str
    good: bool
    signatures: int
    headers: Mapping[str, str]

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(kw_only=True)
class Receiver:
    """`answers`: what comes next, a status or a word: `hang` says nothing, `drip` sends its headers letter by letter,
    `flood` a body without an end; once they are used up, 204."""

    secret: str = SECRET
    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: deque[int | str] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def types(self) -> list[str]:
        return [one.payload["type"] for one in self.got]

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        try:
            Webhook(self.secret).verify(body, dict(headers))
        except WebhookVerificationError:
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.got.append(
            Got(
                id=headers["webhook-id"],
                path=self.path,
                body=body.decode(),
                good=self.receiver.is_signed(body, headers),
                signatures=len(headers["webhook-signature"].split()),
                headers=headers,
            )
        )
        self._answer(self.receiver.answers.popleft() if self.receiver.answers else 204)

    def do_GET(self) -> None:
        """Whoever follows a redirect comes so."""
        self.do_POST()

    def _answer(self, how: int | str) -> None:
        if isinstance(how, int):
            self.send_response(how)
            for name, value in self.receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.close_connection = True
        if how == "hang":
            self.receiver.stopped.wait(20)
        elif how == "drip":
            self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 2000)
        elif how == "flood":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")
            self._drip(b"b" * 4000, by=1000)

    def _drip(self, text: bytes, by: int = 1) -> None:
        for start in range(0, len(text), by):
            if self.receiver.stopped.is_set():
                return
            self.wfile.write(text[start : start + by])
            self.wfile.flush()
            time.sleep(0.02)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name it has there
        """Tests look at `got` instead."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that went away is part of the tests."""


@contextmanager
def run_receiver(secret: str = SECRET) -> Iterator[Receiver]:
    """Starts a receiver on a free port of this machine."""
    receiver = Receiver(secret=secret)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": receiver}))
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks/kept?key=of-the-receiver"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
