"""Canonical JSON (RFC 8785) and the hashes taken over it."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

Json = Mapping[str, Any] | Sequence[Any] | str | int | float | bool | None


def canonical(value: Json) -> bytes:
    """The one byte form of a JSON value. Raises `rfc8785.CanonicalizationError` for what JSON cannot hold."""
    return bytes(rfc8785.dumps(value))


def digest(value: Json) -> str:
    """SHA-256 over the canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def keyed_digest(key: bytes, value: Json) -> str:
    """HMAC-SHA256 over the canonical form, 64 lower-case hex digits."""
    return hmac.new(key, canonical(value), hashlib.sha256).hexdigest()
