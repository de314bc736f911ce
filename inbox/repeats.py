"""Letters that say again what came before: found and shown, never merged, and none waits for another."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dsr.by_mail import UNSEEN
from dsr.states import ENDS, State
from dsr.tables import TicketRow
from inbox.findings import Kind
from inbox.letter_tables import LetterRow
from inbox.letter_values import LetterState

_MOST: Final = 50
_OPEN: Final = [state.value for state in State if state not in ENDS and state.value not in UNSEEN]


def find_repeat(session: Session, letter: LetterRow) -> str | None:
    """The first letter of the same sender that says the same: word for word, or for the same rights and not sorted yet."""
    if not letter.sender:
        return None
    same_words = LetterRow.text_mark == letter.text_mark if letter.text_mark else sa.false()
    waits = sa.and_(LetterRow.state == LetterState.WAITING.value, LetterRow.kind == Kind.REQUEST.value)
    wanted = (
        sa.select(LetterRow.id, LetterRow.rights, same_words)
        .where(LetterRow.sender == letter.sender, sa.or_(same_words, waits))
        .order_by(LetterRow.received_at, LetterRow.id)
    )
    for name, rights, is_same in session.execute(wanted.limit(_MOST)):
        if is_same or (letter.rights and set(rights) == set(letter.rights)):
            return str(name)
    return None


def find_hint(session: Session, letter: LetterRow) -> str | None:
    """The open request of the sender's address that a letter may be about: one for the same right, or for a reminder or a
    complaint the one that is due first."""
    if not letter.sender or letter.kind in (Kind.OTHER.value, Kind.BOUNCE.value):
        return None
    asks_again = letter.kind in (Kind.REMINDER.value, Kind.COMPLAINT.value)
    if not asks_again and not letter.rights:
        return None
    wanted = sa.select(TicketRow.ref).where(
        sa.func.lower(TicketRow.contact) == letter.sender.reveal().lower(),
        TicketRow.state.in_(_OPEN),
        *([] if asks_again else [TicketRow.right.in_(letter.rights)]),
    )
    return session.execute(wanted.order_by(TicketRow.due_on, TicketRow.ref).limit(1)).scalar_one_or_none()
