"""A clause's run as it would be now: its plan, what the stores say of it, and whether a person must approve it first."""

from dataclasses import dataclass
from datetime import datetime

from core.database import Database
from core.errors import WaitsForPerson
from core.settings import Settings
from plans.engine import Plans
from plans.plan import Plan
from plans.preview import Preview
from policies.cutoffs import BindingClause, ClauseHistory, binding_clauses
from policies.versions import Policies, Version
from retention import runs
from retention.terms import cutoffs_of, over_breaker, terms_of
from retention.views import ClauseOverdue, ClauseSweep, clause_sweep


@dataclass(frozen=True, kw_only=True)
class Draft:
    """`standing`: the id of an approval of these very terms, None where there is none. Nothing of it is stored yet."""

    plan: Plan
    preview: Preview
    terms: str
    sweep: ClauseSweep
    standing: str | None


class Drafting:
    """Makes drafts out of the versions, the map, the holds and the stores as they are; changes nothing."""

    def __init__(self, database: Database, policies: Policies, plans: Plans, settings: Settings) -> None:
        self._database = database
        self._policies = policies
        self._plans = plans
        self._settings = settings

    def clauses(self, now: datetime) -> tuple[BindingClause, ...]:
        """The retention clauses that bind, those of the version in force first. Raises WaitsForPerson without one."""
        _, history = self._in_force()
        return tuple(sorted(binding_clauses(history, now), key=lambda one: one.dropped))

    def zone(self) -> str:
        """The controller's zone, in which windows are meant."""
        return self._in_force()[0].document.controller.timezone

    def draft(self, binding: BindingClause, now: datetime) -> Draft:
        """The draft of a clause's run at `now`, by which its cutoffs are reckoned."""
        version, history = self._in_force()
        clause = binding.clause
        cutoffs = cutoffs_of(history, clause.id, now)
        plan = self._plans.draft_sweep(clause=clause, cutoffs=cutoffs, version=version.number, now=now)
        preview, terms = self._plans.look(plan), terms_of(clause, plan)
        with self._database.read() as session:
            approval = runs.last_approval(session, clause.id)
        standing = approval.id if approval and approval.terms == terms else None
        if approval is None:
            waits_for = "It is the first run of this clause."
        elif standing is None:
            waits_for = "The clause, or what it reaches, has changed since it was approved."
        else:
            waits_for = over_breaker(preview, self._settings.sweep(clause.id).breaker)
        view = clause_sweep(plan, preview, dropped=binding.dropped, waits_for=waits_for if preview.total else "")
        return Draft(plan=plan, preview=preview, terms=terms, sweep=view, standing=standing)

    def overdue(self, binding: BindingClause, now: datetime) -> ClauseOverdue:
        """What is over its time at `now`, and what was so already when the time the work may take began."""
        due = self.draft(binding, now).sweep
        limit = binding.clause.within.before(now)
        _, history = self._in_force()
        # Before a first version there was no promise: what it found is due at once, and broken when `within` has passed.
        promised = min(version.in_force_at for version in history)
        return ClauseOverdue(
            clause=binding.clause.id,
            at=now,
            due=due.rows,
            broken=self.draft(binding, limit).sweep.rows if limit >= promised else 0,
            held=due.held,
            oldest=due.oldest,
            blocked=due.blocked,
            gaps=due.gaps,
        )

    def _in_force(self) -> tuple[Version, ClauseHistory]:
        with self._database.read() as session:
            version = self._policies.in_force(session)
            if version is None:
                raise WaitsForPerson("No policy is in force.", remedy="Publish one: `kept policy publish`.")
            return version, self._policies.history(session)
