"""People whom the host application hands over: its form leads here with a signed token, and no mail has to prove the address.

A token in an address shows a page with a button, and no more: addresses are opened by programs too. Only a POST spends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from core.errors import Conflict, NotFound
from dsr.handoff import HandedOver, HandoffRefused
from dsr.intake import FormRefused
from dsr.person_page import mask_contact
from dsr.words import say_right
from web.languages import gettext, page_language, use_language
from web.person.form import LONGEST, choices_offered
from web.person.nonces import make_nonce, require_nonce
from web.person.page import GRANTS, MOST_GRANTS
from web.person.places import STATES, countries
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services

KEEP: Final = "keep"
FIELDS: Final = ("country", "subdivision", "details")
Answer = str | Response | tuple[str, int]


# Another site sends the first form: see CSRF_EXEMPT_VIEWS in web/security.py.
@blueprint.route("/hand-off", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def hand_off() -> Answer:
    """GET shows a button for the token in the address; POST of a token takes somebody in; POST of the form opens requests."""
    if request.method != "POST":  # HEAD too
        return _ask(request.args.get("token", ""))
    name = request.form.get("pass", "")
    return _submit(name) if name else _begin(request.form.get("token", ""))


# The nonce is bound to the link's own token: whoever can make one holds the mail.
@blueprint.route("/keep/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def keep(token: str) -> Answer:
    """The link that stops a deletion before its hour: GET shows what would go and when, POST stops it."""
    served = services().requests.self_service
    if request.method == "POST":
        require_nonce(KEEP, token)
    try:
        view = served.look_at_stop(token)
        use_language(view.language)
        if request.method == "POST":
            served.stop(token)
    except (NotFound, Conflict):
        return render_template("pages/link_gone.html", here="request"), 404
    return render_template(
        "pages/keep.html",
        here="request",
        view=view,
        right_words=say_right(view.right, page_language()),
        nonce=make_nonce(KEEP, token),
        done=request.method == "POST",
    )


def _ask(token: str) -> Answer:
    try:
        person = services().requests.handoffs.check(token)
    except HandoffRefused as refusal:
        return _refused(refusal)
    contact = mask_contact(person.email.reveal())
    return render_template("pages/hand_off_ask.html", here="request", token=token, contact=contact)


def _begin(token: str) -> Answer:
    try:
        taken = services().requests.handoffs.begin(token)
    except HandoffRefused as refusal:
        return _refused(refusal)
    return _form(taken.token, taken.person, {}, {})


def _submit(name: str) -> Answer:
    kept = services().requests
    typed = {field: request.form.get(field, "") for field in FIELDS}
    if typed["country"] != "US":
        typed["subdivision"] = ""
    rights = request.form.getlist("right")[:20]
    try:
        opened = kept.arrivals.submit(name, rights=rights, **typed, language=page_language())
    except FormRefused as refusal:
        return _form(name, kept.handoffs.look(name), typed, refusal.problems), 400
    except NotFound as over:
        return _over(over.message, over.remedy, 404)
    held = dict(session.get(GRANTS, {}))
    session[GRANTS] = dict([*held.items(), *opened][-MOST_GRANTS:])
    return redirect(url_for("person.page", ref=opened[0][0]))


def _form(name: str, person: HandedOver, typed: Mapping[str, str], problems: Mapping[str, str]) -> str:
    said = {field: gettext(words) for field, words in problems.items()}
    return render_template(
        "pages/hand_off.html",
        here="request",
        token=name,
        contact=mask_contact(person.email.reveal()),
        choices=choices_offered(),
        chosen=request.form.getlist("right"),
        typed={field: typed.get(field, "") for field in FIELDS},
        problems=said,
        order=[(field, said[field]) for field in ("right", *FIELDS) if field in said],
        countries=[("", gettext("I would rather not say")), *countries(page_language())],
        states=[("", gettext("None of these")), *STATES],
        longest=LONGEST,
    )


def _refused(refusal: HandoffRefused) -> Answer:
    return _over(refusal.message, refusal.remedy, refusal.status)


def _over(message: str, remedy: str, status: int) -> Answer:
    return (
        render_template("pages/hand_off_gone.html", here="request", title=gettext(message), remedy=gettext(remedy)),
        status,
    )
