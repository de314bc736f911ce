"""One request in the console: its page, and the acts on it. An act changes the ticket or schedules work, never a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, CheckFailed, Conflict, NotFound, Unreachable, WaitsForPerson
from core.operators import Permission, list_operators
from dsr.attachments import KIND_WORDS
from dsr.states import State
from dsr.views import TicketView
from policies.clauses import Right
from web.console.asker_lines import asker_of
from web.console.correction_lines import correction_of, next_of
from web.console.desk_lines import desk_of
from web.console.found_lines import found_lines
from web.console.requests import CHANNELS, look_of, regime_name
from web.console.rights_lines import rights_of
from web.console.tasks import look_of_task
from web.console.ticket_lines import (
    empty_steps,
    evidence_lines,
    facts_of,
    plan_lines,
    reckoning_lines,
    talk_lines,
    told_lines,
)
from web.console.ticket_told import tellings_of
from web.console.ticket_words import say_lost
from web.console.ways_in_lines import ways_of
from web.console_blueprint import blueprint
from web.services import services

WORKING: Final = frozenset({State.APPROVED, State.RUNNING})
# What an act answers that somebody can put right: shown on the ticket's own page.
ANSWERABLE: Final = (BadInput, CheckFailed, Conflict, Unreachable, WaitsForPerson)
Answer = Response | tuple[str, int]


@blueprint.get("/requests/<ref>")
def ticket(ref: str) -> str:
    """Everything about one request, and the one thing to do next."""
    return _show(services().requests.view(ref))


@blueprint.get("/requests/<ref>/status")
def ticket_status(ref: str) -> str | FlaskResponse:
    """How far the work is: a piece of the page, asked for again and again while it runs. A change of state reloads the page."""
    view = services().requests.view(ref)
    if view.state.value != request.args.get("seen", ""):
        return FlaskResponse("", headers={"HX-Refresh": "true"})
    return render_template("console/ticket_work.html", **_work(view))


@blueprint.post("/requests/<ref>/note")
def note(ref: str) -> Answer:
    """Write a note that only operators see."""
    text = request.form.get("text", "")
    return act_on(ref, lambda by: services().requests.add_note(ref, by=by, text=text), "", field="text")


@blueprint.post("/requests/<ref>/plan")
def plan(ref: str) -> Answer:
    """Look where the person's data is, and make the plan."""
    return act_on(
        ref, lambda by: services().requests.make_plan(ref, by=by), "The plan is made. Look at it, then decide."
    )


@blueprint.post("/requests/<ref>/approve")
def approve(ref: str) -> Answer:
    """Approve exactly the plan and the counts that the page showed, and schedule the work."""
    seal = request.form.get("seal", "")
    done = "You approved the plan. The work begins within a minute."
    return act_on(ref, lambda by: services().requests.approve(ref, by=by, seal=seal), done)


@blueprint.post("/requests/<ref>/refuse")
def refuse(ref: str) -> Answer:
    """Refuse with a ground and a reason; the person gets both."""
    ground, reason = request.form.get("ground", ""), request.form.get("reason", "").strip()
    if not ground or not reason:
        missing = "Choose the ground." if not ground else "Say why, in words for the person."
        return _show(services().requests.view(ref), problems={"ground" if not ground else "reason": missing}), 400
    done = "The request is refused. The person gets the reason by mail, and where to complain."
    return act_on(
        ref, lambda by: services().requests.refuse(ref, by=by, ground=ground, reason=reason), done, field="reason"
    )


@blueprint.post("/requests/<ref>/nothing-found")
def nothing_found(ref: str) -> Answer:
    """Answer that nothing is held."""
    by_hand = request.form.get("looked_by_hand", "")
    done = "The person gets the answer that we hold nothing about them."
    return act_on(
        ref,
        lambda by: services().requests.answer_nothing_found(ref, by=by, looked_by_hand=by_hand),
        done,
        field="looked_by_hand",
    )


@blueprint.post("/requests/<ref>/answer")
def answer_by_hand(ref: str) -> Answer:
    """Tell the person what was done by hand for a right that no plan carries out."""
    words = request.form.get("words", "")
    done = "The request is answered. The person gets your words by mail."
    return act_on(ref, lambda by: services().requests.answer_by_hand(ref, by=by, words=words), done, field="words")


@blueprint.post("/requests/<ref>/retry")
def retry(ref: str) -> Answer:
    """Schedule now what is left of an approved request."""
    return act_on(ref, lambda by: services().requests.schedule_run(ref, by=by), "It is tried again within a minute.")


