"""Building the plan of a person's request from values alone: what goes or is read out, what stays and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import BadInput
from core.ids import new_id
from core.settings import CollectionSettings
from plans.holds import Hold, hold_condition
from plans.people import Found, FoundCollection
from plans.plan import Gap, Plan, Stays, Step, StepDeed, Trigger, TriggerKind, step_id
from plans.portability import why_not_portable
from policies.clauses import Clause, RetentionClause, RetentionException, Right, RightClause
from stores.conditions import AllOf, Before, Condition, Not
from stores.contract import Capability
from stores.datamap import DataMap

READ_RIGHTS = frozenset({Right.ACCESS, Right.PORTABILITY})


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """An exception that covers a category, and the clause it stands in."""

    clause: str
    exception: RetentionException


@dataclass(frozen=True, kw_only=True)
class _Request:
    clause: str
    clauses: tuple[Clause, ...]
    datamap: DataMap
    holds: Sequence[Hold]
    now: datetime


def build_request(
    *,
    ref: str,
    version: int,
    clauses: Sequence[Clause],
    right: Right,
    found: Found,
    datamap: DataMap,
    holds: Sequence[Hold],
    now: datetime,
    plan_id: str | None = None,
) -> Plan:
    """The plan that answers a request. `ref`: the ticket; `clauses`: those of the version that the ticket is pinned to;
    `found`: where the person's records are, from `people.find` with proven identifiers only."""
    clause = next((one.id for one in clauses if isinstance(one, RightClause) and one.right is right), right.value)
    request = _Request(clause=clause, clauses=tuple(clauses), datamap=datamap, holds=holds, now=now)
    steps: list[Step] = []
    stays: list[Stays] = []
    gaps = list(found.gaps)
    plan_id = plan_id or new_id("plan")
    # Deepest first: every collection leads to one found before it, and the account that identifies was found first.
    for place in reversed(found.collections):
        beyond = _beyond(request, place) if right is Right.PORTABILITY else None
        if beyond is not None:
            stays.append(beyond)
        elif right in READ_RIGHTS:
            steps.append(_step(request, place, StepDeed.EXPORT, place.condition))
        elif right is Right.DELETION:
            gap = _cannot_delete(request, place)
            gaps += [gap] if gap else []
            for part in () if gap else _divide(request, place):
                (stays if isinstance(part, Stays) else steps).append(part)  # type: ignore[arg-type]
        else:
            raise BadInput(f"A plan cannot carry out the right '{right.value}'.", remedy="Answer it by hand.")
    return Plan(
        id=plan_id,
        trigger=Trigger(kind=TriggerKind.REQUEST, ref=ref),
        version=version,
        made_at=now,
        cutoffs={},
        steps=_numbered(plan_id, steps, found),
        stays=tuple(stays),
        gaps=tuple(gaps),
    )


def _step(request: _Request, place: FoundCollection, deed: StepDeed, condition: Condition) -> Step:
    collection = request.datamap.collection(place.collection)
    held = (
        None if deed is StepDeed.EXPORT else hold_condition(request.holds, collection, request.clause, request.datamap)
    )
    word = "Read" if deed is StepDeed.EXPORT else "Delete"
    return Step(
        id="",
        position=0,
        deed=deed,
        collection=place.collection,
        store=place.store,
        at=place.at,
        clause=request.clause,
        condition=condition,
        held=held,
        time=collection.time,
        title=f"{word} the person's records of {place.collection}",
    )


def _beyond(request: _Request, place: FoundCollection) -> Stays | None:
    """What a copy to take elsewhere leaves out, with the reason; None where the right covers the collection."""
    why = why_not_portable(request.clauses, request.datamap.collection(place.collection).category)
    return _stays(place, request.clause, Right.PORTABILITY.value, "", why, place.condition) if why else None


def _divide(request: _Request, place: FoundCollection) -> Iterator[Step | Stays]:
    """What of a collection goes and what stays: an exception keeps records until its period is over, a hold until released."""
    collection = request.datamap.collection(place.collection)
    goes: Condition | None = place.condition
    for kept in _exceptions(request, collection)[:1]:
        period = kept.exception.period
        stays = place.condition
        if period is not None and collection.time is not None:
            over = Before(field=collection.time, instant=period.before(request.now))
            stays, goes = AllOf(parts=(place.condition, Not(part=over))), AllOf(parts=(place.condition, over))
        else:
            goes = None
        until = f"{period.words()} from each record's own time" if period else ""
        reason = kept.exception.note or f"kept under {kept.clause}"
        yield _stays(place, kept.clause, kept.exception.basis.value, until, reason, stays)
    if goes is None:
        return
    step = _step(request, place, StepDeed.DELETE, goes)
    if step.held is not None:
        until = "until the hold is released"
        yield _stays(place, request.clause, "hold", until, "a legal hold", AllOf(parts=(goes, step.held)))
    yield step


def _stays(place: FoundCollection, clause: str, basis: str, until: str, reason: str, condition: Condition) -> Stays:
    return Stays(
        collection=place.collection,
        store=place.store,
        at=place.at,
        clause=clause,
        basis=basis,
        until=until,
        reason=reason,
        condition=condition,
    )


def _exceptions(request: _Request, collection: CollectionSettings) -> list[_Kept]:
    """The exceptions that keep a collection's records from a deletion: of the right itself, then of retention clauses.

    A collection that holds an excepted category in one of its fields stays whole: a record cannot go in part."""
    held = request.datamap.categories(collection)
    ordered = sorted(request.clauses, key=lambda clause: not isinstance(clause, RightClause))
    return [
        _Kept(clause=clause.id, exception=exception)
        for clause in ordered
        if isinstance(clause, RetentionClause) or (isinstance(clause, RightClause) and clause.right is Right.DELETION)
        for exception in clause.exceptions
        if held & set(exception.of)
    ]


def _cannot_delete(request: _Request, place: FoundCollection) -> Gap | None:
    store = request.datamap.stores[place.store]
    if Capability.DELETE in store.capabilities:
        return None
    return Gap(
        what=f"{place.collection} in {place.store}",
        why=f"No program can delete in a store of kind {store.kind}.",
        remedy="Delete the records by hand and note it on the ticket.",
    )


def _numbered(plan_id: str, steps: Sequence[Step], found: Found) -> tuple[Step, ...]:
    ids = {step.collection: step_id(plan_id, number) for number, step in enumerate(steps, start=1)}
    leads = {place.collection: place.leads_to for place in found.collections}
    return tuple(
        replace(
            step,
            id=ids[step.collection],
            position=number,
            after=tuple(
                ids[other.collection] for other in steps[: number - 1] if step.collection in leads[other.collection]
            ),
        )
        for number, step in enumerate(steps, start=1)
    )
