"""Requests in the console: the list by what is due next, and opening one that came another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict
from core.operators import Permission
from core.words import count
from dsr.intake import FormRefused
from dsr.states import ENDS, OPEN, State
from dsr.views import TicketLine
from dsr.words import RIGHT_NAMES, RIGHT_WORDS, STATE_NAMES
from policies.clauses import Right
from policies.regimes import all_regimes
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.glance import open_requests
from web.person.places import STATES, countries
from web.services import services

MOST: Final = 200
CLOSED: Final = "closed"
OVERDUE: Final = "overdue"
SOON_DAYS: Final = 14
# What a state looks like in the list: a filled badge asks for somebody.
LOOKS: Final = {
    State.UNCONFIRMED: "waiting",
    State.RECEIVED: "new",
    State.PLANNED: "due",
    State.APPROVED: "now",
    State.RUNNING: "now",
    State.PARTLY_DONE: "broken",
    State.ANSWERED: "kept",
    State.REFUSED: "plain",
    State.NOTHING_FOUND: "kept",
    State.WITHDRAWN: "plain",
    State.EXPIRED: "plain",
}
CHANNELS: Final = {
    "form": ("inbox", "the form"),
    "mail": ("mail", "mail"),
    "letter": ("note", "letter"),
    "phone": ("user", "phone"),
    "chat": ("mail", "chat"),
    "api": ("http", "the interface for programs"),
}
FIELDS: Final = ("email", "right", "received", "channel", "country", "subdivision", "note", "is_test")
BY_HAND: Final = (("mail", "Mail"), ("letter", "Letter"), ("phone", "Phone"), ("chat", "Chat"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the list. `look`: how its state is drawn; `age`: whole days since it came in."""

    line: TicketLine
    look: str
    regime: str
    channel: tuple[str, str]
    age: int


def look_of(line: TicketLine) -> str:
    """How a ticket's state is drawn: one that waits for the person asks nobody else."""
    waits = line.state is State.RECEIVED and not line.identity_shown
    return "waiting" if waits else LOOKS[line.state]


def regime_name(regime: str | None) -> str:
    """The law's short name for a tag."""
    known = all_regimes().get(regime or "")
    return known.name if known else "not said"


@blueprint.route("/requests", methods=["GET", "POST"])
def requests() -> str | Response:
    """The list. Filters stand in the address; what is searched comes by POST, since it may be somebody's address."""
    search = request.form.get("q", "").strip()[:254] if request.method == "POST" else ""
    state, right = request.args.get("state", ""), request.args.get("right", "")
    found = _find(state, right, search)
    if search and len(found) == 1 and found[0].ref == search.upper():
        return redirect(url_for("console.ticket", ref=found[0].ref))
    counts = services().requests.count_states()
    is_open, closed = sum(counts[one] for one in OPEN), sum(counts[one] for one in ENDS - {State.EXPIRED})
    return render_template(
        "console/requests.html",
        here=OVERDUE if state == OVERDUE else "requests",
        says=f"{count(is_open)} open, {count(closed)} closed",
        groups=_group([_row(line) for line in found], by_due=not search and state != CLOSED),
        total=len(found),
        most=MOST,
        search_words=search,
        state_chips=_state_chips(counts, state, right) if not search else [],
        right_chips=_right_chips(state, right) if not search else [],
        is_filtered=bool(state or right),
        is_empty=not any(counts.values()),
        form_link=url_for("person.new_request"),
        open_link=url_for("console.open_request") if current_user.operator.may(Permission.WORK_REQUESTS) else "",
        open_href="",  # this page has the button itself
    )


def _find(state: str, right: str, search: str) -> list[TicketLine]:
    kept = services().requests
    by_right = Right(right) if right in set(Right) else None
    if search:
        return kept.list_tickets(search=search, is_open=False, limit=MOST)
    if state == CLOSED:
        found = kept.list_tickets(right=by_right, is_open=False, limit=5 * MOST)
        closed = [one for one in found if one.state in ENDS]
        return sorted(closed, key=lambda one: one.received_at, reverse=True)[:MOST]
    if state == OVERDUE:
        return kept.list_tickets(right=by_right, due_before=_today(), limit=MOST)
    if state in set(State):
        return kept.list_tickets(state=State(state), right=by_right, limit=MOST)
    return kept.list_tickets(right=by_right, limit=MOST)


def _row(line: TicketLine) -> Row:
    age = services().clock.now() - line.received_at
    return Row(
        line=line,
        look=look_of(line),
        regime=regime_name(line.regime),
        channel=CHANNELS.get(line.channel, ("inbox", line.channel)),
        age=max(age.days, 0),
    )


