"""Who sent each request of the replay, with which key and to which model."""

import random
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from examples.gateway.instants import DAY_MS
from examples.gateway.people import KNOWN_USER_ID, Key, Person
from examples.gateway.trace import Arrival, Day, replay

KNOWN_EVERY = 61
"""Each so many requests of a day are the known person's: at least three a day, whatever the seed."""

MODELS = {
    "code": (("qwen2.5-coder-32b", 0.9), ("llama-3.3-70b", 0.8)),
    "conversation": (("llama-3.3-70b", 0.8), ("llama-3.1-8b", 0.1), ("gpt-oss-120b", 0.6)),
}
"""For each trace the models its requests go to, with their price in dollars a million tokens."""

_FAILURES = (429, 429, 500, 503, 400)


class Request(NamedTuple):
    """One row of the request log; the time in milliseconds, the price in dollars a million tokens."""

    at_ms: int
    user_id: str
    key_id: int
    kind: str
    model: str
    price: float
    status: int
    prompt_tokens: int
    completion_tokens: int
    ip: str


def send_requests(rng: random.Random, people: list[Person], days: list[Day]) -> Iterator[tuple[Day, list[Request]]]:
    """The requests of each day in order of time, each by somebody whose account was open on that whole day."""
    known = next(person for person in people if person.user_id == KNOWN_USER_ID)
    for day, arrivals in replay(days):
        active = [person for person in people if _is_active(person, day)]
        totals = list(accumulate(person.weight for person in active))
        senders = rng.choices(active, cum_weights=totals, k=len(arrivals))
        senders[::KNOWN_EVERY] = [known] * len(senders[::KNOWN_EVERY])
        yield day, [_send(rng, person, arrival) for person, arrival in zip(senders, arrivals, strict=True)]


def _is_active(person: Person, day: Day) -> bool:
    """Account opened a day before, and open and in use until the day is over."""
    until_ms = person.active_until_ms
    return person.created_ms + DAY_MS <= day.start_ms and (until_ms is None or until_ms >= day.end_ms)


def _send(rng: random.Random, person: Person, arrival: Arrival) -> Request:
    models, addresses = MODELS[arrival.kind], person.addresses
    model, price = models[int(rng.random() * len(models))]
    failed = rng.random() < 0.035
    return Request(
        arrival.at_ms,
        person.user_id,
        _key_at(person, arrival.at_ms).id,
        arrival.kind,
        model,
        price,
        _FAILURES[int(rng.random() * len(_FAILURES))] if failed else 200,
        arrival.prompt_tokens,
        0 if failed else arrival.completion_tokens,
        addresses[int(rng.random() * len(addresses))],
    )


def _key_at(person: Person, at_ms: int) -> Key:
    """The key in use at that time: keys follow each other without a gap."""
    for key in person.keys:
        if key.created_ms <= at_ms and (key.retired_ms is None or at_ms < key.retired_ms):
            return key
    raise LookupError(f"{person.user_id} has no key in use at {at_ms}; its account was not open")
