"""What the ledger keeps of a run beside its ids: counts, instants and words about stores; nothing of a record."""

from datetime import datetime
from typing import Any

from core.clock import iso_utc
from plans.plan import Plan
from plans.preview import Preview
from retention.tables import RunState, SweepRunRow
from retention.views import ClauseSweep, CollectionSweep

# Why records are still over their time when a run of this state ends.
_WHY = {RunState.PAUSED: "budget", RunState.STOPPED: "stopped", RunState.WAITING: "waiting", RunState.FAILED: "blocked"}


def run_facts(run: SweepRunRow, plan: Plan, set_out: ClauseSweep | None, left: Preview | None) -> dict[str, Any]:
    """The private part of the entry of a run that has ended, or that waits. `set_out`: what it was going to take; `left`:
    what is over its time now, None where that is still what it set out with."""
    rows = set_out.collections if set_out else ()
    sizes = [one.size for one in rows if one.rows]
    return {
        "state": run.state,
        "rows": run.rows,
        "remaining": run.remaining,
        "held": run.held,
        "overdue": run.overdue,
        "why": _why(run, left),
        "oldest_remaining": _iso(run.oldest_remaining),
        "oldest_overdue": _iso(run.oldest_overdue),
        "cutoffs": {name: iso_utc(instant) for name, instant in plan.cutoffs.items()},
        "ranges": {one.collection: _range(one) for one in rows if one.rows},
        "bytes": sum(size for size in sizes if size is not None) if sizes and None not in sizes else None,
        "duration_ms": _duration(run),
        "gaps": len(plan.gaps),
        "made_up": run.made_up,
        "missed": run.missed,
        "note": run.note,
    }


def _why(run: SweepRunRow, left: Preview | None) -> list[str]:
    """Why not everything that is over its time is gone: a word each; none where it is."""
    why = ["held"] if run.held else []
    if not run.overdue and not (left and left.blocked) and run.state != RunState.FAILED:
        return why
    named = _WHY.get(RunState(run.state))
    if run.stopped_by:
        named = "stopped"
    if left and left.blocked:
        named = "blocked"
    return [*why, named or "blocked"]


def _range(one: CollectionSweep) -> dict[str, Any]:
    return {"rows": one.rows, "oldest": _iso(one.oldest), "newest": _iso(one.newest), "bytes": one.size}


def _duration(run: SweepRunRow) -> int | None:
    return int((run.ended_at - run.started_at).total_seconds() * 1000) if run.ended_at else None


def _iso(instant: datetime | None) -> str | None:
    return iso_utc(instant) if instant else None
