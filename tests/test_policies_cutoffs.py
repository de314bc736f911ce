"""Cutoffs over several versions, against a slow reference that asks of each record what it was promised."""

from datetime import UTC, datetime, timedelta

import pytest
from dateutil.relativedelta import relativedelta
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


def test_a_clause_that_goes_on_under_another_id_reaches_back_all_the_same() -> None:
    """What has to be kept longer, with a reason, does not go by the promise of the clause that it replaces."""
    renamed = policy(
        "{id: new-logs, kind: retention, of: request_log, for: P90D, then: delete, reaches_back: the law changed}"
    )
    versions = history((0, WITH["P10D"]), (100, renamed))
    assert bounds(versions, "logs", on(200)).bounds == ()
    assert bounds(versions, "logs", on(200), category="request_log").bounds == ()
    assert bounds(versions, "new-logs", on(200)).bounds[0].record_before == on(110)
    assert [one.clause.id for one in binding_clauses(versions, on(200))] == ["new-logs"]
    assert [one.clause.id for one in binding_clauses(versions, on(99))] == ["logs"]


def test_reaching_back_over_one_category_leaves_the_others_as_they_were() -> None:
    """And an event of its own is a promise of its own."""
    both = policy("{id: logs, kind: retention, of: [request_log, trace], for: P10D, then: delete}")
    split = policy(
        "{id: new-logs, kind: retention, of: request_log, for: P90D, then: delete, reaches_back: the law changed}",
        "{id: closed, kind: retention, of: trace, after: closed, for: P90D, then: delete, reaches_back: the law changed}",
    )
    versions = history((0, both), (100, split))
    assert bounds(versions, "logs", on(200), category="request_log").bounds == ()
    assert bounds(versions, "logs", on(200), category="trace").bounds[0].record_before == on(100)
    assert [one.clause.id for one in binding_clauses(versions, on(200))] == ["logs", "new-logs", "closed"]


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


# The same with the real calendar: the ends of months and leap days, where a month is not a length.

MOMENTS = [
    datetime(2027, 2, 28, tzinfo=UTC), datetime(2027, 2, 28, 23, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC),
    datetime(2028, 1, 31, 12, tzinfo=UTC), datetime(2028, 2, 28, 23, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC),
    datetime(2028, 2, 29, 0, 10, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC), datetime(2028, 3, 31, 7, tzinfo=UTC),
    datetime(2028, 4, 30, 23, 59, 59, 999999, tzinfo=UTC), datetime(2028, 12, 31, 23, tzinfo=UTC),
    datetime(2029, 2, 28, 1, tzinfo=UTC), datetime(2029, 3, 30, tzinfo=UTC),
]  # fmt: skip
CALENDAR = ["P1D", "P28D", "P1M", "P31D", "P1M2D", "P6M", "P1Y", "P1Y1DT2H", "P4Y"]
CALENDAR_WITH = {period: logs_for(period) for period in CALENDAR}
CALENDAR_BACK = {period: logs_for(period, more=", reaches_back: the law changed") for period in CALENDAR}
instants = st.sampled_from(MOMENTS) | st.datetimes(
    datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)
)  # fmt: skip
near = st.builds(lambda instant, hours: instant + timedelta(hours=hours), instants, st.integers(-48, 48))


def starting(first: datetime, gaps: list[timedelta]) -> list[datetime]:
    """When each of several versions came into force."""
    return [first + sum(gaps[:index], timedelta()) for index in range(len(gaps) + 1)]


def slow_cutoff(period: Period, now: datetime) -> datetime:
    """`now` less a period, by dateutil: the rest first, then months; a clamped day ends its month."""
    rest = now - timedelta(weeks=period.weeks, days=period.days, hours=period.hours, minutes=period.minutes)
    back = rest - relativedelta(years=period.years, months=period.months)
    if back.day == rest.day:
        return back
    return back.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + relativedelta(months=1)


def slow_end(record: datetime, period: Period) -> datetime:
    """`t + P`: months first, then the rest."""
    months = record + relativedelta(years=period.years, months=period.months)
    return months + timedelta(weeks=period.weeks, days=period.days, hours=period.hours, minutes=period.minutes)


