"""Connections that stay open for a round of mails, each used by one thread at a time and again for the next mail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from notify.transport import MailSession, Transport


class Pool:
    """The ways out of one transport. Outside a round each mail has one of its own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._rounds = 0
        self._idle: list[tuple[MailSession, ExitStack]] = []

    @contextmanager
    def open_round(self) -> Iterator[None]:
        """Keep what is opened meanwhile until the block ends."""
        with self._lock:
            self._rounds += 1
        try:
            yield
        finally:
            with self._lock:
                self._rounds -= 1
                over, self._idle = ([], self._idle) if self._rounds else (self._idle, [])
            for _, closing in over:
                closing.close()

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        """A way out for the caller alone. One that broke connects again by itself."""
        with self._lock:
            taken = self._idle.pop() if self._idle else None
        out, closing = taken or self._open()
        try:
            yield out
        finally:
            with self._lock:
                keep = self._rounds > 0
                if keep:
                    self._idle.append((out, closing))
            if not keep:
                closing.close()

    def _open(self) -> tuple[MailSession, ExitStack]:
        closing = ExitStack()
        return closing.enter_context(self._transport.session()), closing
