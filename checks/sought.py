"""What a `never` clause forbids, as kinds that a detector knows: by the words of its categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from core.traces import Trace, words_of
from policies.clauses import NeverClause
from policies.documents import Document

# The word of a category, or the last ones of it, and what is looked for. `provider_api_key` ends in `api_key`.
_KINDS: Final[Mapping[tuple[str, ...], frozenset[Trace]]] = {
    words: frozenset(kinds)
    for kinds, names in (
        ((Trace.MODEL_TEXT,), "content prompt prompts response responses completion completions conversation chat messages"),
        ((Trace.CODE,), "code code_snippet code_snippets snippet snippets source_code"),
        ((Trace.CARD_NUMBER,), "card card_data card_number card_numbers card_details cards payment_card pan"),
        ((Trace.COORDINATES,), "location locations geolocation coordinates position gps"),
        ((Trace.PASSWORD,), "password passwords passphrase"),
        ((Trace.API_KEY,), "api_key api_keys provider_key provider_keys secret secrets credential credentials access_token"),
        ((Trace.EMAIL,), "email emails e_mail email_address e_mail_address"),
        ((Trace.IP_ADDRESS,), "ip ip_address ip_addresses network_address"),
    )
    for words in (tuple(name.split("_")) for name in names.split())
}  # fmt: skip
WORDS: Final[Mapping[Trace, str]] = {
    Trace.MODEL_TEXT: "prompt or response text",
    Trace.CODE: "source code",
    Trace.CARD_NUMBER: "a card number",
    Trace.COORDINATES: "coordinates",
    Trace.PASSWORD: "a password that is no hash",
    Trace.API_KEY: "an API key",
    Trace.EMAIL: "an e-mail address",
    Trace.IP_ADDRESS: "a network address",
}


@dataclass(frozen=True, kw_only=True)
class Sought:
    """One kind that one clause forbids. `excepted`: categories that may hold it; `consent`: the purpose that permits it."""

    clause: str
    category: str
    trace: Trace
    excepted: frozenset[str] = frozenset()
    consent: str | None = None


def kinds_of(category: str) -> frozenset[Trace]:
    """What a detector looks for where a policy says this word; empty where none knows it."""
    words = words_of(category)
    for start in range(len(words)):
        if words[start:] in _KINDS:
            return _KINDS[words[start:]]
    return frozenset()


def sought_by(clause: NeverClause) -> tuple[Sought, ...]:
    """Everything that a clause forbids and a detector knows."""
    return tuple(
        Sought(
            clause=clause.id,
            category=category,
            trace=trace,
            excepted=frozenset(clause.exceptions),
            consent=clause.unless_consent,
        )
        for category in clause.of
        for trace in sorted(kinds_of(category))
    )


def unknown_to_detectors(clause: NeverClause) -> tuple[str, ...]:
    """The categories of a clause that nothing can look for."""
    return tuple(category for category in clause.of if not kinds_of(category))


def sought_in(document: Document) -> tuple[Sought, ...]:
    """Everything that a policy says is never stored and a detector knows."""
    return tuple(one for clause in document.of_kind(NeverClause) for one in sought_by(clause))


def sought_for(everything: Iterable[Sought], *, into: str | None = None) -> tuple[Sought, ...]:
    """What must not be in a record of a category: what is not excepted there."""
    return tuple(one for one in everything if into is None or into not in one.excepted)
