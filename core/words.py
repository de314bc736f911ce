"""How numbers, days and times are said to people, in English and German: the filters of every template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final

from babel.dates import format_date, format_timedelta

THIN: Final = "\u202f"  # narrow no-break space: thousands, and a number and its unit
DEFAULT_LANGUAGE: Final = "en"

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "yesterday": "yesterday", "tomorrow": "tomorrow", "today": "today", "now": "just now",
        "day": "1 day", "days": "{n} days", "over_day": "1 day over", "over_days": "{n} days over",
        "moment": "under 1 s", "point": ".", "record": "1 record", "records": "{n} records",
    },
    "de": {
        "yesterday": "gestern", "tomorrow": "morgen", "today": "heute", "now": "gerade eben",
        "day": "1 Tag", "days": "{n} Tage", "over_day": "1 Tag darüber", "over_days": "{n} Tage darüber",
        "moment": "unter 1 s", "point": ",", "record": "1 Datensatz", "records": "{n} Datensätze",
    },
}  # fmt: skip
_SHORT_DAY: Final = {"en": "d MMMM", "de": "d. MMMM"}
_FULL_DAY: Final = {"en": "d MMMM y", "de": "d. MMMM y"}
_LONG_DAY: Final = {"en": "EEEE, d MMMM y", "de": "EEEE, d. MMMM y"}
_EXACT_DAY: Final = {"en": "EEEE d MMMM y", "de": "EEEE, d. MMMM y"}


def _speak(language: str) -> str:
    """The language that words are kept for: `de-AT` is German, an unknown one is English."""
    short = language.replace("_", "-").split("-", 1)[0].lower()
    return short if short in _WORDS else DEFAULT_LANGUAGE


def _say(key: str, language: str) -> str:
    return _WORDS[_speak(language)][key]


def _refuse_naive(at: datetime) -> None:
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"the time {at.isoformat()} has no zone; hand in an aware one, UTC from the clock")


def short_day(day: date, today: date, language: str = DEFAULT_LANGUAGE) -> str:
    """`9 June`, with the year when it is not this one."""
    short = _speak(language)
    pattern = _SHORT_DAY[short] + ("" if day.year == today.year else " y")
    return str(format_date(day, pattern, locale=short))


def full_day(day: date, language: str = DEFAULT_LANGUAGE) -> str:
    """`19 June 2026`: a day that is long past or far away, where its weekday helps nobody."""
    short = _speak(language)
    return str(format_date(day, _FULL_DAY[short], locale=short))


def long_day(day: date, language: str = DEFAULT_LANGUAGE) -> str:
    """`Friday, 19 June 2026`: a day as it stands in letters and mails."""
    short = _speak(language)
    return str(format_date(day, _LONG_DAY[short], locale=short))


def short_time(at: datetime, now: datetime, tz: tzinfo, language: str = DEFAULT_LANGUAGE) -> str:
    """`10:23` on the same day, `yesterday`, `tomorrow`, else the day, all in the zone of the reader."""
    _refuse_naive(at)
    _refuse_naive(now)
    there, here = at.astimezone(tz), now.astimezone(tz).date()
    away = (there.date() - here).days
    if away == 0:
        return f"{there:%H:%M}"
    if away in (-1, 1):
        return _say("yesterday" if away < 0 else "tomorrow", language)
    return short_day(there.date(), here, language)


def exact_time(at: datetime, tz: tzinfo, language: str = DEFAULT_LANGUAGE) -> str:
    """`Thursday 11 June 2026, 10:23:58 Europe/Berlin`: the instant to the second, with its zone."""
    _refuse_naive(at)
    short = _speak(language)
    there = at.astimezone(tz)
    return f"{format_date(there.date(), _EXACT_DAY[short], locale=short)}, {there:%H:%M:%S} {tz}"


def day_left(day: date, today: date, language: str = DEFAULT_LANGUAGE) -> str:
    """How many days are left until a due date: `8 days`, `1 day`, `today`, `3 days over`."""
    left = (day - today).days
    if left == 0:
        return _say("today", language)
    key = ("over_" if left < 0 else "") + ("day" if abs(left) == 1 else "days")
    return _say(key, language).format(n=count(abs(left)))


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
    return _say("record" if number == 1 else "records", language).format(n=count(number)).replace(" ", "\u00a0")


def size(octets: int, language: str = DEFAULT_LANGUAGE) -> str:
    """`4.2 MB`: bytes in decimal units, one digit after the point below ten."""
    value, unit = float(octets), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    said = f"{value:.1f}" if unit != "B" and value < 9.95 else f"{value:.0f}"
    return said.replace(".", _say("point", language)) + THIN + unit


def ago(at: datetime, now: datetime, language: str = DEFAULT_LANGUAGE) -> str:
    """`2 minutes ago`, `in 3 hours`; under five seconds is `just now`."""
    _refuse_naive(at)
    _refuse_naive(now)
    apart = at - now
    if abs(apart) < timedelta(seconds=5):
        return _say("now", language)
    return str(format_timedelta(apart, add_direction=True, threshold=1.2, locale=_speak(language)))


def span(length: timedelta, language: str = DEFAULT_LANGUAGE) -> str:
    """`4 s`, `23 min`, `3 h 30 min`, `12 d`: a length of time in a column of numbers, rounded down."""
    if length < timedelta(0):
        return "−" + span(-length, language)
    seconds = int(length.total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if seconds == 0:
        return _say("moment", language)
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
    for word in line[len(lead) :].split():
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
