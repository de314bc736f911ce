"""What the facts in two texts without clauses say: a period that grew, a recipient that came, a right that went."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from core.errors import BadInput
from policies.alignment import Piece, likeness
from policies.facts import Fact, FactKind, PeriodRole, find_facts
from policies.period_order import Order, order_periods
from policies.periods import Period
from policies.plain_texts import Block, BlockKind, PlainText, split_sentences
from policies.prose_differences import ProseChange
from policies.prose_rules import Finding, flat, quote_of
from policies.word_differences import words_of

# A guess weighs nothing: the words of the paragraph are weighed all the same.
_SURE: Final = 0.55
_SAME_THING: Final = 0.5
_LONGEST_PURPOSE: Final = 12
_ASKING: Final = re.compile(r"\b(?:rights?|request|ask|can|may|rechte?|verlangen|können)\b", re.I)
_RIGHT_STEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "access": ("access", "auskunft"), "portability": ("portab", "machine-readable", "übertrag"),
    "correction": ("correct", "rectif", "berichtig"), "deletion": ("delet", "eras", "lösch"),
    "restriction": ("restrict", "einschränk"), "objection": ("object", "widersp"), "opt_out": ("opt-out", "opt out"),
    "limit_sensitive": ("limit the use",), "withdraw_consent": ("withdraw", "widerruf"),
    "complaint": ("complain", "beschwer"), "appeal": ("appeal",),
}  # fmt: skip
_KEPT: Final = frozenset({PeriodRole.RETENTION, PeriodRole.AFTER_CLOSING, PeriodRole.LASTS, PeriodRole.ANSWER})


@dataclass(frozen=True, kw_only=True)
class Side:
    """One text and the facts in `chosen`, by index the words of those of its blocks that changed, as far as they did.

    What did not change stands on both sides, and says nothing.
    """

    text: PlainText
    chosen: Mapping[int, str]

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        wanted = sorted({near for index in self.chosen for near in self._around(index)})
        blocks = tuple(self._part(index) for index in wanted)
        found = find_facts(PlainText(name=self.text.name, blocks=blocks, language=self.text.language)).facts
        return tuple(replace(fact, block=wanted[fact.block]) for fact in found if wanted[fact.block] in self.chosen)

    def _part(self, index: int) -> Block:
        block = self.text.blocks[index]
        return replace(block, text=self.chosen[index], markdown="") if index in self.chosen else block

    def _around(self, index: int) -> Iterator[int]:
        """The block, its heading, and the sentence before a list or a table that says what it is a list of."""
        yield index
        yield from (above for above in self._above[index] if above >= 0)

    @cached_property
    def _above(self) -> list[tuple[int, int]]:
        """For each block the last one that is in no list before it, and its heading; -1 where there is none."""
        found, lead, heading = [], -1, -1
        for index, block in enumerate(self.text.blocks):
            found.append((lead, heading))
            if block.kind is BlockKind.HEADING:
                heading = index
            if block.kind not in (BlockKind.ITEM, BlockKind.CELL):
                lead = index
        return found

    @cached_property
    def by_block(self) -> Mapping[int, list[Fact]]:
        found: dict[int, list[Fact]] = {}
        for fact in self.facts:
            if fact.confidence >= _SURE:
                found.setdefault(fact.block, []).append(fact)
        return found

    @cached_property
    def lower(self) -> str:
        return "\n".join(block.text for block in self.text.blocks).lower()

    @cached_property
    def flat(self) -> str:
        return flat(self.lower)

    @cached_property
    def values(self) -> frozenset[tuple[FactKind, str]]:
        return frozenset((fact.kind, fact.value.casefold()) for fact in self.facts)

    def has(self, fact: Fact) -> bool:
        """Whether the fact stands in this text: as a fact where it changed, or its sentence anywhere."""
        if (fact.kind, fact.value.casefold()) in self.values or flat(fact.sentence) in self.flat:
            return True
        stems = _RIGHT_STEMS.get(fact.value, ()) if fact.kind is FactKind.RIGHT else ()
        return any(stem in self.rights for stem in stems)

    @cached_property
    def rights(self) -> str:
        """The blocks that speak of rights or of what one can ask for."""
        return "\n".join(block.text.lower() for block in self.text.blocks if _ASKING.search(block.text))

    def says(self, words: str) -> bool:
        """Whether these words stand in the text in a row."""
        return bool(words) and re.search(rf"(?<!\w){re.escape(words.lower())}(?!\w)", self.lower) is not None

    def alike(self, fact: Fact) -> bool:
        """Whether the text has a fact of the kind in much the same words."""
        mine = Piece.of(fact.value, words_of(fact.value))
        return any(
            likeness(mine, Piece.of(one.value, words_of(one.value))) >= _SAME_THING
            for one in self.facts
            if one.kind is fact.kind
        )


def take_sides(old: PlainText, new: PlainText, changes: Sequence[ProseChange]) -> tuple[Side, Side]:
    """Both texts with what differs in them."""
    gone: dict[int, str] = {}
    come: dict[int, str] = {}
    for change in changes:
        was, now = flat(change.before), flat(change.after)
        if was != now:
            gone |= {index: part for index in change.old_at if (part := _beside(old.blocks[index], now))}
            come |= {index: part for index in change.new_at if (part := _beside(new.blocks[index], was))}
    return Side(text=old, chosen=gone), Side(text=new, chosen=come)


def _beside(block: Block, other: str) -> str:
    """The sentences of a block that the other side does not have."""
    return " ".join(one for one in split_sentences(block.text) if flat(one) not in other)


def weigh_facts(change: ProseChange, old: Side, new: Side) -> Iterator[Finding]:
    """What the facts of one changed paragraph say."""
    was, now = flat(change.before), flat(change.after)
    gone = [one for block in change.old_at for one in old.by_block.get(block, ()) if flat(one.sentence) not in now]
    come = [one for block in change.new_at for one in new.by_block.get(block, ()) if flat(one.sentence) not in was]
    yield from _periods(_of(gone, FactKind.PERIOD), _of(come, FactKind.PERIOD), change)
    yield from _ages(_of(gone, FactKind.AGE), _of(come, FactKind.AGE))
    yield from _addresses(gone, come, old, new)
    for fact in come:
        if (rule := _CAME.get(fact.kind)) and rule[1](fact, old):
            yield Finding(rule=rule[0], quote=quote_of(fact.sentence), fills={"after": _shown(fact)})
    for fact in gone:
        if (rule := _WENT.get(fact.kind)) and rule[1](fact, new):
            yield Finding(rule=rule[0], quote=quote_of(fact.sentence), fills={"before": _shown(fact)})


def _of(facts: Sequence[Fact], kind: FactKind) -> list[Fact]:
    return [fact for fact in facts if fact.kind is kind]


def _shown(fact: Fact) -> str:
    name = fact.value.replace("_", " ")
    return f"{name} ({fact.subject})" if fact.kind is FactKind.RIGHT and fact.subject else name


def _unpaired(gone: Sequence[Fact], come: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    left, new = list(gone), []
    for fact in come:
        same = next((one for one in left if one.value == fact.value), None)
        if same:
            left.remove(same)
        else:
            new.append(fact)
    return left, new


def _periods(gone: Sequence[Fact], come: Sequence[Fact], change: ProseChange) -> Iterator[Finding]:
    left, new = _unpaired(gone, come)
    for was, now in zip(left, new, strict=False):
        yield _period(was, now)
    for was in left[len(new) :]:
        if was.sentence not in change.after:
            yield Finding(rule="period_dropped", quote=quote_of(was.sentence), fills={"before": _length(was)})
    for now in new[len(left) :]:
        if now.sentence not in change.before:
            yield Finding(rule="period_added", quote=quote_of(now.sentence), fills={"after": _length(now)})


def _period(was: Fact, now: Fact) -> Finding:
    fills = {"before": _length(was), "after": _length(now)}
    order, role = _order(was, now), now.role or was.role
    rule = "period_untold"
    if role == PeriodRole.AHEAD and order is not Order.UNTOLD:
        rule = "notice_longer" if order is Order.LONGER else "notice_shorter"
    elif order is Order.LONGER:
        rule = "longer"
    elif order is Order.SHORTER and role in _KEPT:
        rule = "shorter"
    return Finding(rule=rule, quote=quote_of(now.sentence), fills=fills)


def _order(was: Fact, now: Fact) -> Order:
    try:
        return order_periods(Period.parse(was.value), Period.parse(now.value))
    except BadInput:
        return Order.UNTOLD


def _length(fact: Fact) -> str:
    if fact.found:
        return fact.found
    try:
        return Period.parse(fact.value).words()
    except BadInput:
        return fact.value


def _ages(gone: Sequence[Fact], come: Sequence[Fact]) -> Iterator[Finding]:
    left, new = _unpaired(gone, come)
    for was, now in zip(left, new, strict=False):
        yield Finding(rule="age", quote=quote_of(now.sentence), fills={"before": was.value, "after": now.value})


def _addresses(gone: Sequence[Fact], come: Sequence[Fact], old: Side, new: Side) -> Iterator[Finding]:
    for kind in (FactKind.ADDRESS, FactKind.POST):
        left = [fact for fact in _of(gone, kind) if not new.says(fact.value)]
        fresh = [fact for fact in _of(come, kind) if not old.says(fact.value)]
        if left and fresh:
            fills = {"before": ", ".join(one.value for one in left), "after": ", ".join(one.value for one in fresh)}
            yield Finding(rule="address", fills=fills)


def _nowhere(fact: Fact, other: Side) -> bool:
    return not other.has(fact)


def _unnamed(fact: Fact, other: Side) -> bool:
    return not other.has(fact) and not other.says(fact.value)


def _unlike(fact: Fact, other: Side) -> bool:
    return len(fact.value.split()) <= _LONGEST_PURPOSE and not other.says(fact.value) and not other.alike(fact)


_Test = Callable[[Fact, Side], bool]
_CAME: Final[Mapping[FactKind, tuple[str, _Test]]] = {
    FactKind.INDEFINITE: ("endless", _nowhere),
    FactKind.RECIPIENT: ("new_recipient", _unnamed),
    FactKind.RECIPIENTS: ("new_recipients", _unlike),
    FactKind.RIGHT: ("right_new", _nowhere),
    FactKind.CATEGORY: ("new_category", _unnamed),
    FactKind.PURPOSE: ("new_purpose", _unlike),
    FactKind.COOKIE: ("new_cookie", _unnamed),
    FactKind.ACCEPTANCE: ("accepted_by_use", _nowhere),
}
_WENT: Final[Mapping[FactKind, tuple[str, _Test]]] = {
    FactKind.RECIPIENT: ("recipient_gone", _unnamed),
    FactKind.RIGHT: ("right_gone", _nowhere),
    FactKind.CATEGORY: ("category_gone", _unnamed),
    FactKind.NO_COOKIE: ("promise_gone", _nowhere),
    FactKind.NEVER: ("promise_gone", _nowhere),
    FactKind.PLEDGE: ("promise_gone", _unlike),
    FactKind.SAFEGUARD: ("promise_gone", _unlike),
    FactKind.REGIME: ("regime_gone", _nowhere),
}
