"""An appeal, from the page of the request that was refused or is late."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from web.languages import gettext
from web.person.page import ask_for_code, grant_of, normal, view_of
from web.person_blueprint import blueprint
from web.services import services


@blueprint.post("/<ref>/appeal")
def appeal(ref: str) -> Response | tuple[str, int]:
    """Ask that somebody else looks at the decision again."""
    ref = normal(ref)
    view_of(ref)
    words = request.form.get("appeal_words", "")
    try:
        made = services().requests.appeals.open_as_person(ref, grant_of(ref), words=words)
    except NotFound:
        return ask_for_code(ref), 403
    except (BadInput, Conflict):
        flash(gettext("That could not be done: it was appealed already, or it is too long."))
        return redirect(url_for("person.page", ref=ref))
    flash(gettext("Somebody else looks at it again. This is request %(ref)s, with a page of its own.", ref=made))
    return redirect(url_for("person.page", ref=ref))
