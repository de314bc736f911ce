"""Reads published versions, and refuses a stored text that is not the one that was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import Clock
from core.errors import CheckFailed, NotFound
from ledger.log import Ledger
from policies.clauses import Channels, NoticeChannel
from policies.cutoffs import ClauseHistory, VersionInForce
from policies.documents import Document, DocumentRefused, parse_document
from policies.materiality import Weight
from policies.notices import NoticeTerms, Telling
from policies.periods import Period
from policies.version_tables import PolicyEventRow, TranslationRow, VersionRow
from policies.version_values import Overruled, Version, VersionState, digest_of

PUBLISHED: Final = "policy.published"
IN_FORCE: Final = "in_force"
WITHDRAWN: Final = "withdrawn"
OVERTAKEN: Final = "overtaken"
# Everything but the text, which is read once for each version and kept.
_SHORT: Final = tuple(column for column in VersionRow.__table__.columns if column.name != "text")


@dataclass(frozen=True, kw_only=True)
class _Events:
    """What happened to versions, by their numbers."""

    in_force: Mapping[int, datetime]
    withdrawn: Mapping[int, tuple[datetime, str]]

    @property
    def newest(self) -> int:
        """The version in force; 0 before the first."""
        return max(self.in_force, default=0)

    def state(self, number: int) -> VersionState:
        if number in self.withdrawn:
            return VersionState.WITHDRAWN
        if number in self.in_force:
            return VersionState.IN_FORCE if number == self.newest else VersionState.SUPERSEDED
        return VersionState.OVERTAKEN if number < self.newest else VersionState.PLANNED

    def superseded_at(self, number: int) -> datetime | None:
        if number not in self.in_force:
            return None
        return min((at for later, at in self.in_force.items() if later > number), default=None)


@dataclass(kw_only=True)
class Archive:
    """Versions as they are read. A version's documents are parsed once: its number never gets another text."""

    clock: Clock
    ledger: Ledger
    telling: Telling | None
    _read: dict[tuple[int, str], tuple[Document, ...]] = field(default_factory=dict)

    def versions(self, session: Session) -> list[Version]:
        """Every version, oldest first."""
        return self._views(session, session.execute(sa.select(*_SHORT).order_by(VersionRow.number)).all())

    def version(self, session: Session, number: int) -> Version:
        """One version by its number. Raises NotFound."""
        rows = session.execute(sa.select(*_SHORT).where(VersionRow.number == number)).all()
        if not rows:
            raise NotFound(f"There is no version {number}.", remedy="`kept policy list` lists them.")
        return self._views(session, rows)[0]

    def in_force(self, session: Session, at: datetime | None) -> Version | None:
        """The version in force now, or at an instant."""
        number = session.scalar(
            sa.select(sa.func.max(PolicyEventRow.number)).where(
                PolicyEventRow.kind == IN_FORCE, PolicyEventRow.at <= (at or self.clock.now())
            )
        )
        return None if number is None else self.version(session, number)

    def history(self, session: Session) -> ClauseHistory:
        """All versions that ever came into force, oldest first."""
        wanted = (
            sa.select(PolicyEventRow.number, PolicyEventRow.at, VersionRow.digest)
            .join(VersionRow, VersionRow.number == PolicyEventRow.number)
            .where(PolicyEventRow.kind == IN_FORCE)
        )
        rows = session.execute(wanted.order_by(PolicyEventRow.number)).all()
        documents = self._documents(session, {row.number: row.digest for row in rows})
        return tuple(
            VersionInForce(number=row.number, in_force_at=row.at, document=documents[row.number][0]) for row in rows
        )

    def _views(self, session: Session, rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> list[Version]:
        events = _read_events(session)
        documents = self._documents(session, {row.number: row.digest for row in rows})
        return [self._view(session, row, documents[row.number], events) for row in rows]

    def _view(
        self, session: Session, row: sa.Row[*tuple[Any, ...]], documents: tuple[Document, ...], events: _Events
    ) -> Version:
        state, terms = events.state(row.number), _terms(row)
        told_at = planned_for = None
        if state is VersionState.PLANNED:
            waits = self.telling if terms.channels else None
            told_at = waits.completed_at(session, row.number) if waits else row.published_at
            planned_for = terms.takes_effect_at(row.planned_for, told_at or self.clock.now())
        withdrawn_at, withdrawn_because = events.withdrawn.get(row.number, (None, None))
        return Version(
            number=row.number, policy=row.policy, documents=documents, digest=row.digest, state=state,
            published_at=row.published_at, in_force_at=events.in_force.get(row.number),
            superseded_at=events.superseded_at(row.number), planned_for=planned_for, previous=row.previous,
            weight=Weight(row.weight) if row.weight else None, reasons=tuple(row.reasons or ()),
            overruled=_overruled(row), terms=terms, told_at=told_at,
            withdrawn_at=withdrawn_at, withdrawn_because=withdrawn_because,
        )  # fmt: skip

    def _documents(self, session: Session, digests: Mapping[int, str]) -> dict[int, tuple[Document, ...]]:
        unread = [number for number, digest in digests.items() if (number, digest) not in self._read]
        if unread:
            for number, texts in _read_texts(session, unread).items():
                documents = _parse(number, texts, digests[number])
                self._require_recorded(session, number, digests[number])
                self._read[number, digests[number]] = documents
        return {number: self._read[number, digest] for number, digest in digests.items()}

    def _require_recorded(self, session: Session, number: int, digest: str) -> None:
        """The ledger bound a digest when the version was published; whoever can change this table cannot change that."""
        for entry in self.ledger.entries(session, ref=f"version:{number}", kind=PUBLISHED):
            if digest_ref(digest) in entry.refs or (entry.private or {}).get("digest") == digest:
                return
        raise CheckFailed(
            f"Version {number} is not the one that the ledger says was published.",
            remedy="Restore the table policy_versions from a backup; `kept ledger verify` says what else was changed.",
        )


def digest_ref(digest: str) -> str:
    """The digest as an id that entries of the ledger name."""
    return f"digest:{digest}"


def _read_events(session: Session) -> _Events:
    in_force: dict[int, datetime] = {}
    withdrawn: dict[int, tuple[datetime, str]] = {}
    wanted = sa.select(PolicyEventRow.number, PolicyEventRow.kind, PolicyEventRow.at, PolicyEventRow.reason)
    for row in session.execute(wanted):
        if row.kind == IN_FORCE:
            in_force[row.number] = row.at
        elif row.kind == WITHDRAWN:
            withdrawn[row.number] = (row.at, row.reason or "")
    return _Events(in_force=in_force, withdrawn=withdrawn)


def _read_texts(session: Session, numbers: Iterable[int]) -> dict[int, list[str]]:
    """The texts of versions, the original first."""
    wanted = list(numbers)
    originals = sa.select(VersionRow.number, VersionRow.text).where(VersionRow.number.in_(wanted))
    texts = {row.number: [row.text] for row in session.execute(originals)}
    others = sa.select(TranslationRow.number, TranslationRow.text).where(TranslationRow.number.in_(wanted))
    for row in session.execute(others.order_by(TranslationRow.number, TranslationRow.position)):
        texts[row.number].append(row.text)
    return texts


def _parse(number: int, texts: Sequence[str], digest: str) -> tuple[Document, ...]:
    try:
        documents = tuple(parse_document(text, f"version {number}") for text in texts)
    except DocumentRefused as error:
        raise CheckFailed(
            f"The stored text of version {number} is not a policy: {error.problems[0]}",
            remedy="Restore the table policy_versions from a backup, or run the Kept that published it.",
        ) from error
    if digest_of(documents) != digest:
        raise CheckFailed(
            f"The stored text of version {number} is not the one that was published.",
            remedy="Restore the tables policy_versions and policy_translations from a backup; "
            "`kept ledger verify` says what else was changed.",
        )
    return documents


def _terms(row: sa.Row[*tuple[Any, ...]]) -> NoticeTerms:
    if row.channels is None:
        return NoticeTerms()
    ways = tuple(NoticeChannel(way) for way in row.channels["ways"])
    channels = Channels(ways=ways, any_of=row.channels["any"])
    return NoticeTerms(channels=channels, ahead=Period.parse(row.ahead) if row.ahead else None)


def _overruled(row: sa.Row[*tuple[Any, ...]]) -> Overruled | None:
    if row.overruled is None:
        return None
    said = row.overruled
    return Overruled(weight=Weight(said["weight"]), reason=said["reason"], by=said["by"])
