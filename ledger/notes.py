"""Signed notes, checkpoints and proof files as text (C2SP signed-note, tlog-checkpoint, tlog-proof), with Ed25519."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.errors import BadInput

ED25519: Final = b"\x01"
HASH_SIZE: Final = 32
KEY_ID_SIZE: Final = 4
MOST_SIGNATURES: Final = 100
PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
SIGNATURE_LINE: Final = re.compile(r"— ([^\s+]+) (\S+)")
DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteRefused(BadInput):
    """A note, a checkpoint or a proof is malformed, or not signed by a key that is known."""


@dataclass(frozen=True, kw_only=True)
class NoteKey:
    """A key that notes are checked with: its name, and the 32 bytes of the Ed25519 public key."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^\s+]+", self.name):
            raise NoteRefused(f"'{self.name}' cannot name a key.", remedy="Use a name without spaces and '+'.")
        if len(self.public) != HASH_SIZE:
            raise NoteRefused(f"The key '{self.name}' has {len(self.public)} bytes instead of {HASH_SIZE}.")

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_SIZE]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_encode(ED25519 + self.public)}"


def key_of(private: Ed25519PrivateKey, name: str) -> NoteKey:
    """The public half of a signing key, under a name."""
    return NoteKey(name=name, public=private.public_key().public_bytes_raw())


def parse_key(text: str) -> NoteKey:
    """A key from its public form `name+HEX+BASE64`."""
    name, _, rest = text.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    raw = _decode(encoded, "the key")
    if raw[:1] != ED25519:
        raise NoteRefused(f"The key '{name}' is not an Ed25519 key.")
    key = NoteKey(name=name, public=raw[1:])
    if key.key_id.hex() != identity.lower():
        raise NoteRefused(f"The id of the key '{name}' does not match the key.", remedy="Copy the whole line again.")
    return key


def origin_of(base_url: str) -> str:
    """The origin of an installation's log: its address without scheme, and `/kept`."""
    return base_url.split("://", 1)[-1].rstrip("/") + "/kept"


def sign_note(text: str, *, name: str, private: Ed25519PrivateKey) -> str:
    """The note: the text, which ends in a newline, an empty line, and the signature line."""
    _require_text(text)
    signature = key_of(private, name).key_id + private.sign(text.encode())
    return f"{text}\n— {name} {_encode(signature)}\n"


def open_note(note: str, keys: Sequence[NoteKey]) -> str:
    """The text of a note that a known key signed.

    Unknown keys are ignored; a known key whose signature fails refuses the note, and so does a note that none signed.
    """
    text, signatures = note_parts(note)
    signed = False
    for name, signature, _ in signatures:
        for key in keys:
            if key.name == name and key.key_id == signature[:KEY_ID_SIZE]:
                _require_signature(key, signature[KEY_ID_SIZE:], text)
                signed = True
    if not signed:
        raise NoteRefused("The note is not signed by a key that is known.")
    return text


def note_parts(note: str) -> tuple[str, list[tuple[str, bytes, str]]]:
    """The text of a note, and of each signature line its name, its bytes and the line itself; nothing is checked."""
    text, found, block = note.rpartition("\n\n")
    text += "\n"
    _require_text(text)
    if not found or not block.endswith("\n") or not 0 < block.count("\n") <= MOST_SIGNATURES:
        raise NoteRefused("The note has no signature lines.")
    return text, [(*_read_signature(line), line) for line in block[:-1].split("\n")]


@dataclass(frozen=True, kw_only=True)
class TreeHead:
    """What a checkpoint says: the log's origin, the number of leaves, and the root over them."""

    origin: str
    size: int
    root: bytes


def write_tree_head(head: TreeHead) -> str:
    """The text of a checkpoint, to be signed."""
    return f"{head.origin}\n{head.size}\n{_encode(head.root)}\n"


def read_tree_head(text: str) -> TreeHead:
    """What the text of a checkpoint says; extension lines are refused, since this log writes none."""
    lines = text.split("\n")
    if len(lines) != 4 or not lines[0] or lines[3]:
        raise NoteRefused("A checkpoint has three lines: origin, size and root.")
    root = _decode(lines[2], "the root")
    if not DECIMAL.fullmatch(lines[1]) or len(root) != HASH_SIZE:
        raise NoteRefused(f"The checkpoint's size '{lines[1]}' or its root is malformed.")
    return TreeHead(origin=lines[0], size=int(lines[1]), root=root)


def head_inside(note: str) -> TreeHead:
    """What a checkpoint says, its signature unchecked."""
    text, found, _ = note.rpartition("\n\n")
    if not found:
        raise NoteRefused("The checkpoint has no signature lines.")
    return read_tree_head(text + "\n")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A proof file: the leaf's index from 0, the hashes from its sibling up to the root's child, the signed checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None


def write_proof(proof: Proof) -> str:
    """The text of a `.tlog-proof` file."""
    lines = [PROOF_HEADER]
    if proof.extra is not None:
        lines.append(f"extra {_encode(proof.extra)}")
    lines += [f"index {proof.index}", *(_encode(value) for value in proof.hashes), "", proof.checkpoint]
    return "\n".join(lines)


def read_proof(text: str) -> Proof:
    """What a `.tlog-proof` file says; whether it holds is for `merkle.verify_inclusion` and `open_note` to find."""
    head, found, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines.pop(0) != PROOF_HEADER:
        raise NoteRefused("This is no proof file.", remedy=f"It begins with '{PROOF_HEADER}'.")
    extra = _decode(lines.pop(0)[6:], "extra") if lines and lines[0].startswith("extra ") else None
    index = lines.pop(0)[6:] if lines and lines[0].startswith("index ") else ""
    hashes = tuple(_decode(line, "a hash") for line in lines)
    if not DECIMAL.fullmatch(index) or any(len(value) != HASH_SIZE for value in hashes):
        raise NoteRefused("The proof file has no index, or a hash that is not of 32 bytes.")
    return Proof(index=int(index), hashes=hashes, checkpoint=checkpoint, extra=extra)


def _require_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(sign) < 0x20 and sign != "\n" for sign in text):
        raise NoteRefused("A note's text ends in a newline and has no control characters.")


def _read_signature(line: str) -> tuple[str, bytes]:
    match = SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise NoteRefused("A signature line of the note is malformed.")
    signature = _decode(match[2], "a signature")
    if len(signature) <= KEY_ID_SIZE:
        raise NoteRefused("A signature of the note is too short.")
    return match[1], signature


def _require_signature(key: NoteKey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature as error:
        raise NoteRefused(f"The signature of '{key.name}' does not match the note.") from error


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decode(text: str, what: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteRefused(f"The base64 of {what} is malformed.") from error
    if _encode(value) != text:
        raise NoteRefused(f"The base64 of {what} is malformed.")
    return value
