"""The sealed file of a package: AES-GCM in chunks with counter nonces, the last chunk marked, the key wrapped apart.

Layout: 6 bytes magic, 7 random bytes, then chunks of up to 64 KiB, each with its 16-byte tag. The nonce of a chunk is the
random bytes, its number (4 bytes) and 1 for the last one, else 0 (the STREAM construction): a chunk that is missing, moved,
changed or cut off does not open.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from core.errors import CheckFailed

MAGIC: Final = b"KEPT1\n"
CHUNK: Final = 64 * 1024
TAG: Final = 16
_PREFIX: Final = 7
_HEAD: Final = len(MAGIC) + _PREFIX


def new_key() -> bytes:
    """A key for one package."""
    return AESGCM.generate_key(bit_length=256)


def wrap_key(key: bytes, wrapping: bytes) -> bytes:
    """A package's key under the installation's key for it (RFC 3394)."""
    return aes_key_wrap(wrapping, key)


def unwrap_key(wrapped: bytes, wrapping: bytes) -> bytes:
    """The key that `wrap_key` wrapped."""
    return aes_key_unwrap(wrapping, wrapped)


def seal(plain: Iterable[bytes], key: bytes, file: BinaryIO) -> int:
    """Write a stream sealed; gives the number of plain bytes. Memory holds one chunk."""
    cipher, prefix = AESGCM(key), secrets.token_bytes(_PREFIX)
    file.write(MAGIC + prefix)
    number = total = 0
    waiting = bytearray()
    for piece in plain:
        waiting += piece
        # More than a chunk must wait: only the end tells which chunk is the last.
        while len(waiting) > CHUNK:
            file.write(cipher.encrypt(_nonce(prefix, number, last=False), bytes(waiting[:CHUNK]), MAGIC))
            del waiting[:CHUNK]
            number, total = number + 1, total + CHUNK
    file.write(cipher.encrypt(_nonce(prefix, number, last=True), bytes(waiting), MAGIC))
    return total + len(waiting)


def unseal(file: BinaryIO, key: bytes) -> Iterator[bytes]:
    """The plain bytes, chunk by chunk, each one proven before it is given. Raises CheckFailed where the file was changed."""
    cipher = AESGCM(key)
    if file.read(len(MAGIC)) != MAGIC:
        raise _broken("it does not begin like one")
    prefix = file.read(_PREFIX)
    number, current = 0, file.read(CHUNK + TAG)
    while True:
        following = file.read(CHUNK + TAG)
        try:
            yield cipher.decrypt(_nonce(prefix, number, last=not following), current, MAGIC)
        except (InvalidTag, ValueError) as error:
            raise _broken(f"chunk {number + 1} does not open") from error
        if not following:
            return
        number, current = number + 1, following


def write_sealed(path: Path, plain: Iterable[bytes], key: bytes, *, durable: bool = True) -> int:
    """Write a sealed file, readable by the owner alone; it has its name only once it is whole. `durable`: it is on the
    disk before it is said to be there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            size = seal(plain, key, file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return size


def read_sealed(path: Path, key: bytes) -> Iterator[bytes]:
    """The plain bytes of a sealed file."""
    with path.open("rb") as file:
        yield from unseal(file, key)


def plain_size(path: Path) -> int:
    """How many plain bytes a sealed file holds, by its own size."""
    sealed = path.stat().st_size - _HEAD
    return sealed - TAG * max(1, -(-sealed // (CHUNK + TAG)))


def read_sealed_from(path: Path, key: bytes, start: int, stop: int) -> Iterator[bytes]:
    """The plain bytes from `start` up to, not with, `stop`: only the chunks that hold them are opened, each one proven."""
    cipher, last = AESGCM(key), max(0, -(-(path.stat().st_size - _HEAD) // (CHUNK + TAG)) - 1)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise _broken("it does not begin like one")
        prefix = file.read(_PREFIX)
        file.seek(_HEAD + start // CHUNK * (CHUNK + TAG))
        for number in range(start // CHUNK, -(-stop // CHUNK)):
            try:
                plain = cipher.decrypt(_nonce(prefix, number, last=number == last), file.read(CHUNK + TAG), MAGIC)
            except (InvalidTag, ValueError) as error:
                raise _broken(f"chunk {number + 1} does not open") from error
            yield plain[max(0, start - number * CHUNK) : stop - number * CHUNK]


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


def _broken(why: str) -> CheckFailed:
    return CheckFailed(f"A package cannot be opened: {why}.", remedy="Make it again with `kept request package REF`.")
