"""Versions of the policy: published once, numbered, never changed, put in force by a dated event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import BadInput, CheckFailed, Conflict, NotFound
from core.ids import new_id
from ledger.log import Ledger
from policies.clauses import NoticeClause
from policies.cutoffs import ClauseHistory, VersionInForce
from policies.differences import looks_material
from policies.documents import Document, Problem, parse_document
from policies.lint import lint, refusals
from policies.periods import Period
from policies.version_tables import PolicyEventRow, VersionRow

IN_FORCE: Final = "in_force"
SYSTEM: Final = "system"
_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


class VersionState(StrEnum):
    """Where a version stands: waiting for its day, in force, or gone by (also one that a later version overtook)."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    PAST = "past"


@dataclass(frozen=True, kw_only=True)
class Version:
    """A published version. `in_force_at`: when it came into force; `planned_for`: when it is to, while it has not."""

    number: int
    policy: str
    document: Document
    digest: str
    published_at: datetime
    in_force_at: datetime | None
    planned_for: datetime | None
    state: VersionState


class PublishRefused(BadInput):
    """A document that lint refuses; `problems` has each reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Policies:
    """Publishes versions and tells which is in force. Each method that takes no session is a use case of its own."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._read: dict[tuple[int, str], Document] = {}

    def publish(self, document: Document, *, actor: str) -> Version:
        """Publish a document as the next version; the text that was published last gives that version again.

        In force at once where it may be. Raises PublishRefused (lint), BadInput (`not_before` too early, another
        policy's name) and Conflict (another document was published at the same moment).
        """
        if wrong := refusals(lint(document)):
            raise PublishRefused(
                [
                    Problem(source=document.policy, line=one.line, clause=one.clause, what=one.what, remedy=one.remedy)
                    for one in wrong
                ]
            )
        try:
            with self._database.begin() as session:
                number = self._insert(session, document, actor)
                self._put_in_force(session, actor)
        except IntegrityError as error:
            number = self._same_as_latest(document, error)
        with self._database.read() as session:
            return self.version(session, number)

    def tick(self) -> list[Version]:
        """Put in force what is due; gives the versions that came into force now, none when another process did it."""
        try:
            with self._database.begin() as session:
                numbers = self._put_in_force(session, SYSTEM)
        except IntegrityError:
            return []
        with self._database.read() as session:
            return [self.version(session, number) for number in numbers]

    def in_force(self, session: Session, at: datetime | None = None) -> Version | None:
        """The version in force now, or at an instant; None before the first."""
        moment = at or self._clock.now()
        reached = [one for one in self.versions(session) if one.in_force_at and one.in_force_at <= moment]
        return max(reached, key=lambda one: one.number) if reached else None

    def versions(self, session: Session) -> list[Version]:
        """Every version, oldest first."""
        rows = session.scalars(sa.select(VersionRow).order_by(VersionRow.number)).all()
        since = self._in_force_times(session)
        newest = max(since, default=0)
        return [self._view(row, since, newest) for row in rows]

    def version(self, session: Session, number: int) -> Version:
        """One version by its number. Raises NotFound."""
        row = session.scalar(sa.select(VersionRow).where(VersionRow.number == number))
        if row is None:
            raise NotFound(f"There is no version {number}.", remedy="`kept policy show` lists them.")
        since = self._in_force_times(session)
        return self._view(row, since, max(since, default=0))

    def history(self, session: Session) -> ClauseHistory:
        """All versions that ever came into force, oldest first: what cutoffs are reckoned over."""
        return tuple(
            VersionInForce(number=one.number, in_force_at=one.in_force_at, document=one.document)
            for one in self.versions(session)
            if one.in_force_at
        )

    def _insert(self, session: Session, document: Document, actor: str) -> int:
        now = self._clock.now()
        latest = session.scalar(sa.select(VersionRow).order_by(VersionRow.number.desc()).limit(1))
        if latest and latest.digest == document.digest:
            return latest.number
        if latest and latest.policy != document.policy:
            raise BadInput(
                f"The policy here is '{latest.policy}', the document says '{document.policy}'.",
                remedy="One installation holds one policy; keep its name.",
            )
        number = latest.number + 1 if latest else 1
        planned = self._plan(session, document, now)
        row = VersionRow(
            id=new_id("ver"), number=number, policy=document.policy, text=document.text, digest=document.digest,
            published_at=now, planned_for=planned,
        )  # fmt: skip
        session.add(row)
        session.flush()
        self._ledger.record(
            session,
            kind="policy.published",
            actor=actor,
            refs=[f"version:{number}"],
            private={"digest": document.digest, "policy": document.policy, "planned_for": iso_utc(planned)},
        )
        return number

    def _plan(self, session: Session, document: Document, now: datetime) -> datetime:
        """When a new version may come into force: what the version in force promised about notice comes first."""
        wanted = document.not_before_at
        current = self.in_force(session)
        ahead = _ahead(current.document) if current else None
        if current is None or ahead is None or not looks_material(current.document, document):
            return max(now, wanted) if wanted else now
        earliest = ahead.after_instant(now)
        if wanted and wanted < earliest:
            raise BadInput(
                f"not_before is {document.not_before}, and version {current.number} promises notice {ahead.words()} ahead.",
                remedy=f"Write a day after {earliest.date()}, or leave not_before out.",
            )
        return wanted or earliest

    def _put_in_force(self, session: Session, actor: str) -> list[int]:
        """Of the versions that are due, the latest comes into force; those it overtakes never do."""
        now = self._clock.now()
        newest = max(self._in_force_times(session), default=0)
        number = session.scalar(
            sa.select(sa.func.max(VersionRow.number)).where(VersionRow.number > newest, VersionRow.planned_for <= now)
        )
        if number is None:
            return []
        row = session.scalars(sa.select(VersionRow).where(VersionRow.number == number)).one()
        entry = self._ledger.record(
            session, kind="policy.in_force", actor=actor, refs=[f"version:{number}"], private={"digest": row.digest}
        )
        session.add(PolicyEventRow(id=new_id("pev"), number=number, kind=IN_FORCE, at=now, actor=actor, entry=entry))
        session.flush()
        return [number]

    def _same_as_latest(self, document: Document, error: IntegrityError) -> int:
        with self._database.read() as session:
            latest = session.scalar(sa.select(VersionRow).order_by(VersionRow.number.desc()).limit(1))
            if latest and latest.digest == document.digest:
                return latest.number
        raise Conflict(
            "Another document was published at the same moment.", remedy="Look at it, then publish again."
        ) from error

    @staticmethod
    def _in_force_times(session: Session) -> dict[int, datetime]:
        events = session.execute(
            sa.select(PolicyEventRow.number, PolicyEventRow.at).where(PolicyEventRow.kind == IN_FORCE)
        )
        return {row.number: row.at for row in events}

    def _view(self, row: VersionRow, since: dict[int, datetime], newest: int) -> Version:
        state = VersionState.PLANNED if row.number > newest else VersionState.PAST
        return Version(
            number=row.number,
            policy=row.policy,
            document=self._document(row),
            digest=row.digest,
            published_at=row.published_at,
            in_force_at=since.get(row.number),
            planned_for=None if row.number <= newest else row.planned_for,
            state=VersionState.IN_FORCE if row.number == newest else state,
        )

    def _document(self, row: VersionRow) -> Document:
        known = self._read.get((row.number, row.digest))
        if known is not None and known.text == row.text:
            return known
        document = parse_document(row.text, f"version {row.number}")
        if document.digest != row.digest:
            raise CheckFailed(
                f"The stored text of version {row.number} is not the one that was published.",
                remedy="Restore the table policy_versions from a backup; `kept ledger verify` says what else was changed.",
            )
        self._read[row.number, row.digest] = document
        return document


def _ahead(document: Document) -> Period | None:
    """The longest notice that a document promises before a change that matters."""
    promised = [clause.ahead for clause in document.of_kind(NoticeClause) if clause.ahead]
    return max(promised, key=lambda period: period.after_instant(_ANY_DAY), default=None)
