"""Evidence of retention clauses: measured in the stores by a job or a command, kept, and read by the board."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock
from core.database import Base, Database
from core.errors import WaitsForPerson
from promises.states import SweepEvidence
from retention.sweeps import Sweeps
from retention.views import ClauseOverdue


class SweepEvidenceRow(Base):
    """The last look at a retention clause. `trouble`: a list of sentences."""

    __tablename__ = "promise_evidence"
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    checked_at: Mapped[datetime]
    due: Mapped[int]
    broken: Mapped[int]
    held: Mapped[int]
    trouble: Mapped[list[Any]]


class SweepEvidences:
    """Takes and keeps the evidence of every retention clause that binds."""

    def __init__(self, database: Database, clock: Clock, sweeps: Sweeps) -> None:
        self._database = database
        self._clock = clock
        self._sweeps = sweeps

    def refresh(self) -> None:
        """Look at every store again. Without a policy in force there is nothing to look at."""
        try:
            looked = self._sweeps.overdue()
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
        standing = self._sweeps.state(clause)
        good = standing.last_good
        return SweepEvidence(
            checked_at=row.checked_at,
            due=row.due,
            broken=row.broken,
            held=row.held,
            waits_for_approval=standing.waiting is not None,
            trouble=tuple(row.trouble),
            last_run_rows=good.rows if good else 0,
            last_run_at=good.ended_at if good else None,
        )

    def _keep(self, session: Session, one: ClauseOverdue) -> None:
        row = session.get(SweepEvidenceRow, one.clause) or SweepEvidenceRow(clause=one.clause)
        row.checked_at = self._clock.now()
        row.due, row.broken, row.held = one.due, one.broken, one.held
        row.trouble = [*one.blocked, *one.gaps]
        session.add(row)
