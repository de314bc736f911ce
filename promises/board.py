"""The board: every clause of the version in force with its state, read from kept evidence; asks no store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from checks.nights import GOOD_FOR
from core.clock import Clock, day_in
from core.database import Database
from dsr.erasure_replay import count_back
from dsr.figures import RightFigures, count_rights
from dsr.telling_views import count_recipients, figures_of
from policies.authorities import countries
from policies.clause_words import describe_clause
from policies.clauses import (
    Clause,
    CollectsClause,
    NeverClause,
    RecipientClause,
    RetentionClause,
    Right,
    RightClause,
    Role,
)
from policies.cutoffs import BindingClause
from policies.versions import Policies, Version
from promises.alarms import Standing
from promises.alerting import OpenAlarm, read_open_alarms
from promises.attestations import Attestations
from promises.disclosing import judge_disclosures
from promises.evidence import CheckEvidences, SweepEvidences
from promises.history import NOTHING_SEEN, History, read_histories
from promises.judging import judge_other
from promises.looks import Look, Looks
from promises.mechanisms import judge_complaint
from promises.silence import Silence, read_silences
from promises.states import (
    Judgement,
    RightEvidence,
    State,
    TellingEvidence,
    Unseen,
    judge_collects,
    judge_never,
    judge_recipient,
    judge_right,
    judge_sweep,
)
from promises.vouching import may_be_vouched, settle

# Tickets that nobody may open: a complaint to the authority goes to the authority.
OUTSIDE = "authority"
OWN_LANGUAGE = "en"  # that of the console: Kept's own clauses stand on no public page
WORST_FIRST = (State.BROKEN, State.DUE, State.ATTESTED, State.KEPT)


@dataclass(frozen=True, kw_only=True)
class ClauseState:
    """One clause: what it promises in a sentence, its state, the proof in words (and as everyone may read it), when that was
    looked at and how long it holds. `may_vouch`: somebody's word counts for it."""

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
    within: timedelta | None = None
    history: History | None = None
    may_vouch: bool = False

    def as_json(self) -> dict[str, Any]:
        """For machines: states and instants as text, lengths in whole seconds; `worst_overdue` of retention clauses only."""
        rest = {name: value for name, value in vars(self).items() if name not in ("within", "history", "may_vouch")}
        return {
            **rest,
            "state": self.state.value,
            "checked_at": _text(self.checked_at),
            "good_until": _text(self.good_until),
            "within_seconds": int(self.within.total_seconds()) if self.within is not None else None,
            "worst_overdue": self.history.as_json() if self.history is not None else None,
        }


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat().replace("+00:00", "Z") if instant else None


@dataclass(frozen=True, kw_only=True)
class Board:
    """All clauses, in the order of the document, the alarms that stand and the jobs that are not heard of. `version` None:
    nothing is in force. `own`: the clauses over Kept's own data, which bind before a policy does."""

    version: int | None
    at: datetime
    clauses: tuple[ClauseState, ...]
    alarms: tuple[OpenAlarm, ...] = ()
    silences: tuple[Silence, ...] = ()
    own: tuple[ClauseState, ...] = ()

    def count(self, state: State) -> int:
        return sum(one.state is state for one in self.clauses)

    def as_json(self) -> dict[str, Any]:
        """For machines: states and instants as text."""
        return {
            "version": self.version,
            "at": _text(self.at),
            "clauses": [one.as_json() for one in self.clauses],
            "own": [one.as_json() for one in self.own],
            "alarms": [
                {"kind": one.alarm.kind.value, "about": one.alarm.about, "says": one.alarm.says}
                | {"since": _text(one.alarm.since), "raised_at": _text(one.raised_at), "told_at": _text(one.told_at)}
                for one in self.alarms
            ],
            "silent": [
                {"job": one.job, "since": _text(one.since), "fails": one.fails, "says": one.words(self.at)}
                for one in self.silences
            ],
        }


