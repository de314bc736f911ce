"""The made-up people of the example, their accounts and their API keys."""

import random
import unicodedata
from dataclasses import dataclass, replace

from examples.gateway.instants import DAY_MS
from examples.gateway.names import COMPANY_FIRST, COMPANY_FORM, COMPANY_SECOND, CULTURES, MAIL_HOSTS

USERS = 2_000
KNOWN_USER_ID = "u_000042"
KNOWN_EMAIL = "mara.lindqvist@example.com"
KNOWN_NAME = "Mara Lindqvist"
QUIET_USER_ID = "u_000043"
QUIET_EMAIL = "jonas.feld@example.com"
QUIET_NAME = "Jonas Feld"
QUIET_DAYS = 12

_OLDEST_DAYS = 9 * 365
_DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key; times in milliseconds. It is used until `retired_ms`, whether or not anyone revoked it."""

    id: int
    token_hash: str
    created_ms: int
    retired_ms: int | None = None
    revoked_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account holder; times in milliseconds. `active_until_ms` is None for somebody who still sends requests."""

    user_id: str
    email: str
    name: str
    company: str | None
    created_ms: int
    deleted_ms: int | None
    active_until_ms: int | None
    weight: float
    addresses: tuple[str, ...]
    pays: bool
    keys: tuple[Key, ...] = ()


def invent_people(rng: random.Random, now_ms: int) -> list[Person]:
    """All account holders by user id, with their keys; the known person is one of them."""
    taken = {KNOWN_EMAIL, QUIET_EMAIL}
    people: list[Person] = []
    next_key = 1
    for number in range(1, USERS + 1):
        person = _invent_person(rng, number, now_ms, taken)
        if person.user_id == KNOWN_USER_ID:
            person = _known_person(person, now_ms)
            keys = _known_keys(rng, person, next_key, now_ms)
        else:
            if person.user_id == QUIET_USER_ID:
                person = _quiet_person(person, now_ms)
            keys = _invent_keys(rng, person, next_key, now_ms)
        next_key += len(keys)
        people.append(replace(person, keys=keys))
    return people


def invent_name(rng: random.Random) -> tuple[str, str]:
    """A name as people write it, and the local part of an address that spells it."""
    culture = rng.choice(CULTURES)
    given, given_ascii = _spelled(rng.choice(culture.given))
    family, family_ascii = _spelled(rng.choice(culture.family))
    name = f"{family} {given}" if culture.family_first else f"{given} {family}"
    return name, f"{given_ascii}.{family_ascii}"


def free_address(local: str, host: str, taken: set[str]) -> str:
    """An address nobody has yet, by counting up; it is taken from then on."""
    email, count = f"{local}@{host}", 2
    while email in taken:
        email, count = f"{local}{count}@{host}", count + 1
    taken.add(email)
    return email


def _spelled(entry: str) -> tuple[str, str]:
    name, _, spelling = entry.partition("/")
    if not spelling:
        spelling = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return name, spelling


def _invent_person(rng: random.Random, number: int, now_ms: int, taken: set[str]) -> Person:
    name, local = invent_name(rng)
    company, host = _invent_company(rng)
    created_ms = now_ms - DAY_MS // 2 - int((_OLDEST_DAYS - 1) * DAY_MS * rng.random() ** 2.2)
    deleted_ms = _closing(rng, created_ms, now_ms)
    quiet_ms = rng.randrange(created_ms, now_ms) if rng.random() < 0.2 else None
    return Person(
        user_id=f"u_{number:06}",
        email=free_address(local, host, taken),
        name=name,
        company=company,
        created_ms=created_ms,
        deleted_ms=deleted_ms,
        active_until_ms=min((at for at in (deleted_ms, quiet_ms) if at is not None), default=None),
        weight=min(rng.paretovariate(1.1), 60.0),
        addresses=tuple(_invent_ip(rng) for _ in range(rng.randint(1, 3))),
        pays=rng.random() < 0.45,
    )


def _invent_company(rng: random.Random) -> tuple[str | None, str]:
    """A company, or none, and the host of its mail."""
    if rng.random() < 0.35:
        return None, rng.choice(MAIL_HOSTS)
    first, second = rng.choice(COMPANY_FIRST), rng.choice(COMPANY_SECOND)
    return f"{first} {second}{rng.choice(COMPANY_FORM)}", f"{first}-{second}.{rng.choice(_DOMAINS)}".lower()


