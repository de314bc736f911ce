"""Telling people of a version, in the console: how it stands, the mail, a preview to oneself, pause, resume, settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core.errors import Conflict
from core.words import plural
from notify.campaign_tables import Stage
from notify.campaign_views import CampaignView
from policies.version_values import MAX_REASON
from web.console_blueprint import blueprint
from web.services import services

Answer = Response | str | tuple[str, int]
TOLD, AGAIN = "told", "again"
SETTLED: Final = {TOLD: "count as told", AGAIN: "are sent the mail again"}


def campaign_of(number: int, stage: Stage = Stage.NOTICE) -> CampaignView | None:
    """The campaign of a version, None where there is none."""
    kept = services()
    with kept.database.read() as session:
        found = kept.campaigns.standing(session)
    return next((one for one in found if one.version == number and one.stage is stage), None)


@blueprint.post("/policy/versions/<int(max=2147483647):number>/campaign/pause")
def pause_campaign(number: int) -> Answer:
    """Stop telling people until somebody goes on with it."""
    stage = _stage()
    return _do(
        number,
        lambda session, by: services().campaigns.pause(session, number, actor=by, stage=stage),
        "Paused. Who was told stays told; nobody else is, until you resume it.",
    )


@blueprint.post("/policy/versions/<int(max=2147483647):number>/campaign/resume")
def resume_campaign(number: int) -> Answer:
    """Go on telling people."""
    stage = _stage()
    return _do(
        number,
        lambda session, by: services().campaigns.resume(session, number, actor=by, stage=stage),
        "It goes on within a minute.",
    )


@blueprint.post("/policy/versions/<int(max=2147483647):number>/campaign/preview")
def preview_campaign(number: int) -> Answer:
    """Send the mail to the operator who asks, and to nobody else."""
    to = current_user.operator.email
    return _do(
        number,
        lambda session, by: services().campaigns.ask_preview(session, number, to=to, language=None, actor=by),
        "A preview is on its way to your own address.",
    )


@blueprint.route("/policy/versions/<int(max=2147483647):number>/campaign/settle", methods=["GET", "POST"])
def settle_campaign(number: int) -> Answer:
    """Say of those whose server went silent that they were told, or send the mail to them again."""
    stage = _stage()
    found = campaign_of(number, stage)
    if found is None or not found.uncertain:
        raise Conflict(f"Nobody is uncertain in telling of version {number}.", remedy="Go back to the policy page.")
    if request.method == "GET":
        return _settle_page(found)
    chosen = request.form.get("as", "")
    if chosen not in SETTLED:
        return _settle_page(found, "Choose one of the two."), 400
    if request.form.get("count", "") != str(found.uncertain):
        return _settle_page(found, f"There are {found.uncertain} now. Look again, then decide."), 409
    said = plural(found.uncertain, "person", "people")
    return _do(
        number,
        lambda session, by: services().campaigns.settle(session, number, told=chosen == TOLD, actor=by, stage=stage),
        f"{said} {SETTLED[chosen]}.",
    )


@blueprint.route("/policy/versions/<int(max=2147483647):number>/campaign/by-hand", methods=["GET", "POST"])
def complete_campaign(number: int) -> Answer:
    """Count everyone as told who was told by another way than mail."""
    found = campaign_of(number)
    if found is None or found.completed_at is not None:
        raise Conflict(f"Nobody has to be told of version {number} any more.", remedy="Go back to the policy page.")
    reason = request.form.get("reason", "").strip()
    problem = ""
    if request.method == "POST" and 0 < len(reason) <= MAX_REASON:
        return _do(
            number,
            lambda session, by: services().campaigns.complete_by_hand(session, number, actor=by, reason=reason),
            f"Everyone counts as told of version {number}.",
        )
    if request.method == "POST":
        problem = f"At most {MAX_REASON} characters." if reason else "Say how they were told."
    page = render_template(
        "console/policy_by_hand.html", here="policies", campaign=found, reason=reason, problem=problem
    )
    return (page, 400) if problem else page


def _settle_page(found: CampaignView, problem: str = "") -> str:
    return render_template("console/policy_settle.html", here="policies", campaign=found, problem=problem)


def _do(number: int, act: Callable[[Session, str], Any], done: str) -> Response:
    """Do one act in a transaction of its own, and come back to the version."""
    with services().database.begin() as session:
        act(session, current_user.operator.id)
    flash(done)
    return redirect(url_for("console.policy", version=number))


def _stage() -> Stage:
    asked = request.values.get("stage", "")
    return Stage(asked) if asked in set(Stage) else Stage.NOTICE
