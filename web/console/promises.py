"""The promise board in the console: each clause of the version in force, its state, its proof and how old that is; and as it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from flask import abort, render_template, request, url_for
from flask_login import current_user

from core.clock import day_in
from core.errors import BadInput, NotFound
from core.operators import Permission
from core.words import full_day, short_day, span
from policies.clause_words import describe_clause
from policies.versions import Version
from promises.board import WORST_FIRST, ClauseState
from promises.record import BoardOfDay, ClauseOfDay
from promises.states import State
from web.console.promise import titled
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.glance import board, count_states
from web.services import services
from web.words import GROUPS

JUST_NOW: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One clause as the board draws it. `age`: how old the evidence is, in words, or the day of the review. `worst`: the last
    30 days in words, '' for a clause that no sweep keeps; `days`: how many hours the oldest record was over, day by day;
    `limit`: hours allowed. `used`: the share of the age that is allowed, 0 to 100, None where it has none; `used_words`: it in
    words; `act`, `act_href`: what there is to do about it."""

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
    href: str = ""
    used: int | None = None
    used_words: str = ""
    act: str = ""
    act_href: str = ""


@blueprint.get("/promises")
def promises() -> str:
    """The board; `state` in the address shows one state only, `on` what it said on a day."""
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
        span_of_days = kept.board_record.days(session)
    if version and request.args.get("on"):
        return _past_board(version, request.args["on"])
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
        first_day=span_of_days[0] if span_of_days else None,
        may_check=current_user.operator.may(Permission.WORK_REQUESTS),
    )


def _past_board(in_force: Version, text: str) -> str:
    """What the board said on a day; a day that cannot be is told on the page, as the day of today."""
    kept = services()
    today = day_in(kept.clock.now(), in_force.document.controller.timezone)
    said, trouble = None, ""
    try:
        said = kept.board_record.on(date.fromisoformat(text))
    except ValueError:
        abort(404)
    except (BadInput, NotFound) as error:
        trouble = f"{error.message} {error.remedy}"
    with kept.database.read() as session:
        days = kept.board_record.days(session)
        version = kept.policies.version(session, said.version) if said else in_force
    return render_template(
        "console/promises_on.html",
        here="board",
        day=date.fromisoformat(text),
        today=today,
        first_day=days[0] if days else None,
        said=said,
        version=version,
        groups=_past_groups(said, version) if said else [],
        figures=_count_past(said) if said else [],
        trouble=trouble,
    )


def _past_groups(said: BoardOfDay, version: Version) -> list[tuple[str, list[Line]]]:
    order = {one.id: place for place, one in enumerate(version.document.clauses)}
    lines = sorted(said.clauses, key=lambda one: order.get(one.clause, len(order)))
    kinds = {one.id: one.kind for one in version.document.clauses}
    groups = [
        (title, [_past_line(one, version) for one in lines if kinds.get(one.clause) in names])
        for title, names in GROUPS
    ]
    return [group for group in groups if group[1]]


def _past_line(one: ClauseOfDay, version: Version) -> Line:
    clause = version.document.clause(one.clause)
    zone = controller_zone()
    since = one.since.at.astimezone(zone)
    moves = ", ".join(f"{each.state.value} at {each.at.astimezone(zone):%H:%M}" for each in one.changes)
    sound = "" if one.since.sound else " The ledger says otherwise."
    return Line(
        id=one.clause,
        state=one.state.value,
        word="",
        says=titled(describe_clause(clause, version.document.language)) if clause else one.clause,
        ref=" · ".join([*(clause.promises if clause else ()), one.clause]),
        proof=(f"On that day: {moves}." if moves else f"Since {full_day(since.date())}, {since:%H:%M}.") + sound,
        age=short_day(since.date(), since.date()),
        href=url_for("console.ledger", ref=f"clause:{one.clause}"),
    )


def _count_past(said: BoardOfDay) -> list[dict[str, Any]]:
    counted = [(state, sum(one.state is state for one in said.clauses)) for state in WORST_FIRST]
    return [{"state": state.value, "number": number, "word": state.value} for state, number in counted if number]


def _group(clauses: list[ClauseState]) -> list[tuple[str, list[Line]]]:
    groups = [(title, [_line(one) for one in clauses if one.kind in kinds]) for title, kinds in GROUPS]
    return [group for group in groups if group[1]]


def _line(one: ClauseState) -> Line:
    now = services().clock.now()
    history, within = one.history, one.within
    own = one in board().own
    used = _share(one, now)
    act, act_href = ("", "") if own else _act(one)
    return Line(
        id=one.clause_id,
        state=one.state.value,
        word="",
        says=titled(one.sentence),
        ref=" · ".join([*one.promises, one.clause_id, *([one.owner] if one.owner else [])]),
        proof=one.proof,
        age=_age(one, now),
        worst=history.words(now.date()) if history and history.days else "",
        days=tuple(_hours(day.over) for day in history.days) if history else (),
        limit=_hours(within) if within else 0.0,
        href="" if own else url_for("console.promise", clause=one.clause_id),
        used=used,
        used_words=f"{used} % of the age that its evidence may have" if used is not None else "",
        act=act,
        act_href=act_href,
    )


def _age(one: ClauseState, now: datetime) -> str:
    """How old the evidence is; of somebody's word, how long it holds."""
    if one.state is State.ATTESTED and one.good_until is not None:
        return f"{span(one.good_until - now)} left"
    age = now - one.checked_at if one.checked_at else None
    return "–" if age is None else "now" if age < JUST_NOW else span(age)


def _share(one: ClauseState, now: datetime) -> int | None:
    if one.checked_at is None or one.good_until is None or one.good_until <= one.checked_at:
        return None
    return max(0, min(100, round(100 * (now - one.checked_at) / (one.good_until - one.checked_at))))


def _act(one: ClauseState) -> tuple[str, str]:
    """What a person can do about a clause that is not kept, or whose word soon ends."""
    here = url_for("console.promise", clause=one.clause_id)
    if one.may_vouch and one.state in (State.BROKEN, State.ATTESTED):
        soon = one.good_until is not None and one.good_until - services().clock.now() <= timedelta(days=30)
        if one.state is State.BROKEN or soon:
            return ("Vouch again" if one.checked_at else "Vouch for it"), here
    if one.kind == "retention" and one.state in (State.BROKEN, State.DUE):
        return "Its runs", url_for("console.retention_clause", clause=one.clause_id)
    return "", ""


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
