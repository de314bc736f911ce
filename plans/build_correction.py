"""What of a person's records is put right: the fields that were named, and the copies of them that the map knows of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from typing import Final

from core.errors import BadInput, Conflict, KeptError
from core.settings import CollectionSettings
from plans.people import Found, clean_identifiers
from plans.plan import Gap
from plans.value_types import why_not_fit
from stores.conditions import AllOf, AnyOf, Condition, Filled, Not, OneOf
from stores.contract import Capability, Shape, Store
from stores.datamap import DataMap

Corrections = Mapping[str, tuple[tuple[str, str | None], ...]]
_REMEDY: Final = "Name a field that `kept.yaml` lists for the collection, or one that its store has."


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One field of a person's records and what is right in it; None: nothing at all."""

    collection: str
    field: str
    value: str | None = field_of(repr=False)


@dataclass(frozen=True, kw_only=True)
class Spared:
    """Records of a collection that stay as they are: those whose field says `value` now (None: nothing), and why, in words
    for the person."""

    collection: str
    field: str
    value: str | None = field_of(repr=False)
    why: str


def spared_condition(spared: Sequence[Spared], collection: str) -> Condition | None:
    """Which records of a collection stay as they are; None where all are put right."""
    parts: list[Condition] = []
    for one in spared:
        if one.collection == collection:
            nothing = Not(part=Filled(field=one.field))
            parts.append(nothing if one.value is None else OneOf(field=one.field, values=(one.value,)))
    return AnyOf(parts=tuple(parts)) if parts else None


def find_copies(given: Sequence[Correction], found: Found, datamap: DataMap) -> tuple[Corrections, tuple[Gap, ...]]:
    """For each collection of the person the fields to put right, and the copies that nothing can be done about.

    A copy is a field of another collection with the same Fideslang key, the same kind of identifier, or the same category
    and name. Raises BadInput for a field that may not be changed or a value that cannot stand there, Conflict for an
    identifier that somebody else's record has, NotFound for a collection that is not there."""
    if not given:
        raise BadInput("Nothing is named that should be put right.", remedy="Name collection, field and what is right.")
    wanted: dict[str, dict[str, str | None]] = {}
    for one in given:
        _refuse(one, found, datamap)
        if wanted.setdefault(one.collection, {}).setdefault(one.field, one.value) != one.value:
            raise BadInput(f"{one.collection}.{one.field} is given two values.", remedy="Give one.")
    gaps: list[Gap] = []
    named = {name: dict(fields) for name, fields in wanted.items()}
    for one in given:
        for place in (*found.collections, *found.asked):
            if place.collection == one.collection or (place.rows == 0 and place not in found.asked):
                continue
            other = datamap.collection(place.collection)
            copy = _copy_in(other, one, datamap)
            if isinstance(copy, Gap):
                gaps += [copy] if other.id not in named else []
            elif copy is not None and copy not in named.get(other.id, {}):
                wanted.setdefault(other.id, {})[copy] = one.value
    return {name: tuple(fields.items()) for name, fields in wanted.items()}, tuple(gaps)


def check_place(one: Correction, datamap: DataMap) -> None:
    """Refuse a field that there is not, that may not be changed, or in which the value cannot stand. Raises BadInput, and
    NotFound for a collection that is not there. Asks the store what the field is, not whose records are in it."""
    collection, name = datamap.collection(one.collection), f"{one.collection}.{one.field}"
    shape = _shape(datamap.stores.get(collection.store), collection.at)
    if one.field not in named_fields(collection) and (shape is None or not shape.has(one.field)):
        raise BadInput(f"There is no field {name}.", remedy=_REMEDY)
    if why := fixed_by(collection, one.field, datamap, shape):
        raise BadInput(f"{name} {why}: it cannot be put right here.", remedy="Correct it in the application itself.")
    if why := _misfit(shape, one.field, one.value):
        raise BadInput(f"{name} {why}.", remedy="Give a value that can stand there, or decline it with the reason.")


def _refuse(one: Correction, found: Found, datamap: DataMap) -> None:
    datamap.collection(one.collection)
    place = next((at for at in (*found.collections, *found.asked) if at.collection == one.collection), None)
    if place is None:
        raise BadInput(
            f"The map has no way from this person to {one.collection}.",
            remedy="Name a collection in which the person was found.",
        )
    check_place(one, datamap)
    if place not in found.asked and _is_account(one.collection, datamap):
        _refuse_taken(one, place.condition, datamap)


