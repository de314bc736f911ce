"""Tests of what verification computes in a quick way: it is what the plain way gives, on whatever comes."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import EntryRow, canonical_entry, commitment_of, entry_ids, plain_columns, written_refs
from ledger.merkle import Frontier, Node
from ledger.tables import LETTERS, OPAQUE

OPAQUE_TEXT = st.text(alphabet=OPAQUE, min_size=1, max_size=40)
KINDS = st.text(alphabet=LETTERS + "0123456789_.", min_size=1, max_size=30)
HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
TIMES = st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC)).map(
    lambda at: f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"
)
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@given(OPAQUE_TEXT, TIMES, KINDS, OPAQUE_TEXT, st.lists(OPAQUE_TEXT, max_size=5), HEX)
def test_columns_that_the_tables_let_in_come_to_the_canonical_form(
    name: str, at: str, kind: str, actor: str, refs: list[str], commitment: str
) -> None:
    """Whatever passes the checks of the columns: written by hand, by the quick writer and by RFC 8785, it is the same bytes."""
    written = written_refs(refs)
    row = EntryRow(id=name, at=at, kind=kind, actor=actor, refs=written, commitment=commitment)
    value = {"id": name, "at": at, "kind": kind, "actor": actor, "refs": refs, "commitment": commitment}
    assert plain_columns(name, at, kind, actor, written, commitment) == canonical_entry(row) == rfc8785.dumps(value)


def test_no_other_row_comes_to_the_bytes_of_a_recorded_one() -> None:
    """Values moved over the border between two columns, which the tables' checks refuse, do not hash to the same leaf."""
    honest = plain_columns("ent_1", "2026", "sweep.run", "opr_1", '["a"]', "c0")
    assert plain_columns("ent_1", "2026", "sweep.run", 'opr_1","at":"2026', '["a"]', "c0") != honest
    assert plain_columns('ent_1","kind":"sweep.run', "2026", "", "opr_1", '["a"]', "c0") != honest
    assert plain_columns("ent_1", "2026", 'sweep.run","refs":["a"]', "opr_1", "", "c0") != honest


@given(st.binary(max_size=80), st.binary(max_size=300))
def test_a_commitment_is_the_hmac_of_the_standard_library(salt: bytes, private: bytes) -> None:
    """Salts are 32 bytes; what somebody makes of one is compared all the same."""
    assert commitment_of(salt, private) == hmac.new(salt, private, hashlib.sha256).hexdigest()
    salt = salt.ljust(32, b"\x5c")[:32]
    assert commitment_of(salt, private) == hmac.new(salt, private, hashlib.sha256).hexdigest()


@given(st.lists(st.integers(min_value=0, max_value=40), max_size=12))
def test_a_tree_that_grows_by_thousands_is_the_tree_that_grows_one_by_one(steps: list[int]) -> None:
    """Same nodes, same edge, same root, whatever the pieces are."""
    bulk, single = Frontier(), Frontier()
    for step in steps:
        leaves = [hashlib.sha256(bytes([step, number])).digest() for number in range(step)]
        grown = [Node(*one) for one in bulk.grow(leaves)]
        appended = [node for leaf in leaves for node in single.append(leaf)]
        assert sorted(grown, key=_place) == sorted(appended, key=_place)
        assert (bulk.size, bulk.peaks, bulk.root()) == (single.size, single.peaks, single.root())


def _place(node: Node) -> tuple[int, int]:
    return node.level, node.index


def test_ids_grow_with_time_and_within_one_act() -> None:
    """Neighbours in the log are neighbours in the indexes; two acts in one instant do not get the same ids."""
    first, second, later = entry_ids(NOW, 500), entry_ids(NOW, 500), entry_ids(NOW + timedelta(milliseconds=1), 500)
    assert len({*first, *second, *later}) == 1_500
    assert max(*first, *second) < min(later)
    assert sum(one > two for one, two in pairwise(first)) <= 1
    assert {len(one) for one in first} == {len("ent_") + 24}
