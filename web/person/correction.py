"""Correction on a person's own page: what they say is right, field by field, and taking it back while nobody has decided."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from web.languages import gettext
from web.person.page import ask_for_code, grant_of, normal, show_page, view_of
from web.person_blueprint import blueprint
from web.security import limiter
from web.services import services


@blueprint.post("/<ref>/corrections")
@limiter.limit("30 per minute; 120 per hour")
def propose_correction(ref: str) -> Response | str | tuple[str, int]:
    """Take what is right; what cannot be taken stands at its form, with what was typed."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref), 403
    about, value = request.form.get("about", ""), request.form.get("value", "")
    empty = request.form.get("empty") == "yes"
    try:
        services().requests.corrections.propose_as_person(ref, grant_of(ref), about=about, value=value, empty=empty)
    except NotFound:
        return ask_for_code(ref), 403
    except Conflict:
        flash(gettext("It is being done already, so nothing more can be added. Send another request for the rest."))
        return redirect(url_for("person.page", ref=ref))
    except BadInput as error:
        problem = " ".join(gettext(one) for one in (error.message, error.remedy) if one)
        return show_page(view, correction_problem=problem, correction_typed=(about, value)), error.status
    flash(gettext("It is written down. A person looks where it stands."))
    return redirect(url_for("person.page", ref=ref, _anchor="correction"))


@blueprint.post("/<ref>/corrections/<correction_id>/take-back")
@limiter.limit("30 per minute; 120 per hour")
def take_back_correction(ref: str, correction_id: str) -> Response | tuple[str, int]:
    """Take back what nobody has decided yet."""
    ref = normal(ref)
    if view_of(ref) is None:
        return ask_for_code(ref), 403
    try:
        services().requests.corrections.take_back(ref, grant_of(ref), correction_id)
    except NotFound:
        return redirect(url_for("person.page", ref=ref, _anchor="correction"))
    except Conflict:
        flash(gettext("A person has decided about it already. Write to us if it is wrong."))
    return redirect(url_for("person.page", ref=ref, _anchor="correction"))
