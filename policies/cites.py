"""Names of laws and places in them as a language writes them: `GDPR Art. 12(3)` is `Art. 12 Abs. 3 DSGVO` in German."""

from __future__ import annotations

import re
from typing import Final

from core.catalogue import SOURCE, catalogue, mark, short_code

_EUROPEAN: Final = re.compile(r"((?:UK )?GDPR) Art\. (.+)")
_PART: Final = re.compile(r"(\d+)(?:\((\d+)\))?(?:\(([a-z])\))?")
# What a row of the law is called where no article of it is named.
_ROWS: Final = (
    mark("UK GDPR, complaints"), mark("CCPA opt-out"), mark("CCPA, consent withdrawn"), mark("Virginia CDPA, appeal"),
    mark("Virginia CDPA, opt-out"), mark("Colorado Privacy Act, appeal"), mark("Colorado Privacy Act, opt-out"),
    mark("LGPD, no number in the act"), mark("LGPD, consent withdrawn"), mark("PIPEDA, consent withdrawn"),
    mark("Quebec, consent withdrawn"), mark("Swiss FADP, consent withdrawn"), mark("Taiwan PDPA, consent withdrawn"),
    mark("APP 7, opt-out"), mark("the law that applies to you"), mark("Data Protection Act 2018, Schedule 2"),
    mark("GDPR"), mark("Swiss FADP"), mark("Swiss DPO Art. 18"), mark("Quebec private sector act s. 32"),
)  # fmt: skip


def cite(law: str, language: str) -> str:
    """A law, or a place in it, as a language writes it; unchanged where nothing is known of it."""
    if short_code(language) == SOURCE:
        return law
    if found := _EUROPEAN.fullmatch(law):
        return f"Art. {_PART.sub(_article, found[2])} {cite(found[1], language)}"
    return catalogue(language).gettext(law)


def _article(found: re.Match[str]) -> str:
    paragraph = f" Abs. {found[2]}" if found[2] else ""
    return f"{found[1]}{paragraph}{f' lit. {found[3]}' if found[3] else ''}"
