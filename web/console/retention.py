"""Retention in the console: what waits for approval, and how each clause runs. Approving schedules the work; no page deletes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import Conflict
from core.operators import Permission
from core.outbox import OutboxRow, post
from core.words import count, exact_time, plural
from policies.clause_words import describe_clause
from policies.clauses import RetentionClause
from policies.cutoffs import BindingClause
from policies.own import is_own
from retention.tables import RunState
from retention.views import ClauseState, ClauseSweep, CollectionSweep, SweepRun, WaitingApproval
from web.console.actors import actor_names
from web.console.hold_lines import hold_lines
from web.console.retention_runs import Underway, piece, under_way
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.glance import board, once, waiting_approvals
from web.services import services

# Handled by `app.py`: the sweeps build, preview, approve and run what the person saw waiting.
APPROVAL: Final = "sweep.approve"
LONGEST_REASON: Final = 500
ENDED: Final = frozenset({RunState.DONE, RunState.FAILED, RunState.PAUSED, RunState.STOPPED})
# What happens to the rows of a step, and the verb for a card that is about one deed alone.
DEEDS: Final = {
    "delete": ("deleted", "delete"),
    "revoke": ("revoked", "revoke"),
    "redact": ("emptied in part", "redact"),
    "anonymise": ("anonymised", "anonymise"),
    "aggregate": ("rolled up into totals", "roll up"),
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A few masked records of one collection."""

    collection: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A run that waits, as its card shows it. `pending`: approved already, and not begun; `trouble`: why not."""

    waiting: WaitingApproval
    title: str
    word: str
    deeds: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...]
    pending: bool
    trouble: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One clause of the table. `backlog` None: nobody has looked yet; `worst`: how long the oldest record is over its time."""

    clause: str
    promise: str
    state: str
    word: str
    note: str
    backlog: int | None
    worst: timedelta | None
    rows_per_run: list[int]
    finding: str
    last: SweepRun | None
    next_run: datetime | None
    underway: Underway | None


@blueprint.get("/retention")
def retention() -> str:
    """What waits first, then every clause."""
    return _retention_page()


@blueprint.post("/retention/<clause>/approve")
def approve_sweep(clause: str) -> Response | tuple[str, int]:
    """Record that this person approves the run that waits, and hand it to the job loop."""
    kept = services()
    reason = request.form.get("reason", "").strip()
    if not reason or len(reason) > LONGEST_REASON:
        problem = "Say why, in a few words." if not reason else f"At most {LONGEST_REASON} characters."
        return _retention_page(failed=clause, problem=problem), 400
    waiting = next((one for one in waiting_approvals() if one.clause == clause), None)
    if waiting is None or waiting.run_id != request.form.get("run", ""):
        raise Conflict(
            f"What waited for {clause} is not what it was when this page was opened.",
            remedy="Look at it again, then approve.",
        )
    operator, now = current_user.operator.id, kept.clock.now()
    with kept.database.begin() as session:
        if waiting.run_id not in _pending(session):
            post(
                session, APPROVAL, {"run": waiting.run_id, "clause": clause, "by": operator, "reason": reason}, now=now
            )
            kept.ledger.record(
                session,
                kind="sweep.approval_given",
                actor=operator,
                refs=[waiting.run_id, f"clause:{clause}", f"version:{waiting.sweep.version}"],
                private={"reason": reason, "rows": waiting.sweep.rows},
            )
    flash(f"You approved {plural(waiting.sweep.rows, 'row', 'rows')} of {clause}. The work begins within a minute.")
    return redirect(url_for("console.retention"))


def _retention_page(*, failed: str = "", problem: str = "") -> str:
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
        pending = _pending(session)
    underway = under_way()
    at_work = {one.run.clause: one for one in underway}
    every = [_line(one, at_work.get(one.clause.id)) for one in kept.sweeps.clauses()] if version else []
    lines, own = [one for one in every if not is_own(one.clause)], [one for one in every if is_own(one.clause)]
    holds = hold_lines(kept.hold_desk.list(), actor_names())
    approvals = [_approval(one, pending) for one in waiting_approvals()]
    return render_template(
        "console/retention.html",
        here="retention",
        version=version,
        waiting=approvals,
        lines=lines,
        own=own,
        says=_say(lines, approvals),
        may_approve=current_user.operator.may(Permission.APPROVE_SWEEPS),
        failed=failed,
        problem=problem,
        holds=holds,
        **piece(underway),
    )


def _pending(session: Any) -> dict[str, str]:
    """The runs whose approval is handed over and not carried out, each with what went wrong so far."""
    rows = session.execute(
        sa.select(OutboxRow).where(OutboxRow.kind == APPROVAL, OutboxRow.done_at.is_(None))
    ).scalars()
    return {row.payload["run"]: row.trouble for row in rows}


def _say(lines: Sequence[Line], approvals: Sequence[Approval]) -> str:
    if not lines:
        return "No version of the policy is in force, so nothing is swept."
    since = services().clock.now() - timedelta(days=1)
    ran = sum(1 for one in lines if one.last and one.last.ended_at and one.last.ended_at >= since)
    asks = sum(1 for one in approvals if not one.pending)
    waits = f" {count(asks)} {'waits' if asks == 1 else 'wait'} for approval." if asks else ""
    return f"{plural(len(lines), 'clause', 'clauses')}. {count(ran)} ran in the last day.{waits}"


