"""The answer of a request in the console: its text as it will go out, changed and checked; and the certificate of a deletion."""

from __future__ import annotations

from babel import Locale
from flask import Response as FlaskResponse
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, NotFound
from core.operators import Permission, list_operators
from dsr.answer_drafts import AnswerDraft
from dsr.answer_words import Kind
from web.console.requests import regime_name
from web.console_blueprint import blueprint
from web.evidence_files import hand_out_certificate
from web.services import services

Answer = Response | str | tuple[str, int]


@blueprint.get("/requests/<ref>/answers/<kind>")
def ticket_answer(ref: str, kind: str) -> str:
    """The text of an answer, the parts it has to hold, and the mail that it makes."""
    return _show(services().requests.answers.read(ref, _kind(kind)))


@blueprint.post("/requests/<ref>/answers/<kind>")
def write_answer(ref: str, kind: str) -> Answer:
    """Keep a text, or show the mail it makes (`act` is `look`); one that lacks a part is shown again, with what it lacks."""
    answers, text = services().requests.answers, request.form.get("text", "")
    if request.form.get("act") == "look":
        return _show(answers.read(ref, _kind(kind), text=text), typed=text)
    try:
        answers.write(ref, _kind(kind), text=text, by=current_user.operator.id)
    except BadInput as error:
        if isinstance(error, NotFound):
            raise
        return _show(answers.read(ref, _kind(kind), text=text), typed=text, problem=str(error)), 400
    flash("Your words go out with the answer.")
    return redirect(url_for("console.ticket_answer", ref=ref, kind=kind))


@blueprint.post("/requests/<ref>/answers/<kind>/standard")
def standard_answer(ref: str, kind: str) -> Response:
    """Go back to the standard text."""
    services().requests.answers.forget(ref, _kind(kind), by=current_user.operator.id)
    flash("The standard text goes out again.")
    return redirect(url_for("console.ticket_answer", ref=ref, kind=kind))


@blueprint.get("/requests/<ref>/certificate.<form>")
def certificate(ref: str, form: str) -> FlaskResponse:
    """The certificate of a deletion, as PDF or JSON."""
    return hand_out_certificate(services().requests.certificate(ref, form))


def _kind(text: str) -> Kind:
    if text not in set(Kind):
        raise NotFound("There is no answer of this name.", remedy="The request's own page lists those there are.")
    return Kind(text)


def _show(draft: AnswerDraft, *, typed: str | None = None, problem: str = "") -> str:
    kept = services()
    with kept.database.read() as session:
        names = {one.id: one.name for one in list_operators(session)}
    return render_template(
        "console/ticket_answer.html",
        here="requests",
        draft=draft,
        typed=draft.text if typed is None else typed,
        is_changed=typed is not None and typed != draft.text,
        problem=problem,
        regime=regime_name(draft.regime),
        language_name=Locale.parse(draft.language).get_display_name("en"),
        written_by=names.get(draft.written_by, "an operator") if draft.written_by else "",
        may_write=current_user.operator.may(Permission.WORK_REQUESTS),
    )
