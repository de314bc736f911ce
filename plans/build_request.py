"""Building the plan of a person's request from values alone: what goes or is read out, what stays and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import BadInput
from core.ids import new_id
from core.settings import CollectionSettings
from plans.asked_values import may_meet
from plans.build_correction import Correction, Spared, find_copies, spared_condition
from plans.build_shared import Divided, divide_shared
from plans.deeds import NEEDED, loosened, undone
from plans.holds import Hold, hold_condition
from plans.order import NO_LINKS, Links, in_order, number_steps
from plans.people import Found, FoundCollection
from plans.plan import AskedFor, Gap, Plan, Stays, Step, StepDeed, Trigger, TriggerKind
from plans.portability import why_not_portable
from plans.questions import NO_RULINGS, Question, Rulings
from policies.clauses import Clause, RetentionClause, RetentionException, Right, RightClause
from stores.conditions import AllOf, Before, Condition, Not
from stores.datamap import DataMap

Part = Step | Stays | Gap | Question
READ_RIGHTS = frozenset({Right.ACCESS, Right.PORTABILITY})
SPARED = "spared"  # the basis of what an operator leaves as it is
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
    spared: Sequence[Spared] = (),
    pointers: Links = NO_LINKS,
    rulings: Rulings = NO_RULINGS,
    plan_id: str | None = None,
) -> Plan:
    """The plan that answers a request. `ref`: the ticket; `clauses`: those of the version that the ticket is pinned to;
    `found`: where the person's records are, from `people.find` with proven identifiers only; `corrections`: for the right
    to correction, what is right; `spared`: which records stay as they are all the same; `pointers`: declared
    keys between the collections, from `order.find_pointers`; `rulings`: what was decided of shared records."""
    if corrections and right is not Right.CORRECTION:
        raise BadInput(f"The right '{right.value}' corrects nothing.", remedy="Open a request for correction.")
    clause = next((one.id for one in clauses if isinstance(one, RightClause) and one.right is right), right.value)
    request = _Request(clause=clause, clauses=tuple(clauses), datamap=datamap, holds=holds, now=now)
    copies, unsure = find_copies(corrections, found, datamap) if right is Right.CORRECTION else ({}, ())
    plan_id = plan_id or new_id("plan")
    parts: list[Part] = []
    # Deepest first: every collection leads to one found before it, and the account that identifies was found first.
    for place in reversed(found.collections):
        if right is Right.CORRECTION:
            wanted = copies.get(place.collection, ()) if place.rows != 0 else ()
            parts += _put_right(request, place, wanted, spared_condition(spared, place.collection))
        else:
            parts += _carry_out(request, right, place, rulings)
    places = [place for place in found.asked if right is not Right.CORRECTION or place.collection in copies]
    # They are asked first: their answer takes longest.
    asked = [part for place in places for part in _ask(request, right, place, copies.get(place.collection, ()))]
    steps = [part for part in (*asked, *parts) if isinstance(part, Step)]
    return Plan(
        id=plan_id,
        trigger=Trigger(kind=TriggerKind.REQUEST, ref=ref),
        version=version,
        made_at=now,
        cutoffs={},
        steps=_placed(plan_id, right, steps, found, pointers),
        stays=tuple(part for part in (*parts, *asked) if isinstance(part, Stays)),
        gaps=(*found.gaps, *unsure, *(part for part in parts if isinstance(part, Gap))),
        questions=(*found.questions, *(part for part in parts if isinstance(part, Question))),
    )


def _carry_out(request: _Request, right: Right, place: FoundCollection, rulings: Rulings) -> Iterator[Part]:
    """What is read out of one collection, or goes from it; of what is other people's too, as somebody decided."""
    if right not in READ_RIGHTS and right is not Right.DELETION:
        raise BadInput(f"A plan cannot carry out the right '{right.value}'.", remedy="Answer it by hand.")
    beyond = _beyond(request, place) if right is Right.PORTABILITY else None
    if beyond is not None:
        yield beyond
        return
    store = request.datamap.stores[place.store]
    texts = _texts(request.datamap.collection(place.collection))
    divided = divide_shared(place, store, rulings, clause=request.clause, is_copy=right in READ_RIGHTS, texts=texts)
    yield from (one for one in (divided.stays, divided.question) if one is not None)
    if right in READ_RIGHTS:
        yield _step(request, place, StepDeed.EXPORT, divided.own.condition)
        return
    gap = _cannot(request, place, StepDeed.DELETE)
    if gap is not None:
        yield gap
        return
    yield from _taken_out(request, place, divided)
    yield from _divide(request, divided.own)


def _put_right(
    request: _Request, place: FoundCollection, fields: tuple[tuple[str, str | None], ...], spared: Condition | None
) -> Iterator[Part]:
    gap = _cannot(request, place, StepDeed.CORRECT) if fields else None
    if gap is not None:
        yield gap
        yield _by_hand(place, request.clause)
        return
    yield from _correct(request, place, fields, spared)


def _taken_out(request: _Request, place: FoundCollection, divided: Divided) -> Iterator[Step]:
    """Records of others too, that lose what leads to the person."""
    for field, condition in divided.redact:
        step = _step(request, place, StepDeed.ANONYMISE, condition)
        title = f"Take the person out of shared records of {place.collection} ({field})"
        yield replace(step, condition=condition, fields=(field,), title=title)


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
    request: _Request, place: FoundCollection, fields: tuple[tuple[str, str | None], ...], spared: Condition | None
) -> Iterator[Step | Stays]:
    """What is put right in a collection; what a hold keeps stays as it is until it is released, and so does what an
    operator spares."""
    if not fields:
        return
    person = place.condition if spared is None else AllOf(parts=(place.condition, Not(part=spared)))
    step = replace(_step(request, place, StepDeed.CORRECT, person), corrections=fields)
    step = replace(step, condition=undone(step, person))
    if spared is not None:
        stays = AllOf(parts=(place.condition, spared))
        yield _stays(place, request.clause, SPARED, "", "an operator leaves it as it is", stays)
    if step.held is not None:
        yield _held(request, place, AllOf(parts=(step.condition, step.held)))
    yield step


def _by_hand(place: FoundCollection, clause: str) -> Stays:
    """What no program can put right: it is there, so nobody may be told that nothing was found."""
    return _stays(place, clause, "by_hand", "", "no program can put it right", place.condition)


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


def _texts(collection: CollectionSettings) -> tuple[str, ...]:
    """The fields in which people write freely, as the map says."""
    return tuple(name for name, one in collection.fields.items() if (one.fideslang or "").startswith("user.content"))


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
        stay = _stays(place, kept.clause, kept.exception.basis.value, until, reason, stays)
        yield replace(stay, time=collection.time if period else None)
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
