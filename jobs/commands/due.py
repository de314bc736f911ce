"""`kept due`: when a request is due, by the regime's calendar, for anyone who wants to check."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import click

from core.errors import BadInput
from jobs.answers import Answer, answering
from policies.reckoning import Pause, reckon


def _day(text: str, what: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{what} is '{text}'.", remedy="Write a day as 2026-03-05.") from error


def _pause(text: str) -> Pause:
    first, _, last = text.partition("/")
    start, end = _day(first, "--paused"), _day(last, "--paused")
    if end < start:
        raise BadInput(f"--paused ends before it begins: '{text}'.", remedy="Write FROM/TO as 2026-03-10/2026-03-15.")
    return Pause(start=start, end=end, prompt=True)  # whoever asks says that it was a pause


@click.command()
@click.argument("regime")
@click.argument("received", metavar="DATE")
@click.option("--right", default="access", show_default=True)
@click.option("--country", help="Whose holidays count: DE, GB, US.")
@click.option("--subdivision", help="Its part, such as BY or CA.")
@click.option("--identity", metavar="DATE", help="The day identity was shown.")
@click.option("--paused", "pauses", multiple=True, metavar="FROM/TO")
@click.option("--extended", is_flag=True)
@answering
def due(
    regime: str, received: str, right: str, country: str | None, subdivision: str | None,
    identity: str | None, pauses: tuple[str, ...], extended: bool,
) -> Answer:  # fmt: skip
    """Say when a request received on DATE is due under REGIME. Needs no configuration."""
    zone = ZoneInfo("UTC")

    def instant(day: date) -> datetime:
        return datetime.combine(day, time(12), tzinfo=zone)

    reckoned = reckon(
        regime=regime,
        right=right,
        within=None,
        received=instant(_day(received, "DATE")),
        zone="UTC",
        country=country,
        subdivision=subdivision,
        identity=instant(_day(identity, "--identity")) if identity else None,
        pauses=tuple(_pause(one) for one in pauses),
        extended=extended,
        firm=False,
    )
    data: dict[str, Any] = {
        "due": reckoned.due,
        "acknowledge_by": reckoned.acknowledge_by,
        "extend_by": reckoned.extend_by,
    }
    lines = [f"{line.day}  {line.words}{'' if line.binds else ' (does not bind)'}" for line in reckoned.lines]
    return Answer(data=data, lines=list(lines))
