"""The board: every clause of the version in force with its state, read from kept evidence; asks no store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from checks.nights import GOOD_FOR
from core.clock import Clock, day_in
from core.database import Database
from dsr.figures import RightFigures, count_rights
from policies.clause_words import describe_clause
from policies.clauses import Clause, CollectsClause, NeverClause, RetentionClause, Right, RightClause
from policies.versions import Policies, Version
from promises.evidence import CheckEvidences, SweepEvidences
from promises.states import (
    NOT_CHECKED,
    Judgement,
    RightEvidence,
    State,
    judge_collects,
    judge_never,
    judge_right,
    judge_sweep,
)

# Tickets that nobody may open: a complaint to the authority goes to the authority.
OUTSIDE = "authority"
WORST_FIRST = (State.BROKEN, State.DUE, State.ATTESTED, State.KEPT)


@dataclass(frozen=True, kw_only=True)
class ClauseState:
    """One clause: what it promises in a sentence, its state, the proof in words (and as everyone may read it), when that was looked at and how long it holds."""

    clause_id: str
    kind: str
    sentence: str
    state: State
    proof: str
    public_proof: str
    checked_at: datetime | None
    good_until: datetime | None
    owner: str | None
    promises: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """All clauses, in the order of the document. `version` None: nothing is in force."""

    version: int | None
    at: datetime
    clauses: tuple[ClauseState, ...]

    def count(self, state: State) -> int:
        return sum(one.state is state for one in self.clauses)

    def as_json(self) -> dict[str, Any]:
        """For machines: states and instants as text."""

        def text(instant: datetime | None) -> str | None:
            return instant.isoformat().replace("+00:00", "Z") if instant else None

        clauses = [
            {
                **vars(one),
                "state": one.state.value,
                "checked_at": text(one.checked_at),
                "good_until": text(one.good_until),
            }
            for one in self.clauses
        ]
        return {"version": self.version, "at": text(self.at), "clauses": clauses}


class Boards:
    """Reads the board from the control database."""

    def __init__(
        self, database: Database, clock: Clock, policies: Policies, evidences: SweepEvidences, checks: CheckEvidences
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._evidences = evidences
        self._checks = checks

    def read(self) -> Board:
        """The board as the evidence stands now."""
        now = self._clock.now()
        with self._database.read() as session:
            version = self._policies.in_force(session)
            if version is None:
                return Board(version=None, at=now, clauses=())
            figures = count_rights(session, day_in(now, version.document.controller.timezone))
            states = tuple(self._state(session, version, clause, figures, now) for clause in version.document.clauses)
        return Board(version=version.number, at=now, clauses=states)

    def _state(
        self, session: Session, version: Version, clause: Clause, figures: dict[Right, RightFigures], now: datetime
    ) -> ClauseState:
        judged = self._judge(session, version, clause, figures, now)
        return ClauseState(
            clause_id=clause.id,
            kind=clause.kind,
            sentence=describe_clause(clause, version.document.language),
            state=judged.state,
            proof=judged.proof,
            public_proof=judged.public or judged.proof,
            checked_at=judged.checked_at,
            good_until=judged.good_until,
            owner=getattr(clause, "owner", None),
            promises=tuple(clause.promises),
        )

    def _judge(
        self, session: Session, version: Version, clause: Clause, figures: dict[Right, RightFigures], now: datetime
    ) -> Judgement:
        if isinstance(clause, RetentionClause):
            allowed: timedelta = clause.within.after_instant(now) - now
            return judge_sweep(self._evidences.read(session, clause.id), allowed_age=allowed, now=now)
        if isinstance(clause, RightClause) and clause.to != OUTSIDE:
            found = figures.get(clause.right, RightFigures())
            return judge_right(
                RightEvidence(checked_at=now, open_tickets=found.open, late_tickets=found.late, answered=found.answered)
            )
        if isinstance(clause, CollectsClause):
            found_in_map = self._checks.of_map(session, clause, version.number)
            return judge_collects(found_in_map, good_for=GOOD_FOR, now=now)
        if isinstance(clause, NeverClause):
            return judge_never(self._checks.of_contents(session, clause), good_for=GOOD_FOR, now=now)
        return NOT_CHECKED
