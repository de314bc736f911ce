"""Whose data is only stored, and which uses of it are stopped, for host applications: one person, and the feed of changes."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from core.clock import iso_utc
from core.errors import BadInput
from core.personal import Personal
from dsr.restrictions import MOST_CHANGES, RestrictionState
from policies.subjects import read_subject
from web.api_blueprint import blueprint
from web.services import services


@blueprint.get("/restrictions/<subject>")
def read_restriction(subject: str) -> Response:
    """How a person's data may be used now; of somebody who is not known: as ever. Scope `restrictions:read`."""
    person = read_subject(subject)
    return jsonify(_tell(person, services().requests.restrictions.look(person)))


@blueprint.get("/restrictions")
def follow_restrictions() -> Response:
    """Whose restrictions changed, in the order of the changes, from a number on. Scope `restrictions:read`."""
    after, limit = _number("after", 0), _number("limit", MOST_CHANGES)
    changes, last = services().requests.restrictions.changes(after=after, limit=limit)
    told = [{"number": one.number} | _tell(one.subject, one.state) for one in changes]
    return jsonify(restrictions=told, next=last)


def _number(name: str, default: int) -> int:
    sent = request.args.get(name, str(default))
    if not sent.isascii() or not sent.isdigit() or len(sent) > 18:
        raise BadInput(f"`{name}` is not a number.", remedy="Send the number that `next` gave, from 0 on.")
    return int(sent)


def _tell(subject: Personal, state: RestrictionState) -> dict[str, Any]:
    return {
        "subject": subject.reveal(),
        "restricted": state.restricted,
        "everything": state.everything,
        "categories": list(state.categories),
        "objects_to": list(state.objects_to),
        "since": iso_utc(state.since) if state.since else None,
        "ends_at": iso_utc(state.ends_at) if state.ends_at else None,
    }
