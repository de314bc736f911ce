"""The page of one's own request: opened by a code to the proven address, then held open by the session for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Response as FlaskResponse
from flask import flash, get_flashed_messages, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from core.clock import day_in
from core.errors import Conflict, NotFound
from dsr.limits import DEFAULT_LIMITS
from dsr.person_page import CODE_LASTS, CODE_TRIES, GRANT_LASTS, PersonView, WrongCode
from dsr.states import State
from web.languages import gettext, page_language, use_language
from web.person.nonces import make_nonce, require_nonce
from web.person.path import tell, walk
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services
from web.words import say_in_sentence

PAGE: Final = "code"
GRANTS: Final = "request_pages"
MOST_GRANTS: Final = 5  # a browser's cookie is small; the oldest goes


@blueprint.get("/<ref>")
def page(ref: str) -> str:
    """The page, or, without a grant in this browser's session, the way to open it: the same for every reference."""
    ref = _normal(ref)
    view = _view(ref)
    if view is None:
        return _ask(ref, sent=request.args.get("sent") == "yes")
    return _show(view)


# Before the code there is no session: see CSRF_EXEMPT_VIEWS in web/security.py.
@blueprint.post("/<ref>/code")
@limiter.limit("10 per minute; 60 per hour")
@csrf.exempt  # type: ignore[untyped-decorator]
def send_code(ref: str) -> Response:
    """Send a code, if there is somebody to send it to; the answer is the same."""
    ref = _normal(ref)
    require_nonce(PAGE, ref)
    services().requests.ask_code(ref, source=request.remote_addr or "")
    if _view(ref) is not None:
        flash(gettext("A code is on its way. Type it in to get your copy."))
        return redirect(url_for("person.page", ref=ref, _anchor="copy"))
    return redirect(url_for("person.page", ref=ref, sent="yes"))


@blueprint.post("/<ref>/open")
@limiter.limit("20 per minute; 120 per hour")
@csrf.exempt  # type: ignore[untyped-decorator]
def enter_code(ref: str) -> Response | tuple[str, int]:
    """Open the page with a right code; only now a cookie is set."""
    ref = _normal(ref)
    require_nonce(PAGE, ref)
    code = request.form.get("code", "")[:40]
    try:
        grant = services().requests.open_page(ref, code)
    except WrongCode as error:
        return _ask(ref, sent=True, problem=_say(error)), 400
    held = {name: token for name, token in session.get(GRANTS, {}).items() if name != ref}
    session[GRANTS] = dict([*held.items(), (ref, grant)][-MOST_GRANTS:])
    return redirect(url_for("person.page", ref=ref))


@blueprint.post("/<ref>/withdraw")
def withdraw(ref: str) -> Response | tuple[str, int]:
    """End the request at the person's wish."""
    ref = _normal(ref)
    _view(ref)
    try:
        services().requests.withdraw_page(ref, _grant(ref))
    except NotFound:
        return _ask(ref), 403
    except Conflict:
        flash(gettext("It is being done already, so it can no longer be withdrawn."))
    return redirect(url_for("person.page", ref=ref))


@blueprint.route("/<ref>/package", methods=["GET", "POST"])
@limiter.limit("20 per minute; 120 per hour", methods=["POST"])
def package(ref: str) -> Response | str | tuple[str, int]:
    """POST with a fresh code sends the copy; GET leads to the page that asks for one."""
    ref = _normal(ref)
    if request.method == "GET":
        return redirect(url_for("person.page", ref=ref, _anchor="copy"))
    view = _view(ref)
    if view is None:
        return _ask(ref), 403
    code = request.form.get("code", "")[:40]
    try:
        download = services().requests.download(ref, _grant(ref), code)
    except WrongCode as error:
        return _show(view, problem=_say(error)), 400
    except NotFound:
        return _show(view), 404  # its two weeks ended while the page was open
    answer = FlaskResponse(download.chunks, mimetype="application/zip")
    answer.content_length = download.size
    answer.headers["Content-Disposition"] = f'attachment; filename="{download.name}"'
    return answer


def _normal(ref: str) -> str:
    """A reference as it is kept: people type small letters."""
    return ref.strip().upper()


def _grant(ref: str) -> str:
    token = session.get(GRANTS, {}).get(ref, "")
    return token if isinstance(token, str) else ""


def _view(ref: str) -> PersonView | None:
    token = _grant(ref)
    if not token:
        return None
    try:
        view = services().requests.page(ref, token)
    except NotFound:
        return None  # its hour is over: the code page again
    use_language(view.language)
    return view


def _say(error: WrongCode) -> str:
    return f"{gettext(error.message)} {gettext(error.remedy)}"


def _ask(ref: str, *, sent: bool = False, problem: str = "") -> str:
    return render_template(
        "pages/person_code.html",
        here="",
        ref=ref,
        nonce=make_nonce(PAGE, ref),
        sent=sent,
        problem=problem,
        minutes=_minutes(CODE_LASTS),
        tries=say_in_sentence(CODE_TRIES, page_language()),
        codes=say_in_sentence(DEFAULT_LIMITS.code_per_ticket.most, page_language()),
    )


def _minutes(lasts: timedelta) -> int:
    return int(lasts.total_seconds() // 60)


def _show(view: PersonView, *, problem: str = "") -> str:
    is_done = view.state is State.ANSWERED
    return render_template(
        "pages/person.html",
        here="",
        view=view,
        path=walk(view),
        told=tell(view.right, view.outcome) if is_done else None,
        nonce=make_nonce(PAGE, view.ref),
        problem=problem,
        said=get_flashed_messages(),
        minutes=_minutes(CODE_LASTS),
        closes_after=_minutes(GRANT_LASTS),
        days_left=(view.due_on - day_in(services().clock.now(), view.zone)).days,
    )
