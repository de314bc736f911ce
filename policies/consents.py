"""Consent for each purpose, given and withdrawn, with the text that was shown. Its history stays; it is never acceptance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.clock import Clock
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.personal import Personal
from ledger.log import Ledger
from policies.acceptance_tables import ConsentRow, ConsentTextRow
from policies.purposes import ConsentPurpose, consent_purposes
from policies.succession import read_succession
from policies.versions import Policies, Version

# Two that write the same turn at once: one of them looks again, and that many may do so together.
TRIES: Final = 5


class TextNotShown(BadInput):
    """A consent that does not say what the person saw."""

    status = 422


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a person saw: its `text`, or the clauses of a version in a language."""

    version: int
    language: str | None
    text: str | None
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class ConsentTurn:
    """One turn: consent given (`shown` says to what) or withdrawn."""

    id: str
    purpose: str
    given: bool
    at: datetime
    channel: str
    shown: Shown | None


@dataclass(frozen=True, kw_only=True)
class ConsentState:
    """How a person stands to a purpose. `given`: the last turn gave it; `current`: and it covers what is in force.

    `offered`: whether the version in force still has the purpose; `history`: every turn, oldest first.
    """

    purpose: str
    clauses: tuple[str, ...]
    offered: bool
    given: bool
    current: bool
    history: tuple[ConsentTurn, ...]

    @property
    def last(self) -> ConsentTurn | None:
        """The turn that holds."""
        return self.history[-1] if self.history else None


@dataclass(frozen=True, kw_only=True)
class _Offer:
    """What can be consented to: the purposes of the version in force, and every version that consents were given to."""

    current: Version | None
    purposes: Mapping[str, ConsentPurpose]
    versions: Mapping[int, Version]


@dataclass(frozen=True, kw_only=True)
class NewConsent:
    """What a host application reports. Giving needs `text`, or `version` and `language` of the policy that was shown."""

    subject: Personal
    purpose: str
    given: bool
    channel: str
    text: str | None = None
    version: int | None = None
    language: str | None = None


class Consents:
    """Records consents and tells how a person stands. `key` hides the person in the ledger."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, policies: Policies, *, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._policies = policies
        self._key = key

    def state(self, subject: Personal, purpose: str) -> ConsentState:
        """How a person stands to one purpose. Raises NotFound, naming the purposes there are."""
        with self._database.read() as session:
            return self._state(session, self._offer(session), subject, purpose)

    def states(self, subject: Personal) -> tuple[ConsentState, ...]:
        """How a person stands to every purpose of the version in force, and to those they once consented to."""
        with self._database.read() as session:
            offer = self._offer(session)
            turns = self.read_person(session, subject)
        names = dict.fromkeys([*offer.purposes, *(one.purpose for one in turns)])
        return tuple(_judge(name, [one for one in turns if one.purpose == name], offer) for name in names)

    def record(self, new: NewConsent, *, actor: str) -> ConsentState:
        """Give or withdraw consent; what holds already is not recorded again.

        Raises NotFound (no such purpose), TextNotShown, Conflict (the version that was shown is not the one in force).
        """
        for _ in range(TRIES):
            try:
                return self._record(new, actor)
            except IntegrityError:
                continue  # another turn, or the same text, was written at the same moment: look again
        raise Conflict("This consent is being changed from several places at once.", remedy="Send it again.")

    def withdraw_all(self, session: Session, subject: Personal, *, channel: str, actor: str) -> tuple[str, ...]:
        """Withdraw every consent of a person that stands, in the caller's transaction; gives the purposes, in their order.

        A turn that is written at the same moment fails the transaction: whoever called tries again."""
        turns: dict[str, list[ConsentTurn]] = {}
        for one in self.read_person(session, subject):
            turns.setdefault(one.purpose, []).append(one)
        standing = tuple(name for name, history in turns.items() if history[-1].given)
        for name in standing:
            gone = NewConsent(subject=subject, purpose=name, given=False, channel=channel)
            self._insert(session, gone, None, len(turns[name]) + 1, actor)
        return standing

    def read_person(self, session: Session, subject: Personal, purpose: str | None = None) -> tuple[ConsentTurn, ...]:
        """Every turn of a person's consents with the texts that were shown, oldest first within each purpose."""
        wanted = (
            sa.select(ConsentRow, ConsentTextRow.text)
            .outerjoin(ConsentTextRow, ConsentTextRow.digest == ConsentRow.text)
            .where(ConsentRow.subject == subject)
            .order_by(ConsentRow.purpose, ConsentRow.turn)
        )
        if purpose is not None:
            wanted = wanted.where(ConsentRow.purpose == purpose)
        return tuple(_view(row, text) for row, text in session.execute(wanted))

    def _record(self, new: NewConsent, actor: str) -> ConsentState:
        with self._database.begin() as session:
            offer = self._offer(session)
            state = self._state(session, offer, new.subject, new.purpose)
            if new.given:
                shown = _require_shown(new, state, offer.current)
                held = state.last.shown if state.last and state.last.given else None
                known = held is not None and state.current and _same_text(held, shown)
            else:
                shown, known = None, not state.given
            if known:
                return state
            self._insert(session, new, shown, len(state.history) + 1, actor)
            return self._state(session, offer, new.subject, new.purpose)

    def _insert(self, session: Session, new: NewConsent, shown: Shown | None, turn: int, actor: str) -> None:
        if shown and shown.digest and session.get(ConsentTextRow, shown.digest) is None:
            session.add(ConsentTextRow(digest=shown.digest, text=shown.text))
            session.flush()
        row_id, now = new_id("con"), self._clock.now()
        refs = [f"consent:{row_id}", f"purpose:{new.purpose}"]
        entry = self._ledger.record(
            session,
            kind="consent.given" if new.given else "consent.withdrawn",
            actor=actor,
            refs=refs if shown is None else [*refs, f"version:{shown.version}"],
            private={
                "person": keyed_digest(self._key, new.subject.reveal()),
                "channel": new.channel,
                "language": shown.language if shown else None,
                "text": shown.digest if shown else None,
            },
        )
        row = ConsentRow(
            id=row_id, subject=new.subject, purpose=new.purpose, turn=turn, given=new.given,
            version=shown.version if shown else None, language=shown.language if shown else None,
            text=shown.digest if shown else None, channel=new.channel, at=now, entry=entry,
            ended_at=None if new.given else now,
        )  # fmt: skip
        session.add(row)
        session.flush()
        if not new.given:
            earlier = (ConsentRow.subject == new.subject, ConsentRow.purpose == new.purpose)
            session.execute(sa.update(ConsentRow).where(*earlier, ConsentRow.ended_at.is_(None)).values(ended_at=now))

    def _state(self, session: Session, offer: _Offer, subject: Personal, purpose: str) -> ConsentState:
        turns = self.read_person(session, subject, purpose)
        if purpose not in offer.purposes and not turns:
            names = ", ".join(offer.purposes)
            raise NotFound(
                "The policy in force has no purpose of this name that rests on consent.",
                remedy=f"It has: {names}." if names else "It has none.",
            )
        return _judge(purpose, turns, offer)

    def _offer(self, session: Session) -> _Offer:
        every = self._policies.versions(session)
        current = read_succession(every).current
        purposes = consent_purposes(current.document) if current else {}
        return _Offer(current=current, purposes=purposes, versions={one.number: one for one in every})


