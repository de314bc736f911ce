"""The machine interface under `/api/v1/`: bearer tokens with scopes, errors as RFC 9457 problem documents."""

from web.api import (
    acceptances,
    consents,
    events,
    guard,
    inbox,
    ledger,
    openapi,
    policy,
    promises,
    requests,
    restrictions,
    suppressions,
)
from web.api_blueprint import blueprint

__all__ = [
    "acceptances",
    "blueprint",
    "consents",
    "events",
    "guard",
    "inbox",
    "ledger",
    "openapi",
    "policy",
    "promises",
    "requests",
    "restrictions",
    "suppressions",
]