def promises_to(record: datetime, versions: list[VersionInForce], now: datetime) -> list[Period]:
    """Each period that a record was promised: by the version in force at its time, and by every later one."""
    found: list[Period] = []
    reached = [version for version in versions if version.in_force_at <= now]
    for index, version in enumerate(reached):
        clause = clause_of(version.document)
        if clause and clause.reaches_back:
            found.clear()
        still = index + 1 == len(reached) or record < reached[index + 1].in_force_at
        if clause and clause.period and still:
            found.append(clause.period)
    return found


@settings(max_examples=600, deadline=None)
@given(
    documents=st.lists(
        st.sampled_from([*CALENDAR_WITH.values(), *CALENDAR_BACK.values(), GONE]), min_size=1, max_size=5
    ),
    first=near,
    gaps=st.lists(st.integers(0, 24 * 400), min_size=4, max_size=4),
    now=near,
    records=st.lists(near, min_size=1, max_size=12),
)
def test_by_the_calendar_a_record_goes_when_the_shortest_of_its_promises_has_run_out(
    documents: list[Document], first: datetime, gaps: list[int], now: datetime, records: list[datetime]
) -> None:
    """Exactly then, asked of each record alone; never before `t + P`, and within three days (the ends of months) after it."""
    starts = starting(first, [timedelta(hours=gap) for gap in gaps])
    versions = [
        VersionInForce(number=number, in_force_at=start, document=document)
        for number, (start, document) in enumerate(zip(starts, documents, strict=False), 1)
    ]
    if not any(clause_of(one.document) for one in versions if one.in_force_at <= now):
        return
    found = bounds(versions, "logs", now).bounds
    assert len(found) <= 1
    for record in [*records, *(moment for one in versions for moment in (one.in_force_at, slow_cutoff_of(one, now)))]:
        over = bool(found) and found[0].record_before is not None and record < found[0].record_before
        promised = promises_to(record, versions, now)
        assert over == any(record < slow_cutoff(period, now) for period in promised)
        ends = [slow_end(record, period) for period in promised]
        assert not over or min(ends) <= now
        assert over or not ends or now <= min(ends) + timedelta(days=3)


def slow_cutoff_of(version: VersionInForce, now: datetime) -> datetime:
    """The very instant at which a version's promise runs out: the record on it is not over yet."""
    clause = clause_of(version.document)
    return slow_cutoff(clause.period, now) if clause and clause.period else now


@settings(max_examples=300, deadline=None)
@given(period=st.sampled_from(CALENDAR), now=near, minutes=st.integers(0, 60 * 24 * 40))
def test_by_the_calendar_a_cutoff_never_steps_back(period: str, now: datetime, minutes: int) -> None:
    """What was over stays over while time goes on."""
    versions = [VersionInForce(number=1, in_force_at=datetime(2020, 1, 1, tzinfo=UTC), document=CALENDAR_WITH[period])]
    first = bounds(versions, "logs", now).bounds[0].record_before
    second = bounds(versions, "logs", now + timedelta(minutes=minutes)).bounds[0].record_before
    assert first is not None
    assert second is not None
    assert first <= second


CALENDAR_CLOSED = {
    period: policy(f"{{id: logs, kind: retention, of: request_log, after: closed, for: {period}, then: delete}}")
    for period in CALENDAR
}


@settings(max_examples=300, deadline=None)
@given(
    periods=st.lists(st.sampled_from(CALENDAR), min_size=1, max_size=4),
    gaps=st.lists(st.integers(0, 400), min_size=4, max_size=4),
    now=near,
    closed=st.lists(near, min_size=1, max_size=12),
)
def test_without_a_time_of_its_own_the_shortest_promise_since_the_first_binds(
    periods: list[str], gaps: list[int], now: datetime, closed: list[datetime]
) -> None:
    """Nobody can say under which version such a record was collected: it gets the best of all of them."""
    starts = starting(datetime(2025, 1, 1, tzinfo=UTC), [timedelta(days=gap) for gap in gaps])
    versions = [
        VersionInForce(number=number, in_force_at=start, document=CALENDAR_CLOSED[period])
        for number, (start, period) in enumerate(zip(starts, periods, strict=False), 1)
    ]
    reached = [clause.period for one in versions if one.in_force_at <= now and (clause := clause_of(one.document))]
    if not reached:
        return
    (found,) = bounds(versions, "logs", now).without_record_time()
    assert found.record_before is None
    for event in closed:
        over = found.event_before is not None and event < found.event_before
        assert over == any(event < slow_cutoff(period, now) for period in reached if period)
