"""What a report says of a mail that the outbox sent: it bounced, it is late, or it arrived after all."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import Clock
from core.personal import Personal
from notify.lost_mails import Lost, OnLost, nobody_asks, tell_if_lost
from notify.tables import MailState, MailTryRow, SentMailRow


class Action(StrEnum):
    """What became of a mail for one recipient (RFC 3464). DELAYED is no end; a relay that passed it on, or a list that
    spread it, says nothing of the last mile."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Taken(StrEnum):
    """What a report changed. UNKNOWN: no mail of ours is meant."""

    UNKNOWN = "unknown"
    UNCHANGED = "unchanged"
    BOUNCED = "bounced"
    DELAYED = "delayed"
    ARRIVED = "arrived"


_MAY_BOUNCE: Final = frozenset({MailState.SENT, MailState.UNCERTAIN, MailState.WAITING, MailState.SENDING})
_MAY_ARRIVE: Final = frozenset({MailState.UNCERTAIN, MailState.WAITING})


class BouncedMails:
    """Finds the mail that a report is about, and settles it. `key` is the one that the addresses of `sent_mails` are hashed
    with; `on_lost`: who hears of a mail that belongs to a ticket."""

    def __init__(self, clock: Clock, *, key: bytes, on_lost: OnLost = nobody_asks) -> None:
        self._clock = clock
        self._key = key
        self._on_lost = on_lost

    def find(self, session: Session, message_id: str, recipient: Personal | None) -> SentMailRow | None:
        """By its Message-ID; where that did not come back, the latest that this address was sent."""
        if message_id:
            return session.scalar(sa.select(SentMailRow).where(SentMailRow.message_id == message_id))
        if recipient is None:
            return None
        wanted = sa.select(SentMailRow).where(SentMailRow.to_hash == keyed_digest(self._key, recipient.reveal()))
        wanted = wanted.where(SentMailRow.state.in_([one.value for one in (*_MAY_BOUNCE, MailState.BOUNCED)]))
        return session.scalar(wanted.order_by(SentMailRow.at.desc()).limit(1))

    def take(self, session: Session, row: SentMailRow, action: Action, status: str) -> Taken:
        """Change its state by what a report says."""
        state = MailState(row.state)
        if action is Action.FAILED and state in _MAY_BOUNCE:
            self._settle(session, row, MailState.BOUNCED, f"It came back{_code(status)}.", status)
            tell_if_lost(session, row, Lost.BOUNCED, self._on_lost)
            return Taken.BOUNCED
        if action is Action.DELIVERED and state in _MAY_ARRIVE:
            self._settle(session, row, MailState.SENT, "A report says that it arrived.", status)
            return Taken.ARRIVED
        if action is Action.DELAYED and state in _MAY_BOUNCE and row.delayed_at is None:
            row.delayed_at, row.status = self._clock.now(), status
            self._note(session, row, f"It is late{_code(status)}; the other server goes on trying.")
            tell_if_lost(session, row, Lost.LATE, self._on_lost)
            return Taken.DELAYED
        return Taken.UNCHANGED

    def _settle(self, session: Session, row: SentMailRow, state: MailState, why: str, status: str) -> None:
        row.state, row.at, row.why, row.status, row.next_at = state.value, self._clock.now(), why, status, None
        self._note(session, row, why)

    def _note(self, session: Session, row: SentMailRow, why: str) -> None:
        heard = MailTryRow(mail_id=row.id, at=self._clock.now(), state=row.state, trouble=why)
        session.add(heard)


def _code(status: str) -> str:
    return f" ({status})" if status else ""
