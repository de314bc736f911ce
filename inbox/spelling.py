"""Which known words a written word may be: itself, one that begins so, or one that is a slip of the hand away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Final

_NONE: Final[frozenset[int]] = frozenset()
# A shorter word is taken as it is written: too many others are one letter away.
_SHORTEST = 6
_KEPT: Final = 40_000


class Speller:
    """Known words and stems, each with its number; looked up once for each written word."""

    def __init__(self, exact: Mapping[str, int], stems: Mapping[str, int], loose: Set[int]) -> None:
        """`loose`: the numbers of those that a misspelled word may be taken for."""
        self._exact, self._stems = dict(exact), dict(stems)
        self._lengths = sorted({len(stem) for stem in stems})
        self._slips: dict[str, list[tuple[str, bool]]] = {}
        for known, stem in [*((word, False) for word in exact), *((word, True) for word in stems)]:
            if len(known) >= _SHORTEST and known.isalpha() and self._number(known, stem) in loose:
                for form in (known, *_shorter(known)):
                    self._slips.setdefault(form, []).append((known, stem))
        self._slip_lengths = sorted({len(known) for forms in self._slips.values() for known, stem in forms if stem})
        self._kept: dict[str, frozenset[int]] = {}

    def atoms_of(self, word: str) -> frozenset[int]:
        """The numbers of what a folded word may be."""
        found = self._kept.get(word)
        if found is None:
            if len(self._kept) > _KEPT:
                self._kept.clear()
            found = self._kept[word] = self._look_up(word)
        return found

    def _look_up(self, word: str) -> frozenset[int]:
        numbers = {self._stems[word[:length]] for length in self._lengths if word[:length] in self._stems}
        if word in self._exact:
            numbers.add(self._exact[word])
        if not numbers and len(word) >= _SHORTEST - 1 and len(word) <= 30 and word.isalpha():
            numbers = {self._number(known, stem) for known, stem in self._slipped(word)}
        return frozenset(numbers) or _NONE

    def _slipped(self, word: str) -> Iterator[tuple[str, bool]]:
        """Known words one letter away: left out, added, another, or two that changed places; never the first."""
        for form in (word, *_shorter(word)):
            for known, stem in self._slips.get(form, ()):
                if not stem and is_slip(word, known):
                    yield known, False
        for length in self._slip_lengths:
            for piece in {word[: length - 1], word[:length], word[: length + 1]}:
                if len(piece) < _SHORTEST - 1:
                    continue
                for form in (piece, *_shorter(piece)):
                    for known, stem in self._slips.get(form, ()):
                        if stem and len(known) == length and piece[-1] == known[-1] and is_slip(piece, known):
                            yield known, True

    def _number(self, known: str, stem: bool) -> int:
        return self._stems[known] if stem else self._exact[known]


def is_slip(written: str, known: str) -> bool:
    """Whether two words are the same but for one letter, or for two neighbours that changed places."""
    if written[:1] != known[:1] or abs(len(written) - len(known)) > 1:
        return False
    front = 0
    while front < min(len(written), len(known)) and written[front] == known[front]:
        front += 1
    rest, other = written[front:], known[front:]
    return (
        rest[1:] == other[1:]
        or rest[1:] == other
        or rest == other[1:]
        or (rest[:2] == other[:2][::-1] and rest[2:] == other[2:])
    )


def _shorter(word: str) -> Iterator[str]:
    for place in range(1, len(word)):
        yield word[:place] + word[place + 1 :]
