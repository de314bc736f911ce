"""What the fields say now that a plan of correction would change, and which fields a person may name at all: asked, never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as field_of
from itertools import islice
from time import monotonic
from typing import Final
from weakref import WeakKeyDictionary

from core.errors import KeptError
from core.settings import CollectionSettings
from plans.build_correction import fixed_by, named_fields
from plans.plan import Plan, Step, StepDeed
from stores.conditions import AllOf, Differs, OneOf
from stores.contract import Asks, Capability, Shape, Store
from stores.datamap import DataMap

MOST_VALUES: Final = 5  # different values of one field that are shown one by one
NO_PROGRAM: Final = "is in a store that no program can correct"
_FRESH_SECONDS: Final = 300.0
_SHAPES: Final[WeakKeyDictionary[DataMap, dict[str, tuple[float, Shape | None]]]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one field says in some records, and what it will say. `before` None: nothing, or one of many values, as `many`
    says. `rows` None: the store did not say."""

    collection: str
    store: str
    field: str
    before: str | None = field_of(repr=False)
    after: str | None = field_of(repr=False)
    rows: int | None
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class Correctable:
    """A field that the map names. `key`: its Fideslang key, or ''; `kind`: of identifier, or ''. `fixed`: why no correction
    can change it, '' where one can; `may_be_empty`: whether it may say nothing, as far as its store says."""

    collection: str
    store: str
    field: str
    key: str
    kind: str
    fixed: str = ""
    may_be_empty: bool = True

    @property
    def name(self) -> str:
        return f"{self.collection}.{self.field}"


def correctable_fields(datamap: DataMap) -> tuple[Correctable, ...]:
    """Every field that a correction can change: no key, no reference, no time; those that identify a person first."""
    return tuple(one for one in known_fields(datamap) if not one.fixed)


def known_fields(datamap: DataMap) -> tuple[Correctable, ...]:
    """Every field that the map names, and of each whether a correction can change it. What the fields of a store are is
    asked at most every few minutes; whose records are in it, never."""
    found = [
        _known(one, name, datamap, shape_of(datamap, one)) for one in datamap.collections for name in named_fields(one)
    ]
    referred = {reference.to for one in datamap.collections for reference in one.person}
    return tuple(sorted(found, key=lambda one: (one.collection not in referred, not one.kind)))


def _known(one: CollectionSettings, name: str, datamap: DataMap, shape: Shape | None) -> Correctable:
    store = datamap.stores.get(one.store)
    fixed = fixed_by(one, name, datamap, shape)
    if not fixed and store is not None and Capability.CORRECT not in store.capabilities and not isinstance(store, Asks):
        fixed = NO_PROGRAM
    field = next((field for field in shape.fields if field.name == name), None) if shape else None
    return Correctable(
        collection=one.id,
        store=one.store,
        field=name,
        key=(one.fields[name].fideslang or "") if name in one.fields else "",
        kind=next((kind for kind, field in one.identifies.items() if field == name), ""),
        fixed=fixed,
        may_be_empty=field is None or field.nullable,
    )


def shape_of(datamap: DataMap, collection: CollectionSettings) -> Shape | None:
    """What a collection is made of, as it was told lately; None where its store cannot say."""
    known = _SHAPES.setdefault(datamap, {})
    asked_at, shape = known.get(collection.id, (-_FRESH_SECONDS, None))
    if monotonic() - asked_at >= _FRESH_SECONDS:
        store = datamap.stores.get(collection.store)
        try:
            shape = store.shape(collection.at) if store is not None else None
        except KeptError:
            shape = None
        known[collection.id] = (monotonic(), shape)
    return shape


def read_changes(plan: Plan, datamap: DataMap) -> tuple[Change, ...]:
    """Before and after, by collection and field, in the order of the plan. A store that does not answer is left to the
    preview, which names it."""
    changes: list[Change] = []
    for step in plan.steps:
        if step.deed is StepDeed.ASK:
            changes += [_unknown(step, name, value, datamap) for name, value in step.corrections]
        elif step.deed is StepDeed.CORRECT:
            try:
                changes += _changes_of(step, datamap.stores[step.store])
            except KeptError:
                continue
    return tuple(changes)


def _changes_of(step: Step, store: Store) -> Iterator[Change]:
    for name, value in step.corrections:
        wrong = AllOf(parts=(step.where, Differs(field=name, value=value)))
        left = store.measure(step.at, wrong).rows
        before = list(islice(store.values(step.at, name, wrong), MOST_VALUES + 1))
        for one in before[:MOST_VALUES]:
            rows = store.measure(step.at, AllOf(parts=(wrong, OneOf(field=name, values=(one,))))).rows
            left -= rows
            yield _change(step, name, value, before=one, rows=rows)
        if left > 0:
            yield _change(step, name, value, before=None, rows=left, many=len(before) > MOST_VALUES)


def _change(step: Step, name: str, value: str | None, *, before: str | None, rows: int, many: bool = False) -> Change:
    return Change(
        collection=step.collection,
        store=step.store,
        field=name,
        before=before,
        after=value,
        rows=rows,
        many=many,
    )


def _unknown(step: Step, name: str, value: str | None, datamap: DataMap) -> Change:
    store = datamap.collection(step.collection).store
    return Change(collection=step.collection, store=store, field=name, before=None, after=value, rows=None, many=True)
