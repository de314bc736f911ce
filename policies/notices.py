"""What is to be told of a new version: to whom by which channel, until when; and the contract of whoever tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy.orm import Session

from core.clock import require_utc
from policies.clauses import Channels, NoticeChannel, NoticeClause
from policies.documents import Document
from policies.materiality import Weight
from policies.periods import Period

_POSTED: Final = Channels(ways=(NoticeChannel.POST,))
_SOME_DAY: Final = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The notice of one version. `previous`: the version in force when it was published; `channels`: what the notice
    clause of that version promises for such a change; `deadline`: the last instant to tell people so that the planned day
    holds, None where no day is planned or no `ahead` is promised; `actor`: who published. `reasons`: why people hear of
    it, sentences in English; `ahead`: how long before it takes effect."""

    number: int
    previous: int
    channels: Channels
    deadline: datetime | None
    actor: str
    weight: Weight = Weight.MATERIAL
    reasons: tuple[str, ...] = ()
    ahead: Period | None = None


class Telling(Protocol):
    """Whoever tells people of a version (campaigns). Each method runs in the caller's transaction."""

    def begin(self, session: Session, notice: Notice) -> None:
        """Plan to tell people. Called once for a version, in the transaction that publishes it."""

    def completed_at(self, session: Session, number: int) -> datetime | None:
        """When everyone who had to be told was told: each row handed over, bounced or uncertain. None: not yet.

        For channels that need no row per person (banner, post) it is the instant of `begin`."""

    def withdraw(self, session: Session, number: int, *, actor: str) -> None:
        """Stop telling, and tell those already told that the version will not come."""


@dataclass(frozen=True, kw_only=True)
class NoticeTerms:
    """What a version promised for a change of one weight. `channels` None: nothing to tell; `ahead` None: no waiting."""

    channels: Channels | None = None
    ahead: Period | None = None

    def takes_effect_at(self, planned_for: datetime, told_at: datetime) -> datetime:
        """At the planned instant if everyone was told by then less `ahead`, else `ahead` after the last was told."""
        if self.channels is None:
            return planned_for
        told = require_utc(told_at)
        return max(planned_for, self.ahead.after_instant(told) if self.ahead else told)

    def tell_by(self, planned_for: datetime) -> datetime | None:
        """The last instant to have told everyone so that the planned one holds; None where none is waited for."""
        if self.channels is None or self.ahead is None:
            return None
        last = self.ahead.before(planned_for)
        # Where the day had to be clamped to a month's end, `before` is the first instant that is too late.
        return last if self.ahead.after_instant(last) <= planned_for else last - timedelta(microseconds=1)


def notice_terms(promised: Document, weight: Weight) -> NoticeTerms:
    """What the notice clauses of the version in force promise for a change of this weight.

    Several clauses all hold: every way that any of them names, the longest `ahead`. Without a clause a material change
    is posted, and nothing waits for it.
    """
    clauses = promised.of_kind(NoticeClause)
    if weight is Weight.MATERIAL:
        ahead = [clause.ahead for clause in clauses if clause.ahead]
        longest = max(ahead, key=lambda period: period.after_instant(_SOME_DAY), default=None)
        return NoticeTerms(channels=_all_of([clause.material for clause in clauses]) or _POSTED, ahead=longest)
    if weight is Weight.MINOR:
        return NoticeTerms(channels=_all_of([clause.minor for clause in clauses if clause.minor]))
    return NoticeTerms()


def _all_of(promised: list[Channels]) -> Channels | None:
    if len(promised) < 2:
        return promised[0] if promised else None
    return Channels(ways=tuple(dict.fromkeys(way for one in promised for way in one.ways)))
