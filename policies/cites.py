"""Names of laws and places in them as a language writes them: `GDPR Art. 12(3)` is `Art. 12 Abs. 3 DSGVO` in German.

The catalogues hold the names of the laws and the form of an article; a translator needs no code for them."""

from __future__ import annotations

import re
from typing import Final

from core.catalogue import SOURCE, catalogue, mark, short_code

_EUROPEAN: Final = re.compile(r"((?:UK )?GDPR) Art\. (.+)")
_PART: Final = re.compile(r"(\d+)(?:\((\d+)\))?(?:\(([a-z])\))?")
# By whether a paragraph and a letter are named.
_FORMS: Final = {
    (False, False): mark("%(article)s"), (True, False): mark("%(article)s(%(paragraph)s)"),
    (False, True): mark("%(article)s(%(letter)s)"), (True, True): mark("%(article)s(%(paragraph)s)(%(letter)s)"),
}  # fmt: skip
_PLACES: Final = mark("Art. %(articles)s")
_IN_LAW: Final = mark("%(law)s %(places)s")
# What a row of the law is called where no article of it is named.
_ROWS: Final = (
    mark("UK GDPR, complaints"), mark("CCPA opt-out"), mark("CCPA, consent withdrawn"), mark("Virginia CDPA, appeal"),
    mark("Virginia CDPA, opt-out"), mark("Colorado Privacy Act, appeal"), mark("Colorado Privacy Act, opt-out"),
    mark("LGPD, no number in the act"), mark("LGPD, consent withdrawn"), mark("PIPEDA, consent withdrawn"),
    mark("Quebec, consent withdrawn"), mark("Swiss FADP, consent withdrawn"), mark("Taiwan PDPA, consent withdrawn"),
    mark("APP 7, opt-out"), mark("the law that applies to you"), mark("Data Protection Act 2018, Schedule 2"),
    mark("GDPR"), mark("UK GDPR"), mark("Swiss FADP"), mark("Swiss DPO Art. 18"), mark("Quebec private sector act s. 32"),
)  # fmt: skip


def cite(law: str, language: str) -> str:
    """A law, or a place in it, as a language writes it; unchanged where nothing is known of it."""
    if short_code(language) == SOURCE:
        return law
    words = catalogue(language)
    if found := _EUROPEAN.fullmatch(law):
        said = [_article(one, language) for one in found[2].split(", ")]
        joined = ("; " if any("," in one for one in said) else ", ").join(said)
        places = words.gettext(_PLACES) % {"articles": joined}
        return words.gettext(_IN_LAW) % {"places": places, "law": words.gettext(found[1])}
    return words.gettext(law)


def _article(place: str, language: str) -> str:
    found = _PART.fullmatch(place)
    if found is None:
        return place
    form = _FORMS[found[2] is not None, found[3] is not None]
    return catalogue(language).gettext(form) % {"article": found[1], "paragraph": found[2], "letter": found[3]}
