"""Which accounts are there: looked up by the identifier that the host application has for each, many at a time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stores.conditions import OneOf
from stores.contract import Capability
from stores.datamap import DataMap


@dataclass(frozen=True, kw_only=True)
class AccountPlace:
    """A collection whose records are found by an identifier of a kind, directly."""

    collection: str
    store: str
    at: str
    field: str
    categories: frozenset[str]


def account_places(datamap: DataMap, kind: str) -> tuple[AccountPlace, ...]:
    """Where a program can look records up by this kind of identifier."""
    return tuple(
        AccountPlace(
            collection=one.id,
            store=one.store,
            at=one.at,
            field=one.identifies[kind],
            categories=datamap.categories(one),
        )
        for one in datamap.collections
        if kind in one.identifies and Capability.READ in datamap.stores[one.store].capabilities
    )


def there(datamap: DataMap, places: Sequence[AccountPlace], values: Collection[str]) -> set[str]:
    """Those of the values that a record in one of the places has. Raises Unreachable."""
    wanted = tuple(sorted(values))
    found: set[str] = set()
    for place in places if wanted else ():
        store = datamap.stores[place.store]
        found.update(store.values(place.at, place.field, OneOf(field=place.field, values=wanted)))
    return found & set(wanted)
