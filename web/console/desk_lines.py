"""What stands beside a request, put into lines: whose it is, further rights, duplicates, parts refused, every change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask_login import current_user

from core.operators import Permission, list_operators
from dsr.conversations import Neighbours
from dsr.parts import RefusedPart
from dsr.views import Act, TicketView, TimelineLine
from dsr.words import RIGHT_NAMES, STATE_NAMES
from web.console.actors import actor_names, say_actor
from web.services import services

# What the table of every change calls an event that moves no state.
CHANGES: Final = {
    "opened": "Opened",
    "identity": "Address proven",
    "regime": "Put under another law",
    "asked_again": "Link sent again",
    "run_asked": "Tried again",
    "texts_decided": "Texts decided",
    "page_opened": "Person’s page opened",
    "downloaded": "Copy fetched",
    "split": "A further right split off",
    "split_from": "Split from another request",
    "linked": "Linked",
    "unlinked": "Link taken away",
    "assigned": "Assigned",
    "part_refused": "A part refused",
    "part_taken_back": "The refusal of a part taken back",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One row of the table of every change. `before` and `after` are the same where the state did not change."""

    line: TimelineLine
    what: str
    before: str
    after: str
    who: str
    why: str


def desk_of(view: TicketView) -> dict[str, Any]:
    """What templates/console/ticket_desk.html and ticket_desk_acts.html show."""
    kept, names = services().requests, actor_names()
    near: Neighbours = kept.conversations.neighbours(view.ref)
    parts: tuple[RefusedPart, ...] = kept.parts.list(view.ref)
    return {
        "near": near,
        "assigned": names.get(near.assigned_to or "", ""),
        "operators": _operators(),
        "rights": [("", "Choose one"), *((one.value, RIGHT_NAMES[one]) for one in near.rights)],
        "refused_parts": parts,
        "part_choices": _part_choices(view),
        "changes": [_change(one, names) for one in view.timeline],
    }


def _operators() -> list[tuple[str, str]]:
    """Whose a request can be: the reader first."""
    mine = current_user.operator.id
    with services().database.read() as session:
        found = [one for one in list_operators(session) if one.may(Permission.WORK_REQUESTS)]
    found.sort(key=lambda one: (one.id != mine, one.name))
    return [("", "Nobody"), *((one.id, f"{one.name} (you)" if one.id == mine else one.name) for one in found)]


def _part_choices(view: TicketView) -> list[dict[str, Any]]:
    """The parts of a plan that can be refused: its collections, with what was found there."""
    if view.plan is None or Act.REFUSE_PART not in view.acts:
        return []
    rows: dict[str, int | None] = {}
    for step in view.plan.steps:
        known = rows.get(step.collection, 0)
        rows[step.collection] = None if known is None or step.rows is None else known + step.rows
    return [{"value": name, "rows": number} for name, number in rows.items() if number != 0]


def _change(one: TimelineLine, names: dict[str, str]) -> Change:
    why = (names.get(one.why, "") or "nobody") if one.kind == "assigned" else one.why
    is_move = one.kind == "state" or one.before is not one.after
    moved = one.after_name if is_move else one.kind.replace("_", " ").capitalize()
    return Change(
        line=one,
        what=CHANGES.get(one.kind, moved),
        before=STATE_NAMES[one.before],
        after=one.after_name,
        who="the person" if one.by == "person" else say_actor(one.by, names),
        why=why,
    )
