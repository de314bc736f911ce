"""Building the plan of a sweep: a clause, its cutoffs, the map and the holds in, a frozen plan out. Changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.errors import KeptError
from core.ids import new_id
from core.settings import CollectionSettings
from plans.covered import BY_FIELD, Part, certain_fields, whole_records
from plans.deeds import NEEDED, loosened, undone
from plans.expiry import Expiry, expiry_of, whole_expiry_of
from plans.holds import Hold, hold_condition, hold_gaps
from plans.order import borrowers_of
from plans.plan import Gap, Plan, Stays, Step, StepDeed, Trigger, TriggerKind, step_id
from plans.totals import totals_of
from policies.clauses import Action, Clause, RetentionClause, RetentionException
from policies.cutoffs import Cutoff
from stores.conditions import AllOf, Before, Condition, Not, Unset
from stores.contract import Capability, Shape, Store
from stores.datamap import DataMap

REVOKED: Final = "revoked"
DEEDS: Final = {
    Action.DELETE: StepDeed.DELETE,
    Action.REVOKE: StepDeed.REVOKE,
    Action.REDACT: StepDeed.REDACT,
    Action.ANONYMISE: StepDeed.ANONYMISE,
    Action.AGGREGATE: StepDeed.AGGREGATE,
}
_WORDS: Final = {
    StepDeed.DELETE: "Delete records of",
    StepDeed.REVOKE: "Revoke records of",
    StepDeed.REDACT: "Empty fields of",
    StepDeed.ANONYMISE: "Anonymise records of",
    StepDeed.AGGREGATE: "Roll up into totals records of",
}


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    clause: RetentionClause
    clauses: Sequence[Clause]
    cutoffs: Mapping[str, Cutoff]
    datamap: DataMap
    holds: Sequence[Hold]
    now: datetime

    @property
    def deed(self) -> StepDeed:
        return DEEDS[self.clause.then]


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A step before its place is known; `borrows`: collections whose events it looks at; `until`: its cutoff for people."""

    step: Step
    until: datetime
    borrows: tuple[str, ...] = ()


_Made = _Draft | Stays | Gap


def build_sweep(
    *,
    version: int,
    cutoffs: Mapping[str, Cutoff],
    datamap: DataMap,
    holds: Sequence[Hold],
    now: datetime,
    clause: RetentionClause,
    clauses: Sequence[Clause] = (),
    plan_id: str | None = None,
) -> Plan:
    """The plan that carries out a retention clause. `version`: the number of the version it is run under; `cutoffs`: by
    category, for each category that the clause covers, or covered in a version that still binds records; `clauses`: all of
    the version, since others may count from an event of what goes here."""
    sweep = _Sweep(clause=clause, clauses=clauses, cutoffs=cutoffs, datamap=datamap, holds=holds, now=now)
    made: list[_Made] = [_unmapped(clause, category) for category in cutoffs if not datamap.of_category(category)]
    for collection in dict.fromkeys(one.id for category in cutoffs for one in datamap.of_category(category)):
        made += _of_collection(sweep, datamap.collection(collection))
    drafts = [one for one in made if isinstance(one, _Draft)]
    until: dict[str, datetime] = {}
    for draft in drafts:
        until[draft.step.collection] = max(draft.until, until.get(draft.step.collection, draft.until))
    plan_id = plan_id or new_id("plan")
    return Plan(
        id=plan_id,
        trigger=Trigger(kind=TriggerKind.SWEEP, ref=clause.id),
        version=version,
        made_at=now,
        cutoffs=until,
        steps=_in_order(plan_id, drafts),
        stays=tuple(one for one in made if isinstance(one, Stays)),
        gaps=tuple(one for one in made if isinstance(one, Gap)),
    )


def _unmapped(clause: RetentionClause, category: str) -> Gap:
    return Gap(
        what=f"the category {category}",
        why=f"The map has no collection of it, so the clause {clause.id} reaches nothing there.",
        remedy="Map the collection that holds it, or take the category out of the clause.",
    )


