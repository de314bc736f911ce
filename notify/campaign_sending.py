"""Hands the mails of a campaign over: claims, sends and records, so that a crash leaves at most one row uncertain.

To a mail server one row at a time is claimed, and what became of it is committed before the next leaves. A file is its own
proof, since a repeat writes the same file: there a whole batch is claimed, written, and recorded once it is on the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import KeptError, Unreachable
from notify.campaign_rows import Claimed, Outcome, People
from notify.campaign_tables import CampaignPersonRow, CampaignRow, CampaignState, PersonState
from notify.campaigns import Campaigns
from notify.mail_headers import domain_of
from notify.mail_rates import DomainRates
from notify.transport import Envelope, HandoverUncertain, MailRefused, MailSession, PutOff, Transport

FILES_AT_ONCE: Final = 500
REFUSED_IN_A_ROW: Final = 50
PUT_OFF_IN_A_ROW: Final = 20
LIVE: Final = (CampaignState.RUNNING, CampaignState.COMPLETED)
SYSTEM: Final = "system"
# What was not sent between two slices may be made up for.
CATCH_UP_SECONDS: Final = 2.0


class Held(Protocol):
    """The lease under which campaigns are worked on."""

    def renew(self) -> None:
        """Raises Conflict when another process has taken over."""

    def require(self, session: Session) -> None:
        """Fence a write: inside its transaction, refuse to go on under a lease that was lost."""


class Pace:
    """Spreads mails over the minute. `per_minute` None: no limit. One for all campaigns of a process."""

    def __init__(self, per_minute: int | None) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    def wait(self) -> float:
        """Seconds until the next mail may leave."""
        return max(0.0, self._next - time.monotonic())

    def spend(self) -> None:
        """One mail leaves now."""
        self._next = max(self._next, time.monotonic() - CATCH_UP_SECONDS) + self._gap


@dataclass(kw_only=True)
class Refusals:
    """What the server refused, and how many it put off, one after the other, without one that it took in between."""

    rows: list[int] = field(default_factory=list)
    last: str = ""
    put_off: int = 0


MakeEnvelope = Callable[[Claimed], Envelope]
OnProgress = Callable[[], None]
# The indexes of those who declined this mail.
FindDeclined = Callable[[Session, Sequence[Claimed]], set[int]]
DECLINED: Final = "They declined mail that nobody has to get."


@dataclass(kw_only=True)
class Sender:
    """Sends one campaign's mails until `until` (monotonic), or until nobody is due."""

    database: Database
    clock: Clock
    campaigns: Campaigns
    transport: Transport
    held: Held
    campaign_id: str
    people: People
    pace: Pace
    refusals: Refusals
    make_envelope: MakeEnvelope
    on_progress: OnProgress
    find_declined: FindDeclined
    rates: DomainRates | None = None
    handed_over: int = 0

    def send(self, until: float) -> None:
        """Raises Unreachable and HandoverUncertain, with everything recorded, when the server is in trouble."""
        done: list[Outcome] = []
        with self.transport.session() as out:
            while True:
                wait = self.pace.wait()
                if wait or time.monotonic() >= until:
                    self._turn(done, 0)
                    done = []
                    if time.monotonic() + wait >= until:
                        return
                    time.sleep(wait)
                claimed = self._turn(done, FILES_AT_ONCE if self.transport.repeatable else 1)
                if not claimed:
                    return
                done, trouble = self._hand_over(out, claimed)
                if trouble is not None:
                    self._turn(done, 0)
                    raise trouble

    def _turn(self, done: Sequence[Outcome], limit: int) -> list[Claimed]:
        """Record what became of the last ones and claim the next, in one transaction."""
        if not done and not limit:
            return []
        self.held.renew()
        with self.database.begin() as session:
            self.held.require(session)
            now = self.clock.now()
            self.people.record(session, done, now=now)
            claimed: list[Claimed] = []
            if not self._stopped_by_refusals(session) and limit and self._is_live(session):
                claim_as = PersonState.WRITING if self.transport.repeatable else PersonState.SENDING
                claimed = self._claim(session, claim_as, limit, now)
        self.handed_over += sum(one.state is not PersonState.WAITING for one in done)
        if done:
            self.on_progress()
        return claimed

    def _claim(self, session: Session, claim_as: PersonState, limit: int, now: datetime) -> list[Claimed]:
        """The next who are to be told; whoever declined such mail is settled on the way, and the next ones looked at."""
        while claimed := self.people.claim(session, claim_as, limit=limit, now=now):
            declined = self.find_declined(session, claimed)
            out = [Outcome(row=claimed[index], state=PersonState.DROPPED, reason=DECLINED) for index in declined]
            self.people.record(session, out, now=now)
            if left := [one for index, one in enumerate(claimed) if index not in declined]:
                return left
        return []

    def _is_live(self, session: Session) -> bool:
        state = session.scalar(sa.select(CampaignRow.state).where(CampaignRow.id == self.campaign_id))
        return state in LIVE

    def _hand_over(self, out: MailSession, claimed: Sequence[Claimed]) -> tuple[list[Outcome], KeptError | None]:
        outcomes: list[Outcome] = []
        trouble: KeptError | None = None
        for one in claimed:
            if (until := self._find_place(one)) is not None:
                outcomes.append(Outcome(row=one, state=PersonState.WAITING, until=until))
                continue
            self.pace.spend()
            try:
                out.send(self.make_envelope(one))
            except MailRefused as error:
                outcomes.append(Outcome(row=one, state=PersonState.BOUNCED, reason=error.message))
            except PutOff as error:
                self.refusals.put_off += 1
                if self.refusals.put_off > PUT_OFF_IN_A_ROW:  # it is the server's trouble, not this mailbox's
                    trouble = Unreachable(error.message, remedy="It is tried again by itself.")
                    break
                outcomes.append(Outcome(row=one, state=PersonState.WAITING, reason=error.message, put_off=True))
            except HandoverUncertain as error:
                outcomes.append(Outcome(row=one, state=PersonState.UNCERTAIN, reason=error.message))
                trouble = error
            except Unreachable as error:
                trouble = error
            else:
                outcomes.append(Outcome(row=one, state=PersonState.TOLD))
            if trouble is not None:
                break
            self._count_refusal(outcomes[-1])
        try:
            out.flush()
        except Unreachable as error:
            trouble, outcomes = error, []
        outcomes += [Outcome(row=one, state=PersonState.WAITING) for one in claimed[len(outcomes) :]]
        return outcomes, trouble

    def _find_place(self, one: Claimed) -> datetime | None:
        """When their domain may get another mail; None: now."""
        if self.rates is None:
            return None
        name = f"{self.campaign_id}:{one.id}"
        return self.rates.place(domain_of(one.email.reveal()), name, now=self.clock.now())

    def _count_refusal(self, outcome: Outcome) -> None:
        if outcome.state is PersonState.BOUNCED:
            self.refusals.rows.append(outcome.row.id)
            self.refusals.last = outcome.reason
        elif outcome.state is PersonState.TOLD:
            self.refusals.rows.clear()
            self.refusals.put_off = 0

    def _stopped_by_refusals(self, session: Session) -> bool:
        """A server that refuses everyone is misconfigured: those it refused are told later, once a person has looked."""
        if len(self.refusals.rows) < REFUSED_IN_A_ROW:
            return False
        row = session.get_one(CampaignRow, self.campaign_id)
        refused, self.refusals.rows = self.refusals.rows, []
        if row.tolerant or row.state != CampaignState.RUNNING:
            return False
        session.execute(sa.delete(CampaignPersonRow).where(CampaignPersonRow.id.in_(refused)))
        row.state, row.place, row.passed_at = CampaignState.PAUSED.value, None, None
        row.problem = (
            f"{self.refusals.last} So it went with {len(refused)} people in a row; they are asked for again. "
            "Look at the mail server, then resume: the next time as many refusals are taken for what they say."
        )
        self.campaigns.note(session, "campaign.paused", row, SYSTEM, {"refused": len(refused)})
        return True