def _group(rows: Sequence[Row], *, by_due: bool) -> list[tuple[str, list[Row]]]:
    if not by_due:
        return [("", list(rows))] if rows else []
    today = _today()
    groups: dict[str, list[Row]] = {"Overdue": [], "Today and tomorrow": [], "This week and next": [], "Later": []}
    for row in rows:
        groups[_when(row.line.due_on, today)].append(row)
    return [(title, found) for title, found in groups.items() if found]


def _today() -> date:
    return services().clock.now().astimezone(controller_zone()).date()


def _when(due: date | None, today: date) -> str:
    left = SOON_DAYS + 1 if due is None else (due - today).days
    if left < 0:
        return "Overdue"
    return "Today and tomorrow" if left <= 1 else "This week and next" if left <= SOON_DAYS else "Later"


def _state_chips(counts: dict[State, int], state: str, right: str) -> list[dict[str, Any]]:
    def chip(word: str, value: str, number: int) -> dict[str, Any]:
        given: dict[str, Any] = {name: held for name, held in (("state", value), ("right", right)) if held}
        return {"word": word, "href": url_for("console.requests", **given), "here": state == value, "count": number}

    requests = open_requests(_today())
    chips = [chip("Open", "", requests.number)]
    if requests.overdue or state == OVERDUE:
        chips.append(chip("Overdue", OVERDUE, requests.overdue) | {"icon": "broken"})
    shown = [one for one in State if one in OPEN and (counts[one] or state == one.value)]
    chips += [chip(STATE_NAMES[one], one.value, counts[one]) for one in shown]
    closed = sum(counts[one] for one in ENDS - {State.EXPIRED})
    return [*chips, chip("Closed", CLOSED, closed)]


def _right_chips(state: str, right: str) -> list[dict[str, Any]]:
    offered = [one.right for one in services().requests.offered_rights()]
    if right in set(Right) and Right(right) not in offered:
        offered.append(Right(right))
    chips = []
    for one in offered:
        is_here = right == one.value
        given: dict[str, Any] = {
            n: held for n, held in (("state", state), ("right", "" if is_here else one.value)) if held
        }
        href = url_for("console.requests", **given)
        chips.append({"word": RIGHT_NAMES[one], "href": href, "here": is_here, "icon": "x" if is_here else ""})
    return chips


@blueprint.route("/requests/new", methods=["GET", "POST"])
def open_request() -> str | Response | tuple[str, int]:
    """Open a ticket by hand; the address gets a link, and nothing is looked for before it is pressed."""
    if request.method == "GET":
        today = _today()
        return _open_page({"received": today.isoformat(), "channel": "mail"}, {})
    typed = {name: value for name, value in request.form.items() if name != "csrf_token"}
    try:
        ref = _open(typed)
    except FormRefused as refusal:
        return _open_page(typed, refusal.problems), 400
    except Conflict as error:
        return _open_page(typed, {"": str(error)}), error.status
    except BadInput as error:
        return _open_page(typed, {"received": str(error)}), error.status
    flash(f"Request {ref} is open. A link to prove the address is on its way.")
    return redirect(url_for("console.ticket", ref=ref))


def _open(typed: dict[str, str]) -> str:
    country = typed.get("country", "")
    channel = typed.get("channel", "")
    return services().requests.open_by_hand(
        email=typed.get("email", ""),
        right=typed.get("right", ""),
        received_at=_received(typed.get("received", "")),
        channel=channel if channel in dict(BY_HAND) else "mail",
        by=current_user.operator.id,
        note=typed.get("note", ""),
        country=country,
        subdivision=typed.get("subdivision", "") if country == "US" else "",
        is_test=typed.get("is_test") == "yes",
    )


def _received(text: str) -> datetime:
    """The day a letter came in, at noon there; today is now."""
    now, zone = services().clock.now(), controller_zone()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FormRefused({"received": "Give the day it came in."}) from None
    today = now.astimezone(zone).date()
    if day > today:
        raise FormRefused({"received": "This day is still to come. Give the day it came in."})
    return now if day == today else datetime.combine(day, time(12), tzinfo=zone).astimezone(UTC)


def _open_page(typed: dict[str, str], problems: dict[str, str]) -> str:
    today = _today()
    return render_template(
        "console/open_request.html",
        here="requests",
        typed={name: typed.get(name, "") for name in FIELDS},
        problems=problems,
        order=list(problems.items()),
        rights=[("", "Choose one"), *((one.value, f"{RIGHT_NAMES[one]}: {RIGHT_WORDS[one]}") for one in Right)],
        channels=BY_HAND,
        countries=[("", "Not said"), *countries("en")],
        states=[("", "None of these"), *STATES],
        today=today,
    )
