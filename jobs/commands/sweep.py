"""`kept sweep`, `kept approvals` and `kept hold`: what is over its time, what waits for a person, what must stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from core.clock import iso_utc
from core.errors import BadInput, Conflict
from core.words import count, plural
from jobs.actor import command_actor
from jobs.answers import Answer, Line, answering, table
from jobs.progress import showing_progress
from jobs.services import Services, Wiring
from plans.execute import Progress
from plans.holds import Hold
from plans.plan import Step
from retention.tables import RunState
from retention.views import ClauseSweep, SweepOutcome, sweep_json

_BUDGET = re.compile(r"([1-9]\d*)([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_COLUMNS = ["clause", "collection", "deed", "rows", "of", "held", "oldest", "newest"]


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
@click.option("--approve", help="Approve what waits for this clause, or for all, and run it.", metavar="CLAUSE|all")
@click.option("--reason", help="Why it is approved; stands in the ledger.")
@click.pass_obj
@answering
def sweep(
    wiring: Wiring, dry_run: bool, clause: str | None, budget: str | None, approve: str | None, reason: str | None
) -> Answer:
    """Let go what is over its time. The first run of a clause, and one over the breaker, wait for approval."""
    span = _budget(budget)
    if approve is not None and not (reason or "").strip():
        raise BadInput("--approve needs a reason.", remedy="Say why: --reason 'first run, numbers checked'.")
    with wiring.open_services(None) as kept:
        if dry_run:
            return _answer_dry_run(kept.sweeps.dry_run(approve if approve not in (None, "all") else clause))
        with showing_progress() as show:

            def on_progress(step: Step, done: int, total: int) -> None:
                show(f"{step.clause} {step.collection}", done, total)

            order = _Order(approve=approve, reason=reason or "", budget=span, on_progress=on_progress)
            outcomes, busy = _run_each(kept, clause, order)
        kept.evidences.refresh()
        kept.ledger.settle()
        return _answer_run(kept, outcomes, busy)


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What the command was asked for."""

    approve: str | None
    reason: str
    budget: timedelta | None
    on_progress: Progress


def _run_each(kept: Services, clause: str | None, order: _Order) -> tuple[list[SweepOutcome], dict[str, Conflict]]:
    """Run clause by clause: one that another process sweeps right now is left to it, and the others go on."""
    named = clause if order.approve in (None, "all") else order.approve
    clauses = [named] if named else [one.clause.id for one in kept.sweeps.clauses()]
    ends = kept.clock.now() + order.budget if order.budget else None
    outcomes: list[SweepOutcome] = []
    busy: dict[str, Conflict] = {}
    for one in clauses:
        left = ends - kept.clock.now() if ends else None
        if left is not None and left <= timedelta(0):
            break
        try:
            if order.approve is None:
                outcomes += kept.sweeps.run(one, budget=left, on_progress=order.on_progress, actor=command_actor())
            else:
                outcomes += kept.sweeps.approve(
                    one, by=command_actor(), reason=order.reason, budget=left, on_progress=order.on_progress
                )
        except Conflict as conflict:
            busy[one] = conflict
    return outcomes, busy


def _rows(found: ClauseSweep) -> list[list[str]]:
    def day(instant: datetime | None) -> str:
        return f"{instant:%Y-%m-%d}" if instant else "–"

    return [
        [
            found.clause,
            one.collection,
            one.deed,
            count(one.rows),
            count(one.total),
            count(one.held),
            day(one.oldest),
            day(one.newest),
        ]
        for one in found.collections
    ]


def _remarks(found: ClauseSweep) -> list[Line]:
    lines: list[Line] = [f"{found.clause}: {blocked}" for blocked in dict.fromkeys(found.blocked)]
    for one in found.collections:
        if one.timeless or one.future:
            lines.append(
                f"{found.clause}: {one.collection}: {count(one.timeless)} without a time and {count(one.future)} with one to come stay."
            )
    lines += [f"{found.clause}: gap: {gap}" for gap in found.gaps]
    lines += [f"{found.clause}: stays: {stay}" for stay in found.stays]
    return lines


def _answer_dry_run(found: list[ClauseSweep]) -> Answer:
    rows = [row for one in found for row in _rows(one)]
    lines: list[Line] = [table("", _COLUMNS, rows, right=(3, 4, 5))]
    for one in found:
        cutoffs = {f"{each.cutoff:%Y-%m-%d %H:%M:%S}" for each in one.collections if each.cutoff}
        lines.append(f"{one.clause}: cutoff {', '.join(sorted(cutoffs)) or 'none'} UTC")
        lines += _remarks(one)
        if one.waits_for:
            lines.append(f"{one.clause}: waits for approval: {one.waits_for}")
    lines.append(f"{plural(sum(one.rows for one in found), 'record', 'records')} over their time. Nothing was changed.")
    data = [sweep_json(one) | {"rows": one.rows, "held": one.held} for one in found]
    unreachable = any(one.blocked for one in found)
    return Answer(data=data, lines=lines, exit_status=3 if unreachable else 0)


def _outcome_json(one: SweepOutcome) -> dict[str, Any]:
    return {
        "clause": one.clause,
        "state": one.state.value,
        "rows": one.rows,
        "remaining": one.run.remaining,
        "overdue": one.run.overdue,
        "oldest_remaining": iso_utc(one.run.oldest_remaining) if one.run.oldest_remaining else None,
        "waits_for": one.waiting.reason if one.waiting else None,
        "errors": list(one.errors),
        "sweep": sweep_json(one.sweep) | {"rows": one.sweep.rows, "held": one.sweep.held} if one.sweep else None,
    }