def _of_collection(sweep: _Sweep, collection: CollectionSettings) -> Iterator[_Made]:
    deed = sweep.deed
    if deed not in BY_FIELD:
        parts = whole_records(sweep.clause, sweep.cutoffs, sweep.datamap, collection)
        if isinstance(parts, Gap):
            yield parts
            return
    store = sweep.datamap.stores.get(collection.store)
    lacking = _cannot(deed, collection, store)
    if lacking is not None or store is None:
        yield lacking or _gap(collection, "Its store is not there.", "Add it under `stores:` in kept.yaml.")
        return
    if deed in BY_FIELD:
        shape = _shape(store, collection.at)
        parts = certain_fields(sweep.clause, deed, sweep.cutoffs, sweep.datamap, collection, shape)
    for part in [parts] if isinstance(parts, Gap) else parts:
        yield from [part] if isinstance(part, Gap) else _of_part(sweep, collection, store, part)
    yield from hold_gaps(sweep.holds, collection, sweep.clause.id, sweep.datamap)


def _cannot(deed: StepDeed, collection: CollectionSettings, store: Store | None) -> Gap | None:
    needed = {*NEEDED[deed], Capability.MEASURE, Capability.BY_TIME}
    if store is not None and needed <= store.capabilities:
        return None
    if store is not None and needed - {Capability.RECEIPTS} <= store.capabilities:
        why = f"The store {store.name} keeps no receipts, and what became a total cannot be done twice."
        return _gap(collection, why, "Take `receipts: false` out of kept.yaml, or let the records be deleted.")
    if store is not None and needed - {Capability.BY_TIME} <= store.capabilities:
        why = f"A store of kind {store.kind} is asked for single people: nothing in it is found by its time."
        return _gap(collection, why, "Its records go when a person asks. For the rest, set the vendor's own retention.")
    kind = store.kind if store else "unknown"
    return _gap(collection, f"No program can {deed.value} in a store of kind {kind}.", "Do it by hand.")


def _of_part(sweep: _Sweep, collection: CollectionSettings, store: Store, part: Part) -> Iterator[_Made]:
    cutoff = sweep.cutoffs[part.category]
    whole = sweep.deed is StepDeed.AGGREGATE
    expiry = (whole_expiry_of if whole else expiry_of)(sweep.datamap, collection, cutoff)
    if isinstance(expiry, str):
        remedy = "Correct the map: `time:`, `events:` or `person:` of the collection."
        yield _gap(collection, expiry, remedy)
        return
    if expiry.borrows and Capability.THROUGH not in store.capabilities:
        why = f"A store of kind {store.kind} cannot look at other collections."
        yield _gap(collection, why, "Do it by hand.")
        return
    if whole and part.exceptions and expiry.time != collection.time:
        why = "What an exception keeps ends by the records' own time, and their totals are made by another."
        yield _gap(collection, why, "Give the excepted category a clause of its own.")
        return
    step = _step(sweep, collection, store, part, expiry)
    if isinstance(step, Gap):
        yield step
        return
    yield from _with_exceptions(sweep, collection, part, expiry, step)
    yield from _never_used(sweep.clause, collection, expiry, step)


def _step(sweep: _Sweep, collection: CollectionSettings, store: Store, part: Part, expiry: Expiry) -> Step | Gap:
    deed = sweep.deed
    field = collection.events.get(REVOKED) if deed is StepDeed.REVOKE else None
    if deed is StepDeed.REVOKE and field is None:
        return _gap(collection, "The map names no event `revoked`.", "Add `events: {revoked: FIELD}`.")
    whole = deed is StepDeed.AGGREGATE
    totals = totals_of(sweep.clause, sweep.datamap, collection, store) if whole else None
    if isinstance(totals, Gap):
        return totals
    return Step(
        id="",
        position=0,
        deed=deed,
        collection=collection.id,
        store=collection.store,
        at=collection.at,
        clause=sweep.clause.id,
        condition=expiry.condition,
        held=hold_condition(sweep.holds, collection, sweep.clause.id, sweep.datamap),
        time=expiry.time,
        field=field,
        value=sweep.now if field else None,
        fields=part.fields,
        totals=totals,
        loosens=_loosened(sweep, collection, store) if deed is StepDeed.DELETE else (),
        title=f"{_WORDS[deed]} {collection.id}",
    )


