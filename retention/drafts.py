"""A clause's run as it would be now: its plan, what the stores say of it, and whether a person must approve it first."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.database import Database
from core.errors import WaitsForPerson
from core.settings import Settings
from plans.engine import Plans
from plans.plan import Plan, Step
from plans.preview import Preview
from plans.showing import count_held, findings
from policies.cutoffs import BindingClause, ClauseHistory, binding_clauses
from policies.own import Promises
from policies.versions import Version
from retention import runs
from retention.overdue import Looks, longest_over
from retention.seldom import too_seldom
from retention.terms import as_stores_tell_time, cutoffs_of, over_breaker, terms_of
from retention.views import ClauseOverdue, ClauseSweep, CollectionSweep, HeldBy, clause_sweep

HOLDS_NAMED = 20  # of more holds over one collection the rest is in the count alone


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

    def __init__(self, database: Database, policies: Promises, plans: Plans, settings: Settings) -> None:
        self._database = database
        self._policies = policies
        self._plans = plans
        self._settings = settings

    def clauses(self, now: datetime) -> tuple[BindingClause, ...]:
        """The retention clauses that bind, those of the version in force first. Raises WaitsForPerson without one."""
        _, history = self._in_force()
        return tuple(sorted(binding_clauses(as_stores_tell_time(history, now), now), key=lambda one: one.dropped))

    def zone(self) -> str:
        """The controller's zone, in which windows are meant."""
        return self._in_force()[0].document.controller.timezone

    def draft(self, binding: BindingClause, now: datetime) -> Draft:
        """The draft of a clause's run at `now`, by which its cutoffs are reckoned."""
        plan, clause = self.plan(binding, now), binding.clause
        preview, terms = self._plans.look(plan), terms_of(clause, plan)
        with self._database.read() as session:
            approval = runs.last_approval(session, clause.id)
        standing = approval.id if approval and approval.terms == terms else None
        if approval is not None and approval.revoked_at is not None:
            waits_for, standing = "Its approval was revoked.", None
        elif approval is None:
            waits_for = "It is the first run of this clause."
        elif standing is None:
            waits_for = "The clause, or what it reaches, has changed since it was approved."
        else:
            waits_for = over_breaker(preview, self._settings.sweep(clause.id).breaker)
        view = clause_sweep(plan, preview, dropped=binding.dropped, waits_for=waits_for if preview.total else "")
        view = replace(view, terms=terms, seldom=too_seldom(clause, self._settings.sweep(clause.id), now))
        return Draft(plan=plan, preview=preview, terms=terms, sweep=view, standing=standing)

    def plan(self, binding: BindingClause, now: datetime) -> Plan:
        """The plan alone; no store is asked how much it would touch."""
        version, history = self._in_force()
        cutoffs = cutoffs_of(as_stores_tell_time(history, now), binding.clause.id, now)
        return self._plans.draft_sweep(
            clause=binding.clause,
            cutoffs=cutoffs,
            version=version.number,
            now=now,
            clauses=version.document.clauses,
        )

    def show(self, draft: Draft) -> ClauseSweep:
        """The draft with all that a person should see before they say yes: which holds keep what, what the stores have to
        say, and masked records."""
        rows = tuple(
            replace(
                row,
                holds=self._holds_over(step, row),
                findings=findings(self._plans.datamap, step, _period(draft.plan, step)),
            )
            for step, row in zip(draft.plan.steps, draft.sweep.collections, strict=True)
        )
        return replace(draft.sweep, collections=rows, samples=self._plans.sample(draft.plan))

    def _holds_over(self, step: Step, row: CollectionSweep) -> tuple[HeldBy, ...]:
        if not row.held:
            return ()
        counted = count_held(self._plans.datamap, self._plans.holds.list(), step, limit=HOLDS_NAMED)
        return tuple(HeldBy(hold=hold, rows=extent.rows) for hold, extent in counted if extent.rows)

    def set_out_with(self, plan_id: str | None) -> ClauseSweep | None:
        """What a run that was taken up again had set out with, by the preview that was kept with its plan."""
        kept = self._plans.load(plan_id) if plan_id else None
        return clause_sweep(kept.plan, kept.preview, dropped=False, waits_for="") if kept and kept.preview else None

    def overdue(self, binding: BindingClause, now: datetime) -> ClauseOverdue:
        """What is over its time at `now`, and what was so already when the time the work may take began."""
        due = self.draft(binding, now).sweep
        limit = binding.clause.within.before(now)
        _, history = self._in_force()
        # Before a first version there was no promise: what it found is due at once, and broken when `within` has passed.
        promised, halfway = min(version.in_force_at for version in history), now - (now - limit) / 2

        def over_at(moment: datetime) -> int:
            return self.draft(binding, moment).sweep.rows if moment >= promised else 0

        # Cutoffs never step back, so what is over at an earlier moment is over at a later one: nothing now, nothing then.
        half = over_at(halfway) if due.rows else 0
        broken = over_at(limit) if half else 0
        looks = Looks(
            sweep=due,
            by_own_time=binding.clause.event is None,
            now=now,
            halfway=halfway,
            limit=limit,
            promised=promised,
            half=half,
            broken=broken,
        )
        return ClauseOverdue(
            clause=binding.clause.id,
            at=now,
            due=due.rows,
            broken=broken,
            half=half,
            over=longest_over(looks),
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


def _period(plan: Plan, step: Step) -> timedelta | None:
    """How long the clause keeps the step's records, in whole days."""
    cutoff = plan.cutoffs.get(step.collection)
    return timedelta(days=(plan.made_at - cutoff).days) if cutoff is not None else None
