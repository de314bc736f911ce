"""What erased people leave to be recognised by: identifiers of what goes, where they would turn up again, and the plan that
erases what came back. Nothing that is newer than the erasure is ever in such a plan."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from datetime import datetime
from itertools import islice
from typing import Any, Final

from core.errors import KeptError
from core.settings import CollectionSettings
from plans.build_request import build_request
from plans.engine import PATIENCE_SECONDS, Plans
from plans.finding import find
from plans.identifying import can_look, is_account
from plans.order import find_pointers
from plans.people import MOST_VALUES, Found, FoundCollection, any_of, forms_of
from plans.plan import Gap, Plan, Step, StepDeed
from plans.preview import Preview
from plans.questions import NO_RULINGS, Rulings
from policies.clauses import Clause, Right
from stores.conditions import AllOf, Before, Condition, OneOf
from stores.contract import Capability
from stores.datamap import DataMap, Hop

_GOES: Final = frozenset({StepDeed.DELETE, StepDeed.REDACT, StepDeed.ANONYMISE})
_EVERYTHING: Final = AllOf(parts=())
Known = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One field in which an erased identifier of a kind would turn up. `names`: it names the person's own account there."""

    collection: str
    store: str
    at: str
    field: str
    kind: str
    names: bool

    @property
    def key(self) -> str:
        return f"{self.collection}.{self.field}"


@dataclass(frozen=True, kw_only=True)
class Blind:
    """A field that cannot be looked through for erased people, and why."""

    key: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Records that hold one identifier in one field: how many, and how many of them are older than the erasure; None where
    the map names no time of theirs."""

    rows: int
    older: int | None


@dataclass(frozen=True, kw_only=True)
class Again:
    """What erases one person again: the plan over what is there, as it was seen. `newer`: records of theirs that are newer
    than the erasure, which no plan takes; `timeless`: records in the plan that tell no time."""

    plan: Plan
    preview: Preview
    newer: int
    timeless: int


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One value that was read: the `place` that reading goes on after."""

    place: str
    value: str = field_of(repr=False)


def find_accounts(datamap: DataMap) -> frozenset[str]:
    """The collections of which one record is one person's account."""
    kinds = {kind for collection in datamap.collections for kind in collection.identifies}
    routes = datamap.person_routes(kinds)
    return frozenset(one.collection for one in routes if can_look(datamap, one) and is_account(datamap, one))


def identifiers_going(datamap: DataMap, plan: Plan) -> dict[str, set[str]]:
    """The identifiers of accounts that a plan deletes, by kind: those under `identifies`, and those that others refer to.

    Of other records none is taken: what they name may be somebody else."""
    found: dict[str, set[str]] = {}
    accounts = find_accounts(datamap)
    for step in plan.steps:
        if step.deed is not StepDeed.DELETE or step.collection not in accounts:
            continue
        store = datamap.stores[step.store]
        for field, kind in _account_fields(datamap, step.collection).items():
            found.setdefault(kind, set()).update(islice(store.values(step.at, field, step.where), MOST_VALUES))
    return {kind: values for kind, values in found.items() if values}


def kept_places(plan: Plan) -> tuple[tuple[str, str], ...]:
    """(collection, clause) of what a deletion leaves on purpose, holds aside: those end."""
    kept = ((one.collection, one.clause) for one in plan.stays if one.basis != "hold")
    return tuple(dict.fromkeys(kept))


def watch(datamap: DataMap, *, store: str = "") -> tuple[list[Watched], list[Blind]]:
    """Every field that would show an erased person, accounts first, and those that cannot be looked through."""
    watched, blind = list[Watched](), list[Blind]()
    for one in _fields(datamap):
        if store and one.store != store:
            continue
        able = datamap.stores[one.store].capabilities
        if {Capability.READ, Capability.MEASURE, Capability.BY_TIME} <= able:
            watched.append(one)
        else:
            kind = datamap.stores[one.store].kind
            blind.append(Blind(key=one.key, why=f"A store of kind {kind} cannot be read through; erase there by hand."))
    return sorted(watched, key=lambda one: not one.names), blind


