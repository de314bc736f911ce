"""What the stores hold that shows who somebody is: values that a person can be asked for, and contacts that were changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from core.personal import Personal
from core.settings import CollectionSettings
from core.settings_contact import PROOF_POINTS
from plans.people import clean_identifiers, person_condition, spell
from stores.conditions import AllOf, Before, Condition, Not, OneOf
from stores.contract import Capability
from stores.datamap import DataMap

MOST_HELD: Final = 500  # values of one field that are compared with what a person gave
MOST_CONTACTS: Final = 20  # former contacts of one person


@dataclass(frozen=True, kw_only=True)
class Place:
    """A field that holds one kind of point."""

    kind: str
    collection: str
    field: str


@dataclass(frozen=True, kw_only=True)
class ChangedContact:
    """A contact on file that was changed, when, and what it was before."""

    collection: str
    at: datetime
    before: tuple[Personal, ...]


def proof_places(datamap: DataMap, contact: str = "email") -> tuple[Place, ...]:
    """Where the map says that something stands which a person can show, in what is found by their contact."""
    places = []
    for route in datamap.person_routes([contact]):
        collection = datamap.collection(route.collection)
        if not _can_look(datamap, collection):
            continue
        named = {(kind, field) for kind, field in collection.identifies.items() if kind != contact}
        named |= {(one.proof, name) for name, one in collection.fields.items() if one.proof}
        places += [
            Place(kind=kind, collection=collection.id, field=field)
            for kind, field in sorted(named)
            if kind in PROOF_POINTS
        ]
    return tuple(places)


def fields_found(datamap: DataMap, contact: str = "email") -> Mapping[str, Mapping[str, str]]:
    """Collection → field → Fideslang key, of all that is found by a contact: who asks does not change it."""
    routes = (datamap.collection(route.collection) for route in datamap.person_routes([contact]))
    return {one.id: {name: each.fideslang for name, each in one.fields.items() if each.fideslang} for one in routes}


def held_values(datamap: DataMap, known: Mapping[str, Sequence[str]], place: Place) -> tuple[str, ...]:
    """What one field holds of the person with these identifiers. The store is asked the same whether there is anything.

    Raises NeedsReview for an identifier that many people share, StoreUnreachable."""
    collection = datamap.collection(place.collection)
    condition = person_condition(datamap, collection, clean_identifiers(known))
    if condition is None:
        return ()
    values = datamap.stores[collection.store].values(collection.at, place.field, condition)
    return tuple(islice(values, MOST_HELD))


def changed_contacts(
    datamap: DataMap, known: Mapping[str, Sequence[str]], *, since: datetime
) -> tuple[ChangedContact, ...]:
    """The contacts of this person that were changed at or after `since`, with those before them. Raises StoreUnreachable."""
    cleaned = spell(known)
    found = []
    for collection in datamap.collections:
        contact = collection.contact
        kind = next((kind for kind, field in collection.identifies.items() if contact and field == contact.field), "")
        if contact is None or kind not in cleaned or not _can_look(datamap, collection):
            continue
        store = datamap.stores[collection.store]
        changed: Condition = Not(part=Before(field=contact.changed, instant=since))
        mine = AllOf(parts=(OneOf(field=contact.field, values=cleaned[kind]), changed))
        latest = store.measure(collection.at, mine, time=contact.changed).newest
        if latest is None:
            continue
        before = store.values(collection.at, contact.before, mine) if contact.before else iter(())
        found.append(
            ChangedContact(
                collection=collection.id,
                at=latest,
                before=tuple(Personal(one) for one in islice(before, MOST_CONTACTS)),
            )
        )
    return tuple(found)


def _can_look(datamap: DataMap, collection: CollectionSettings) -> bool:
    return {Capability.READ, Capability.MEASURE} <= datamap.stores[collection.store].capabilities
