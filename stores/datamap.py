"""The data map: which collection holds which category, whose events it borrows, and by which references a person is found."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.errors import NotFound
from core.settings import CollectionSettings, Reference, TimeField
from stores.conditions import Condition, Through
from stores.contract import Store


@dataclass(frozen=True, kw_only=True)
class Hop:
    """From a collection to the one it refers to: its `field` holds the `to_field` of `to`, which its store calls `at`."""

    field: str
    to: str
    store: str
    at: str
    to_field: str


@dataclass(frozen=True, kw_only=True)
class EventPath:
    """Where a collection's event stands: in `field` of `holder`, reached by `hops` within one store; () for its own."""

    field: TimeField
    hops: tuple[Hop, ...]
    holder: str


@dataclass(frozen=True, kw_only=True)
class PersonRoute:
    """How a person's records of one collection are found: each way adds records, and every hop leads to an earlier route.

    `identifiers`: (kind, field) pairs that hold an identifier themselves. A hop whose `store` differs from this one
    crosses: its values are read there and asked for here. `depth`: hops from a collection that identifies.
    """

    collection: str
    store: str
    at: str
    identifiers: tuple[tuple[str, str], ...]
    hops: tuple[Hop, ...]
    depth: int

    def crosses(self, hop: Hop) -> bool:
        return hop.store != self.store


class DataMap:
    """The collections of `kept.yaml` over the stores they lie in."""

    def __init__(self, collections: Sequence[CollectionSettings], stores: Mapping[str, Store]) -> None:
        self.collections = tuple(collections)
        self.stores = stores
        self._by_id = {collection.id: collection for collection in self.collections}

    def collection(self, collection_id: str) -> CollectionSettings:
        """The collection of this name. Raises NotFound."""
        if collection_id not in self._by_id:
            raise NotFound(
                f"The map has no collection '{collection_id}'.",
                remedy=f"It has: {', '.join(self._by_id) or 'none'}.",
            )
        return self._by_id[collection_id]

    def of_category(self, category: str) -> tuple[CollectionSettings, ...]:
        """The collections that hold this category, as a whole or in some field, in the order of the map."""
        return tuple(found for found in self.collections if category in self.categories(found))

    def categories(self, collection: CollectionSettings) -> frozenset[str]:
        """Every category that a collection holds."""
        own = {field.category for field in collection.fields.values() if field.category}
        return frozenset(own | {collection.category})

    def store_of(self, collection: CollectionSettings) -> Store:
        """The store that a collection lies in. Raises NotFound."""
        if collection.store not in self.stores:
            raise NotFound(
                f"The collection {collection.id} lies in the store '{collection.store}', which is not there.",
                remedy="Add it under `stores:` in kept.yaml.",
            )
        return self.stores[collection.store]

    def event_path(self, collection: CollectionSettings, event: str) -> EventPath | str:
        """Where an event of a collection's records stands; else why it cannot be told, for a gap in a plan.

        The collection's own field comes first, then the nearest collection that its `person:` references lead to.
        """
        crossing: str | None = None
        for current, hops in self._walk(collection):
            if event not in current.events:
                continue
            if all(hop.store == collection.store for hop in hops):
                return EventPath(field=current.events[event], hops=hops, holder=current.id)
            crossing = crossing or current.id
        if crossing is not None:
            return (
                f"The event {event} of {collection.id} stands in {crossing}, which is in another store or reached "
                "through one: no condition reaches across stores."
            )
        return f"No field of {collection.id}, nor of a collection that its `person:` leads to, holds the event {event}."

    def person_routes(self, identifier_kinds: Collection[str]) -> tuple[PersonRoute, ...]:
        """How a person who has these kinds of identifier is found: breadth first, each collection once.

        References are followed from what is found to what refers to it, never up from a record to another person.
        """
        routes: dict[str, PersonRoute] = {}
        direct = [found for found in self.collections if set(identifier_kinds) & set(found.identifies)]
        pending, depth = direct, 0
        while pending:
            for collection in _referred_first(pending):
                routes[collection.id] = self._route(collection, identifier_kinds, routes, depth)
            rest = (found for found in self.collections if found.id not in routes)
            pending = [found for found in rest if any(reference.to in routes for reference in found.person)]
            depth += 1
        return tuple(routes.values())

    def hops_of(self, collection_id: str) -> tuple[Hop, ...]:
        """Every reference of a collection, whichever way it leads."""
        return tuple(self._hop(reference) for reference in self.collection(collection_id).person)

    def _route(
        self, collection: CollectionSettings, kinds: Collection[str], known: Mapping[str, PersonRoute], depth: int
    ) -> PersonRoute:
        return PersonRoute(
            collection=collection.id,
            store=collection.store,
            at=collection.at,
            identifiers=tuple((kind, field) for kind, field in collection.identifies.items() if kind in kinds),
            hops=tuple(self._hop(reference) for reference in collection.person if reference.to in known),
            depth=depth,
        )

    def _walk(self, start: CollectionSettings) -> Iterator[tuple[CollectionSettings, tuple[Hop, ...]]]:
        """The collection and all that its references lead to, nearest first; ways inside the store before those out of it."""
        seen: set[str] = set()
        level: list[tuple[CollectionSettings, tuple[Hop, ...]]] = [(start, ())]
        outside: list[tuple[CollectionSettings, tuple[Hop, ...]]] = []
        while level or outside:
            if not level:
                level, outside = outside, []
            current, hops = level.pop(0)
            if current.id in seen:
                continue
            seen.add(current.id)
            yield current, hops
            for reference in current.person:
                hop = self._hop(reference)
                inside = hop.store == start.store and all(known.store == start.store for known in hops)
                (level if inside else outside).append((self.collection(hop.to), (*hops, hop)))

    def _hop(self, reference: Reference) -> Hop:
        target = self.collection(reference.to)
        return Hop(field=reference.field, to=target.id, store=target.store, at=target.at, to_field=reference.to_field)


def to_condition(path: EventPath | Sequence[Hop], inner: Condition) -> Condition:
    """`inner`, a condition on the collection that the hops end in, as one on the collection they start from."""
    condition = inner
    for hop in reversed(path.hops if isinstance(path, EventPath) else tuple(path)):
        condition = Through(field=hop.field, at=hop.at, to_field=hop.to_field, where=condition)
    return condition


def _referred_first(collections: Sequence[CollectionSettings]) -> list[CollectionSettings]:
    """In an order in which references lead backwards; a cycle is cut where the map comes to it first."""
    waiting, ordered = list(collections), []
    while waiting:
        names = {found.id for found in waiting}
        free = (found for found in waiting if not {r.to for r in found.person} & (names - {found.id}))
        chosen = next(free, waiting[0])
        waiting.remove(chosen)
        ordered.append(chosen)
    return ordered
