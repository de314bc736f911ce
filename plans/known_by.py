"""By what a person is known elsewhere: identifiers of other kinds than the proven one, read where the person was found."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from core.errors import KeptError
from plans.build_told import OPAQUE
from plans.erased import find_accounts
from plans.people import Found
from stores.contract import Capability
from stores.datamap import DataMap

# More than so many values of one kind are hardly one person's: none of them is passed on.
MOST_OF_ONE: Final = 20


def known_by(datamap: DataMap, found: Found, knows: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The identifiers of a person, of the kinds that recipients know people by (`knows`, by clause) and the opaque id.

    A store that does not answer gives none: the plan that it belongs to is blocked by it anyway."""
    known = {kind: tuple(values) for kind, values in found.identifiers.items()}
    for kind in dict.fromkeys((*OPAQUE, *(one for kinds in knows.values() for one in kinds))):
        if kind not in known and 0 < len(values := _read(datamap, found, kind)) <= MOST_OF_ONE:
            known[kind] = tuple(sorted(values))
    return known


def _read(datamap: DataMap, found: Found, kind: str) -> set[str]:
    values, accounts = set[str](), find_accounts(datamap)
    for place in found.collections:
        if place.collection not in accounts:
            continue  # what other records name may be somebody else
        field, store = datamap.collection(place.collection).identifies.get(kind), datamap.stores[place.store]
        if field is None or Capability.READ not in store.capabilities:
            continue
        try:
            values.update(islice(store.values(place.at, field, place.condition), MOST_OF_ONE + 1))
        except KeptError:
            continue
    return values
