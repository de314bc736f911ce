"""Acts of the page of a request for correction: what is right, where it stands, what is declined, what stays as it is."""

from __future__ import annotations

from flask import request

from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/corrections")
def add_correction(ref: str) -> Answer:
    """Write down what the person says is right."""
    about, value = request.form.get("about", ""), request.form.get("value", "")
    empty, corrections = request.form.get("empty") == "yes", services().requests.corrections
    return act_on(
        ref, lambda by: corrections.propose(ref, about=about, value=value, by=by, empty=empty), "", field="value"
    )


@blueprint.post("/requests/<ref>/corrections/<correction_id>/place")
def place_correction(ref: str, correction_id: str) -> Answer:
    """Say where something stands that should be put right."""
    field = f"where-{correction_id}"
    where, corrections = request.form.get(field, ""), services().requests.corrections
    return act_on(ref, lambda by: corrections.place(ref, correction_id, where=where, by=by), "", field=field)


@blueprint.post("/requests/<ref>/corrections/<correction_id>/decline")
def decline_correction(ref: str, correction_id: str) -> Answer:
    """Say that something is not put right, on which ground and why."""
    field = f"reason-{correction_id}"
    ground, reason = request.form.get("ground", ""), request.form.get(field, "")
    corrections = services().requests.corrections
    done = "Declined. The person gets the ground and your reason with the answer."
    return act_on(
        ref, lambda by: corrections.decline(ref, correction_id, ground=ground, reason=reason, by=by), done, field=field
    )


@blueprint.post("/requests/<ref>/changes/<change_id>/leave")
def leave_change(ref: str, change_id: str) -> Answer:
    """Leave some records as they are, and make the plan again."""
    field = f"why-{change_id}"
    why, corrections = request.form.get(field, ""), services().requests.corrections
    done = "These records stay as they are. The plan is made again."
    return act_on(ref, lambda by: corrections.spare(ref, change_id, why=why, by=by), done, field=field)


@blueprint.post("/requests/<ref>/changes/<change_id>/take")
def take_change(ref: str, change_id: str) -> Answer:
    """Put some records right after all, and make the plan again."""
    corrections = services().requests.corrections
    return act_on(ref, lambda by: corrections.unspare(ref, change_id, by=by), "The plan is made again, with them.")