class Boards:
    """Reads the board from the control database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policies: Policies,
        evidences: SweepEvidences,
        checks: CheckEvidences,
        *,
        looks: Looks,
        attestations: Attestations,
        own: Callable[[], Sequence[BindingClause]] = tuple,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._evidences = evidences
        self._checks = checks
        self._looks = looks
        self._attestations = attestations
        self._own = own

    def read(self) -> Board:
        """The board as the evidence stands now."""
        now, bindings = self._clock.now(), self._own()
        with self._database.read() as session:
            histories = read_histories(session, now.date())
            own = tuple(self._own_state(session, one.clause, histories, now) for one in bindings)
            alarms, silences = read_open_alarms(session), read_silences(session, now)
            version = self._policies.in_force(session)
            if version is None:
                return Board(version=None, at=now, clauses=(), alarms=alarms, silences=silences, own=own)
            states = tuple(self._states(session, version, histories, now))
        return Board(version=version.number, at=now, clauses=states, alarms=alarms, silences=silences, own=own)

    def others(self) -> list[Standing]:
        """The clauses that are not retention, as alarms look at them."""
        return [
            Standing(clause=one.clause_id, state=one.state, proof=one.proof, checked_at=one.checked_at)
            for one in self.read().clauses
            if one.kind != RetentionClause.kind
        ]

    def _own_state(
        self, session: Session, clause: RetentionClause, histories: Mapping[str, History], now: datetime
    ) -> ClauseState:
        return _clause_state(clause, OWN_LANGUAGE, self._judge_sweep(session, clause, now), histories, now)

    def _states(
        self, session: Session, version: Version, histories: Mapping[str, History], now: datetime
    ) -> Iterator[ClauseState]:
        document, zone = version.document, version.document.controller.timezone
        figures = count_rights(session, day_in(now, zone))
        look = self._looks.begin(session, version, figures, now)
        vouched = self._attestations.read_vouched(session, [one for one in document.clauses if may_be_vouched(one)])
        for clause in document.clauses:
            given = vouched.get(clause.id)
            if isinstance(clause, RecipientClause) and clause.role is Role.AUTHORITY:
                machine = judge_disclosures(clause, look.disclosures(clause), given, zone=zone)
            else:
                machine = self._judge(session, version, clause, figures, look, now)
            judged = settle(machine, given, now=now, zone=zone)
            yield _clause_state(clause, document.language, judged, histories, now, vouched=may_be_vouched(clause))

    def _judge_sweep(self, session: Session, clause: RetentionClause, now: datetime) -> Judgement:
        allowed: timedelta = clause.within.after_instant(now) - now
        return judge_sweep(self._evidences.read(session, clause.id), allowed_age=allowed, now=now)

    def _judge(
        self,
        session: Session,
        version: Version,
        clause: Clause,
        figures: Mapping[Right, RightFigures],
        look: Look,
        now: datetime,
    ) -> Judgement | Unseen:
        if isinstance(clause, RetentionClause):
            return self._judge_sweep(session, clause, now)
        if isinstance(clause, RightClause):
            return _judge_right(session, clause, figures, now)
        if isinstance(clause, RecipientClause):
            return _judge_recipient(session, clause, now)
        if isinstance(clause, CollectsClause):
            found_in_map = self._checks.of_map(session, clause, version.number)
            return judge_collects(found_in_map, good_for=GOOD_FOR, now=now)
        if isinstance(clause, NeverClause):
            return judge_never(self._checks.of_contents(session, clause), good_for=GOOD_FOR, now=now)
        return judge_other(clause, look, now)


def _judge_right(
    session: Session, clause: RightClause, figures: Mapping[Right, RightFigures], now: datetime
) -> Judgement:
    if clause.to == OUTSIDE:
        return judge_complaint(countries(), now)
    found = figures.get(clause.right, RightFigures())
    back = count_back(session) if clause.right is Right.DELETION else 0
    evidence = RightEvidence(
        checked_at=now, open_tickets=found.open, late_tickets=found.late, answered=found.answered, back=back
    )
    return judge_right(evidence)


def _judge_recipient(session: Session, clause: RecipientClause, now: datetime) -> Judgement:
    told = figures_of(count_recipients(session, now), clause.name)
    return judge_recipient(TellingEvidence(checked_at=now, open=told.open, late=told.late, settled=told.settled))


def _clause_state(
    clause: Clause,
    language: str,
    judged: Judgement,
    histories: Mapping[str, History],
    now: datetime,
    *,
    vouched: bool = False,
) -> ClauseState:
    retained = clause if isinstance(clause, RetentionClause) else None
    return ClauseState(
        clause_id=clause.id,
        kind=clause.kind,
        sentence=describe_clause(clause, language),
        state=judged.state,
        proof=judged.proof,
        public_proof=judged.public or judged.proof,
        checked_at=judged.checked_at,
        good_until=judged.good_until,
        owner=getattr(clause, "owner", None),
        promises=tuple(clause.promises),
        within=retained.within.after_instant(now) - now if retained else None,
        history=histories.get(clause.id, NOTHING_SEEN) if retained else None,
        may_vouch=vouched,
    )
