"""Finding a person: from proven identifiers along the map's references, within a store and across stores."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from core.errors import BadInput, WaitsForPerson
from core.settings import CollectionSettings
from plans.plan import Gap
from stores.conditions import AnyOf, Condition, OneOf, Through
from stores.contract import Asks, Capability, StoreUnreachable
from stores.datamap import DataMap, Hop, PersonRoute

MOST_ACCOUNTS = 20  # more accounts than this under one identifier are no one person
MOST_VALUES = 100_000  # values carried from one store into another
SHARED = frozenset(
    f"{name}@{domain}"
    for name in ("test", "user", "admin", "info", "noreply", "nobody")
    for domain in ("example.com", "test.com", "localhost")
) | {"null", "none", "nil", "n/a", "na", "unknown", "undefined", "anonymous"}

Identifiers = Mapping[str, tuple[str, ...]]


class NeedsReview(WaitsForPerson):
    """An identifier does not single out one person; somebody has to look before anything goes on."""


@dataclass(frozen=True, kw_only=True)
class FoundCollection:
    """A person's records in one collection. `rows` None: its store did not answer when it was asked to count.

    `leads_to`: every collection that the condition looks through, or took values from."""

    collection: str
    store: str
    at: str
    condition: Condition
    rows: int | None
    leads_to: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a person's records are, those that identify first; `gaps` is what could not be looked into. `asked`: where
    nobody can look but the people who do the work there, with the values that they know the person by."""

    identifiers: Identifiers
    collections: tuple[FoundCollection, ...]
    gaps: tuple[Gap, ...] = ()
    asked: tuple[FoundCollection, ...] = ()

    @property
    def total(self) -> int:
        return sum(found.rows or 0 for found in self.collections)


def clean_identifiers(given: Mapping[str, Sequence[str]]) -> Identifiers:
    """Identifiers as they are compared: Unicode NFC, no space around; an address as given, with its domain in lower case,
    and all in lower case. Refuses empty ones; stops at those that many people share."""
    cleaned: dict[str, tuple[str, ...]] = {}
    for kind, values in given.items():
        forms = {form for value in values for form in _forms(kind, value)}
        if not forms:
            raise BadInput(f"No value is given for the identifier '{kind}'.", remedy="Leave it out, or give one.")
        cleaned[kind] = tuple(sorted(forms))
    return cleaned


def find(datamap: DataMap, identifiers: Mapping[str, Sequence[str]]) -> Found:
    """Look for a person in every store. Raises NeedsReview where an identifier is not one person's, StoreUnreachable
    where a store that leads to others does not answer."""
    known = clean_identifiers(identifiers)
    found: dict[str, FoundCollection] = {}
    gaps: list[Gap] = []
    asked: list[FoundCollection] = []
    for route in datamap.person_routes(known.keys()):
        gap = _gap_of(datamap, route)
        if gap is not None:
            place = _ask_at(datamap, route, known, found)
            if place is not None:
                asked.append(place)
            elif not _leads_nowhere(datamap, route, found):
                gaps.append(gap)
            continue
        parts = [OneOf(field=field, values=known[kind]) for kind, field in route.identifiers]
        if parts and _is_account(datamap, route.collection):
            _stop_at_crowds(datamap, route, known)
        hops = [hop for hop in route.hops if hop.to in found]
        condition = _any([*parts, *(_follow(datamap, route, hop, found[hop.to]) for hop in hops)])
        if condition is not None:
            found[route.collection] = _count(datamap, route, condition, found)
    return Found(identifiers=known, collections=tuple(found.values()), gaps=tuple(gaps), asked=tuple(asked))


def person_condition(datamap: DataMap, collection: CollectionSettings, known: Identifiers) -> Condition | None:
    """A person's records in a collection as far as identifiers and the collection's own store tell; asks no store.

    None where the map has no such way."""
    conditions: dict[str, Condition] = {}
    for route in datamap.person_routes(known.keys()):
        parts: list[Condition] = [OneOf(field=field, values=known[kind]) for kind, field in route.identifiers]
        looks_through = Capability.THROUGH in datamap.stores[route.store].capabilities
        for hop in route.hops:
            kinds = [
                kind
                for kind, field in datamap.collection(hop.to).identifies.items()
                if field == hop.to_field and kind in known
            ]
            parts += [OneOf(field=hop.field, values=known[kind]) for kind in kinds]
            if not route.crosses(hop) and looks_through and hop.to in conditions:
                parts.append(Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=conditions[hop.to]))
        condition = _any(parts)
        if condition is not None:
            conditions[route.collection] = condition
    return conditions.get(collection.id)


