"""Rounds of mails: everything that is due goes over connections that stay open until the round ends, several at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final

import sqlalchemy as sa
import structlog

from core.clock import Clock
from core.database import Database
from core.errors import Conflict
from core.outbox import Dispatcher, OutboxRow
from notify.mail import MAIL, Mailer
from notify.tables import MailState, SentMailRow

log = structlog.get_logger()
LEASE: Final = "mail"
# So many mails are worth a further connection.
MAILS_EACH: Final = 25
MOST_IN_A_ROUND: Final = 500


class MailRounds:
    """What the scheduler runs each second. `connections`: how many are open at once. `hold` takes a lease by name for a block
    and raises Conflict while another process has it: whatever is claimed when a round begins was claimed by one that died."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        mailer: Mailer,
        *,
        connections: int,
        hold: Callable[[str], AbstractContextManager[object]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._mailer = mailer
        self._connections = connections
        self._hold = hold
        self._outbox = Dispatcher(database, clock, {MAIL: mailer.deliver})

    def run(self) -> int:
        """One round; gives how many mails were settled. None begins while a server that was not reached is left alone."""
        now = self._clock.now()
        if (rests := self._mailer.rests_until) is not None and now < rests:
            return 0
        if not self._count(sa.or_(OutboxRow.due_at <= now, _left_behind(now))):
            return 0
        try:
            with self._hold(LEASE):
                self._take_back(now)
                return self._send(self._count(OutboxRow.due_at <= now))
        except Conflict as conflict:
            log.info("mail.left_to_another", reason=conflict.message)
            return 0

    def _send(self, waiting: int) -> int:
        lines = min(self._connections, -(-waiting // MAILS_EACH))
        with self._mailer.round():
            if lines <= 1:
                return self._outbox.dispatch(limit=MOST_IN_A_ROUND)
            with ThreadPoolExecutor(lines, thread_name_prefix="mail") as threads:
                rounds = [threads.submit(self._outbox.dispatch, limit=MOST_IN_A_ROUND // lines) for _ in range(lines)]
                return sum(one.result() for one in rounds)

    def _count(self, which: sa.ColumnElement[bool]) -> int:
        wanted = sa.select(sa.func.count()).select_from(OutboxRow).where(*_OPEN, which)
        with self._database.read() as session:
            return session.execute(wanted).scalar_one()

    def _take_back(self, now: datetime) -> None:
        """What a process that died had claimed is due at once; its state says what that means."""
        with self._database.begin() as session:
            back = sa.update(OutboxRow).where(*_OPEN, _left_behind(now)).values(due_at=now)
            session.execute(back, execution_options={"synchronize_session": False})


_OPEN: Final = (OutboxRow.kind == MAIL, OutboxRow.done_at.is_(None))


def _left_behind(now: datetime) -> sa.ColumnElement[bool]:
    """Claimed, and not settled. What a fault of the code left in the queue comes again by itself, more and more slowly."""

    def is_in(*which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return OutboxRow.id.in_(sa.select(SentMailRow.id).where(*which))

    left = sa.or_(
        is_in(SentMailRow.state == MailState.SENDING.value),
        sa.and_(OutboxRow.trouble == "", is_in(SentMailRow.state == MailState.QUEUED.value)),
        is_in(SentMailRow.state == MailState.WAITING.value, SentMailRow.next_at <= now),
    )
    return sa.and_(OutboxRow.due_at > now, OutboxRow.attempts > 0, left)
