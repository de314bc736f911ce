"""Which records are meant: a small algebra of conditions, plain data that every kind of store turns into its own terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from typing import Any

from core.clock import iso_utc
from core.settings import TimeField


@dataclass(frozen=True, kw_only=True)
class Before:
    """The field's time is earlier than `instant`. A NULL, unreadable or absent time is never before anything."""

    field: TimeField
    instant: datetime


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """The field equals one of `values` (compared as text where the column is text). NULL and '' match nothing."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Unset:
    """The field is NULL (SQL) or absent or null (files)."""

    field: str


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The field holds something that redacting takes away: it is not NULL, and not the neutral value that stands in a
    field which may not be NULL."""

    field: str


@dataclass(frozen=True, kw_only=True)
class Tells:
    """The field holds something that anonymising takes away: it is filled, and not by what anonymising put there."""

    field: str


@dataclass(frozen=True, kw_only=True)
class Differs:
    """The field's value is not this one to the letter; a NULL differs from every value, and from no NULL."""

    field: str
    value: str | None = dataclass_field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Through:
    """The field equals `to_field` of a record of another collection of the same store for which `where` holds."""

    field: str
    at: str
    to_field: str
    where: "Condition"


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """Every part holds. An empty one holds for every record."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, kw_only=True)
class AnyOf:
    """At least one part holds. An empty one holds for none."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, kw_only=True)
class Not:
    """The part does not hold. A comparison with a NULL, absent or unreadable field does not hold, it is never unknown:
    so `Not(OneOf(user_id, 42))` holds for a record without a user_id, which a hold on user 42 does not keep."""

    part: "Condition"


Condition = Before | OneOf | Unset | Filled | Tells | Differs | Through | AllOf | AnyOf | Not


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """The parts that all hold where the condition holds."""
    if isinstance(condition, AllOf):
        return tuple(inner for part in condition.parts for inner in conjuncts(part))
    return (condition,)


def describe(condition: Condition) -> Mapping[str, Any]:
    """A condition as JSON, for storing and hashing. Values that identify people are in it: store it like personal data."""
    match condition:
        case Before(field=field, instant=instant):
            return {"before": iso_utc(instant), "field": field.name, "form": field.form, "zone": field.zone}
        case OneOf(field=name, values=values):
            return {"field": name, "one_of": sorted(values)}
        case Unset(field=name):
            return {"field": name, "unset": True}
        case Filled(field=name):
            return {"field": name, "filled": True}
        case Tells(field=name):
            return {"field": name, "tells": True}
        case Differs(field=name, value=value):
            return {"field": name, "differs": value}
        case Through(field=name, at=at, to_field=to_field, where=where):
            return {"field": name, "through": at, "to_field": to_field, "where": describe(where)}
        case AllOf(parts=parts):
            return {"all": [describe(part) for part in parts]}
        case AnyOf(parts=parts):
            return {"any": [describe(part) for part in parts]}
        case Not(part=part):
            return {"not": describe(part)}


def read_condition(data: Mapping[str, Any]) -> Condition:
    """The condition that `describe` wrote."""
    if "before" in data:
        field = TimeField(name=data["field"], form=data["form"], zone=data["zone"])
        return Before(field=field, instant=datetime.fromisoformat(data["before"]))
    if "one_of" in data:
        return OneOf(field=data["field"], values=tuple(data["one_of"]))
    if "unset" in data:
        return Unset(field=data["field"])
    if "filled" in data:
        return Filled(field=data["field"])
    if "tells" in data:
        return Tells(field=data["field"])
    if "differs" in data:
        return Differs(field=data["field"], value=data["differs"])
    if "through" in data:
        where = read_condition(data["where"])
        return Through(field=data["field"], at=data["through"], to_field=data["to_field"], where=where)
    if "all" in data:
        return AllOf(parts=tuple(read_condition(part) for part in data["all"]))
    if "any" in data:
        return AnyOf(parts=tuple(read_condition(part) for part in data["any"]))
    return Not(part=read_condition(data["not"]))
