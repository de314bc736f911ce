"""What a message offers besides its request: identifiers of the person, and the time it sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final

from dateutil.relativedelta import relativedelta

from core.personal import Personal
from inbox.findings import Identifier, Offer, Part
from inbox.lexicons import Hit, lexicon, load_data
from inbox.reading import Reading, fold
from policies.text_dates import find_dates

_OFFERS: Final = "offers"
_MOST = 40
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
_BETWEEN: Final = r"[ \t]{0,3}(?:is|ist|est|es|è|war|lautet|:|=|#|\.|°|º|\(|,)?[ \t]{0,3}[:#]?[ \t]{0,3}"
_NUMBER: Final = re.compile(_BETWEEN + r"([A-Za-z]{0,8}[-_./]?\d[A-Za-z0-9._/-]{1,30})")
_USER: Final = re.compile(_BETWEEN + r"[\"'“„«]?([A-Za-z0-9][\w.@+-]{1,40})")
_PHONE: Final = re.compile(_BETWEEN + r"(\+?[0-9][0-9 ()/.-]{5,20}[0-9])")
_NAME: Final = re.compile(r"[ \t]{0,3}:?[ \t]{0,3}([^\W\d_][^\n,;:()<>@\d]{1,60})")
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    Offer.CUSTOMER_NUMBER: _NUMBER,
    Offer.ACCOUNT_NUMBER: _NUMBER,
    Offer.ORDER_NUMBER: _NUMBER,
    Offer.USER_NAME: _USER,
    Offer.PHONE: _PHONE,
    Offer.NAME: _NAME,
}
_LONGEST_NUMBER: Final = 999


def find_offers(
    sender: str, sender_name: str, readings: Mapping[Part, Reading], texts: Mapping[Part, str]
) -> Iterator[Identifier]:
    """Identifiers of a message, in order: who it says it is from, then what its text offers."""
    if sender:
        yield Identifier(kind=Offer.EMAIL, value=Personal(sender), part=Part.HEADER)
    if sender_name and "@" not in sender_name:
        yield Identifier(kind=Offer.NAME, value=Personal(sender_name), part=Part.HEADER)
    for part, reading in readings.items():
        text = texts[part]
        for address in _addresses(text):
            yield Identifier(kind=Offer.EMAIL, value=Personal(address), part=part)
        for hit in lexicon(_OFFERS).find(reading):
            shape = _SHAPES.get(hit.category)
            found = shape.match(text, reading.ends[hit.end - 1]) if shape else None
            if found and (hit.category != Offer.NAME or _is_name(text, reading, hit)):
                yield Identifier(kind=Offer(hit.category), value=Personal(found[1].strip(" .\t\r-/")), part=part)


def find_deadlines(reading: Reading, text: str, arrived: datetime | None) -> Iterator[date]:
    """Days by which a text wants something done; a span counts from the arrival, without which it says no day."""
    for hit in lexicon(_OFFERS).find(reading):
        if hit.category == "until":
            start = reading.starts[hit.start]
            named = find_dates(text[start : start + 60])
            if named and named[0].day and (arrived is None or named[0].day >= arrived.date()):
                yield named[0].day
        elif hit.category == "within" and arrived is not None:
            span = _span_after(reading, hit.end)
            if span is not None:
                yield arrived.date() + span


def _addresses(text: str) -> Iterator[str]:
    """Addresses around each @ of a text, a bounded number of them."""
    at = -1
    for _ in range(_MOST):
        at = text.find("@", at + 1)
        if at < 0:
            return
        found = _ADDRESS.search(text[max(0, at - 64) : at + 255])
        if found:
            yield found[0].lstrip("'.*")


def _is_name(text: str, reading: Reading, hit: Hit) -> bool:
    """A bare word for name needs a colon behind it; a sentence that says it does not. The name begins with a capital."""
    rest = text[reading.ends[hit.end - 1] :][:8].lstrip(" \t")
    said = hit.end - hit.start > 1
    value = rest.lstrip(": \t")
    return bool(value) and value[0].isupper() and (rest.startswith(":") or (said and not rest.startswith("\n")))


def _span_after(reading: Reading, at: int) -> relativedelta | timedelta | None:
    """The span of time in the few words after a place: "14 days", "the next two weeks"."""
    numbers, units = _times()
    last = min(at + 5, len(reading.words))
    for place in range(at, last):
        word = reading.words[place]
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 4 else numbers.get(word)
        if number is None or not 0 < number <= _LONGEST_NUMBER:
            continue
        for unit_at in range(place + 1, min(place + 3, len(reading.words))):
            unit = units.get(reading.words[unit_at])
            if unit == "hours":
                return timedelta(days=-(-number // 24))
            if unit == "months":
                return relativedelta(months=number)
            if unit:
                return timedelta(days=number * (7 if unit == "weeks" else 1))
    return None


@cache
def _times() -> tuple[Mapping[str, int], Mapping[str, str]]:
    data = load_data("times.yaml")
    numbers = {fold(word): int(number) for number, words in data["numbers"].items() for word in str(words).split()}
    units = {fold(word): unit for unit in ("hours", "days", "weeks", "months") for word in str(data[unit]).split()}
    return numbers, units
