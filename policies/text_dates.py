"""Days as policy texts write them, in each language: found, read and hidden, so that a date can be told from a change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

_MONTHS: Final = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jänner feb mär apr mai jun jul aug sept okt nov dez",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "januari februari maart april mei juni juli augustus september oktober november december",
    )
    for number, name in enumerate(names.split(), start=1)
}
_NAMES: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE: Final = re.compile(
    rf"(?<!\d)(?:(?P<m1>{_NAMES})\.?\s+(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y1>\d{{4}})"
    rf"|(?P<d2>\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s+(?:(?:of|de)\s+)?(?P<m2>{_NAMES})\.?,?\s+(?:del?\s+)?(?P<y2>\d{{4}})"
    r"|(?P<y3>\d{4})-(?P<m3>\d{2})-(?P<d3>\d{2})"
    r"|(?P<d4>\d{1,2})\.(?P<m4>\d{1,2})\.(?P<y4>\d{4})"
    rf"|(?P<m5>{_NAMES})\s+(?:del?\s+)?(?P<y5>\d{{4}}))(?!\d)",
    re.I,
)
_DIGITS: Final = re.compile(r"\d{4}")
HIDDEN: Final = "␟"


@dataclass(frozen=True, kw_only=True)
class FoundDate:
    """A date in a text. `day` is the first of the month where the text names none, None where there is no such day."""

    text: str
    day: date | None


def find_dates(text: str) -> list[FoundDate]:
    """Every date of a text, in order."""
    if not _DIGITS.search(text):
        return []
    return [FoundDate(text=found[0], day=_read(found)) for found in _DATE.finditer(text)]


def hide_dates(text: str) -> str:
    """The text with a sign in place of each date."""
    if not _DIGITS.search(text):
        return text
    return _DATE.sub(HIDDEN, text)


def _read(found: re.Match[str]) -> date | None:
    parts = {name[0]: value for name, value in found.groupdict().items() if value}
    month = int(parts["m"]) if parts["m"].isdigit() else _MONTHS[parts["m"].lower()]
    try:
        return date(int(parts["y"]), month, int(parts.get("d", 1)))
    except ValueError:
        return None
