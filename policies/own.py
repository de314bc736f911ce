"""Kept's own policy for its own database: the terms of each release that ran here, since when, and what the present one says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.canonical import Json
from core.clock import Clock
from core.database import Base, Database
from core.errors import CheckFailed
from ledger.log import Ledger
from policies.clauses import RetentionClause
from policies.cutoffs import ClauseHistory, VersionInForce
from policies.documents import Document, parse_document
from policies.periods import Period
from policies.version_values import Version, VersionState

OWN: Final = "kept:"  # before the ids of its clauses and collections; no clause of a policy can be named so
_TERMS: Final = Path(__file__).parent / "examples" / "kept.md"


class Promises(Protocol):
    """Where a version in force, and those before it, are read from."""

    def in_force(self, session: Session, at: datetime | None = None) -> Version | None: ...

    def history(self, session: Session) -> ClauseHistory: ...


class OwnVersionRow(Base):
    """The terms of one release, from the day on which it first ran here: what was promised then binds what was kept then."""

    __tablename__ = "own_policy_versions"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(sa.Text)
    in_force_at: Mapped[datetime]


class OwnPolicies:
    """The versions of Kept's own policy. A release whose terms differ from those before it brings a new one with it."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger

    def bring_up(self) -> None:
        """Put the terms of this release in force, unless they are so already. At every start."""
        document = own_document()
        with self._database.read() as session:
            if _last_digest(session) == document.digest:
                return
        try:
            with self._database.begin() as session:
                if _last_digest(session) == document.digest:
                    return
                number = (session.execute(sa.select(sa.func.max(OwnVersionRow.number))).scalar_one() or 0) + 1
                now = self._clock.now()
                session.add(OwnVersionRow(number=number, digest=document.digest, text=document.text, in_force_at=now))
                private: dict[str, Json] = {"digest": document.digest, "number": number}
                self._ledger.record(session, kind="own.in_force", actor="system", refs=["policy:kept"], private=private)
        except IntegrityError:
            return  # another process of the same release was first

    def in_force(self, session: Session, at: datetime | None = None) -> Version | None:
        """The version in force (at `at`, else now), its retention clauses under ids that begin with `kept:`."""
        history = [one for one in self.history(session) if at is None or one.in_force_at <= at]
        if not history:
            return None
        last = history[-1]
        return Version(
            number=last.number,
            policy=last.document.policy,
            documents=(last.document,),
            digest=last.document.digest,
            published_at=last.in_force_at,
            state=VersionState.IN_FORCE,
            in_force_at=last.in_force_at,
            planned_for=None,
        )

    def history(self, session: Session) -> ClauseHistory:
        """All versions, oldest first. The first holds for everything before it too."""
        rows = session.execute(sa.select(OwnVersionRow).order_by(OwnVersionRow.number)).scalars()
        return tuple(
            VersionInForce(number=row.number, in_force_at=row.in_force_at, document=_named(row.text)) for row in rows
        )


@cache
def own_document() -> Document:
    """Kept's own policy as this release has it, read once."""
    return parse_document(_TERMS.read_text(encoding="utf-8"), _TERMS.name)


def own_period(clause_id: str) -> Period:
    """How long this release says that something of Kept's own is kept; the one place such a number stands."""
    clause = own_document().clause(clause_id)
    if not isinstance(clause, RetentionClause) or clause.period is None:
        raise CheckFailed(f"{_TERMS.name} has no period '{clause_id}'.", remedy="Install this release again.")
    return clause.period


def is_own(clause_id: str) -> bool:
    """Is it a clause, or a collection, of Kept's own data?"""
    return clause_id.startswith(OWN)


@cache
def _named(text: str) -> Document:
    document = parse_document(text, _TERMS.name)
    clauses = tuple(replace(one, id=f"{OWN}{one.id}") for one in document.of_kind(RetentionClause))
    return replace(document, clauses=clauses)


def _last_digest(session: Session) -> str | None:
    wanted = sa.select(OwnVersionRow.digest).order_by(OwnVersionRow.number.desc()).limit(1)
    return session.execute(wanted).scalar_one_or_none()