def _require_shown(new: NewConsent, state: ConsentState, current: Version | None) -> Shown:
    """What the person saw, checked: there must be something, and it must be what is in force."""
    if current is None or not state.offered:
        raise Conflict(
            "The policy in force does not ask for this consent.", remedy="It can be withdrawn; nobody can give it."
        )
    if new.version is not None and new.version != current.number:
        raise Conflict(
            f"Version {current.number} is in force, not version {new.version}.",
            remedy="Show the person what is in force, and send what they answer to it.",
        )
    if new.language is not None and new.language not in current.languages and not new.text:
        raise BadInput(
            f"Version {current.number} is not published in this language.",
            remedy=f"It is there in: {', '.join(current.languages)}.",
        )
    text = (new.text or "").strip()
    if not text and (new.version is None or new.language is None):
        raise TextNotShown(
            "A consent is worth nothing without the text that was shown.",
            remedy="Send `text`, the words that the person saw; or `version` and `language`, if you showed the clauses of the policy.",
        )
    digest = hashlib.sha256(text.encode()).hexdigest() if text else None
    return Shown(version=current.number, language=new.language, text=text or None, digest=digest)


def _same_text(held: Shown, shown: Shown) -> bool:
    return (held.digest, held.language) == (shown.digest, shown.language) and (
        shown.digest is not None or held.version == shown.version
    )


def _judge(name: str, turns: Sequence[ConsentTurn], offer: _Offer) -> ConsentState:
    """The state that a history makes, against what the version in force asks for."""
    last = turns[-1] if turns else None
    given = last is not None and last.given
    wanted = offer.purposes.get(name)
    return ConsentState(
        purpose=name,
        clauses=wanted.clauses if wanted else (),
        offered=wanted is not None,
        given=given,
        current=given and wanted is not None and _covered(last, wanted, offer.versions),
        history=tuple(turns),
    )


def _covered(last: ConsentTurn | None, wanted: ConsentPurpose, versions: Mapping[int, Version]) -> bool:
    """Whether the consent was given to a version whose purpose permits at least as much as is wanted now."""
    version = versions.get(last.shown.version) if last and last.shown else None
    agreed = consent_purposes(version.document).get(wanted.name) if version else None
    return agreed is not None and agreed.covers(wanted)


def _view(row: ConsentRow, text: str | None) -> ConsentTurn:
    shown = None
    if row.given and row.version is not None:
        shown = Shown(version=row.version, language=row.language, text=text, digest=row.text)
    return ConsentTurn(id=row.id, purpose=row.purpose, given=row.given, at=row.at, channel=row.channel, shown=shown)
