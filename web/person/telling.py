"""The page behind the link that tells a recipient what was done: looking changes nothing, one of three answers does, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core.errors import BadInput, NotFound
from dsr.telling_views import TellingLine, TellingState, say_telling
from web.evidence_files import TOO_LARGE, is_too_large, taken_evidence
from web.languages import gettext, page_language
from web.person.nonces import make_nonce, require_nonce
from web.person_blueprint import tasks
from web.security import LARGEST_BODY, csrf, limiter
from web.services import services

PAGE: Final = "telling"
ACTS: Final = {
    "done": TellingState.DONE,
    "nothing": TellingState.NOTHING_HELD,
    "cannot": TellingState.CANNOT,
}


# The nonce is bound to the link's own token: whoever can make one holds the mail. See CSRF_EXEMPT_VIEWS.
@tasks.route("/told/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def telling(token: str) -> str | Response | tuple[str, int]:
    """GET and HEAD show what was done and about whom; POST with the page's nonce answers for that, and for nothing else."""
    told = services().requests.told
    try:
        line = told.look_at_link(token)
        return _answer(token, line) if request.method == "POST" else _show(token, line)
    except NotFound:
        if request.method == "POST":
            # A file is read from nobody but who holds a link that works.
            request.max_content_length = request.max_form_memory_size = LARGEST_BODY
            require_nonce(PAGE, token)
        return render_template("pages/task_gone.html", here=""), 404


def _answer(token: str, line: TellingLine) -> str | tuple[str, int]:
    if is_too_large():  # nothing of it can be read, so nothing typed can be shown again
        return _show(token, line, problem=gettext(TOO_LARGE)), 413
    require_nonce(PAGE, token)
    act, typed = request.form.get("act", ""), request.form.to_dict()
    if act not in ACTS:
        return _show(token, line, problem=gettext("Choose one of the three answers.")), 400
    note = typed.get("reason" if act == "cannot" else "note", "")
    try:
        files = taken_evidence() if act == "done" else ()
        services().requests.told.answer_by_link(token, ACTS[act], note=note, evidence=files)
    except NotFound:
        raise
    except BadInput as error:
        return _show(token, line, problem=_say(error), typed=typed), error.status
    return render_template("pages/telling_answered.html", here="", line=line, act=act)


def _say(error: BadInput) -> str:
    if "has at most 10 MB" in error.message:  # it names the size, so no catalogue has it
        return gettext(TOO_LARGE)
    return " ".join(gettext(words) for words in (error.message, error.remedy) if words)


def _show(token: str, line: TellingLine, *, problem: str = "", typed: Mapping[str, str] | None = None) -> str:
    return render_template(
        "pages/telling.html",
        here="",
        line=line,
        work=say_telling(line.what, page_language()),
        nonce=make_nonce(PAGE, token),
        problem=problem,
        typed=typed or {},
    )
