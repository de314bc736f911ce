"""Mails that nothing settles by itself: those that need a person, and those of them that are an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notify.outbox_desk import BY_HAND
from notify.tables import MailState, SentMailRow

# For as long as a text is kept and can be sent again; after that the mails stand in the list as they did.
RECENT: Final = timedelta(days=30)
NEED_SOMEBODY: Final = (MailState.UNCERTAIN, MailState.REFUSED, MailState.BOUNCED, MailState.GIVEN_UP)


@dataclass(frozen=True, kw_only=True)
class StuckMails:
    """How many, and since when the oldest of them."""

    given_up: int
    uncertain: int
    since: datetime


def read_stuck(session: Session, now: datetime) -> StuckMails | None:
    """None while there is none that nobody has seen to."""
    row = SentMailRow
    states = (MailState.GIVEN_UP.value, MailState.UNCERTAIN.value)
    wanted = (
        sa.select(row.state, sa.func.count(), sa.func.min(row.at))
        .where(row.state.in_(states), row.why != BY_HAND, row.at > now - RECENT)
        .group_by(row.state)
    )
    found = {state: (number, since) for state, number, since in session.execute(wanted)}
    if not found:
        return None
    given_up, uncertain = (found.get(state, (0, now))[0] for state in states)
    return StuckMails(given_up=given_up, uncertain=uncertain, since=min(since for _, since in found.values()))


def count_stuck(session: Session, now: datetime) -> Mapping[MailState, int]:
    """How many mails of the last 30 days are uncertain, refused, came back, or were given up by no person."""
    row = SentMailRow
    wanted = (
        sa.select(row.state, sa.func.count())
        .where(row.state.in_(NEED_SOMEBODY), row.at > now - RECENT, row.why != BY_HAND)
        .group_by(row.state)
    )
    found = {MailState(state): number for state, number in session.execute(wanted)}
    return {state: found[state] for state in NEED_SOMEBODY if state in found}
