"""Which pieces of an old text are which pieces of a new one: pairs in order, pairs that moved, and what is left over.

The order is the heaviest increasing chain of pairs, where a pair weighs what its two sides share: so the less text is
said to have moved, and a rewritten paragraph still finds its old self.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Final

Words = Mapping[str, int]
Pair = tuple[int, int]
Weighed = tuple[int, int, float]

# A word that stands in more pieces than this finds no candidates by itself: it is "the", or a table's "yes".
_TOO_COMMON: Final = 120
_CANDIDATES: Final = 6
# Copies of one text pair with those that stand near the same place among the copies on the other side.
_NEAR_COPIES: Final = 3
_MOST_IN_GAP: Final = 1_600
LEAST_IN_GAP: Final = 0.3
_LEAST_MOVED: Final = 0.7
_WORDS_TO_MOVE: Final = 4


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A paragraph or a sentence: its text, how often each word stands in it, its sort (two sorts pair only where the text is equal)."""

    text: str
    words: Words
    size: int
    sort: str = ""

    @staticmethod
    def of(text: str, words: Iterable[str], sort: str = "") -> Piece:
        counts = Counter(words)
        return Piece(text=text, words=counts, size=sum(counts.values()), sort=sort)


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Pairs of indexes (old, new). `kept` rise on both sides; `moved` cross them."""

    kept: tuple[Pair, ...]
    moved: tuple[Pair, ...]


def shared_words(one: Words, other: Words) -> int:
    """How many words two pieces have in common, each as often as in both."""
    if len(other) < len(one):
        one, other = other, one
    return sum(min(count, other[word]) for word, count in one.items() if word in other)


def likeness(one: Piece, other: Piece) -> float:
    """0 where nothing is shared, 1 where every word is, in whatever order."""
    both = one.size + other.size
    return 2 * shared_words(one.words, other.words) / both if both else float(one.text == other.text)


def align(old: Sequence[Piece], new: Sequence[Piece], *, least: float, moves: bool = True) -> Alignment:
    """Pair the pieces of two texts; `least` is the likeness from which two pieces may be one piece rewritten."""
    pairs = [*_equal_pairs(old, new), *_alike_pairs(old, new, least)]
    kept = heaviest_chain(pairs, len(new))
    moved = _moved_pairs(old, new, pairs, kept) if moves else []
    kept = _fill_gaps(old, new, kept, moved)
    return Alignment(kept=tuple(kept), moved=tuple(sorted(moved, key=itemgetter(1))))


def heaviest_chain(pairs: Iterable[Weighed], width: int) -> list[Pair]:
    """The pairs that rise on both sides and weigh most together (a Fenwick tree of prefix maxima)."""
    ordered = sorted(pairs, key=lambda pair: (pair[0], -pair[1]))
    best: list[float] = []
    before: list[int] = []
    tree = [-1] * (width + 1)
    for number, (_, column, weight) in enumerate(ordered):
        found, position = -1, column
        while position > 0:
            if tree[position] >= 0 and (found < 0 or best[tree[position]] > best[found]):
                found = tree[position]
            position &= position - 1
        best.append(weight + (best[found] if found >= 0 else 0.0))
        before.append(found)
        position = column + 1
        while position <= width:
            if tree[position] < 0 or best[tree[position]] < best[number]:
                tree[position] = number
            position += position & -position
    last = max(range(len(best)), key=best.__getitem__, default=-1)
    chain = []
    while last >= 0:
        chain.append(ordered[last][:2])
        last = before[last]
    return chain[::-1]


def _places(pieces: Sequence[Piece]) -> dict[str, list[int]]:
    places = defaultdict(list)
    for index, piece in enumerate(pieces):
        places[piece.text].append(index)
    return places


def _equal_pairs(old: Sequence[Piece], new: Sequence[Piece]) -> Iterable[Weighed]:
    there = _places(new)
    for text, mine in _places(old).items():
        others = there.get(text, [])
        few = len(mine) * len(others) <= 64
        for rank, index in enumerate(mine):
            near = others
            if not few:
                end = len(others) - len(mine) + rank
                starts = {max(0, rank - _NEAR_COPIES), max(0, end - _NEAR_COPIES)}
                near = sorted({one for start in starts for one in others[start : start + 2 * _NEAR_COPIES + 1]})
            for other in near:
                yield index, other, old[index].size * 1.5 + 1


def _alike_pairs(old: Sequence[Piece], new: Sequence[Piece], least: float) -> Iterable[Weighed]:
    equal = _places(old).keys() & _places(new).keys()
    postings: dict[str, list[int]] = defaultdict(list)
    for index, piece in enumerate(new):
        if piece.text not in equal:
            for word in piece.words:
                postings[word].append(index)
    for index, piece in enumerate(old):
        if piece.text in equal:
            continue
        for other in _candidates(piece, new, postings):
            alike = likeness(piece, new[other])
            if alike >= least:
                yield index, other, alike * (piece.size + new[other].size) / 2


def _candidates(piece: Piece, new: Sequence[Piece], postings: Mapping[str, list[int]]) -> list[int]:
    shared: dict[int, int] = defaultdict(int)
    for word, times in piece.words.items():
        found = postings.get(word, ())
        if len(found) <= _TOO_COMMON:
            for other in found:
                shared[other] += times
    ranked = sorted(
        (one for one in shared if new[one].sort == piece.sort),
        key=lambda one: shared[one] / (piece.size + new[one].size),
        reverse=True,
    )
    return ranked[:_CANDIDATES]


def _moved_pairs(
    old: Sequence[Piece], new: Sequence[Piece], pairs: Sequence[Weighed], kept: Sequence[Pair]
) -> list[Pair]:
    gone, come = {one for one, _ in kept}, {other for _, other in kept}
    moved = []
    for index, other, _ in sorted(pairs, key=itemgetter(2), reverse=True):
        if index in gone or other in come or old[index].size < _WORDS_TO_MOVE:
            continue
        if old[index].text == new[other].text or likeness(old[index], new[other]) >= _LEAST_MOVED:
            moved.append((index, other))
            gone.add(index)
            come.add(other)
    return moved


def _fill_gaps(old: Sequence[Piece], new: Sequence[Piece], kept: Sequence[Pair], moved: Sequence[Pair]) -> list[Pair]:
    """Between two pairs that hold, the place speaks for a pair too: less likeness is enough."""
    gone, come = {one for one, _ in moved}, {other for _, other in moved}
    filled = list(kept)
    for (top, left), (bottom, right) in pairwise([(-1, -1), *kept, (len(old), len(new))]):
        rows = [row for row in range(top + 1, bottom) if row not in gone]
        columns = [column for column in range(left + 1, right) if column not in come]
        if rows and columns and len(rows) * len(columns) <= _MOST_IN_GAP:
            filled += _pair_in_gap(old, new, rows, columns)
    return sorted(filled)


def _pair_in_gap(
    old: Sequence[Piece], new: Sequence[Piece], rows: Sequence[int], columns: Sequence[int]
) -> Iterable[Pair]:
    pairs = []
    for row in rows:
        for place, column in enumerate(columns):
            if old[row].sort == new[column].sort and (alike := likeness(old[row], new[column])) >= LEAST_IN_GAP:
                pairs.append((row, place, alike * (old[row].size + new[column].size)))
    return [(row, columns[place]) for row, place in heaviest_chain(pairs, len(columns))]
