"""Messages on a person's own page: what they write and attach, and files as downloads."""

from __future__ import annotations

from flask import Response as FlaskResponse
from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from core.errors import BadInput, NotFound
from web.languages import gettext
from web.message_files import hand_out, taken_files
from web.person.page import ask_for_code, grant_of, normal, show_page, view_of
from web.person_blueprint import blueprint
from web.security import limiter
from web.services import services


@blueprint.post("/<ref>/messages")
@limiter.limit("20 per minute; 120 per hour")
def write(ref: str) -> Response | str | tuple[str, int]:
    """Take a message with its files; what cannot be taken stands at its form, with the words that were typed."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref), 403
    try:
        words = request.form.get("words", "")
        services().requests.messages.write_as_person(ref, grant_of(ref), words=words, files=taken_files())
    except NotFound:
        return ask_for_code(ref), 403
    except BadInput as error:
        problem = " ".join(gettext(one) for one in (error.message, error.remedy) if one)
        return show_page(view, talk_problem=problem, typed=request.form.get("words", "")), error.status
    flash(gettext("Your message is here. A person reads it."))
    return redirect(url_for("person.page", ref=ref, _anchor="talk"))


@blueprint.get("/<ref>/files/<file_id>")
def file(ref: str, file_id: str) -> FlaskResponse | tuple[str, int]:
    """A file of the conversation, as a download."""
    ref = normal(ref)
    if view_of(ref) is None:
        return ask_for_code(ref), 403
    return hand_out(services().requests.messages.open_as_person(ref, grant_of(ref), file_id))