def _invent_ip(rng: random.Random) -> str:
    """An address from the ranges set aside for documentation (RFC 5737, RFC 3849)."""
    if rng.random() < 0.25:
        return f"2001:db8:{rng.getrandbits(16):x}:{rng.getrandbits(16):x}::{rng.randint(1, 0xFFFF):x}"
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randint(1, 254)}"


def _closing(rng: random.Random, created_ms: int, now_ms: int) -> int | None:
    """When the account was closed: for most never, for some long ago, for a few within the last month."""
    draw = rng.random()
    if draw > 0.11 or now_ms - created_ms < 60 * DAY_MS:
        return None
    if draw < 0.03:
        return now_ms - rng.randrange(DAY_MS, 29 * DAY_MS)
    return rng.randrange(created_ms + 10 * DAY_MS, now_ms - 31 * DAY_MS)


def _invent_keys(rng: random.Random, person: Person, first_id: int, now_ms: int) -> tuple[Key, ...]:
    """One key, or a few that followed each other; at times one more that was never used."""
    end_ms = person.deleted_ms or now_ms
    rotations = (rng.random() < 0.35) + (rng.random() < 0.12)
    begins = [person.created_ms, *sorted(rng.randrange(person.created_ms, end_ms) for _ in range(rotations))]
    keys: list[Key] = []
    for created_ms, retired_ms in zip(begins, [*begins[1:], None], strict=True):
        revoked_ms = _revocation(rng, person, retired_ms, end_ms)
        keys.append(_new_key(rng, first_id + len(keys), created_ms, retired_ms, revoked_ms))
    if rng.random() < 0.08:
        created_ms = rng.randrange(person.created_ms, end_ms)
        keys.append(_new_key(rng, first_id + len(keys), created_ms, created_ms, None))
    return tuple(keys)


def _revocation(rng: random.Random, person: Person, retired_ms: int | None, end_ms: int) -> int | None:
    """Half of the keys that were replaced were revoked, and most of those whose account was closed."""
    if retired_ms is not None and rng.random() < 0.5:
        return min(retired_ms + rng.randrange(3 * DAY_MS), end_ms)
    return person.deleted_ms if person.deleted_ms is not None and rng.random() < 0.7 else None


def _new_key(rng: random.Random, number: int, created_ms: int, retired_ms: int | None, revoked_ms: int | None) -> Key:
    token_hash = f"{rng.getrandbits(256):064x}"
    return Key(id=number, token_hash=token_hash, created_ms=created_ms, retired_ms=retired_ms, revoked_ms=revoked_ms)


def _known_person(person: Person, now_ms: int) -> Person:
    """Somebody whom tours and tests can name: an open account, busy on every day of the replay."""
    return replace(
        person,
        email=KNOWN_EMAIL,
        name=KNOWN_NAME,
        company="Thistle Cartography",
        created_ms=now_ms - 700 * DAY_MS,
        deleted_ms=None,
        active_until_ms=None,
        addresses=("192.0.2.42", "2001:db8:42::7"),
        pays=True,
    )


def _quiet_person(person: Person, now_ms: int) -> Person:
    """The other one whom tours can name: an open account that made its last request days ago, so no open file holds it."""
    return replace(
        person,
        email=QUIET_EMAIL,
        name=QUIET_NAME,
        company=None,
        created_ms=now_ms - 500 * DAY_MS,
        deleted_ms=None,
        active_until_ms=now_ms - QUIET_DAYS * DAY_MS,
        weight=20.0,
        addresses=("198.51.100.43",),
        pays=True,
    )


def _known_keys(rng: random.Random, person: Person, first_id: int, now_ms: int) -> tuple[Key, ...]:
    """A key in use, and an older one that was forgotten 200 days ago and never revoked."""
    change_ms = now_ms - 200 * DAY_MS
    return (
        _new_key(rng, first_id, person.created_ms, change_ms, None),
        _new_key(rng, first_id + 1, change_ms, None, None),
    )
