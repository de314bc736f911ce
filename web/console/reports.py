"""Reports in the console: ask for the evidence of a month, take the files along, and the record of processing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from flask import Response, flash, redirect, render_template, request, send_file, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from core.clock import day_in
from core.errors import KeptError
from core.operators import Permission, list_operators
from promises.report_facts import Span
from promises.report_words import say_span
from promises.reports import FORMS
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.services import services

MONTHS: Final = 12


@blueprint.get("/reports")
def reports() -> str:
    """What was made, the latest first, and a form for the next one."""
    return _page()


@blueprint.post("/reports")
def ask_report() -> str | tuple[str, int] | AnyResponse:
    """Have the evidence of a month made; the scheduler does it."""
    zone = str(controller_zone())
    try:
        span = Span.month(request.form.get("month", ""), zone)
        services().reports.ask(span.first, span.last, by=current_user.operator.id)
    except KeptError as error:
        return _page(problem=f"{error.message} {error.remedy}"), 400
    flash(f"The evidence for {say_span(span)} is being made. It stands here in a minute.")
    return redirect(url_for("console.reports"))


@blueprint.get("/reports/<report>.<form>")
def report_file(report: str, form: str) -> Response:
    """One file of a report, as a download."""
    path = services().reports.file(report, form)
    line = next(one for one in services().reports.list_reports() if one.id == report)
    name = f"evidence-{line.first:%Y-%m}.{form}"
    return send_file(path, mimetype=FORMS[form], as_attachment=True, download_name=name, max_age=0)


def _page(problem: str = "") -> str:
    kept, zone = services(), str(controller_zone())
    with kept.database.read() as session:
        names = {one.id: one.name for one in list_operators(session)}
        in_force = kept.policies.in_force(session)
    today = day_in(kept.clock.now(), zone)
    return render_template(
        "console/reports.html",
        here="reports",
        months=[(f"{day:%Y-%m}", f"{day:%B %Y}") for day in _months(today)],
        reports=[
            (one, say_span(Span(first=one.first, last=one.last, zone=zone)), names.get(one.asked_by, one.asked_by))
            for one in kept.reports.list_reports()
        ],
        in_force=in_force is not None,
        can_make=in_force is not None and current_user.operator.may(Permission.MANAGE),
        problem=problem,
    )


def _months(today: date) -> list[date]:
    """The first days of the last months, the one that is over first, and this one, so far, at the end."""
    months, first = [], today.replace(day=1)
    for _ in range(MONTHS):
        first = (first - timedelta(days=1)).replace(day=1)
        months.append(first)
    return [*months, today.replace(day=1)]
