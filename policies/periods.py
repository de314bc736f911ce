"""Periods as policies write them (ISO 8601 durations): arithmetic that is never early, and words for people."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from core.catalogue import catalogue, join_words, short_code
from core.clock import require_utc
from core.errors import BadInput

_ISO: Final = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?)?", flags=re.ASCII
)
_NUMBER: Final = re.compile(r"(\d+)", flags=re.ASCII)
_LOOSE: Final = re.compile(r"(\d+)\s*(h|d|w|m|y)[a-z]*", flags=re.ASCII | re.IGNORECASE)
_LETTERS: Final = {"h": "PT{}H", "d": "P{}D", "w": "P{}W", "m": "P{}M", "y": "P{}Y"}
# Longer than any promise, short enough that no arithmetic leaves the calendar.
LONGEST_YEARS: Final = 200

_UNITS: Final = ("years", "months", "weeks", "days", "hours", "minutes")
# What stands after "nach" and "von"; no other language of ours changes the word there.
_DATIVE_DE: Final = {"Jahre": "Jahren", "Monate": "Monaten", "Tage": "Tagen"}


@dataclass(frozen=True, kw_only=True)
class Period:
    """A length of time by the calendar. Days are 24 hours, months and years are those of the calendar, all in UTC."""

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0

    def __post_init__(self) -> None:
        counts = [getattr(self, unit) for unit in _UNITS]
        if min(counts) < 0 or not any(counts):
            raise BadInput("A period is longer than nothing.", remedy="The shortest is one minute: PT1M; a day is P1D.")
        if max(counts) > 10**8 or self._about_days() > LONGEST_YEARS * 366:
            raise BadInput(f"A period is at most {LONGEST_YEARS} years.", remedy="Write one that ends.")

    @staticmethod
    def parse(text: str) -> Period:
        """The period that ISO 8601 text names. Refuses `30`, `30d`, `P30` and `P0D`, each with the right spelling."""
        found = _ISO.fullmatch(text)
        if found is None or not any(found.groups()):
            raise BadInput(f"'{text}' is not a period.", remedy=_right_spelling(text))
        numbers = [int(number or 0) if len(number or "") <= 9 else 10**9 for number in found.groups()]
        if not any(numbers):
            raise BadInput(f"'{text}' is no time at all.", remedy="The shortest is one minute: PT1M; a day is P1D.")
        return Period(**dict(zip(_UNITS, numbers, strict=True)))

    def before(self, now: datetime) -> datetime:
        """The cutoff: what is older than this instant is over its period at `now`.

        Never early: `t < before(now)` implies `after_instant(t) <= now`. It never steps back as `now` advances.
        """
        instant = require_utc(now) - self._fixed()
        total = instant.year * 12 + instant.month - 1 - self._all_months()
        year, month = divmod(total, 12)
        last = calendar.monthrange(year, month + 1)[1]
        if instant.day <= last:
            return instant.replace(year=year, month=month + 1)
        # No such day in that month: everything in the month is over, and nothing after it.
        return instant.replace(year=year, month=month + 1, day=last, hour=0, minute=0, second=0, microsecond=0) + (
            timedelta(days=1)
        )

    def after_instant(self, start: datetime) -> datetime:
        """`start` plus the period: months and years first (clamped to the month's end), then weeks, days and time."""
        instant = require_utc(start)
        day = _add_months(instant.date(), self._all_months())
        return instant.replace(year=day.year, month=day.month, day=day.day) + self._fixed()

    def after(self, day: date) -> date:
        """The day on which the period ends that began on `day`. Hours count as the whole days in them, never more."""
        return _add_months(day, self._all_months()) + timedelta(days=self._fixed().days)

    def words(self, language: str = "en", *, dative: bool = False) -> str:
        """`30 days`, `1 year and 6 months`, `10 Jahre`; in German prose after "nach" or "von" ask for the dative."""
        ngettext = catalogue(language).ngettext
        parts = [
            (self.years, ngettext("1 year", "%(num)s years", self.years)),
            (self.months, ngettext("1 month", "%(num)s months", self.months)),
            (self.weeks, ngettext("1 week", "%(num)s weeks", self.weeks)),
            (self.days, ngettext("1 day", "%(num)s days", self.days)),
            (self.hours, ngettext("1 hour", "%(num)s hours", self.hours)),
            (self.minutes, ngettext("1 minute", "%(num)s minutes", self.minutes)),
        ]
        said = [words % {"num": number} for number, words in parts if number]
        if dative and short_code(language) == "de":
            said = [" ".join(_DATIVE_DE.get(word, word) for word in each.split(" ")) for each in said]
        return join_words(said, language)

    def __str__(self) -> str:
        day = "".join(
            f"{n}{c}" for n, c in ((self.years, "Y"), (self.months, "M"), (self.weeks, "W"), (self.days, "D")) if n
        )
        time = "".join(f"{n}{c}" for n, c in ((self.hours, "H"), (self.minutes, "M")) if n)
        return f"P{day}" + (f"T{time}" if time else "")

    def _all_months(self) -> int:
        return self.years * 12 + self.months

    def _fixed(self) -> timedelta:
        return timedelta(weeks=self.weeks, days=self.days, hours=self.hours, minutes=self.minutes)

    def _about_days(self) -> float:
        return self._all_months() * 30.5 + self.weeks * 7 + self.days + self.hours / 24 + self.minutes / 1440


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _right_spelling(text: str) -> str:
    given = text.strip()
    bare = given[1:] if given[:1] in "Pp" else given
    if _NUMBER.fullmatch(bare):
        return f"Say of what: P{bare}D is {bare} days, P{bare}M months, P{bare}Y years."
    loose = _LOOSE.fullmatch(bare)
    if loose is None:
        return "Write an ISO 8601 duration: P30D is 30 days, P12M 12 months, P10Y 10 years, PT12H 12 hours."
    number, letter = loose[1], loose[2].lower()
    if letter == "m":
        return f"Write P{number}M for {number} months, PT{number}M for {number} minutes."
    right = _LETTERS[letter].format(number)
    return f"Write {right}."
