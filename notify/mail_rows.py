"""The rows of mails as they change: claimed before the handover, settled after it, with a line for every try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import Clock
from core.database import Database
from core.outbox import Event
from notify.lost_mails import Lost, OnLost, nobody_asks, tell_if_lost
from notify.mail_natures import keeps_text
from notify.tables import MailState, MailTextRow, MailTryRow, SentMailRow
from notify.transport import Envelope

_LOST: Final = {MailState.REFUSED: Lost.REFUSED, MailState.GIVEN_UP: Lost.GIVEN_UP}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of a mail before a try. `unsure`: how often it may have arrived without a word of it."""

    state: MailState
    attempts: int
    unsure: int


def new_row(mail_id: str, payload: Mapping[str, Any], *, queued_at: datetime) -> SentMailRow:
    """The row of a mail that nobody has tried yet."""
    return SentMailRow(
        id=mail_id,
        event=payload["event"],
        to_hash="",
        at=queued_at,
        message_id="",
        state=MailState.QUEUED.value,
        queued_at=queued_at,
        language=str(payload.get("language", ""))[:10],
        ref=payload.get("reply_ref"),
    )


class MailRows:
    """Reads and changes them, one transaction each. `key` hashes addresses; `on_lost`: who hears of a mail that never left."""

    def __init__(self, database: Database, clock: Clock, key: bytes, on_lost: OnLost = nobody_asks) -> None:
        self._database = database
        self._clock = clock
        self._key = key
        self._on_lost = on_lost

    def read(self, mail_id: str) -> Standing:
        """Where a mail stands; of one without a row, as if it had just been queued."""
        unsure = sa.select(sa.func.count()).select_from(MailTryRow)
        unsure = unsure.where(MailTryRow.mail_id == mail_id, MailTryRow.state == MailState.UNCERTAIN.value)
        with self._database.read() as session:
            row = session.get(SentMailRow, mail_id)
            if row is None:
                return Standing(state=MailState.QUEUED, attempts=0, unsure=0)
            count = session.execute(unsure).scalar_one()
            return Standing(state=MailState(row.state), attempts=row.attempts, unsure=count)

    def read_last(self, mail_id: str) -> tuple[str, MailTextRow] | None:
        """The Message-ID and the words of the last time, for as long as they are kept."""
        with self._database.read() as session:
            row, kept = session.get(SentMailRow, mail_id), session.get(MailTextRow, mail_id)
            return (row.message_id, kept) if row and kept else None

    def claim(self, event: Event, envelope: Envelope, purpose: str) -> None:
        """Write down what is about to leave, and its words where they may be kept."""
        now = self._clock.now()
        with self._database.begin() as session:
            row = self._row(session, event)
            row.state, row.at, row.attempts, row.next_at = MailState.SENDING.value, now, row.attempts + 1, None
            row.to_hash = keyed_digest(self._key, envelope.to.reveal())
            row.message_id, row.purpose = envelope.message_id, purpose
            if keeps_text(row.event):
                text = MailTextRow(mail_id=row.id, at=now, recipient=envelope.to, content=envelope.content)
                session.merge(text)

    def settle(
        self, event: Event, state: MailState, *, why: str = "", next_at: datetime | None = None, tried: MailState
    ) -> None:
        """Where a mail stands after a try, and what the try itself came to."""
        with self._database.begin() as session:
            row, now = self._row(session, event), self._clock.now()
            row.state, row.at, row.why, row.next_at = state.value, now, why, next_at
            session.add(_try(row.id, now, tried, why))
            if state in _LOST:
                tell_if_lost(session, row, _LOST[state], self._on_lost)

    def note_try(self, event: Event, tried: MailState, why: str) -> None:
        """What a try came to that leaves the mail as it is."""
        with self._database.begin() as session:
            session.add(_try(event.id, self._clock.now(), tried, why))

    def pace(self, event: Event, *, until: datetime, why: str) -> None:
        """It waits for its place in the line: no try, and nothing went wrong."""
        with self._database.begin() as session:
            row = self._row(session, event)
            row.state, row.why, row.next_at = MailState.WAITING.value, why, until

    def _row(self, session: Session, event: Event) -> SentMailRow:
        row = session.get(SentMailRow, event.id)
        if row is None:
            row = new_row(event.id, event.payload, queued_at=event.created_at)
            row.attempts = 0
            session.add(row)
        return row


def _try(mail_id: str, at: datetime, state: MailState, trouble: str) -> MailTryRow:
    return MailTryRow(mail_id=mail_id, at=at, state=state.value, trouble=trouble)
