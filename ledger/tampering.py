"""Finding where the leaves are not those that were signed, from the stored nodes above them; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from ledger.merkle import node_hash

FEW: Final = 12
MOST: Final = 64

LeafAt = Callable[[int], bytes | None]


@dataclass(frozen=True, kw_only=True)
class StoredPair:
    """A stored node of level 1 that its two leaves no longer hash to."""

    index: int
    hash: bytes

    @property
    def left(self) -> int:
        return 2 * self.index

    @property
    def right(self) -> int:
        return 2 * self.index + 1


@dataclass(frozen=True, kw_only=True)
class Clue:
    """What was done at a position; `problem` has `{entry}` where the entry there is to be named."""

    position: int
    problem: str


def find_clues(pairs: Sequence[StoredPair], *, size: int, surplus: int, leaf_at: LeafAt) -> list[Clue]:
    """What was done, as far as the nodes tell: one entry inserted or removed, moved ones, or the first pair that is wrong.

    `surplus` is how many more leaves there are than were signed: with none, nothing was shifted.
    """
    shift = _find_shift(pairs[0], pairs[1:], leaf_at) if surplus else []
    return shift or _find_moved(pairs, size, leaf_at) or [_name_pair(pairs[0])]


def _find_moved(pairs: Sequence[StoredPair], size: int, leaf_at: LeafAt) -> list[Clue]:
    """Try which of the leaves under the wrong nodes, put in another place, gives the stored hash again."""
    positions = [place for pair in pairs[:MOST] for place in (pair.left, pair.right)]
    if size % 2:
        positions.append(size - 1)
    held = {place: leaf for place in positions if (leaf := leaf_at(place)) is not None}
    clues: dict[int, Clue] = {}
    for pair in pairs[:MOST]:
        for left, right in _candidates(pair, positions, few=len(pairs) <= FEW):
            if left in held and right in held and node_hash(held[left], held[right]) == pair.hash:
                for now, then in ((left, pair.left), (right, pair.right)):
                    if now != then:
                        clues[now] = Clue(
                            position=now,
                            problem=f"{{entry}} at position {now} was recorded at position {then}: the order was changed.",
                        )
                break
    return [clues[position] for position in sorted(clues)]


def _candidates(pair: StoredPair, positions: Sequence[int], *, few: bool) -> list[tuple[int, int]]:
    one = [(pair.left, other) for other in positions] + [(other, pair.right) for other in positions]
    return one + (list(product(positions, positions)) if few else [])


def _find_shift(first: StoredPair, later: Sequence[StoredPair], leaf_at: LeafAt) -> list[Clue]:
    leaves = [leaf_at(first.left + step) for step in range(3)]
    for place, pair in ((first.left, leaves[1:]), (first.right, [leaves[0], leaves[2]])):
        if None not in pair and node_hash(*(leaf for leaf in pair if leaf)) == first.hash:
            return [Clue(position=place, problem=f"{{entry}} at position {place} was inserted among recorded entries.")]
    after = next((pair for pair in later if pair.index == first.index + 1), None)
    if after and leaves[1] and leaves[2] and node_hash(leaves[1], leaves[2]) == after.hash:
        words = f"An entry at position {first.left} or {first.right} was removed after it was recorded, and those behind it moved up."
        return [Clue(position=first.left, problem=words)]
    return []


def _name_pair(first: StoredPair) -> Clue:
    words = f"{{entry}} at position {first.left}, or the one after it, is not the one that was recorded there."
    return Clue(position=first.left, problem=words)
