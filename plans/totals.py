"""Where a clause's totals go: checked against map and schema before anything becomes a total."""

from core.errors import KeptError
from core.settings import CollectionSettings
from plans.plan import Gap
from policies.clauses import RetentionClause
from stores.contract import CollectionMissing, Shape, Store, Totals
from stores.datamap import DataMap
from stores.periods import PERIODS, period_in


def totals_of(clause: RetentionClause, datamap: DataMap, collection: CollectionSettings, store: Store) -> Totals | Gap:
    """The totals of a clause over one collection, or why there can be none."""
    if clause.into is None or clause.k is None:
        return _gap(collection, "The clause does not say where its totals go.", "Write `into`, `by` and `k`.")
    named = next((one for one in datamap.collections if one.id == clause.into), None)
    if named is not None and named.store != collection.store:
        return _gap(
            collection,
            f"Its totals go to {named.id} in {named.store}: what goes in one store and is counted in another is not one deed.",
            "Keep the totals in the same store.",
        )
    at = named.at if named else clause.into
    if at == collection.at:
        return _gap(collection, "Its totals would go into itself.", "Name another collection in `into`.")
    wrong = _wrong(clause, collection, store, at)
    if wrong:
        return _gap(collection, wrong, "Correct `into` and `by`, or the tables.")
    return Totals(into=at, by=clause.by, k=clause.k, person=_tells_apart(collection))


def _wrong(clause: RetentionClause, collection: CollectionSettings, store: Store, at: str) -> str:
    try:
        period = period_in(clause.by)
    except KeptError as error:
        return str(error)
    into, source = _shape(store, at), _shape(store, collection.at)
    if into is not None and not into.fields:
        return f"There is no {at} in {store.name}."
    groups = [name for name in clause.by if name not in PERIODS]
    missing = [f"{name} of {at}" for name in (period, *groups) if into is not None and not into.has(name)]
    missing += [f"{name} of {collection.at}" for name in groups if source is not None and not source.has(name)]
    return f"There is no field {', '.join(missing)} in {store.name}." if missing else ""


def _shape(store: Store, at: str) -> Shape | None:
    """None where the store cannot say now: the step over it says why."""
    try:
        return store.shape(at)
    except CollectionMissing:
        return Shape(fields=())
    except KeptError:
        return None


def _tells_apart(collection: CollectionSettings) -> str | None:
    """The field that tells people apart, so that `k` counts people: the way to their account, else an identifier."""
    ways = [*(one.field for one in collection.person), *collection.identifies.values()]
    return ways[0] if ways else None


def _gap(collection: CollectionSettings, why: str, remedy: str) -> Gap:
    return Gap(what=f"{collection.id} in {collection.store}", why=why, remedy=remedy)
