"""What machines may send about requests: one request, and accounts that were closed, alone or up to a thousand at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request
from marshmallow import Schema, ValidationError, fields, validate

from core.errors import BadInput
from core.personal import Personal
from dsr.arrivals import NewRequest, OnBehalf
from dsr.askers import ASKS_FOR
from dsr.closed_accounts import MOST_AT_ONCE
from dsr.closed_events import LONGEST_REASON, AccountClosed, require_possible
from policies.subjects import read_subject
from web.api.bodies import BadBody, _say, _Time, _Words, _YesNo, read_body
from web.services import services

_LONG = validate.Length(max=20_000, error="is too long")


class _Subject(_Words):
    """The host application's opaque id of a person."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        try:
            return read_subject(super()._deserialize(value, attr, data, **more))
        except BadInput as error:
            raise ValidationError(f"{error.message} {error.remedy}") from error


class _OnBehalf(Schema):
    kind = _Words(required=True, validate=validate.OneOf([str(one) for one in ASKS_FOR]))
    name = _Words(required=True, validate=validate.Length(min=1, max=200, error="has 1 to 200 characters"))
    contact = _Words(required=True, validate=validate.Length(max=254, error="is too long"))


class RequestBody(Schema):
    """Of `POST /api/v1/requests`."""

    right = _Words(required=True)
    subject = _Subject()
    email = _Words(validate=validate.Length(min=1, max=254, error="is no e-mail address"))
    country = _Words()
    subdivision = _Words()
    language = _Words()
    details = _Words(validate=_LONG)
    received_at = _Time()
    on_behalf = fields.Nested(_OnBehalf)
    is_test = _YesNo()
    handoff = _Words(validate=_LONG)

    def new_request(self, read: dict[str, Any]) -> NewRequest:
        """The body as the desk takes it."""
        given = dict(read)
        behalf = given.pop("on_behalf", None)
        return NewRequest(**given, on_behalf=OnBehalf(**behalf) if behalf else None)


class AccountClosedBody(Schema):
    """One event of `POST /api/v1/events/account-closed`."""

    subject = _Subject(required=True)
    closed_at = _Time(required=True)
    reason = _Words(validate=validate.Length(max=LONGEST_REASON, error=f"is longer than {LONGEST_REASON} characters"))


class AccountsClosedBody(Schema):
    """Many of them."""

    events = fields.List(fields.Raw(), required=True)


def read_closed() -> list[AccountClosed]:
    """The events that were sent, one or many: all of them, or BadBody with each field that is wrong."""
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict) or "events" not in sent:
        read = read_body(AccountClosedBody())
        return _checked([read], ["#"])
    rows = read_body(AccountsClosedBody())["events"]
    if not 1 <= len(rows) <= MOST_AT_ONCE:
        raise BadBody("This is no list of closed accounts.", remedy=f"Send 1 to {MOST_AT_ONCE} at a time.")
    schema, found, wrong = AccountClosedBody(), list[dict[str, Any]](), list[tuple[str, str]]()
    for index, row in enumerate(rows):
        try:
            found.append(schema.load(row))
        except ValidationError as error:
            wrong += _pointed(schema, error, f"#/events/{index}")
    if wrong:
        raise _refused(wrong)
    return _checked(found, [f"#/events/{index}" for index in range(len(found))])


def _checked(rows: Sequence[dict[str, Any]], pointers: Sequence[str]) -> list[AccountClosed]:
    now, events, wrong = services().clock.now(), list[AccountClosed](), list[tuple[str, str]]()
    for row, pointer in zip(rows, pointers, strict=True):
        subject: Personal = row["subject"]
        one = AccountClosed(subject=subject, closed_at=row["closed_at"], reason=row.get("reason", ""))
        try:
            require_possible(one, now)
        except BadInput as error:
            wrong.append((f"{pointer}/closed_at", f"{error.message} {error.remedy}"))
        events.append(one)
    if wrong:
        raise _refused(wrong)
    return events


def _pointed(schema: Schema, error: ValidationError, base: str) -> list[tuple[str, str]]:
    if not isinstance(error.messages, dict) or "_schema" in error.messages:
        return [(base, "is no object with subject and closed_at")]
    # An unknown key may be anything, an address too: it is not said again.
    return [(f"{base}/{key}" if key in schema.fields else base, _say(found)) for key, found in error.messages.items()]


def _refused(wrong: list[tuple[str, str]]) -> BadBody:
    return BadBody(
        "Some of the events cannot be taken, so none was.",
        remedy="Allowed: subject, closed_at, reason.",
        wrong=tuple(wrong[:100]),
    )
