"""Cutoffs over several versions, against a slow reference that asks of each record what it was promised."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotFound
from policies.clauses import RetentionClause
from policies.cutoffs import Bound, VersionInForce, binding_clauses, bounds
from policies.documents import Document
from policies.periods import Period
from tests.policy_texts import logs_for, policy

START = datetime(2026, 1, 1, tzinfo=UTC)
OTHER = "{id: other, kind: retention, of: invoice, for: P10Y, then: delete}"
PERIODS = ["P1D", "P10D", "P1M", "P30D", "P2M"]
WITH = {period: logs_for(period) for period in PERIODS}
BACK = {period: logs_for(period, more=", reaches_back: the law changed") for period in PERIODS}
CLOSED = {
    period: policy(f"{{id: logs, kind: retention, of: request_log, after: closed, for: {period}, then: delete}}")
    for period in PERIODS
}
GONE = policy(OTHER)


def on(day: float) -> datetime:
    return START + timedelta(days=day)


def history(*versions: tuple[float, Document]) -> list[VersionInForce]:
    return [
        VersionInForce(number=number, in_force_at=on(day), document=document)
        for number, (day, document) in enumerate(versions, 1)
    ]


def clause_of(document: Document) -> RetentionClause | None:
    found = document.clause("logs")
    return found if isinstance(found, RetentionClause) else None


def is_over(record: datetime, event: datetime | None, versions: list[VersionInForce], now: datetime) -> bool:
    """The slow way: every version in force at the record's time or later, each with its own promise."""
    reached = [version for version in versions if version.in_force_at <= now]
    back = max(
        (index for index, one in enumerate(reached) if (c := clause_of(one.document)) and c.reaches_back), default=0
    )
    for index, version in enumerate(reached):
        clause = clause_of(version.document)
        last = index + 1 == len(reached)
        bound_by_it = last or record < reached[index + 1].in_force_at
        if clause is None or index < back or not bound_by_it or clause.period is None:
            continue
        start = event if clause.after else record
        if start is not None and start < clause.period.before(now):
            return True
    return False


def test_one_version_gives_one_cutoff() -> None:
    """Now less the period, and no record younger than that."""
    cutoff = bounds(history((0, WITH["P30D"])), "logs", on(100))
    assert cutoff.bounds == (Bound(record_before=on(70), event_before=None, version=1),)


def test_the_first_version_holds_for_what_was_there_before_it() -> None:
    """Records older than the first version go by its period."""
    assert bounds(history((0, WITH["P30D"])), "logs", on(1)).bounds[0].record_before == on(-29)


def test_a_longer_period_does_not_reach_back() -> None:
    """What was collected under 30 days goes after 30 days, though the policy now says two months."""
    versions = history((0, WITH["P30D"]), (100, WITH["P2M"]))
    assert bounds(versions, "logs", on(120)).bounds[0].record_before == on(90)
    assert bounds(versions, "logs", on(140)).bounds[0].record_before == on(100)


def test_a_shorter_period_binds_at_once_and_not_before_it_is_in_force() -> None:
    """A version that is planned sets no cutoff yet."""
    versions = history((0, WITH["P30D"]), (100, WITH["P10D"]))
    assert bounds(versions, "logs", on(99)).bounds[0].record_before == on(69)
    assert bounds(versions, "logs", on(100)).bounds[0].record_before == on(90)


def test_a_longer_period_reaches_back_with_its_reason() -> None:
    """`reaches_back` drops the versions before it."""
    versions = history((0, WITH["P10D"]), (100, BACK["P30D"]))
    assert bounds(versions, "logs", on(101)).bounds[0].record_before == on(71)


def test_a_dropped_clause_keeps_binding_what_was_collected_under_it() -> None:
    """Removing a clause is lengthening it: older records still go, newer ones are not its business."""
    versions = history((0, WITH["P10D"]), (100, GONE))
    assert bounds(versions, "logs", on(105)).bounds[0].record_before == on(95)
    assert bounds(versions, "logs", on(200)).bounds[0].record_before == on(100)
    found = {one.clause.id: (one.version, one.dropped) for one in binding_clauses(versions, on(200))}
    assert found == {"logs": (1, True), "other": (2, False)}


