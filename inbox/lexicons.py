"""The words that triage knows, read from `lexicon/`: phrases of each language, found in a text, misspelled ones too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigurationError
from core.lined_yaml import load_lined
from inbox.reading import Reading, fold, read
from inbox.spelling import Speller

FOLDER: Final = Path(__file__).with_name("lexicon")
# How many other words may stand in a gap.
_GAPS: Final = {"~": 2, "..": 7, "...": 14}
# Words that stand in any order stand this near to the first.
_ANYWHERE: Final = "&"
_NEAR: Final = 12
# Phrases of these weaken others; one that holds such words itself is not weakened by them.
CONTEXTS: Final = ("not", "if")
# What takes a meaning away is known by its exact words alone: "resident" is no slip of "residents".
_SHARP: Final = frozenset(
    {
        "theirs",
        "sales",
        "spam",
        "newsletter",
        "support",
        "invoice",
        "application",
        "absence",
        "not",
        "fine_not",
        "but",
        "things",
    }
)


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """One phrase. `weak` (`?`): counts only where its sentence says nothing clearer; `strong` (`!`): enough alone."""

    category: str
    weak: bool
    strong: bool
    steps: tuple[tuple[int, frozenset[int]], ...]  # how many words may stand before, and which atoms then
    immune: frozenset[str]
    ordered: bool = True  # without order: `&` between the words


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A phrase found in a text: words `start` up to, not with, `end`."""

    category: str
    start: int
    end: int
    weak: bool
    strong: bool
    immune: frozenset[str]
    language: str


