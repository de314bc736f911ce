"""The Merkle tree of RFC 6962, pure: hashes, growth by batches, roots, proofs of inclusion and of consistency.

Complete subtrees have coordinates: level 0 holds the leaves, and node (level, index) covers the leaves from
`index << level` up to `(index + 1) << level`. Such a node never changes once it stands, so it may be stored for good;
what covers the ragged right edge is computed when it is needed.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

NodeAt = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree at (level, index); level 0 gives leaf hashes."""


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


Completed = tuple[int, int, bytes]
"""A complete subtree of level 1 or more as level, index and hash: of millions, no objects are made."""


@dataclass(frozen=True, slots=True)
class Node:
    """A complete subtree of level 1 or more, as it is stored."""

    level: int
    index: int
    hash: bytes


@dataclass(kw_only=True)
class Frontier:
    """The right edge of a growing tree: `peaks` are the roots of its complete subtrees, the largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[Node]:
        """Add one leaf hash; gives the nodes that it completed, the lowest first."""
        index, level, completed = self.size, 0, []
        while index & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            index >>= 1
            level += 1
            completed.append(Node(level, index, leaf))
        self.peaks.append(leaf)
        self.size += 1
        return completed

    def grow(self, leaves: Sequence[bytes]) -> list[Completed]:
        """The same for thousands of leaf hashes, level by level; gives what they completed in the order of levels."""
        index, level, row = self.size, 0, list(leaves)
        completed, edge = list[Completed](), list[bytes]()
        self.size += len(row)
        while row:
            if index & 1:
                row.insert(0, self.peaks.pop())
                index -= 1
            if len(row) & 1:
                edge.append(row[-1])
            index, level = index >> 1, level + 1
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
            completed += [(level, place, value) for place, value in enumerate(row, start=index)]
        self.peaks += edge[::-1]
        return completed

    def extend(self, leaves: Iterable[bytes]) -> list[Node]:
        """Add leaf hashes in order; gives all nodes that they completed."""
        return [Node(*one) for one in self.grow(list(leaves))]

    def root(self) -> bytes:
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT


def peak_places(size: int) -> list[tuple[int, int]]:
    """The (level, index) of the peaks of a tree of `size` leaves, the largest first."""
    places, start = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            places.append((level, start >> level))
            start += 1 << level
    return places


def load_frontier(size: int, node_at: NodeAt) -> Frontier:
    """The frontier of a stored tree."""
    return Frontier(size=size, peaks=[node_at(level, index) for level, index in peak_places(size)])


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_proof(index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """PATH(index, D[size]): the hashes from the leaf's sibling up to the root's child."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, node_at))
            end = middle
        else:
            path.append(_range_root(start, middle, node_at))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node_at: NodeAt) -> list[bytes]:
    """PROOF(old, D[new]): shows that the tree of `old` leaves is the beginning of the tree of `new` leaves."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {new}")
    if old in (0, new):
        return []
    start, end, whole, proof = 0, new, True, []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, node_at))
            end = middle
        else:
            proof.append(_range_root(start, middle, node_at))
            start, whole = middle, False
    if not whole:
        proof.append(_range_root(start, end, node_at))
    return proof[::-1]


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf hash at `index` to the root of the tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    here, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            here, last = _climb(here, last)
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `old` leaves is the beginning of the tree of `new` leaves."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and (old_root == EMPTY_ROOT if old == 0 else old_root == new_root)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            here, last = _climb(here, last)
        else:
            second = node_hash(second, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _climb(here: int, last: int) -> tuple[int, int]:
    """On the right edge, step over the levels at which the node has no sibling."""
    while not here & 1 and here:
        here, last = here >> 1, last >> 1
    return here, last


def _split(width: int) -> int:
    """The largest power of two below a width."""
    return int(1 << ((width - 1).bit_length() - 1))


def _range_root(start: int, end: int, node_at: NodeAt) -> bytes:
    """The root over the leaves from `start` to `end`, where `start` is a multiple of the width's power of two."""
    hashes = []
    for level, index in peak_places(end - start):
        hashes.append(node_at(level, (start >> level) + index))
    return _fold(hashes)


def _fold(peaks: Sequence[bytes]) -> bytes:
    value = peaks[-1]
    for peak in peaks[-2::-1]:
        value = node_hash(peak, value)
    return value
