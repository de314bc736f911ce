"""Cosignatures of witnesses (C2SP cosignature/v1, Ed25519): checked against configured keys and kept beside the checkpoint."""

import base64
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.orm import Session

from core.errors import NotFound
from ledger.keeping_tables import CosignatureRow
from ledger.notes import HASH_SIZE, KEY_ID_SIZE, NoteRefused, note_parts
from ledger.tables import CheckpointTable

COSIGNATURE: Final = b"\x04"
PAYLOAD: Final = KEY_ID_SIZE + 8 + 64
PUBLIC_FORM: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})")


@dataclass(frozen=True, kw_only=True)
class WitnessKey:
    """A witness that is known: its name, and the 32 bytes of its Ed25519 public key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + COSIGNATURE + self.public).digest()[:KEY_ID_SIZE]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(COSIGNATURE + self.public).decode()}"


@dataclass(frozen=True, kw_only=True)
class Cosignature:
    """That a witness saw a checkpoint at a time, as the line of the note that says so."""

    witness: str
    at: datetime
    line: str


def parse_witness(text: str) -> WitnessKey:
    """A witness from its public form `name+HEX+BASE64`. Raises NoteRefused."""
    match = PUBLIC_FORM.fullmatch(text.strip())
    raw = base64.b64decode(match[3]) if match else b""
    if match is None or raw[:1] != COSIGNATURE or len(raw) != HASH_SIZE + 1:
        raise NoteRefused(
            f"'{text.strip()}' is no key of a witness.", remedy="Copy its line: name+HEX+BASE64, for cosignature/v1."
        )
    key = WitnessKey(name=match[1], public=raw[1:])
    if key.key_id.hex() != match[2]:
        raise NoteRefused(f"The id of the witness '{key.name}' does not match its key.", remedy="Copy the line again.")
    return key


def cosigned_message(text: str, seconds: int) -> bytes:
    """What a witness signs: a header, the time, and the checkpoint's text with its last newline."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def read_cosignatures(note: str, witnesses: Sequence[WitnessKey]) -> tuple[Cosignature, ...]:
    """The cosignatures of known witnesses under a note. Lines of others are passed over; a known one that fails refuses it."""
    text, signatures = note_parts(note)
    found = []
    for name, raw, line in signatures:
        for witness in witnesses:
            if witness.name == name and raw[:KEY_ID_SIZE] == witness.key_id:
                found.append(Cosignature(witness=name, at=_check(witness, raw, text), line=line))
    return tuple(found)


def keep_cosignatures(session: Session, size: int, found: Sequence[Cosignature]) -> int:
    """Keep each beside the checkpoint over `size` entries, the latest of a witness; gives how many are new."""
    new = 0
    for one in found:
        row = session.get(CosignatureRow, (size, one.witness))
        if row is None:
            session.add(CosignatureRow(size=size, witness=one.witness, at=one.at, line=one.line))
            new += 1
        elif one.at > row.at:
            row.at, row.line = one.at, one.line
            new += 1
    return new


def cosignatures(session: Session, sizes: Sequence[int]) -> dict[int, list[Cosignature]]:
    """What is kept of checkpoints, by their size."""
    wanted = sa.select(CosignatureRow).where(CosignatureRow.size.in_(sizes)).order_by(CosignatureRow.witness)
    found: dict[int, list[Cosignature]] = {}
    for row in session.execute(wanted).scalars():
        found.setdefault(row.size, []).append(Cosignature(witness=row.witness, at=row.at, line=row.line))
    return found


def stored_note(session: Session, text: str, size: int) -> str:
    """The log's own note over `size` entries, which must say what the offered one says. Raises NotFound."""
    wanted = sa.select(CheckpointTable.note).where(CheckpointTable.size == size)
    note = session.execute(wanted).scalar_one_or_none()
    if note is None or note_parts(note)[0] != text:
        raise NotFound(f"This ledger signed no such checkpoint over {size} entries.")
    return note


def _check(witness: WitnessKey, raw: bytes, text: str) -> datetime:
    if len(raw) != PAYLOAD:
        raise NoteRefused(f"The cosignature of '{witness.name}' has another length than cosignature/v1.")
    (seconds,) = struct.unpack(">Q", raw[KEY_ID_SIZE : KEY_ID_SIZE + 8])
    try:
        Ed25519PublicKey.from_public_bytes(witness.public).verify(
            raw[KEY_ID_SIZE + 8 :], cosigned_message(text, seconds)
        )
        return datetime.fromtimestamp(seconds, UTC)
    except (InvalidSignature, OverflowError, ValueError, OSError) as error:
        raise NoteRefused(f"The cosignature of '{witness.name}' does not match the checkpoint.") from error
