"""The content scan: samples the collections of the map for what `never` clauses forbid. A finding has a place and a count, never a value."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from checks.nights import is_due
from checks.sampling import Budget, measure, sample
from checks.seeking import Tally, tally_record
from checks.sought import Sought, sought_by, unknown_to_detectors
from checks.tables import ContentLookRow
from core.clock import Clock
from core.database import Database
from core.errors import KeptError
from core.settings import CollectionSettings
from core.traces import Trace
from policies.clauses import NeverClause
from policies.documents import Document
from policies.versions import Policies
from stores.datamap import DataMap

_BY_HAND = "manual"
# Whether the person of this id has consented to a purpose.
HasConsented = Callable[[str, str], bool]


@dataclass(frozen=True, kw_only=True)
class ContentFinding:
    """`count` of the rows that were looked at hold in `field` what the clause says is never stored."""

    store: str
    collection: str
    field: str
    category: str
    trace: Trace
    count: int

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "trace": self.trace.value}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> ContentFinding:
        return cls(**{**kept, "trace": Trace(kept["trace"])})


@dataclass(frozen=True, kw_only=True)
class ContentEvidence:
    """The last scan for one clause. `trouble`: sentences on what could not be looked at; where there is one, nothing is claimed."""

    clause: str
    checked_at: datetime
    collections: int
    rows_seen: int
    rows_total: int
    findings: tuple[ContentFinding, ...]
    trouble: tuple[str, ...]


@dataclass(kw_only=True)
class _Look:
    """What is being found for one clause."""

    clause: NeverClause
    sought: tuple[Sought, ...]
    collections: int = 0
    seen: int = 0
    total: int = 0
    findings: list[ContentFinding] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)


class ContentScan:
    """Scans for every `never` clause of the version in force, and keeps what it found as evidence."""

    def __init__(
        self, database: Database, clock: Clock, datamap: DataMap, policies: Policies, *, has_consented: HasConsented
    ) -> None:
        self._database = database
        self._clock = clock
        self._datamap = datamap
        self._policies = policies
        self._has_consented = has_consented

    def scan(self, budget: Budget | None = None) -> tuple[ContentEvidence, ...]:
        """Look now. () without a policy in force, or without a clause that says never."""
        document = self._in_force()
        if document is None:
            return ()
        nevers = document.of_kind(NeverClause)
        looks = [_Look(clause=clause, sought=sought_by(clause)) for clause in nevers]
        for look in looks:
            look.trouble += [f"No detector knows what {word} looks like." for word in unknown_to_detectors(look.clause)]
        if any(look.sought for look in looks):
            self._look(looks, budget or Budget())
        with self._database.begin() as session:
            return tuple(self._keep(session, look) for look in looks)

    def scan_if_due(self) -> None:
        """The scan of the night; also where a clause that forbids something else came into force since the last one."""
        document = self._in_force()
        if document is None:
            return
        now, zone = self._clock.now(), document.controller.timezone
        with self._database.read() as session:
            lasts = [self.last(session, clause) for clause in document.of_kind(NeverClause)]
        if any(last is None or is_due(last.checked_at, now, zone, in_doubt=_in_doubt(last)) for last in lasts):
            self.scan()

    def last(self, session: Session, clause: NeverClause) -> ContentEvidence | None:
        """The last scan for a clause as it stands now; None if there was none."""
        row = session.get(ContentLookRow, clause.id)
        if row is None or row.sought != _describe(clause):
            return None
        return _evidence(row)

    def _in_force(self) -> Document | None:
        with self._database.read() as session:
            version = self._policies.in_force(session)
        return version.document if version else None

    def _look(self, looks: Sequence[_Look], budget: Budget) -> None:
        deadline = time.monotonic() + budget.seconds
        for collection in self._datamap.collections:
            concerned = [look for look in looks if collection.category not in look.clause.exceptions and look.sought]
            store = self._datamap.store_of(collection)
            if not concerned or store.kind == _BY_HAND:
                continue
            if time.monotonic() > deadline:
                _note(concerned, f"There was no time left for {collection.id}.")
                continue
            try:
                extent = measure(store, collection)
                tally, seen = self._tally(
                    collection, concerned, sample(store, collection, extent, budget.rows), deadline
                )
            except KeptError as error:
                _note(concerned, f"{collection.id} could not be looked at: {error.message}")
                continue
            for look in concerned:
                look.collections, look.seen, look.total = (
                    look.collections + 1,
                    look.seen + seen,
                    look.total + extent.rows,
                )
                look.findings += _findings(look.clause.id, collection, tally)

    def _tally(
        self,
        collection: CollectionSettings,
        looks: Sequence[_Look],
        parts: Iterator[list[Mapping[str, Any]]],
        deadline: float,
    ) -> tuple[Tally, int]:
        sought = tuple(one for look in looks for one in look.sought)
        person = _person_of(collection, self._datamap)
        consents: dict[tuple[str, str], bool] = {}
        tally, seen = Tally(), 0
        for part in parts:
            for record in part:
                allowed = self._allowed(record, person, consents)
                tally_record(tally, collection, record, sought, allowed=allowed)
            seen += len(part)
            if time.monotonic() > deadline:
                break  # the board says of how many rows it speaks
        return tally, seen

    def _allowed(
        self, record: Mapping[str, Any], person: str | None, asked: dict[tuple[str, str], bool]
    ) -> Callable[[str], bool]:
        """Whether the person of this record consented to a purpose; asked once a person, and only where it matters."""

        def has(purpose: str) -> bool:
            subject = record.get(person) if person else None
            if subject is None:
                return False
            key = (str(subject), purpose)
            if key not in asked:
                asked[key] = self._has_consented(*key)
            return asked[key]

        return has

    def _keep(self, session: Session, look: _Look) -> ContentEvidence:
        row = session.get(ContentLookRow, look.clause.id) or ContentLookRow(clause=look.clause.id)
        row.checked_at, row.sought = self._clock.now(), _describe(look.clause)
        row.collections, row.rows_seen, row.rows_total = look.collections, look.seen, look.total
        row.findings = [one.as_json() for one in look.findings]
        row.trouble = list(look.trouble)
        session.add(row)
        return _evidence(row)


def _evidence(row: ContentLookRow) -> ContentEvidence:
    return ContentEvidence(
        clause=row.clause,
        checked_at=row.checked_at,
        collections=row.collections,
        rows_seen=row.rows_seen,
        rows_total=row.rows_total,
        findings=tuple(ContentFinding.of_json(one) for one in row.findings),
        trouble=tuple(row.trouble),
    )


def _in_doubt(last: ContentEvidence) -> bool:
    """What no detector knows stays so; the rest may be mended."""
    return bool(last.findings) or any("detector" not in sentence for sentence in last.trouble)


def _describe(clause: NeverClause) -> dict[str, Any]:
    return {"of": list(clause.of), "except": list(clause.exceptions), "unless": clause.unless_consent}


def _findings(clause: str, collection: CollectionSettings, tally: Tally) -> list[ContentFinding]:
    return [
        ContentFinding(
            store=collection.store,
            collection=collection.id,
            field=place.field,
            category=place.category,
            trace=place.trace,
            count=count,
        )
        for place, count in tally.findings(collection)
        if place.clause == clause
    ]


def _note(looks: Sequence[_Look], sentence: str) -> None:
    for look in looks:
        look.trouble.append(sentence)


def _person_of(collection: CollectionSettings, datamap: DataMap) -> str | None:
    """The field that holds the id under which the host application knows a person."""
    if "user_id" in collection.identifies:
        return collection.identifies["user_id"]
    for reference in collection.person:
        if datamap.collection(reference.to).identifies.get("user_id") == reference.to_field:
            return reference.field
    return None
