"""What the first page says of letters: those that wait to be printed and posted."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from flask import url_for

from core.words import plural, short_day
from web.services import services

SHOWN: Final = 5


def letters_to_do(today: date) -> list[dict[str, Any]]:
    """A line for each request with letters to post, those due first; the name of nobody."""
    waiting = services().requests.by_post.waiting()
    numbers: dict[str, list[date | None]] = {}
    for one in waiting:
        numbers.setdefault(one.ref, []).append(one.due_on)
    items: list[dict[str, Any]] = []
    for ref, found in list(numbers.items())[:SHOWN]:
        due = found[0]
        items.append(
            {
                "state": "due",
                "icon": "mail",
                "title": f"{plural(len(found), 'letter', 'letters')} to print and post, {ref}",
                "href": url_for("console.ticket", ref=ref),
                "sub": f"The answer was due {short_day(due, today)}." if due and due < today else _sub(due, today),
                "act": "Print",
            }
        )
    return items


def _sub(due: date | None, today: date) -> str:
    return f"Due {short_day(due, today)}. Nothing else tells the person." if due else "Nothing else tells the person."
