"""Takes a bounded sample of a collection, spread over its time where it has one, and says of how many rows it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from core.settings import CollectionSettings
from stores.conditions import AllOf, Before, Condition, Not
from stores.contract import CannotCompare, Extent, FieldMissing, Store

EVERYTHING: Final = AllOf(parts=())
# How far back the parts of a sample reach, as shares of the time from the oldest record to the newest: a sample from the
# first rows alone would never see what came in last night.
REACHES: Final = (1 / 64, 1 / 8, 1 / 2)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much one scan may read: rows of each collection, and seconds in all."""

    rows: int = 1_000
    seconds: float = 120.0


def measure(store: Store, collection: CollectionSettings) -> Extent:
    """How many rows there are, and from when to when, where that can be told."""
    if collection.time is not None:
        try:
            return store.measure(collection.at, EVERYTHING, time=collection.time)
        except (CannotCompare, FieldMissing):
            pass  # a sample can be taken all the same
    return store.measure(collection.at, EVERYTHING)


def sample(
    store: Store, collection: CollectionSettings, extent: Extent, rows: int
) -> Iterator[list[Mapping[str, Any]]]:
    """At most so many rows, a part at a time: all of them where they are few, else some of each part of their time."""
    parts = _parts(collection, extent) if extent.rows > rows else [EVERYTHING]
    left = rows
    for number, part in enumerate(parts):
        # What one part does not need the next may have.
        taken = store.sample(collection.at, part, limit=max(1, left // (len(parts) - number)))
        left -= len(taken)
        yield taken
        if left <= 0:
            return


def _parts(collection: CollectionSettings, extent: Extent) -> list[Condition]:
    """Newest first, so that what came in last is looked at whatever the time allows; records without a time are among them."""
    time, oldest, newest = collection.time, extent.oldest, extent.newest
    if time is None or oldest is None or newest is None or oldest == newest:
        return [EVERYTHING]
    edges = [newest - (newest - oldest) * reach for reach in REACHES]
    before = [Before(field=time, instant=edge) for edge in edges]
    middle: list[Condition] = [AllOf(parts=(Not(part=low), high)) for high, low in pairwise(before)]
    return [Not(part=before[0]), *middle, before[-1]]
