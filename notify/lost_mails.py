"""Who hears of a mail that did not arrive: the ticket that it was written for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from notify.tables import SentMailRow


class Lost(StrEnum):
    """Why a mail did not arrive. BOUNCED: it came back. REFUSED: it was never taken. GIVEN_UP: it was put off for too long.
    LATE: it is on its way still."""

    BOUNCED = "bounced"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    LATE = "late"


@dataclass(frozen=True, kw_only=True)
class LostMail:
    """One of them. `ref`: the ticket or thread that it belongs to; `status`: the code of a report, or ''."""

    mail_id: str
    event: str
    ref: str
    how: Lost
    status: str


OnLost = Callable[[Session, LostMail], None]


def nobody_asks(_session: Session, _mail: LostMail) -> None:
    """Where no tickets are wired."""


def tell_if_lost(session: Session, row: SentMailRow, how: Lost, on_lost: OnLost) -> None:
    """In the transaction that changed the row; a mail of no thread is nobody's but the outbox's."""
    if row.ref:
        on_lost(session, LostMail(mail_id=row.id, event=row.event, ref=row.ref, how=how, status=row.status))
