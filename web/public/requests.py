"""The yearly page of requests: how many of each kind came in, were complied with and denied, and how long answers took."""

from __future__ import annotations

from typing import Any, Final

from babel.numbers import format_decimal
from flask import Response, abort, jsonify, render_template, url_for

from core.clock import day_in
from core.errors import NotFound
from dsr.figure_files import figures_json
from dsr.request_figures import Period, RequestFigures
from policies.clauses import Right
from web.glance import in_force, shown_years
from web.languages import gettext, page_language
from web.public_blueprint import blueprint, cacheable
from web.services import services

# The kinds that the regulations of California list (11 CCR 7102), and the rights that each is asked by.
KINDS: Final = {
    "delete": (Right.DELETION,),
    "correct": (Right.CORRECTION,),
    "know": (Right.ACCESS, Right.PORTABILITY),
    "opt_out": (Right.OPT_OUT,),
    "limit": (Right.LIMIT_SENSITIVE,),
}


@blueprint.get("/privacy/requests/<int:year>", defaults={"form": "html"})
@blueprint.get("/privacy/requests/<int:year>.<any(json):form>")
def requests_of_year(year: int, form: str) -> Response:
    """A year that is over, for everyone; only where the installation shows it (`public: {requests: true}`)."""
    version, kept = in_force(), services()
    if version is None or not kept.settings.public_requests:
        abort(404)
    zone = version.document.controller.timezone
    today = day_in(kept.clock.now(), zone)
    years = shown_years()
    if year not in years:
        raise NotFound(
            gettext("There are no figures of %(year)s.", year=year),
            remedy=gettext("A year is shown once it is over."),
        )
    period = Period(zone=zone, today=today, year=year)
    figures = {kind: kept.requests.figures.of(period, rights) for kind, rights in KINDS.items()}
    if form == "json":
        kinds = {kind: _as_json(one) for kind, one in figures.items()}
        answer = jsonify(year=year, people="all", kinds=kinds)
        return cacheable(answer.get_data(), "application/json")
    words = _words()
    page = render_template(
        "pages/requests_of_year.html",
        here="requests-of-year",
        year=year,
        lines=[
            {"kind": kind, "words": words[kind], "figures": one, "mean": _say_mean(one)}
            for kind, one in figures.items()
        ],
        whole=sum(one.received for one in figures.values()),
        others=[one for one in years if one != year],
        as_json=url_for("public.requests_of_year", year=year, form="json"),
    )
    return cacheable(page)


def _say_mean(one: RequestFigures) -> str:
    mean = one.times.mean
    return "–" if mean is None else format_decimal(mean, locale=page_language())


def _as_json(one: RequestFigures) -> dict[str, Any]:
    said = figures_json(one)
    return {
        "received": one.received,
        "complied_in_whole_or_part": one.complied + one.complied_in_part,
        "complied_in_whole": one.complied,
        "complied_in_part": one.complied_in_part,
        "denied": one.denied,
        "nothing_found": one.nothing_found,
        "withdrawn": one.withdrawn,
        "open": one.open,
        "mean_days": said["days"]["mean"],
        "median_within_days": said["days"]["median_within"],
    }


def _words() -> dict[str, str]:
    return {
        "delete": gettext("To delete"),
        "correct": gettext("To correct"),
        "know": gettext("To know"),
        "opt_out": gettext("To opt out of sale and sharing"),
        "limit": gettext("To limit the use of sensitive data"),
    }
