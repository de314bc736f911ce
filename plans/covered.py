"""What of a collection a retention clause is about: whole records, or certain fields of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.settings import CollectionSettings, FieldSettings
from plans.plan import Gap, StepDeed
from policies.clauses import RetentionClause, RetentionException
from policies.cutoffs import Cutoff
from stores.contract import Shape
from stores.datamap import DataMap

BY_FIELD: Final = frozenset({StepDeed.REDACT, StepDeed.ANONYMISE})
_PERSONAL: Final = "user"
_INSIDE: Final = "->"  # a member of a JSON column


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one step is about. `category`: whose cutoff binds; `fields`: () for whole records; `exceptions`: each keeps it
    until its own end."""

    category: str
    fields: tuple[str, ...] = ()
    exceptions: tuple[RetentionException, ...] = ()


def whole_records(
    clause: RetentionClause, cutoffs: Mapping[str, Cutoff], datamap: DataMap, collection: CollectionSettings
) -> list[Part] | Gap:
    """For a deed that takes records whole. One field of an excepted category keeps its record: it cannot go in part."""
    if collection.category not in cutoffs:
        return _only_fields(clause, cutoffs, collection)
    held = datamap.categories(collection)
    exceptions = tuple(one for one in clause.exceptions if held & set(one.of))
    return [Part(category=collection.category, exceptions=exceptions)]


def certain_fields(
    clause: RetentionClause,
    deed: StepDeed,
    cutoffs: Mapping[str, Cutoff],
    datamap: DataMap,
    collection: CollectionSettings,
    shape: Shape | None,
) -> list[Part] | Gap:
    """For a deed that leaves the record: the fields of the clause's categories that it changes, those of an exception apart."""
    parts: dict[tuple[object, ...], Part] = {}
    for name, settings in _changeable(deed, datamap, collection, shape).items():
        if deed is StepDeed.ANONYMISE and not _leads_to_a_person(collection, name, settings):
            continue
        own = settings.category or collection.category
        exceptions = tuple(one for one in clause.exceptions if own in one.of)
        binding = own if own in cutoffs else collection.category if exceptions else None
        if binding not in cutoffs or binding is None:
            continue
        alike = (cutoffs[binding].bounds, exceptions)
        known = parts.get(alike, Part(category=binding, exceptions=exceptions))
        parts[alike] = Part(category=known.category, fields=(*known.fields, name), exceptions=exceptions)
    if parts:
        return [Part(category=p.category, fields=_outermost(p.fields), exceptions=p.exceptions) for p in parts.values()]
    why = "The map names no field of it that leads to a person." if deed is StepDeed.ANONYMISE else _NOTHING_TO_EMPTY
    return Gap(
        what=f"{collection.id} in {collection.store}",
        why=why,
        remedy="Name its fields in kept.yaml under `fields:`, with `category:` or a Fideslang key.",
    )


_NOTHING_TO_EMPTY: Final = "The map names no field of it that can be emptied: a key or a time stays."


def _changeable(
    deed: StepDeed, datamap: DataMap, collection: CollectionSettings, shape: Shape | None
) -> dict[str, FieldSettings]:
    """The fields that the map names, but for keys, times, and what the store makes from others by itself."""
    named = [*collection.fields, *collection.identifies.values(), *(one.field for one in collection.person)]
    fixed = {event.name for event in collection.events.values()}
    fixed |= {collection.time.name} if collection.time else set()
    fixed |= {*shape.key, *(field.name for field in shape.fields if field.generated)} if shape else set()
    if deed is StepDeed.REDACT:  # what other collections refer to is a key, by the map
        others = (one for other in datamap.collections for one in other.person)
        fixed |= {one.to_field for one in others if one.to == collection.id}
    return {name: collection.fields.get(name, FieldSettings()) for name in dict.fromkeys(named) if name not in fixed}


def _leads_to_a_person(collection: CollectionSettings, name: str, settings: FieldSettings) -> bool:
    key = settings.fideslang or ""
    ways = {*collection.identifies.values(), *(one.field for one in collection.person)}
    return name in ways or key == _PERSONAL or key.startswith(f"{_PERSONAL}.")


def _outermost(names: tuple[str, ...]) -> tuple[str, ...]:
    """Without the members of a JSON column that goes as a whole."""
    return tuple(name for name in names if _INSIDE not in name or name.split(_INSIDE)[0] not in names)


def _only_fields(clause: RetentionClause, cutoffs: Mapping[str, Cutoff], collection: CollectionSettings) -> Gap:
    found = {name: field.category for name, field in collection.fields.items() if field.category in cutoffs}
    categories = ", ".join(dict.fromkeys(str(category) for category in found.values()))
    return Gap(
        what=f"{', '.join(found)} of {collection.id}",
        why=f"Only these fields are of the category {categories}; the clause {clause.id} says {clause.then.value}, "
        "which takes whole records.",
        remedy="Fields go by `then: redact`; or give the collection the category.",
    )
