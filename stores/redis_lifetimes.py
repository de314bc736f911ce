"""How long a key may still live under a condition: keys have no time of their own, so a clause is kept by an expiry."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from stores.conditions import (
    AllOf,
    AnyOf,
    Before,
    Condition,
    Differs,
    Filled,
    Not,
    OneOf,
    Tells,
    Through,
    Unset,
    conjuncts,
)
from stores.matching import FormOf, Matcher, compile_condition

EXPIRY: Final = "key:expiry"
GONE: Final = 0
NEVER: Final = -1  # what Redis says of a key that does not expire

SLACK: Final = 1_000  # milliseconds: what was set right a moment ago is not over by the time that went by since

Lifetime = Callable[[Mapping[str, Any], int], int | None]


def compile_lifetime(condition: Condition, form_of: FormOf, now: datetime) -> Lifetime:
    """Of a record and its remaining milliseconds (NEVER: none are set): None where the condition does not hold, GONE
    where the key is to go, else the milliseconds that it may have at most, fewer than it has.

    `Before(key:expiry, cutoff)` holds for a key that would outlive the period from `cutoff` to now, were it written now.
    Inside a Not, a key is one without a time: before nothing, and unset, so that what cannot be shown is kept."""
    if EXPIRY not in fields_of(condition):
        matches = compile_condition(condition, form_of)
        return lambda record, _: GONE if matches(record) else None
    match condition:
        case Before(instant=instant):
            return _outlives(max(GONE, int((now - instant).total_seconds() * 1_000)))
        case AllOf(parts=parts):
            return _all(tuple(compile_lifetime(part, form_of, now) for part in parts))
        case AnyOf(parts=parts):
            return _any(tuple(compile_lifetime(part, form_of, now) for part in parts))
        case _:
            matches = compile_timeless(condition, form_of)
            return lambda record, _: GONE if matches(record) else None


def longest_life(condition: Condition, now: datetime) -> int | None:
    """The milliseconds that every key may have at most, where that is all that the condition says; None where it is not."""
    parts = conjuncts(condition)
    if len(parts) != 1 or not isinstance(parts[0], Before) or parts[0].field.name != EXPIRY:
        return None
    return max(GONE, int((now - parts[0].instant).total_seconds() * 1_000))


def compile_timeless(condition: Condition, form_of: FormOf) -> Matcher:
    """The condition where a key has no time."""
    return compile_condition(_without_time(condition), form_of)


def fields_of(condition: Condition) -> frozenset[str]:
    """The fields that a condition looks at."""
    return frozenset(_fields(condition))


def _fields(condition: Condition) -> Iterator[str]:
    match condition:
        case Before(field=field):
            yield field.name
        case (
            OneOf(field=name)
            | Unset(field=name)
            | Filled(field=name)
            | Tells(field=name)
            | Differs(field=name)
            | Through(field=name)
        ):
            yield name
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _fields(part)
        case Not(part=part):
            yield from _fields(part)


def _without_time(condition: Condition) -> Condition:
    match condition:
        case Before(field=field) if field.name == EXPIRY:
            return AnyOf(parts=())
        case Unset(field=name) if name == EXPIRY:
            return AllOf(parts=())
        case AllOf(parts=parts):
            return AllOf(parts=tuple(_without_time(part) for part in parts))
        case AnyOf(parts=parts):
            return AnyOf(parts=tuple(_without_time(part) for part in parts))
        case Not(part=part):
            return Not(part=_without_time(part))
        case _:
            return condition


def _outlives(period: int) -> Lifetime:
    def lifetime(record: Mapping[str, Any], remaining: int) -> int | None:
        return period if remaining == NEVER or remaining > period + SLACK else None

    return lifetime


def _all(parts: tuple[Lifetime, ...]) -> Lifetime:
    def lifetime(record: Mapping[str, Any], remaining: int) -> int | None:
        longest = GONE
        for part in parts:
            found = part(record, remaining)
            if found is None:
                return None
            longest = max(longest, found)
        return longest

    return lifetime


def _any(parts: tuple[Lifetime, ...]) -> Lifetime:
    def lifetime(record: Mapping[str, Any], remaining: int) -> int | None:
        found = [one for part in parts if (one := part(record, remaining)) is not None]
        return min(found, default=None)

    return lifetime
