"""Invoices and letters to support, over the years that accounts were open."""

import random
from typing import NamedTuple

from examples.gateway.instants import DAY_MS
from examples.gateway.names import MAIL_HOSTS
from examples.gateway.people import KNOWN_EMAIL, KNOWN_USER_ID, Person, free_address, invent_name
from examples.gateway.sentences import invent_letter

LETTERS_FROM_USERS = 900
LETTERS_FROM_STRANGERS = 300

_QUARTER_MS = 91 * DAY_MS
_LETTERS_BACK_MS = 1_100 * DAY_MS
_KNOWN_LETTERS_DAYS = (20, 190, 560)


class Invoice(NamedTuple):
    """One invoice; the time in milliseconds, the amount in euros."""

    issued_ms: int
    user_id: str
    amount: float


class Letter(NamedTuple):
    """One message to support; the time in milliseconds."""

    at_ms: int
    email: str
    body: str


def issue_invoices(rng: random.Random, people: list[Person], now_ms: int) -> list[Invoice]:
    """One a quarter for everybody who pays, until the account was closed; in order of time."""
    invoices: list[Invoice] = []
    for person in people:
        if not person.pays:
            continue
        end_ms = person.deleted_ms or now_ms
        usual = 900 + int(person.weight * 400)
        for issued_ms in range(person.created_ms + _QUARTER_MS, end_ms, _QUARTER_MS):
            invoices.append(Invoice(issued_ms, person.user_id, round(usual * rng.uniform(0.7, 1.3)) / 100))
    return sorted(invoices)


def write_letters(rng: random.Random, people: list[Person], now_ms: int) -> list[Letter]:
    """Letters by account holders, by the known person and by people without an account; in order of time."""
    letters = [
        Letter(now_ms - days * DAY_MS, KNOWN_EMAIL, invent_letter(rng, from_user=True)) for days in _KNOWN_LETTERS_DAYS
    ]
    others = [person for person in people if person.user_id != KNOWN_USER_ID]
    for person in rng.choices(others, k=LETTERS_FROM_USERS):
        earliest_ms = max(person.created_ms, now_ms - _LETTERS_BACK_MS)
        latest_ms = max(person.deleted_ms or now_ms, earliest_ms + 1)
        at_ms = rng.randrange(earliest_ms, latest_ms)
        letters.append(Letter(at_ms, person.email, invent_letter(rng, from_user=True)))
    return sorted(letters + _strangers_letters(rng, people, now_ms))


def _strangers_letters(rng: random.Random, people: list[Person], now_ms: int) -> list[Letter]:
    taken = {person.email for person in people}
    letters = []
    for _ in range(LETTERS_FROM_STRANGERS):
        email = free_address(invent_name(rng)[1], rng.choice(MAIL_HOSTS), taken)
        at_ms = now_ms - rng.randrange(_LETTERS_BACK_MS)
        letters.append(Letter(at_ms, email, invent_letter(rng, from_user=False)))
    return letters
