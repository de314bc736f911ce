"""The section `requests` of `kept.yaml`: whom to remind of a due date and when, and how long a changed contact waits."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import Schema, fields, validate

from core.refusals import Refusals, parse_days
from core.settings import RequestSettings, TellSettings

_DEFAULT = RequestSettings()


class _TellSchema(Schema):
    knows = fields.Dict(
        keys=fields.Str(),
        values=fields.List(fields.Str(validate=validate.Length(min=1, max=80)), validate=validate.Length(min=1, max=5)),
        load_default=dict,
    )
    due = fields.Str(load_default=f"{_DEFAULT.tell.due.days}d")
    remind = fields.Str(load_default=f"{_DEFAULT.tell.remind.days}d")


class RequestsSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    remind = fields.List(fields.Str(), load_default=lambda: [f"{one.days}d" for one in _DEFAULT.remind])
    fallback = fields.List(fields.Email(), load_default=list, validate=validate.Length(max=20))
    cool_off = fields.Str(load_default=f"{_DEFAULT.cool_off.days}d")
    lift_notice = fields.Str(load_default=f"{_DEFAULT.lift_notice.days}d")
    tell = fields.Nested(_TellSchema, load_default=lambda: _TellSchema().load({}))
    self_service_most = fields.Int(
        load_default=_DEFAULT.self_service_most, strict=True, validate=validate.Range(0, 10_000_000)
    )


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
        lift_notice=_notice(loaded["lift_notice"], refusals),
        tell=_tell(loaded["tell"], refusals),
        self_service_most=loaded["self_service_most"],
    )


def _days(text: str, refusals: Refusals) -> timedelta:
    span = parse_days(text, ("requests", "cool_off"), refusals)
    return _DEFAULT.cool_off if span is None else span


def _notice(text: str, refusals: Refusals) -> timedelta:
    span = parse_days(text, ("requests", "lift_notice"), refusals)
    if span == timedelta(0):
        refusals.add(("requests", "lift_notice"), f"found {text!r}. A person is told before: write at least 1d.")
    return span or _DEFAULT.lift_notice


def _tell(given: Mapping[str, Any], refusals: Refusals) -> TellSettings:
    spans: dict[str, timedelta] = {}
    for name in ("due", "remind"):
        span = parse_days(given[name], ("requests", "tell", name), refusals)
        if span is not None and not span:
            refusals.add(("requests", "tell", name), f"found {given[name]!r}. Write at least 1d.")
        spans[name] = span or getattr(_DEFAULT.tell, name)
    return TellSettings(knows={clause: tuple(kinds) for clause, kinds in given["knows"].items()}, **spans)
