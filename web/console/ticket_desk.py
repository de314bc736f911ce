"""What operators do with a request as a whole: whose it is, further rights of its letter, duplicates, parts refused."""

from __future__ import annotations

from flask import flash, redirect, request, url_for

from core.errors import BadInput, NotFound
from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/assign")
def assign(ref: str) -> Answer:
    """Make it somebody's work, or nobody's."""
    to = request.form.get("to", "")
    return act_on(ref, lambda by: services().requests.conversations.assign(ref, to=to, by=by), "")


@blueprint.post("/requests/<ref>/split")
def split(ref: str) -> Answer:
    """Open a ticket for a further right of the same letter, and go there."""
    right, made = request.form.get("further_right", ""), list[str]()

    def act(by: str) -> None:
        _require(right, "Choose the right.")
        made.append(services().requests.conversations.split(ref, right=right, by=by))

    answer = act_on(ref, act, "", field="further_right")
    if not made:
        return answer
    flash(f"Request {made[0]} is open. It counts from the day that {ref.upper()} came in.")
    return redirect(url_for("console.ticket", ref=made[0]))


@blueprint.post("/requests/<ref>/link")
def link(ref: str) -> Answer:
    """Say that another request asks for the same."""
    other = request.form.get("other", "").strip()

    def act(by: str) -> None:
        _require(other, "Give the other reference.")
        services().requests.conversations.link(ref, _known(other), by=by)

    return act_on(ref, act, f"Linked with {other.upper()}. Each keeps its own clock and answer.", field="other")


@blueprint.post("/requests/<ref>/unlink")
def unlink(ref: str) -> Answer:
    """Take a link away."""
    other = request.form.get("other", "")
    return act_on(ref, lambda by: services().requests.conversations.unlink(ref, _known(other), by=by), "")


@blueprint.post("/requests/<ref>/refuse-part")
def refuse_part(ref: str) -> Answer:
    """Refuse a part with a ground and a reason; the plan is made anew without it."""
    ground, reason = request.form.get("part_ground", ""), request.form.get("part_reason", "").strip()
    collections, what = request.form.getlist("part"), request.form.get("part_what", "")

    def act(by: str) -> None:
        _require(ground, "Choose the ground.")
        _require(reason, "Say why, in words for the person.")
        parts = services().requests.parts
        parts.refuse(ref, by=by, ground=ground, reason=reason, collections=collections, what=what)

    done = "That part is refused. The person is told with the answer, and why."
    return act_on(ref, act, done, field="part_reason" if ground else "part_ground")


@blueprint.post("/requests/<ref>/take-back-part")
def take_back_part(ref: str) -> Answer:
    """Do a refused part after all."""
    part, parts = request.form.get("id", ""), services().requests.parts
    return act_on(ref, lambda by: parts.take_back(ref, part, by=by), "That part is done like the rest.")


def _require(value: str, words: str) -> None:
    if not value:
        raise BadInput(words, remedy="")


def _known(other: str) -> str:
    """A reference that there is. A wrong one is a slip of the hand in a field, not a page that is missing."""
    try:
        return services().requests.view(other).ref
    except NotFound as error:
        raise BadInput(error.message, remedy="Look at it again.") from error
