"""The page behind the link in the mail: looking at it changes nothing, its button does, once."""

from __future__ import annotations

from flask import render_template, request, url_for
from werkzeug.wrappers import Response

from core.errors import NotFound
from dsr.words import say_right
from web.languages import page_language
from web.person.nonces import make_nonce, require_nonce
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services

PAGE = "confirm"


# The nonce is bound to the link's own token: whoever can make one holds the mail. See CSRF_EXEMPT_VIEWS.
@blueprint.route("/confirm/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def confirm(token: str) -> str | Response | tuple[str, int]:
    """GET and HEAD show what was asked; POST with the page's nonce confirms it."""
    intake = services().requests
    if request.method == "POST":
        require_nonce(PAGE, token)
    try:
        asked = intake.look_at_confirm(token)
        right_words = say_right(asked.right, page_language())
        if request.method == "POST":
            ref = intake.confirm(token, source=request.remote_addr or "")
            link = url_for("person.page", ref=ref)
            return render_template(
                "pages/confirmed.html", here="request", ref=ref, asked=asked, right_words=right_words, link=link
            )
    except NotFound:
        return render_template("pages/link_gone.html", here="request"), 404
    nonce = make_nonce(PAGE, token)
    return render_template("pages/confirm.html", here="request", asked=asked, right_words=right_words, nonce=nonce)
