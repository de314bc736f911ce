"""`kept figures`: how requests went, by right and law, over a year."""

from __future__ import annotations

import click

from core.clock import day_in
from core.words import count
from dsr.figure_files import figures_csv, figures_json
from dsr.request_figures import FigureLine, Period
from dsr.tallies import BOUNDS
from jobs.answers import Answer, Line, answering, table
from jobs.services import Services, Wiring
from policies.regimes import regime as find_regime


@click.command()
@click.option("--year", type=click.IntRange(2000, 9999), help="Requests that came in in this year; without it, all.")
@click.option("--regime", metavar="LAW", help="Only under this law, such as gdpr or ccpa.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV file and nothing else.")
@click.pass_obj
@answering
def figures(wiring: Wiring, year: int | None, regime: str | None, as_csv: bool) -> Answer:
    """Show outcomes, grounds and days of requests, by right and law. Tests are in no number."""
    if regime is not None:
        find_regime(regime)
    with wiring.open_services(None) as kept:
        period = _period(kept, year, regime)
        lines, whole = kept.requests.figures.read(period), kept.requests.figures.of(period)
    data = {
        "year": year,
        "regime": regime,
        "all": figures_json(whole),
        "lines": [{"right": one.right.value, "regime": one.regime, **figures_json(one.figures)} for one in lines],
    }
    if as_csv:
        return Answer(data=data, lines=[figures_csv(lines).replace("\r\n", "\n").rstrip("\n")])
    if not lines:
        return Answer(data=data, lines=[f"No request came in{f' in {year}' if year else ''}."])
    columns = ["right", "law", "received", "done", "in part", "refused", "nothing", "open", "late", "mean", "median"]
    rows = [_row(one) for one in lines]
    shown: list[Line] = [table("", columns, rows, right=tuple(range(2, len(columns))))]
    return Answer(data=data, lines=shown)


def _row(line: FigureLine) -> list[str]:
    one = line.figures
    times = one.times
    median = f"<= {times.median}" if times.median is not None else f"> {BOUNDS[-1]}"
    numbers = (one.received, one.complied, one.complied_in_part, one.denied, one.nothing_found, one.open)
    return [
        line.right.value,
        line.regime or "–",
        *(count(number) for number in numbers),
        count(one.answered_late + one.open_late),
        f"{times.mean:g}" if times.mean is not None else "–",
        median if times.answers else "–",
    ]


def _period(kept: Services, year: int | None, regime: str | None) -> Period:
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    zone = version.document.controller.timezone if version else "UTC"
    return Period(zone=zone, today=day_in(kept.clock.now(), zone), year=year, regime=regime)
