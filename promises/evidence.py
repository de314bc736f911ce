"""Evidence of clauses: measured in the stores by a job or a command, kept, and read by the board."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from checks.comparing import Difference
from checks.content import ContentEvidence, ContentFinding, ContentScan
from checks.cookie_check import CookieCheck
from checks.drift import Drift, DriftEvidence
from checks.sought import WORDS
from core.clock import Clock
from core.database import Base, Database
from core.errors import WaitsForPerson
from core.words import plural
from policies.clauses import CollectsClause, CookieClause, NeverClause
from policies.documents import Document
from policies.own import is_own
from promises.history import note_look
from promises.states import CookieEvidence, MapEvidence, ScanEvidence, SweepEvidence
from retention.runs import read_standing
from retention.sweeps import Sweeps
from retention.views import ClauseOverdue
from stores.datamap import DataMap

OWN_LOOKS: Final = timedelta(minutes=10)


class SweepEvidenceRow(Base):
    """The last look at a retention clause. `half`: records past half of `within`; `over_seconds`: how long the oldest is
    over; `trouble`: a list of sentences, of which `unreached` are those that a store said no with."""

    __tablename__ = "promise_evidence"
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    checked_at: Mapped[datetime]
    due: Mapped[int]
    broken: Mapped[int]
    held: Mapped[int]
    trouble: Mapped[list[Any]]
    half: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    over_seconds: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    unreached: Mapped[list[Any]] = mapped_column(default=list)


class SweepEvidences:
    """Takes and keeps the evidence of every retention clause that binds."""

    def __init__(self, database: Database, clock: Clock, sweeps: Sweeps) -> None:
        self._database = database
        self._clock = clock
        self._sweeps = sweeps

    def refresh(self) -> None:
        """Look at every store again; at Kept's own data, where all was well a moment ago, a while later. Without a policy in
        force there is nothing else to look at."""
        with self._database.read() as session:
            fresh = _looked_at(session, since=self._clock.now() - OWN_LOOKS)
        try:
            looked = self._sweeps.overdue(but=fresh)
        except WaitsForPerson:
            return
        with self._database.begin() as session:
            for one in looked:
                self._keep(session, one)

    def read(self, session: Session, clause: str) -> SweepEvidence | None:
        """What is known of a clause; None if nobody has looked yet."""
        row = session.get(SweepEvidenceRow, clause)
        if row is None:
            return None
        good, waits = read_standing(session, clause)
        return SweepEvidence(
            checked_at=row.checked_at,
            due=row.due,
            half=row.half,
            broken=row.broken,
            over=timedelta(seconds=row.over_seconds),
            held=row.held,
            waits_for_approval=waits,
            trouble=tuple(row.trouble),
            unreached=tuple(row.unreached),
            last_run_rows=good[0] if good else 0,
            last_run_at=good[1] if good else None,
        )

    def _keep(self, session: Session, one: ClauseOverdue) -> None:
        row = session.get(SweepEvidenceRow, one.clause) or SweepEvidenceRow(clause=one.clause)
        now = self._clock.now()
        row.checked_at, row.over_seconds = now, int(one.over.total_seconds())
        row.due, row.half, row.broken, row.held = one.due, one.half, one.broken, one.held
        row.trouble, row.unreached = [*one.blocked, *one.gaps], list(one.blocked)
        session.add(row)
        if one.due or not one.blocked:  # who could not look has not seen that nothing is over
            note_look(session, one.clause, now.date(), due=one.due, broken=one.broken, over=one.over)


def _looked_at(session: Session, *, since: datetime) -> frozenset[str]:
    """Kept's own clauses that were looked at since, and of which nothing was over its time."""
    wanted = sa.select(SweepEvidenceRow.clause).where(SweepEvidenceRow.checked_at > since, SweepEvidenceRow.due == 0)
    return frozenset(name for name in session.execute(wanted).scalars() if is_own(name))


class CheckEvidences:
    """Reads what the checks of the map and of contents found, for the clause that each of them speaks for."""

    def __init__(self, drift: Drift, content: ContentScan, datamap: DataMap) -> None:
        self._drift = drift
        self._content = content
        self._datamap = datamap

    def refresh(self) -> None:
        """Look again at what was not looked at since the last night."""
        self._drift.check_if_due()
        self._content.scan_if_due()

    def of_map(self, session: Session, clause: CollectsClause, version: int) -> MapEvidence | None:
        """What the last look at the map found that puts a `collects` clause in doubt; None if nobody has looked."""
        last = self._drift.last(session)
        if last is None:
            return None
        return MapEvidence(
            checked_at=last.checked_at,
            current=last.version == version,
            collections=len(last.collections.get(clause.category, ())),
            by_hand=sum(
                self._datamap.store_of(one).kind == "manual" for one in self._datamap.of_category(clause.category)
            ),
            differences=_differences(last, clause),
        )

    def of_contents(self, session: Session, clause: NeverClause) -> ScanEvidence | None:
        """What the last scan for a `never` clause found; None if there was none. What the map itself says counts too."""
        last = self._content.last(session, clause)
        if last is None:
            return None
        drift = self._drift.last(session)
        said = [one.what for one in drift.findings if one.clause == clause.id] if drift else []
        return ScanEvidence(
            checked_at=last.checked_at,
            collections=last.collections,
            rows_seen=last.rows_seen,
            rows_total=last.rows_total,
            findings=(*said, *describe_findings(last)),
            trouble=last.trouble,
        )


class CookieEvidences:
    """Reads what the visits of pages found, for the clause that it speaks for. Implements `promises.looks.CookieLooks`."""

    def __init__(self, check: CookieCheck) -> None:
        self._check = check

    def evidence(self, session: Session, clause: CookieClause, document: Document) -> CookieEvidence | None:
        """What the last visit says of a clause; None where no page was visited that it speaks of."""
        found = self._check.of_clause(session, clause, document)
        if found is None:
            return None
        return CookieEvidence(
            checked_at=found.look.checked_at,
            pages=found.look.visit.pages,
            undeclared=found.found,
            missing=(),
            how=found.look.visit.how.value,
            trouble=" ".join(found.look.visit.trouble),
        )


def describe_findings(evidence: ContentEvidence) -> tuple[str, ...]:
    """Each finding in words: place, what it is, in how many rows."""
    return tuple(_describe(one) for one in evidence.findings)


def _describe(one: ContentFinding) -> str:
    return f"{one.collection}.{one.field} holds {WORDS[one.trace]} in {plural(one.count, 'row', 'rows')}."


def _differences(last: DriftEvidence, clause: CollectsClause) -> tuple[str, ...]:
    """What concerns the clause: its own category, or all of them; what only another clause promises does not."""
    return tuple(
        one.what
        for one in last.findings
        if (clause.category in one.categories or not one.categories)
        and one.clause in (None, clause.id)
        and one.kind is not Difference.FORBIDDEN_CATEGORY
    )
