"""How well the content scan finds what must not be there: precision and recall on made-up fields, each of one sort."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from checks.seeking import Tally, tally_record
from checks.sought import Sought
from core.detectors import passes_luhn
from core.settings import CollectionSettings
from core.traces import Trace
from examples.gateway.sentences import invent_answer, invent_prompt

ROWS: Final = 200
COLLECTION: Final = CollectionSettings(id="made-up", store="made-up", at="made_up", category="log")
_FIRST: Final = ("Anna", "Ben", "Chidi", "Dana", "Emre", "Fatou", "Goran", "Hana")
_WORDS: Final = ("blue", "harbor", "tiger", "lemon", "winter", "coffee", "dragon", "silver")
_ERRORS: Final = (
    "upstream answered 429: rate limit exceeded, retry after 20 s",
    "connection reset by peer while reading the response header",
    "model gpt-4o-mini is not available in this region",
    "invalid value for max_tokens: expected an integer",
    "budget of team 12 is used up",
)
_SERVERS: Final = (
    "nginx/1.25.3",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "python-requests/2.32.3",
)
_RULES: Final = (
    "Keys rotate every 90 days.", "Budget resets on the first of the month.", "Team of the harbour office.", "Shared by two projects.",
)  # fmt: skip

Maker = Callable[[random.Random], object]


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A field of one sort. `holds`: what stands in it, None for nothing that is sought; `share`: of the rows that do."""

    name: str
    holds: Trace | None
    make: Maker
    share: float = 1.0
    else_make: Maker = lambda rng: rng.choice(_ERRORS)


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counted over fields (was the field named for what it holds) and over rows of the fields that hold it."""

    trace: Trace
    found: int
    missed: int
    wrong: int
    rows_found: int
    rows_held: int

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.wrong) if self.found + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


def _prompt(rng: random.Random) -> str:
    return invent_prompt(rng, rng.choice(("code", "chat", "conversation")))


def _card(rng: random.Random, *, gap: str = "") -> str:
    while True:
        digits = rng.choice("45") + rng.choice("12345") + "".join(rng.choices(string.digits, k=14))
        if passes_luhn(digits):
            return gap.join(digits[place : place + 4] for place in range(0, 16, 4))


def _hex(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("0123456789abcdef", k=length))


def _token(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def _place(rng: random.Random) -> str:
    return f"{rng.uniform(-60, 70):.5f}, {rng.uniform(-170, 170):.5f}"


def _secret(rng: random.Random) -> str:
    return f"{rng.choice(_WORDS)}{rng.choice(_WORDS).title()}{rng.randint(1, 99)}"


def _address(rng: random.Random) -> str:
    return f"{rng.choice(_FIRST).lower()}{rng.randint(1, 999)}@post{rng.randint(1, 9)}.example"


def _code(rng: random.Random) -> str:
    name = rng.choice(_WORDS)
    return rng.choice(
        (
            f"def {name}(rows):\n    found = []\n    for row in rows:\n        found.append(row)\n    return found",
            f"const {name} = (a, b) => {{\n  return a + b;\n}};",
            f"public class {name.title()} {{\n    private int size;\n    public int size() {{\n        return size;\n    }}\n}}",
        )
    )


def holding() -> Iterator[MadeUp]:
    """Fields that hold what is sought: under a name that says so, under one that does not, in JSON, and in a few rows."""
    text = Trace.MODEL_TEXT
    yield MadeUp(name="prompt", holds=text, make=_prompt)
    yield MadeUp(name="response", holds=text, make=invent_answer)
    yield MadeUp(name="note", holds=text, make=_prompt)
    yield MadeUp(
        name="payload",
        holds=text,
        make=lambda rng: '{"messages": [{"role": "user", "content": "' + _prompt(rng).replace('"', "'") + '"}]}',
    )
    yield MadeUp(name="detail", holds=text, make=_prompt, share=0.2)
    yield MadeUp(
        name="trace", holds=text, make=lambda rng: f"User: {_prompt(rng)}\nAssistant: {invent_answer(rng)}", share=0.02
    )
    yield MadeUp(name="memo", holds=text, make=invent_answer)
    yield from _holding_figures()
    yield from _holding_secrets()


def _holding_figures() -> Iterator[MadeUp]:
    yield MadeUp(name="reference", holds=Trace.CARD_NUMBER, make=_card, share=0.05)
    yield MadeUp(name="card", holds=Trace.CARD_NUMBER, make=lambda rng: _card(rng, gap=" "))
    yield MadeUp(
        name="comment",
        holds=Trace.CARD_NUMBER,
        make=lambda rng: f"paid by phone with {_card(rng, gap='-')}",
        share=0.01,
    )
    yield MadeUp(name="latitude", holds=Trace.COORDINATES, make=lambda rng: round(rng.uniform(-60, 70), 5))
    yield MadeUp(name="last_seen_at_place", holds=Trace.COORDINATES, make=_place)
    yield MadeUp(
        name="wkt",
        holds=Trace.COORDINATES,
        make=lambda rng: f"POINT({rng.uniform(1, 9):.4f} {rng.uniform(40, 60):.4f})",
    )
    yield MadeUp(
        name="geo",
        holds=Trace.COORDINATES,
        make=lambda rng: f'{{"lat": {rng.uniform(1, 9):.5f}, "lng": {rng.uniform(1, 9):.5f}}}',
    )


def _holding_secrets() -> Iterator[MadeUp]:
    yield MadeUp(name="password", holds=Trace.PASSWORD, make=_secret)
    yield MadeUp(
        name="message",
        holds=Trace.PASSWORD,
        make=lambda rng: f"login failed for u_{rng.randint(1, 99)}, password={_secret(rng)}",
        share=0.03,
    )
    yield MadeUp(
        name="dsn", holds=Trace.PASSWORD, make=lambda rng: f"postgresql://app:{_secret(rng)}@db.internal/app", share=0.1
    )
    yield MadeUp(name="secret_word", holds=Trace.PASSWORD, make=_secret)
    yield MadeUp(name="header", holds=Trace.API_KEY, make=lambda rng: f"Bearer {_token(rng, 40)}")
    yield MadeUp(
        name="config",
        holds=Trace.API_KEY,
        make=lambda rng: f'{{"provider": "x", "value": "sk-proj-{_token(rng, 40)}"}}',
    )
    yield MadeUp(name="api_key", holds=Trace.API_KEY, make=lambda rng: _token(rng, 32))
    yield MadeUp(
        name="label",
        holds=Trace.API_KEY,
        make=lambda rng: f"AKIA{''.join(rng.choices(string.ascii_uppercase + string.digits, k=16))}",
        share=0.02,
    )
    yield MadeUp(name="contact", holds=Trace.EMAIL, make=_address)
    yield MadeUp(name="line", holds=Trace.EMAIL, make=lambda rng: f"mail to {_address(rng)} was bounced", share=0.05)
    yield MadeUp(
        name="client_ip", holds=Trace.IP_ADDRESS, make=lambda rng: ".".join(str(rng.randint(1, 250)) for _ in range(4))
    )
    yield MadeUp(name="source", holds=Trace.IP_ADDRESS, make=lambda rng: f"2001:db8::{rng.randint(1, 9999):x}")
    yield MadeUp(name="body", holds=Trace.CODE, make=_code)
    yield MadeUp(name="diff", holds=Trace.CODE, make=_code, share=0.05)


def clean() -> Iterator[MadeUp]:
    """Fields that hold nothing of it, and look a little as if they did."""
    yield MadeUp(name="prompt_tokens", holds=None, make=lambda rng: rng.randint(1, 9_000))
    yield MadeUp(name="prompt_hash", holds=None, make=lambda rng: _hex(rng, 64))
    yield MadeUp(name="prompt", holds=None, make=lambda rng: rng.choice(("[redacted]", "", "***", "{}")))
    yield MadeUp(name="error", holds=None, make=lambda rng: rng.choice(_ERRORS))
    yield MadeUp(name="order_number", holds=None, make=lambda rng: rng.randint(4 * 10**15, 6 * 10**15))
    yield MadeUp(name="trace_id", holds=None, make=lambda rng: str(uuid.UUID(int=rng.getrandbits(128))))
    yield MadeUp(name="at_us", holds=None, make=lambda rng: 1_790_000_000_000_000 + rng.randint(0, 10**12))
    yield MadeUp(
        name="password_hash",
        holds=None,
        make=lambda rng: f"$argon2id$v=19$m=65536,t=3,p=4${_token(rng, 22)}${_token(rng, 43)}",
    )
    yield MadeUp(name="password", holds=None, make=lambda rng: f"$2b$12${_token(rng, 53)}")
    yield MadeUp(name="token_hash", holds=None, make=lambda rng: _hex(rng, 40))
    yield MadeUp(name="key_name", holds=None, make=lambda rng: f"sk-...{_token(rng, 4)}")
    yield MadeUp(name="cost", holds=None, make=lambda rng: round(rng.uniform(0, 2), 6))
    yield MadeUp(name="latency_ms", holds=None, make=lambda rng: round(rng.uniform(20, 900), 3))
    yield MadeUp(
        name="version", holds=None, make=lambda rng: f"{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 30)}"
    )
    yield MadeUp(name="user_agent", holds=None, make=lambda rng: rng.choice(_SERVERS))
    yield MadeUp(
        name="created_at",
        holds=None,
        make=lambda rng: f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T10:0{rng.randint(0, 9)}:12.345Z",
    )
    yield MadeUp(
        name="settings",
        holds=None,
        make=lambda rng: f'{{"model": "gpt-4o", "temperature": {rng.random():.2f}, "stop": ["\\n"]}}',
    )
    yield MadeUp(name="description", holds=None, make=lambda rng: rng.choice(_RULES))
    yield MadeUp(name="range", holds=None, make=lambda rng: f"{rng.uniform(0, 1):.2f}, {rng.uniform(1, 2):.2f}")
    yield MadeUp(name="plan", holds=None, make=lambda rng: rng.choice(("free", "team", "company")))
    yield MadeUp(
        name="path", holds=None, make=lambda rng: rng.choice(("/v1/chat/completions", "/v1/embeddings", "/health"))
    )
    yield MadeUp(
        name="changelog",
        holds=None,
        make=lambda rng: (
            f"The limit for team {rng.randint(1, 99)} was raised to {rng.randint(1, 9)}0 requests a minute by an administrator after a call. It holds until the end of the year."
        ),
    )
    yield MadeUp(name="host", holds=None, make=lambda rng: f"node-{rng.randint(1, 9)}.internal")


def score(seed: int = 20261121) -> list[Score]:
    """Scan every field for everything at once, as if one clause forbade all of it, and count."""
    rng = random.Random(seed)
    sought = tuple(Sought(clause="never", category=trace.value, trace=trace) for trace in Trace)
    outcome = [(field, _scan(field, sought, rng)) for field in (*holding(), *clean())]
    return [_score(trace, outcome) for trace in Trace]


def _scan(field: MadeUp, sought: tuple[Sought, ...], rng: random.Random) -> dict[Trace, int]:
    tally, least = Tally(), max(1, round(ROWS * field.share))
    for number in range(ROWS):
        value = field.make(rng) if number < least else field.else_make(rng)
        tally_record(tally, COLLECTION, {field.name: value}, sought, allowed=lambda _purpose: False)
    found: dict[Trace, int] = {}
    for place, count in tally.findings(COLLECTION):
        found[place.trace] = max(found.get(place.trace, 0), count)
    return found


def _score(trace: Trace, outcome: list[tuple[MadeUp, dict[Trace, int]]]) -> Score:
    held = [(field, found) for field, found in outcome if field.holds is trace]
    return Score(
        trace=trace,
        found=sum(trace in found for _, found in held),
        missed=sum(trace not in found for _, found in held),
        wrong=sum(trace in found for field, found in outcome if field.holds is not trace and not _both(field, trace)),
        rows_found=sum(min(found.get(trace, 0), max(1, round(ROWS * field.share))) for field, found in held),
        rows_held=sum(max(1, round(ROWS * field.share)) for field, _ in held),
    )


def _both(field: MadeUp, trace: Trace) -> bool:
    """Text of a model may hold code, and code asked for is text of a model: neither is wrong about the other."""
    return {field.holds, trace} == {Trace.MODEL_TEXT, Trace.CODE}


def main() -> None:
    """Print the table of docs/checks.md."""
    print("| sought | fields that hold it | found | wrong | precision | recall | rows found |")
    print("|---|---|---|---|---|---|---|")
    total = [0, 0, 0]
    for one in score():
        total = [total[0] + one.found, total[1] + one.missed, total[2] + one.wrong]
        rows = f"{one.rows_found} of {one.rows_held}"
        print(
            f"| {one.trace.value} | {one.found + one.missed} | {one.found} | {one.wrong} | {one.precision:.2f} | {one.recall:.2f} | {rows} |"
        )
    found, missed, wrong = total
    print(
        f"| all | {found + missed} | {found} | {wrong} | {found / (found + wrong):.2f} | {found / (found + missed):.2f} | |"
    )


if __name__ == "__main__":
    main()
