"""Threads: which exchange a mail belongs to, by signed address, by the ids it answers, by reference, by subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import SPOKEN
from dsr.by_mail import UNSEEN, find_by_mail, is_address_of
from dsr.tables import TicketRow
from inbox.letter_tables import LetterRow, LetterTicketRow
from inbox.message import Message
from inbox.ours import Ours, base_subject

THREAD: Final = "thr_"
# A mail of the same sender under the same subject belongs to the last one for so long.
SAME_SUBJECT: Final = timedelta(days=14)
_MOST: Final = 50
_REF: Final = re.compile(rf"(?<![A-Z0-9])[{SPOKEN}]{{5}}-[{SPOKEN}]{{4}}(?![A-Z0-9])")


class Way(StrEnum):
    """How a thread was found. ADDRESS and ANSWER name what only our mail, or one of the thread, told; REFERENCE and SUBJECT can
    be made up by whoever writes, and so show where a mail belongs without saying that its sender was written to."""

    ADDRESS = "address"
    ANSWER = "answer"
    REFERENCE = "reference"
    SUBJECT = "subject"


@dataclass(frozen=True, kw_only=True)
class Thread:
    """Where a mail belongs. `id` '': its thread has no letter yet. `refs`: the requests of the thread."""

    id: str
    refs: tuple[str, ...]
    way: Way

    @property
    def is_sure(self) -> bool:
        return self.way in (Way.ADDRESS, Way.ANSWER)


def find_thread(session: Session, message: Message, ours: Ours, *, received_at: datetime) -> Thread | None:
    """The thread that a mail belongs to, by the surest way that names one; None for a new one."""
    return (
        _by_address(session, message, ours)
        or _by_answer(session, message, ours)
        or _by_reference(session, message)
        or _by_subject(session, message, received_at)
    )


def refs_of(session: Session, thread_id: str) -> tuple[str, ...]:
    """The requests of a thread, in the order they were opened."""
    wanted = (
        sa.select(LetterTicketRow.ref)
        .join(LetterRow, LetterRow.id == LetterTicketRow.letter_id)
        .where(LetterRow.thread_id == thread_id)
        .order_by(LetterTicketRow.at, LetterTicketRow.ref)
    )
    return tuple(dict.fromkeys(session.execute(wanted.limit(_MOST)).scalars()))


def _by_address(session: Session, message: Message, ours: Ours) -> Thread | None:
    for name in ours.named_threads(message.to):
        found = (
            _of_thread(session, name, Way.ADDRESS)
            if name.startswith(THREAD)
            else _of_ticket(session, name, Way.ADDRESS)
        )
        if found is not None:
            return found
    return None


def _by_answer(session: Session, message: Message, ours: Ours) -> Thread | None:
    if not message.references:
        return None
    mail_ids = ours.mail_ids(message.references)
    if ref := find_by_mail(session, mail_ids):
        return _of_ticket(session, ref, Way.ANSWER)
    named = [LetterRow.header_id.in_(list(message.references)[-_MOST:])]
    named += [LetterRow.mail_id.in_(mail_ids[:_MOST])] if mail_ids else []
    return _latest(session, sa.or_(*named), Way.ANSWER)


def _by_reference(session: Session, message: Message) -> Thread | None:
    """A reference in the subject counts for whom the request is of: anybody may have read it over a shoulder."""
    for ref in dict.fromkeys(_REF.findall(message.subject.upper())):
        ticket = session.execute(sa.select(TicketRow).where(TicketRow.ref == ref)).scalar_one_or_none()
        if ticket is None or ticket.state in UNSEEN:
            continue
        if is_address_of(session, ticket, message.sender):
            return _of_ticket(session, ref, Way.REFERENCE)
    return None


def _by_subject(session: Session, message: Message, received_at: datetime) -> Thread | None:
    subject = base_subject(message.subject)
    if not subject or not message.sender or message.auto:
        return None  # a program says the same of every mail, and for everybody
    recent = (
        sa.select(LetterRow.thread_id, LetterRow.subject)
        .where(LetterRow.sender == message.sender, LetterRow.received_at >= received_at - SAME_SUBJECT)
        .order_by(LetterRow.received_at.desc())
    )
    for thread_id, said in session.execute(recent.limit(_MOST)):
        if base_subject(said.reveal()) == subject:
            return Thread(id=thread_id, refs=refs_of(session, thread_id), way=Way.SUBJECT)
    return None


def _of_thread(session: Session, thread_id: str, way: Way) -> Thread | None:
    return _latest(session, LetterRow.thread_id == thread_id, way)


def _of_ticket(session: Session, ref: str, way: Way) -> Thread | None:
    """The thread of a request: that of its letters, or a new one for a request that came another way."""
    name = ref.upper()
    state = session.execute(sa.select(TicketRow.state).where(TicketRow.ref == name)).scalar_one_or_none()
    if state is None or state in UNSEEN:
        return None
    wanted = (
        sa.select(LetterRow.thread_id)
        .join(LetterTicketRow, LetterTicketRow.letter_id == LetterRow.id)
        .where(LetterTicketRow.ref == name)
        .order_by(LetterRow.received_at)
    )
    thread_id = session.execute(wanted.limit(1)).scalar_one_or_none() or ""
    others: Sequence[str] = refs_of(session, thread_id) if thread_id else ()
    return Thread(id=thread_id, refs=tuple(dict.fromkeys((name, *others))), way=way)


def _latest(session: Session, where: sa.ColumnElement[bool], way: Way) -> Thread | None:
    wanted = sa.select(LetterRow.thread_id).where(where).order_by(LetterRow.received_at.desc())
    thread_id = session.execute(wanted.limit(1)).scalar_one_or_none()
    return Thread(id=thread_id, refs=refs_of(session, thread_id), way=way) if thread_id else None
