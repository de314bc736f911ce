"""How numbers, days and times are said to people, in each language: the filters of every template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.numbers import get_decimal_symbol

from core.catalogue import catalogue, short_code

THIN: Final = "\u202f"  # narrow no-break space: thousands, and a number and its unit
DEFAULT_LANGUAGE: Final = "en"

# English as in Europe; the other languages as CLDR has them.
_LOCALES: Final[Mapping[str, str]] = {"en": "en_GB"}
_ENGLISH_DAY: Final = "EEEE, d MMMM y"


def _locale(language: str) -> str:
    short = short_code(language)
    return _LOCALES.get(short, short)


def _write_day(day: date, form: str, language: str) -> str:
    said = str(format_date(day, form, locale=_locale(language)))
    # The first of a month is an ordinal in French, which CLDR's forms leave out.
    return re.sub(r"\b1 (?=\D)", "1er ", said, count=1) if short_code(language) == "fr" else said


def _refuse_naive(at: datetime) -> None:
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"the time {at.isoformat()} has no zone; hand in an aware one, UTC from the clock")


def short_day(day: date, today: date, language: str = DEFAULT_LANGUAGE) -> str:
    """`9 June`, with the year when it is not this one."""
    if day.year != today.year:
        return full_day(day, language)
    pattern = Locale.parse(_locale(language)).datetime_skeletons["MMMMd"]
    return _write_day(day, str(pattern), language)


def full_day(day: date, language: str = DEFAULT_LANGUAGE) -> str:
    """`19 June 2026`: a day that is long past or far away, where its weekday helps nobody."""
    return _write_day(day, "long", language)


def long_day(day: date, language: str = DEFAULT_LANGUAGE) -> str:
    """`Friday, 19 June 2026`: a day as it stands in letters and mails."""
    return _write_day(day, _ENGLISH_DAY if short_code(language) == "en" else "full", language)


def short_time(at: datetime, now: datetime, tz: tzinfo, language: str = DEFAULT_LANGUAGE) -> str:
    """`10:23` on the same day, `yesterday`, `tomorrow`, else the day, all in the zone of the reader."""
    _refuse_naive(at)
    _refuse_naive(now)
    there, here = at.astimezone(tz), now.astimezone(tz).date()
    away = (there.date() - here).days
    if away == 0:
        return f"{there:%H:%M}"
    if away in (-1, 1):
        words = catalogue(language)
        return words.gettext("yesterday") if away < 0 else words.gettext("tomorrow")
    return short_day(there.date(), here, language)


def exact_time(at: datetime, tz: tzinfo, language: str = DEFAULT_LANGUAGE) -> str:
    """`Thursday 11 June 2026, 10:23:58 Europe/Berlin`: the instant to the second, with its zone."""
    _refuse_naive(at)
    there = at.astimezone(tz)
    form = "EEEE d MMMM y" if short_code(language) == "en" else "full"
    return f"{_write_day(there.date(), form, language)}, {there:%H:%M:%S} {tz}"


def day_left(day: date, today: date, language: str = DEFAULT_LANGUAGE) -> str:
    """How many days are left until a due date: `8 days`, `1 day`, `today`, `3 days over`."""
    left, words = (day - today).days, catalogue(language)
    if left == 0:
        return words.gettext("today")
    if left < 0:
        return words.ngettext("1 day over", "%(num)s days over", -left) % {"num": count(-left)}
    return words.ngettext("1 day", "%(num)s days", left) % {"num": count(left)}


def due_state(day: date, today: date) -> str:
    """`broken` after the day, `due` on it and on the eve, else `plain`: the state a due date is drawn in."""
    left = (day - today).days
    if left < 0:
        return "broken"
    return "due" if left <= 1 else "plain"


def count(number: int) -> str:
    """`48 211`: thousands by a narrow no-break space, in every language."""
    return f"{number:,}".replace(",", THIN).replace("-", "−")


def plural(number: int, one: str, many: str) -> str:
    """`1 record`, `2 211 records`: a count and its word, joined so that no line ends between them."""
    return f"{count(number)}\u00a0{one if number == 1 else many}"


def records(number: int, language: str = DEFAULT_LANGUAGE) -> str:
    """`1 record`, `2 211 records`, joined so that no line ends between them."""
    said = catalogue(language).ngettext("1 record", "%(num)s records", number) % {"num": count(number)}
    return said.replace(" ", "\u00a0")


def size(octets: int, language: str = DEFAULT_LANGUAGE) -> str:
    """`4.2 MB`: bytes in decimal units, one digit after the point below ten."""
    value, unit = float(octets), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    said = f"{value:.1f}" if unit != "B" and value < 9.95 else f"{value:.0f}"
    unit = unit.replace("B", "o") if short_code(language) == "fr" else unit  # octets
    return said.replace(".", get_decimal_symbol(_locale(language))) + THIN + unit


def ago(at: datetime, now: datetime, language: str = DEFAULT_LANGUAGE) -> str:
    """`2 minutes ago`, `in 3 hours`; under five seconds is `just now`."""
    _refuse_naive(at)
    _refuse_naive(now)
    apart = at - now
    if abs(apart) < timedelta(seconds=5):
        return catalogue(language).gettext("just now")
    return str(format_timedelta(apart, add_direction=True, threshold=1.2, locale=_locale(language)))


def span(length: timedelta, language: str = DEFAULT_LANGUAGE) -> str:
    """`4 s`, `23 min`, `3 h 30 min`, `12 d`: a length of time in a column of numbers, rounded down."""
    if length < timedelta(0):
        return "−" + span(-length, language)
    seconds = int(length.total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if seconds == 0:
        return catalogue(language).gettext("under 1 s")
    if seconds < 60:
        return f"{seconds}{THIN}s"
    if hours == 0:
        return f"{minutes}{THIN}min"
    if hours >= 48:
        return f"{count(hours // 24)}{THIN}d"
    rest = f" {minutes}{THIN}min" if minutes and hours < 10 else ""
    return f"{hours}{THIN}h{rest}"


def wrap_text(text: str, width: int = 72) -> str:
    """Plain text for mail: each long line is broken at spaces under its own indent; an address stays whole."""
    lines = [piece for line in text.strip("\n").split("\n") for piece in _wrap_line(line, width)]
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    joined = re.sub(r"\n-- \n+", "\n-- \n", joined)
    return joined + "\n"


def _wrap_line(line: str, width: int) -> list[str]:
    if line == "-- ":  # the mark of a signature, with its space (RFC 3676)
        return [line]
    head = re.match(r"\s*(?:\*\s+|\S+: {2,})?", line)  # a point of a list, or a label with its text set off
    lead = head.group() if head else ""
    wrapped, current = [], lead
    for word in re.split(r"[ \t]+", line[len(lead) :].strip(" \t")):  # a no-break space joins: `« mot »`
        glued = word if current == lead else f" {word}"
        if current != lead and len(current) + len(glued) > width:
            wrapped.append(current)
            current, glued = " " * len(lead), word
        current += glued
    return [*wrapped, current.rstrip()]


def initials(name: str) -> str:
    """`IV` for Ines Vogelsang: what stands in the small disc of an operator."""
    parts = [part[0] for part in name.split() if part[0].isalnum()]
    return "".join(parts[:1] + parts[1:][-1:]).upper()


_FILTERS: Final[tuple[Callable[..., Any], ...]] = (
    ago, count, day_left, due_state, exact_time, full_day, initials, long_day,
    plural, records, short_day, short_time, size, span, wrap_text,
)  # fmt: skip
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {one.__name__: one for one in _FILTERS}
