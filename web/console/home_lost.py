"""What the first page says of mails of requests that did not arrive."""

from __future__ import annotations

from typing import Any, Final

from flask import url_for

from core.words import plural
from web.console.ticket_words import say_lost
from web.services import services

SHOWN: Final = 5


def lost_mails_to_do() -> list[dict[str, Any]]:
    """A line for each request with one, the oldest first, and one for the rest; the name of nobody."""
    waiting = services().requests.bounced.waiting()
    items: list[dict[str, Any]] = [
        {
            "state": "broken",
            "icon": "mail",
            "title": f"A mail of {one.ref} did not arrive",
            "href": f"{url_for('console.ticket', ref=one.ref)}#lost",
            "sub": f"{say_lost(one.event, one.how)} Ask for another contact.",
            "act": "Look",
        }
        for one in waiting[:SHOWN]
    ]
    if rest := len(waiting) - len(items):
        title = f"Mails of {plural(rest, 'more request', 'more requests')} did not arrive"
        at, sub = url_for("console.outbox", state="bounced"), "The outbox has them."
        items.append({"state": "broken", "icon": "mail", "title": title, "href": at, "sub": sub, "act": "Open"})
    return items
