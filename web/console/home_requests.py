"""What the first page says of requests: the overdue ones before anything else, and what to do next with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import url_for

from core.words import day_left, due_state, plural, short_day
from dsr.how import by_plan
from dsr.listing import TicketLine
from dsr.stands import Stand
from dsr.states import State

OVERDUE_SHOWN: Final = 6
# What an operator does next with a request in this state; with others it is nobody's move here.
NEXT_MOVES: Final = {State.RECEIVED: "Make a plan", State.PLANNED: "Review", State.PARTLY_DONE: "Look"}


def next_move(line: TicketLine) -> str:
    """The word of the button that leads to a request."""
    if line.state is State.RECEIVED and not line.identity_shown:
        return "Look"  # it is the person's move, and theirs may not come
    if line.stand is Stand.TEXTS:
        return "Decide"
    if line.state is State.RECEIVED and not by_plan(line.right):
        return "Answer"
    return NEXT_MOVES.get(line.state, "Look")


def needs_operator(line: TicketLine) -> bool:
    """Whether the next move is an operator's: what goes on by itself, or waits for people, is nobody's here."""
    return line.state in NEXT_MOVES and line.stand not in (Stand.TIME, Stand.PEOPLE, Stand.GOING)


def look_on_home(line: TicketLine, today: date) -> str:
    """How the line of a request is drawn: by its due date, or as a warning where only a decision keeps it."""
    by_date = due_state(line.due_on, today) if line.due_on else "plain"
    return "due" if by_date == "plain" and line.stand is Stand.TEXTS else by_date


def is_overdue(line: TicketLine, today: date) -> bool:
    """Whether a request is open on a day after the one it was due."""
    return line.due_on is not None and line.due_on < today


def overdue_to_do(lines: Sequence[TicketLine], today: date) -> list[dict[str, Any]]:
    """The longest overdue first, each by itself, the rest as one line; no name or address of a person stands here."""
    late = sorted((one for one in lines if is_overdue(one, today)), key=lambda one: (one.due_on or today, one.ref))
    items: list[dict[str, Any]] = [
        {
            "state": "broken",
            "title": f"Overdue: {one.right_name}, {one.ref}",
            "href": url_for("console.ticket", ref=one.ref),
            "sub": f"Due {short_day(one.due_on, today)}, {day_left(one.due_on, today)}. {one.state_name}.",
            "act": next_move(one),
        }
        for one in late[:OVERDUE_SHOWN]
        if one.due_on
    ]
    rest = len(late) - OVERDUE_SHOWN
    if rest > 0:
        title = f"{plural(rest, 'more request is', 'more requests are')} overdue"
        href = url_for("console.requests", state="overdue")
        items.append(
            {"state": "broken", "title": title, "href": href, "sub": "The list has all of them.", "act": "See"}
        )
    return items
