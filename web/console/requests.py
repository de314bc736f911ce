"""Requests in the console: the list by what is due next, and opening one that came another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.catalogue import LANGUAGES
from core.errors import BadInput, Conflict
from core.operators import Permission
from core.words import count
from dsr.asker_rules import KIND_NAMES, AskerKind
from dsr.askers import SaidAsker
from dsr.intake import FormRefused
from dsr.listing import TicketLine, Wanted, Which
from dsr.stands import Stand
from dsr.states import ENDS, OPEN, State
from dsr.words import RIGHT_NAMES, RIGHT_WORDS, STATE_NAMES
from policies.clauses import Right
from policies.regimes import all_regimes
from web.console.actors import actor_names
from web.console_blueprint import blueprint
from web.context import controller_zone
from web.glance import open_requests
from web.languages import offered
from web.message_files import taken_files
from web.person.places import STATES, countries
from web.services import services

# Of a search, which has no pages: what is searched stands in no address.
MOST: Final = 200
PAGE: Final = 50
MINE: Final = "mine"
NOBODYS: Final = "nobodys"
CLOSED: Final = "closed"
OVERDUE: Final = "overdue"
SOON_DAYS: Final = 14
# What a state looks like in the list: a filled badge asks for somebody.
LOOKS: Final = {
    State.UNCONFIRMED: "waiting",
    State.SCHEDULED: "waiting",
    State.RECEIVED: "new",
    State.PLANNED: "due",
    State.APPROVED: "now",
    State.RUNNING: "now",
    State.PARTLY_DONE: "broken",
    State.ANSWERED: "kept",
    State.PARTLY_REFUSED: "kept",
    State.REFUSED: "plain",
    State.NOTHING_FOUND: "kept",
    State.FORWARDED: "kept",
    State.WITHDRAWN: "plain",
    State.EXPIRED: "plain",
}
CHANNELS: Final = {
    "form": ("inbox", "the form"),
    "mail": ("mail", "mail"),
    "letter": ("note", "letter"),
    "phone": ("user", "phone"),
    "chat": ("mail", "chat"),
    "counter": ("user", "the counter"),
    "handoff": ("user", "the application"),
    "account_closed": ("http", "a closed account"),
    "api": ("http", "the interface for programs"),
}
FIELDS: Final = (
    "email", "postal_address", "right", "received", "received_time", "channel", "country", "subdivision", "language", "note",
    "asker_kind", "asker_name", "asker_email", "is_test",
)  # fmt: skip
BY_HAND: Final = (
    ("mail", "Mail"), ("letter", "Letter"), ("phone", "Phone"), ("chat", "Chat"), ("counter", "At the counter")
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the list. `look`: how its state is drawn; `age`: whole days since it came in."""

    line: TicketLine
    look: str
    regime: str
    channel: tuple[str, str]
    age: int


# And of one that is partly done.
STAND_LOOKS: Final = {
    Stand.FAILED: "broken",
    Stand.PEOPLE: "waiting",
    Stand.TEXTS: "due",
    Stand.TIME: "waiting",
    Stand.GOING: "now",
}


