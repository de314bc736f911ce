"""What a change weighs for the people it is promised to, and why, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.lined_yaml import load_lined

_FILE: Final = Path(__file__).with_name("materiality.yaml")


class Weight(StrEnum):
    """MATERIAL: people must hear of it. MINOR: something changed, not to their disadvantage. EDITORIAL: nothing that is promised."""

    MATERIAL = "material"
    MINOR = "minor"
    EDITORIAL = "editorial"


_RANK: Final = (Weight.MATERIAL, Weight.MINOR, Weight.EDITORIAL)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The weight of a whole difference. `reasons`: sentences for people, the weightiest first; at least one."""

    weight: Weight
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One thing that changed: what it weighs and a sentence that says what and why."""

    weight: Weight
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one sort of change weighs. `unsure`: it counts as material because it could not be told. Words are English."""

    name: str
    weight: Weight
    unsure: bool
    law: str
    word: str
    why: str


@dataclass(frozen=True, kw_only=True)
class ProseRule:
    """What one sort of change of prose weighs, and the sentence for it in English, with names to fill in."""

    name: str
    weight: Weight
    sentence: str


@cache
def all_rules() -> Mapping[str, Rule]:
    """The rules for clauses, by name."""
    return {name: _rule(name, data) for name, data in _data()["clauses"].items()}


@cache
def needed_cookies() -> frozenset[str]:
    """The purposes for which a cookie counts as one that the service needs."""
    return frozenset(_data()["needed_cookies"])


@cache
def prose_rules() -> Mapping[str, ProseRule]:
    """The rules for prose, by name."""
    return {
        name: ProseRule(name=name, weight=Weight(data["weight"]), sentence=data["says"])
        for name, data in _data()["prose"].items()
    }


@cache
def word_lists() -> Mapping[str, tuple[str, ...]]:
    """The lists of words that the rules for prose look for, in lower case."""
    return {name: tuple(words) for name, words in _data()["words"].items()}


def extract_messages(*_of_babel: Any, **_options: Any) -> Iterator[tuple[int, None, str, list[str]]]:
    """The words of the rules for the catalogues, as babel.cfg asks for them."""
    yield from ((1, None, words, []) for rule in all_rules().values() for words in (rule.word, rule.why))
    yield from ((1, None, rule.sentence, []) for rule in prose_rules().values())


def weightiest(rules: Iterable[str]) -> list[Rule]:
    """The rules of these names, each once, the weightiest first, else in the order given."""
    return sorted((all_rules()[name] for name in dict.fromkeys(rules)), key=lambda rule: rank(rule.weight))


def rank(weight: Weight) -> int:
    """0 for the weightiest."""
    return _RANK.index(weight)


def give_verdict(reasons: Iterable[Reason], nothing: str) -> Verdict:
    """The verdict of all reasons together; `nothing` is said where there are none."""
    ordered = sorted(reasons, key=lambda reason: rank(reason.weight))
    if not ordered:
        return Verdict(weight=Weight.EDITORIAL, reasons=(nothing,))
    said = dict.fromkeys(reason.sentence for reason in ordered)
    return Verdict(weight=ordered[0].weight, reasons=tuple(said))


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = load_lined(_FILE.read_text(encoding="utf-8"), source=_FILE.name).data
    return data


def _rule(name: str, data: Mapping[str, Any]) -> Rule:
    return Rule(
        name=name,
        weight=Weight(data["weight"]),
        unsure=bool(data.get("unsure", False)),
        law=data["law"],
        word=data["word"],
        why=data["why"],
    )