def _is_account(collection: str, datamap: DataMap) -> bool:
    return any(reference.to == collection for other in datamap.collections for reference in other.person)


def _refuse_taken(one: Correction, person: Condition, datamap: DataMap) -> None:
    """An identifier that another account has already would make two people one, or fail in the store."""
    collection = datamap.collection(one.collection)
    kind, store = _kind(collection, one.field), datamap.stores.get(collection.store)
    if not kind or one.value is None or store is None or Capability.MEASURE not in store.capabilities:
        return
    forms = OneOf(field=one.field, values=clean_identifiers({kind: [one.value]})[kind])
    if store.measure(collection.at, AllOf(parts=(forms, Not(part=person)))).rows:
        raise Conflict(
            f"Another record of {one.collection} has this value in {one.field} already: the two would be taken for one.",
            remedy="Look at both in the application. Do not tell either person of the other.",
        )


def _misfit(shape: Shape | None, name: str, value: str | None) -> str:
    field = next((field for field in shape.fields if field.name == name), None) if shape else None
    return why_not_fit(field, value) if field else ""


def _copy_in(other: CollectionSettings, one: Correction, datamap: DataMap) -> str | Gap | None:
    """The field of another collection that holds the same, a gap where that cannot be told, None where there is none."""
    source = datamap.collection(one.collection)
    key, kind = _key(source, one.field), _kind(source, one.field)
    alike = [name for name in other.fields if key and _key(other, name) == key]
    alike += [name for name in named_fields(other) if kind and _kind(other, name) == kind and name not in alike]
    if _category(other, one.field) == _category(source, one.field) and one.field in other.fields:
        alike = [one.field]  # the same word for the same thing
    if not alike:
        return None
    chosen = alike[0] if len(alike) == 1 else one.field if one.field in alike else None
    what = f"{', '.join(alike)} of {other.id} in {other.store}"
    if chosen is None:
        why = f"Any of them may be a copy of {one.collection}.{one.field}."
        return Gap(what=what, why=why, remedy="Look at them, and name the one that is in the correction.")
    shape = _shape(datamap.stores.get(other.store), other.at)
    why = fixed_by(other, chosen, datamap, shape) or _misfit(shape, chosen, one.value)
    if why:
        return Gap(
            what=what,
            why=f"It is a copy of {one.collection}.{one.field} and {why}.",
            remedy="Correct it in the application itself, and note it on the ticket.",
        )
    return chosen


def fixed_by(collection: CollectionSettings, name: str, datamap: DataMap, shape: Shape | None) -> str:
    """Why a field may not be changed, by the map and, where it is given, by what its store says; '' where it may."""
    others = (one for other in datamap.collections for one in other.person)
    if name in {one.field for one in collection.person} or name in (shape.key if shape else ()):
        return "is a key"
    if name in {one.to_field for one in others if one.to == collection.id}:
        return "is what other collections refer to"
    times = {event.name for event in collection.events.values()} | (
        {collection.time.name} if collection.time else set()
    )
    if name in times:
        return "is a time that clauses count from"
    if shape is not None and any(field.name == name and field.generated for field in shape.fields):
        return "is made by its store from other fields"
    return ""


def named_fields(collection: CollectionSettings) -> tuple[str, ...]:
    """The fields of a collection that the map names."""
    ways = [*collection.identifies.values(), *(one.field for one in collection.person)]
    return tuple(dict.fromkeys([*collection.fields, *ways]))


def _key(collection: CollectionSettings, name: str) -> str | None:
    return collection.fields[name].fideslang if name in collection.fields else None


def _kind(collection: CollectionSettings, name: str) -> str | None:
    return next((kind for kind, field in collection.identifies.items() if field == name), None)


def _category(collection: CollectionSettings, name: str) -> str:
    settings = collection.fields.get(name)
    return (settings.category if settings else None) or collection.category


def _shape(store: Store | None, at: str) -> Shape | None:
    """None where the store cannot say now, or nobody but people can look."""
    try:
        return store.shape(at) if store is not None else None
    except KeptError:
        return None
