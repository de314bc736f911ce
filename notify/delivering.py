"""Takes a queued mail through its states: claimed, handed over, settled, each in a transaction of its own.

Before a mail is handed over its row says `sending`; whoever finds that row again knows that a process died in between. What
has a deadline is then sent again, under the same Message-ID; the rest is `uncertain` and waits for a person or a report. Of
those one is handed over at a time, so that a kill leaves one of them at most.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.errors import KeptError, Unreachable
from core.outbox import Event, TryAgain
from core.personal import Personal
from notify.declining import Declining
from notify.mail_headers import domain_of
from notify.mail_natures import Nature, declined_by, nature_of, repeats_by_itself
from notify.mail_pool import Pool
from notify.mail_purposes import find_purpose
from notify.mail_rates import DomainRates
from notify.mail_rows import MailRows
from notify.tables import MailState
from notify.transport import Envelope, HandoverUncertain, MailRefused, PutOff
from policies.documents import Document

log = structlog.get_logger()
FIRST_WAIT: Final = timedelta(minutes=1)
LAST_WAIT: Final = timedelta(hours=4)
# A server that is down is asked again sooner: nothing was wrong with the mail.
LAST_WAIT_FOR_SERVER: Final = timedelta(minutes=15)
FIRST_REST: Final = timedelta(seconds=5)
# A wait is up to a fifth shorter or longer, so that what was put off together does not come back together.
JITTER: Final = 0.2
# How often a mail may have arrived without a word of it before a person has to look.
MOST_UNSURE: Final = 3
DIED: Final = "The process that handed it over died."
DECLINED: Final = "Its recipient declined mail that nobody has to get."
_OPEN: Final = frozenset({MailState.QUEUED, MailState.WAITING, MailState.SENDING})


@dataclass(kw_only=True)
class Deliveries:
    """Who moves mails from state to state. `rates` None: nobody has to be spared. `repeatable`: the same mail again is no
    second one. `sender`: the bare address that bounces come back to."""

    rows: MailRows
    database: Database
    clock: Clock
    pool: Pool
    sender: str
    repeatable: bool
    rates: DomainRates | None
    give_up: timedelta
    make_envelope: Callable[[Event], Envelope]
    declining: Declining | None
    in_force: Callable[[Session], Document | None]
    rests_until: datetime | None = None
    _troubles: int = 0
    _told_once: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def deliver(self, event: Event) -> None:
        """Take one mail as far as it goes now. Returns when nothing is left to do for it; raises TryAgain."""
        name = str(event.payload.get("event", ""))
        with self._one_at_a_time(name):
            if not self._is_open(event, name):
                return
            try:
                purpose = self._permit(event, name)
                envelope = self._write(event)
            except MailRefused as refusal:
                self._refuse(event, name, refusal)
                return
            if self._is_declined(name, envelope.to):
                self.rows.settle(event, MailState.DECLINED, why=DECLINED, tried=MailState.DECLINED)
                return
            self._wait_for_its_place(event, name, envelope)
            self.rows.claim(event, envelope, purpose)
            self._hand_over(event, name, envelope)

    def _one_at_a_time(self, name: str) -> AbstractContextManager[object]:
        return nullcontext() if self.repeatable or repeats_by_itself(name) else self._told_once

    def _is_open(self, event: Event, name: str) -> bool:
        """Is there anything to do? What a process left behind that died is noted, and ends here unless it is repeated."""
        found = self.rows.read(event.id)
        if found.state is not MailState.SENDING or self.repeatable:
            return found.state in _OPEN
        if repeats_by_itself(name) and found.unsure + 1 < MOST_UNSURE:
            self.rows.note_try(event, MailState.UNCERTAIN, DIED)
            return True
        self.rows.settle(event, MailState.UNCERTAIN, why=DIED, tried=MailState.UNCERTAIN)
        log.warning("mail.uncertain", event_id=event.id, mail=name, trouble=DIED)
        return False

    def _permit(self, event: Event, name: str) -> str:
        with self.database.read() as session:
            return find_purpose(name, str(event.payload.get("purpose", "")), self.in_force(session))

    def _write(self, event: Event) -> Envelope:
        """The mail as it goes: made now, or the words of the last time where a person has it sent again."""
        if not event.payload.get("again"):
            return self.make_envelope(event)
        last = self.rows.read_last(event.id)
        if last is None:
            raise MailRefused("Its text is not kept any more, so it cannot be sent again.")
        message_id, kept = last
        return Envelope(message_id=message_id, sender=self.sender, to=kept.recipient, content=kept.content)

    def _is_declined(self, name: str, to: Personal) -> bool:
        if not declined_by(name):
            return False
        if self.declining is None:
            return True
        with self.database.read() as session:
            return bool(self.declining.declined(session, name, [to]))

    def _wait_for_its_place(self, event: Event, name: str, envelope: Envelope) -> None:
        if self.rates is None:
            return
        domain = domain_of(envelope.to.reveal())
        # What somebody waits for in front of a screen goes past the line.
        can_wait = nature_of(name) is not Nature.CODE
        until = self.rates.place(domain, event.id, now=self.clock.now(), can_wait=can_wait)
        if until is not None:
            why = "Its domain gets no more mails this minute."
            self.rows.pace(event, until=until, why=why)
            raise TryAgain(why, at=until)

    def _hand_over(self, event: Event, name: str, envelope: Envelope) -> None:
        try:
            with self.pool.session() as out:
                out.send(envelope)
                out.flush()
        except Unreachable as down:
            self._leave_alone()
            self._put_off(event, name, down, longest=LAST_WAIT_FOR_SERVER, ends_round=True)
            return
        except HandoverUncertain as unsure:
            self._be_unsure(event, name, unsure)
            return
        except MailRefused as refusal:
            self._refuse(event, name, refusal)
        except PutOff as later:
            self._put_off(event, name, later, longest=LAST_WAIT)
        else:
            self.rows.settle(event, MailState.SENT, tried=MailState.SENT)
        self._troubles, self.rests_until = 0, None

    def _leave_alone(self) -> None:
        self._troubles += 1
        wait = min(FIRST_REST * 2 ** min(self._troubles - 1, 20), LAST_WAIT_FOR_SERVER)
        self.rests_until = self.clock.now() + wait

    def _refuse(self, event: Event, name: str, refusal: KeptError) -> None:
        self.rows.settle(event, MailState.REFUSED, why=refusal.message, tried=MailState.REFUSED)
        log.warning("mail.refused", event_id=event.id, mail=name, trouble=refusal.message)

    def _be_unsure(self, event: Event, name: str, unsure: KeptError) -> None:
        log.warning("mail.uncertain", event_id=event.id, mail=name, trouble=unsure.message)
        found = self.rows.read(event.id)
        if not repeats_by_itself(name) or found.unsure + 1 >= MOST_UNSURE:
            self.rows.settle(event, MailState.UNCERTAIN, why=unsure.message, tried=MailState.UNCERTAIN)
            return
        at = self.clock.now() + _wait(found.attempts, LAST_WAIT)
        why = f"{unsure.message} It may have arrived; it is sent again."
        self.rows.settle(event, MailState.WAITING, why=why, next_at=at, tried=MailState.UNCERTAIN)
        raise TryAgain(why, at=at)

    def _put_off(
        self, event: Event, name: str, error: KeptError, *, longest: timedelta, ends_round: bool = False
    ) -> None:
        found = self.rows.read(event.id)
        at = self.clock.now() + _wait(found.attempts, longest)
        if at > event.created_at + self.give_up:
            why = f"{error.message} Given up after {found.attempts} tries."
            self.rows.settle(event, MailState.GIVEN_UP, why=why, tried=MailState.WAITING)
            log.error("mail.given_up", event_id=event.id, mail=name, trouble=error.message, tries=found.attempts)
            return
        self.rows.settle(event, MailState.WAITING, why=error.message, next_at=at, tried=MailState.WAITING)
        log.info("mail.put_off", event_id=event.id, mail=name, trouble=error.message)
        raise TryAgain(error.message, at=at, ends_round=ends_round)


def _wait(attempts: int, longest: timedelta) -> timedelta:
    """Twice as long after each try."""
    doublings: int = min(max(attempts - 1, 0), 20)
    wait: timedelta = min(FIRST_WAIT * (1 << doublings), longest)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret hangs on it
