"""The page of one's own request: opened by a code to the proven address, then held open by the session for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from flask import flash, get_flashed_messages, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from core.clock import day_in
from core.errors import Conflict, NotFound
from dsr.attachments import KIND_WORDS
from dsr.limits import DEFAULT_LIMITS
from dsr.person_page import CODE_LASTS, CODE_TRIES, GRANT_LASTS, PersonView, WrongCode
from dsr.states import DONE
from web.languages import gettext, page_language, use_language
from web.person.nonces import make_nonce, require_nonce
from web.person.path import tell, tell_so_far, walk
from web.person.told import told_of
from web.person_blueprint import blueprint
from web.security import csrf, limiter
from web.services import services
from web.signals import honour_page_signal
from web.words import say_in_sentence

PAGE: Final = "code"
GRANTS: Final = "request_pages"
MOST_GRANTS: Final = 5  # a browser's cookie is small; the oldest goes


@blueprint.get("/<ref>")
def page(ref: str) -> str:
    """The page, or, without a grant in this browser's session, the way to open it: the same for every reference."""
    ref = normal(ref)
    view = view_of(ref)
    if view is None:
        return ask_for_code(ref, sent=request.args.get("sent") == "yes")
    honour_page_signal(ref, grant_of(ref))
    return show_page(view)


# Before the code there is no session: see CSRF_EXEMPT_VIEWS in web/security.py.
@blueprint.post("/<ref>/code")
@limiter.limit("10 per minute; 60 per hour")
@csrf.exempt  # type: ignore[untyped-decorator]
def send_code(ref: str) -> Response:
    """Send a code, if there is somebody to send it to; the answer is the same."""
    ref = normal(ref)
    require_nonce(PAGE, ref)
    services().requests.ask_code(ref, source=request.remote_addr or "")
    if view_of(ref) is not None:
        flash(gettext("A code is on its way. Type it in to get your copy."))
        return redirect(url_for("person.page", ref=ref, _anchor="copy"))
    return redirect(url_for("person.page", ref=ref, sent="yes"))


@blueprint.post("/<ref>/open")
@limiter.limit("20 per minute; 120 per hour")
@csrf.exempt  # type: ignore[untyped-decorator]
def enter_code(ref: str) -> Response | tuple[str, int]:
    """Open the page with a right code; only now a cookie is set."""
    ref = normal(ref)
    require_nonce(PAGE, ref)
    code = request.form.get("code", "")[:40]
    try:
        grant = services().requests.open_page(ref, code)
    except WrongCode as error:
        return ask_for_code(ref, sent=True, problem=say_wrong(error)), 400
    held = {name: token for name, token in session.get(GRANTS, {}).items() if name != ref}
    session[GRANTS] = dict([*held.items(), (ref, grant)][-MOST_GRANTS:])
    return redirect(url_for("person.page", ref=ref))


@blueprint.post("/<ref>/withdraw")
def withdraw(ref: str) -> Response | tuple[str, int]:
    """End the request at the person's wish."""
    ref = normal(ref)
    view_of(ref)
    try:
        services().requests.withdraw_page(ref, grant_of(ref))
    except NotFound:
        return ask_for_code(ref), 403
    except Conflict:
        flash(gettext("It is being done already, so it can no longer be withdrawn."))
    return redirect(url_for("person.page", ref=ref))


def normal(ref: str) -> str:
    """A reference as it is kept: people type small letters."""
    return ref.strip().upper()


def grant_of(ref: str) -> str:
    """What this browser's session opens a page with, '' for nothing."""
    token = session.get(GRANTS, {}).get(ref, "")
    return token if isinstance(token, str) else ""


def view_of(ref: str) -> PersonView | None:
    """The page where this browser has it open; from here on the answer is in the person's language."""
    token = grant_of(ref)
    if not token:
        return None
    try:
        view = services().requests.page(ref, token)
    except NotFound:
        return None  # its hour is over: the code page again
    use_language(view.language)
    return view


def say_wrong(error: WrongCode) -> str:
    """What is wrong with a code, in the page's language."""
    return f"{gettext(error.message)} {gettext(error.remedy)}"


def ask_for_code(ref: str, *, sent: bool = False, problem: str = "") -> str:
    """The way to open the page: the same for every reference."""
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


def show_page(
    view: PersonView,
    *,
    problem: str = "",
    talk_problem: str = "",
    typed: str = "",
    proof_problems: Mapping[str, str] | None = None,
    proof_typed: Mapping[str, str] | None = None,
    correction_problem: str = "",
    correction_typed: tuple[str, str] = ("", ""),
) -> str:
    """The page; `talk_problem` and `typed`: what is wrong with a message that was sent, and its words; `proof_problems` and
    `proof_typed`: the same of what was given as proof."""
    is_done = view.state in DONE
    return render_template(
        "pages/person.html",
        here="",
        view=view,
        path=walk(view),
        told=tell(view.right, view.outcome) if is_done else None,
        partly=tell_so_far(view.outcome),
        tellings=told_of(view),
        nonce=make_nonce(PAGE, view.ref),
        appeal=services().requests.appeals.read_as_person(view.ref, grant_of(view.ref)),
        asked_for=services().requests.asker_pages.read_as_person(view.ref, grant_of(view.ref)),
        problem=problem,
        talk=services().requests.messages.read_as_person(view.ref, grant_of(view.ref)),
        talk_problem=talk_problem,
        proof=services().requests.proof.look(view.ref, grant_of(view.ref)),
        addresses=services().requests.addresses.list_as_person(view.ref, grant_of(view.ref)),
        may_add=services().requests.addresses.may_add(view.ref, grant_of(view.ref)),
        proof_problems=proof_problems or {},
        proof_typed=proof_typed or {},
        typed=typed,
        correction=services().requests.corrections.read_as_person(view.ref, grant_of(view.ref)),
        correction_problem=correction_problem,
        correction_typed=correction_typed,
        kinds=KIND_WORDS,
        said=get_flashed_messages(),
        minutes=_minutes(CODE_LASTS),
        closes_after=_minutes(GRANT_LASTS),
        days_left=(view.due_on - day_in(services().clock.now(), view.zone)).days,
    )
