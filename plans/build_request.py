"""Building the plan of a person's request from values alone: what goes or is read out, what stays and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import BadInput
from core.ids import new_id
from core.settings import CollectionSettings
from plans.asked_values import may_meet
from plans.build_correction import Correction, find_copies
from plans.deeds import NEEDED, loosened, undone
from plans.holds import Hold, hold_condition
from plans.order import NO_LINKS, Links, in_order, number_steps
from plans.people import Found, FoundCollection
from plans.plan import AskedFor, Gap, Plan, Stays, Step, StepDeed, Trigger, TriggerKind
from plans.portability import why_not_portable
from policies.clauses import Clause, RetentionClause, RetentionException, Right, RightClause
from stores.conditions import AllOf, Before, Condition, Not
from stores.datamap import DataMap

READ_RIGHTS = frozenset({Right.ACCESS, Right.PORTABILITY})
_ASKED = {
    Right.ACCESS: AskedFor.COPY,
    Right.PORTABILITY: AskedFor.COPY,
    Right.DELETION: AskedFor.DELETE,
    Right.CORRECTION: AskedFor.CORRECT,
}
_ASK_WORDS = {
    AskedFor.COPY: "send a copy of the person's records of",
    AskedFor.DELETE: "delete the person's records of",
    AskedFor.CORRECT: "correct the person's records of",
}


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
    corrections: Sequence[Correction] = (),
    pointers: Links = NO_LINKS,
    plan_id: str | None = None,
) -> Plan:
    """The plan that answers a request. `ref`: the ticket; `clauses`: those of the version that the ticket is pinned to;
    `found`: where the person's records are, from `people.find` with proven identifiers only; `corrections`: for the right
    to correction, what is right; `pointers`: declared keys between the collections, from `order.find_pointers`."""
    if corrections and right is not Right.CORRECTION:
        raise BadInput(f"The right '{right.value}' corrects nothing.", remedy="Open a request for correction.")
    clause = next((one.id for one in clauses if isinstance(one, RightClause) and one.right is right), right.value)
    request = _Request(clause=clause, clauses=tuple(clauses), datamap=datamap, holds=holds, now=now)
    steps: list[Step] = []
    stays: list[Stays] = []
    copies, unsure = find_copies(corrections, found, datamap) if right is Right.CORRECTION else ({}, ())
    gaps = [*found.gaps, *unsure]
    plan_id = plan_id or new_id("plan")
    # Deepest first: every collection leads to one found before it, and the account that identifies was found first.
    for place in reversed(found.collections):
        beyond = _beyond(request, place) if right is Right.PORTABILITY else None
        if beyond is not None:
            stays.append(beyond)
        elif right in READ_RIGHTS:
            steps.append(_step(request, place, StepDeed.EXPORT, place.condition))
        elif right is Right.DELETION:
            gap = _cannot(request, place, StepDeed.DELETE)
            gaps += [gap] if gap else []
            for part in () if gap else _divide(request, place):
                (stays if isinstance(part, Stays) else steps).append(part)  # type: ignore[arg-type]
        elif right is Right.CORRECTION:
            gap = _cannot(request, place, StepDeed.CORRECT) if place.collection in copies else None
            gaps += [gap] if gap else []
            for part in () if gap else _correct(request, place, copies.get(place.collection, ())):
                (stays if isinstance(part, Stays) else steps).append(part)  # type: ignore[arg-type]
        else:
            raise BadInput(f"A plan cannot carry out the right '{right.value}'.", remedy="Answer it by hand.")
    places = [place for place in found.asked if right is not Right.CORRECTION or place.collection in copies]
    asked = [part for place in places for part in _ask(request, right, place, copies.get(place.collection, ()))]
    stays += [part for part in asked if isinstance(part, Stays)]
    # They are asked first: their answer takes longest.
    steps = [*(part for part in asked if isinstance(part, Step)), *steps]
    return Plan(
        id=plan_id,
        trigger=Trigger(kind=TriggerKind.REQUEST, ref=ref),
        version=version,
        made_at=now,
        cutoffs={},
        steps=_placed(plan_id, right, steps, found, pointers),
        stays=tuple(stays),
        gaps=tuple(gaps),
    )


def _placed(plan_id: str, right: Right, steps: Sequence[Step], found: Found, pointers: Links) -> tuple[Step, ...]:
    leads = {place.collection: place.leads_to for place in (*found.collections, *found.asked)}
    if right is not Right.DELETION:
        return number_steps(plan_id, steps, leads, NO_LINKS)
    return number_steps(plan_id, in_order(steps, leads, pointers), leads, pointers)


def _step(request: _Request, place: FoundCollection, deed: StepDeed, condition: Condition) -> Step:
    collection = request.datamap.collection(place.collection)
    held = (
        None if deed is StepDeed.EXPORT else hold_condition(request.holds, collection, request.clause, request.datamap)
    )
    words = {StepDeed.EXPORT: "Read", StepDeed.CORRECT: "Correct"}
    store = request.datamap.stores[place.store]
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
        loosens=loosened(request.datamap, store) if deed is StepDeed.DELETE else (),
        title=f"{words.get(deed, 'Delete')} the person's records of {place.collection}",
    )


def _correct(
    request: _Request, place: FoundCollection, fields: tuple[tuple[str, str | None], ...]
) -> Iterator[Step | Stays]:
    """What is put right in a collection; what a hold keeps stays as it is until it is released."""
    if not fields:
        return
    step = replace(_step(request, place, StepDeed.CORRECT, place.condition), corrections=fields)
    step = replace(step, condition=undone(step, place.condition))
    if step.held is not None:
        yield _held(request, place, AllOf(parts=(step.condition, step.held)))
    yield step


def _ask(
    request: _Request, right: Right, place: FoundCollection, fields: tuple[tuple[str, str | None], ...] = ()
) -> Iterator[Step | Stays]:
    """What people are asked to do in a place where they do the work; what a program would leave, they leave too."""
    beyond = _beyond(request, place) if right is Right.PORTABILITY else None
    if beyond is not None:
        yield beyond
    elif right is not Right.DELETION:
        step = replace(_step(request, place, StepDeed.ASK, place.condition), corrections=fields)
        yield _asked(step, _ASKED[right])
    else:
        collection = request.datamap.collection(place.collection)
        held = held_by_hand(request.holds, collection, request.clause, request.datamap, place.condition)
        for part in _divide(request, place):
            if isinstance(part, Step) and not held:
                yield _asked(part, AskedFor.DELETE)
            elif isinstance(part, Stays) and (held or part.basis != "hold"):
                yield part


def held_by_hand(
    holds: Sequence[Hold], collection: CollectionSettings, clause: str, datamap: DataMap, person: Condition
) -> bool:
    """Could a hold keep some of a person's records where no program can look? Then nobody is asked to delete any."""
    each = (hold_condition((hold,), collection, clause, datamap) for hold in holds)
    return any(one is not None and may_meet(person, one) for one in each)


def _asked(step: Step, what: AskedFor) -> Step:
    title = f"Ask {step.store}: {_ASK_WORDS[what]} {step.collection}"
    return replace(step, deed=StepDeed.ASK, asked=what, held=None, title=title)


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
        yield _held(request, place, AllOf(parts=(goes, step.held)))
    yield step


def _held(request: _Request, place: FoundCollection, condition: Condition) -> Stays:
    return _stays(place, request.clause, "hold", "until the hold is released", "a legal hold", condition)


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


def _cannot(request: _Request, place: FoundCollection, deed: StepDeed) -> Gap | None:
    store = request.datamap.stores[place.store]
    if NEEDED[deed] <= store.capabilities:
        return None
    return Gap(
        what=f"{place.collection} in {place.store}",
        why=f"No program can {deed.value} in a store of kind {store.kind}.",
        remedy=f"{deed.value.capitalize()} the records by hand and note it on the ticket.",
    )
