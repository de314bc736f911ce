"""The order of a request's steps: what looks through a collection before it, what points at it before it, accounts last."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from core.errors import KeptError
from plans.people import Found
from plans.plan import Step, step_id
from policies.clauses import Clause, RetentionClause
from stores.contract import Points
from stores.datamap import DataMap, EventPath

Links = Mapping[str, frozenset[str]]
NO_LINKS: Final[Links] = {}


def find_pointers(datamap: DataMap, found: Found) -> Links:
    """By collection, those of the same store that a declared key of its records points at. Asks the stores' schemas."""
    pointing: dict[str, set[str]] = {}
    for name in dict.fromkeys(place.store for place in found.collections):
        store = datamap.stores[name]
        named: dict[str, list[str]] = {}
        for place in found.collections:
            if place.store == name:
                named.setdefault(place.at, []).append(place.collection)
        if len(named) < 2 or not isinstance(store, Points):
            continue
        try:
            pairs = store.pointers_between(tuple(named))
        except KeptError:
            continue  # its steps will say what is wrong with it
        for child, parent in pairs:
            for one in named[child]:
                pointing.setdefault(one, set()).update(named[parent])
    return {name: frozenset(targets) for name, targets in pointing.items()}


def borrowers_of(datamap: DataMap, lender: str, clauses: Sequence[Clause]) -> frozenset[str]:
    """What a store calls the collections that a clause counts from an event of this one: without their pointer at it
    nobody could tell any more when their time is up, so they keep it, and it keeps its record."""
    found = set()
    for clause in clauses:
        if not isinstance(clause, RetentionClause) or clause.event is None:
            continue
        for collection in (one for category in clause.of for one in datamap.of_category(category)):
            path = datamap.event_path(collection, clause.event)
            if isinstance(path, EventPath) and lender in {hop.to for hop in path.hops}:
                found.add(collection.at)
    return frozenset(found)


def in_order(steps: Sequence[Step], leads: Links, points: Links) -> tuple[Step, ...]:
    """As they were given but for what must be otherwise. `leads`: what each collection's condition looks through, which can
    only be after it; `points`: what its records point at, which is after it where no circle forbids that."""
    named = {name for step in steps for name in leads.get(step.collection, ())}
    waiting = sorted(steps, key=lambda step: step.collection in named and not leads.get(step.collection))
    ordered: list[Step] = []
    while waiting:
        looked = {name for step in waiting for name in leads.get(step.collection, ()) if name != step.collection}
        free = [step for step in waiting if step.collection not in looked] or waiting
        pointed = {name for step in waiting for name in points.get(step.collection, ()) if name != step.collection}
        chosen = next((step for step in free if step.collection not in pointed), free[0])
        waiting.remove(chosen)
        ordered.append(chosen)
    return tuple(ordered)


def number_steps(plan_id: str, steps: Sequence[Step], leads: Links, points: Links) -> tuple[Step, ...]:
    """With their ids, places, and what each must wait for: the steps before it that need what it does away with."""
    numbered: list[Step] = []
    for number, step in enumerate(steps, start=1):
        needs = tuple(
            other.id
            for other in numbered
            if step.collection in leads.get(other.collection, frozenset()) | points.get(other.collection, frozenset())
        )
        numbered.append(replace(step, id=step_id(plan_id, number), position=number, after=needs))
    return tuple(numbered)
