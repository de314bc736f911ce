"""Which records of a collection are over their time by a clause, as far as the map lets it be asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.settings import CollectionSettings, TimeField
from policies.cutoffs import Bound, Cutoff
from stores.conditions import AllOf, AnyOf, Before, Condition
from stores.datamap import DataMap, EventPath, to_condition

NO_TIME = "The map names no time of its records."


@dataclass(frozen=True, kw_only=True)
class Range:
    """One bound over one collection; `path` leads to the event it counts from, None where it counts no event."""

    bound: Bound
    path: EventPath | None


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Records over their time: `condition`; `until`, the cutoff for people; `time`, the field that orders the work."""

    condition: Condition
    until: datetime
    time: TimeField | None
    ranges: tuple[Range, ...]

    @property
    def borrows(self) -> tuple[str, ...]:
        """The collections whose events it looks at."""
        return tuple(dict.fromkeys(hop.to for part in self.ranges if part.path for hop in part.path.hops))


def expiry_of(datamap: DataMap, collection: CollectionSettings, cutoff: Cutoff) -> Expiry | str:
    """What is over its time, record by record; else why that cannot be told."""
    # Without a time of its own the shortest promise binds.
    usable = cutoff.bounds if collection.time is not None else cutoff.without_record_time()
    if cutoff.bounds and not usable:
        return NO_TIME
    ranges = _ranges(datamap, collection, usable)
    if isinstance(ranges, str):
        return ranges
    return Expiry(
        condition=_expired(collection.time, ranges),
        until=_latest(ranges, cutoff.now),
        time=collection.time,
        ranges=tuple(ranges),
    )


def whole_expiry_of(datamap: DataMap, collection: CollectionSettings, cutoff: Cutoff) -> Expiry | str:
    """What is over its time as everything before one instant, which is how whole periods become totals; else why not.

    Where versions of a clause differ in how long they count from an event, the shortest promise binds all records."""
    own = [bound for bound in cutoff.bounds if bound.event is None]
    counted = cutoff.without_record_time()
    if len(own) + len(counted) != 1 or (own and counted):
        return "Its records are counted from several moments, and totals are made by periods of one."
    if own and collection.time is None:
        return NO_TIME
    ranges = _ranges(datamap, collection, own or counted)
    if isinstance(ranges, str):
        return ranges
    (only,) = ranges
    if only.path is not None and only.path.hops:
        return f"The event {only.bound.event} stands in {only.path.holder}, and totals are made by periods of a record's own."
    time = only.path.field if only.path is not None else collection.time
    return Expiry(
        condition=_expired(collection.time, ranges), until=_latest(ranges, cutoff.now), time=time, ranges=(only,)
    )


def _ranges(datamap: DataMap, collection: CollectionSettings, bounds: Sequence[Bound]) -> list[Range] | str:
    ranges, why = [], ""
    for bound in bounds:
        path = datamap.event_path(collection, bound.event) if bound.event else None
        if isinstance(path, str):
            why = path
        else:
            ranges.append(Range(bound=bound, path=path))
    return why or ranges


def _expired(time: TimeField | None, ranges: Sequence[Range]) -> Condition:
    """In one of the ranges, each by the record's own time, an event, or both."""
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


def _latest(ranges: Sequence[Range], now: datetime) -> datetime:
    ends = [end for part in ranges if (end := part.bound.event_before or part.bound.record_before)]
    return max(ends, default=now)
