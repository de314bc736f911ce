"""Consent for each purpose, for host applications: how a person stands, given, withdrawn."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from core.clock import iso_utc
from policies.consents import ConsentState, ConsentTurn, NewConsent, Shown
from policies.subjects import read_channel, read_subject
from web.access import token_id
from web.api.bodies import ConsentBody, read_body
from web.api_blueprint import blueprint
from web.services import services


@blueprint.get("/consents/<subject>")
def read_consents(subject: str) -> Response:
    """How a person stands to every purpose. Scope `consents:read`."""
    person = read_subject(subject)
    states = services().consents.states(person)
    return jsonify(subject=person.reveal(), consents=[_tell(one) for one in states])


@blueprint.get("/consents/<subject>/<purpose>")
def read_consent(subject: str, purpose: str) -> Response:
    """How a person stands to one purpose, with the history. Scope `consents:read`."""
    person = read_subject(subject)
    return jsonify({"subject": person.reveal()} | _tell(services().consents.state(person, purpose)))


@blueprint.put("/consents/<subject>/<purpose>")
def record_consent(subject: str, purpose: str) -> Response:
    """Give or withdraw consent. Sending the same again changes nothing. Scope `consents:write`."""
    person, body = read_subject(subject), read_body(ConsentBody())
    new = NewConsent(
        subject=person,
        purpose=purpose,
        given=body["given"],
        channel=read_channel(body["channel"]),
        text=body.get("text"),
        version=body.get("version"),
        language=body.get("language"),
    )
    state = services().consents.record(new, actor=token_id())
    return jsonify({"subject": person.reveal()} | _tell(state))


def _tell(state: ConsentState) -> dict[str, Any]:
    last = state.last
    return {
        "purpose": state.purpose,
        "clauses": list(state.clauses),
        "offered": state.offered,
        "given": state.given,
        "current": state.current,
        "at": iso_utc(last.at) if last else None,
        "channel": last.channel if last else None,
        "shown": _shown(last.shown) if last and last.shown else None,
        "history": [_turn(one) for one in state.history],
    }


def _turn(turn: ConsentTurn) -> dict[str, Any]:
    return {
        "given": turn.given,
        "at": iso_utc(turn.at),
        "channel": turn.channel,
        "shown": _shown(turn.shown) if turn.shown else None,
    }


def _shown(shown: Shown) -> dict[str, Any]:
    return {"version": shown.version, "language": shown.language, "text": shown.text, "digest": shown.digest}
