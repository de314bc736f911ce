"""Erased people who are back, in the console: what is there again of whom, and the two answers a person can give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound, Unreachable, WaitsForPerson
from core.operators import Permission
from core.words import count, plural
from dsr.erasure_looks import BackLine
from dsr.erasure_tables import BackState
from web.console_blueprint import blueprint
from web.services import services

Answer = Response | tuple[str, int]
LONGEST: Final = 500
_ANSWERABLE: Final = (BadInput, Conflict, Unreachable, WaitsForPerson)


@blueprint.get("/requests/erased")
def erased() -> str:
    """How much was erased, and of whom something is there again."""
    return _page()


@blueprint.post("/requests/erased/<finding>/again")
def erase_again(finding: str) -> Answer:
    """Erase once more what is older than the erasure; the work is done after the page is sent."""

    def act(by: str, reason: str) -> str:
        services().requests.replays.erase_again(finding, by=by, why=reason)
        return "It is erased again within a minute, and read back."

    return _do(finding, act)


@blueprint.post("/requests/erased/<finding>/leave")
def leave_found(finding: str) -> Answer:
    """Leave what was found, with the reason."""

    def act(by: str, reason: str) -> str:
        services().requests.replays.leave(finding, by=by, why=reason)
        return "It stays, and is not asked about again."

    return _do(finding, act)


def erased_to_do() -> list[dict[str, Any]]:
    """The line on Home, while somebody is back."""
    back = services().requests.replays.list_back()
    if not back:
        return []
    asks = sum(one.state is BackState.DOUBT for one in back)
    about = f" {plural(asks, 'needs', 'need')} a look." if asks else ""
    return [
        {
            "state": "broken",
            "title": f"What was erased of {plural(len(back), 'person', 'people')} is there again",
            "href": url_for("console.erased"),
            "sub": f"{plural(sum(one.total for one in back), 'record', 'records')}, from a restore, a copy or a late program.{about}",
            "act": "Look",
        }
    ]


def _do(finding: str, act: Callable[[str, str], str]) -> Answer:
    try:
        done = act(current_user.operator.id, request.form.get("reason", "").strip()[:LONGEST])
    except NotFound:
        raise
    except _ANSWERABLE as error:
        return _page(failed=finding, problem=f"{error.message} {error.remedy}"), error.status
    flash(done)
    return redirect(url_for("console.erased"))


def _page(*, failed: str = "", problem: str = "") -> str:
    replays = services().requests.replays
    back, last = replays.list_back(), replays.last_look()
    return render_template(
        "console/erased.html",
        here="requests",
        says=_say(back),
        counts=services().requests.erasures.counts(),
        last=last,
        lines=[(one, _look(one), _where(one)) for one in back],
        may_work=current_user.operator.may(Permission.WORK_REQUESTS),
        failed=failed,
        problem=problem,
    )


def _say(back: tuple[BackLine, ...]) -> str:
    if not back:
        return "Nobody who was erased is back, as far as the last look saw."
    return f"What was erased of {plural(len(back), 'person', 'people')} is there again."


def _look(one: BackLine) -> tuple[str, str]:
    if one.is_decided:
        return "now", "Being erased"
    return ("due", "Needs a look") if one.state is BackState.DOUBT else ("broken", "Back")


def _where(one: BackLine) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in one.rows.items())
