"""Opt-outs in the console: how many there are and how they came in, one looked up by typing it, one lifted with a reason."""

from __future__ import annotations

from typing import Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput
from core.operators import Permission
from core.personal import Personal
from notify.suppression_tables import Purpose
from notify.suppressions import LONGEST_REASON, Suppression
from web.console_blueprint import blueprint
from web.services import services

Answer = Response | str | tuple[str, int]
LONGEST_VALUE: Final = 320
PURPOSE_WORDS: Final = {
    Purpose.SALE_SHARING: "Sale and sharing",
    Purpose.MARKETING: "Marketing mail",
    Purpose.SENSITIVE: "Further use of sensitive data",
    Purpose.ALL_MAIL: "All mail that is not essential",
}
SOURCE_WORDS: Final = {
    "request": "a request",
    "gpc": "the signal of a browser",
    "one_click": "one click in a mail program",
    "preferences": "the page of preferences",
    "api": "a host application",
    "import": "an imported list",
    "operator": "an operator",
}


@blueprint.get("/opt-outs")
def opt_outs() -> str:
    """The counts, and the form to look one up."""
    return _page()


@blueprint.post("/opt-outs")
def look_up_opt_out() -> Answer:
    """One identifier that somebody typed: in the body, so that it stands in no address and no log."""
    kind, value = _typed()
    try:
        with services().database.read() as session:
            found = services().suppressions.look_up(session, kind=kind, value=Personal(value))
    except BadInput as error:
        return _page(kind=kind, value=value, problem=str(error)), 400
    return _page(kind=kind, value=value, found=found)


@blueprint.post("/opt-outs/lift")
def lift_opt_out() -> Answer:
    """End one opt-out, with a reason for the ledger."""
    kept, (kind, value) = services(), _typed()
    reason = request.form.get("reason", "")[: LONGEST_REASON + 1]
    try:
        with kept.database.begin() as session:
            gone = kept.suppressions.lift(
                session,
                kind=kind,
                value=Personal(value),
                purpose=request.form.get("purpose", ""),
                by=current_user.operator.id,
                why=reason,
            )
    except BadInput as error:
        return _page(kind=kind, value=value, problem=str(error)), 400
    flash("The opt-out is lifted." if gone else "There was no such opt-out any more.")
    return redirect(url_for("console.opt_outs"))


def _typed() -> tuple[str, str]:
    return request.form.get("kind", "").strip(), request.form.get("value", "").strip()[:LONGEST_VALUE]


def _page(
    *, kind: str = "email", value: str = "", found: tuple[Suppression, ...] | None = None, problem: str = ""
) -> str:
    kept = services()
    with kept.database.read() as session:
        counts = kept.suppressions.counts(session)
    kinds = dict.fromkeys(["email", *(name for one in kept.settings.collections for name in one.identifies)])
    return render_template(
        "console/opt_outs.html",
        here="opt-outs",
        counts=counts,
        total=sum(one.rows for one in counts),
        purpose_words=PURPOSE_WORDS,
        source_words=SOURCE_WORDS,
        kinds=[(name, name.replace("_", " ")) for name in kinds],
        kind=kind,
        value=value,
        found=found,
        problem=problem,
        may_lift=current_user.operator.may(Permission.WORK_REQUESTS),
    )