def look_of(line: TicketLine) -> str:
    """How a ticket's state is drawn: one that waits for the person, or its time, asks nobody else."""
    if line.stand is not None:
        return STAND_LOOKS[line.stand]
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
    seen = _Seen(
        state=request.args.get("state", ""),
        right=request.args.get("right", ""),
        whose=request.args.get("whose", ""),
        first=request.args.get("from", 0, type=int),
    )
    wanted = Wanted(which=Which.ALL, search=search) if search else seen.wanted()
    kept = services().requests
    total = kept.count_tickets(wanted)
    first = 0 if search or not 0 <= seen.first < total else seen.first
    found = kept.find_tickets(wanted, limit=MOST if search else PAGE, offset=first)
    if search and len(found) == 1 and found[0].ref == search.upper():
        return redirect(url_for("console.ticket", ref=found[0].ref))
    counts = kept.count_states()
    is_open, closed = sum(counts[one] for one in OPEN), sum(counts[one] for one in ENDS - {State.EXPIRED})
    return render_template(
        "console/requests.html",
        here=OVERDUE if seen.state == OVERDUE else "requests",
        says=f"{count(is_open)} open, {count(closed)} closed",
        groups=_group([_row(line) for line in found], by_due=not search and seen.state != CLOSED),
        total=total,
        tests=total - kept.count_tickets(replace(wanted, with_tests=False)),
        most=MOST,
        names=actor_names(),
        search_words=search,
        state_chips=_state_chips(counts, seen) if not search else [],
        right_chips=_right_chips(seen) if not search else [],
        whose_chips=_whose_chips(seen) if not search else [],
        pages=None if search else _pages(seen, first, len(found), total),
        is_filtered=seen.is_filtered,
        whose=seen.whose,
        is_empty=not found and not kept.count_tickets(Wanted(which=Which.ALL)),
        form_link=url_for("person.new_request"),
        open_link=url_for("console.open_request") if current_user.operator.may(Permission.WORK_REQUESTS) else "",
        open_href="",  # this page has the button itself
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What the address says: which tickets, and which page of them. What it says wrongly counts as not said."""

    state: str = ""
    right: str = ""
    whose: str = ""
    first: int = 0

    @property
    def is_filtered(self) -> bool:
        return bool(self.state or self.right or self.whose)

    def wanted(self) -> Wanted:
        """What of all tickets that is."""
        is_state = self.state in set(State)
        return Wanted(
            which=Which.CLOSED if self.state == CLOSED else Which.OPEN,
            state=State(self.state) if is_state else None,
            right=Right(self.right) if self.right in set(Right) else None,
            due_before=_today() if self.state == OVERDUE else None,
            assigned_to=current_user.operator.id if self.whose == MINE else "",
            is_unassigned=self.whose == NOBODYS,
        )

    def href(self, **changes: str | int) -> str:
        """The address of another view of the list; a filter that changes goes back to the first page."""
        said = {"state": self.state, "right": self.right, "whose": self.whose, **changes}
        return url_for("console.requests", **{name: value for name, value in said.items() if value})  # type: ignore[arg-type]


def _pages(seen: _Seen, first: int, shown: int, total: int) -> dict[str, Any] | None:
    """The foot of a list that has more than one page."""
    if total <= PAGE:
        return None
    earlier = seen.href(**{"from": max(first - PAGE, 0)}) if first else ""
    later = seen.href(**{"from": first + PAGE}) if first + shown < total else ""
    return {"first": first + 1, "last": first + shown, "total": total, "earlier": earlier, "later": later}


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


def _state_chips(counts: dict[State, int], seen: _Seen) -> list[dict[str, Any]]:
    def chip(word: str, value: str, number: int) -> dict[str, Any]:
        return {"word": word, "href": seen.href(state=value), "here": seen.state == value, "count": number}

    requests = open_requests(_today())
    chips = [chip("Open", "", requests.number)]
    if requests.overdue or seen.state == OVERDUE:
        chips.append(chip("Overdue", OVERDUE, requests.overdue) | {"icon": "broken"})
    shown = [one for one in State if one in OPEN and (counts[one] or seen.state == one.value)]
    chips += [chip(STATE_NAMES[one], one.value, counts[one]) for one in shown]
    closed = sum(counts[one] for one in ENDS - {State.EXPIRED})
    return [*chips, chip("Closed", CLOSED, closed)]


def _right_chips(seen: _Seen) -> list[dict[str, Any]]:
    offered = [one.right for one in services().requests.offered_rights()]
    if seen.right in set(Right) and Right(seen.right) not in offered:
        offered.append(Right(seen.right))
    return [
        _switch(RIGHT_NAMES[one], seen.href(right="" if seen.right == one else one.value), seen.right == one)
        for one in offered
    ]


def _whose_chips(seen: _Seen) -> list[dict[str, Any]]:
    """Mine and nobody's, with how many of them are open; another press takes the filter away."""
    numbers = {
        MINE: Wanted(assigned_to=current_user.operator.id, with_tests=False),
        NOBODYS: Wanted(is_unassigned=True, with_tests=False),
    }
    return [
        _switch(word, seen.href(whose="" if seen.whose == value else value), seen.whose == value)
        | {"count": services().requests.count_tickets(numbers[value])}
        for value, word in ((MINE, "Mine"), (NOBODYS, "Nobody’s"))
    ]


def _switch(word: str, href: str, is_here: bool) -> dict[str, Any]:
    return {"word": word, "href": href, "here": is_here, "icon": "x" if is_here else ""}


@blueprint.route("/requests/new", methods=["GET", "POST"])
def open_request() -> str | Response | tuple[str, int]:
    """Open a ticket by hand; the address gets a link, and nothing is looked for before it is pressed."""
    if request.method == "GET":
        today = _today()
        return _open_page({"received": today.isoformat(), "channel": "mail"}, {})
    typed = {name: value for name, value in request.form.items() if name != "csrf_token"}
    try:
        refs = _open(typed)
    except FormRefused as refusal:
        return _open_page(typed, refusal.problems), 400
    except Conflict as error:
        return _open_page(typed, {"": str(error)}), error.status
    except BadInput as error:
        return _open_page(typed, {"received": str(error)}), error.status
    opened = f"Request {refs[0]} is open." if len(refs) == 1 else f"Requests {', '.join(refs)} are open."
    then = "A link to prove the address is on its way." if typed.get("email") else "Say next who they are."
    flash(f"{opened} {then}")
    return redirect(url_for("console.ticket", ref=refs[0]))


def _open(typed: dict[str, str]) -> list[str]:
    country = typed.get("country", "")
    channel = typed.get("channel", "")
    return services().requests.by_hand.open(
        email=typed.get("email", ""),
        postal_address=typed.get("postal_address", ""),
        rights=request.form.getlist("right"),
        received_at=_received(typed.get("received", ""), typed.get("received_time", "")),
        channel=channel if channel in dict(BY_HAND) else "mail",
        by=current_user.operator.id,
        note=typed.get("note", ""),
        country=country,
        subdivision=typed.get("subdivision", "") if country == "US" else "",
        language=typed.get("language", ""),
        files=taken_files(),
        asker=_asker(typed),
        is_test=typed.get("is_test") == "yes",
    )


def _asker(typed: dict[str, str]) -> SaidAsker:
    """Who asks, where it is not the person."""
    kind = typed.get("asker_kind", "") or AskerKind.SELF.value
    if kind not in set(AskerKind):
        raise FormRefused({"asker_kind": "Choose who asks."})
    return SaidAsker(kind=kind, name=typed.get("asker_name", ""), contact=typed.get("asker_email", ""))


def _received(text: str, hour: str) -> datetime:
    """When it came in, in the controller's zone. Without an hour: today is now, another day is noon."""
    now, zone = services().clock.now(), controller_zone()
    try:
        day = date.fromisoformat(text)
        at = time.fromisoformat(hour) if hour.strip() else None
    except ValueError:
        raise FormRefused({"received": "Give the day it came in, and the hour as 14:30."}) from None
    today = now.astimezone(zone).date()
    if day > today:
        raise FormRefused({"received": "This day is still to come. Give the day it came in."})
    if at is not None and at.tzinfo is None:
        received = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
        if received > now:
            raise FormRefused({"received": "This hour is still to come. Give the hour it came in."})
        return received
    return now if day == today else datetime.combine(day, time(12), tzinfo=zone).astimezone(UTC)


def _open_page(typed: dict[str, str], problems: dict[str, str]) -> str:
    today = _today()
    return render_template(
        "console/open_request.html",
        here="requests",
        typed={name: typed.get(name, "") for name in FIELDS},
        problems=problems,
        order=list(problems.items()),
        rights=[{"value": one.value, "label": RIGHT_NAMES[one], "text": RIGHT_WORDS[one]} for one in Right],
        chosen=request.form.getlist("right"),
        askers=[("", "The person"), *((one.value, KIND_NAMES[one]) for one in AskerKind if one is not AskerKind.SELF)],
        zone=controller_zone().key,
        languages=[("", "That of the policy"), *((code, LANGUAGES[code]) for code in offered())],
        channels=BY_HAND,
        countries=[("", "Not said"), *countries("en")],
        states=[("", "None of these"), *STATES],
        today=today,
    )
