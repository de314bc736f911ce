"""Tests of cosignatures: made as a witness makes them, checked, kept beside the checkpoint and served with it."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.database import Database
from core.errors import BadInput, NotFound
from ledger.notes import NoteRefused, open_note, sign_note
from ledger.witnessing import WitnessKey, parse_witness
from tests.ledger_rooms import count_rows, make_ledger, record

NAME, TIME = "witness.example.org/w1", 1_780_000_000


@pytest.fixture
def private() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b"w" * 32)


@pytest.fixture
def witness(private: Ed25519PrivateKey) -> WitnessKey:
    return WitnessKey(name=NAME, public=private.public_key().public_bytes_raw())


def cosign(note: str, private: Ed25519PrivateKey, *, time: int = TIME, name: str = NAME) -> str:
    """The signature line that C2SP's cosignature/v1 describes, from its words and not from our code."""
    text = note.rpartition("\n\n")[0] + "\n"
    public = private.public_key().public_bytes_raw()
    identity = hashlib.sha256(name.encode() + b"\x0a\x04" + public).digest()[:4]
    signed = private.sign(b"cosignature/v1\ntime " + str(time).encode() + b"\n" + text.encode())
    return f"— {name} {base64.b64encode(identity + struct.pack('>Q', time) + signed).decode()}\n"


def test_a_cosignature_is_kept_beside_the_checkpoint_and_served_with_it(
    database: Database, private: Ed25519PrivateKey, witness: WitnessKey
) -> None:
    """A known witness's line is checked and kept once; the note with it opens as before, and for whoever knows the witness."""
    ledger = make_ledger(database, witnesses=[witness])
    record(ledger, database, 3)
    note = ledger.checkpoint_note()
    line = cosign(note, private)
    assert ledger.cosign(note + line) == 1
    assert ledger.cosign(note + line) == 0
    assert ledger.cosign(note + cosign(note, private, time=TIME - 5)) == 0
    assert ledger.checkpoint_note() == note + line
    open_note(ledger.checkpoint_note(), [ledger.key])
    assert count_rows(database, "ledger_cosignatures") == 1
    assert ledger.verify().ok
    record(ledger, database, 1)
    assert line not in ledger.checkpoint_note()


def test_what_no_known_witness_signed_is_refused(
    database: Database, private: Ed25519PrivateKey, witness: WitnessKey
) -> None:
    """A line of a stranger is not kept, a forged one of a known witness refuses all, and a checkpoint of another log is none."""
    ledger = make_ledger(database, witnesses=[witness])
    record(ledger, database, 3)
    note = ledger.checkpoint_note()
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    with pytest.raises(BadInput, match="No known witness"):
        ledger.cosign(note + cosign(note, stranger, name="stranger.example/x"))
    wrong = cosign(note.replace("\n3\n", "\n4\n"), private)
    with pytest.raises(NoteRefused, match="does not match the checkpoint"):
        ledger.cosign(note + wrong)
    other = sign_note("elsewhere/kept\n3\n" + "A" * 43 + "=\n", name="elsewhere/kept", private=stranger)
    with pytest.raises(NotFound, match="signed no such checkpoint"):
        ledger.cosign(other + cosign(other, private))
    assert count_rows(database, "ledger_cosignatures") == 0


def test_a_witness_has_a_key_of_its_own_kind(witness: WitnessKey) -> None:
    """The public form round-trips; a log's key, of type 1, is no witness's."""
    assert parse_witness(str(witness)) == witness
    assert base64.b64decode(str(witness).split("+", 2)[2])[:1] == b"\x04"
    for bad in ("x", str(witness)[:-4], "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"):
        with pytest.raises(NoteRefused):
            parse_witness(bad)
