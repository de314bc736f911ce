"""Which keys a condition can mean, in an order that can be cut into batches without naming a key.

Redis has no order of keys, but a scan walks its table in one: bucket after bucket, by the bits of the cursor read
backwards, whatever the table's size, and any process may go on from a cursor that another one was given. So a batch is
what lies between two cursors. Where the condition names every field that makes out a key, the keys are known: a batch
then is a range of their places in sorted order. Either way a bound is a number, and tells of nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final

from stores.conditions import Condition, OneOf, conjuncts
from stores.name_patterns import NamePattern
from stores.redis_client import RedisClient
from stores.redis_records import KEY, as_bytes

MOST_KNOWN: Final = 500_000
PAGE: Final = 1_000
REPEAT_PAGE: Final = 50
_RECENT: Final = 1 << 17
_END: Final = "end"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some keys that the condition may mean, and the bound that they reach up to."""

    names: Sequence[bytes]
    high: str


class Candidates:
    """The keys that a condition can mean: known by name, else met in a scan."""

    def __init__(self, client: RedisClient, pattern: NamePattern, where: Condition) -> None:
        self._client = client
        given = _given(where)
        self.known = _known(pattern, given)
        # does being one of the known keys already mean that the condition holds?
        parts = conjuncts(where)
        self.is_certain = (
            self.known is not None
            and all(isinstance(part, OneOf) and part.field in pattern.fields for part in parts)
            and len(parts) == len(given)
        )
        one = {name: values[0] for name, values in given.items() if len(values) == 1}
        self._glob = as_bytes(pattern.glob(one))

    def pages(self, after: Any = None, *, size: int = PAGE) -> Iterator[Page]:
        """Everything after a bound, page by page; a key may come twice while the server's table grows or shrinks."""
        word, _, place = str(after or "").partition(":")
        if word == _END:
            return
        if self.known is not None:
            # a bound of the other way belongs to an earlier look at a changed map: begin again, the deed is idempotent
            start = int(place) if word == "known" else 0
            for low in range(start, len(self.known), size):
                yield Page(names=self.known[low : low + size], high=f"known:{min(low + size, len(self.known))}")
            return
        cursor = int(place, 16) if word == "scan" else 0
        while True:
            cursor, names = self._client.scan(cursor, self._glob, size)
            yield Page(names=names, high=f"scan:{cursor:x}" if cursor else _END)
            if cursor == 0:
                return

    def within(self, low: Any, high: Any) -> Iterator[Page]:
        """The pages of one batch, found again from its bounds alone; of a scan, a few keys beyond may be among them."""
        if self.known is not None and str(high).startswith("known:"):
            start, end = _order(str(low or "known:0")), _order(str(high))
            yield Page(names=self.known[start:end], high=str(high))
            return
        for page in self.pages(low, size=REPEAT_PAGE):
            yield page
            if not _is_before(page.high, str(high)):
                return


class Recent:
    """Which keys of a scan came just before. A table that shrinks while it is scanned shows those of some buckets again, and
    these follow each other: it would have to shrink to a hundred thousandth for one to come again later than that."""

    def __init__(self) -> None:
        self._now: set[int] = set()
        self._before: set[int] = set()

    def is_new(self, name: bytes) -> bool:
        mark = hash(name)
        if mark in self._now or mark in self._before:
            return False
        self._now.add(mark)
        if len(self._now) >= _RECENT:
            self._now, self._before = set(), self._now
        return True


def _is_before(one: str, other: str) -> bool:
    return _order(one) < _order(other)


def _order(bound: str) -> int:
    word, _, place = bound.partition(":")
    match word:
        case "known":
            return int(place)
        case "scan":
            return int(f"{int(place, 16):064b}"[::-1], 2)
        case _:
            return 1 << 64


def _given(where: Condition) -> Mapping[str, tuple[str, ...]]:
    """The values to which every record that matches is bound, by field."""
    found: dict[str, tuple[str, ...]] = {}
    for part in conjuncts(where):
        if isinstance(part, OneOf):
            values = tuple(sorted({value for value in part.values if value}))
            if part.field not in found or len(values) < len(found[part.field]):
                found[part.field] = values
    return found


def _known(pattern: NamePattern, given: Mapping[str, tuple[str, ...]]) -> list[bytes] | None:
    if KEY in given:
        return [as_bytes(name) for name in given[KEY] if pattern.read(name) is not None]
    if not pattern.is_exact or not pattern.fields or not set(pattern.fields) <= set(given):
        return None
    if len(pattern.fields) == 1 and len(given[pattern.fields[0]]) <= MOST_KNOWN:
        return [as_bytes(name) for name in pattern.fill_one(given[pattern.fields[0]])]
    choices = [given[field] for field in pattern.fields]
    if prod(len(values) for values in choices) > MOST_KNOWN:
        return None
    named = (pattern.fill(dict(zip(pattern.fields, values, strict=True))) for values in product(*choices))
    return [as_bytes(name) for name in named if name is not None]