@blueprint.post("/requests/<ref>/ask-again")
def ask_again(ref: str) -> Answer:
    """Send the link that proves the address once more."""
    return act_on(ref, lambda by: services().requests.ask_again(ref, by=by), "A new link is on its way to the person.")


@blueprint.post("/requests/<ref>/withdraw")
def withdraw(ref: str) -> Answer:
    """End a request that the person took back in another way than on their page."""
    why = request.form.get("why", "").strip()
    if not why:
        return _show(services().requests.view(ref), problems={"why": "Say how they took it back."}), 400
    return act_on(
        ref, lambda by: services().requests.withdraw(ref, by=by, why=why), "The request is withdrawn.", field="why"
    )


@blueprint.post("/requests/<ref>/regime")
def set_regime(ref: str) -> Answer:
    """Say under which law it is; the due date is reckoned again."""
    regime = request.form.get("regime", "")
    return act_on(
        ref, lambda by: services().requests.set_regime(ref, regime=regime, by=by), "The due date is reckoned anew."
    )


def act_on(ref: str, act: Callable[[str], Any], done: str, *, field: str = "") -> Answer:
    """Do one act and come back to the ticket; what it refuses stands on the ticket's page."""
    try:
        act(current_user.operator.id)
    except NotFound:
        raise
    except ANSWERABLE as error:
        view = services().requests.view(ref)
        if field and isinstance(error, BadInput | Conflict) and field in request.form:
            return _show(view, problems={field: str(error)}), error.status
        return _show(view, trouble=(error.message, error.remedy)), error.status
    if done:
        flash(done)
    return redirect(url_for("console.ticket", ref=ref))


def _show(view: TicketView, *, problems: dict[str, str] | None = None, trouble: tuple[str, str] | None = None) -> str:
    names = _operator_names()
    may_work = current_user.operator.may(Permission.WORK_REQUESTS)
    correction = correction_of(view)
    findings = services().requests.redactions.findings(view.ref) if view.is_copy else ()
    ways = ways_of(view)
    by_post_alone = ways.post is not None and not ways.post.identity_shown
    undecided = view.state is State.PARTLY_DONE and any(one.decision is None for one in findings)
    return render_template(
        "console/ticket.html",
        here="requests",
        view=view,
        look=look_of(view.line),
        regime=regime_name(view.line.regime or view.reckoning.regime),
        channel=CHANNELS.get(view.line.channel, ("", view.line.channel))[1],
        heading=None if undecided or by_post_alone else next_of(view, correction),
        ways=ways,
        findings=findings,
        correction=correction,
        acts={act.value for act in view.acts} if may_work else set(),
        talk=talk_lines(view, names),
        told=told_lines(view),
        reckoning=reckoning_lines(view),
        plan_items=plan_lines(view),
        empty_steps=empty_steps(view),
        answers=services().requests.answers.offered(view.ref),
        found=found_lines(view),
        person=facts_of(view),
        tasks=[(line, *look_of_task(line)) for line in view.tasks],
        tellings=tellings_of(view.ref),
        lost=lost_of(view.ref),
        may_work=may_work,
        evidence=evidence_lines(view, lambda ref: url_for("console.ledger", ref=ref)),
        regimes=[(one, regime_name(one)) for one in view.regimes if one != view.line.regime],
        kinds=KIND_WORDS,
        desk=desk_of(view),
        asker=asker_of(view.ref),
        rights=rights_of(view),
        problems=problems or {},
        typed=request.form,
        trouble=trouble,
        approved_by=names.get(view.plan.approved_by or "", "") if view.plan else "",
        **_work(view),
    )


def lost_of(ref: str) -> str:
    """The mail of a request that did not arrive, in a sentence; '' where there is none to see to."""
    lost = services().requests.bounced.look(ref)
    return say_lost(lost.event, lost.how) if lost else ""


def _work(view: TicketView) -> dict[str, Any]:
    steps = view.plan.steps if view.plan else ()
    return {
        "working": view.state in WORKING,
        "seen": view.state.value,
        "status_link": url_for("console.ticket_status", ref=view.ref, seen=view.state.value),
        "steps_done": sum(1 for one in steps if one.state in ("done", "left")),
        "steps_all": len(steps),
        "rows_done": sum(one.done for one in steps),
        "rows_all": view.plan.total if view.plan else 0,
        "begun": view.state is State.RUNNING,
        "is_copy": view.is_copy,
        "is_correction": view.line.right is Right.CORRECTION,
    }


def _operator_names() -> dict[str, str]:
    with services().database.read() as session:
        return {one.id: one.name for one in list_operators(session)}