def test_a_category_that_was_taken_out_of_a_clause_keeps_its_promise() -> None:
    """The clause goes on for its other categories; for this one it counts as dropped."""
    both = policy("{id: logs, kind: retention, of: [request_log, trace], for: P10D, then: delete}")
    versions = history((0, both), (100, WITH["P10D"]))
    assert bounds(versions, "logs", on(200), category="request_log").bounds[0].record_before == on(190)
    assert bounds(versions, "logs", on(200), category="trace").bounds[0].record_before == on(100)


def test_a_clause_after_an_event_gives_a_bound_for_each_promise() -> None:
    """Old records go by the shorter promise of their collection, new ones by the longer; without a time, by the shortest."""
    versions = history((0, CLOSED["P10D"]), (100, CLOSED["P30D"]))
    cutoff = bounds(versions, "logs", on(200))
    assert cutoff.bounds == (
        Bound(record_before=on(100), event_before=on(190), version=1, event="closed"),
        Bound(record_before=None, event_before=on(170), version=2, event="closed"),
    )
    assert cutoff.without_record_time() == (Bound(record_before=None, event_before=on(190), version=1, event="closed"),)


def test_until_an_event_is_over_when_it_has_happened() -> None:
    """`until` has no period: the event itself is the end."""
    document = policy("{id: logs, kind: retention, of: request_log, until: closed, within: P1D, then: delete}")
    assert bounds(history((0, document)), "logs", on(5)).bounds == (
        Bound(record_before=None, event_before=on(5), version=1, event="closed"),
    )


def test_a_clause_that_never_was_in_force_is_named() -> None:
    """An unknown clause is an error, not an empty sweep."""
    with pytest.raises(NotFound, match="nothing-like-it"):
        bounds(history((0, GONE)), "nothing-like-it", on(1))


DOCUMENTS = st.sampled_from([*WITH.values(), *BACK.values(), *CLOSED.values(), GONE])
DAYS = st.floats(-120, 300, allow_nan=False)


@settings(max_examples=400, deadline=None)
@given(
    documents=st.lists(DOCUMENTS, min_size=1, max_size=5),
    gaps=st.lists(st.integers(0, 60), min_size=5, max_size=5),
    now=st.integers(0, 300),
    records=st.lists(st.tuples(DAYS, st.none() | DAYS), min_size=1, max_size=30),
)
def test_the_bounds_hold_exactly_what_the_slow_way_finds(
    documents: list[Document], gaps: list[int], now: int, records: list[tuple[float, float | None]]
) -> None:
    """Whatever the history, a record is under a bound if and only if one of its own promises has run out."""
    days = [sum(gaps[:index]) for index in range(len(documents))]
    versions = history(*zip(days, documents, strict=True))
    moment = on(now + days[0])
    if not any(clause_of(one.document) for one in versions if one.in_force_at <= moment):
        return
    cutoff = bounds(versions, "logs", moment)
    for offset, closed in records:
        record, event = on(offset), on(closed) if closed is not None else None
        found = any(
            (bound.record_before is None or record < bound.record_before)
            and (bound.event_before is None or (event is not None and event < bound.event_before))
            for bound in cutoff.bounds
        )
        assert found == is_over(record, event, versions, moment)


@settings(max_examples=200, deadline=None)
@given(
    periods=st.lists(st.sampled_from(PERIODS), min_size=1, max_size=5),
    gaps=st.lists(st.integers(0, 60), min_size=5, max_size=5),
    now=st.integers(0, 300),
    later=st.integers(0, 90),
)
def test_without_reaching_back_a_cutoff_never_steps_back(
    periods: list[str], gaps: list[int], now: int, later: int
) -> None:
    """New versions and passing time only move it on, and what is under it is over by one of the promises."""
    days = [sum(gaps[:index]) for index in range(len(periods))]
    versions = history(*zip(days, (WITH[period] for period in periods), strict=True))
    first = bounds(versions, "logs", on(now)).bounds[0].record_before
    second = bounds(versions, "logs", on(now + later)).bounds[0].record_before
    assert first is not None
    assert second is not None
    assert first <= second
    # Which of a month and 30 days is the shorter depends on the month it is counted from.
    youngest = first - timedelta(microseconds=1)
    assert min(Period.parse(period).after_instant(youngest) for period in periods) <= on(now)
