"""Accounts that the host application says were closed: how many stand how, and those that somebody should know of."""

from __future__ import annotations

from typing import Final

from flask import render_template, request, url_for

from dsr.closed_events import Closed
from web.console_blueprint import blueprint
from web.services import services

PAGE: Final = 50
WORDS: Final = {
    Closed.WAITING: ("waiting", "Wait for their day"),
    Closed.DONE: ("kept", "Deleted by the sweep"),
    Closed.BY_HAND: ("due", "Left by the sweep"),
    Closed.UNKNOWN: ("gap", "Unknown here"),
    Closed.NO_CLAUSE: ("gap", "No clause"),
    Closed.REPLACED: ("plain", "Closed again later"),
    Closed.TAKEN: ("now", "Being looked up"),
}
SAYS: Final = {
    Closed.WAITING: "The clause says when they are deleted. The sweep does it, and nobody is written to.",
    Closed.DONE: "A look into the stores found them gone.",
    Closed.BY_HAND: "They were past their day and still there. Each is a request in the list: look for a hold, or at the sweep.",
    Closed.UNKNOWN: "No store has an account of this id. It may be gone already, or the id is another one here.",
    Closed.NO_CLAUSE: "The policy in force promises no deletion after an account is closed, so nothing was opened.",
    Closed.REPLACED: "The last time an account was closed counts.",
    Closed.TAKEN: "Their tickets are made in the background.",
}


@blueprint.get("/requests/closed-accounts")
def closed_accounts() -> str:
    """Closed accounts by how they stand; a page at a time."""
    accounts = services().requests.closed_accounts
    counts = accounts.counts()
    said = request.args.get("state", "")
    shown = next((one for one in WORDS if counts[one]), Closed.WAITING) if said not in list(Closed) else Closed(said)
    first = max(0, request.args.get("from", 0, type=int))
    lines = accounts.lines(shown, limit=PAGE, offset=first)

    def href(at: int) -> str:
        return url_for("console.closed_accounts", state=shown.value, **({"from": at} if at else {}))  # type: ignore[arg-type]

    return render_template(
        "console/closed_accounts.html",
        here="requests",
        chips=[
            {
                "word": word,
                "href": url_for("console.closed_accounts", state=one.value),
                "here": one is shown,
                "count": counts[one],
            }
            for one, (_, word) in WORDS.items()
            if counts[one] or one is shown
        ],
        look=WORDS[shown][0],
        word=WORDS[shown][1],
        says=SAYS[shown],
        lines=lines,
        total=counts[shown],
        first=first + 1,
        earlier=href(max(0, first - PAGE)) if first else "",
        later=href(first + PAGE) if first + len(lines) < counts[shown] else "",
    )
