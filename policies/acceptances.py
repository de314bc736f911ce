"""Acceptance of versions, by use or by an act: recorded once for each person, version and way. It is never consent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import Clock, iso_utc, require_utc
from core.database import Database
from core.errors import BadInput, Conflict
from core.idempotency import IdempotencyKey
from core.ids import new_id
from core.personal import Personal
from ledger.log import Ledger
from policies.acceptance_tables import AcceptanceRow
from policies.succession import AcceptedBy, Succession, matters_after, mode_of, read_succession
from policies.versions import Policies, Version, VersionState

# Clocks of two machines differ a little; what is further ahead has not happened.
SKEW: Final = timedelta(minutes=5)
_NOT_IN_FORCE: Final = {
    VersionState.PLANNED: "is not in force yet",
    VersionState.IN_FORCE: "is not in force yet",
    VersionState.SUPERSEDED: "is not in force any more",
    VersionState.OVERTAKEN: "never came into force",
    VersionState.WITHDRAWN: "was withdrawn",
}


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """One version accepted by one person in one way. `at`: when it happened."""

    id: str
    subject: Personal
    version: int
    by: AcceptedBy
    channel: str
    language: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class NewAcceptance:
    """What a host application reports. `at` None: now. `language`: the one in which the version was shown, if it says."""

    subject: Personal
    version: int
    by: AcceptedBy
    channel: str
    language: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NextQuestion:
    """The planned version, and whether the person will be asked once it is in force."""

    version: int
    planned_for: datetime | None
    by: AcceptedBy | None
    ask: bool


@dataclass(frozen=True, kw_only=True)
class Question:
    """Must this person be asked to accept? `version`: the one in force; `accepted`: the latest acceptance that counts."""

    subject: Personal
    version: int | None
    accepted: Acceptance | None
    ask: bool
    by: AcceptedBy | None
    why: str
    next: NextQuestion | None


class Acceptances:
    """Records acceptances and says whom to ask. `key` hides the person in the ledger."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, policies: Policies, *, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies
        self._key = key

    def question(self, subject: Personal) -> Question:
        """Whether a person must be asked, by the version in force; and by the one that is planned."""
        with self._database.read() as session:
            succession = read_succession(self._policies.versions(session))
            held = self.read_person(session, subject)
        return make_question(subject, succession, held)

    def record(self, new: NewAcceptance, *, actor: str, key: IdempotencyKey | None = None) -> tuple[Acceptance, bool]:
        """Record an acceptance; gives it, and whether it is new. One that is known already stays as it was recorded.

        Raises NotFound (no such version), Conflict (a version that is not in force, or a way that the policy does not
        take), BadInput (a time that cannot be, a language it was not published in) and KeyReused.
        """
        if key is None:  # a host application may report use with every visit: what is known takes no write
            with self._database.read() as session:
                if known := _find(session, new):
                    return _view(known), False
        try:
            return self._record(new, actor, key)
        except IntegrityError:  # somebody recorded the same at the same moment: now it is known
            return self._record(new, actor, key)

    def read_person(self, session: Session, subject: Personal) -> tuple[Acceptance, ...]:
        """Everything a person accepted, the oldest version first."""
        rows = session.scalars(
            sa.select(AcceptanceRow)
            .where(AcceptanceRow.subject == subject)
            .order_by(AcceptanceRow.version, AcceptanceRow.at)
        )
        return tuple(_view(row) for row in rows)

    def note_account_closed(self, session: Session, subject: Personal, at: datetime) -> None:
        """The person's account was closed: from then on what they accepted is kept as evidence, for as long as that is."""
        theirs = sa.update(AcceptanceRow).where(
            AcceptanceRow.subject == subject, AcceptanceRow.account_closed_at.is_(None)
        )
        session.execute(theirs.values(account_closed_at=at))

    def _record(self, new: NewAcceptance, actor: str, key: IdempotencyKey | None) -> tuple[Acceptance, bool]:
        now = self._clock.now()
        with self._database.begin() as session:
            used = key.find(session, now) if key else None
            if used and (row := session.get(AcceptanceRow, used.made)):
                return _view(row), row.recorded_at == used.at  # the same answer as then
            known = _find(session, new)
            row = known or self._insert(session, new, actor, now)
            if key:
                key.keep(session, row.id, now)
            return _view(row), known is None

    def _insert(self, session: Session, new: NewAcceptance, actor: str, now: datetime) -> AcceptanceRow:
        version = self._policies.version(session, new.version)
        at = require_utc(new.at) if new.at else now
        require_acceptable(version, new, at, now)
        row_id = new_id("acc")
        entry = self._ledger.record(
            session,
            kind="acceptance.recorded",
            actor=actor,
            refs=[f"acceptance:{row_id}", f"version:{new.version}"],
            private={
                "person": keyed_digest(self._key, new.subject.reveal()),
                "by": new.by.value,
                "channel": new.channel,
                "language": new.language,
                "at": iso_utc(at),
            },
        )
        row = AcceptanceRow(
            id=row_id, subject=new.subject, version=new.version, by=new.by.value, language=new.language,
            channel=new.channel, at=at, recorded_at=now, entry=entry,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row


def _find(session: Session, new: NewAcceptance) -> AcceptanceRow | None:
    """The same acceptance, if it was recorded before."""
    return session.scalar(
        sa.select(AcceptanceRow).where(
            AcceptanceRow.subject == new.subject,
            AcceptanceRow.version == new.version,
            AcceptanceRow.by == new.by.value,
        )
    )


def require_acceptable(version: Version, new: NewAcceptance, at: datetime, now: datetime) -> None:
    """Refuse an acceptance that cannot have happened, or that the policy does not take as one."""
    if version.state is not VersionState.IN_FORCE or version.in_force_at is None:
        raise Conflict(
            f"Version {version.number} {_NOT_IN_FORCE[version.state]}; only the version in force can be accepted.",
            remedy="`GET /api/v1/policy/current` names it.",
        )
    if new.by is AcceptedBy.USE and mode_of(version) is not AcceptedBy.USE:
        raise Conflict(
            f"Version {version.number} is not accepted by use: its policy does not say so.",
            remedy="Show it and send by: explicit once the person has agreed.",
        )
    if at > now + SKEW:
        raise BadInput("The time of this acceptance lies ahead.", remedy="Send the time at which it happened, in UTC.")
    if at < version.in_force_at:
        raise Conflict(
            f"Version {version.number} came into force at {iso_utc(version.in_force_at)}, after this acceptance.",
            remedy="What was done before a version was in force does not accept it. Ask again, or leave `at` out.",
        )
    if new.language is not None and new.language not in version.languages:
        raise BadInput(
            f"Version {version.number} is not published in this language.",
            remedy=f"It is there in: {', '.join(version.languages)}.",
        )


def make_question(subject: Personal, succession: Succession, held: tuple[Acceptance, ...]) -> Question:
    """The answer to a host application, out of what stands and what the person accepted."""
    current, enough = succession.current, succession.enough_from
    if current is None or enough is None:
        return Question(
            subject=subject, version=None, accepted=None, ask=False, by=None, why="No policy is in force yet.",
            next=_next(succession, None),
        )  # fmt: skip
    mode = mode_of(current)
    given = _latest(held, explicit=mode is AcceptedBy.EXPLICIT)
    ask = mode is AcceptedBy.EXPLICIT and (given is None or given.version < enough)
    return Question(
        subject=subject,
        version=current.number,
        accepted=given,
        ask=ask,
        by=mode,
        why=_say_why(current, mode, given, enough),
        next=_next(succession, _latest(held, explicit=True)),
    )


def _latest(held: tuple[Acceptance, ...], *, explicit: bool) -> Acceptance | None:
    """The acceptance of the latest version; where an act is asked for, only an act counts."""
    counts = [one for one in held if one.by is AcceptedBy.EXPLICIT or not explicit]
    return max(counts, key=lambda one: (one.version, one.by is AcceptedBy.EXPLICIT), default=None)


def _next(succession: Succession, given: Acceptance | None) -> NextQuestion | None:
    planned = succession.planned
    if planned is None:
        return None
    mode, enough = mode_of(planned), succession.enough_from
    starts_anew = succession.current is None or matters_after(succession.current, planned)
    holds = given is not None and enough is not None and given.version >= enough and not starts_anew
    return NextQuestion(
        version=planned.number,
        planned_for=planned.planned_for,
        by=mode,
        ask=mode is AcceptedBy.EXPLICIT and not holds,
    )


def _say_why(current: Version, mode: AcceptedBy | None, given: Acceptance | None, enough: int) -> str:
    number = current.number
    if mode is None:
        return f"Version {number} does not say that it has to be accepted."
    if mode is AcceptedBy.USE:
        return f"Version {number} is accepted by using the service; nobody is asked. Use is not consent."
    if given is None:
        return f"Version {number} has to be accepted, and this person has accepted none."
    if given.version < enough:
        return f"This person accepted version {given.version}; version {enough} changed what matters."
    if given.version < number:
        return f"This person accepted version {given.version}; nothing that matters has changed since."
    return f"This person accepted version {number}."


def _view(row: AcceptanceRow) -> Acceptance:
    return Acceptance(
        id=row.id,
        subject=row.subject,
        version=row.version,
        by=AcceptedBy(row.by),
        channel=row.channel,
        language=row.language,
        at=row.at,
    )
