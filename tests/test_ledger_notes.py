"""Tests of signed notes, checkpoints and proof files, against the published example and against damage."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from core.keys import signing_key
from ledger.notes import (
    NoteKey,
    NoteRefused,
    Proof,
    TreeHead,
    key_of,
    open_note,
    origin_of,
    parse_key,
    read_proof,
    read_tree_head,
    sign_note,
    write_proof,
    write_tree_head,
)

# The example of Go's golang.org/x/mod/sumdb/note, made by an implementation that is not ours.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ORIGIN = "privacy.example.com/kept"


@pytest.fixture
def private() -> Ed25519PrivateKey:
    return signing_key(b"a secret of the test", "ledger")


def test_a_note_signed_elsewhere_is_opened() -> None:
    """The published example of the format is read, and its key id is computed as published."""
    assert open_note(PUBLISHED_NOTE, [parse_key(PUBLISHED_KEY)]).endswith("your problem is.\n")
    assert str(parse_key(PUBLISHED_KEY)) == PUBLISHED_KEY


def test_a_changed_note_is_refused(private: Ed25519PrivateKey) -> None:
    """One letter changed, and the known key's signature fails."""
    note = sign_note("size 5\n", name=ORIGIN, private=private)
    with pytest.raises(NoteRefused, match="does not match"):
        open_note(note.replace("5", "6", 1), [key_of(private, ORIGIN)])


def test_unknown_keys_are_ignored_but_one_must_be_known(private: Ed25519PrivateKey) -> None:
    """A second signature by nobody we know does no harm; alone it is not enough."""
    key, stranger = key_of(private, ORIGIN), signing_key(b"another", "ledger")
    note = sign_note("size 5\n", name=ORIGIN, private=private)
    foreign = sign_note("size 5\n", name="elsewhere.example", private=stranger)
    both = note + foreign.rpartition("\n\n")[2]
    assert open_note(both, [key]) == "size 5\n"
    with pytest.raises(NoteRefused, match="not signed by a key that is known"):
        open_note(foreign, [key])


def test_one_bad_signature_of_a_known_key_refuses_the_note(private: Ed25519PrivateKey) -> None:
    """A good signature does not outweigh one that a known key cannot have made."""
    key, other = key_of(private, ORIGIN), signing_key(b"another", "ledger")
    note = sign_note("size 5\n", name=ORIGIN, private=private)
    forged = sign_note("size 6\n", name="other.example", private=other).rpartition("\n\n")[2]
    with pytest.raises(NoteRefused, match=r"'other\.example' does not match"):
        open_note(note + forged, [key, key_of(other, "other.example")])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— name\n",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n— na+me AAAAAAAA\n",
        "a\tb\n\n— n AAAAAAAA\n",
    ],
)
def test_a_malformed_note_is_refused(note: str, private: Ed25519PrivateKey) -> None:
    """Missing lines, other dashes, bad names and control characters are told from a note."""
    with pytest.raises(NoteRefused):
        open_note(note, [key_of(private, ORIGIN)])


def test_a_checkpoint_reads_as_it_was_written() -> None:
    """Three lines: origin, size in decimal, base64 of the root."""
    head = TreeHead(origin=ORIGIN, size=17, root=bytes(range(32)))
    text = write_tree_head(head)
    assert text == f"{ORIGIN}\n17\n{base64.b64encode(bytes(range(32))).decode()}\n"
    assert read_tree_head(text) == head


@pytest.mark.parametrize("size", ["017", "-1", "1.0", "", "9" * 30])
def test_a_checkpoint_with_another_spelling_of_its_size_is_refused(size: str) -> None:
    """One tree, one text: no leading zero, no sign."""
    root = base64.b64encode(bytes(32)).decode()
    with pytest.raises(NoteRefused):
        read_tree_head(f"{ORIGIN}\n{size}\n{root}\n")


def test_a_checkpoint_with_an_extension_line_is_refused() -> None:
    """This log signs no extension lines, so a checkpoint with one is not its own."""
    root = base64.b64encode(bytes(32)).decode()
    with pytest.raises(NoteRefused):
        read_tree_head(f"{ORIGIN}\n1\n{root}\nextension\n")


@given(st.integers(0, 2**40), st.lists(st.binary(min_size=32, max_size=32), max_size=8), st.none() | st.binary())
def test_a_proof_file_reads_as_it_was_written(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    """Index, hashes, extra data and the checkpoint come back byte for byte."""
    proof = Proof(index=index, hashes=tuple(hashes), checkpoint="o\n1\nr\n\n— o sig\n", extra=extra)
    assert read_proof(write_proof(proof)) == proof


def test_a_file_that_is_no_proof_is_refused() -> None:
    """The first line names the format, and an index follows."""
    for text in (
        "",
        "something\n\nelse",
        "c2sp.org/tlog-proof@v1\nindex x\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\nAA==\n\nnote",
    ):
        with pytest.raises(NoteRefused):
            read_proof(text)


def test_a_key_whose_id_does_not_match_is_refused() -> None:
    """A mistyped public key is told at once."""
    with pytest.raises(NoteRefused, match="does not match the key"):
        parse_key(PUBLISHED_KEY.replace("c74f20a3", "c74f20a4"))
    with pytest.raises(NoteRefused, match="cannot name a key"):
        NoteKey(name="two words", public=bytes(32))


def test_the_origin_is_the_address_without_its_scheme() -> None:
    """The log is named after the service."""
    assert origin_of("https://privacy.example.com/") == ORIGIN
    assert origin_of("http://127.0.0.1:8080") == "127.0.0.1:8080/kept"
