"""The certificate of a deletion on the person's page: as PDF, and as JSON for whoever wants to check it."""

from __future__ import annotations

from flask import Response

from core.errors import NotFound
from web.evidence_files import hand_out_certificate
from web.person.page import ask_for_code, grant_of, normal, show_page, view_of
from web.person_blueprint import blueprint
from web.services import services


@blueprint.get("/<ref>/certificate.<form>")
def certificate(ref: str, form: str) -> Response | tuple[str, int]:
    """The file, while the page is open in this browser; else the page that asks for a code."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref), 403
    try:
        return hand_out_certificate(services().requests.page_certificate(ref, grant_of(ref), form))
    except NotFound:
        return show_page(view), 404