def _answer_run(kept: Services, outcomes: list[SweepOutcome], busy: dict[str, Conflict]) -> Answer:
    lines: list[Line] = [_say(one) for one in outcomes]
    lines += [str(conflict) for conflict in busy.values()]
    for one in outcomes:
        if one.sweep and one.state is not RunState.FAILED:
            lines += _remarks(one.sweep)
    waiting = [one for one in outcomes if one.waiting]
    if waiting:
        lines.append("Look at the numbers with --dry-run, then: kept sweep --approve CLAUSE|all --reason '…'")
    latest = kept.ledger.latest()
    if latest:
        lines.append(f"Recorded; the ledger's checkpoint covers {count(latest.size)} entries.")
    failed = any(one.state is RunState.FAILED for one in outcomes)
    status = 3 if failed else 1 if waiting or busy or any(one.state is RunState.PAUSED for one in outcomes) else 0
    data = [_outcome_json(one) for one in outcomes]
    data += [
        {"clause": clause, "state": "busy", "rows": 0, "errors": [str(conflict)]} for clause, conflict in busy.items()
    ]
    return Answer(data=data, lines=lines, exit_status=status)


def _say(one: SweepOutcome) -> str:
    if one.waiting and one.sweep:
        return (
            f"{one.clause}: {plural(one.sweep.rows, 'record waits', 'records wait')} for approval. {one.waiting.reason}"
        )
    if one.state is RunState.FAILED:
        return f"{one.clause}: {plural(one.rows, 'record', 'records')} done, then stopped: {' '.join(dict.fromkeys(one.errors))}"
    if one.state is RunState.PAUSED:
        return f"{one.clause}: {plural(one.rows, 'record', 'records')} done, {count(one.run.overdue)} to go. The next run goes on."
    return f"{one.clause}: {plural(one.rows, 'record', 'records')} done, {count(one.run.overdue)} over their time by read-back."


@click.command()
@click.pass_obj
@answering
def approvals(wiring: Wiring) -> Answer:
    """List the sweeps that wait for a person. Exit 1 while one does."""
    with wiring.open_services(None) as kept:
        waiting = kept.sweeps.waiting()
    lines: list[Line] = []
    for one in waiting:
        lines.append(f"{one.clause}: {plural(one.sweep.rows, 'record', 'records')}. {one.reason}")
        lines.append(table("", _COLUMNS, _rows(one.sweep), right=(3, 4, 5)))
        for collection, samples in one.samples.items():
            lines += [
                f"  {collection}: " + ", ".join(f"{name}={value}" for name, value in row.items()) for row in samples[:3]
            ]
    if waiting:
        lines.append("To approve: kept sweep --approve CLAUSE|all --reason '…'")
    else:
        lines.append("Nothing waits for approval.")
    data = [
        {
            "clause": one.clause,
            "run": one.run_id,
            "since": iso_utc(one.since),
            "reason": one.reason,
            "sweep": sweep_json(one.sweep),
        }
        for one in waiting
    ]
    return Answer(data=data, lines=lines, exit_status=1 if waiting else 0)


@click.group()
def hold() -> None:
    """Legal holds: records that must stay past their time."""


def _hold_json(one: Hold) -> dict[str, Any]:
    return {
        "id": one.id,
        "collection": one.collection,
        "clause": one.clause,
        "person": sorted(one.person),
        "by": one.by,
        "reason": one.reason,
        "added_at": iso_utc(one.added_at),
        "review_at": iso_utc(one.review_at) if one.review_at else None,
    }


def _pairs(given: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in given:
        kind, equals, value = pair.partition("=")
        if not equals or not value:
            raise BadInput(f"--person is '{pair}'.", remedy="Write KIND=VALUE, such as user_id=u_000042.")
        found.setdefault(kind, []).append(value)
    return found


@hold.command("add")
@click.option("--collection", help="Only records of this collection.")
@click.option("--clause", help="Only against this clause.")
@click.option("--person", multiple=True, metavar="KIND=VALUE", help="Only records of this person.")
@click.option("--reason", required=True, help="Which case or duty it is for.")
@click.pass_obj
@answering
def add_hold(
    wiring: Wiring, collection: str | None, clause: str | None, person: tuple[str, ...], reason: str
) -> Answer:
    """Put records on hold; it binds from the next batch on."""
    with wiring.open_services(None) as kept:
        made = kept.holds.add(
            by=command_actor(), reason=reason, collection=collection, clause=clause, person=_pairs(person)
        )
        kept.ledger.settle()
    return Answer(data=_hold_json(made), lines=[f"{made.id} binds from now on."])


@hold.command("list")
@click.pass_obj
@answering
def list_holds(wiring: Wiring) -> Answer:
    """List the holds that bind."""
    with wiring.open_services(None) as kept:
        found = kept.holds.list()
    rows = [
        [
            one.id,
            one.collection or "all",
            one.clause or "all",
            ", ".join(sorted(one.person)) or "all",
            one.by,
            one.reason,
        ]
        for one in found
    ]
    lines: list[Line] = (
        [table("", ["hold", "collection", "clause", "person by", "by", "why"], rows)] if rows else ["No hold binds."]
    )
    return Answer(data=[_hold_json(one) for one in found], lines=lines)


@hold.command("release")
@click.argument("hold_id", metavar="ID")
@click.option("--reason", required=True, help="Why it may go.")
@click.pass_obj
@answering
def release_hold(wiring: Wiring, hold_id: str, reason: str) -> Answer:
    """End a hold: what it kept goes with the next run that covers it."""
    with wiring.open_services(None) as kept:
        kept.holds.release(hold_id, by=command_actor(), reason=reason)
        kept.ledger.settle()
    return Answer(data={"id": hold_id, "released": True}, lines=[f"{hold_id} is released."])
