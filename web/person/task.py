"""The page behind the link that asks somebody to do work by hand: looking changes nothing, one of its two buttons does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core.catalogue import mark
from core.errors import BadInput, NotFound
from dsr.task_views import TaskView, say_work
from web.evidence_files import TOO_LARGE, is_too_large, taken_evidence
from web.languages import gettext, page_language
from web.person.nonces import make_nonce, require_nonce
from web.person_blueprint import tasks
from web.security import LARGEST_BODY, csrf, limiter
from web.services import services

PAGE: Final = "task"
CONFIRM, REFUSE = "confirm", "refuse"
# What the services say of an answer that cannot be taken, for the catalogues.
_SAID: Final = (
    mark("A refusal needs a reason."), mark("Say in a sentence why it is not done."), mark("The file is empty."),
    mark("Choose another file, or none."), mark("A note has at most 5000 characters."), mark("Write it in fewer words."),
    mark("Attach a smaller file, or write in the note where it is kept."), mark("Put several files into one archive."),
)  # fmt: skip


# The nonce is bound to the link's own token: whoever can make one holds the mail. See CSRF_EXEMPT_VIEWS.
@tasks.route("/<token>", methods=["GET", "POST"])
@limiter.limit("30 per minute; 300 per hour", methods=["POST"])
@csrf.exempt  # type: ignore[untyped-decorator]
def task(token: str) -> str | Response | tuple[str, int]:
    """GET and HEAD show what is asked and about whom; POST with the page's nonce confirms or refuses it, once."""
    desk = services().tasks
    try:
        view = desk.look_at_link(token)
        return _answer(token, view) if request.method == "POST" else _show(token, view)
    except NotFound:
        if request.method == "POST":
            # A file is read from nobody but who holds a link that works.
            request.max_content_length = request.max_form_memory_size = LARGEST_BODY
            require_nonce(PAGE, token)
        return render_template("pages/task_gone.html", here=""), 404


def _answer(token: str, view: TaskView) -> str | tuple[str, int]:
    desk = services().tasks
    if is_too_large():  # nothing of it can be read, so nothing typed can be shown again
        return _show(token, view, problem=gettext(TOO_LARGE)), 413
    require_nonce(PAGE, token)
    act, typed = request.form.get("act", ""), request.form.to_dict()
    try:
        if act == CONFIRM:
            desk.confirm_by_link(token, note=typed.get("note", ""), evidence=taken_evidence())
        elif act == REFUSE:
            desk.refuse_by_link(token, reason=typed.get("reason", ""))
        else:
            return _show(token, view, problem=gettext("Choose one of the two answers.")), 400
    except NotFound:
        raise
    except BadInput as error:
        return _show(token, view, problem=_say(error), typed=typed), error.status
    return render_template("pages/task_answered.html", here="", view=view, confirmed=act == CONFIRM)


def _say(error: BadInput) -> str:
    if "has at most 10 MB" in error.message:  # it names the size, so no catalogue has it
        return gettext(TOO_LARGE)
    return " ".join(gettext(words) for words in (error.message, error.remedy) if words)


def _show(token: str, view: TaskView, *, problem: str = "", typed: Mapping[str, str] | None = None) -> str:
    return render_template(
        "pages/task.html",
        here="",
        view=view,
        work=say_work(view.line.asked_for, page_language()),
        nonce=make_nonce(PAGE, token),
        problem=problem,
        typed=typed or {},
    )
