"""Which questions to a vendor cover a condition, and whether a record that came back meets it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import KeptError
from stores.conditions import AllOf, AnyOf, Condition, Differs, Not, OneOf
from stores.contract import CannotCompare, FieldMissing
from stores.http_recipe import ApiObject, Compare
from stores.matching import as_text

MOST_QUESTIONS = 500


@dataclass(frozen=True, kw_only=True, order=True)
class Question:
    """Records whose `field` has this value."""

    field: str
    value: str


def questions(store: str, thing: ApiObject, where: Condition) -> list[Question]:
    """What to ask for, so that every record that meets the condition comes back. Raises CannotCompare where the condition
    names no identifier, or holds something that such a store cannot be asked; FieldMissing."""
    _check(store, thing, where)
    cover = _cover(thing.identifying, where)
    if cover is None:
        raise CannotCompare(
            f"The store {store} can only be asked for {thing.name} by {', '.join(sorted(thing.identifying))}.",
            remedy="Ask for a person: nothing there is found by its time, and not all of it is counted.",
        )
    if len(cover) > MOST_QUESTIONS:
        raise KeptError(
            f"The store {store} is asked for {len(cover)} values at once; {MOST_QUESTIONS} is the most.",
            remedy="That is more than one person has: look at the identifiers.",
        )
    return sorted(cover)


def meets(thing: ApiObject, where: Condition, record: Mapping[str, Any]) -> bool:
    """Does a record, as its own reading says, meet the condition?"""
    match where:
        case OneOf(field=field, values=values):
            text = as_text(record[field])
            if thing.compare.get(field) is Compare.IGNORE_CASE:
                return bool(text) and (text or "").casefold() in {value.casefold() for value in values}
            return bool(text) and text in values
        case Differs(field=field, value=value):
            return as_text(record[field]) != value
        case AllOf(parts=parts):
            return all(meets(thing, part, record) for part in parts)
        case AnyOf(parts=parts):
            return any(meets(thing, part, record) for part in parts)
        case Not(part=part):
            return not meets(thing, part, record)
    raise CannotCompare("A condition that was never checked.", remedy="Ask for a person's identifiers.")


def _check(store: str, thing: ApiObject, where: Condition) -> None:
    match where:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                _check(store, thing, part)
        case Not(part=part):
            _check(store, thing, part)
        case OneOf(field=field) | Differs(field=field):
            if field not in thing.fields:
                raise FieldMissing(
                    f"The {thing.name} of the store {store} have no field '{field}'.",
                    remedy=f"They have: {', '.join(thing.fields)}.",
                )
        case _:
            raise CannotCompare(
                f"The store {store} cannot compare {type(where).__name__.lower()} conditions of {thing.name}.",
                remedy="A vendor's API is asked for a person's identifiers, for nothing else.",
            )


def _cover(identifying: Collection[str], where: Condition) -> frozenset[Question] | None:
    """Questions that together bring back everything that meets the condition; None where nothing bounds it."""
    match where:
        case OneOf(field=field, values=values):
            if field not in identifying:
                return None
            return frozenset(Question(field=field, value=value) for value in values if value)
        case AnyOf(parts=parts):
            covers = [_cover(identifying, part) for part in parts]
            known = [cover for cover in covers if cover is not None]
            return frozenset().union(*known) if len(known) == len(covers) else None
        case AllOf(parts=parts):
            bounded = [cover for part in parts if (cover := _cover(identifying, part)) is not None]
            return min(bounded, key=len) if bounded else None
    return None
