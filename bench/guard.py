"""How long the payload guard takes for a body of 10 kB, beside reading the same body as JSON and no more."""

from __future__ import annotations

import json
from typing import Final

from bench.measuring import Result, time_ways
from checks.guard import check_body
from checks.sought import sought_in
from policies.documents import parse_document

_BODIES: Final = 20
_POLICY: Final = """---
policy: guarded
title: Privacy Policy
controller: {name: Lanternway, country: DE, timezone: Europe/Berlin, email: privacy@lanternway.example}
regimes: [gdpr]
clauses:
  - {id: no-content, kind: never, of: content, silent: true}
  - {id: no-cards, kind: never, of: card_data, silent: true}
  - {id: no-location, kind: never, of: location, silent: true}
---
Nothing of the kind.
"""
_EVENT: Final = {
    "model": "gpt-4o", "prompt_tokens": 812, "completion_tokens": 90, "latency_ms": 210.5, "status": "ok",
    "user": "u_000042", "at": "2026-01-02T03:04:05.123Z", "error": "upstream answered 429: rate limit exceeded",
    "cost": 0.00213, "prompt_hash": "9f86d081884c7d659a2feaa0c55ad015", "region": "eu-central-1", "version": "1.2.3.4",
}  # fmt: skip


def measure() -> list[Result]:
    """Twenty bodies each time; floor and stretch are for all of them, 1 ms and 0.8 ms a body."""
    body = json.dumps({"events": [_EVENT | {"request_id": f"req_{number}"} for number in range(34)]}).encode()
    sought = sought_in(parse_document(_POLICY, "guarded.md"))

    def read() -> None:
        for _ in range(_BODIES):
            json.loads(body)

    def guard() -> None:
        for _ in range(_BODIES):
            assert check_body(body, sought) == ()

    return [
        Result(
            bench="guard",
            what=f"{_BODIES} bodies of {len(body) / 1000:.0f} kB",
            includes="three kinds sought in every value",
            timings=time_ways({"json.loads": read, "Kept": guard}),
            floor=_BODIES * 0.001,
            stretch=_BODIES * 0.0008,
        )
    ]
