"""Counts what is sought in records: by field, sure and likely apart, and decides which of it is a finding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from checks.sought import Sought
from checks.values import Leaf, Pairs, TooDeep, steps, walk
from core.settings import CollectionSettings
from core.traces import Trace, find_traces, is_blank, is_card_shaped, is_soft_name

# What only reads like something is a finding where much of the field does, never for one value.
LIKELY_SHARE: Final = 0.1
LIKELY_LEAST: Final = 2
# Of long numbers that are no card numbers one in ten has the right check digit.
CARDS_SHARE: Final = 0.5
CARDS_ENOUGH: Final = 10
_OF_NUMBERS: Final = frozenset({Trace.CARD_NUMBER, Trace.COORDINATES, Trace.PASSWORD})
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}")


@dataclass(frozen=True, kw_only=True)
class Place:
    """What was sought where."""

    clause: str
    category: str
    field: str
    trace: Trace


@dataclass(kw_only=True)
class Tally:
    """Rows counted: by place, what was sure and what likely; by field, those with a value and those shaped like a card number."""

    sure: Counter[Place] = field(default_factory=Counter)
    likely: Counter[Place] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    card_shaped: Counter[str] = field(default_factory=Counter)

    def findings(self, collection: CollectionSettings) -> Iterator[tuple[Place, int]]:
        """Each place with how many rows hold it there."""
        for place in sorted(self.sure.keys() | self.likely.keys(), key=lambda one: (one.clause, one.field, one.trace)):
            sure, likely = self.sure[place], self.likely[place]
            shaped = self.card_shaped[place.field]
            if place.trace is Trace.CARD_NUMBER and shaped >= CARDS_ENOUGH and sure < shaped * CARDS_SHARE:
                continue
            enough = likely >= max(LIKELY_LEAST, self.filled[place.field] * LIKELY_SHARE)
            count = sure + (likely if enough and not _is_free_text(collection, place.field) else 0)
            if count:
                yield place, count


def tally_record(
    tally: Tally,
    collection: CollectionSettings,
    record: Mapping[str, Any],
    sought: Sequence[Sought],
    *,
    allowed: Callable[[str], bool],
) -> None:
    """Count what one record holds; each place at most once."""
    kinds = tuple({one.trace for one in sought})
    of_numbers = tuple(trace for trace in kinds if trace in _OF_NUMBERS)
    seen: dict[Place, bool] = {}
    filled: set[str] = set()
    shaped: set[str] = set()
    for leaf in _leaves(record):
        name = _field_of(leaf)
        if leaf.text and not leaf.is_key:
            filled.add(name)
        if Trace.CARD_NUMBER in kinds and leaf.text.isdigit() and is_card_shaped(leaf.text):
            shaped.add(name)
        # Where the map says that people write, a name such as `body` says no more.
        called = "" if is_soft_name(leaf.name) and _is_free_text(collection, name) else leaf.name
        held = find_traces(leaf.text, name=called, wanted=of_numbers if leaf.is_number else kinds)
        if leaf.of_chat and leaf.text.strip():
            held[Trace.MODEL_TEXT] = True
        own = _own_category(collection, name)
        for one in sought:
            declared = own == one.category and not is_blank(leaf.text)
            if (one.trace in held or declared) and own not in one.excepted:
                place = Place(clause=one.clause, category=one.category, field=name, trace=one.trace)
                seen[place] = seen.get(place, False) or declared or held[one.trace]
    permitted = {one.clause: one.consent for one in sought if one.consent}
    for place, sure in seen.items():
        purpose = permitted.get(place.clause)
        if purpose is None or not allowed(purpose):
            (tally.sure if sure else tally.likely)[place] += 1
    tally.filled.update(filled)
    tally.card_shaped.update(shaped)


def _leaves(record: Mapping[str, Any]) -> Iterator[Leaf]:
    try:
        yield from walk(Pairs(record.items()))
    except TooDeep:
        return  # what stands deeper is not looked at


def _field_of(leaf: Leaf) -> str:
    """The record's field; of JSON in it the last key too, where that is a name and not somebody's address."""
    path = steps(leaf)
    top = path[0] if path else ""
    inner = leaf.name if leaf.name != top and _PLAIN_NAME.fullmatch(leaf.name) else ""
    return f"{top}->{inner}" if inner else top


def _own_category(collection: CollectionSettings, name: str) -> str | None:
    said = collection.fields.get(name) or collection.fields.get(name.partition("->")[0])
    return said.category if said else None


def _is_free_text(collection: CollectionSettings, name: str) -> bool:
    """Whether the map says that people's own words stand there: then only what is sure counts."""
    said = collection.fields.get(name) or collection.fields.get(name.partition("->")[0])
    return said is not None and (said.category is not None or (said.fideslang or "").startswith("user.content"))
