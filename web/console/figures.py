"""Figures of requests in the console: outcomes, grounds and days by right and law, as tables, as charts and as a CSV file."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, render_template, request, url_for

from core.clock import day_in
from core.words import plural
from dsr.figure_files import figures_csv
from dsr.grounds import all_grounds
from dsr.request_figures import FigureLine, Period, RequestFigures
from dsr.tallies import BOUNDS
from policies.clauses import Right
from policies.regimes import all_regimes
from web.console.request_charts import age_chart
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.services import services

RIGHT_NAMES: Final = {right: right.value.replace("_", " ").capitalize() for right in Right}
LATE_FROM: Final = 31  # days: what the chart shows as long


@blueprint.get("/figures")
def figures() -> str:
    """One year, or all of them; under one law, or any."""
    period = _period()
    lines, whole = services().requests.figures.read(period), services().requests.figures.of(period)
    years = services().requests.figures.years(period.zone)
    return render_template(
        "console/figures.html",
        here="figures",
        lines=[_line(one) for one in lines],
        whole=whole,
        overdue=_percent(whole.overdue_share),
        bars=_bars(whole),
        ages=age_chart(),
        finding=_finding(whole),
        shares=_shares(lines),
        grounds=_grounds(whole),
        year=period.year,
        regime=period.regime,
        years=[(one, _address(one, period.regime)) for one in (None, *years)],
        regimes=[
            (one, all_regimes()[one].name if one else "Every law", _address(period.year, one)) for one in _regimes()
        ],
        csv=url_for("console.figures_file", year=period.year, regime=period.regime),
    )


@blueprint.get("/figures.csv")
def figures_file() -> Response:
    """The same numbers as a file."""
    period = _period()
    answer = Response(figures_csv(services().requests.figures.read(period)), content_type="text/csv; charset=utf-8")
    name = f"requests-{period.year or 'all'}{f'-{period.regime}' if period.regime else ''}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _period() -> Period:
    zone = str(controller_zone())
    year, regime = request.args.get("year", ""), request.args.get("regime", "")
    return Period(
        zone=zone,
        today=day_in(services().clock.now(), zone),
        year=int(year) if year.isascii() and year.isdecimal() and len(year) == len("2026") else None,
        regime=regime if regime in all_regimes() else None,
    )


def _regimes() -> list[str | None]:
    period = _period()
    every = Period(zone=period.zone, today=period.today)
    found = {line.regime for line in services().requests.figures.read(every)} & set(all_regimes())
    return [None, *sorted(one for one in found if one)]


def _address(year: int | None, regime: str | None) -> str:
    return url_for("console.figures", year=year, regime=regime)


def _line(line: FigureLine) -> dict[str, Any]:
    law = all_regimes().get(line.regime or "")
    return {
        "right": RIGHT_NAMES[line.right],
        "regime": law.name if law else line.regime or "no law said",
        "figures": line.figures,
        "overdue": _percent(line.figures.overdue_share),
        "median": _within(line.figures.times.median, line.figures.times.answers),
        "p90": _within(line.figures.times.p90, line.figures.times.answers),
    }


def _within(days: int | None, answers: int) -> str:
    if not answers:
        return "–"
    return f"within {days}" if days is not None else f"over {BOUNDS[-1]}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %".replace(".0 %", " %")


def _bars(whole: RequestFigures) -> list[dict[str, Any]]:
    bars, low = [], 0
    for bound, number in zip((*BOUNDS, None), whole.times.within, strict=True):
        span = f"{low}–{bound}" if bound is not None else f"{low}+"
        late = (bound or LATE_FROM) >= LATE_FROM
        bars.append(
            {
                "label": f"{span} days",
                "value": number,
                "tick": str(bound or f"{BOUNDS[-1]}+"),
                "state": "soon" if late else "",
            }
        )
        low = (bound or 0) + 1
    return bars


def _finding(whole: RequestFigures) -> str:
    times = whole.times
    if not times.answers:
        return "Nothing was answered."
    most = "a day" if times.median == 1 else f"{times.median} days"
    said = f"within {most}" if times.median is not None else f"after more than {BOUNDS[-1]} days"
    of = "The one answer" if times.answers == 1 else f"Half of {plural(times.answers, 'answer', 'answers')}"
    return f"{of} came {said}; {times.mean:g} days on average."


def _shares(lines: tuple[FigureLine, ...]) -> list[dict[str, Any]]:
    """How the requests of each right came out, over all laws."""
    sums: dict[Right, list[int]] = {}
    for line in lines:
        one = line.figures
        numbers = (one.complied, one.complied_in_part, one.nothing_found, one.denied, one.withdrawn, one.open)
        sums[line.right] = [a + b for a, b in zip(sums.get(line.right, [0] * 6), numbers, strict=True)]
    states = ("kept", "due", "attested", "broken", "held", "now")
    words = ("done", "done in part", "nothing found", "refused", "withdrawn", "open")
    return [
        {"right": RIGHT_NAMES[right], "number": sum(numbers), "parts": list(zip(states, numbers, words, strict=True))}
        for right, numbers in sums.items()
    ]


def _grounds(whole: RequestFigures) -> list[tuple[str, int]]:
    words = {one.id: one.words for grounds in all_grounds().values() for one in grounds}
    return sorted(((words.get(name, name), number) for name, number in whole.grounds.items()), key=lambda one: -one[1])
