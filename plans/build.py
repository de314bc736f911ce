"""Building the plan of a sweep from values alone: a clause, its cutoff, the map and the holds in, a frozen plan out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.ids import new_id
from core.settings import CollectionSettings, TimeField
from plans.holds import Hold, hold_condition
from plans.plan import Gap, Plan, Stays, Step, StepDeed, Trigger, TriggerKind, step_id
from policies.clauses import Action, RetentionClause
from policies.cutoffs import Bound, Cutoff
from stores.conditions import AllOf, AnyOf, Before, Condition, Unset
from stores.contract import Capability
from stores.datamap import DataMap, EventPath, to_condition

REVOKED: Final = "revoked"
DEEDS: Final = {Action.DELETE: StepDeed.DELETE, Action.REVOKE: StepDeed.REVOKE}
_NEEDED: Final = {StepDeed.DELETE: Capability.DELETE, StepDeed.REVOKE: Capability.SET_TIME}
_WORDS: Final = {StepDeed.DELETE: "Delete records of", StepDeed.REVOKE: "Revoke records of"}


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    clause: RetentionClause
    cutoffs: Mapping[str, Cutoff]
    datamap: DataMap
    holds: Sequence[Hold]
    now: datetime


@dataclass(frozen=True, kw_only=True)
class _Range:
    """One bound over one collection; `path` leads to the event it counts from, None where it counts no event."""

    bound: Bound
    path: EventPath | None


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A step before its place is known; `borrows`: collections whose events it looks at; `until`: its cutoff for people."""

    step: Step
    until: datetime
    borrows: tuple[str, ...] = ()
    stays: tuple[Stays, ...] = ()


def build_sweep(
    *,
    version: int,
    cutoffs: Mapping[str, Cutoff],
    datamap: DataMap,
    holds: Sequence[Hold],
    now: datetime,
    clause: RetentionClause,
    plan_id: str | None = None,
) -> Plan:
    """The plan that carries out a retention clause. `version`: the number of the version it is run under; `cutoffs`: by
    category, for each category that the clause covers, or covered in a version that still binds records."""
    sweep = _Sweep(clause=clause, cutoffs=cutoffs, datamap=datamap, holds=holds, now=now)
    gaps: list[Gap] = []
    stays: list[Stays] = []
    drafts: list[_Draft] = []
    for collection in _collections(sweep, gaps, stays):
        draft = _draft(sweep, collection)
        if isinstance(draft, Gap):
            gaps.append(draft)
        else:
            drafts.append(draft)
            stays += draft.stays
    plan_id = plan_id or new_id("plan")
    return Plan(
        id=plan_id,
        trigger=Trigger(kind=TriggerKind.SWEEP, ref=clause.id),
        version=version,
        made_at=now,
        cutoffs={draft.step.collection: draft.until for draft in drafts},
        steps=_in_order(plan_id, drafts),
        stays=tuple(stays),
        gaps=tuple(gaps),
    )


def _collections(sweep: _Sweep, gaps: list[Gap], stays: list[Stays]) -> list[CollectionSettings]:
    clause, chosen = sweep.clause, dict[str, CollectionSettings]()
    excepted = {category: exception for exception in clause.exceptions for category in exception.of}
    for category in sweep.cutoffs:
        holders = sweep.datamap.of_category(category)
        if not holders:
            gaps.append(
                Gap(
                    what=f"the category {category}",
                    why=f"The map has no collection of it, so the clause {clause.id} reaches nothing there.",
                    remedy="Map the collection that holds it, or take the category out of the clause.",
                )
            )
        for collection in holders:
            if category in excepted:
                exception = excepted[category]
                until = f"{exception.period.words()} from each record's own time" if exception.period else ""
                stays.append(_stays(collection, clause, exception.basis.value, until, exception.note or "excepted"))
            elif collection.category == category:
                chosen[collection.id] = collection
            elif collection.category not in sweep.cutoffs:
                gaps.append(_field_gap(clause, collection, category))
    return [found for found in chosen.values() if not sweep.datamap.categories(found) & set(excepted)]


def _stays(collection: CollectionSettings, clause: RetentionClause, basis: str, until: str, reason: str) -> Stays:
    return Stays(
        collection=collection.id,
        store=collection.store,
        at=collection.at,
        clause=clause.id,
        basis=basis,
        until=until,
        reason=reason,
    )


def _field_gap(clause: RetentionClause, collection: CollectionSettings, category: str) -> Gap:
    fields = ", ".join(name for name, field in collection.fields.items() if field.category == category)
    return Gap(
        what=f"{fields} of {collection.id}",
        why=f"Only these fields are of the category {category}; the clause {clause.id} says {clause.then.value}.",
        remedy="Fields go by `then: redact`, which this version does not do; or give the collection the category.",
    )


