"""Reads messages that were taken: each becomes a letter, with everything that follows from it, in one transaction.

A process that is killed on the way leaves the message unread, and the next round does it whole: no letter, message of a
request or acknowledgement comes twice. Reports about mails of ours are handed on before, by an act that can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from core.clock import day_in
from core.errors import BadInput
from core.ids import new_id
from core.personal import Personal
from dsr.by_mail import ByMail, find_open, first_due
from dsr.desk import SYSTEM, Desk
from dsr.limits import Limit
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from inbox.acknowledging import Acknowledging
from inbox.bounces import Bounce, read_bounce
from inbox.findings import Flag, Kind, Triage
from inbox.keeping import note_closed
from inbox.letter_tables import LetterRow, LetterTicketRow
from inbox.letter_values import LetterState
from inbox.message import Message
from inbox.ours import Ours
from inbox.parsing import parse
from inbox.proposals import write_found
from inbox.repeats import find_hint, find_repeat
from inbox.tables import InboxMessageRow, OriginalRow
from inbox.threads import THREAD, Thread, find_thread
from inbox.triage import triage
from policies.clauses import Right
from policies.cutoffs import ClauseHistory

log = structlog.get_logger()
BOUNCE, LOOP, AUTO_REPLY, GENERATED = "bounce", "loop", "auto-reply", "generated"
# What never is a person's word about a request, even in its thread.
_NOTED: Final = frozenset({BOUNCE, LOOP, AUTO_REPLY, "list"})
# More mails than these about one request in an hour stay in the queue.
REPLIES: Final = Limit(most=30, window=timedelta(hours=1))
NOTES: Final = Limit(most=1, window=timedelta(days=1))
# A fault of our reading, not of the machine: the message is put into the queue unread, and the round goes on.
FAULTS: Final = (
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    BadInput,
    DataError,
)
NOTHING: Final = Triage(
    kind=Kind.REQUEST, rights=(), regime=None, language="und", identifiers=(), deadline=None,
    flags=frozenset({Flag.UNREAD}), why=(),
)  # fmt: skip


class TakeBounce(Protocol):
    """Takes what a server says of a mail of ours; True where it was one that we know. Saying it again changes nothing."""

    def __call__(self, *, original_message_id: str, recipient: str, action: str, status: str) -> bool: ...


def take_no_bounce(*, original_message_id: str, recipient: str, action: str, status: str) -> bool:
    """Where nobody keeps what became of our mails."""
    return False


@dataclass(frozen=True, kw_only=True)
class Read:
    """A message as far as it can be read without the database. `matched`: of a bounce, how many of our mails it is about;
    `trouble`: what kept it from being read whole, in a sentence."""

    message: Message
    proposal: Triage
    received_at: datetime
    matched: int = 0
    trouble: str = ""


class Reading:
    """Reads what was taken. `take_bounce`: who keeps what became of our mails."""

    def __init__(self, desk: Desk, ours: Ours, *, take_bounce: TakeBounce = take_no_bounce) -> None:
        self._desk = desk
        self._ours = ours
        self._take_bounce = take_bounce
        self._by_mail = ByMail(desk)
        self._acknowledging = Acknowledging(desk, ours)

    def read_new(self, limit: int = 100) -> int:
        """Read up to `limit` messages, the oldest first; gives how many."""
        unread = sa.select(InboxMessageRow.id).where(InboxMessageRow.read_at.is_(None))
        with self._desk.database.read() as session:
            names = session.execute(unread.order_by(InboxMessageRow.fetched_at, InboxMessageRow.id).limit(limit))
            wanted = list(names.scalars())
            history = self._desk.policies.history(session) if wanted else ()
        return sum(self._read(name, history) for name in wanted)

    def note_closed(self, limit: int = 1_000) -> int:
        """Write down, on letters and originals, when the last of their requests was closed; gives how many changed."""
        with self._desk.database.begin() as session:
            return note_closed(session, self._desk.clock.now(), limit)

    def _read(self, message_id: str, history: ClauseHistory) -> int:
        wanted = (
            sa.select(InboxMessageRow, OriginalRow.raw)
            .outerjoin(OriginalRow, OriginalRow.message_id == InboxMessageRow.id)
            .where(InboxMessageRow.id == message_id, InboxMessageRow.read_at.is_(None))
        )
        with self._desk.database.read() as session:
            found = session.execute(wanted).one_or_none()
        if found is None:
            return 0
        row, raw = found
        try:
            return self._keep(row, self._understand(row, raw or b""), history)
        except FAULTS as fault:
            name = type(fault).__name__
            log.error("letter.unread", message=message_id, fault=name)
            trouble = f"It could not be read ({name}). Look at the original."
            return self._keep(row, replace(_unread(row), trouble=trouble), history)

    def _understand(self, row: InboxMessageRow, raw: bytes) -> Read:
        now = self._desk.clock.now()
        message = parse(raw, our_hosts=self._ours.hosts, now=now)
        if message.auto == LOOP and not self._ours.sent(message):
            message = replace(message, auto=GENERATED)  # of another installation, which may pass a request on
        received = min(message.received_at or row.arrived_at, now)
        proposal, trouble = triage(replace(message, received_at=received)), ""
        if row.too_large:
            trouble = (
                f"The mail has {row.size / 1_000_000:,.0f} MB: only its headers were taken. It lies in the mailbox."
            )
            kind = Kind.REQUEST if proposal.kind is Kind.OTHER else proposal.kind
            proposal = replace(proposal, kind=kind, flags=proposal.flags | {Flag.UNREAD})
        matched = 0
        if message.auto == BOUNCE and (bounce := read_bounce(raw)) is not None:
            matched = self._hand_on(bounce)
            # A report answers nothing by its headers; the mail that it is about names its thread.
            message = replace(message, references=(*message.references, bounce.original_id))
        return Read(message=message, proposal=proposal, received_at=received, matched=matched, trouble=trouble)

    def _hand_on(self, bounce: Bounce) -> int:
        return sum(
            self._take_bounce(
                original_message_id=bounce.original_id,
                recipient=one.recipient,
                action=one.action,
                status=one.status,
            )
            for one in bounce.deliveries
        )

    def _keep(self, row: InboxMessageRow, read: Read, history: ClauseHistory) -> int:
        """The one transaction of a message. `history`: the versions that were in force when the round began."""
        now = self._desk.clock.now()
        with self._desk.database.begin() as session:
            unread = sa.update(InboxMessageRow).where(InboxMessageRow.id == row.id, InboxMessageRow.read_at.is_(None))
            mine = session.execute(unread.values(read_at=now).returning(InboxMessageRow.id)).first()
            if mine is None:
                return 0  # another process has read it
            thread = find_thread(session, read.message, self._ours, received_at=read.received_at)
            letter = self._make(row, read, thread, history, now)
            letter.same_as = find_repeat(session, letter)
            self._settle(session, letter, read, thread, history)
            session.add(letter)
            refs = [letter.id, letter.message_id]
            private = {"state": letter.state, "kind": letter.kind, "rights": list(letter.rights), "auto": letter.auto}
            self._desk.ledger.record(session, kind="letter.read", actor=SYSTEM, refs=refs, private=private)
            return 1

    def _make(
        self, row: InboxMessageRow, read: Read, thread: Thread | None, history: ClauseHistory, now: datetime
    ) -> LetterRow:
        """The letter, in no session yet: it is written once, with all that is found of it."""
        message, proposal = read.message, read.proposal
        return LetterRow(
            id=new_id("ltr"),
            message_id=row.id,
            thread_id=(thread.id if thread else "") or new_id(THREAD.rstrip("_")),
            header_id=message.message_id[:260],
            received_at=read.received_at,
            read_at=now,
            state=LetterState.WAITING.value,
            auto=message.auto,
            kind=proposal.kind.value,
            rights=[right.value for right in proposal.rights],
            regime=proposal.regime,
            language=proposal.language,
            flags=sorted(flag.value for flag in proposal.flags),
            found=write_found(proposal),
            sender=Personal(_fit(message.sender, 320)),
            sender_name=Personal(_fit(message.sender_name, 1000)),
            subject=Personal(_fit(message.subject, 1000)),
            text_mark=self._desk.mark(" ".join(message.text.split())) if message.text.strip() else "",
            trouble=read.trouble,
            due_on=_supposed(read, history),
        )

    def _settle(
        self, session: Session, letter: LetterRow, read: Read, thread: Thread | None, history: ClauseHistory
    ) -> None:
        """Where the letter goes: to its request, aside, or into the queue with an acknowledgement."""
        ticket = find_open(session, thread.refs) if thread and thread.refs else None
        is_open = ticket is not None and State(ticket.state) not in ENDS
        asks_more = _asks_more(session, read, thread)
        if _goes_aside(read, is_open=is_open, asks_more=asks_more):
            self._set_aside(session, letter, read, ticket)
            return
        letter.hint_ref = ticket.ref if ticket is not None else find_hint(session, letter)
        if ticket is not None and is_open and thread is not None and self._may_reply(session, ticket):
            self._reply(session, letter, read, ticket, is_sure=thread.is_sure)
            if not asks_more:
                letter.state = LetterState.REPLIED.value
                return
        self._acknowledging.acknowledge(session, letter, history[-1].document if history else None)

    def _may_reply(self, session: Session, ticket: TicketRow) -> bool:
        now = self._desk.clock.now()
        return self._desk.counters.take(session, "letter.replies", ticket.ref, REPLIES, now)

    def _reply(self, session: Session, letter: LetterRow, read: Read, ticket: TicketRow, *, is_sure: bool) -> None:
        words = read.message.text or read.message.quoted or letter.subject.reveal()
        row = self._by_mail.add(
            session,
            ticket,
            words=words,
            sender=letter.sender.reveal(),
            at=read.received_at,
            by=SYSTEM,
            is_sure=is_sure,
        )
        letter.ticket_message_id = row.id
        _attach(session, letter, ticket.ref, opened=False)

    def _set_aside(self, session: Session, letter: LetterRow, read: Read, ticket: TicketRow | None) -> None:
        """A program wrote it, and nobody has to read it; on the request that it is about it shows, once a day."""
        now = self._desk.clock.now()
        letter.state, letter.set_aside_at = LetterState.AUTOMATIC.value, now
        if letter.auto == BOUNCE and not read.matched:
            letter.trouble = "It is about no mail that is known here."
        original = sa.update(OriginalRow).where(OriginalRow.message_id == letter.message_id)
        session.execute(original.values(set_aside_at=now))
        if ticket is None or State(ticket.state) in ENDS:
            return
        _attach(session, letter, ticket.ref, opened=False)
        if letter.auto == AUTO_REPLY and self._desk.counters.take(session, "letter.notes", ticket.ref, NOTES, now):
            zone = self._desk.document(session, ticket).controller.timezone
            self._desk.note_event(session, ticket, "auto_reply", by=SYSTEM, day=day_in(read.received_at, zone))


def _supposed(read: Read, history: ClauseHistory) -> date | None:
    """The first day that something in it would be due; of what names no right, as if it asked for a copy."""
    proposal, kind = read.proposal, read.proposal.kind
    if kind in (Kind.OTHER, Kind.BOUNCE) or read.message.auto in (BOUNCE, LOOP, AUTO_REPLY) or not history:
        return None
    then = [one for one in history if one.in_force_at <= read.received_at] or history
    supposed = Right.COMPLAINT if kind is Kind.COMPLAINT else Right.ACCESS
    return first_due(then[-1].document, read.received_at, proposal.regime, proposal.rights or (supposed,))


def _goes_aside(read: Read, *, is_open: bool, asks_more: bool) -> bool:
    """Only what a program wrote: mails of ours that came back, reports, answering machines, lists without a word of a request.
    A service that asks for people is a program too: where anything asks, a person reads it."""
    auto, kind = read.message.auto, read.proposal.kind
    if auto in (LOOP, BOUNCE):
        return True
    if auto == AUTO_REPLY:
        return not asks_more if is_open else not read.proposal.rights
    return auto in _NOTED | {GENERATED} and kind is Kind.OTHER


def _asks_more(session: Session, read: Read, thread: Thread | None) -> bool:
    """Whether a mail asks for a right that none of its thread's requests is about."""
    if not read.proposal.rights or thread is None or not thread.refs:
        return bool(read.proposal.rights)
    asked = session.execute(sa.select(TicketRow.right).where(TicketRow.ref.in_(thread.refs))).scalars()
    return not {right.value for right in read.proposal.rights} <= set(asked)


def _attach(session: Session, letter: LetterRow, ref: str, *, opened: bool) -> None:
    session.add(letter)
    session.flush()
    row = LetterTicketRow(id=new_id("ltt"), letter_id=letter.id, ref=ref, at=letter.read_at, opened=opened)
    session.add(row)
    session.flush()


def _unread(row: InboxMessageRow) -> Read:
    message = Message(
        subject="", text="", quoted="", sender="", sender_name="", reply_to="", to=(), date=None, received_at=None,
        message_id=f"<{row.digest[:40]}@derived.invalid>", references=(), headers={}, attachments=(), auto="",
        charset_guessed=False, problems=(),
    )  # fmt: skip
    return Read(message=message, proposal=NOTHING, received_at=row.arrived_at)


def _fit(text: str, longest: int) -> str:
    return text.replace("\x00", "")[:longest]
