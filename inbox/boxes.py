"""All mailboxes of an installation: read when they are due or have news, with a heartbeat that says how it went."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from core.clock import Clock
from core.database import Database
from core.errors import ConfigurationError
from core.heartbeats import HeartbeatRow, beat
from core.settings_inbox import InboxSettings
from inbox.idling import Idling
from inbox.imap import ImapFolder
from inbox.imap_account import Account
from inbox.mailbox import Mailbox, OnProgress, Round
from inbox.maildir import MaildirFolder
from inbox.oauth import AccessTokens
from inbox.positions import Positions
from inbox.taking import Taking

log = structlog.get_logger()
HEARTBEAT: Final = "inbox"
FIRST_PAUSE: Final = timedelta(seconds=5)
BEAT_SECONDS: Final = 60.0


@dataclass(kw_only=True)
class _Standing:
    """How it stands with one mailbox: when it is due, how often it failed in a row, what is wrong with it."""

    mailbox: Mailbox
    idling: Idling | None = None
    due_at: datetime | None = None
    failures: int = 0
    trouble: str = ""

    def wants_a_look(self, now: datetime) -> bool:
        if self.due_at is None or now >= self.due_at:
            return True
        return self.mailbox.has_news() or (self.idling is not None and self.idling.news.is_set())


class Boxes:
    """The mailboxes of `kept.yaml`. `key`: 32 bytes, for what providers give to be kept."""

    def __init__(
        self, settings: InboxSettings, taking: Taking, database: Database, clock: Clock, *, key: bytes
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._beaten = time.monotonic()
        self._lock = threading.Lock()
        self._forgotten = False
        positions = Positions(database, clock)
        self._standing = [
            _Standing(mailbox=MaildirFolder(path, taking=taking, positions=positions, since=settings.since))
            for path in settings.maildirs
        ]
        if settings.imap is not None:
            tokens = None
            if settings.imap.oauth is not None:
                name = f"{settings.imap.user}@{settings.imap.host}"
                tokens = AccessTokens(settings.imap.oauth, account=name, database=database, clock=clock, key=key)
            account = Account(settings.imap, tokens)
            self._standing += [
                _Standing(
                    mailbox=ImapFolder(
                        account, folder, taking=taking, positions=positions, clock=clock, since=settings.since
                    ),
                    idling=Idling(account, folder),
                )
                for folder in settings.imap.folders
            ]

    @property
    def any(self) -> bool:
        """Is there a mailbox to read?"""
        return bool(self._standing)

    def checks(self) -> Sequence[tuple[str, Callable[[], None]]]:
        """For each mailbox its name, and what raises a KeptError unless it can be read."""
        return [(one.mailbox.source, one.mailbox.check) for one in self._standing]

    def poll(self, *, on_progress: Callable[[str, int, int], None] | None = None) -> tuple[Round, ...]:
        """Read every mailbox now. `on_progress`: its name, mails seen to, mails to see to. Trouble stands in the rounds;
        raises ConfigurationError where no mailbox is configured."""
        if not self._standing:
            raise ConfigurationError(
                "No mailbox is configured.", remedy="Write mail.imap, or inbox.maildir, in kept.yaml."
            )
        return self._read(self._standing, on_progress or _nobody)

    def tick(self) -> None:
        """What the scheduler does every second: read what is due or has news. What fails waits longer each time."""
        if not self._standing:
            self._forget_heartbeat()
            return
        for one in self._standing:
            if one.idling is not None:
                one.idling.start()
        now = self._clock.now()
        due = [one for one in self._standing if one.wants_a_look(now)]
        if due:
            self._read(due, _nobody)

    def close(self) -> None:
        """Listen no longer."""
        for one in self._standing:
            if one.idling is not None:
                one.idling.stop()

    def _read(self, due: Sequence[_Standing], on_progress: Callable[[str, int, int], None]) -> tuple[Round, ...]:
        with self._lock:
            rounds = tuple(self._read_one(one, on_progress) for one in due)
            self._beat(" ".join(one.trouble for one in self._standing if one.trouble))
        return rounds

    def _read_one(self, standing: _Standing, on_progress: Callable[[str, int, int], None]) -> Round:
        if standing.idling is not None:
            standing.idling.news.clear()  # before it is read: what comes meanwhile is news again
        source = standing.mailbox.source
        done = standing.mailbox.read(self._telling(source, on_progress))
        standing.trouble = done.trouble
        standing.failures = standing.failures + 1 if done.trouble else 0
        standing.due_at = self._clock.now() + self._pause(standing.failures)
        if done.trouble:
            log.error(
                "inbox.trouble", failures=standing.failures, kind=type(done.error).__name__ if done.error else "stuck"
            )
        return done

    def _telling(self, source: str, on_progress: Callable[[str, int, int], None]) -> OnProgress:
        def tell(done: int, expected: int) -> None:
            on_progress(source, done, expected)
            # A mailbox with very many mails takes longer than silence is borne.
            if time.monotonic() - self._beaten > BEAT_SECONDS:
                self._beat("")

        return tell

    def _pause(self, failures: int) -> timedelta:
        if not failures:
            return self._settings.poll
        return min(FIRST_PAUSE * (1 << min(failures - 1, 10)), self._settings.poll)

    def _beat(self, trouble: str) -> None:
        self._beaten = time.monotonic()
        with self._database.begin() as session:
            beat(session, HEARTBEAT, self._clock.now(), trouble=trouble)

    def _forget_heartbeat(self) -> None:
        """Where the mailbox was taken out of `kept.yaml` its silence is no news."""
        if not self._forgotten:
            with self._database.begin() as session:
                row = session.get(HeartbeatRow, HEARTBEAT)
                if row is not None:
                    session.delete(row)
            self._forgotten = True


def _nobody(_source: str, _done: int, _expected: int) -> None:
    """Nobody wants to know."""
