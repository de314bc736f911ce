"""Runs in the console: those under way, live, and a page for each clause with its runs, its approval and its holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from core.operators import Permission
from core.words import count, plural, span
from policies.clause_words import describe_clause
from policies.cutoffs import BindingClause
from retention.oversight import RUNS_A_PAGE
from retention.progress import RunProgress
from retention.tables import RunState
from retention.views import SweepRun
from web.console.actors import actor_names, say_actor
from web.console.hold_lines import hold_lines
from web.console_blueprint import blueprint
from web.services import services

Answer = Response | str | tuple[str, int]
LONGEST_REASON: Final = 500
RESULTS: Final = {
    RunState.DONE: ("kept", "Read back: 0 left"),
    RunState.FAILED: ("broken", "Left work undone"),
    RunState.PAUSED: ("waiting", "Paused, goes on"),
    RunState.STOPPED: ("stopped", "Approval taken back"),
    RunState.RUNNING: ("now", "Running"),
    RunState.CLAIMED: ("now", "Begins"),
    RunState.WAITING: ("stopped", "Waits for approval"),
    RunState.SUPERSEDED: ("plain", "A later run took its place"),
}


@dataclass(frozen=True, kw_only=True)
class Underway:
    """One run under way, as its line shows it. `percent` of 100; `says`: how far, how fast, how long still."""

    run: RunProgress
    percent: int
    says: str


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run that was. `notes`: one sentence each."""

    run: SweepRun
    state: str
    word: str
    by: str
    took: timedelta | None
    notes: tuple[str, ...]


@blueprint.get("/retention/running")
def running_sweeps() -> str | FlaskResponse:
    """How far the runs under way are: a piece of a page, asked for again while they run. Once others run, the page reloads."""
    underway = under_way(request.args.get("clause", ""))
    if ",".join(one.run.run_id for one in underway) != request.args.get("seen", ""):
        return FlaskResponse("", headers={"HX-Refresh": "true"})
    return render_template("console/retention_running.html", **piece(underway, request.args.get("clause", "")))


@blueprint.get("/retention/clauses/<clause>")
def retention_clause(clause: str) -> str:
    """A clause: how it stands, its runs, the approval they stand on, the holds that keep something from it."""
    return _clause_page(clause)


@blueprint.post("/retention/runs/<run>/stop")
def stop_sweep(run: str) -> Answer:
    """End a run after the batch it is at."""
    stopped = services().oversight.stop(run, by=current_user.operator.id)
    flash(
        f"The run of {stopped.clause} ends after this batch. What is done stays done, the rest goes when it is due again."
    )
    return redirect(url_for("console.retention_clause", clause=stopped.clause))


@blueprint.post("/retention/clauses/<clause>/resume")
def resume_sweep(clause: str) -> Answer:
    """Go on with a paused run before it is due."""
    services().oversight.resume(clause, by=current_user.operator.id)
    flash(f"The run of {clause} goes on within a minute.")
    return redirect(url_for("console.retention_clause", clause=clause))


@blueprint.post("/retention/clauses/<clause>/revoke")
def revoke_approval(clause: str) -> Answer:
    """Take the standing approval of a clause back."""
    reason = request.form.get("reason", "").strip()
    if len(reason) > LONGEST_REASON:
        return _clause_page(clause, problem=f"At most {LONGEST_REASON} characters."), 400
    try:
        services().oversight.revoke(clause, by=current_user.operator.id, reason=reason)
    except (BadInput, Conflict) as error:
        return _clause_page(clause, problem="Say why, in a few words." if not reason else error.message), error.status
    flash(f"The approval of {clause} is taken back. Its next run waits for a person.")
    return redirect(url_for("console.retention_clause", clause=clause))


def under_way(clause: str = "") -> list[Underway]:
    """The runs under way, of all clauses or of one."""
    return [_underway(one) for one in services().oversight.running() if clause in ("", one.clause)]


def piece(underway: Sequence[Underway], clause: str = "") -> dict[str, Any]:
    """What the piece of a page needs that shows runs under way."""
    seen = ",".join(one.run.run_id for one in underway)
    return {
        "underway": underway,
        "running_link": url_for("console.running_sweeps", seen=seen, clause=clause or None),
        "may_stop": current_user.operator.may(Permission.APPROVE_SWEEPS),
    }


def _underway(one: RunProgress) -> Underway:
    said = [f"{count(one.done)} of {plural(one.matched, 'row', 'rows')}"]
    if one.rate:
        said.append(f"{plural(round(one.rate), 'row', 'rows')} a second")
    if one.left is not None and one.done:
        said.append(f"about {span(one.left)} left" if one.left >= timedelta(seconds=1) else "nearly through")
    return Underway(run=one, percent=int(100 * one.share), says=", ".join(said))


def _clause_page(clause: str, *, problem: str = "") -> str:
    kept = services()
    binding = _binding(clause)
    try:
        first = max(0, int(request.args.get("from", "0")))
    except ValueError:
        first = 0
    found, total = kept.oversight.runs(clause, before=first)
    names = actor_names()
    settings = kept.settings.sweep(clause)
    standing = kept.oversight.standing(clause)
    state = kept.sweeps.state(clause)
    return render_template(
        "console/retention_clause.html",
        here="retention",
        clause=clause,
        promise=describe_clause(binding.clause),
        dropped=binding.dropped,
        state=state,
        every=span(settings.every),
        window=settings.window,
        breaker=round(settings.breaker * 100),
        paused=state.last_run is not None and state.last_run.state is RunState.PAUSED,
        runs=[_run_line(one, names) for one in found],
        first=first,
        total=total,
        page=RUNS_A_PAGE,
        standing=standing,
        approved_by=say_actor(standing.by, names) if standing else "",
        revoked_by=say_actor(standing.revoked_by or "", names) if standing else "",
        holds=hold_lines([one for one in kept.hold_desk.list() if one.clause in (None, clause)], names, clause=clause),
        may_approve=current_user.operator.may(Permission.APPROVE_SWEEPS),
        problem=problem,
        **piece(under_way(clause), clause),
    )


def _binding(clause: str) -> BindingClause:
    found = next((one for one in services().sweeps.clauses() if one.clause.id == clause), None)
    if found is None:
        raise NotFound(f"There is no retention clause '{clause}' that binds.", remedy="Retention lists those that do.")
    return found


def _run_line(run: SweepRun, names: dict[str, str]) -> RunLine:
    state, word = RESULTS[run.state]
    if run.state is RunState.DONE and (run.remaining or run.held):
        left = max(run.remaining, run.held)
        state, word = "held", f"{count(left)} left, each with its reason"
    notes = []
    if run.missed:
        notes.append(f"Makes up for {plural(run.missed, 'missed run', 'missed runs')}.")
    elif run.made_up:
        notes.append("Begun late.")
    if run.stopped_by:
        notes.append(f"Stopped by {say_actor(run.stopped_by, names)}.")
    if run.note:
        notes.append(run.note)
    by = "" if run.due_at is not None and run.actor == "system" else say_actor(run.actor, names)
    took = run.ended_at - run.started_at if run.ended_at else None
    return RunLine(run=run, state=state, word=word, by=by, took=took, notes=tuple(notes))