def read_identities(datamap: DataMap, watched: Watched, after: str | None) -> Generator[Identity, None, None]:
    """The values of a field, record by record, from after a place on, where the store knows places; memory stays flat."""
    store = datamap.stores[watched.store]
    if Capability.STREAM not in store.capabilities:
        for plain in store.records(watched.at, _EVERYTHING):
            yield Identity(place="", value=_text(plain.get(watched.field)))
        return
    for record in store.stream(watched.at, (watched.field,), _EVERYTHING, after):
        yield Identity(place=record.place, value=_text(record.values[watched.field]))


def count_identities(datamap: DataMap, watched: Watched) -> int:
    """How many records a field would be read of."""
    return datamap.stores[watched.store].measure(watched.at, _EVERYTHING).rows


def see(datamap: DataMap, watched: Watched, value: str, before: datetime) -> Sight:
    """How many records of a field hold a value, and how many of them were there before."""
    store, time = datamap.stores[watched.store], datamap.collection(watched.collection).time
    named = OneOf(field=watched.field, values=tuple(forms_of(watched.kind, value)))
    rows = store.measure(watched.at, named).rows
    if time is None:
        return Sight(rows=rows, older=None)
    old = AllOf(parts=(named, Before(field=time, instant=before)))
    return Sight(rows=rows, older=store.measure(watched.at, old).rows)


def draft_again(
    plans: Plans,
    *,
    ref: str,
    version: int,
    clauses: Sequence[Clause],
    follow: Known,
    named: Known,
    before: datetime,
    now: datetime,
    leave: Collection[str] = (),
    rulings: Rulings = NO_RULINGS,
) -> Again:
    """The plan that erases again what is there of a person and older than `before`: as the request's own was built, without
    what people would be asked to do, and without the collections of `leave`, which were refused. `follow`: what leads to this
    person alone, by which accounts are found; `named`: that, and what a newer account has too: of it only records that hold
    it themselves are taken. Not stored; its steps are those that have something to do, or could not say."""
    datamap = plans.datamap
    found = _find_again(datamap, follow, named, rulings)
    plan = build_request(
        ref=ref,
        version=version,
        clauses=clauses,
        right=Right.DELETION,
        found=found,
        datamap=datamap,
        holds=plans.holds.list(),
        now=now,
        rulings=rulings,
        pointers=find_pointers(datamap, found),
    )
    whole = [step for step in plan.steps if step.deed in _GOES and step.collection not in leave]
    able = [step for step in whole if Capability.BY_TIME in datamap.stores[step.store].capabilities]
    gaps = tuple(_gap(step) for step in whole if step not in able)
    bound = replace(plan, steps=tuple(_older(step, before) for step in able), gaps=(*plan.gaps, *gaps))
    seen = plans.look(bound, rulings=rulings)
    newer = sum(_measure(datamap, step) for step in able if step.time) - sum(
        seen.of(step.id).rows for step in able if step.time
    )
    rows = tuple(row for row in seen.rows if row.rows or row.extent is None)
    stay = {row.step for row in rows}
    steps = tuple(
        replace(step, after=tuple(one for one in step.after if one in stay)) for step in bound.steps if step.id in stay
    )
    timeless = sum(seen.of(step.id).rows for step in steps if step.time is None)
    return Again(
        plan=replace(bound, steps=steps), preview=replace(seen, rows=rows), newer=max(0, newer), timeless=timeless
    )


def total_rows(datamap: DataMap, collection_id: str) -> int:
    """All records of a collection."""
    collection = datamap.collection(collection_id)
    return datamap.stores[collection.store].measure(collection.at, _EVERYTHING).rows


def _find_again(datamap: DataMap, follow: Known, named: Known, rulings: Rulings) -> Found:
    """Where the person is, through accounts and, where those are gone, straight by what leads to them."""
    start = _start(datamap, follow)
    found = Found(identifiers={}, collections=())
    if start:
        found = find(datamap, start, rulings=rulings, count=False, patience=PATIENCE_SECONDS)
    places = {place.collection: place for place in found.collections}
    accounts = find_accounts(datamap)
    for collection in datamap.collections:
        direct = _straight(datamap, collection, named, accounts)
        if direct is None:
            continue
        there = places.get(collection.id)
        place = there or FoundCollection(
            collection=collection.id, store=collection.store, at=collection.at, condition=direct, rows=None
        )
        both = any_of([there.condition, direct]) if there else direct
        places[collection.id] = replace(place, condition=both or direct)
    return replace(found, collections=tuple(places.values()), asked=())


