"""The page of preferences behind a signed link: what is on and what is off, without a sign-in; one click of a mail program."""

from __future__ import annotations

from typing import Any, Final

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core.errors import NotFound
from notify.preferences import ONE_CLICK, Bound, Standing
from notify.suppression_tables import Purpose
from policies.clauses import Right, RightClause
from web.glance import in_force
from web.languages import gettext
from web.person.nonces import FIELD, make_nonce, require_nonce
from web.person_blueprint import preferences as blueprint
from web.security import csrf, limiter
from web.services import services
from web.signals import honour_link_signal, sends_signal

PAGE: Final = "preferences"
Answer = Response | str | tuple[str, int]


# The token names its bearer, as no session does. A mail program sends no nonce and can only switch off: RFC 8058.
@blueprint.route("/<token>", methods=["GET", "POST"])
@limiter.limit("60 per minute; 600 per hour", methods=["POST"], exempt_when=lambda: _is_one_click())
@csrf.exempt  # type: ignore[untyped-decorator]
def page(token: str) -> Answer:
    """GET and HEAD show the page. POST with its nonce switches one purpose; the one click needs no nonce."""
    one_click = _is_one_click()
    if request.method == "POST" and not one_click:
        require_nonce(PAGE, token)
    try:
        bound = services().preferences.read(token)
    except NotFound:
        return render_template("pages/preferences_gone.html", here=""), 404
    honour_link_signal(bound)
    if request.method != "POST":
        return _show(token, bound)
    if one_click:
        _switch(bound, bound.purpose, is_on=False, source="one_click")
        return _show(token, bound, saved=True)
    return _press(token, bound)


def _press(token: str, bound: Bound) -> Answer:
    """A button of the page."""
    wanted, purpose = request.form.get("want", ""), request.form.get("purpose", "")
    if wanted not in ("on", "off") or purpose not in list(Purpose):
        return _show(token, bound), 400
    if wanted == "on" and purpose == Purpose.SALE_SHARING and sends_signal():
        return _show(token, bound), 409  # the page says why
    _switch(bound, Purpose(purpose), is_on=wanted == "on", source="preferences")
    return redirect(url_for("preferences.page", token=token, saved="yes"), 303)


def _is_one_click() -> bool:
    """Exactly what a mail program sends, with nothing of the page's own form beside it."""
    name, value = ONE_CLICK
    return request.method == "POST" and request.form.get(name) == value and FIELD not in request.form


def _switch(bound: Bound, purpose: Purpose, *, is_on: bool, source: str) -> None:
    kept = services()
    with kept.database.begin() as session:
        if is_on:
            kept.preferences.allow(session, bound, purpose)
        else:
            kept.preferences.decline(session, bound, purpose, source=source)


def _show(token: str, bound: Bound, *, saved: bool = False) -> str:
    kept = services()
    with kept.database.read() as session:
        standing = kept.preferences.standing(session, bound)
    words = _words()
    offered = _offered()
    lines = [
        _line(one, words, standing) for one in standing if not one.is_on or one.purpose in {*offered, bound.purpose}
    ]
    return render_template(
        "pages/preferences.html",
        here="",
        lines=lines,
        nonce=make_nonce(PAGE, token),
        token=token,
        saved=saved or request.args.get("saved") == "yes",
    )


def _offered() -> set[Purpose]:
    """What the page speaks of: mail always, the rest where the policy in force has the right."""
    version = in_force()
    rights = {one.right for one in version.document.of_kind(RightClause)} if version else set()
    more = {Right.OPT_OUT: Purpose.SALE_SHARING, Right.LIMIT_SENSITIVE: Purpose.SENSITIVE}
    return {Purpose.MARKETING, Purpose.ALL_MAIL, *(purpose for right, purpose in more.items() if right in rights)}


def _line(one: Standing, words: dict[Purpose, tuple[str, str]], standing: tuple[Standing, ...]) -> dict[str, Any]:
    title, text = words[one.purpose]
    signal = one.purpose is Purpose.SALE_SHARING and sends_signal()
    with_all = one.purpose is Purpose.MARKETING and any(
        other.purpose is Purpose.ALL_MAIL and not other.is_on for other in standing
    )
    return {
        "purpose": one.purpose.value,
        "title": title,
        "text": text,
        "is_on": one.is_on and not with_all,
        "off_at": one.off_at,
        "by_signal": signal,
        "with_all": with_all and one.is_on,
    }


def _words() -> dict[Purpose, tuple[str, str]]:
    return {
        Purpose.MARKETING: (gettext("News and offers by mail"), gettext("Mail that advertises something.")),
        Purpose.ALL_MAIL: (
            gettext("All mail that nobody has to send"),
            gettext("Everything but answers to you, codes, and what the law wants you told."),
        ),
        Purpose.SALE_SHARING: (
            gettext("Sale and sharing of your data"),
            gettext("Handing your data to others for money or for advertising."),
        ),
        Purpose.SENSITIVE: (
            gettext("Sensitive data for further uses"),
            gettext("Using them for more than what you asked us for."),
        ),
    }
