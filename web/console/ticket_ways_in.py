"""People who are reached by post alone, in the console: how they showed who they are, letters to print, the copy to send."""

from __future__ import annotations

from datetime import date

from flask import Response as FlaskResponse
from flask import request
from flask_login import current_user

from core.errors import BadInput
from web.console.ticket import Answer, act_on
from web.console_blueprint import blueprint
from web.services import services

KIND = "found_by_"


@blueprint.post("/requests/<ref>/post/identity")
def show_identity(ref: str) -> Answer:
    """Write down how somebody without an e-mail address showed who they are, and what finds them."""
    why, post = request.form.get("shown_how", ""), services().requests.by_post
    given = {name.removeprefix(KIND): value[:300] for name, value in request.form.items() if name.startswith(KIND)}
    done = "Written down, with your name. A letter that we have the request waits to be printed."
    return act_on(ref, lambda by: post.show_identity(ref, by=by, why=why, identifiers=given), done, field="shown_how")


@blueprint.get("/requests/<ref>/post/<letter_id>.pdf")
def print_letter(ref: str, letter_id: str) -> FlaskResponse:
    """A letter as PDF, to be printed."""
    made = services().requests.by_post.print_letter(ref, letter_id)
    answer = FlaskResponse(made, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{ref}.pdf"'
    return answer


@blueprint.post("/requests/<ref>/post/<letter_id>/sent")
def letter_sent(ref: str, letter_id: str) -> Answer:
    """Write down on which day a letter was posted."""
    said, post = request.form.get("sent_on", ""), services().requests.by_post

    def act(by: str) -> None:
        try:
            day = date.fromisoformat(said)
        except ValueError as error:
            raise BadInput("This is no day.", remedy="Give the day it was posted.") from error
        post.note_sent(ref, letter_id, on=day, by=by)

    return act_on(ref, act, "Written down: the letter is posted.", field="sent_on")


@blueprint.post("/requests/<ref>/post/copy")
def hand_out(ref: str) -> FlaskResponse:
    """The copy of somebody without an e-mail address, for a medium that goes by post; written down first."""
    download = services().requests.by_post.hand_out(ref, by=current_user.operator.id)
    answer = FlaskResponse(download.chunks, mimetype="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="{ref}.zip"'
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer
