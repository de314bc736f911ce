"""The preview: what the stores say a plan would touch, asked and never changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from core.canonical import digest
from core.clock import iso_utc, parse_iso
from core.errors import KeptError
from plans.lanes import Ask, ask_all
from plans.plan import Plan, Stays, Step, StepDeed, TriggerKind
from plans.staying import Pins, foresee
from stores.conditions import AllOf
from stores.contract import Capability, Extent, Store, TimeCensus


@dataclass(frozen=True, kw_only=True)
class StepPreview:
    """What one step would touch. `extent` None and `blocked` words: the store could not say. `held`: matching records that
    a hold keeps. `total`: all records of the collection. `census`: of its own time field, where it has one. `blockers`:
    why some of the records that match will not go, or only down to their key, each in a sentence. For a request `total` only
    says whether the collection holds anything."""

    step: str
    collection: str
    extent: Extent | None
    total: int = 0
    held: int = 0
    blocked: str | None = None
    census: TimeCensus | None = None
    blockers: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return self.extent.rows if self.extent else 0

    @property
    def share(self) -> float:
        """The part of the collection that would go, 0 to 1."""
        return self.rows / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class StaysPreview:
    """How many records stay for one reason; `rows` None where that was not asked or the store could not say. `newest`: the
    time of the latest of them, from which its period counts."""

    collection: str
    clause: str
    basis: str
    until: str
    reason: str
    rows: int | None
    newest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the stores said at one moment. Approval is of the plan and of this."""

    plan: str
    at: datetime
    rows: tuple[StepPreview, ...]
    stays: tuple[StaysPreview, ...] = ()

    @property
    def digest(self) -> str:
        return digest(preview_json(self))

    @property
    def total(self) -> int:
        """Records that would be touched."""
        return sum(row.rows for row in self.rows)

    @property
    def blocked(self) -> tuple[str, ...]:
        return tuple(row.blocked for row in self.rows if row.blocked)

    def of(self, step_id: str) -> StepPreview:
        return next(row for row in self.rows if row.step == step_id)


def look(
    plan: Plan,
    stores: Mapping[str, Store],
    now: datetime,
    pins: Callable[[Step], Pins] = lambda _: (),
    *,
    patience: float | None = None,
) -> Preview:
    """Ask the stores, all at once, about every step and about everything that stays. `pins`: what keeps its pointer under a
    hold; `patience`: as `lanes.ask_all` takes it, what is late blocks its own step."""
    asks: list[Ask[StepPreview | StaysPreview]] = [
        Ask(store=step.store, call=partial(_look_at, plan, step, stores[step.store], pins(step))) for step in plan.steps
    ]
    asks += [Ask(store=stay.store, call=partial(_count, stay, stores.get(stay.store))) for stay in plan.stays]
    told = ask_all(asks, patience=patience)
    rows, stays = told[: len(plan.steps)], told[len(plan.steps) :]
    return Preview(
        plan=plan.id,
        at=now,
        rows=tuple(
            one if isinstance(one, StepPreview) else _blocked(step, one)
            for step, one in zip(plan.steps, rows, strict=True)
        ),
        stays=tuple(
            one if isinstance(one, StaysPreview) else _stays(stay, None)
            for stay, one in zip(plan.stays, stays, strict=True)
        ),
    )


def _blocked(step: Step, why: object) -> StepPreview:
    return StepPreview(step=step.id, collection=step.collection, extent=None, blocked=str(why))


def _look_at(plan: Plan, step: Step, store: Store, pins: Pins) -> StepPreview:
    if step.deed is StepDeed.ASK:  # whoever is asked will look
        return StepPreview(step=step.id, collection=step.collection, extent=None)
    try:
        extent = store.measure(step.at, step.where, time=step.time)
        total, census = _count_all(plan, step, store, extent)
        held = 0
        if step.held is not None:
            held = store.measure(step.at, AllOf(parts=(step.condition, step.held))).rows
        blockers = foresee(store, step, pins, plan.steps[: plan.steps.index(step)])
    except KeptError as error:
        return _blocked(step, error)
    blocked = _say_unread(step, store) if extent.unread else None
    return StepPreview(
        step=step.id,
        collection=step.collection,
        extent=extent,
        total=total,
        held=held,
        census=census,
        blocked=blocked,
        blockers=blockers,
    )


def _count_all(plan: Plan, step: Step, store: Store, extent: Extent) -> tuple[int, TimeCensus | None]:
    """All records of a collection, for a sweep; a request only asks whether there is any, since it takes no share of it."""
    if Capability.BY_TIME not in store.capabilities:  # it only tells of the person who is asked for
        return extent.rows, None
    if plan.trigger.kind is TriggerKind.REQUEST:
        return extent.rows or (1 if store.sample(step.at, AllOf(parts=()), limit=1) else 0), None
    census = store.census(step.at, step.time) if step.time else None
    return (census.rows if census else store.measure(step.at, AllOf(parts=())).rows), census


def _say_unread(step: Step, store: Store) -> str:
    """Nobody knows what stands in a file that cannot be read: the count leaves it out, and says so."""
    return f"Not all of {step.collection} can be read: {'; '.join(store.left_for_later(step.at))}."


def _count(stay: Stays, store: Store | None) -> StaysPreview:
    extent = None
    if stay.condition is not None and store is not None:
        try:
            extent = store.measure(stay.at, stay.condition, time=stay.time)
        except KeptError:
            extent = None  # the step over the same store says what is wrong with it
    return _stays(stay, extent)


def _stays(stay: Stays, extent: Extent | None) -> StaysPreview:
    return StaysPreview(
        collection=stay.collection,
        clause=stay.clause,
        basis=stay.basis,
        until=stay.until,
        reason=stay.reason,
        rows=extent.rows if extent else None,
        newest=extent.newest if extent else None,
    )


def preview_json(preview: Preview) -> dict[str, Any]:
    """The preview as JSON; it holds counts and times, no values of records."""
    return {
        "plan": preview.plan,
        "at": iso_utc(preview.at),
        "rows": [
            {
                **vars(row),
                "extent": _extent_json(row.extent),
                "census": vars(row.census) if row.census else None,
                "blockers": list(row.blockers),
            }
            for row in preview.rows
        ],
        "stays": [_stays_json(stay) for stay in preview.stays],
    }


def read_preview(data: Mapping[str, Any]) -> Preview:
    """The preview that `preview_json` wrote."""
    return Preview(
        plan=data["plan"],
        at=parse_iso(data["at"]),
        rows=tuple(
            StepPreview(
                **{
                    **row,
                    "extent": _read_extent(row["extent"]),
                    "census": TimeCensus(**row["census"]) if row["census"] else None,
                    "blockers": tuple(row.get("blockers", ())),
                }
            )
            for row in data["rows"]
        ),
        stays=tuple(_read_stays(row) for row in data["stays"]),
    )


def _stays_json(stay: StaysPreview) -> dict[str, Any]:
    """Without a time as it was written before there were any: an approval is of the digest of this."""
    plain = {name: value for name, value in vars(stay).items() if name != "newest"}
    return {**plain, "newest": iso_utc(stay.newest)} if stay.newest else plain


def _read_stays(row: Mapping[str, Any]) -> StaysPreview:
    newest = parse_iso(row["newest"]) if row.get("newest") else None
    return StaysPreview(**{**row, "newest": newest})


def _extent_json(extent: Extent | None) -> dict[str, Any] | None:
    if extent is None:
        return None
    ends = {name: iso_utc(at) if at else None for name, at in (("oldest", extent.oldest), ("newest", extent.newest))}
    return {**vars(extent), **ends}


def _read_extent(data: Mapping[str, Any] | None) -> Extent | None:
    if data is None:
        return None
    ends = {name: parse_iso(data[name]) if data[name] else None for name in ("oldest", "newest")}
    return Extent(**{**data, **ends})
