"""What tests of hand-offs share: the keys of a host application, tokens as it signs them, and the settings that take them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_curve_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.ids import new_id

ISSUER = "https://shop.example"
KEY = Ed25519PrivateKey.generate()
NEW_KEY = Ed25519PrivateKey.generate()
CURVE_KEY = new_curve_key(SECP256R1())
Private = Ed25519PrivateKey | EllipticCurvePrivateKey


def public_pem(key: Private) -> bytes:
    """The public half as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Private, kid: str) -> dict[str, Any]:
    """The public half as a JSON Web Key."""
    algorithm = jwt.get_algorithm_by_name("EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256")
    made: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return made | {"kid": kid, "use": "sig"}


def with_handoff(configuration: str, root: Path, *, keys: str = "[file:handoff.pem]") -> str:
    """A kept.yaml that takes tokens of KEY; the file of the key is written."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "handoff.pem").write_bytes(public_pem(KEY))
    section = f"handoff: {{issuer: {ISSUER}, keys: {keys}, identifiers: {{user_id: sub, email: email}}}}\n"
    return configuration + "\n" + section


def claims(sub: str, email: str, *, now: datetime | None = None, audience: str = "", **changes: Any) -> dict[str, Any]:
    """What a token says; a claim that is changed to None is left out."""
    at = now or datetime.now(UTC)
    made: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience or "http://127.0.0.1:8080",
        "sub": sub,
        "email": email,
        "jti": new_id("jti"),
        "iat": int(at.timestamp()),
        "exp": int((at + timedelta(minutes=2)).timestamp()),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def signed(said: dict[str, Any], *, key: Private = KEY, kid: str | None = None) -> str:
    """A token as the host application signs it."""
    algorithm = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid} if kid else None)
