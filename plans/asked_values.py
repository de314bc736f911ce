"""What a condition names a person by, in fields and values: for people who are asked, and to tell two persons apart."""

from datetime import datetime

from stores.conditions import AllOf, AnyOf, Before, Condition, OneOf


def values_of(condition: Condition) -> dict[str, tuple[str, ...]]:
    """The values that a condition looks for, by field. Forms of one address stand once, as it was typed."""
    found: dict[str, dict[str, str]] = {}
    for part in _named(condition):
        forms = found.setdefault(part.field, {})
        for value in part.values:
            # Of forms that differ in capitals only, the one with capitals is what the person typed.
            forms[value.lower()] = min(value, forms.get(value.lower(), value))
    return {field: tuple(sorted(forms.values())) for field, forms in found.items()}


def before_of(condition: Condition) -> tuple[str, datetime] | None:
    """The field and the instant before which records are meant, where not all of them are."""
    if isinstance(condition, AllOf):
        return next((found for part in condition.parts if (found := before_of(part)) is not None), None)
    return (condition.field.name, condition.instant) if isinstance(condition, Before) else None


def may_meet(person: Condition, hold: Condition) -> bool:
    """Could a person's records be among those that one hold keeps? No only where it names others by the same fields."""
    mine, theirs = _sets(person), _sets(hold)
    shared = mine.keys() & theirs.keys()
    return not shared or any(mine[field] & theirs[field] for field in shared)


def _sets(condition: Condition) -> dict[str, frozenset[str]]:
    return {field: frozenset(value.lower() for value in values) for field, values in values_of(condition).items()}


def _named(condition: Condition) -> tuple[OneOf, ...]:
    if isinstance(condition, OneOf):
        return (condition,)
    if isinstance(condition, AllOf | AnyOf):
        return tuple(one for part in condition.parts for one in _named(part))
    return ()
