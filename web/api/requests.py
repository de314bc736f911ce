"""Requests, for host applications: open one, follow one, list them. No answer holds anything of a person."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, jsonify, request, url_for

from core.clock import iso_utc
from core.errors import BadInput
from dsr.arrivals import Followed, Happened
from dsr.handoff import HandoffRefused
from dsr.intake import FormRefused
from dsr.states import State
from policies.clauses import Right
from web.access import token_id
from web.api.bodies import BadBody, read_body, read_idempotency_key
from web.api.request_bodies import RequestBody
from web.api_blueprint import blueprint
from web.services import services

PAGE: Final = 50
MOST: Final = 200


@blueprint.post("/requests")
def create_request() -> tuple[Response, int]:
    """Open a request; 201, or 200 where the `Idempotency-Key` opened it before. Scope `requests:write`."""
    schema = RequestBody()
    new = schema.new_request(read_body(schema))
    arrivals = services().requests.arrivals
    try:
        ref, is_new = arrivals.open(new, by=token_id(), key=read_idempotency_key())
    except HandoffRefused as error:
        wrong: tuple[tuple[str, str], ...] = (("#/handoff", f"{error.message} ({error.reason})"),)
        raise BadBody(
            "The handoff is not taken.", remedy="Make a new one, and send it within minutes.", wrong=wrong
        ) from error
    except FormRefused as error:
        wrong = tuple((f"#/{name}", said) for name, said in error.problems.items())
        raise BadBody(
            "The body has keys that cannot be used.", remedy=f"Allowed: {', '.join(schema.fields)}.", wrong=wrong
        ) from error
    answer = jsonify(tell_request(arrivals.follow(ref)))
    answer.headers["Location"] = url_for("api.follow_request", ref=ref)
    return answer, 201 if is_new else 200


@blueprint.get("/requests/<ref>")
def follow_request(ref: str) -> Response:
    """A request: state, due date, history. Scope `requests:read`."""
    return jsonify(tell_request(services().requests.arrivals.follow(ref)))


@blueprint.get("/requests")
def list_requests() -> Response:
    """Requests in the order in which they came in, page by page. Scope `requests:read`.

    In the address: `state`, `right`, `limit` (50, at most 200), `cursor` (that of the page before)."""
    found, cursor = services().requests.arrivals.list_page(
        after=request.args.get("cursor", ""),
        limit=_limit(request.args.get("limit", str(PAGE))),
        state=_choice("state", State),
        right=_choice("right", Right),
    )
    kept = {name: value for name in ("state", "right", "limit") if (value := request.args.get(name))}
    following = url_for("api.list_requests", **kept, cursor=cursor) if cursor else None  # type: ignore[arg-type]
    return jsonify(requests=[tell_request(one) for one in found], cursor=cursor or None, next=following)


def tell_request(one: Followed) -> dict[str, Any]:
    """A request as JSON."""
    told = {
        "ref": one.ref,
        "right": one.right.value,
        "state": one.state.value,
        "channel": one.channel,
        "received_at": iso_utc(one.received_at),
        "due": one.due_on.isoformat() if one.due_on else None,
        "closed_at": iso_utc(one.closed_at) if one.closed_at else None,
        "identity_shown": one.identity_shown,
        "is_test": one.is_test,
        "links": {"self": url_for("api.follow_request", ref=one.ref), "page": one.page},
    }
    return told | ({"history": [_line(each) for each in one.history]} if one.history else {})


def _line(one: Happened) -> dict[str, Any]:
    return {
        "at": iso_utc(one.at), "kind": one.kind, "from": one.before.value, "to": one.after.value, "by": one.by
    }  # fmt: skip


def _choice(name: str, choices: type[State] | type[Right]) -> Any:
    said = request.args.get(name, "")
    if said and said not in list(choices):
        raise BadInput(f"There is no such {name}.", remedy=f"Use one of: {', '.join(choices)}.")
    return choices(said) if said else None


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        raise BadInput("The limit cannot be used.", remedy=f"Use 1 to {MOST}.")
    return int(text)
