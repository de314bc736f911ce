"""The literals that times are compared with: never early, in any form, in any zone, on any day of a clock change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import TimeField
from stores.conditions import Before
from stores.contract import CannotCompare
from stores.matching import compile_condition
from stores.times import Kind, TimeForm, find_number_form, find_text_form, read_text, shape_of

INSTANTS = st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
NEAR = st.timedeltas(timedelta(hours=-3), timedelta(hours=3))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kathmandu"])
CHANGES = st.sampled_from([datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)])


@st.composite
def forms(draw: st.DrawFn) -> TimeForm:
    kind = draw(st.sampled_from([Kind.AWARE, Kind.NAIVE, Kind.DATE, Kind.TEXT, Kind.DATE_TEXT, Kind.EPOCH]))
    suffix = draw(st.sampled_from(["", "Z", "+05:45", "-08:00"])) if kind is Kind.TEXT else ""
    return TimeForm(
        kind=kind,
        word=draw(st.sampled_from(["epoch_s", "epoch_ms", "epoch_us"])) if kind is Kind.EPOCH else "iso",
        zone=draw(ZONES),
        digits=draw(st.integers(0, 9)) if kind is Kind.TEXT else 0,
        separator=draw(st.sampled_from("T ")),
        suffix=suffix,
    )


@given(form=forms(), instant=st.one_of(INSTANTS, CHANGES), shift=NEAR)
def test_what_is_written_less_than_the_limit_was_before_the_instant(
    form: TimeForm, instant: datetime, shift: timedelta
) -> None:
    """For any form: a value below the literal was written at a time before the instant, never at or after it."""
    written_at = instant + shift
    value = form.write(written_at)
    if value < form.limit(instant):  # type: ignore[operator] # both of one form
        assert written_at < instant
    if value > form.future_limit(instant):  # type: ignore[operator] # both of one form
        assert written_at > instant


@given(form=forms(), instant=st.one_of(INSTANTS, CHANGES))
def test_what_is_over_for_two_days_is_seen_as_over(form: TimeForm, instant: datetime) -> None:
    """Caution costs at most a unit, a clock change or a zone: never more than two days."""
    assert form.write(instant - timedelta(days=2)) < form.limit(instant)  # type: ignore[operator] # both of one form


@given(form=forms(), instant=INSTANTS, shift=NEAR)
def test_files_and_databases_agree(form: TimeForm, instant: datetime, shift: timedelta) -> None:
    """A value read one by one compares as the same value in a column does."""
    if form.kind not in (Kind.TEXT, Kind.DATE_TEXT, Kind.EPOCH):
        return
    value = form.write(instant + shift)
    field = TimeField(name="t", zone=form.zone)
    matches = compile_condition(Before(field=field, instant=instant), lambda _: form)
    assert matches({"t": value}) == (value < form.limit(instant))  # type: ignore[operator] # both of one form


def test_the_repeated_hour_is_never_early() -> None:
    """At the end of summer time 02:30 comes twice; a naive 02:30 counts as the second."""
    berlin = TimeForm(kind=Kind.NAIVE, word="timestamp", zone="Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert first.astimezone(ZoneInfo("Europe/Berlin")).hour == 2
    assert berlin.limit(first + timedelta(minutes=15)) <= datetime(2026, 10, 25, 2)  # type: ignore[operator] # naive


@pytest.mark.parametrize(
    "text",
    ["2026-02-30T00:00:00Z", "20260101T000000Z", "2026-W01-1", "yesterday", "", "2026-01-01T00:00Z", "1700000000"],
)
def test_what_is_no_time_is_not_read_as_one(text: str) -> None:
    """None, so that it is before nothing."""
    assert read_text(text, "UTC") is None
    matches = compile_condition(
        Before(field=TimeField(name="t"), instant=datetime(2100, 1, 1, tzinfo=UTC)), lambda _: None
    )
    assert not matches({"t": text})


def test_shapes_say_nothing_of_the_value() -> None:
    """Digits and letters are gone, what separates them stays."""
    assert shape_of("2026-01-02T03:04:05Z") == "9999-99-99T99:99:99Z"
    assert shape_of("Ada Lovelace <ada@example.com>") == "aaa aaaaaaaa <aaa@aaaaaaa.aaa>"


def test_units_that_numbers_do_not_share_are_refused() -> None:
    """Seconds and milliseconds in one field, and numbers that are no times at all."""
    for numbers in ([1_700_000_000, 1_700_000_000_000], [1, 2, 3]):
        with pytest.raises(CannotCompare):
            find_number_form(numbers, TimeField(name="t"), "x")
    with pytest.raises(CannotCompare, match="aaaaa"):
        find_text_form(["Monday"], TimeField(name="t"), "x")
