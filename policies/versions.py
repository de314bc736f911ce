"""Versions of the policy: published once, numbered, never changed, put in force by a dated event or withdrawn before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import BadInput, Conflict
from core.ids import new_id
from ledger.log import Ledger
from policies.cutoffs import ClauseHistory
from policies.documents import Document
from policies.notices import Notice, NoticeTerms, Telling, notice_terms
from policies.publication import (
    effective,
    require_day,
    require_place,
    require_same_verdict,
    require_sound,
    weigh,
)
from policies.version_reading import IN_FORCE, OVERTAKEN, PUBLISHED, WITHDRAWN, Archive, digest_ref
from policies.version_tables import PolicyEventRow, TranslationRow, VersionRow
from policies.version_values import (
    Outlook,
    Overrule,
    Overruled,
    PublishRefused,
    Version,
    VersionState,
    digest_of,
    require_reason,
)

__all__ = ["Outlook", "Overrule", "Overruled", "Policies", "PublishRefused", "Version", "VersionState"]

SYSTEM: Final = "system"


class Policies:
    """Publishes versions and tells which is in force. Each method that takes no session is a use case of its own.

    `telling` tells people of versions; None: there is nobody to tell, and everyone counts as told at once.
    """

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, telling: Telling | None = None) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._telling = telling
        self._archive = Archive(clock=clock, ledger=ledger, telling=telling)

    def publish(
        self,
        document: Document,
        *,
        translations: Sequence[Document] = (),
        actor: str,
        overrule: Overrule | None = None,
        after: int | None = None,
    ) -> Version:
        """Publish documents as the next version; what was published last, and not withdrawn, gives that version again.

        In force at once where it may be. `after`: the latest version that the publisher has seen (0: none), where that matters.
        Raises PublishRefused (lint, translations), BadInput (a day that cannot be, another policy's name) and Conflict
        (somebody else published meanwhile).
        """
        documents = (document, *translations)
        with self._database.read() as session:
            versions = self.versions(session) if after is not None else []
            latest = versions[-1].number if versions else 0
            if after not in (None, latest) and not _same_as_latest(versions, digest_of(documents)):
                raise _overtaken(latest)
            outlook = self.foresee(session, document, translations=translations, overrule=overrule)
        if outlook.same_as:
            return outlook.same_as
        try:
            with self._database.begin() as session:
                if self._place(session) != (outlook.number, outlook.previous):
                    raise _MovedOn
                self._insert(session, documents, outlook, actor, overrule)
                self._put_in_force(session, actor)
        except (IntegrityError, _MovedOn) as error:
            return self._published_meanwhile(documents, overrule, error)
        with self._database.read() as session:
            return self.version(session, outlook.number)

    def foresee(
        self,
        session: Session,
        document: Document,
        *,
        translations: Sequence[Document] = (),
        overrule: Overrule | None = None,
    ) -> Outlook:
        """What publishing these documents would do now, changing nothing. Raises what `publish` raises."""
        documents = (document, *translations)
        versions, now = self.versions(session), self._clock.now()
        digest = digest_of(documents)
        number = versions[-1].number + 1 if versions else 1
        if same := _same_as_latest(versions, digest):
            require_same_verdict(same, overrule)
            return Outlook(
                number=same.number, digest=digest, planned_for=same.planned_for or now, same_as=same,
                previous=same.previous, weight=same.weight, terms=same.terms,
            )  # fmt: skip
        require_sound(documents)
        if versions and versions[-1].policy != document.policy:
            raise BadInput(
                f"The policy here is '{versions[-1].policy}', the document says '{document.policy}'.",
                remedy="One installation holds one policy; keep its name.",
            )
        planned = [one for one in versions if one.state is VersionState.PLANNED]
        current = next((one for one in versions if one.state is VersionState.IN_FORCE), None)
        if current is None:
            return _foresee_first(Outlook(number=number, digest=digest, planned_for=now), document, planned, overrule)
        verdict = weigh(current, planned, documents)
        terms = notice_terms(current.document, weight := effective(verdict, overrule))
        day = require_day(document, terms, promised_by=current.number, now=now)
        require_place(document, earliest := terms.takes_effect_at(day, now), planned)
        return Outlook(
            number=number, digest=digest, planned_for=earliest, previous=current.number, verdict=verdict, weight=weight,
            terms=terms, deadline=terms.tell_by(day) if document.not_before else None,
        )  # fmt: skip

    def withdraw(self, number: int, *, actor: str, reason: str) -> Version:
        """Take back a version that is not in force yet; whoever was told of it is told that it will not come.

        Its number is never used again. Raises NotFound, BadInput (no reason) and Conflict (not planned any more).
        """
        require_reason(reason, "withdraw a version")
        with self._database.begin() as session:
            self._lock(session)
            version = self.version(session, number)
            if version.state is not VersionState.PLANNED:
                raise Conflict(f"Version {number} {_standing(version)}.", remedy=_REMEDIES[version.state])
            self._note(session, version, WITHDRAWN, actor, reason)
            if self._telling and version.terms.channels:
                self._telling.withdraw(session, number, actor=actor)
        with self._database.read() as session:
            return self.version(session, number)

    def tick(self) -> list[Version]:
        """Put in force what is due; gives the versions that came into force now, none when another process did it."""
        with self._database.read() as session:
            if not self._due(session):
                return []
        try:
            with self._database.begin() as session:
                self._lock(session)
                numbers = self._put_in_force(session, SYSTEM)
        except IntegrityError:
            return []
        with self._database.read() as session:
            return [self.version(session, number) for number in numbers]

    def in_force(self, session: Session, at: datetime | None = None) -> Version | None:
        """The version in force now, or at an instant; None before the first."""
        return self._archive.in_force(session, at)

    def versions(self, session: Session) -> list[Version]:
        """Every version, oldest first."""
        return self._archive.versions(session)

    def version(self, session: Session, number: int) -> Version:
        """One version by its number. Raises NotFound."""
        return self._archive.version(session, number)

    def history(self, session: Session) -> ClauseHistory:
        """All versions that ever came into force, oldest first: what cutoffs are reckoned over."""
        return self._archive.history(session)

    def _lock(self, session: Session) -> None:
        """Let one transaction at a time move versions on (SQLite: they queue anyway). Before version 1, its number decides."""
        wanted = sa.select(VersionRow.number).where(VersionRow.number == 1)
        session.execute(wanted.with_for_update(key_share=True))

    def _place(self, session: Session) -> tuple[int, int | None]:
        """The number that the next version gets, and the version in force."""
        self._lock(session)
        latest = session.scalar(sa.select(sa.func.max(VersionRow.number))) or 0
        in_force = sa.select(sa.func.max(PolicyEventRow.number)).where(PolicyEventRow.kind == IN_FORCE)
        return latest + 1, session.scalar(in_force)

    def _insert(
        self, session: Session, documents: Sequence[Document], outlook: Outlook, actor: str, overrule: Overrule | None
    ) -> None:
        now, original, verdict, terms = self._clock.now(), documents[0], outlook.verdict, outlook.terms
        planned_for = max(original.not_before_at or now, now)
        row = VersionRow(
            id=new_id("ver"), number=outlook.number, policy=original.policy, text=original.text, digest=outlook.digest,
            published_at=now, planned_for=planned_for, previous=outlook.previous,
            overruled=_overruled(outlook, overrule), channels=_channels(terms),
            weight=outlook.weight.value if outlook.weight else None, reasons=list(verdict.reasons) if verdict else None,
            ahead=str(terms.ahead) if terms.ahead else None,
        )  # fmt: skip
        session.add(row)
        session.flush()
        for position, one in enumerate(documents[1:], 1):
            session.add(
                TranslationRow(
                    number=row.number, language=one.language, position=position, text=one.text, digest=one.digest
                )
            )
        session.flush()
        self._record_publication(session, row, documents, actor)
        if terms.channels and outlook.previous and self._telling:
            assert outlook.weight is not None
            assert verdict is not None
            self._telling.begin(
                session,
                Notice(
                    number=row.number, previous=outlook.previous, channels=terms.channels, deadline=outlook.deadline,
                    actor=actor, weight=outlook.weight, reasons=verdict.reasons, ahead=terms.ahead,
                ),
            )  # fmt: skip

    def _record_publication(self, session: Session, row: VersionRow, documents: Sequence[Document], actor: str) -> None:
        private: dict[str, Any] = {
            "digest": row.digest,
            "documents": {one.language: one.digest for one in documents},
            "policy": row.policy,
            "planned_for": iso_utc(row.planned_for),
            "previous": row.previous,
            "weight": row.weight,
            "reasons": row.reasons,
            "channels": row.channels,
            "ahead": row.ahead,
        }
        refs = [f"version:{row.number}", digest_ref(row.digest)]
        self._ledger.record(session, kind=PUBLISHED, actor=actor, refs=refs, private=private)
        if row.overruled:
            by = str(row.overruled["by"])
            told = {"machine": row.overruled["weight"], "weight": row.weight, "reason": row.overruled["reason"]}
            self._ledger.record(session, kind="policy.overruled", actor=by, refs=refs[:1], private=told)

    def _due(self, session: Session) -> list[Version]:
        now = self._clock.now()
        return [
            one
            for one in self.versions(session)
            if one.state is VersionState.PLANNED and one.told_at and one.planned_for and one.planned_for <= now
        ]

    def _put_in_force(self, session: Session, actor: str) -> list[int]:
        """Of the versions that are due, the latest comes into force; those it overtakes never do, nor are they told of."""
        due = self._due(session)
        if not due:
            return []
        version = due[-1]
        for one in self.versions(session):
            if one.number < version.number and one.state is VersionState.PLANNED:
                self._note(session, one, OVERTAKEN, actor, f"Version {version.number} came into force before it.")
                if self._telling and one.terms.channels:
                    self._telling.withdraw(session, one.number, actor=actor)
        self._note(session, version, IN_FORCE, actor, None)
        return [version.number]

    def _note(self, session: Session, version: Version, kind: str, actor: str, reason: str | None) -> None:
        """Write down what happened to a version: in the ledger, and as the event that decides where it stands."""
        private = {"digest": version.digest} | ({"reason": reason} if reason else {})
        refs = [f"version:{version.number}"]
        entry = self._ledger.record(session, kind=f"policy.{kind}", actor=actor, refs=refs, private=private)
        event = PolicyEventRow(
            id=new_id("pev"), number=version.number, kind=kind, at=self._clock.now(), actor=actor, entry=entry, reason=reason
        )  # fmt: skip
        session.add(event)
        session.flush()

    def _published_meanwhile(
        self, documents: Sequence[Document], overrule: Overrule | None, error: Exception
    ) -> Version:
        with self._database.read() as session:
            versions = self.versions(session)
        if same := _same_as_latest(versions, digest_of(documents)):
            require_same_verdict(same, overrule)
            return same
        raise _overtaken(versions[-1].number if versions else 0) from error


def _foresee_first(
    outlook: Outlook, document: Document, planned: Sequence[Version], overrule: Overrule | None
) -> Outlook:
    """Nothing is in force: there is no difference, so no verdict, and nobody to tell."""
    if overrule:
        raise BadInput("The first version differs from nothing.", remedy="Publish it without a verdict.")
    earliest = require_day(document, NoticeTerms(), promised_by=None, now=outlook.planned_for)
    require_place(document, earliest, planned)
    return replace(outlook, planned_for=earliest)


class _MovedOn(Exception):
    """Another version was published, or came into force, since these documents were judged."""


_REMEDIES: Final = {
    VersionState.IN_FORCE: "Publish another version instead.",
    VersionState.SUPERSEDED: "What was in force stays in the history.",
    VersionState.OVERTAKEN: "It never comes into force; nothing is left to withdraw.",
    VersionState.WITHDRAWN: "Nothing is left to do.",
}


def _channels(terms: NoticeTerms) -> dict[str, Any] | None:
    if terms.channels is None:
        return None
    return {"ways": [way.value for way in terms.channels.ways], "any": terms.channels.any_of}


def _overruled(outlook: Outlook, overrule: Overrule | None) -> dict[str, Any] | None:
    """What the machine said, where a person says otherwise."""
    if overrule is None or outlook.verdict is None or outlook.verdict.weight is overrule.weight:
        return None
    return {"weight": outlook.verdict.weight.value, "reason": overrule.reason, "by": overrule.by}


def _standing(version: Version) -> str:
    if version.in_force_at and version.superseded_at is None:
        return f"is in force since {version.in_force_at:%Y-%m-%d %H:%M} UTC"
    if version.in_force_at:
        return "was in force"
    return "was withdrawn already" if version.withdrawn_at else "was overtaken by a later one"


def _same_as_latest(versions: Sequence[Version], digest: str) -> Version | None:
    """The latest version that was not withdrawn, if it is made of the same documents."""
    latest = next((one for one in reversed(versions) if one.state is not VersionState.WITHDRAWN), None)
    return latest if latest and latest.digest == digest else None


def _overtaken(latest: int) -> Conflict:
    return Conflict(
        f"Somebody else published, or a version came into force, at the same moment: version {latest} is the latest now.",
        remedy=f"Look at it (`kept policy show {latest}`), then publish again.",
    )
