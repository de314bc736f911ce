"""When a record's time is up: the bounds that every version of a clause sets, those no longer in force included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.clock import require_utc
from core.errors import NotFound
from policies.clauses import RetentionClause
from policies.documents import Document


@dataclass(frozen=True, kw_only=True)
class VersionInForce:
    """A version and since when it is, or was, in force. The first one holds for everything before it too."""

    number: int
    in_force_at: datetime
    document: Document


# All versions that ever came into force, oldest first.
ClauseHistory = tuple[VersionInForce, ...]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Records are over their time where every condition that is not None holds; `version` is whose promise it is.

    `record_before`: the record's own time is before it. `event_before`: its `event` happened before it.
    """

    record_before: datetime | None
    event_before: datetime | None
    version: int
    event: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cutoff:
    """What is over its time by a clause at `now`: the union of its bounds. No bound: nothing is."""

    clause_id: str
    now: datetime
    bounds: tuple[Bound, ...]

    def without_record_time(self) -> tuple[Bound, ...]:
        """The bounds for a collection without a time of its own: the shortest promise since the first binds, per event."""
        latest: dict[str, Bound] = {}
        for bound in self.bounds:
            if bound.event is None or bound.event_before is None:
                continue
            best = latest.get(bound.event)
            if best is None or best.event_before is None or bound.event_before > best.event_before:
                latest[bound.event] = Bound(
                    record_before=None, event_before=bound.event_before, version=bound.version, event=bound.event
                )
        return tuple(latest.values())


@dataclass(frozen=True, kw_only=True)
class BindingClause:
    """A retention clause that binds some records: its latest wording, from which version, and whether it was dropped."""

    clause: RetentionClause
    version: int
    dropped: bool


@dataclass(frozen=True, kw_only=True)
class _Span:
    """One version of the clause; `end` is when the next version came into force, None for the one in force now."""

    version: int
    end: datetime | None
    clause: RetentionClause


def bounds(history: Sequence[VersionInForce], clause_id: str, now: datetime, *, category: str | None = None) -> Cutoff:
    """The cutoff of a retention clause at `now`, the store's own clock. Pure.

    `category` leaves out the versions in which the clause did not cover it. For the time past which the promise is
    broken, ask for `within.before(now)` instead of `now`.
    """
    instant = require_utc(now)
    spans = _spans(history, clause_id, instant, category)
    own = [_own_bound(span, instant) for span in spans if span.clause.event is None and span.clause.period]
    counted = [_event_bound(span, instant) for span in spans if span.clause.event is not None]
    latest = max(own, key=_own_order) if own else None
    kept = ([latest] if latest else []) + [
        bound for bound in counted if not any(_covers(other, bound) for other in counted if other is not bound)
    ]
    return Cutoff(clause_id=clause_id, now=instant, bounds=tuple(kept))


def binding_clauses(history: Sequence[VersionInForce], now: datetime) -> tuple[BindingClause, ...]:
    """Every retention clause that any version held that came into force by `now`, dropped ones included."""
    reached = _reached(history, require_utc(now))
    if not reached:
        return ()
    found: dict[str, BindingClause] = {}
    for version in reached:
        for clause in version.document.of_kind(RetentionClause):
            found[clause.id] = BindingClause(
                clause=clause, version=version.number, dropped=version.number != reached[-1].number
            )
    return tuple(one for one in found.values() if not one.dropped or _spans(reached, one.clause.id, now, None))


def _reached(history: Sequence[VersionInForce], now: datetime) -> list[VersionInForce]:
    return sorted(
        (each for each in history if each.in_force_at <= now), key=lambda each: (each.in_force_at, each.number)
    )


def _spans(history: Sequence[VersionInForce], clause_id: str, now: datetime, category: str | None) -> list[_Span]:
    reached = _reached(history, now)
    spans: list[_Span] = []
    known = False
    for index, version in enumerate(reached):
        clause = version.document.clause(clause_id)
        if not isinstance(clause, RetentionClause):
            spans = [span for span in spans if not _reaches_back_over(version.document, span.clause, category)]
            continue
        known = True
        if category is not None and category not in clause.of:
            spans = [span for span in spans if not _reaches_back_over(version.document, span.clause, category)]
            continue
        if clause.reaches_back:
            spans.clear()
        end = reached[index + 1].in_force_at if index + 1 < len(reached) else None
        spans.append(_Span(version=version.number, end=end, clause=clause))
    if not known:
        raise NotFound(f"No version in force by then has a retention clause '{clause_id}'.", remedy="Check the id.")
    return spans


def _reaches_back_over(document: Document, gone: RetentionClause, category: str | None) -> bool:
    """Whether the promise of a clause that is gone goes on, under other ids, in clauses that reach back over all of it."""
    left = {category} if category is not None else set(gone.of)
    for clause in document.of_kind(RetentionClause):
        if clause.reaches_back and clause.event == gone.event:
            left -= set(clause.of)
    return not left


def _own_bound(span: _Span, now: datetime) -> Bound:
    assert span.clause.period is not None
    cutoff = span.clause.period.before(now)
    return Bound(
        record_before=min(span.end, cutoff) if span.end else cutoff, event_before=None, version=span.version, event=None
    )


def _own_order(bound: Bound) -> datetime:
    assert bound.record_before is not None
    return bound.record_before


def _event_bound(span: _Span, now: datetime) -> Bound:
    clause = span.clause
    before = clause.period.before(now) if clause.after and clause.period else now
    return Bound(record_before=span.end, event_before=before, version=span.version, event=clause.event)


def _covers(wide: Bound, narrow: Bound) -> bool:
    """Whether everything under `narrow` is under `wide`; of two that are the same, the later version stands."""
    if wide.event != narrow.event or wide.event_before is None or narrow.event_before is None:
        return False
    wider = wide.record_before is None or (
        narrow.record_before is not None and narrow.record_before <= wide.record_before
    )
    if not wider or narrow.event_before > wide.event_before:
        return False
    same = wide.record_before == narrow.record_before and wide.event_before == narrow.event_before
    return not same or wide.version > narrow.version
