"""The outbox as operators see it: every mail with its state, its tries and its text, and the three things a person may do with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.outbox import OutboxRow
from core.personal import Personal
from ledger.log import Ledger
from notify.mail_natures import Nature, keeps_text, nature_of, repeats_by_itself
from notify.tables import MailState, MailTextRow, MailTryRow, SentMailRow

MOST_AT_ONCE: Final = 200
BY_HAND: Final = "Given up by hand."
ARRIVED: Final = "Found to have arrived, by hand."
# A person may have it tried again, or at once; and may end what else would go on, or stay open.
RETRYABLE: Final = frozenset(
    {MailState.WAITING, MailState.UNCERTAIN, MailState.REFUSED, MailState.BOUNCED, MailState.GIVEN_UP}
)
ENDABLE: Final = frozenset({MailState.QUEUED, MailState.WAITING, MailState.UNCERTAIN})
_KINDS: Final = {
    MailState.WAITING: "mail.retried",
    MailState.GIVEN_UP: "mail.given_up",
    MailState.SENT: "mail.arrived",
}
_SHOWN_HEADERS: Final = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Content-Language",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OutgoingLine:
    """One mail in the list. `at`: since when it is in its state. `next_at`: when it is tried again. `why`: what the server or
    Kept said, without the address. `to`: None once nothing holds the address any more. `ref`: its ticket or thread."""

    id: str
    event: str
    nature: Nature
    state: MailState
    at: datetime
    queued_at: datetime
    next_at: datetime | None
    attempts: int
    why: str
    status: str
    delayed_at: datetime | None
    to: Personal | None
    ref: str | None
    language: str

    @property
    def can_retry(self) -> bool:
        return self.state in RETRYABLE and self.to is not None

    @property
    def can_give_up(self) -> bool:
        return self.state in ENDABLE

    @property
    def can_arrive(self) -> bool:
        return self.state is MailState.UNCERTAIN


@dataclass(frozen=True, kw_only=True)
class MailTry:
    """One try, or what was heard or decided later. `state`: what the mail was in after it; `by`: a person, else empty."""

    at: datetime
    state: MailState
    trouble: str
    by: str


@dataclass(frozen=True, kw_only=True)
class OutgoingView:
    """One mail whole. `text` and `headers` as they were handed over, the HTML as source; None and empty where they are not
    kept, and `no_text` says why. `repeats`: after a crash it is sent again by itself, as an answer with a deadline is."""

    line: OutgoingLine
    purpose: str
    message_id: str
    repeats: bool
    headers: tuple[tuple[str, str], ...]
    subject: str | None
    text: str | None
    html: str | None
    no_text: str
    tries: tuple[MailTry, ...]


class OutboxDesk:
    """Lists and shows mails, has one tried again, gives one up, takes one as arrived."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger

    def list_mails(
        self, *, state: str | None = None, event: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[OutgoingLine]:
        """The newest first. `before`: the id of the last one of the page before. Raises BadInput for another state."""
        if state is not None and state not in set(MailState):
            raise BadInput(f"'{state}' is no state of a mail.", remedy=f"There are: {', '.join(MailState)}.")
        with self._database.read() as session:
            wanted = sa.select(SentMailRow).order_by(SentMailRow.at.desc(), SentMailRow.id.desc())
            wanted = wanted.where(SentMailRow.state == state) if state else wanted
            wanted = wanted.where(SentMailRow.event == event) if event else wanted
            if before and (last := session.get(SentMailRow, before)) is not None:
                same = sa.and_(SentMailRow.at == last.at, SentMailRow.id < last.id)
                wanted = wanted.where(sa.or_(SentMailRow.at < last.at, same))
            rows = session.execute(wanted.limit(min(limit, MOST_AT_ONCE))).scalars().all()
            addresses = _find_addresses(session, [row.id for row in rows])
            faults = _find_faults(session, [row.id for row in rows])
            return [_line(row, addresses.get(row.id), faults.get(row.id, "")) for row in rows]

    def counts(self) -> Mapping[MailState, int]:
        """How many mails are in each state; every state is there."""
        wanted = sa.select(SentMailRow.state, sa.func.count()).group_by(SentMailRow.state)
        with self._database.read() as session:
            found = {row[0]: int(row[1]) for row in session.execute(wanted)}
        return {state: found.get(state.value, 0) for state in MailState}

    def events(self) -> list[str]:
        """The events that mails of the list are about."""
        with self._database.read() as session:
            return sorted(session.execute(sa.select(SentMailRow.event).distinct()).scalars())

    def mail(self, mail_id: str) -> OutgoingView:
        """One mail. Raises NotFound."""
        with self._database.read() as session:
            row = _find(session, mail_id)
            kept = session.get(MailTextRow, mail_id)
            tries = session.execute(
                sa.select(MailTryRow).where(MailTryRow.mail_id == mail_id).order_by(MailTryRow.id)
            ).scalars()
            message = message_from_bytes(kept.content, policy=policy.default) if kept else None
            return OutgoingView(
                line=_line(
                    row,
                    _find_addresses(session, [mail_id]).get(mail_id),
                    _find_faults(session, [mail_id]).get(mail_id, ""),
                ),
                purpose=row.purpose,
                message_id=row.message_id,
                repeats=repeats_by_itself(row.event),
                headers=_headers(message),
                subject=str(message["Subject"] or "") if message else None,
                text=_part(message, "plain"),
                html=_part(message, "html"),
                no_text="" if message else _say_why_not(row),
                tries=tuple(
                    MailTry(at=one.at, state=MailState(one.state), trouble=one.trouble, by=one.by) for one in tries
                ),
            )

    def retry(self, mail_id: str, *, by: str) -> None:
        """Have a mail tried again at once. Raises Conflict for one that left, and for one that nothing is kept of."""
        now = self._clock.now()
        with self._database.begin() as session:
            row = _find(session, mail_id, lock=True)
            state = MailState(row.state)
            event = session.get(OutboxRow, mail_id)
            again = event is not None and event.done_at is not None
            if state not in RETRYABLE or event is None or (again and session.get(MailTextRow, mail_id) is None):
                raise Conflict(
                    f"This mail is {say_state(state)}, so it is not tried again.", remedy="Look at the outbox again."
                )
            if again:  # its words are what was handed over the last time
                event.payload, event.done_at = {"event": row.event, "again": True}, None
            event.due_at, event.created_at = now, now  # its patience begins anew
            self._settle(session, row, MailState.WAITING, why="Tried again by hand.", by=by, next_at=now)

    def give_up(self, mail_id: str, *, by: str) -> None:
        """End a mail that has not left, or of which nobody knows. Raises Conflict for another."""
        with self._database.begin() as session:
            row = _find(session, mail_id, lock=True)
            state = MailState(row.state)
            if state not in ENDABLE:
                raise Conflict(f"This mail is {say_state(state)}.", remedy="Look at the outbox again.")
            if (event := session.get(OutboxRow, mail_id)) is not None:
                event.payload, event.done_at = {}, self._clock.now()
            self._settle(session, row, MailState.GIVEN_UP, why=BY_HAND, by=by, next_at=None)

    def arrived(self, mail_id: str, *, by: str) -> None:
        """Somebody found out that an uncertain mail arrived: it counts as sent. Raises Conflict for another."""
        with self._database.begin() as session:
            row = _find(session, mail_id, lock=True)
            state = MailState(row.state)
            if state is not MailState.UNCERTAIN:
                raise Conflict(
                    f"This mail is {say_state(state)}, so nobody has to say whether it arrived.",
                    remedy="Look at the outbox again.",
                )
            if (event := session.get(OutboxRow, mail_id)) is not None:
                event.payload, event.done_at = {}, event.done_at or self._clock.now()
            self._settle(session, row, MailState.SENT, why=ARRIVED, by=by, next_at=None)

    def _settle(
        self, session: Session, row: SentMailRow, state: MailState, *, why: str, by: str, next_at: datetime | None
    ) -> None:
        now, was = self._clock.now(), row.state
        row.state, row.at, row.why, row.next_at = state.value, now, why, next_at
        session.add(MailTryRow(mail_id=row.id, at=now, state=state.value, trouble=why, by=by))
        private = {"mail": row.event, "was": was, "is": state.value}
        self._ledger.record(session, kind=_KINDS[state], actor=by, refs=[row.id], private=private)


def say_state(state: MailState) -> str:
    """A state as a sentence has it."""
    return state.value.replace("_", " ")


def _find(session: Session, mail_id: str, *, lock: bool = False) -> SentMailRow:
    wanted = sa.select(SentMailRow).where(SentMailRow.id == mail_id)
    row = session.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()
    if row is None:
        raise NotFound("There is no such mail.", remedy="It may have been deleted: look at the outbox again.")
    return row


def _find_addresses(session: Session, ids: Sequence[str]) -> dict[str, Personal]:
    """Whom these mails are to, as far as what is to go out, or what was, is still there."""
    waiting = session.execute(sa.select(OutboxRow.id, OutboxRow.payload).where(OutboxRow.id.in_(ids)))
    found = {row.id: Personal(str(row.payload["to"])) for row in waiting if row.payload.get("to")}
    kept = session.execute(sa.select(MailTextRow.mail_id, MailTextRow.recipient).where(MailTextRow.mail_id.in_(ids)))
    return {row.mail_id: row.recipient for row in kept} | found


def _find_faults(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """What is wrong with those that could not even be written, a template that fails: they stand in the queue meanwhile."""
    wanted = sa.select(OutboxRow.id, OutboxRow.trouble).join(SentMailRow, SentMailRow.id == OutboxRow.id)
    wanted = wanted.where(OutboxRow.id.in_(ids), OutboxRow.trouble != "", SentMailRow.state == MailState.QUEUED.value)
    return {row.id: f"It could not be written: {row.trouble}" for row in session.execute(wanted)}


def _line(row: SentMailRow, to: Personal | None, fault: str) -> OutgoingLine:
    return OutgoingLine(
        id=row.id,
        event=row.event,
        nature=nature_of(row.event),
        state=MailState(row.state),
        at=row.at,
        queued_at=row.queued_at or row.at,
        next_at=row.next_at,
        attempts=row.attempts,
        why=row.why or fault,
        status=row.status,
        delayed_at=row.delayed_at,
        to=to,
        ref=row.ref,
        language=row.language,
    )


def _headers(message: EmailMessage | None) -> tuple[tuple[str, str], ...]:
    if message is None:
        return ()
    return tuple((name, str(message[name])) for name in _SHOWN_HEADERS if message[name])


def _part(message: EmailMessage | None, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,)) if message else None
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else None


def _say_why_not(row: SentMailRow) -> str:
    if not keeps_text(row.event):
        return "It lets somebody in, so its text is never kept."
    if row.state in (MailState.QUEUED, MailState.DECLINED):
        return "It was never handed over."
    return "Its text was kept for as long as it may be, and is gone."
