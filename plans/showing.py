"""What a person should see of a plan beside its preview: what its stores say, which holds keep how much, samples, the oldest."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.errors import KeptError
from core.personal import mask
from plans.deeds import untouched
from plans.holds import Hold, hold_condition
from plans.plan import Plan, Step
from plans.telling import cannot_tell
from stores.conditions import AllOf, Before, conjuncts
from stores.contract import Advises, Capability, Extent
from stores.datamap import DataMap


def findings(datamap: DataMap, step: Step, period: timedelta | None = None) -> tuple[str, ...]:
    """What the store has to say of the step's collection; nothing where it does not answer: the preview names that.

    `period`: how long the clause keeps its records."""
    store = datamap.stores[step.store]
    times = tuple(part.field for part in conjuncts(step.condition) if isinstance(part, Before))
    try:
        return store.findings(step.at, times=times, period=period) if isinstance(store, Advises) else ()
    except KeptError:
        return ()


def count_held(datamap: DataMap, holds: Sequence[Hold], step: Step, *, limit: int) -> list[tuple[str, Extent]]:
    """What each hold keeps of the step's records, by the hold's id; at most so many holds are asked about."""
    collection = datamap.collection(step.collection)
    conditions = ((hold.id, hold_condition([hold], collection, step.clause, datamap)) for hold in holds)
    found = list[tuple[str, Extent]]()
    for hold_id, kept in [one for one in conditions if one[1] is not None][:limit]:
        assert kept is not None
        try:
            where = AllOf(parts=(step.condition, kept))
            extent = datamap.stores[step.store].measure(step.at, where, time=step.time)
        except KeptError:
            continue  # the preview names it
        found.append((hold_id, extent))
    return found


def count_covered(datamap: DataMap, hold: Hold, categories: Collection[str] | None) -> int | None:
    """How many records of these categories (None: of all) a hold means now, over their time or not; None where a store did
    not say. A collection that stays whole, since nobody can be told apart in it, is not counted."""
    total = 0
    for collection in datamap.collections:
        if categories is not None and not datamap.categories(collection) & set(categories):
            continue
        if hold.person and cannot_tell(datamap, collection, hold.person):
            continue
        condition = hold_condition([hold], collection, hold.clause or "", datamap)
        store = datamap.store_of(collection)
        if condition is None or Capability.MEASURE not in store.capabilities:
            continue
        try:
            total += store.measure(collection.at, condition).rows
        except KeptError:
            return None
    return total


def under_present_holds(datamap: DataMap, holds: Sequence[Hold], plan: Plan) -> Plan:
    """The same steps under the holds of this moment: for a look at what is left after a run, never to be carried out."""
    steps = (
        replace(step, held=hold_condition(holds, datamap.collection(step.collection), step.clause, datamap))
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def sample_records(datamap: DataMap, plan: Plan, *, limit: int) -> dict[str, list[dict[str, str]]]:
    """A few of the records a plan would touch, by collection, masked but for the record's own time."""
    share = max(1, limit // max(1, len(plan.steps)))
    found: dict[str, list[dict[str, str]]] = {}
    for step in plan.steps:
        try:
            records = datamap.stores[step.store].sample(step.at, step.where, limit=share)
        except KeptError:
            continue  # the preview names it
        own = step.time.name if step.time else None
        found.setdefault(step.collection, []).extend(
            {
                name: "" if value is None else str(value) if name == own else mask(value)
                for name, value in record.items()
            }
            for record in records
        )
    return found


def oldest_left(datamap: DataMap, plan: Plan) -> datetime | None:
    """The oldest record that the plan's deeds have not been done to, over its time or not, in its collections."""
    ends = []
    for step in plan.steps:
        try:
            ends.append(datamap.stores[step.store].measure(step.at, untouched(step), time=step.time).oldest)
        except KeptError:
            continue  # the preview names it
    return min((end for end in ends if end is not None), default=None)
