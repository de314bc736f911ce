"""The clock of a request in the console: ask, take the answer, extend, announce a fee, take it. Each is an event; no date is set."""

from __future__ import annotations

from datetime import date

from flask import request

from core.errors import BadInput
from policies.regimes import Question
from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services


@blueprint.post("/requests/<ref>/ask")
def ask_person(ref: str) -> Answer:
    """Ask the person; where the law allows it the clock stands until they answer."""
    words, about = request.form.get("question", ""), request.form.get("about", "")
    topic = Question(about) if about in set(Question) else Question.CLARIFICATION
    done = "Your question stands on the person’s page. A mail tells them so, without its words."
    return act_on(
        ref, lambda by: services().requests.clocks.ask(ref, by=by, words=words, about=topic), done, field="question"
    )


@blueprint.post("/requests/<ref>/answered")
def take_answer(ref: str) -> Answer:
    """The answer came by letter or telephone, or is not needed any more."""
    how = request.form.get("answer_how", "")
    return act_on(
        ref,
        lambda by: services().requests.clocks.take_answer(ref, by=by, why=how, day=_day("answer_day")),
        "The answer is written down. The clock runs.",
        field="answer_how",
    )


@blueprint.post("/requests/<ref>/extend")
def extend(ref: str) -> Answer:
    """Take longer, once, and tell the person why."""
    reason = request.form.get("extension_reason", "")
    return act_on(
        ref,
        lambda by: services().requests.clocks.extend(ref, by=by, reason=reason, until=_day("extension_day")),
        "The request is extended. The person gets the new day and your reason by mail.",
        field="extension_reason",
    )


@blueprint.post("/requests/<ref>/fee")
def ask_fee(ref: str) -> Answer:
    """Announce a fee for an unfounded or excessive request."""
    amount, reason = request.form.get("amount", ""), request.form.get("fee_reason", "")
    return act_on(
        ref,
        lambda by: services().requests.clocks.ask_fee(ref, by=by, amount=amount, reason=reason),
        "The fee is announced. The person gets your reason by mail.",
        field="amount",
    )


@blueprint.post("/requests/<ref>/fee-paid")
def take_fee(ref: str) -> Answer:
    """The fee came in."""
    return act_on(
        ref,
        lambda by: services().requests.clocks.take_fee(ref, by=by, day=_day("fee_day")),
        "The payment is written down.",
        field="fee_day",
    )


def _day(field: str) -> date | None:
    text = request.form.get(field, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise BadInput(f"'{text}' is not a day.", remedy="Write it as 2026-06-05.") from error
