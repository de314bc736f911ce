"""What operators do with the rights that change no record: carry out, restrict, follow, answer, lift, open and decide appeals."""

from __future__ import annotations

from flask import flash, redirect, request, url_for

from core.errors import NotFound
from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/carry-out")
def carry_out(ref: str) -> Answer:
    """Do now what goes by itself."""
    return act_on(
        ref, lambda by: services().requests.rights.carry_out(ref, by=by), "It is done. The person has the answer."
    )


@blueprint.post("/requests/<ref>/restrict")
def restrict(ref: str) -> Answer:
    """Restrict the data to storing, on a ground."""
    ground, categories = request.form.get("restriction_ground", ""), request.form.getlist("category")
    return act_on(
        ref,
        lambda by: services().requests.rights.restrict(ref, by=by, ground=ground, categories=categories),
        "The data is only stored from now on. The person has the answer.",
        field="restriction_ground",
    )


@blueprint.post("/requests/<ref>/objection")
def follow_objection(ref: str) -> Answer:
    """Stop the purposes that were chosen."""
    purposes = request.form.getlist("purpose")
    return act_on(
        ref,
        lambda by: services().requests.rights.stop_purposes(ref, by=by, purposes=purposes),
        "The purposes are stopped. The person has the answer.",
    )


@blueprint.post("/requests/<ref>/advertising")
def object_to_advertising(ref: str) -> Answer:
    """The objection is to advertising: it is followed at once."""
    return act_on(
        ref,
        lambda by: services().requests.rights.object_to_advertising(ref, by=by),
        "They get no advertising from now on. The person has the answer.",
    )


@blueprint.post("/requests/<ref>/restrict-meanwhile")
def restrict_meanwhile(ref: str) -> Answer:
    """Only store the data while it is weighed or checked."""
    made: list[str] = []
    answer = act_on(ref, lambda by: made.append(services().requests.rights.restrict_meanwhile(ref, by=by)), "")
    if made:
        flash(f"The data is only stored meanwhile: request {made[0]}.")
    return answer


@blueprint.post("/requests/<ref>/complaint")
def answer_complaint(ref: str) -> Answer:
    """Answer a complaint."""
    outcome, reasons = request.form.get("complaint_outcome", ""), request.form.get("reasons", "")
    return act_on(
        ref,
        lambda by: services().requests.rights.answer_complaint(ref, by=by, outcome=outcome, reasons=reasons),
        "The complaint is answered.",
        field="reasons",
    )


@blueprint.post("/requests/<ref>/lift")
def lift_restriction(ref: str) -> Answer:
    """Tell the person that it ends; it ends by itself after the notice."""
    why = request.form.get("lift_words", "")
    done = "The person is told. It ends by itself after the notice."
    return act_on(ref, lambda by: services().requests.restrictions.lift(ref, by=by, why=why), done, field="lift_words")


@blueprint.post("/requests/<ref>/keep-restriction")
def keep_restriction(ref: str) -> Answer:
    """Let it go on after all."""
    why = request.form.get("keep_words", "")
    done = "It goes on. The person is told."
    return act_on(ref, lambda by: services().requests.restrictions.keep(ref, by=by, why=why), done, field="keep_words")


@blueprint.post("/requests/<ref>/appeal")
def open_appeal(ref: str) -> Answer:
    """Open an appeal against a request, and go there."""
    words, made = request.form.get("appeal_words", ""), list[str]()
    answer = act_on(ref, lambda by: made.append(services().requests.appeals.open(ref, by=by, words=words)), "")
    if not made:
        return answer
    flash(f"The appeal is request {made[0]}.")
    return redirect(url_for("console.ticket", ref=made[0]))


@blueprint.post("/requests/<ref>/appeal-of")
def name_appealed(ref: str) -> Answer:
    """Say which request an appeal is against."""
    first = request.form.get("first", "").strip()

    def act(by: str) -> None:
        try:
            services().requests.appeals.name_first(ref, first, by=by)
        except NotFound as error:
            raise error.__class__(
                f"There is no request {first or 'without a reference'}.", remedy=error.remedy
            ) from error

    return act_on(ref, act, "It is written down.", field="first")


@blueprint.post("/requests/<ref>/decide-appeal")
def decide_appeal(ref: str) -> Answer:
    """Decide an appeal."""
    form = request.form

    def act(by: str) -> None:
        services().requests.appeals.decide(
            ref,
            by=by,
            outcome=form.get("appeal_outcome", ""),
            reasons=form.get("appeal_reasons", ""),
            alone_why=form.get("alone_why", ""),
        )

    return act_on(ref, act, "The appeal is decided. The person has the answer.", field="appeal_reasons")
