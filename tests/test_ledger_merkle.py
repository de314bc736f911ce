"""Tests of the Merkle tree: the known roots, and what must hold for trees of any size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    NodeAt,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    load_frontier,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

KNOWN_ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

SIZES = st.integers(min_value=1, max_value=200)


def make_leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def grow(leaves: list[bytes]) -> tuple[Frontier, NodeAt]:
    """A tree and the reader of its stored nodes."""
    frontier = Frontier()
    nodes = {(node.level, node.index): node.hash for node in frontier.extend(leaves)}
    return frontier, lambda level, index: leaves[index] if level == 0 else nodes[level, index]


def rfc_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, word for word, over leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(rfc_root(leaves[:split]), rfc_root(leaves[split:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_tree_has_the_known_roots(size: int) -> None:
    """The roots over the eight known entries are those of the transparency logs' test vectors."""
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in KNOWN_ENTRIES[:size]]
    assert root_of(leaves).hex() == KNOWN_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """The empty root is SHA-256 of the empty string."""
    assert Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.lists(st.integers(0, 40), max_size=8))
def test_growing_by_batches_gives_the_tree_of_the_definition(batches: list[int]) -> None:
    """However the leaves come in, the root is that of the recursive definition, also when the frontier is read back."""
    leaves = make_leaves(sum(batches))
    nodes = {(0, index): leaf for index, leaf in enumerate(leaves)}
    edges = [sum(batches[:count]) for count in range(len(batches) + 1)]
    frontier = Frontier()
    for start, end in pairwise(edges):
        frontier = load_frontier(start, lambda level, index: nodes[level, index])
        nodes.update({(node.level, node.index): node.hash for node in frontier.extend(leaves[start:end])})
    assert frontier.root() == rfc_root(leaves)


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_its_leaf_alone(size: int, data: st.DataObject) -> None:
    """Every leaf has a proof; it fails for another leaf, another index, another root, and when a hash is cut or added."""
    index = data.draw(st.integers(0, size - 1))
    leaves = make_leaves(size)
    frontier, node_at = grow(leaves)
    root, proof = frontier.root(), inclusion_proof(index, size, node_at)
    assert verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=root)
    assert not verify_inclusion(leaf=leaf_hash(b"x"), index=index, size=size, proof=proof, root=root)
    assert not verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=EMPTY_ROOT)
    assert not verify_inclusion(leaf=leaves[index], index=index, size=size, proof=[*proof, root], root=root)
    assert not verify_inclusion(leaf=leaves[index], index=size, size=size, proof=proof, root=root)
    if size > 1:
        other = (index + 1) % size
        assert not verify_inclusion(leaf=leaves[index], index=other, size=size, proof=proof, root=root)
        assert not verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof[:-1], root=root)


@given(SIZES, st.data())
def test_a_consistency_proof_holds_for_a_beginning_alone(size: int, data: st.DataObject) -> None:
    """Every earlier tree is shown to be the beginning of the later; another early or late root is refused."""
    old = data.draw(st.integers(0, size))
    leaves = make_leaves(size)
    frontier, node_at = grow(leaves)
    old_root, new_root = rfc_root(leaves[:old]), frontier.root()
    proof = consistency_proof(old, size, node_at)
    assert verify_consistency(old=old, new=size, old_root=old_root, new_root=new_root, proof=proof)
    other = leaf_hash(b"x")
    assert not verify_consistency(old=old, new=size, old_root=other, new_root=new_root, proof=proof)
    assert not verify_consistency(old=old, new=size, old_root=old_root, new_root=new_root, proof=[*proof, other])
    if old > 0:
        assert not verify_consistency(old=old, new=size, old_root=old_root, new_root=other, proof=proof)


def test_a_proof_outside_the_tree_cannot_be_asked_for() -> None:
    """An index past the end, and a beginning larger than the tree, are refused."""
    _, node_at = grow(make_leaves(3))
    with pytest.raises(ValueError, match="no leaf 3"):
        inclusion_proof(3, 3, node_at)
    with pytest.raises(ValueError, match="no beginning"):
        consistency_proof(4, 3, node_at)
