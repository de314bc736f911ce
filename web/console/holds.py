"""Legal holds in the console: who put what on hold and why, what each keeps, and the two steps of a release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound, Unreachable, WaitsForPerson
from core.operators import Permission
from core.words import exact_time
from retention.holds import HoldView
from web.console.actors import actor_names
from web.console.hold_lines import hold_lines
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.services import services

Answer = Response | str | tuple[str, int]
LONGEST: Final = 500
DAYS_TO_REVIEW: Final = 90
ANSWERABLE: Final = (BadInput, Conflict, NotFound, Unreachable, WaitsForPerson)
# Which field of the form a problem stands beside.
FIELDS: Final = ("reason", "collection", "clause", "kind", "value", "since", "until", "review")


@blueprint.get("/retention/holds")
def holds() -> str:
    """The holds in force, or those that were; one that somebody wants released stands above all."""
    return _page()


@blueprint.post("/retention/holds")
def add_hold() -> Answer:
    """Put records on hold, at once."""
    typed = {name: request.form.get(name, "").strip()[:LONGEST] for name in FIELDS}
    problems = _problems(typed)
    if problems:
        return _page(typed=typed, problems=problems), 400
    try:
        made = services().hold_desk.add(
            by=current_user.operator.id,
            reason=typed["reason"],
            collection=typed["collection"] or None,
            clause=typed["clause"] or None,
            person={typed["kind"]: [typed["value"]]} if typed["value"] else None,
            since=_day(typed["since"]),
            until=_day(typed["until"], end=True),
            review_at=_day(typed["review"]),
        )
    except ANSWERABLE as error:
        return _page(typed=typed, problems={"value" if typed["value"] else "collection": str(error)}), error.status
    flash(f"The hold {made.id} binds from now on, from the next batch of every run.")
    return redirect(url_for("console.holds"))


@blueprint.post("/retention/holds/<hold>/release")
def release_hold(hold: str) -> Answer:
    """Ask that a hold ends, or agree to it."""

    def act(by: str, reason: str) -> str:
        one = services().hold_desk.release(hold, by=by, reason=reason)
        if one.released_at is not None:
            return "The hold is released. What it kept goes when its clause is due."
        if one.release_due_at is not None:
            at = exact_time(one.release_due_at, controller_zone())
            return f"Nobody else could agree to it, so the hold ends a day from now: {at}. Until then it can be kept."
        return "You asked for its release. It ends when somebody else agrees."

    return _do(hold, act, needs_reason=True)


@blueprint.post("/retention/holds/<hold>/keep")
def keep_hold(hold: str) -> Answer:
    """Take back, or refuse, that a hold ends."""

    def act(by: str, reason: str) -> str:
        services().hold_desk.keep(hold, by=by, reason=reason)
        return "The hold goes on, as if nobody had asked."

    return _do(hold, act, needs_reason=False)


def _do(hold: str, act: Callable[[str, str], str], *, needs_reason: bool) -> Answer:
    reason = request.form.get("reason", "").strip()[:LONGEST]
    if needs_reason and not reason:
        return _page(failed=hold, problem="Say what has changed, in a few words."), 400
    try:
        done = act(current_user.operator.id, reason)
    except NotFound:
        raise
    except ANSWERABLE as error:
        return _page(failed=hold, problem=f"{error.message} {error.remedy}"), error.status
    flash(done)
    return redirect(url_for("console.holds"))


def _page(
    *,
    typed: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    failed: str = "",
    problem: str = "",
) -> str:
    kept, operator, names = services(), current_user.operator, actor_names()
    binding = kept.hold_desk.list()
    ended = request.args.get("view") == "released"
    lines = hold_lines(kept.hold_desk.list(released=True) if ended else binding, names)
    asked = [one for one in lines if one.asked and not ended]
    return render_template(
        "console/holds.html",
        here="retention",
        ended=ended,
        lines=lines,
        says=_say(binding),
        asked=asked,
        next_asked=next((one for one in asked if not one.mine), None),
        may_add=operator.may(Permission.WORK_REQUESTS),
        may_release=operator.may(Permission.APPROVE_SWEEPS),
        failed=failed,
        problem=problem,
        typed=typed or dict.fromkeys(FIELDS, "") | {"review": _default_review()},
        problems=problems or {},
        order=[(name, problems[name]) for name in FIELDS if problems and name in problems],
        **_choices(),
    )


def _choices() -> dict[str, Any]:
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    clauses = [one.clause.id for one in kept.sweeps.clauses()] if version else []
    return {
        "collections": [("", "all collections"), *((one, one) for one in kept.hold_desk.collections())],
        "clauses": [("", "all clauses"), *((one, one) for one in clauses)],
        "kinds": [(one, one) for one in sorted(kept.hold_desk.kinds())],
        "tomorrow": (kept.clock.now().astimezone(controller_zone()).date() + timedelta(days=1)).isoformat(),
    }


def _say(binding: list[HoldView]) -> str:
    if not binding:
        return "None in force. What a hold covers stays, past its time and against a request, until it is released."
    return (
        f"{len(binding)} in force. What a hold covers stays, past its time and against a request, until it is released."
    )


def _default_review() -> str:
    return (services().clock.now().astimezone(controller_zone()).date() + timedelta(days=DAYS_TO_REVIEW)).isoformat()


def _problems(typed: dict[str, str]) -> dict[str, str]:
    found = {}
    if not typed["reason"]:
        found["reason"] = "Say which case or duty it is for. It goes into the ledger."
    if not (typed["value"] or typed["collection"] or typed["clause"]):
        found["value"] = "Say whom or what it is on: a person, a collection or a clause."
    for name in ("since", "until", "review"):
        try:
            _day(typed[name])
        except ValueError:
            found[name] = "Write a day such as 2026-05-31."
    return found


def _day(text: str, *, end: bool = False) -> datetime | None:
    """The beginning of a day in the controller's zone, or its end."""
    if not text:
        return None
    day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
    return datetime.combine(day, time(0), controller_zone()).astimezone(UTC)
