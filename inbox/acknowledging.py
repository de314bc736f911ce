"""The mail that says that a letter came in: one a thread and a day, one a sender and a day, and none to machines."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core.clock import day_in
from core.languages import LANGUAGES, SOURCE
from core.words import long_day
from dsr.desk import Desk
from dsr.limits import Limit
from dsr.typed import check_email
from inbox.findings import Kind
from inbox.letter_tables import LetterRow
from inbox.letter_values import LetterState
from inbox.ours import Ours
from policies.documents import Document

EVENT: Final = "mail_received"
ONCE_A_DAY: Final = Limit(most=1, window=timedelta(days=1))
# A mailbox that was in use for years may be read for the first time: nobody hears now that a mail of then came in.
NO_NEWS: Final = timedelta(days=7)
_ASKS: Final = frozenset({Kind.REQUEST.value, Kind.REMINDER.value, Kind.COMPLAINT.value})


class Acknowledging:
    """Decides and queues, in the transaction of the letter. It says nothing of whether anybody is known here."""

    def __init__(self, desk: Desk, ours: Ours) -> None:
        self._desk = desk
        self._ours = ours

    def acknowledge(self, session: Session, letter: LetterRow, policy: Document | None) -> bool:
        """Queue the mail for a letter that waits for an operator; False where none goes out. `policy`: the one in force."""
        if self.why_none(letter):
            return False
        desk, now, to = self._desk, self._desk.clock.now(), letter.sender.reveal()
        if policy is None or self._ours.is_same(to, policy.controller.email):
            return False
        if not desk.counters.take(session, "letter.thread", letter.thread_id, ONCE_A_DAY, now):
            return False
        if not desk.counters.take(session, "letter.sender", to.lower(), ONCE_A_DAY, now):
            return False
        language = letter.language if letter.language in LANGUAGES else SOURCE
        controller = policy.controller
        there = letter.received_at.astimezone(ZoneInfo(controller.timezone))
        choice = f"?lang={language}" if language in desk.languages and len(desk.languages) > 1 else ""
        letter.mail_id = desk.queue_mail(
            session,
            event=EVENT,
            to=to,
            variables={
                "controller": {"name": controller.name, "email": controller.email},
                "received": long_day(day_in(letter.received_at, controller.timezone), language),
                "at": f"{there:%H:%M} {_offset(there)}",
                "policy_link": f"{desk.base_url}/privacy{choice}",
            },
            now=now,
            language=language,
            reply_ref=letter.thread_id,
            in_reply_to=[letter.header_id] if not letter.header_id.endswith("@derived.invalid>") else [],
        )
        letter.acknowledged_at = now
        return True

    def why_none(self, letter: LetterRow) -> str:
        """Why no mail goes out for a letter, as far as the letter itself says; '' where one may."""
        if letter.auto:
            return "A program wrote it: no automatic answer goes there."
        if letter.state == LetterState.REPLIED.value:
            return "It is an answer in a request that is being worked on."
        if letter.received_at < letter.read_at - NO_NEWS:
            return "It came in more than a week before it was read: such a mail would be no news."
        if letter.kind not in _ASKS:
            return "It seems to ask for nothing."
        sender = letter.sender.reveal()
        if not sender or check_email(sender, {}) == "":
            return "It names no sender that a mail can go to."
        if not self._ours.can_be_answered(sender):
            return "Nobody reads what is sent to this address."
        return ""


def _offset(there: datetime) -> str:
    """`UTC+2`, `UTC+5:30`: a zone that every language reads."""
    minutes = int((there.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