def _start(datamap: DataMap, known: Known) -> dict[str, Sequence[str]]:
    kinds = {kind for collection in datamap.collections for kind in collection.identifies}
    start: dict[str, set[str]] = {kind: set(values) for kind, values in known.items() if kind in kinds}
    for collection in datamap.collections:
        for kind in set(known) - kinds:
            name, _, field = kind.rpartition(".")
            if name != collection.id or not can_read(datamap, collection):
                continue
            where = OneOf(field=field, values=tuple(known[kind]))
            for own_kind, own in collection.identifies.items():
                values = datamap.stores[collection.store].values(collection.at, own, where)
                start.setdefault(own_kind, set()).update(islice(values, MOST_VALUES))
    return {kind: sorted(values) for kind, values in start.items() if values}


def _straight(
    datamap: DataMap, collection: CollectionSettings, known: Known, accounts: frozenset[str]
) -> Condition | None:
    """What leads to the person by a field of the collection alone: only where no other field could lead to somebody else."""
    hops = [hop for hop in datamap.hops_of(collection.id) if hop.to != collection.id]
    fields = {hop.field for hop in hops} | set(collection.identifies.values())
    if len(fields) != 1 or not can_read(datamap, collection):
        return None
    parts: list[Condition] = [
        OneOf(field=field, values=_forms(kind, known[kind]))
        for kind, field in collection.identifies.items()
        if known.get(kind)
    ]
    for hop in hops:
        values = known.get(kind_of(datamap, hop), ()) if hop.to in accounts else ()
        if values:
            parts.append(OneOf(field=hop.field, values=_forms(kind_of(datamap, hop), values)))
    return any_of(parts)


def _forms(kind: str, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({form for value in values for form in forms_of(kind, value)}))


def can_read(datamap: DataMap, collection: CollectionSettings) -> bool:
    """Can a program read and count there?"""
    return {Capability.READ, Capability.MEASURE} <= datamap.stores[collection.store].capabilities


def kind_of(datamap: DataMap, hop: Hop) -> str:
    """What the register calls the values that a reference leads by."""
    return _account_fields(datamap, hop.to).get(hop.to_field, f"{hop.to}.{hop.to_field}")


def _fields(datamap: DataMap) -> Iterator[Watched]:
    accounts = find_accounts(datamap)
    for one in datamap.collections:
        own = {field: kind for kind, field in one.identifies.items()}
        names = one.id in accounts
        told = dict(own) | (_account_fields(datamap, one.id) if names else {})
        for hop in datamap.hops_of(one.id):
            if hop.to != one.id and hop.to in accounts:
                told.setdefault(hop.field, kind_of(datamap, hop))
        for field, kind in told.items():
            yield Watched(collection=one.id, store=one.store, at=one.at, field=field, kind=kind, names=names)


def _account_fields(datamap: DataMap, collection_id: str) -> dict[str, str]:
    """Field → kind of what names an account."""
    kinds = {field: kind for kind, field in datamap.collection(collection_id).identifies.items()}
    for other in datamap.collections:
        for reference in other.person:
            if reference.to == collection_id and other.id != collection_id:
                kinds.setdefault(reference.to_field, f"{collection_id}.{reference.to_field}")
    return kinds


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _older(step: Step, before: datetime) -> Step:
    if step.time is None:
        return step
    return replace(step, condition=AllOf(parts=(step.condition, Before(field=step.time, instant=before))))


def _measure(datamap: DataMap, step: Step) -> int:
    try:
        return datamap.stores[step.store].measure(step.at, step.where).rows
    except KeptError:
        return 0  # its look says what is wrong


def _gap(step: Step) -> Gap:
    return Gap(
        what=f"{step.collection} in {step.store}",
        why="What is older than the erasure cannot be told apart there.",
        remedy="Look there by hand.",
    )
