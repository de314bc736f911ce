"""How long letters and originals are needed: until the last request that they opened or answered is closed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dsr.tables import TicketRow
from inbox.letter_tables import LetterRow, LetterTicketRow
from inbox.letter_values import LetterState
from inbox.tables import OriginalRow

_DECIDED: Final = [LetterState.ACCEPTED.value, LetterState.JOINED.value, LetterState.REPLIED.value]


def note_closed(session: Session, now: datetime, limit: int) -> int:
    """Write the day down where no request of a letter is open any more, and take it off where one is again."""
    open_ones = sa.func.count(TicketRow.id).filter(TicketRow.closed_at.is_(None))
    by_letter = (
        sa.select(LetterRow.id, LetterRow.message_id, sa.func.max(TicketRow.closed_at), LetterRow.request_closed_at)
        .join(LetterTicketRow, LetterTicketRow.letter_id == LetterRow.id)
        .outerjoin(TicketRow, TicketRow.ref == LetterTicketRow.ref)
        .where(LetterRow.state.in_(_DECIDED))
        .group_by(LetterRow.id, LetterRow.message_id, LetterRow.request_closed_at)
    )
    over = by_letter.where(LetterRow.request_closed_at.is_(None)).having(open_ones == 0).limit(limit)
    again = by_letter.where(LetterRow.request_closed_at.is_not(None)).having(open_ones > 0).limit(limit)
    changed = 0
    for rows, is_over in ((session.execute(over).all(), True), (session.execute(again).all(), False)):
        for letter_id, message_id, closed_at, _ in rows:
            # Of a request that is forgotten already, the day is not known any more: it counts from now.
            set_closed(session, letter_id, message_id, (closed_at or now) if is_over else None)
            changed += 1
    return changed


def set_closed(session: Session, letter_id: str, message_id: str, at: datetime | None) -> None:
    """The day from which the clause of originals counts, on a letter and its original."""
    _set(session, letter_id, message_id, {"request_closed_at": at})


def set_aside(session: Session, letter_id: str, message_id: str, at: datetime | None) -> None:
    """The day on which it was found to be no request; None: it is one after all."""
    _set(session, letter_id, message_id, {"set_aside_at": at})


def _set(session: Session, letter_id: str, message_id: str, values: dict[str, datetime | None]) -> None:
    session.execute(sa.update(LetterRow).where(LetterRow.id == letter_id).values(**values))
    session.execute(sa.update(OriginalRow).where(OriginalRow.message_id == message_id).values(**values))
