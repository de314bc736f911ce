"""Owners of clauses are told before one turns red: that nobody vouches for it yet, or that what was vouched for soon ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.settings_owners import OwnerSettings
from core.words import full_day
from notify.mail import queue_mail
from policies.clause_words import describe_clause
from policies.clauses import Clause
from policies.documents import Document
from policies.versions import Policies, Version, VersionState
from promises.attestation_tables import OwnerReminderRow
from promises.attestations import Attestations
from promises.vouching import REMIND_DAYS, VOUCHED, Vouched, last_day, may_be_vouched, promise_of

EVENT = "attestation_due"


@dataclass(frozen=True, kw_only=True)
class Reminder:
    """One thing to tell an owner, once: `about` and `days` as in the table."""

    clause: str
    owner: str | None
    about: str
    days: int
    title: str
    says: str


class OwnerReminders:
    """Finds what owners have to hear, and queues one mail to each address. `fallback`: who hears it where a clause has no
    owner, or nobody has said who that is; nobody at all: it is told once somebody is named."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policies: Policies,
        attestations: Attestations,
        *,
        owners: OwnerSettings,
        fallback: Sequence[str],
        link: Callable[[str], str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._attestations = attestations
        self._owners = owners
        self._fallback = tuple(fallback)
        self._link = link

    def tick(self) -> int:
        """Tell what is to be told now; gives how many mails were queued. A standing job."""
        now = self._clock.now()
        with self._database.begin() as session:
            version = self._policies.in_force(session)
            if version is None:
                return 0
            by_address: dict[str, list[Reminder]] = {}
            for one in self._find(session, now):
                addresses = self._owners.addresses(one.owner) or self._fallback
                if addresses and session.get(OwnerReminderRow, (one.clause, one.about, one.days)) is None:
                    session.add(OwnerReminderRow(clause=one.clause, about=one.about, days=one.days, at=now))
                    for address in addresses:
                        by_address.setdefault(address, []).append(one)
            for address, told in by_address.items():
                variables = self._variables(version.document, told)
                queue_mail(session, event=EVENT, to=address, variables=variables, now=now)
        return len(by_address)

    def _find(self, session: Session, now: datetime) -> Iterator[Reminder]:
        """Of the version in force and of planned ones: what is the same in both is told once."""
        for version in self._policies.versions(session):
            if version.state not in (VersionState.IN_FORCE, VersionState.PLANNED):
                continue
            clauses = [one for one in version.document.clauses if may_be_vouched(one)]
            vouched = self._attestations.read_vouched(session, clauses)
            for clause in clauses:
                found = _remind(version, clause, vouched, now)
                if found is not None:
                    yield found

    def _variables(self, document: Document, told: Sequence[Reminder]) -> dict[str, Any]:
        controller = document.controller
        return {
            "controller": {"name": controller.name, "email": controller.email},
            "clauses": [{"title": one.title, "says": one.says, "link": self._link(one.clause)} for one in told],
        }


def _remind(version: Version, clause: Clause, vouched: Mapping[str, Vouched], now: datetime) -> Reminder | None:
    standing = vouched.get(clause.id)
    sentence = describe_clause(clause, version.document.language)
    if standing is None or not standing.fits:
        if not isinstance(clause, VOUCHED):
            return None
        from_then = "" if version.state is VersionState.IN_FORCE else f" Version {version.number} brings it."
        changed = "It has other words now. " if standing else ""
        says = f"{changed}Nobody vouches for it yet: {sentence}.{from_then}"
        return Reminder(
            clause=clause.id, owner=clause.owner, about=promise_of(clause), days=0, title=f"{clause.id}: vouch for it", says=says
        )  # fmt: skip
    days = _step(standing, now)
    if days is None:
        return None
    day = full_day(last_day(standing.until, version.document.controller.timezone))
    says = f"It holds until {day}, then the promise shows as broken: {sentence}."
    return Reminder(
        clause=clause.id, owner=clause.owner, about=standing.id, days=days, title=f"{clause.id}: look at it again", says=says
    )  # fmt: skip


def _step(standing: Vouched, now: datetime) -> int | None:
    """The last step whose instant has come, of those that came after it was given; None before the first, and once it is over."""
    if now >= standing.until:
        return None
    reached = [days for days in REMIND_DAYS if standing.at < standing.until - timedelta(days=days) <= now]
    return min(reached, default=None)
