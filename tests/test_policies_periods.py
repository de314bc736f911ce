"""Periods: how they are read, what they refuse, and that their arithmetic is never early."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from policies.periods import Period

INSTANTS = st.datetimes(datetime(1999, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))
PERIODS = st.builds(
    dict,
    years=st.integers(0, 11), months=st.integers(0, 30), weeks=st.integers(0, 9), days=st.integers(0, 400),
    hours=st.integers(0, 50), minutes=st.integers(0, 200),
).filter(lambda parts: any(parts.values())).map(lambda parts: Period(**parts))  # fmt: skip
NEAR = st.timedeltas(timedelta(days=-40), timedelta(days=40))


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("30", "P30D"), ("30d", "P30D"), ("P30", "P30D"), ("P0D", "P1D"), ("12 months", "P12M"), ("36h", "PT36H"),
        ("p30d", "P30D"), ("P", "P30D"), ("PT", "P30D"), ("P1DT", "P1D"), ("P-3D", "P30D"), ("P1.5D", "P30D"),
        ("", "P30D"), ("PT30S", "P30D"), ("P٣D", "P30D"), ("PT0H", "P1D"), ("10m", "PT10M"),
    ],
)  # fmt: skip
def test_a_period_that_is_not_one_is_refused_with_the_right_spelling(text: str, spelling: str) -> None:
    """A number without a unit, a loose unit and no time at all never pass; the message shows what to write."""
    with pytest.raises(BadInput) as refused:
        Period.parse(text)
    assert spelling in str(refused.value)
    assert f"'{text}'" in str(refused.value)


@pytest.mark.parametrize("text", ["P30D", "P12M", "P10Y", "P2W", "PT36H", "P1Y6M", "P1Y2M3W4DT5H6M"])
def test_a_period_is_written_as_it_was_read(text: str) -> None:
    """str() gives the ISO 8601 form back."""
    assert str(Period.parse(text)) == text


@pytest.mark.parametrize("text", ["P201Y", "P99999999999D", "P9999999999999999999999Y"])
def test_a_period_without_a_sensible_end_is_refused(text: str) -> None:
    """No period is longer than the calendar can count."""
    with pytest.raises(BadInput, match="at most 200 years"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("text", "english", "german", "dative"),
    [
        ("P30D", "30 days", "30 Tage", "30 Tagen"),
        ("P12M", "12 months", "12 Monate", "12 Monaten"),
        ("P10Y", "10 years", "10 Jahre", "10 Jahren"),
        ("P1D", "1 day", "1 Tag", "1 Tag"),
        ("P1Y6M", "1 year and 6 months", "1 Jahr und 6 Monate", "1 Jahr und 6 Monaten"),
        ("P1W2DT3H", "1 week, 2 days and 3 hours", "1 Woche, 2 Tage und 3 Stunden", "1 Woche, 2 Tagen und 3 Stunden"),
    ],
)
def test_a_period_is_said_in_words(text: str, english: str, german: str, dative: str) -> None:
    """The number on the page is the number of the clause, in the reader's language."""
    period = Period.parse(text)
    assert (period.words("en"), period.words("de"), period.words("de", dative=True)) == (english, german, dative)


def test_a_year_back_from_a_leap_day_is_the_first_of_march() -> None:
    """Where the day had to be clamped, the cutoff is the first instant after that month, so it never steps back."""
    year = Period.parse("P1Y")
    assert year.before(datetime(2028, 2, 28, 23, tzinfo=UTC)) == datetime(2027, 2, 28, 23, tzinfo=UTC)
    assert year.before(datetime(2028, 2, 29, 0, 10, tzinfo=UTC)) == datetime(2027, 3, 1, tzinfo=UTC)


def test_days_are_taken_off_before_months() -> None:
    """A mixed period takes its days first, then its months, and clamps last."""
    mixed = Period.parse("P1M1D")
    assert mixed.before(datetime(2026, 4, 1, tzinfo=UTC)) == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_naive_instant_is_refused() -> None:
    """Without a zone there is no instant, so there is no cutoff."""
    with pytest.raises(BadInput):
        Period.parse("P1D").before(datetime(2026, 1, 1))


def test_a_deadline_in_months_ends_on_the_last_day_where_the_month_is_short() -> None:
    """A month from 31 January is 28 February."""
    assert Period.parse("P1M").after(date(2026, 1, 31)) == date(2026, 2, 28)
    assert Period.parse("P30D").after(date(2026, 2, 1)) == date(2026, 3, 3)
    assert Period.parse("PT36H").after(date(2026, 2, 1)) == date(2026, 2, 2)


@given(period=PERIODS, now=INSTANTS, offset=NEAR)
def test_nothing_is_over_early(period: Period, now: datetime, offset: timedelta) -> None:
    """Never early: whatever lies before the cutoff has reached the end of its period at `now`."""
    cutoff = period.before(now)
    for record in (cutoff - timedelta(microseconds=1), cutoff - abs(offset) - timedelta(microseconds=1)):
        assert period.after_instant(record) <= now


@given(period=PERIODS, now=INSTANTS, step=st.timedeltas(timedelta(0), timedelta(days=70)))
def test_the_cutoff_never_steps_back(period: Period, now: datetime, step: timedelta) -> None:
    """As time goes on, what was over stays over."""
    assert period.before(now) <= period.before(now + step)


@given(period=PERIODS)
def test_reading_what_was_written_gives_the_same_period(period: Period) -> None:
    """parse and str are inverse."""
    assert Period.parse(str(period)) == period