class Lexicon:
    """The phrases of one language, ready to be looked for."""

    def __init__(self, language: str, data: Mapping[str, Any]) -> None:
        self.language = language
        self._umlauts = bool(data.get("umlauts", False))
        self._exact: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._sets = dict(self._read_sets(str(data.get("sets", ""))))
        self._phrases: list[Phrase] = []
        context = {name: self._first_words(str(data.get(name, ""))) for name in CONTEXTS}
        for category, lines in data.items():
            if category not in ("sets", "umlauts") and isinstance(lines, str):
                self._phrases += [self._phrase(category, line, context) for line in _lines(lines)]
        self._first: dict[int, list[int]] = {}
        for number, phrase in enumerate(self._phrases):
            for atom in phrase.steps[0][1]:
                self._first.setdefault(atom, []).append(number)
        loose = {
            atom
            for phrase in self._phrases
            if phrase.category not in _SHARP
            for _, step in phrase.steps
            for atom in step
        }
        self._speller = Speller(self._exact, self._stems, loose)

    def find(self, reading: Reading) -> Iterator[Hit]:
        """Every phrase in a text, each once where it begins. The work is words times phrases of a first word."""
        known = self._speller.atoms_of
        atoms = [known(word) for word in reading.words]
        first = self._first_possible(frozenset().union(*atoms))
        for start, found in enumerate(atoms):
            if not found:
                continue
            for number in sorted({number for atom in found for number in first.get(atom, ())}):
                phrase = self._phrases[number]
                place = self._match(phrase, start, atoms, reading)
                if place:
                    yield Hit(
                        category=phrase.category, start=place[0], end=place[1], weak=phrase.weak, strong=phrase.strong,
                        immune=phrase.immune, language=self.language,
                    )  # fmt: skip

    def _first_possible(self, there: frozenset[int]) -> dict[int, list[int]]:
        """The phrases by the words that may begin them, those alone of which every word stands somewhere in the text."""
        possible: dict[int, list[int]] = {}
        judged: dict[int, bool] = {}
        for atom in there:
            for number in self._first.get(atom, ()):
                if number not in judged:
                    steps = self._phrases[number].steps
                    judged[number] = not any(there.isdisjoint(wanted) for _, wanted in steps)
                if judged[number]:
                    possible.setdefault(atom, []).append(number)
        return possible

    @staticmethod
    def _match(phrase: Phrase, start: int, atoms: list[frozenset[int]], reading: Reading) -> tuple[int, int] | None:
        """Where the phrase stands that begins at a word. Places are kept as a set: no backtracking."""
        if not phrase.ordered:
            return _match_near(phrase, start, atoms, reading)
        places = [start]
        sentences, count = reading.sentences, len(atoms)
        for gap, wanted in phrase.steps[1:]:
            reached: set[int] = set()
            for place in places:
                for at in range(place + 1, min(place + gap + 2, count)):
                    if sentences[at] != sentences[start]:
                        break
                    if wanted & atoms[at]:
                        reached.add(at)
            if not reached:
                return None
            places = sorted(reached)
        return start, places[0] + 1

    def _read_sets(self, text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        for line in _lines(text):
            name, _, words = line.partition("=")
            yield name.strip(), tuple(word.strip() for word in words.split("|"))

    def _phrase(self, category: str, line: str, context: Mapping[str, frozenset[int]]) -> Phrase:
        mark, line = (line[0], line[1:]) if line[0] in "?!" else ("", line)
        steps: list[tuple[int, frozenset[int]]] = []
        gap = 0
        for item in line.split():
            if item == _ANYWHERE:
                continue
            if item in _GAPS:
                gap = _GAPS[item]
                continue
            for extra, atoms in self._item(item):
                steps.append((max(gap, extra), atoms))
                gap = 0
        if not steps:
            raise ConfigurationError(f"inbox/lexicon/{self.language}.yaml: a phrase of '{category}' is empty.")
        held = {name for name, atoms in context.items() if any(atoms & step for _, step in steps)}
        immune = frozenset(held if category not in CONTEXTS else ())
        return Phrase(
            category=category, weak=mark == "?", strong=mark == "!", steps=tuple(steps), immune=immune,
            ordered=f" {_ANYWHERE} " not in line,
        )  # fmt: skip

    def _item(self, item: str) -> Iterator[tuple[int, frozenset[int]]]:
        """The atoms of one item; a script without spaces gives one for each of its characters."""
        alternatives = [word for one in item.split("|") for word in self._set_of(one)]
        words = read(item.replace("*", "")).words
        if len(alternatives) == 1 and len(words) > 1:
            for word in words:
                yield 0, frozenset({self._atom(word, stem=False)})
            return
        yield 0, frozenset(self._atoms(alternatives))

    def _set_of(self, word: str) -> tuple[str, ...]:
        if not word.startswith("@"):
            return (word,)
        if word[1:] not in self._sets:
            raise ConfigurationError(f"inbox/lexicon/{self.language}.yaml: there is no set '{word}'.")
        return self._sets[word[1:]]

    def _atoms(self, words: Iterable[str]) -> Iterator[int]:
        for word in words:
            spellings = {fold(word.rstrip("*"))}
            if self._umlauts:
                spellings.add(
                    fold(re.sub("[äöü]", lambda found: {"ä": "ae", "ö": "oe", "ü": "ue"}[found[0]], word.rstrip("*")))
                )
            for spelling in spellings - {""}:
                yield self._atom(spelling, stem=word.endswith("*"))

    def _atom(self, word: str, *, stem: bool) -> int:
        known = self._stems if stem else self._exact
        return known.setdefault(word, len(self._stems) + len(self._exact))

    def _first_words(self, text: str) -> frozenset[int]:
        """The words that begin the plain phrases of a context: a phrase with one of them means it so."""
        firsts = [line.split()[0] for line in _lines(text) if not line.startswith("!")]
        return frozenset(atom for first in firsts for _, atoms in self._item(first) for atom in atoms)


def _match_near(phrase: Phrase, start: int, atoms: list[frozenset[int]], reading: Reading) -> tuple[int, int] | None:
    """Where all words of a phrase stand about its first, each the nearest one, within the sentence."""
    found = [start]
    for _, wanted in phrase.steps[1:]:
        for far in range(1, _NEAR + 1):
            near = [
                at
                for at in (start + far, start - far)
                if 0 <= at < len(atoms)
                and at not in found
                and wanted & atoms[at]
                and reading.sentences[at] == reading.sentences[start]
            ]
            if near:
                found.append(near[0])
                break
        else:
            return None
    return min(found), max(found) + 1


@cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of a language that has one (`languages_known`)."""
    return Lexicon(language, load_data(f"{language}.yaml"))


@cache
def load_data(name: str) -> Mapping[str, Any]:
    """One file of `lexicon/` as plain data."""
    return dict(load_lined((FOLDER / name).read_text(encoding="utf-8"), source=f"inbox/lexicon/{name}").data)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        bare = line.partition("#")[0].strip()
        if bare:
            yield bare
