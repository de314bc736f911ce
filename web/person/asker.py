"""Asking for somebody else: the asker's page, the person's link that says whether they know of it, and the piece of their page."""

from __future__ import annotations

from typing import Final

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core.errors import BadInput, NotFound, TooMuch
from dsr.askers import ASKS_FOR, SaidAsker
from web.languages import gettext, use_language
from web.message_files import taken_files
from web.person.nonces import make_nonce, require_nonce
from web.person.page import ask_for_code, grant_of, normal, view_of
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services

ASKER, FOR_ME = "asker", "for_me"
# What the form of a request adds for whoever asks for somebody else.
FIELDS: Final = ("asks_for", "asker_name", "asker_email")


def said_asker() -> SaidAsker:
    """Who asks, as the form of a request says it; what was typed into the fields for others counts only for others."""
    kind = request.form.get("asks_for", "self") or "self"
    asker = SaidAsker(
        kind=kind, name=request.form.get("asker_name", "")[:400], contact=request.form.get("asker_email", "")[:400]
    )
    return SaidAsker() if asker.is_person else asker


def asker_choices() -> list[dict[str, str]]:
    """For whom somebody can ask, as the form offers it."""
    return [{"value": kind.value, "label": gettext(words)} for kind, words in ASKS_FOR.items()]


# The nonce is bound to the link's own token: whoever can make one holds the mail. See CSRF_EXEMPT_VIEWS.
@blueprint.route("/asker/<token>", methods=["GET", "POST"])
@limiter.limit("20 per minute; 120 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def asker(token: str) -> str | Response | tuple[str, int]:
    """GET and HEAD show the asker's page; POST with its nonce proves their address, or takes what they hand in."""
    pages, problem, typed = services().requests.asker_pages, "", ""
    try:
        if request.method == "POST":
            require_nonce(ASKER, token)
            use_language(pages.look(token).language)
            if request.form.get("act") == "prove":
                pages.prove(token)
            else:
                typed = request.form.get("words", "")
                pages.hand_in(token, words=typed, files=taken_files())
            return redirect(url_for("person.asker", token=token))
    except NotFound:
        return _gone()
    except (BadInput, TooMuch) as error:
        problem = f"{gettext(error.message)} {gettext(error.remedy)}"
    try:
        view = pages.look(token)
    except NotFound:
        return _gone()
    use_language(view.language)
    nonce = make_nonce(ASKER, token)
    page = render_template("pages/asker.html", here="", view=view, nonce=nonce, problem=problem, typed=typed)
    return (page, 400) if problem else page


# The nonce is bound to the link's own token: whoever can make one holds the mail. See CSRF_EXEMPT_VIEWS.
@blueprint.route("/for-me/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def for_me(token: str) -> str | tuple[str, int]:
    """GET and HEAD show who asks for them; POST with the page's nonce says that they know of it, or that they do not."""
    pages, done, ref = services().requests.asker_pages, "", ""
    if request.method == "POST":
        require_nonce(FOR_ME, token)
    try:
        view = pages.look_as_person(token)
        use_language(view.language)
        if request.method == "POST":
            done = "confirm" if request.form.get("act") == "confirm" else "deny"
            if done == "confirm":
                ref = pages.confirm(token)
            else:
                pages.deny(token)
    except NotFound:
        return _gone()
    nonce = make_nonce(FOR_ME, token)
    return render_template("pages/asked_for.html", here="", view=view, nonce=nonce, done=done, ref=ref)


@blueprint.post("/<ref>/asker")
@limiter.limit("10 per minute; 40 per hour")
def deny_asker(ref: str) -> Response | tuple[str, int]:
    """The person says on their own page that they know nothing of whoever asks for them, or take their permission back."""
    ref = normal(ref)
    if view_of(ref) is None:
        return ask_for_code(ref), 403
    try:
        services().requests.asker_pages.deny_as_person(ref, grant_of(ref))
    except NotFound:
        flash(gettext("There was nothing left to stop."))
        return redirect(url_for("person.page", ref=ref))
    flash(gettext("It is stopped. Nothing goes to whoever asked for you."))
    return redirect(url_for("person.page", ref=ref))


def _gone() -> tuple[str, int]:
    return render_template("pages/link_gone.html", here=""), 404
