"""Opt-outs for host applications: add, lift, ask who was erased or opted out, take a browser's signal, make links to preferences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask import Response, jsonify
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy.orm import Session

from core.clock import iso_utc
from core.errors import BadInput
from core.personal import Personal
from notify.suppression_tables import Purpose
from notify.suppressions import LONGEST_REASON, Suppression
from policies.subjects import read_subject
from web.access import token_id
from web.api.bodies import _YesNo, read_body
from web.api_blueprint import blueprint
from web.languages import offered
from web.services import services

MOST_PEOPLE: Final = 10_000
MOST_IDENTIFIERS: Final = 10
LONGEST_VALUE: Final = 320
EMAIL: Final = "email"
# How these fields stand in openapi.json.
_PERSON: Final = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
_PURPOSE: Final = {"type": "string", "enum": [one.value for one in Purpose]}
USER: Final = "user_id"  # what the map calls the host application's own id


class _Text(fields.Field[str]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> str:
        if not isinstance(value, str) or "\x00" in value or not value.strip() or len(value) > LONGEST_VALUE:
            raise ValidationError(f"is not text of 1 to {LONGEST_VALUE} characters")
        return value


class _Identifiers(fields.Field[Mapping[str, str]]):
    """One person: kinds of identifiers, as the map names them, and values."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Mapping[str, str]:
        return _read_person(value)


def _read_person(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not 0 < len(value) <= MOST_IDENTIFIERS:
        raise ValidationError('is not one person\'s identifiers; write them as {"email": "…"}')
    if not all(isinstance(one, str) and one.strip() and len(one) <= LONGEST_VALUE for one in value.values()):
        raise ValidationError(f"has a value that is not text of 1 to {LONGEST_VALUE} characters")
    return value


class _People(fields.Field[list[Mapping[str, str]]]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> list[Mapping[str, str]]:
        if not isinstance(value, list) or len(value) > MOST_PEOPLE:
            raise ValidationError(f"is not a list of at most {MOST_PEOPLE} people")
        return [_read_person(person) for person in value]


class _Purpose(fields.Field[Purpose]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Purpose:
        if value not in list(Purpose):
            raise ValidationError(f"is not a purpose; allowed: {', '.join(Purpose)}")
        return Purpose(value)


class SuppressionBody(Schema):
    """Of `POST /api/v1/suppressions`."""

    identifiers = _Identifiers(required=True, metadata={"schema": _PERSON})
    purpose = _Purpose(required=True, metadata={"schema": _PURPOSE})
    lifted = _YesNo()
    reason = _Text(validate=validate.Length(max=LONGEST_REASON))


class CheckBody(Schema):
    """Of `POST /api/v1/suppressions/check`."""

    identifiers = _People(
        required=True, metadata={"schema": {"type": "array", "items": _PERSON, "maxItems": MOST_PEOPLE}}
    )
    purpose = _Purpose(metadata={"schema": _PURPOSE})


class SignalBody(Schema):
    """Of `POST /api/v1/signals/gpc`."""

    subject = _Text()
    email = _Text()


class LinkBody(Schema):
    """Of `POST /api/v1/preferences-links`."""

    identifiers = _Identifiers(required=True, metadata={"schema": _PERSON})
    purpose = _Purpose(required=True, metadata={"schema": _PURPOSE})
    language = _Text()


@blueprint.post("/suppressions")
def change_suppression() -> tuple[Response, int]:
    """Opt a person out, by each identifier that is sent, or in again. Scope `suppressions:write`."""
    body = read_body(SuppressionBody())
    is_lifted = body.get("lifted", False)
    if is_lifted and "reason" not in body:
        raise BadInput("An opt-out is lifted with a reason.", remedy="Send `reason`: who asked for it, and when.")
    changed = 0
    with services().database.begin() as session:
        for kind, value in body["identifiers"].items():
            changed += _lift(session, kind, value, body) if is_lifted else _add(session, kind, value, body)
    answer = jsonify(purpose=body["purpose"].value, opted_out=not is_lifted, changed=changed)
    return answer, 201 if changed and not is_lifted else 200


@blueprint.post("/suppressions/check")
def check_suppressions() -> Response:
    """Of each person: whether they were erased, and what they opted out of. Scope `suppressions:read`."""
    kept, body = services(), read_body(CheckBody())
    people, only = body["identifiers"], body.get("purpose")
    pairs = [pair for person in people for pair in person.items()]
    owners = [index for index, person in enumerate(people) for _ in person]
    declined: list[set[Purpose]] = [set() for _ in people]
    erased = [False for _ in people]
    with kept.database.read() as session:
        for place, purposes in kept.suppressions.opted_out(session, pairs).items():
            declined[owners[place]] |= purposes
        for place in kept.requests.erasures.erased(session, pairs):
            erased[owners[place]] = True
    results = [
        {"erased": gone, "opted_out": [one.value for one in Purpose if one in said and only in (None, one)]}
        for gone, said in zip(erased, declined, strict=True)
    ]
    return jsonify(results=results)


@blueprint.post("/signals/gpc")
def take_signal() -> Response:
    """A browser of this person sent `Sec-GPC: 1` to the host application. Scope `suppressions:write`."""
    kept, body = services(), read_body(SignalBody())
    pairs = [(USER, read_subject(body["subject"]).reveal())] if "subject" in body else []
    pairs += [(EMAIL, body["email"])] if EMAIL in body else []
    if not pairs:
        raise BadInput("Nobody is named.", remedy="Send `subject`, your id of the person, or `email`, or both.")
    with kept.database.begin() as session:
        for kind, value in pairs:
            kept.suppressions.add(
                session, kind=kind, value=Personal(value), purpose=Purpose.SALE_SHARING, source="gpc", by=token_id()
            )
        since = min(_since(kept.suppressions.look_up(session, kind=kind, value=Personal(v))) for kind, v in pairs)
    return jsonify(
        honoured=True,
        purpose=Purpose.SALE_SHARING.value,
        since=iso_utc(since),
        confirmation="Opt-out request honored: the sale and sharing of personal data is off for this person.",
    )


@blueprint.post("/preferences-links")
def make_preferences_link() -> Response:
    """The address of a person's preferences, and the headers of a mail that lead there. Scope `suppressions:write`."""
    kept, body = services(), read_body(LinkBody())
    if len(body["identifiers"]) != 1:
        raise BadInput("A link is about one identifier.", remedy="Send the one that your mail goes by, such as email.")
    if body.get("language", offered()[0]) not in offered():
        raise BadInput("The pages are not offered in this language.", remedy=f"Offered: {', '.join(offered())}.")
    ((kind, text),) = body["identifiers"].items()
    value, purpose = Personal(text), body["purpose"]
    url = kept.preferences.link(kind=kind, value=value, purpose=purpose, language=body.get("language", ""))
    return jsonify(url=url, headers=dict(kept.preferences.headers(kind=kind, value=value, purpose=purpose)))


def _add(session: Session, kind: str, value: str, body: Mapping[str, Any]) -> bool:
    return services().suppressions.add(
        session, kind=kind, value=Personal(value), purpose=body["purpose"], source="api", by=token_id()
    )


def _lift(session: Session, kind: str, value: str, body: Mapping[str, Any]) -> bool:
    return services().suppressions.lift(
        session,
        kind=kind,
        value=Personal(value),
        purpose=body["purpose"],
        by=token_id(),
        why=body["reason"],
        source="api",
    )


def _since(found: tuple[Suppression, ...]) -> datetime:
    return next(one.at for one in found if one.purpose is Purpose.SALE_SHARING)
