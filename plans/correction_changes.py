"""What the fields say now that a plan of correction would change, and which fields a person may name at all: asked, never changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as field_of
from itertools import islice
from typing import Final

from core.errors import KeptError
from plans.build_correction import fixed_by, named_fields
from plans.plan import Plan, Step, StepDeed
from stores.conditions import AllOf, Differs, OneOf
from stores.contract import Store
from stores.datamap import DataMap

MOST_VALUES: Final = 5  # different values of one field that are shown one by one


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
    """A field of the map that can be put right, as far as the map says. `key`: its Fideslang key, or '';
    `kind`: of identifier, or ''."""

    collection: str
    store: str
    field: str
    key: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.collection}.{self.field}"


def correctable_fields(datamap: DataMap) -> tuple[Correctable, ...]:
    """Every field that the map names and that is no key, no reference and no time; those that identify a person first.
    Asks no store."""
    found = [
        Correctable(
            collection=one.id,
            store=one.store,
            field=name,
            key=(one.fields[name].fideslang or "") if name in one.fields else "",
            kind=next((kind for kind, field in one.identifies.items() if field == name), ""),
        )
        for one in datamap.collections
        for name in named_fields(one)
        if not fixed_by(one, name, datamap, None)
    ]
    referred = {reference.to for one in datamap.collections for reference in one.person}
    return tuple(sorted(found, key=lambda one: (one.collection not in referred, not one.kind)))


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
