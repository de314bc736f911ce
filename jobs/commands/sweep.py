"""`kept sweep`: what is over its time goes, or waits for a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict

import click

from core.clock import iso_utc
from core.errors import BadInput, Conflict
from core.words import count, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering
from jobs.progress import showing_progress
from jobs.restored import require_replayed
from jobs.services import Services, Wiring
from jobs.sweep_lines import remarks, samples, sweep_table
from plans.pace import MOST_RATE, PROFILES, Forecast
from plans.plan import Step
from plans.tools import Progress
from retention.tables import RunState
from retention.views import ClauseSweep, SweepOutcome, sweep_json

_BUDGET = re.compile(r"([1-9]\d*)([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _budget(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _BUDGET.fullmatch(text)
    if not match:
        raise BadInput(f"--budget is '{text}'.", remedy="Write a number and s, m or h, such as 10m.")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go; change nothing.")
@click.option("--clause", help="Only this clause.")
@click.option("--budget", help="Stop between batches after this long, such as 10m; the next run goes on.")
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), help="How much of the stores it takes; else as kept.yaml says."
)
@click.option("--rate", type=click.IntRange(1, MOST_RATE), help="Rows a second at most.", metavar="ROWS")
@click.option("--approve", help="Approve what waits for this clause, or for all, and run it.", metavar="CLAUSE|all")
@click.option("--reason", help="Why it is approved; stands in the ledger.")
@click.pass_obj
@answering
def sweep(
    wiring: Wiring,
    dry_run: bool,
    clause: str | None,
    budget: str | None,
    profile: str | None,
    rate: int | None,
    approve: str | None,
    reason: str | None,
) -> Answer:
    """Let go what is over its time. The first run of a clause, and one over the breaker, wait for approval."""
    span = _budget(budget)
    if approve is not None and not (reason or "").strip():
        raise BadInput("--approve needs a reason.", remedy="Say why: --reason 'first run, numbers checked'.")
    with wiring.open_services(None) as kept:
        if not dry_run:
            require_replayed(kept.settings.var)
        else:
            return _answer_dry_run(kept.sweeps.dry_run(approve if approve not in (None, "all") else clause))
        with showing_progress() as show:

            def on_progress(step: Step, done: int, total: int) -> None:
                show(f"{step.clause} {step.collection}", done, total)

            how: _How = {"on_progress": on_progress, "profile": profile, "rate": rate}
            order = _Order(approve=approve, reason=reason or "", budget=span, how=how)
            worked = _run_each(kept, clause, order)
        kept.evidences.refresh()
        kept.ledger.settle()
        return _answer_run(kept, worked)


class _How(TypedDict):
    """What every clause is run with."""

    on_progress: Progress
    profile: str | None
    rate: int | None


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What the command was asked for."""

    approve: str | None
    reason: str
    budget: timedelta | None
    how: _How


@dataclass(frozen=True, kw_only=True)
class _Worked:
    """What became of each clause: run, left to another process that sweeps it, or not reached within the budget."""

    outcomes: list[SweepOutcome]
    busy: dict[str, Conflict]
    unreached: list[str]


def _run_each(kept: Services, clause: str | None, order: _Order) -> _Worked:
    """Run clause by clause: one that another process sweeps right now is left to it, and the others go on."""
    named = clause if order.approve in (None, "all") else order.approve
    clauses = [named] if named else kept.sweeps.by_hand(approving=order.approve is not None)
    ends = kept.clock.now() + order.budget if order.budget else None
    outcomes: list[SweepOutcome] = []
    busy: dict[str, Conflict] = {}
    unreached: list[str] = []
    for one in clauses:
        left = ends - kept.clock.now() if ends else None
        if left is not None and left <= timedelta(0):
            unreached.append(one)
            continue
        try:
            if order.approve is None:
                came = kept.sweeps.run(one, budget=left, actor=command_actor(), **order.how)
            else:
                came = kept.sweeps.approve(one, by=command_actor(), reason=order.reason, budget=left, **order.how)
        except Conflict as conflict:
            busy[one] = conflict
        else:
            outcomes += came
            unreached += [] if came else [one]  # the budget ended between our look and the run's own
    if named is None and (ends is None or kept.clock.now() < ends):
        outcomes += kept.sweeps.run_own_due()
    return _Worked(outcomes=outcomes, busy=busy, unreached=unreached)


