"""Detectors of personal data: what one whole value is, by its look. Pure; they keep nothing. `core/traces.py` looks inside texts."""

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

# What is longer is looked at only up to here: nothing that these look for needs more.
LONGEST = 20_000


class Kind(StrEnum):
    """What a value can be, by its look alone."""

    EMAIL = "email"
    IP_ADDRESS = "ip_address"
    CARD_NUMBER = "card_number"  # right by its length, its first digits and Luhn's sum
    PHONE = "phone"  # looks like one: a number with a plus, or grouped as people write them
    COORDINATES = "coordinates"  # a pair of degrees
    PASSWORD_HASH = "password_hash"  # noqa: S105 the name of a kind
    HASH = "hash"  # hexadecimal of the length of a digest
    UUID = "uuid"
    TOKEN = "token"  # noqa: S105 the name of a kind; an opaque secret, or a key with a known beginning
    JSON = "json"  # an object or a list
    URL = "url"


_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
_IP_SHAPE = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:.]{3,45}")
_CARD = re.compile(r"(?<![\d.-])[3-6]\d{3}(?:[ -]?\d{2,6}){2,4}(?![\d.-])")
_PHONE = re.compile(
    r"\+\d{1,3}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?\d(?:[ ./-]?\d){5,12}|\(?0?\d{2,4}\)?[ /-]\d{3,4}[ -]\d{3,5}"
)
_COORDINATES = re.compile(r"[-+]?(?:[1-8]?\d\.\d{3,}|90\.0+)\s*[,;]\s*[-+]?(?:(?:1[0-7]\d|\d{1,2})\.\d{3,}|180\.0+)")
_PASSWORD_HASH = re.compile(
    r"\$(?:2[abxy]|argon2(?:id|i|d)|5|6|y|scrypt|pbkdf2[a-z0-9-]*)\$\S{15,}|pbkdf2_sha\d+\$\S{20,}"
)
_HASH = re.compile(r"(?:sha(?:1|256|512):)?(?:[0-9a-f]{128}|[0-9a-f]{96}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})", re.I)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
_KNOWN_TOKEN = re.compile(
    r"(?:sk|pk|rk|whsec)[-_](?:[A-Za-z]{2,8}[-_])?[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|glpat-[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"
)
_OPAQUE = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[A-Za-z0-9_+/=-]{24,4096}")
_URL = re.compile(r"https?://\S+", re.I)


def kinds_of(value: str) -> frozenset[Kind]:
    """What one whole value is; empty for what none of the detectors knows."""
    text = value.strip()
    if not text or len(text) > LONGEST:
        return frozenset({Kind.JSON} if text[:1] in ("{", "[") else ())
    return frozenset(kind for kind, is_it in _WHOLE.items() if is_it(text))


def count_kinds(values: Iterable[str]) -> Mapping[Kind, float]:
    """The share of values, 0 to 1, that are of each kind."""
    found: Counter[Kind] = Counter()
    total = 0
    for value in values:
        total += 1
        found.update(kinds_of(value))
    return {kind: count / total for kind, count in found.items()}


def leaves_of(text: str, *, depth: int = 3) -> Iterator[tuple[tuple[str, ...], str]]:
    """The scalar values of JSON text with the keys that lead to them; lists add no key. Nothing for what is not JSON."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return
    yield from _leaves(parsed, (), depth)


def passes_luhn(digits: str) -> bool:
    """Luhn's sum over a string of digits."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _leaves(node: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict) and depth > 0:
        for key, value in node.items():
            yield from _leaves(value, (*path, str(key)), depth - 1)
    elif isinstance(node, list) and depth > 0:
        for value in node[:20]:
            yield from _leaves(value, path, depth - 1)
    elif isinstance(node, str | int | float) and not isinstance(node, bool):
        yield path, str(node)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    known = re.fullmatch(
        r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|3[0689]\d{12}", digits
    )
    return bool(known) and len(set(digits)) > 1 and passes_luhn(digits)


def _is_hash(text: str) -> bool:
    return bool(_HASH.fullmatch(text)) and not text.isdigit()


def _is_token(text: str) -> bool:
    return bool(_KNOWN_TOKEN.fullmatch(text) or _OPAQUE.fullmatch(text)) and not _EMAIL.fullmatch(text)


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_phone(text: str) -> bool:
    return bool(_PHONE.fullmatch(text)) and 7 <= sum(c.isdigit() for c in text) <= 15


_WHOLE: dict[Kind, Callable[[str], bool]] = {
    Kind.EMAIL: lambda text: bool(_EMAIL.fullmatch(text)),
    Kind.IP_ADDRESS: lambda text: bool(_IP_SHAPE.fullmatch(text)) and _is_ip(text),
    Kind.CARD_NUMBER: _is_card,
    Kind.PHONE: _is_phone,
    Kind.COORDINATES: lambda text: bool(_COORDINATES.fullmatch(text)),
    Kind.PASSWORD_HASH: lambda text: bool(_PASSWORD_HASH.fullmatch(text)),
    Kind.HASH: _is_hash,
    Kind.UUID: lambda text: bool(_UUID.fullmatch(text)),
    Kind.TOKEN: _is_token,
    Kind.JSON: _is_json,
    Kind.URL: lambda text: bool(_URL.fullmatch(text)),
}