def _draft(sweep: _Sweep, collection: CollectionSettings) -> _Draft | Gap:
    clause, what = sweep.clause, f"{collection.id} in {collection.store}"
    deed = DEEDS.get(clause.then)
    if deed is None:
        return Gap(what=what, why=f"This version does not carry out `then: {clause.then.value}`.", remedy="Use delete.")
    store = sweep.datamap.stores.get(collection.store)
    if store is None or not {_NEEDED[deed], Capability.MEASURE} <= store.capabilities:
        kind = store.kind if store else "unknown"
        return Gap(what=what, why=f"No program can {deed.value} in a store of kind {kind}.", remedy="Do it by hand.")
    field = collection.events.get(REVOKED) if deed is StepDeed.REVOKE else None
    if deed is StepDeed.REVOKE and field is None:
        return Gap(what=what, why="The map names no event `revoked`.", remedy="Add `events: {revoked: FIELD}`.")
    ranges = _ranges(sweep, collection)
    if isinstance(ranges, str):
        return Gap(what=what, why=ranges, remedy="Correct the map: `time:`, `events:` or `person:` of the collection.")
    if any(part.path and part.path.hops for part in ranges) and Capability.THROUGH not in store.capabilities:
        return Gap(
            what=what, why=f"A store of kind {store.kind} cannot look at other collections.", remedy="Do it by hand."
        )
    return _write(sweep, collection, deed, ranges, field)


def _ranges(sweep: _Sweep, collection: CollectionSettings) -> list[_Range] | str:
    """The bounds that the map lets be asked of a collection; else why it lets none be."""
    cutoff = sweep.cutoffs[collection.category]
    # Without a time of its own the shortest promise binds.
    usable = cutoff.bounds if collection.time is not None else cutoff.without_record_time()
    if cutoff.bounds and not usable:
        return "The map names no time of its records."
    ranges, why = [], ""
    for bound in usable:
        path = sweep.datamap.event_path(collection, bound.event) if bound.event else None
        if isinstance(path, str):
            why = path
        else:
            ranges.append(_Range(bound=bound, path=path))
    return why or ranges


def _write(
    sweep: _Sweep,
    collection: CollectionSettings,
    deed: StepDeed,
    ranges: Sequence[_Range],
    field: TimeField | None,
) -> _Draft:
    condition = _expired(collection.time, ranges)
    if field is not None:
        condition = AllOf(parts=(condition, Unset(field=field.name)))
    step = Step(
        id="",
        position=0,
        deed=deed,
        collection=collection.id,
        store=collection.store,
        at=collection.at,
        clause=sweep.clause.id,
        condition=condition,
        held=hold_condition(sweep.holds, collection, sweep.clause.id, sweep.datamap),
        time=collection.time,
        field=field,
        value=sweep.now if field else None,
        title=f"{_WORDS[deed]} {collection.id}",
    )
    ends = [end for part in ranges if (end := part.bound.event_before or part.bound.record_before)]
    return _Draft(
        step=step,
        until=max(ends, default=sweep.now),
        borrows=tuple(dict.fromkeys(hop.to for part in ranges if part.path for hop in part.path.hops)),
        stays=_never_used(sweep.clause, collection, ranges, field),
    )


def _expired(time: TimeField | None, ranges: Sequence[_Range]) -> Condition:
    """Which records are over their time: in one of the ranges, each by the record's own time, an event, or both."""
    found: list[Condition] = []
    for part in ranges:
        both: list[Condition] = []
        if part.bound.record_before is not None and time is not None:
            both.append(Before(field=time, instant=part.bound.record_before))
        if part.path is not None and part.bound.event_before is not None:
            both.append(to_condition(part.path, Before(field=part.path.field, instant=part.bound.event_before)))
        if both:  # a range without a condition would be every record
            found.append(both[0] if len(both) == 1 else AllOf(parts=tuple(both)))
    return found[0] if len(found) == 1 else AnyOf(parts=tuple(found))


def _never_used(
    clause: RetentionClause, collection: CollectionSettings, ranges: Sequence[_Range], field: TimeField | None
) -> tuple[Stays, ...]:
    # Nothing was ever promised about what was never used; guessing a time for it would be early.
    own = (part.path.field.name for part in ranges if part.path and not part.path.hops)
    name = next(own, None)
    if name is None or not (clause.after or "").startswith("last_"):
        return ()
    parts: tuple[Condition, ...] = (Unset(field=name),)
    if field is not None:
        parts = (*parts, Unset(field=field.name))
    counted = _stays(collection, clause, "clause", "", f"{name} is not set: never used, so never idle")
    return (replace(counted, condition=AllOf(parts=parts)),)


def _in_order(plan_id: str, drafts: Sequence[_Draft]) -> tuple[Step, ...]:
    """Those that borrow an event before those that hold it; `after` says so for the run."""
    waiting, ordered = list(drafts), list[_Draft]()
    while waiting:
        lent = {name for draft in waiting for name in draft.borrows if name != draft.step.collection}
        chosen = next((draft for draft in waiting if draft.step.collection not in lent), waiting[0])
        waiting.remove(chosen)
        ordered.append(chosen)
    ids = {draft.step.collection: step_id(plan_id, place) for place, draft in enumerate(ordered, start=1)}
    steps = []
    for place, draft in enumerate(ordered, start=1):
        borrowers = (other for other in ordered[: place - 1] if draft.step.collection in other.borrows)
        after = tuple(ids[other.step.collection] for other in borrowers)
        steps.append(replace(draft.step, id=ids[draft.step.collection], position=place, after=after))
    return tuple(steps)
