"""What numbers, days and times are called, in both languages."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.words import (
    FILTERS,
    THIN,
    ago,
    count,
    day_left,
    due_state,
    exact_time,
    initials,
    long_day,
    plural,
    short_day,
    short_time,
    size,
    span,
    wrap_text,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 11, 8, 23, 58, tzinfo=UTC)
TODAY = date(2026, 6, 11)


@pytest.mark.parametrize(
    ("at", "english", "german"),
    [
        (NOW, "10:23", "10:23"),
        (datetime(2026, 6, 10, 22, 30, tzinfo=UTC), "00:30", "00:30"),
        (datetime(2026, 6, 10, 21, 30, tzinfo=UTC), "yesterday", "gestern"),
        (datetime(2026, 6, 12, 21, 30, tzinfo=UTC), "tomorrow", "morgen"),
        (datetime(2026, 6, 9, 9, 0, tzinfo=UTC), "9 June", "9. Juni"),
        (datetime(2025, 12, 24, 9, 0, tzinfo=UTC), "24 December 2025", "24. Dezember 2025"),
    ],
)
def test_a_short_time_says_only_what_the_reader_needs_today(at: datetime, english: str, german: str) -> None:
    """The hour on the same day in the reader's zone, a word beside it, else the day; the year when it differs."""
    assert short_time(at, NOW, BERLIN) == english
    assert short_time(at, NOW, BERLIN, "de") == german


def test_an_exact_time_names_the_second_and_the_zone() -> None:
    """The title of a time is the instant, so that two entries of one minute can be told apart."""
    assert exact_time(NOW, BERLIN) == "Thursday 11 June 2026, 10:23:58 Europe/Berlin"
    assert exact_time(NOW, BERLIN, "de-AT") == "Donnerstag, 11. Juni 2026, 10:23:58 Europe/Berlin"
    assert exact_time(NOW, UTC).endswith("08:23:58 UTC")


def test_a_naive_time_is_refused() -> None:
    """A time without a zone could be any of a day's instants, so it is never printed."""
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="no zone"):
        short_time(naive, NOW, BERLIN)
    with pytest.raises(ValueError, match="no zone"):
        exact_time(naive, BERLIN)
    with pytest.raises(ValueError, match="no zone"):
        ago(naive, NOW)


@pytest.mark.parametrize(
    ("days", "english", "german", "state"),
    [
        (-3, "3 days over", "3 Tage darüber", "broken"),
        (-1, "1 day over", "1 Tag darüber", "broken"),
        (0, "today", "heute", "due"),
        (1, "1 day", "1 Tag", "due"),
        (2, "2 days", "2 Tage", "plain"),
        (8, "8 days", "8 Tage", "plain"),
    ],
)
def test_a_due_date_counts_down_and_changes_its_state(days: int, english: str, german: str, state: str) -> None:
    """Broken after the day, due on it and on the eve, else plain."""
    day = TODAY + timedelta(days=days)
    assert day_left(day, TODAY) == english
    assert day_left(day, TODAY, "de") == german
    assert due_state(day, TODAY) == state


def test_days_are_said_short_in_lists_and_long_in_letters() -> None:
    """A letter names the weekday and the year; a list names the year only when it is another one."""
    assert short_day(date(2026, 6, 19), TODAY) == "19 June"
    assert short_day(date(2027, 1, 2), TODAY, "de") == "2. Januar 2027"
    assert long_day(date(2026, 6, 19)) == "Friday, 19 June 2026"
    assert long_day(date(2026, 6, 19), "de") == "Freitag, 19. Juni 2026"
    assert long_day(date(2026, 6, 19), "fr") == "vendredi 19 juin 2026"
    assert long_day(date(2026, 6, 19), "xx") == "Friday, 19 June 2026"


def test_counts_have_thin_spaces_and_stay_with_their_word() -> None:
    """Thousands are set apart by a narrow no-break space, in every language."""
    assert count(412906) == f"412{THIN}906"
    assert count(-1902) == f"−1{THIN}902"
    assert count(999) == "999"
    assert plural(1, "record", "records") == "1\u00a0record"
    assert plural(2211, "record", "records") == f"2{THIN}211\u00a0records"


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_count_can_be_read_back(number: int) -> None:
    """Spaces change how a number looks, never what it is."""
    assert int(count(number).replace(THIN, "").replace("−", "-")) == number


@pytest.mark.parametrize(
    ("octets", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9950, "10 kB"), (4_200_000, "4.2 MB"),
     (999_600, "1.0 MB"), (128_000_000, "128 MB"), (7 * 10**15, "7000 TB")],
)  # fmt: skip
def test_sizes_are_decimal_and_short(octets: int, said: str) -> None:
    """One digit after the point below ten, none above; never a thousand of a unit when there is a next one."""
    assert size(octets) == said.replace(" ", THIN)
    assert size(octets, "de") == said.replace(" ", THIN).replace(".", ",")


def test_ago_says_how_long_since_in_both_directions() -> None:
    """A past instant is ago, a coming one is in."""
    assert ago(NOW - timedelta(minutes=2), NOW) == "2 minutes ago"
    assert ago(NOW - timedelta(minutes=2), NOW, "de") == "vor 2 Minuten"
    assert ago(NOW + timedelta(hours=3), NOW) == "in 3 hours"
    assert ago(NOW - timedelta(seconds=2), NOW) == "just now"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(milliseconds=240), "under 1 s"),
        (timedelta(seconds=4.9), f"4{THIN}s"),
        (timedelta(minutes=23, seconds=59), f"23{THIN}min"),
        (timedelta(hours=3, minutes=30), f"3{THIN}h 30{THIN}min"),
        (timedelta(hours=30, minutes=20), f"30{THIN}h"),
        (timedelta(days=12, hours=20), f"12{THIN}d"),
        (timedelta(hours=-2), f"−2{THIN}h"),
    ],
)
def test_a_span_has_the_unit_that_fits(length: timedelta, said: str) -> None:
    """Rounded down, so that an age is never said to be more than it is."""
    assert span(length) == said


@given(st.text(alphabet=st.sampled_from("ab c\n*-"), max_size=400), st.integers(min_value=12, max_value=72))
def test_wrapped_text_keeps_its_words_and_its_width(text: str, width: int) -> None:
    """No word is lost or cut; a line is too long only where a single word is."""
    wrapped = wrap_text(text, width)
    assert wrapped.split() == text.split()
    for line in wrapped.splitlines():
        assert len(line) <= width or len(line.strip(" *").split()) == 1


def test_wrapped_text_indents_what_follows_a_bullet_and_leaves_addresses_whole() -> None:
    """A point goes on under its own words, and a link can be clicked."""
    link = "https://privacy.example/requests/R-1043?" + "x" * 60
    said = wrap_text(f"*  one two three four\n\n\n\n{link}\n\n-- \nend", 12)
    assert said == f"*  one two\n   three\n   four\n\n{link}\n\n-- \nend\n"


def test_initials_are_those_of_the_first_and_the_last_name() -> None:
    """Two letters at most, also for three names, one for one."""
    assert [initials(n) for n in ("Ines Vogelsang", "Henk van der Fluit", "ines", "")] == ["IV", "HF", "I", ""]


def test_every_filter_is_registered_under_its_own_name() -> None:
    """A template calls a filter by the name of its function."""
    assert all(name == call.__name__ for name, call in FILTERS.items())
    assert {"short_time", "exact_time", "day_left", "count", "size", "ago", "span"} <= FILTERS.keys()
