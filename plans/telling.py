"""Whether a store can tell a person's records from those of others by itself: a hold that it cannot apply keeps all of them."""

from collections.abc import Mapping

from core.settings import CollectionSettings
from plans.people import Identifiers
from stores.contract import Capability
from stores.datamap import DataMap, Hop, PersonRoute


def cannot_tell(datamap: DataMap, collection: CollectionSettings, known: Identifiers) -> bool:
    """Does the collection hold people's data, and no condition in its own store finds those with these identifiers?

    Within a store that looks through its collections a way can be followed; out of another store only the values of an
    identifier, which a hold has written down, can be asked for."""
    routes: dict[str, PersonRoute] = {}
    lost: set[str] = set()
    for route in datamap.person_routes(known.keys()):
        routes[route.collection] = route
        if any(not _follows(datamap, route, hop, routes, lost, known) for hop in route.hops if hop.to in routes):
            lost.add(route.collection)
    return collection.id in lost if collection.id in routes else _holds_people(collection)


def _holds_people(collection: CollectionSettings) -> bool:
    keys = [field.fideslang or "" for field in collection.fields.values()]
    return bool(collection.identifies or collection.person or any(key.split(".")[0] == "user" for key in keys))


def _follows(
    datamap: DataMap,
    route: PersonRoute,
    hop: Hop,
    routes: Mapping[str, PersonRoute],
    lost: set[str],
    known: Identifiers,
) -> bool:
    kinds = {kind for kind, field in datamap.collection(hop.to).identifies.items() if field == hop.to_field}
    if kinds & set(known) or (kinds and routes[hop.to].identifiers):
        return True  # its values are written down, or there were none when the hold was placed
    if hop.to == route.collection:
        return True  # it leads to itself
    inside = not route.crosses(hop) and Capability.THROUGH in datamap.stores[route.store].capabilities
    return inside and hop.to not in lost
