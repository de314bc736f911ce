"""The installation's one secret, and the keys that are derived from it, one for each purpose."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive_key(secret: bytes, purpose: str, *, size: int = 32) -> bytes:
    """A key of `size` bytes for one purpose (HKDF-SHA256, RFC 5869). The same secret and purpose give the same key."""
    return HKDF(algorithm=SHA256(), length=size, salt=None, info=purpose.encode()).derive(secret)


def signing_key(secret: bytes, purpose: str) -> Ed25519PrivateKey:
    """The Ed25519 key of a purpose."""
    return Ed25519PrivateKey.from_private_bytes(derive_key(secret, purpose))


def write_secret(path: Path) -> None:
    """Write 256 random bits in hex, readable by the owner alone. An existing file is never written over."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
