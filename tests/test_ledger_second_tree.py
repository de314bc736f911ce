"""A second implementation of the tree, from a package that is not ours, agrees on random trees: roots, inclusion, consistency."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion
from pymerkle.proof import MerkleProof

from ledger import merkle

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=120)


def grow(contents: list[bytes]) -> tuple[InmemoryTree, merkle.Frontier, merkle.NodeAt]:
    """The same contents in both trees."""
    theirs, ours = InmemoryTree(algorithm="sha256"), merkle.Frontier()
    leaves = [merkle.leaf_hash(content) for content in contents]
    nodes = {(node.level, node.index): node.hash for node in ours.extend(leaves)}
    for content in contents:
        theirs.append_entry(content)
    return theirs, ours, lambda level, index: leaves[index] if level == 0 else nodes[level, index]


@settings(max_examples=60, deadline=None)
@given(LEAVES, st.data())
def test_both_give_the_same_roots(contents: list[bytes], data: st.DataObject) -> None:
    """At every size, so that each beginning has the same root too."""
    theirs, _, node_at = grow(contents)
    size = data.draw(st.integers(1, len(contents)))
    assert theirs.get_root(size) == merkle.load_frontier(size, node_at).root()
    assert theirs.get_leaf(size) == sha256(b"\x00" + contents[size - 1]).digest()


@settings(max_examples=60, deadline=None)
@given(LEAVES, st.data())
def test_each_accepts_the_others_proofs_of_inclusion(contents: list[bytes], data: st.DataObject) -> None:
    """Theirs lead to our root by our rules, and ours are the hashes that theirs holds."""
    theirs, ours, node_at = grow(contents)
    index = data.draw(st.integers(0, len(contents) - 1))
    proof = theirs.prove_inclusion(index + 1, len(contents))
    verify_inclusion(theirs.get_leaf(index + 1), ours.root(), proof)
    path = merkle.inclusion_proof(index, len(contents), node_at)
    assert path == _siblings(proof)
    assert merkle.verify_inclusion(
        leaf=theirs.get_leaf(index + 1), index=index, size=len(contents), proof=path, root=theirs.get_root()
    )


@settings(max_examples=60, deadline=None)
@given(LEAVES, st.data())
def test_each_accepts_the_others_proofs_of_consistency(contents: list[bytes], data: st.DataObject) -> None:
    """Theirs holds between our roots, ours between theirs."""
    theirs, ours, node_at = grow(contents)
    old = data.draw(st.integers(1, len(contents)))
    proof = theirs.prove_consistency(old, len(contents))
    verify_consistency(merkle.load_frontier(old, node_at).root(), ours.root(), proof)
    assert merkle.verify_consistency(
        old=old,
        new=len(contents),
        old_root=theirs.get_root(old),
        new_root=theirs.get_root(),
        proof=merkle.consistency_proof(old, len(contents), node_at),
    )


def _siblings(proof: MerkleProof) -> list[bytes]:
    """The path without the leaf that theirs begins with."""
    return [bytes.fromhex(one) if isinstance(one, str) else one for one in proof.path[1:]]
