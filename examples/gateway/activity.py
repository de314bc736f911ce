"""What people do beside sending requests: the playground of the console, figures of use, and feedback."""

import random
from typing import NamedTuple

from examples.gateway.instants import DAY_MS
from examples.gateway.people import KNOWN_USER_ID, QUIET_USER_ID, Person
from examples.gateway.sentences import invent_answer, invent_comment, invent_prompt
from examples.gateway.traffic import MODELS, Request

USES_DAYS = 45
USES_EVERY = 4
MESSAGES = 1_200
OPINIONS = 400

_MESSAGES_BACK_MS = 120 * DAY_MS
_OPINIONS_BACK_MS = 400 * DAY_MS
_NOT_HERE = (KNOWN_USER_ID, QUIET_USER_ID)  # tours and tests count on what these two have


class Message(NamedTuple):
    """One question in the playground and what the model answered; the time in milliseconds."""

    at_ms: int
    user_id: str
    model: str
    prompt: str
    answer: str
    tokens: int


class Opinion(NamedTuple):
    """One answer to "how do you like it"; the time in milliseconds."""

    at_ms: int
    user_id: str
    email: str
    rating: int
    comment: str


def sample_uses(requests: list[Request], now_ms: int) -> list[Request]:
    """Every so many requests of the last weeks are looked at for figures of use."""
    late = [one for one in requests if one.at_ms >= now_ms - USES_DAYS * DAY_MS and one.user_id not in _NOT_HERE]
    return late[::USES_EVERY]


def write_messages(rng: random.Random, people: list[Person], now_ms: int) -> list[Message]:
    """Messages of the last months by people whose account was open; in order of time."""
    models = [model for model, _price in MODELS["conversation"]]
    found = []
    for person, at_ms in _moments(rng, people, MESSAGES, now_ms, _MESSAGES_BACK_MS):
        prompt, answer = invent_prompt(rng, "conversation"), invent_answer(rng)
        tokens = (len(prompt) + len(answer)) // 4
        found.append(Message(at_ms, person.user_id, rng.choice(models), prompt, answer, tokens))
    return sorted(found)


def ask_opinions(rng: random.Random, people: list[Person], now_ms: int) -> list[Opinion]:
    """Ratings with a comment, over a good year; in order of time."""
    return sorted(
        Opinion(at_ms, person.user_id, person.email, rng.choice((1, 3, 4, 4, 5, 5)), invent_comment(rng))
        for person, at_ms in _moments(rng, people, OPINIONS, now_ms, _OPINIONS_BACK_MS)
    )


def _moments(
    rng: random.Random, people: list[Person], number: int, now_ms: int, back_ms: int
) -> list[tuple[Person, int]]:
    """Somebody, at a time at which their account was open."""
    there = [
        (person, max(person.created_ms, now_ms - back_ms), person.deleted_ms or now_ms)
        for person in people
        if person.user_id not in _NOT_HERE
    ]
    open_then = [one for one in there if one[1] < one[2]]
    return [(person, rng.randrange(first, last)) for person, first, last in rng.choices(open_then, k=number)]
