"""The promise board in the console: each clause of the version in force, its state, its proof and how old that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flask import render_template, request, url_for

from core.words import span
from promises.board import WORST_FIRST, ClauseState
from web.console_blueprint import blueprint
from web.glance import board, count_states
from web.services import services
from web.words import GROUPS

JUST_NOW: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One clause as the board draws it. `age`: how old the evidence is, in words. `worst`: the last 30 days in words, '' for
    a clause that no sweep keeps; `days`: how many hours the oldest record was over, day by day; `limit`: hours allowed."""

    id: str
    state: str
    word: str
    says: str
    ref: str
    proof: str
    age: str
    worst: str = ""
    days: tuple[float, ...] = ()
    limit: float = 0.0


@blueprint.get("/promises")
def promises() -> str:
    """The board; `state` in the address shows one state only."""
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
    wanted = request.args.get("state", "")
    clauses = board().clauses
    shown = [one for one in clauses if not wanted or one.state.value == wanted]
    return render_template(
        "console/promises.html",
        here="board",
        version=version,
        groups=_group(shown),
        chips=_chips(wanted),
        total=len(clauses),
        own=[_line(one) for one in board().own if not wanted or one.state.value == wanted],
        alarms=board().alarms,
        silences=[one.words(board().at) for one in board().silences],
    )


def _group(clauses: list[ClauseState]) -> list[tuple[str, list[Line]]]:
    groups = [(title, [_line(one) for one in clauses if one.kind in kinds]) for title, kinds in GROUPS]
    return [group for group in groups if group[1]]


def _line(one: ClauseState) -> Line:
    now = services().clock.now()
    age = now - one.checked_at if one.checked_at else None
    history, within = one.history, one.within
    return Line(
        id=one.clause_id,
        state=one.state.value,
        word="",
        says=one.sentence,
        ref=" · ".join([*one.promises, one.clause_id]),
        proof=one.proof,
        age="–" if age is None else "now" if age < JUST_NOW else span(age),
        worst=history.words(now.date()) if history and history.days else "",
        days=tuple(_hours(day.over) for day in history.days) if history else (),
        limit=_hours(within) if within else 0.0,
    )


def _hours(length: timedelta) -> float:
    return round(length.total_seconds() / 3600, 2)


def _chips(wanted: str) -> list[dict[str, object]]:
    counts = count_states()
    chips: list[dict[str, object]] = [
        {"word": "All", "href": url_for("console.promises"), "here": not wanted, "count": sum(counts.values())}
    ]
    for state in WORST_FIRST:
        if counts[state]:
            href = url_for("console.promises", state=state.value)
            chips.append(
                {
                    "word": state.value.capitalize(),
                    "href": href,
                    "here": wanted == state.value,
                    "count": counts[state],
                    "icon": state.value,
                }
            )
    return chips