def _answer_dry_run(found: list[ClauseSweep]) -> Answer:
    lines: list[Line] = [sweep_table(found)]
    for one in found:
        cutoffs = {f"{each.cutoff:%Y-%m-%d %H:%M:%S}" for each in one.collections if each.cutoff}
        lines.append(f"{one.clause}: cutoff {', '.join(sorted(cutoffs)) or 'none'} UTC")
        lines += remarks(one)
        lines += samples(one)
        if one.waits_for:
            lines.append(f"{one.clause}: waits for approval: {one.waits_for}")
    lines.append(f"{plural(sum(one.rows for one in found), 'record', 'records')} over their time. Nothing was changed.")
    data = [sweep_json(one) | {"rows": one.rows, "held": one.held, "bytes": one.size} for one in found]
    unreachable = any(one.blocked for one in found)
    return Answer(data=data, lines=lines, exit_status=3 if unreachable else 0)


def _outcome_json(one: SweepOutcome) -> dict[str, Any]:
    return {
        "clause": one.clause,
        "state": one.state.value,
        "rows": one.rows,
        "remaining": one.run.remaining,
        "held": one.run.held,
        "overdue": one.run.overdue,
        "made_up": one.run.made_up,
        "missed": one.run.missed,
        "oldest_remaining": iso_utc(one.run.oldest_remaining) if one.run.oldest_remaining else None,
        "waits_for": one.waiting.reason if one.waiting else None,
        "errors": list(one.errors),
        "forecast": _forecast_json(one.forecast) if one.forecast and one.state is RunState.PAUSED else None,
        "sweep": sweep_json(one.sweep) | {"rows": one.sweep.rows, "held": one.sweep.held} if one.sweep else None,
    }


def _forecast_json(ahead: Forecast) -> dict[str, Any]:
    seconds = round(ahead.seconds) if ahead.seconds is not None else None
    return {"left": ahead.left, "rows_a_second": round(ahead.rate) if ahead.rate else None, "seconds": seconds}


def _answer_run(kept: Services, worked: _Worked) -> Answer:
    outcomes, busy = worked.outcomes, worked.busy
    lines: list[Line] = [_say(one) for one in outcomes]
    lines += [str(conflict) for conflict in busy.values()]
    if worked.unreached:
        lines.append(f"The budget ended before these clauses were looked at: {', '.join(worked.unreached)}.")
    for one in outcomes:
        if one.sweep and one.state is not RunState.FAILED:
            lines += remarks(one.sweep)
    waiting = [one for one in outcomes if one.waiting]
    if waiting:
        lines.append("Look at the numbers with --dry-run, then: kept sweep --approve CLAUSE|all --reason '…'")
    latest = kept.ledger.latest()
    if latest:
        lines.append(f"Recorded; the ledger's checkpoint covers {count(latest.size)} entries.")
    failed = any(one.state is RunState.FAILED for one in outcomes)
    unfinished = any(one.state in (RunState.PAUSED, RunState.STOPPED) for one in outcomes)
    status = 3 if failed else 1 if waiting or busy or unfinished or worked.unreached else 0
    data = [_outcome_json(one) for one in outcomes]
    data += [
        {"clause": clause, "state": "busy", "rows": 0, "errors": [str(conflict)]} for clause, conflict in busy.items()
    ]
    data += [{"clause": clause, "state": "unreached", "rows": 0, "errors": []} for clause in worked.unreached]
    return Answer(data=data, lines=lines, exit_status=status)


def _say(one: SweepOutcome) -> str:
    if one.waiting and one.sweep:
        return (
            f"{one.clause}: {plural(one.sweep.rows, 'record waits', 'records wait')} for approval. {one.waiting.reason}"
        )
    if one.state in (RunState.FAILED, RunState.STOPPED):
        return f"{one.clause}: {plural(one.rows, 'record', 'records')} done, then stopped: {' '.join(dict.fromkeys(one.errors))}"
    if one.state is RunState.PAUSED:
        return f"{one.clause}: {plural(one.rows, 'record', 'records')} done, {count(one.run.overdue)} to go. {one.run.note or 'The next run goes on'}."
    held = f" {count(one.run.held)} under a hold stay." if one.run.held else ""
    made_up = f" It makes up for {plural(one.run.missed, 'missed run', 'missed runs')}." if one.run.missed else ""
    said = f"{plural(one.rows, 'record', 'records')} done, {count(one.run.overdue)} over their time by read-back."
    return f"{one.clause}: {said}{held}{made_up}"
