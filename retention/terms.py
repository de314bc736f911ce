"""What a clause's run is about: its cutoffs by category, and the terms that an approval stands for. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from core.canonical import digest
from plans.clocks import SKEW
from plans.plan import Plan, Step
from plans.preview import Preview
from policies.clauses import RetentionClause
from policies.cutoffs import ClauseHistory, Cutoff, VersionInForce, bounds

HANDFUL = 10


def cutoffs_of(history: Sequence[VersionInForce], clause_id: str, now: datetime) -> dict[str, Cutoff]:
    """The cutoff of each category that any version of the clause covers and that still binds records."""
    categories: dict[str, None] = {}
    for version in sorted(history, key=lambda each: each.in_force_at, reverse=True):
        clause = version.document.clause(clause_id)
        if version.in_force_at <= now and isinstance(clause, RetentionClause):
            categories |= dict.fromkeys(clause.of)
    found = {category: bounds(history, clause_id, now, category=category) for category in categories}
    return {category: cutoff for category, cutoff in found.items() if cutoff.bounds}


def as_stores_tell_time(history: ClauseHistory, now: datetime) -> ClauseHistory:
    """The history as a store sees it at its own `now`: a version that came into force a moment ago, by a clock that is ahead
    of the store's within what clocks may differ by, is in force there too. Its records are judged by the store's clock."""
    return tuple(
        replace(version, in_force_at=now) if now < version.in_force_at <= now + SKEW else version for version in history
    )


def terms_of(clause: RetentionClause, plan: Plan) -> str:
    """The hash of what a standing approval covers: what the clause means, and where the plan carries it out."""
    exceptions = [[sorted(one.of), one.basis.value, str(one.period or "")] for one in clause.exceptions]
    meaning = [clause.id, sorted(clause.of), clause.then.value, str(clause.period or "")]
    meaning += [clause.after or "", clause.until or "", clause.reaches_back or ""]
    return digest({"clause": meaning, "exceptions": exceptions, "reach": sorted(map(_reach, plan.steps))})


def _reach(step: Step) -> list[str]:
    reach = [step.deed.value, step.collection, step.store, step.at, step.time.name if step.time else ""]
    totals = step.totals
    into = [totals.into, *totals.by, str(totals.k), totals.person or ""] if totals else []
    return [*reach, *step.fields, *into]


def over_breaker(preview: Preview, breaker: float) -> str:
    """Which collection would lose more than its share in one run, in words; '' where none would. A handful of records is
    never too many: of three, one is a third."""
    for row in preview.rows:
        if row.share > breaker and row.rows > HANDFUL:
            return (
                f"{row.rows} of {row.total} records of {row.collection} ({row.share:.0%}) are more than the "
                f"{breaker:.0%} one run may take."
            )
    return ""
