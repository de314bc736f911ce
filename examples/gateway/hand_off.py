"""What the gateway's "Your data" page does: signs who somebody is, for minutes and once, and prints the form that hands them over."""

from __future__ import annotations

import argparse
import html
import secrets
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

FORM = """<!doctype html><title>Your data</title>
<form method="post" action="{kept}/requests/hand-off">
  <input type="hidden" name="token" value="{token}">
  <button>Your data</button>
</form>
"""


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key of the gateway; made, with its public half beside it as .pem, where there is none."""
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        path.touch(mode=0o600)
        path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        path.with_suffix(".pem").write_bytes(public)
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def sign(key: Ed25519PrivateKey, *, user: str, email: str, issuer: str, kept: str) -> str:
    """A token that says who this is: good for two minutes, once, and for Kept alone."""
    now = int(time.time())
    said = {
        "iss": issuer,
        "aud": kept,
        "sub": user,
        "email": email,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode(said, key, algorithm="EdDSA")


def main() -> None:
    """Print the form of one person."""
    read = argparse.ArgumentParser(description=main.__doc__)
    for name in ("user", "email"):
        read.add_argument(f"--{name}", required=True)
    read.add_argument("--key", type=Path, default=Path("handoff.key"))
    read.add_argument("--issuer", default="https://lanternway.example")
    read.add_argument("--kept", default="http://127.0.0.1:8080")
    given = read.parse_args()
    token = sign(read_key(given.key), user=given.user, email=given.email, issuer=given.issuer, kept=given.kept)
    sys.stdout.write(FORM.format(kept=html.escape(given.kept), token=token))


if __name__ == "__main__":
    main()