def _approval(one: WaitingApproval, pending: dict[str, str]) -> Approval:
    sweep = one.sweep
    deeds = dict.fromkeys(row.deed for row in sweep.collections)
    verb = DEEDS.get(next(iter(deeds)), ("", "change"))[1] if len(deeds) == 1 else "change"
    return Approval(
        waiting=one,
        title=f"{one.clause} would {verb} {plural(sweep.rows, 'row', 'rows')}",
        word="Waits for approval",
        deeds=tuple(DEEDS.get(row.deed, (row.deed, ""))[0] for row in sweep.collections),
        notes=tuple(_notes(sweep)),
        samples=tuple(_sample(name, rows) for name, rows in one.samples.items() if rows),
        pending=one.run_id in pending,
        trouble=pending.get(one.run_id, ""),
    )


def _notes(sweep: ClauseSweep) -> list[tuple[str, str]]:
    """What a person should know before approving: cutoffs, what stays, what no store covers."""
    zone = controller_zone()
    cutoffs = dict.fromkeys(row.cutoff for row in sweep.collections if row.cutoff)
    notes = [
        ("kept", f"Cutoff {exact_time(cutoff, zone)}, by version {sweep.version}: what is younger stays")
        for cutoff in cutoffs
    ]
    if sweep.dropped:
        notes.append(("plain", "The version in force has dropped this clause. It binds what was collected under it"))
    for row in sweep.collections:
        notes += _notes_of(row)
    return notes + [("held", stay) for stay in sweep.stays] + [("gap", gap) for gap in sweep.gaps]


def _notes_of(row: CollectionSweep) -> list[tuple[str, str]]:
    """What stays of one collection and why, and what its store has to say."""
    notes = []
    if row.held:
        reasons = once("kept_hold_reasons", lambda: {one.id: one.reason for one in services().hold_desk.list()})
        which = ", ".join(f"{count(one.rows)} for {reasons.get(one.hold, one.hold)}" for one in row.holds)
        said = f"{plural(row.held, 'row', 'rows')} of {row.collection} under a hold stay"
        notes.append(("held", f"{said}: {which}" if which else said))
    notes += [("broken", f"{row.collection}: {blocker}") for blocker in row.blockers]
    notes += [("due", finding) for finding in row.findings]
    for number, what in ((row.timeless, "without a time"), (row.future, "with a time to come")):
        if number:
            notes.append(("plain", f"{plural(number, 'row', 'rows')} of {row.collection} {what} stay"))
    return notes


def _sample(collection: str, rows: Sequence[dict[str, str]]) -> Sample:
    columns = tuple(rows[0])
    return Sample(
        collection=collection, columns=columns, rows=tuple(tuple(row.get(name, "") for name in columns) for row in rows)
    )


def _line(binding: BindingClause, underway: Underway | None) -> Line:
    clause = binding.clause
    standing = services().sweeps.state(clause.id)
    state, word = _state_of(standing)
    ended = [run for run in reversed(standing.runs) if run.state in ENDED]
    rows = [run.rows for run in ended]
    looked = standing.last_good or (ended[-1] if ended else None)
    waiting = standing.waiting.sweep if standing.waiting else None
    backlog = waiting.rows if waiting else standing.overdue if looked else None
    oldest = waiting.oldest if waiting else standing.oldest_overdue
    return Line(
        clause=clause.id,
        promise=describe_clause(clause),
        state=state,
        word=word,
        note="dropped by a later version, still binds" if binding.dropped else "",
        backlog=backlog,
        worst=_over(clause, oldest) if backlog else None,
        rows_per_run=rows,
        finding=f"Rows in each of the last {len(rows)} runs: {', '.join(count(number) for number in rows)}",
        last=ended[-1] if ended else None,
        next_run=None if waiting else standing.next_due,
        underway=underway,
    )


def _over(clause: RetentionClause, oldest: datetime | None) -> timedelta | None:
    """How long the oldest record is over its period; only where that is counted from the record's own time."""
    if oldest is None or clause.period is None or clause.event is not None:
        return None
    return max(services().clock.now() - clause.period.after_instant(oldest), timedelta(0))


def _state_of(standing: ClauseState) -> tuple[str, str]:
    last = standing.last_run
    if standing.waiting:
        return "stopped", "Waits for approval"
    if last is None:
        return "todo", "Not run yet"
    if last.state in (RunState.CLAIMED, RunState.RUNNING):
        return "now", "Running"
    if last.state is RunState.PAUSED:
        return "waiting", "Paused, goes on"
    if last.state is RunState.FAILED:
        return "broken", "Left work undone"
    if last.state is RunState.STOPPED:
        return "stopped", "Approval taken back"
    clauses = (*board().clauses, *board().own)
    on_board = next((one for one in clauses if one.clause_id == standing.clause), None)
    return (on_board.state.value, "") if on_board else ("kept", "")
