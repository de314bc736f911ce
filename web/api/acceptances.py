"""Acceptance, for host applications: must this person be asked, and that they accepted."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from core.clock import iso_utc
from policies.acceptances import Acceptance, NewAcceptance, NextQuestion, Question
from policies.subjects import read_channel, read_subject
from web.access import token_id
from web.api.bodies import AcceptanceBody, read_body, read_idempotency_key
from web.api_blueprint import blueprint
from web.services import services


@blueprint.get("/acceptances/<subject>")
def read_acceptance(subject: str) -> Response:
    """Whether a person must be asked to accept the version in force. Scope `acceptances:read`."""
    return jsonify(_tell(services().acceptances.question(read_subject(subject))))


@blueprint.post("/acceptances")
def record_acceptance() -> tuple[Response, int]:
    """Record that a person accepted; 201 the first time, 200 where it is known. Scope `acceptances:write`."""
    body = read_body(AcceptanceBody())
    new = NewAcceptance(
        subject=read_subject(body["subject"]),
        version=body["version"],
        by=body["by"],
        channel=read_channel(body["channel"]),
        language=body.get("language"),
        at=body.get("at"),
    )
    made, is_new = services().acceptances.record(new, actor=token_id(), key=read_idempotency_key())
    return jsonify({"subject": made.subject.reveal()} | _accepted(made)), 201 if is_new else 200


def _tell(question: Question) -> dict[str, Any]:
    return {
        "subject": question.subject.reveal(),
        "version": question.version,
        "accepted": _accepted(question.accepted) if question.accepted else None,
        "ask": question.ask,
        "by": question.by,
        "why": question.why,
        "next": _next(question.next) if question.next else None,
    }


def _accepted(acceptance: Acceptance) -> dict[str, Any]:
    return {
        "version": acceptance.version,
        "by": acceptance.by,
        "at": iso_utc(acceptance.at),
        "channel": acceptance.channel,
        "language": acceptance.language,
    }


def _next(planned: NextQuestion) -> dict[str, Any]:
    return {
        "version": planned.version,
        "planned_for": iso_utc(planned.planned_for) if planned.planned_for else None,
        "by": planned.by,
        "ask": planned.ask,
    }