def linked_identifiers(datamap: DataMap, known: Identifiers) -> Identifiers:
    """These identifiers, and those that stand beside them in the same records."""
    linked = {kind: set(values) for kind, values in known.items()}
    for route in datamap.person_routes(known.keys()):
        store = datamap.stores[route.store]
        condition = _any([OneOf(field=field, values=known[kind]) for kind, field in route.identifiers])
        if condition is None or Capability.READ not in store.capabilities:
            continue
        for kind, field in datamap.collection(route.collection).identifies.items():
            linked.setdefault(kind, set()).update(islice(store.values(route.at, field, condition), MOST_VALUES))
    return {kind: tuple(sorted(values)) for kind, values in linked.items() if values}


def _forms(kind: str, value: str) -> Iterator[str]:
    text = unicodedata.normalize("NFC", value).strip()
    if not text:
        raise BadInput(f"An empty value is given for the identifier '{kind}'.", remedy="An empty value is nobody's.")
    local, at, domain = text.rpartition("@")
    folded = f"{local}@{domain.lower()}" if at and kind == "email" else text
    if folded.lower() in SHARED:
        raise NeedsReview(
            f"This value of '{kind}' is one that many people share.", remedy="Ask the person for another identifier."
        )
    yield from {text, folded, folded.lower()} if kind == "email" else {text}


def _is_account(datamap: DataMap, collection: str) -> bool:
    return any(reference.to == collection for other in datamap.collections for reference in other.person)


def _stop_at_crowds(datamap: DataMap, route: PersonRoute, known: Identifiers) -> None:
    store = datamap.stores[route.store]
    for kind, field in route.identifiers:
        for value in known[kind]:
            rows = store.measure(route.at, OneOf(field=field, values=(value,))).rows
            if rows > MOST_ACCOUNTS:
                raise NeedsReview(
                    f"One value of '{kind}' matches {rows} records of {route.collection}; more than {MOST_ACCOUNTS} "
                    "are not taken for one person.",
                    remedy="Look at them, and ask the person for an identifier that is theirs alone.",
                )


def _gap_of(datamap: DataMap, route: PersonRoute) -> Gap | None:
    store = datamap.stores[route.store]
    if Capability.READ in store.capabilities and Capability.MEASURE in store.capabilities:
        return None
    contact = getattr(store, "contact", "")
    return Gap(
        what=f"{route.collection} in {route.store}",
        why=f"No program can read a store of kind {store.kind}.",
        remedy=f"Ask {contact} and note the answer." if contact else "Look there by hand and note what you found.",
    )


def _ask_at(
    datamap: DataMap, route: PersonRoute, known: Identifiers, found: Mapping[str, FoundCollection]
) -> FoundCollection | None:
    """What people are asked about who do the work there; None where they are not asked, or there is nothing to ask by."""
    if not isinstance(datamap.stores[route.store], Asks):
        return None
    parts: list[Condition] = [OneOf(field=field, values=known[kind]) for kind, field in route.identifiers]
    carried = (_follow(datamap, route, hop, found[hop.to]) for hop in route.hops if hop.to in found)
    condition = _any([*parts, *(part for part in carried if isinstance(part, OneOf) and part.values)])
    if condition is None:
        return None
    return FoundCollection(collection=route.collection, store=route.store, at=route.at, condition=condition, rows=None)


def _leads_nowhere(datamap: DataMap, route: PersonRoute, found: Mapping[str, FoundCollection]) -> bool:
    """Were all collections that lead there looked into, and hold nothing? Then nothing of this person can be there."""
    return isinstance(datamap.stores[route.store], Asks) and all(hop.to in found for hop in route.hops)


def _follow(datamap: DataMap, route: PersonRoute, hop: Hop, target: FoundCollection) -> Condition:
    if not route.crosses(hop) and Capability.THROUGH in datamap.stores[route.store].capabilities:
        return Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=target.condition)
    values = datamap.stores[hop.store].values(hop.at, hop.to_field, target.condition)
    carried = tuple(sorted(islice(values, MOST_VALUES + 1)))
    if len(carried) > MOST_VALUES:
        raise NeedsReview(
            f"More than {MOST_VALUES} values of {hop.to}.{hop.to_field} belong to this person.",
            remedy="Look at them: that is more than one person has.",
        )
    return OneOf(field=hop.field, values=carried)


def _count(
    datamap: DataMap, route: PersonRoute, condition: Condition, found: Mapping[str, FoundCollection]
) -> FoundCollection:
    rows: int | None
    try:
        rows = datamap.stores[route.store].measure(route.at, condition).rows
    except StoreUnreachable:
        rows = None
    direct = {hop.to for hop in route.hops if hop.to in found}
    return FoundCollection(
        collection=route.collection,
        store=route.store,
        at=route.at,
        condition=condition,
        rows=rows,
        leads_to=frozenset(direct.union(*(found[name].leads_to for name in direct))),
    )


def _any(parts: Sequence[Condition]) -> Condition | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AnyOf(parts=tuple(parts))
