"""The section `requests` of `kept.yaml`: whom to remind of a due date and when, and how long a changed contact waits."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import Schema, fields, validate

from core.refusals import Refusals, parse_days
from core.settings import RequestSettings

_DEFAULT = RequestSettings()


class RequestsSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    remind = fields.List(fields.Str(), load_default=lambda: [f"{one.days}d" for one in _DEFAULT.remind])
    fallback = fields.List(fields.Email(), load_default=list, validate=validate.Length(max=20))
    cool_off = fields.Str(load_default=f"{_DEFAULT.cool_off.days}d")


def read_requests(given: Mapping[str, Any], refusals: Refusals) -> RequestSettings:
    """The section as values: the points of reminding run towards the due date, each once."""
    loaded = given or RequestsSchema().load({})
    points: set[timedelta] = set()
    for index, text in enumerate(loaded["remind"]):
        point = parse_days(text, ("requests", "remind", index), refusals)
        if point in points:
            refusals.add(("requests", "remind", index), f"found {text!r} twice. Write each day once.")
        if point is not None:
            points.add(point)
    return RequestSettings(
        remind=tuple(sorted(points, reverse=True)),
        fallback=tuple(loaded["fallback"]),
        cool_off=_days(loaded["cool_off"], refusals),
    )


def _days(text: str, refusals: Refusals) -> timedelta:
    span = parse_days(text, ("requests", "cool_off"), refusals)
    return _DEFAULT.cool_off if span is None else span
