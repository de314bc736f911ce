"""The lines of Home for recipients: whose day has passed, and who answered that they cannot."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask import url_for

from core.words import day_left, plural, short_day
from dsr.telling_views import TellingLine, TellingState
from web.context import controller_zone
from web.services import services

SHOWN: Final = 5


def tellings_to_do(today: date) -> list[dict[str, Any]]:
    """Recipients that wait for an operator, the first due one by one; no name or address of a person stands here."""
    asks = [one for one in services().requests.told.lines() if (one.is_overdue or not one.waits) and not one.is_test]
    return [
        {
            "state": "broken" if one.is_overdue or one.state is TellingState.CANNOT else "due",
            "title": f"Tell {one.recipient}, {one.ref}",
            "href": url_for("console.telling", telling_id=one.id),
            "sub": _say(one, today),
            "act": "Tell" if one.state is TellingState.BY_HAND else "Decide" if not one.waits else "Look",
        }
        for one in asks[:SHOWN]
    ] + _further(asks[SHOWN:])


def _further(rest: list[TellingLine]) -> list[dict[str, Any]]:
    """One line for those that have no line of their own, so that none is left unsaid."""
    if not rest:
        return []
    return [
        {
            "state": "broken" if any(one.is_overdue for one in rest) else "due",
            "title": plural(len(rest), "more recipient waits to be told", "more recipients wait to be told"),
            "href": url_for("console.tasks"),
            "sub": "The list has them by the day they are due.",
            "act": "Open the list",
        }
    ]


def _say(one: TellingLine, today: date) -> str:
    day = one.due_at.astimezone(controller_zone()).date() if one.due_at else today
    due = f"due {short_day(day, today)}, {day_left(day, today)}"
    if one.state is TellingState.CANNOT:
        return f"They answered that they cannot do it; {due}."
    if one.state is TellingState.BY_HAND:
        return f"To be told by hand, {due}."
    reminded = f", reminded {plural(one.reminders, 'time', 'times')}" if one.reminders else ""
    return f"Told, and no answer: {due}{reminded}."