def _loosened(sweep: _Sweep, collection: CollectionSettings, store: Store) -> tuple[str, ...]:
    borrowers = borrowers_of(sweep.datamap, collection.id, (sweep.clause, *sweep.clauses))
    return tuple(at for at in loosened(sweep.datamap, store) if at not in borrowers)


def _with_exceptions(
    sweep: _Sweep, collection: CollectionSettings, part: Part, expiry: Expiry, step: Step
) -> Iterator[_Draft | Stays]:
    """The step for what no exception keeps any longer, and for each exception what it still keeps."""
    over: list[Condition] = []
    until = expiry.until
    for exception in part.exceptions:
        stays = undone(step, expiry.condition)
        if exception.period is None or collection.time is None:
            yield _kept(sweep.clause, collection, exception, stays)
            continue
        instant = exception.period.before(sweep.now)
        ended = Before(field=collection.time, instant=instant)
        over.append(ended)
        until = min(until, instant)
        yield _kept(sweep.clause, collection, exception, AllOf(parts=(stays, Not(part=ended))))
    if len(over) < len(part.exceptions):
        return
    goes = AllOf(parts=(expiry.condition, *over)) if over else expiry.condition
    yield _Draft(step=replace(step, condition=undone(step, goes)), until=until, borrows=expiry.borrows)


def _kept(
    clause: RetentionClause, collection: CollectionSettings, exception: RetentionException, condition: Condition
) -> Stays:
    ends = exception.period is not None and collection.time is not None
    until = f"{exception.period.words()} from each record's own time" if exception.period and ends else ""
    return _stays(clause, collection, exception.basis.value, until, exception.note or "excepted", condition)


def _stays(
    clause: RetentionClause, collection: CollectionSettings, basis: str, until: str, reason: str, condition: Condition
) -> Stays:
    return Stays(
        collection=collection.id,
        store=collection.store,
        at=collection.at,
        clause=clause.id,
        basis=basis,
        until=until,
        reason=reason,
        condition=condition,
    )


def _never_used(clause: RetentionClause, collection: CollectionSettings, expiry: Expiry, step: Step) -> Iterator[Stays]:
    # Nothing was ever promised about what was never used; guessing a time for it would be early.
    own = (part.path.field.name for part in expiry.ranges if part.path and not part.path.hops)
    name = next(own, None)
    if name is None or not (clause.after or "").startswith("last_"):
        return
    condition = undone(step, Unset(field=name)) if step.totals is None else Unset(field=name)
    yield _stays(clause, collection, "clause", "", f"{name} is not set: never used, so never idle", condition)


def _gap(collection: CollectionSettings, why: str, remedy: str) -> Gap:
    return Gap(what=f"{collection.id} in {collection.store}", why=why, remedy=remedy)


def _shape(store: Store, at: str) -> Shape | None:
    """None where the store cannot say now: the preview of the step says why."""
    try:
        return store.shape(at)
    except KeptError:
        return None


def _in_order(plan_id: str, drafts: Sequence[_Draft]) -> tuple[Step, ...]:
    """Those that borrow an event before those that hold it; `after` says so for the run."""
    waiting, ordered = list(drafts), list[_Draft]()
    while waiting:
        lent = {name for draft in waiting for name in draft.borrows if name != draft.step.collection}
        chosen = next((draft for draft in waiting if draft.step.collection not in lent), waiting[0])
        waiting.remove(chosen)
        ordered.append(chosen)
    steps: list[Step] = []
    for place, draft in enumerate(ordered, start=1):
        name = draft.step.collection
        before = zip(ordered, steps, strict=False)
        after = tuple(done.id for other, done in before if name in other.borrows and other.step.collection != name)
        steps.append(replace(draft.step, id=step_id(plan_id, place), position=place, after=after))
    return tuple(steps)
