"""Public keys that others sign with, as PEM or as JSON Web Keys: which algorithm each is good for, and what is no such key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from core.errors import BadInput

SHORTEST_RSA: Final = 2_048
MOST_KEYS: Final = 20
_REMEDY: Final = "Give an Ed25519, P-256 or RSA key of 2048 bits or more, public, as PEM or JWKS."
Key = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """One key with the one algorithm it is good for. `kid` None: it has no name, as in PEM."""

    kid: str | None
    algorithm: str
    key: Key = field(repr=False, compare=False)


def read_public_keys(text: str, *, lenient: bool = False) -> tuple[PublicKey, ...]:
    """The keys of a PEM file or a JWKS. `lenient`: leave out those of a JWKS that are for something else. Raises BadInput,
    also for a private key, which nobody but its owner should hold."""
    if "PRIVATE KEY" in text:
        raise BadInput("This is a private key.", remedy="Give the public half; the private one stays where it signs.")
    if text.lstrip().startswith("-----BEGIN"):
        try:
            return (_named(None, load_pem_public_key(text.strip().encode())),)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadInput("This is no public key.", remedy=_REMEDY) from error
    return _read_jwks(text, lenient=lenient)


def _read_jwks(text: str, *, lenient: bool) -> tuple[PublicKey, ...]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("This is neither PEM nor JSON.", remedy=_REMEDY) from error
    rows = found.get("keys", [found]) if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows or len(rows) > MOST_KEYS:
        raise BadInput(f"This is no set of 1 to {MOST_KEYS} keys.", remedy=_REMEDY)
    keys: list[PublicKey] = []
    for row in rows:
        try:
            keys.append(_read_jwk(row))
        except BadInput:
            if not lenient:
                raise
    if not keys:
        raise BadInput("No key of this set can be used.", remedy=_REMEDY)
    return tuple(keys)


def _read_jwk(row: Any) -> PublicKey:
    if not isinstance(row, Mapping) or row.get("kty") not in ("OKP", "EC", "RSA"):
        raise BadInput("A key of this set is of a kind that cannot be used here.", remedy=_REMEDY)
    if "d" in row:
        raise BadInput("A key of this set is private.", remedy="Give the public half alone.")
    kid = row.get("kid")
    if row.get("use", "sig") != "sig" or not (kid is None or isinstance(kid, str)):
        raise BadInput("A key of this set is not for signing.", remedy=_REMEDY)
    algorithm = {"OKP": "EdDSA", "EC": "ES256", "RSA": "RS256"}[row["kty"]]
    import jwt

    try:
        return _named(kid, jwt.PyJWK(dict(row), algorithm=algorithm).key)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise BadInput("A key of this set cannot be read.", remedy=_REMEDY) from error


def _named(kid: str | None, key: Any) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(kid=kid, algorithm="EdDSA", key=key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return PublicKey(kid=kid, algorithm="ES256", key=key)
    if isinstance(key, RSAPublicKey) and key.key_size >= SHORTEST_RSA:
        return PublicKey(kid=kid, algorithm="RS256", key=key)
    raise BadInput("This kind of key cannot be used here.", remedy=_REMEDY)


def by_kid(keys: Sequence[PublicKey], kid: str | None) -> tuple[PublicKey, ...]:
    """The keys that a token may be signed with: those of its name; without one among them, those that have no name. A token
    that names none is tried with all."""
    if kid is None:
        return tuple(keys)
    return tuple(one for one in keys if one.kid == kid) or tuple(one for one in keys if one.kid is None)
