"""Canonical JSON (RFC 8785) and the hashes taken over it."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import rfc8785

_LARGEST = 2**53 - 1

Json = Mapping[str, Any] | Sequence[Any] | str | int | float | bool | None


def canonical(value: Json) -> bytes:
    """The one byte form of a JSON value. Raises `rfc8785.CanonicalizationError` for what JSON cannot hold."""
    if _is_plain(value):
        try:
            # The same bytes, ten times as fast: every ledger entry is written this way, in the work's transaction.
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONEncodeError, RecursionError):
            pass
    return bytes(rfc8785.dumps(value))


def _is_plain(value: Any) -> bool:
    """Whether the fast writer gives the canonical form: no numbers with a point, keys in ASCII, nothing but JSON's own types."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-_LARGEST <= value <= _LARGEST)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(one) for key, one in value.items())
    return (kind is list or kind is tuple) and all(map(_is_plain, value))


def digest(value: Json) -> str:
    """SHA-256 over the canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def keyed_digest(key: bytes, value: Json) -> str:
    """HMAC-SHA256 over the canonical form, 64 lower-case hex digits."""
    return hmac.new(key, canonical(value), hashlib.sha256).hexdigest()
