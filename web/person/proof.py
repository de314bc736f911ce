"""What a person shows on their page beyond their address, another address of theirs, and the link that stops a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core.errors import Conflict, NotFound, TooMuch
from core.settings_contact import PROOF_POINTS
from dsr.proof import ProofRefused
from dsr.tables import TicketRow
from dsr.words import say_right
from policies.clauses import Right
from web.languages import gettext, page_language
from web.person.nonces import make_nonce, require_nonce
from web.person.page import ask_for_code, grant_of, normal, show_page, view_of
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services

ADDRESS, STOP = "address", "stop"
FIELDS: Final = (*PROOF_POINTS, "name_signed", "declares", "address")


@blueprint.post("/<ref>/proof")
@limiter.limit("10 per minute; 40 per hour")
def offer_proof(ref: str) -> Response | str | tuple[str, int]:
    """Take what they give; the answer is the same whatever we hold, since it is compared afterwards."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref), 403
    given = {kind: request.form.get(kind, "") for kind in PROOF_POINTS}
    try:
        services().requests.proof.offer(
            ref,
            grant_of(ref),
            given=given,
            name=request.form.get("name_signed", ""),
            declares="declares" in request.form,
        )
    except NotFound:
        return ask_for_code(ref), 403
    except ProofRefused as error:
        problems = {name: gettext(words) for name, words in error.problems.items()}
        return show_page(view, proof_problems=problems, proof_typed=_typed()), 400
    except (Conflict, TooMuch) as error:
        return show_page(view, proof_problems={"given": _say(error)}), error.status
    flash(gettext("We compare it with what we hold. Nothing of it is kept."))
    return redirect(url_for("person.page", ref=ref, _anchor="proof"))


@blueprint.post("/<ref>/addresses")
@limiter.limit("10 per minute; 40 per hour")
def add_address(ref: str) -> Response | str | tuple[str, int]:
    """Send a link to another address of theirs; the answer is the same whoever's it is."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref), 403
    try:
        services().requests.addresses.add(
            ref, grant_of(ref), email=request.form.get("address", ""), source=request.remote_addr or ""
        )
    except NotFound:
        return ask_for_code(ref), 403
    except ProofRefused as error:
        problems = {name: gettext(words) for name, words in error.problems.items()}
        return show_page(view, proof_problems=problems, proof_typed=_typed()), 400
    except Conflict as error:
        return show_page(view, proof_problems={"address": _say(error)}), error.status
    flash(gettext("A link is on its way there. We look under that address once its button is pressed."))
    return redirect(url_for("person.page", ref=ref, _anchor="addresses"))


# The nonce is bound to the link's own token: whoever can make one holds the mail. See CSRF_EXEMPT_VIEWS.
@blueprint.route("/address/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def confirm_address(token: str) -> str | Response | tuple[str, int]:
    """GET and HEAD show whose request it is about; POST with the page's nonce adds the address to it."""
    addresses = services().requests.addresses
    return _behind_a_link(ADDRESS, token, addresses.look, addresses.confirm)


@blueprint.route("/stop/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def stop(token: str) -> str | Response | tuple[str, int]:
    """GET and HEAD show what was asked; POST with the page's nonce stops it until a person has looked."""
    changes = services().requests.changes
    return _behind_a_link(STOP, token, changes.look, changes.stop)


def _behind_a_link(
    name: str, token: str, look: Callable[[str], TicketRow], act: Callable[[str], object]
) -> str | tuple[str, int]:
    """The page of a link from a mail, `person_NAME.html`: looking shows it, its button acts, once."""
    done = request.method == "POST"
    if done:
        require_nonce(name, token)
    try:
        ticket = look(token)
        if done:
            act(token)
    except NotFound:
        return render_template("pages/link_gone.html", here=""), 404
    right_words, nonce = say_right(Right(ticket.right), page_language()), make_nonce(name, token)
    return render_template(f"pages/person_{name}.html", here="", right_words=right_words, nonce=nonce, done=done)


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in FIELDS}


def _say(error: Conflict | TooMuch) -> str:
    return f"{gettext(error.message)} {gettext(error.remedy)}"
