"""What a person and we write to each other about a request: on the person's page and the ticket, never in a mail.

Whoever has the page open may write at any time, whatever the state. What is written is read by a person and stops no work:
while a deletion runs it goes on, and a closed request stays closed; to take a request back there is a button of its own.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import Json
from core.catalogue import mark
from core.errors import BadInput, Conflict, TooMuch
from dsr.attachments import Attachment, Attachments, FileView, OpenedFile, list_files
from dsr.desk import PERSON, Desk, find_ticket
from dsr.person_page import PersonPages
from dsr.states import ENDS, State
from dsr.tables import MessageRow, TicketRow

IN, REPLY = "in", "reply"
# Whose words a message of theirs is, where it came by mail: named as the proven contact, or as somebody else.
BY_MAIL, BY_OTHER = "mail", "other mail"
MAIL: Final = "message_from_us"
LONGEST_MESSAGE: Final = 10_000
# A button pressed twice, or a page sent again, is one message.
SAME_WITHIN: Final = timedelta(minutes=10)
WORKING: Final = frozenset({State.APPROVED, State.RUNNING, State.PARTLY_DONE})
PersonHook = Callable[[Session, TicketRow], object]


@dataclass(frozen=True, kw_only=True)
class MessageView:
    """A note (`note`), a mail of ours (`out`; `body` is then the mail's name), or what the person (`in`) and we (`reply`)
    wrote on the page. `during`: the state it was written in. `waits`: nobody has answered it yet."""

    id: str
    at: datetime
    direction: str
    author: str
    body: str
    during: State | None
    waits: bool
    files: tuple[FileView, ...]


@dataclass(frozen=True, kw_only=True)
class PersonTalk:
    """What stands on the person's page, the earliest first: never a note. `is_working`, `is_closed`: what a message changes."""

    messages: tuple[MessageView, ...]
    is_working: bool
    is_closed: bool

    @property
    def for_them(self) -> MessageView | None:
        """The last message, where it is ours: something there waits for the person."""
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last.direction == REPLY else None


class Messages:
    """Messages both ways. `on_person_message` is called, in the same transaction, for each that a person wrote."""

    def __init__(self, desk: Desk, pages: PersonPages, *, on_person_message: Sequence[PersonHook] = ()) -> None:
        self._desk = desk
        self._pages = pages
        self._files = Attachments(desk)
        self._on_person_message = tuple(on_person_message)

    # -- the person

    def read_as_person(self, ref: str, grant: str) -> PersonTalk:
        """The messages of the page. Raises NotFound without a grant for it."""
        with self._desk.database.read() as session:
            ticket = self._pages.require_grant(session, ref, grant)
            told = [one for one in read_messages(session, ticket) if _is_theirs_to_see(one)]
            state = State(ticket.state)
            return PersonTalk(messages=tuple(told), is_working=state in WORKING, is_closed=state in ENDS)

    def write_as_person(self, ref: str, grant: str, *, words: str, files: Sequence[Attachment] = ()) -> None:
        """Take a message of the person. Raises NotFound without a grant, BadInput with what to put right, TooMuch."""
        desk, now = self._desk, self._desk.clock.now()
        said = _check_words(words, files)
        with desk.database.begin() as session:
            ticket = self._pages.require_grant(session, ref, grant, lock=True)
            if self._is_repeat(session, ticket, said, files, now):
                return
            if not desk.counters.take(session, "message", ticket.ref, desk.limits.message_per_ticket, now):
                raise TooMuch(
                    mark("Many messages came in a short time."), remedy=mark("Wait an hour, then send the rest in one.")
                )
            self._write(session, ticket, direction=IN, by=PERSON, words=said, files=files)
            for hook in self._on_person_message:
                hook(session, ticket)

    def open_as_person(self, ref: str, grant: str, file_id: str) -> OpenedFile:
        """A file of the conversation, as a download. Raises NotFound."""
        with self._desk.database.read() as session:
            return self._files.open(session, self._pages.require_grant(session, ref, grant), file_id)

    # -- the operators

    def reply(self, ref: str, *, by: str, words: str, files: Sequence[Attachment] = ()) -> None:
        """Write to the person: it stands on their page, and a mail says that something does. Raises BadInput, Conflict."""
        with self._desk.database.begin() as session:
            self.say(session, find_ticket(session, ref, lock=True), by=by, words=words, files=files)

    def say(
        self, session: Session, ticket: TicketRow, *, by: str, words: str, files: Sequence[Attachment] = ()
    ) -> MessageRow:
        """`reply` in the caller's transaction. What the person wrote before counts as answered by it."""
        said = _check_words(words, files)
        if not can_be_written_to(ticket):
            raise Conflict(
                f"Nobody can be written to about request {ticket.ref}.",
                remedy="Its address is not proven, or was forgotten: its page opens for nobody.",
            )
        row = self._write(session, ticket, direction=REPLY, by=by, words=said, files=files)
        _settle(session, ticket, self._desk.clock.now())
        self._desk.mail(session, ticket, MAIL, link=self._desk.page_link(ticket), has_files=bool(files))
        return row

    def settle(self, ref: str, *, by: str) -> None:
        """Write down that what the person wrote needs no answer. Raises Conflict where nothing waits."""
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            number = _settle(session, ticket, self._desk.clock.now())
            if not number:
                raise Conflict(f"No message of request {ticket.ref} waits.", remedy="Nothing is left to do.")
            self._desk.note_event(session, ticket, "message_settled", by=by)
            self._desk.record(session, ticket, "request.message_settled", by=by, private={"messages": number})

    def open_as_operator(self, ref: str, file_id: str) -> OpenedFile:
        """A file of the conversation, as a download. Raises NotFound."""
        with self._desk.database.read() as session:
            return self._files.open(session, find_ticket(session, ref), file_id)

    def throw_away_files(self, ref: str, *, by: str, why: str) -> int:
        """Delete every file of a request by its key, with the reason; gives how many. Raises BadInput, Conflict."""
        if not why.strip():
            raise BadInput("Nothing was deleted.", remedy="Say why the files go.")
        with self._desk.database.begin() as session:
            ticket = find_ticket(session, ref, lock=True)
            number = self._files.throw_away(session, ticket)
            if not number:
                raise Conflict(f"Request {ticket.ref} holds no file.", remedy="Nothing is left to delete.")
            self._desk.note_event(session, ticket, "files_gone", by=by, why=why.strip())
            private: dict[str, Json] = {"files": number, "why_mark": self._desk.mark(why)}
            self._desk.record(session, ticket, "request.files_gone", by=by, private=private)
            return number

    def waiting(self) -> dict[str, int]:
        """By reference, how many messages of people nobody has answered; those of tests left out."""
        wanted = (
            sa.select(TicketRow.ref, sa.func.count())
            .join(MessageRow, MessageRow.ticket_id == TicketRow.id)
            .where(MessageRow.direction == IN, MessageRow.settled_at.is_(None), TicketRow.is_test.is_(False))
            .group_by(TicketRow.ref)
            .order_by(sa.func.min(MessageRow.at))
        )
        with self._desk.database.read() as session:
            return {row[0]: int(row[1]) for row in session.execute(wanted)}

    def _write(
        self,
        session: Session,
        ticket: TicketRow,
        *,
        direction: str,
        by: str,
        words: str,
        files: Sequence[Attachment],
    ) -> MessageRow:
        desk = self._desk
        row = desk.write(session, ticket, direction=direction, author=by, body=words)
        session.flush()
        self._files.add(session, ticket, row, files)
        desk.note_event(session, ticket, "person_wrote" if direction == IN else "we_wrote", by=by)
        marks = [desk.mark(_digest(one)) for one in files]
        desk.record(
            session,
            ticket,
            "request.message",
            by=by,
            private={"direction": direction, "words_mark": desk.mark(words), "file_marks": marks},
        )
        return row

    def _is_repeat(
        self, session: Session, ticket: TicketRow, words: str, files: Sequence[Attachment], now: datetime
    ) -> bool:
        last = [one for one in read_messages(session, ticket) if one.direction in (IN, REPLY)][-1:]
        if not last or last[0].direction != IN or last[0].body != words or last[0].at < now - SAME_WITHIN:
            return False
        there = sorted((one.name, one.size) for one in last[0].files)
        return there == sorted((one.name, len(one.content)) for one in files)


def _is_theirs_to_see(one: MessageView) -> bool:
    """Not a note, nor what somebody else wrote about their request: that is an operator's to tell them of."""
    return one.direction == REPLY or (one.direction == IN and one.author != BY_OTHER)


def can_be_written_to(ticket: TicketRow) -> bool:
    """Whether a page stands open for a person: the address is proven, and not forgotten yet."""
    return ticket.identity_at is not None and bool(ticket.contact)


def read_messages(session: Session, ticket: TicketRow) -> tuple[MessageView, ...]:
    """Everything written about a ticket, notes and mails too, in order."""
    wanted = sa.select(MessageRow).where(MessageRow.ticket_id == ticket.id).order_by(MessageRow.at, MessageRow.id)
    files = list_files(session, ticket)
    return tuple(
        MessageView(
            id=row.id,
            at=row.at,
            direction=row.direction,
            author=row.author,
            body=row.body,
            during=State(row.during) if row.during else None,
            waits=row.direction == IN and row.settled_at is None,
            files=files.get(row.id, ()),
        )
        for row in session.execute(wanted).scalars()
    )


def _settle(session: Session, ticket: TicketRow, now: datetime) -> int:
    waits = sa.update(MessageRow).where(
        MessageRow.ticket_id == ticket.id, MessageRow.direction == IN, MessageRow.settled_at.is_(None)
    )
    return len(session.execute(waits.values(settled_at=now).returning(MessageRow.id)).all())


def _check_words(words: str, files: Sequence[Attachment]) -> str:
    said = words.replace("\x00", "").replace("\r\n", "\n").strip()
    if not said and not files:
        raise BadInput(mark("There is nothing to send."), remedy=mark("Write something, or attach a file."))
    if len(said) > LONGEST_MESSAGE:
        raise BadInput(
            mark("A message has at most 10,000 characters."), remedy=mark("Send it in two, or attach it as a file.")
        )
    return said


def _digest(one: Attachment) -> str:
    return hashlib.sha256(one.content).hexdigest()
