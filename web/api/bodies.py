"""What machines may send: bodies read by schemas, each wrong key named by its pointer, and the Idempotency-Key header."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from flask import request
from marshmallow import Schema, ValidationError, fields, validate

from core.clock import require_utc
from core.errors import BadInput
from core.idempotency import IdempotencyKey, read_key
from core.keys import derive_key
from policies.succession import AcceptedBy
from web.access import token_id
from web.services import services

LONGEST_TEXT: Final = 10_000
_LANGUAGE: Final = validate.Regexp(r"^[a-z]{2}$", error="is not a language; write two letters, as en or de")


class BadBody(BadInput):
    """A body that is no JSON object, or that has wrong keys: `wrong` holds (JSON pointer, what is wrong) pairs."""

    def __init__(self, message: str, *, remedy: str, wrong: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.wrong = wrong


class _Words(fields.Field[str]):
    """Text; a number is none, and what a database cannot hold is none either."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> str:
        if not isinstance(value, str) or "\x00" in value:
            raise ValidationError("is not text")
        return value


class _Number(fields.Field[int]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise ValidationError("is not the number of a version; write it as 3")
        return value


class _YesNo(fields.Field[bool]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("is neither true nor false")
        return value


class _Time(fields.Field[datetime]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> datetime:
        try:
            return require_utc(datetime.fromisoformat(value))
        except (TypeError, ValueError, OverflowError, BadInput) as error:
            raise ValidationError("is not a time with its zone; write it as 2026-12-01T09:30:00Z") from error


class _Way(fields.Field[AcceptedBy]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> AcceptedBy:
        if value not in list(AcceptedBy):
            raise ValidationError(f"is not a way to accept; allowed: {', '.join(AcceptedBy)}")
        return AcceptedBy(value)


class AcceptanceBody(Schema):
    """Of `POST /api/v1/acceptances`."""

    subject = _Words(required=True)
    version = _Number(required=True)
    by = _Way(required=True)
    channel = _Words(required=True)
    language = _Words(validate=_LANGUAGE)
    at = _Time()


class ConsentBody(Schema):
    """Of `PUT /api/v1/consents/SUBJECT/PURPOSE`."""

    given = _YesNo(required=True)
    channel = _Words(required=True)
    text = _Words(validate=validate.Length(max=LONGEST_TEXT, error=f"is longer than {LONGEST_TEXT} characters"))
    version = _Number()
    language = _Words(validate=_LANGUAGE)


def read_body(schema: Schema) -> dict[str, Any]:
    """The JSON object that was sent, by its schema. Raises BadBody with each wrong key; never repeats a value."""
    try:
        sent = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise BadBody("The body is not JSON.", remedy="Send one JSON object, in UTF-8.") from error
    if not isinstance(sent, dict):
        raise BadBody("The body is not a JSON object.", remedy="Send keys and values between { and }.")
    try:
        read: dict[str, Any] = schema.load(sent)
    except ValidationError as error:
        raise BadBody(
            "The body has keys that cannot be used.",
            remedy=f"Allowed: {', '.join(schema.fields)}.",
            wrong=tuple((_point(schema, key), _say(found)) for key, found in error.messages_dict.items()),
        ) from error
    return read


def read_idempotency_key() -> IdempotencyKey | None:
    """The key of this request, if it has one."""
    sent = request.headers.get("Idempotency-Key")
    if sent is None:
        return None
    secret = derive_key(services().settings.service.secret_key, "idempotency")
    body = orjson.loads(request.get_data())
    return read_key(sent, secret=secret, token=token_id(), address=request.path, body=body)


def _point(schema: Schema, key: object) -> str:
    # An unknown key may be anything, an address too: the schema's own keys are the only ones said again.
    return f"#/{key}" if key in schema.fields else "#"


def _say(found: Any) -> str:
    said = found[0] if isinstance(found, list) and found else "cannot be used"
    words = {"Unknown field.": "is not a key here", "Missing data for required field.": "is missing", "Field may not be null.": "is empty; leave the key out"}  # fmt: skip
    return words.get(str(said), str(said))
