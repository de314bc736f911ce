"""Waits for news of a folder by IDLE, in a thread of its own, so that a mail is seen within seconds."""

from __future__ import annotations

import threading
import time
from typing import Final

import structlog
from imapclient import IMAPClient  # type: ignore[import-untyped]

from core.errors import KeptError, Unreachable
from inbox.imap_account import Account

log = structlog.get_logger()
# Servers and routers end what is silent for long; RFC 2177 wants IDLE said again before 29 minutes are over.
SAY_AGAIN_SECONDS: Final = 540.0
LOOK_SECONDS: Final = 5.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
_NEWS: Final = (b"EXISTS", b"RECENT")


class Idling:
    """Listens to one folder from `start` to `stop`. `news` is set when something came, and when a connection was made anew,
    as nobody listened before that."""

    def __init__(self, account: Account, folder: str) -> None:
        self.news = threading.Event()
        self._account = account
        self._folder = folder
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it listens already, or the server has no IDLE."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"idle {self._folder}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends within seconds; nobody waits for it."""
        self._stopped.set()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.is_set():
            begun = time.monotonic()
            try:
                if not self._listen():
                    return
            except KeptError as error:
                log.info("inbox.idle_ended", reason=error.message)
            # One that lasted was well; one that ends at once must not be asked for again and again.
            pause = FIRST_PAUSE if time.monotonic() - begun > SAY_AGAIN_SECONDS else min(pause * 2, LONGEST_PAUSE)
            self._stopped.wait(pause)

    def _listen(self) -> bool:
        """Until it is stopped; False where the server has no IDLE. Raises Unreachable when the connection ends."""
        with self._account.folder(self._folder) as (client, _):
            if not client.has_capability("IDLE"):
                return False
            while not self._stopped.is_set():
                client.idle()
                self.news.set()  # whatever came before this moment told nobody
                self._hear(client)
                client.idle_done()
        return True

    def _hear(self, client: IMAPClient) -> None:
        until = time.monotonic() + SAY_AGAIN_SECONDS
        while not self._stopped.is_set() and (left := until - time.monotonic()) > 0:
            asked = time.monotonic()
            patience = min(LOOK_SECONDS, left)
            said = client.idle_check(timeout=patience)
            if any(len(one) > 1 and one[1] in _NEWS for one in said):
                self.news.set()
            if not said and time.monotonic() - asked < patience / 2:
                raise Unreachable("The server ended the connection.")  # the library hands on nothing for an end
