"""What a sentence is about, in a policy's own categories: the word nearest to a place, its label, else its heading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from policies.plain_texts import Block, BlockKind, PlainText, Sentence, sentences

# Category → the words for it. Where two overlap, the longer match counts.
_CATEGORIES: Final = {
    "request_log": r"request(?:/|\s+(?:and|or)\s+)response\s+log(?:s|ging)?|(?:request|api|access|server)[\s-]logs?|log\s?files?|\blogs\b|"
    r"Protokolldaten|(?:Server-?)?Logfiles?",
    "billing_log": r"(?:usage\s+logs?|usage\s+data|usage)\s+for\s+billing|billing(?:\s+usage)?\s+logs?",
    "security_log": r"security\s+logs?|audit\s+logs?|Sicherheitsprotokolle?",
    "error_log": r"error\s+(?:logs?|reports?|distributions)|crash\s+(?:reports?|logs?)|performance\s+(?:metrics|logs)",
    "usage": r"usage\s+(?:data|information|statistics|metadata|aggregates|metrics|details)|(?:operational|request)\s+(?:metadata|data)|"
    r"(?:request|api)[\s-](?:timestamps|telemetry|metadata)|aggregated?,?\s+(?:anonymi[sz]ed\s+)?usage\s+data|telemetry|Nutzungsdaten",
    "content": r"(?:request|prompt|response|model)(?:\s+(?:and|or)\s+response)?\s+content|contents?\s+of\s+your\s+(?:\w+\s+)?(?:requests?|prompts?)|prompts?(?:\s+text)?|"
    r"(?:model|ai)\s+(?:outputs?|responses?)|inputs?\s+and\s+outputs?|chat\s+history|conversations?|\binputs?\b|\boutputs?\b|Eingaben|Inhalte?n?",
    "code": r"code\s+snippets?|your\s+code(?:base)?|source\s+code",
    "account": r"account(?:[\s-](?:data|information|records?|details|personal\s+data|settings))?|profile\s+(?:data|information)|"
    r"identity\s+and\s+(?:profile|contact)\s+(?:data|information)|(?:Kunden)?konto(?:daten)?|Benutzerkonto|Kontos",
    "billing": r"(?:aggregate\s+)?billing(?:\s+(?:data|records?|information|details))?|payment\s+(?:data|information|personal\s+data|events|records)|"
    r"invoices?|transaction\s+(?:data|records|metadata)|Rechnung(?:en|sdaten)|Zahlungsdaten|Abrechnungsdaten",
    "card_data": r"(?:full\s+)?(?:payment\s+|credit\s+)?card\s+(?:numbers?|details|data)|Kreditkartendaten",
    "technical": r"technical\s+(?:data|information)|device(?:\s+and\s+\w+)?\s+(?:data|information|personal\s+data)|ip\s+address(?:es)?|"
    r"IP-Adressen?|browser\s+(?:data|information)|Ger[äa]tedaten",
    "location": r"(?:physical\s+|precise\s+)?(?:geo)?location(?:\s+(?:data|personal\s+data))?|Standort(?:daten)?",
    "credentials": r"(?:inactive\s+|authentication\s+)?credentials?|password\s+hashes|passwords?|Passw[öo]rter",
    "api_key": r"api[\s-]keys?|API-Schl[üu]ssel",
    "support": r"support\s+(?:data|communications?|requests?|conversations?|tickets?)|technical\s+support\s+data|communication\s+information|"
    r"Supportanfragen|Anfragen",
    "contact": r"contact\s+(?:data|details|information)|Kontaktdaten",
    "workspace": r"workspace(?:\s+and\s+membership)?(?:\s+(?:configuration|membership))+",
    "analytics": r"page\s+views(?:\s+and\s+(?:user\s+)?interactions)?|(?:product\s+)?analytics\s+data|interactions",
    "backup": r"backups?|Sicherungskopien|Datensicherungen",
    "cookie_data": r"cookies?(?:\s+data)?",
    "feedback": r"feedback",
    "prospect": r"leads(?:\s+identity\s+and\s+contact\s+data)?",
    "contract": r"contracts?,\s+commercial\s+licen[cs]es|contract\s+data|Vertragsdaten",
    "training_data": r"(?:fine-tuning|training)\s+data(?:sets)?",
    "marketing": r"newsletter|marketing\s+(?:data|e-?mails?|communications)",
    "applicant": r"(?:job\s+)?applications?\s+(?:data|documents)|Bewerb\w+",
}  # fmt: skip
_WORDS: Final = tuple(
    (name, re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.I)) for name, words in _CATEGORIES.items()
)
_LABEL: Final = re.compile(r"^(?P<label>[^:.()]{2,90}?(?:\s*\([^)]*\))?)\s*(?::|\.\s(?=[A-Z])|\s[—–]\s)")
_JOINED: Final = re.compile(r"^[\s,/&]*(?:and|or|und|oder|sowie)?\s*(?:aggregate|your|our|the|any|Ihre|die)?\s*$", re.I)
_EMPTY_WORDS: Final = re.compile(
    r"\([^)]*\)|\b(?:your|our|the|all|any|personal|data|information|relating|related|to|used|for|of|we|use|you|both|and|ihre|daten|die|der|von)\b",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A category named in a text, from `start` to `end`."""

    category: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """A sentence with the headings above it (the nearest last) and what led its list in; `introduces`: a list follows."""

    sentence: Sentence
    headings: tuple[str, ...]
    lead: str
    introduces: bool = False

    @property
    def text(self) -> str:
        return self.sentence.text

    @property
    def around(self) -> str:
        """The heading and what led the list in."""
        return f"{self.headings[-1] if self.headings else ''} {self.lead}"


def places(text: PlainText) -> list[Place]:
    """Every sentence of the text that is no heading, with its surroundings."""
    found: list[Place] = []
    headings: list[tuple[int, str]] = []
    lead = ""
    for each in sentences(text):
        block = each.block
        if block.kind is BlockKind.HEADING:
            headings = [one for one in headings if one[0] < block.level] + [(block.level, block.text)]
            lead = ""
            continue
        if block.kind is BlockKind.PARAGRAPH:
            lead = each.text if each.text.endswith(":") else ""
        following = text.blocks[each.number + 1 : each.number + 2]
        introduces = block.kind is BlockKind.PARAGRAPH and any(one.kind is BlockKind.ITEM for one in following)
        titles = tuple(title for _, title in headings)
        found.append(Place(sentence=each, headings=titles, lead=lead, introduces=introduces))
    return found


def mentions(text: str) -> list[Mention]:
    """The categories that a text names, in its order; of those that overlap, the longest."""
    every = [
        Mention(category=name, start=match.start(), end=match.end())
        for name, words in _WORDS
        for match in words.finditer(text)
    ]
    every.sort(key=lambda one: (one.start - one.end, one.start))
    kept: list[Mention] = []
    for one in every:
        if all(one.end <= other.start or one.start >= other.end for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


def label_of(block: Block) -> str:
    """What stands before the colon of an item or a cell: what it is about."""
    if block.kind not in (BlockKind.ITEM, BlockKind.CELL):
        return ""
    found = _LABEL.match(block.text)
    return found["label"].strip() if found else ""


def category_of(label: str) -> str:
    """The category that a label names, else an id made of its words; empty where it has none of its own."""
    named = mentions(label)
    if named:
        return named[0].category
    words = re.findall(r"[a-zäöüß]+", _EMPTY_WORDS.sub(" ", label.lower()))[:4]
    return spell_plainly("_".join(words))[:40].strip("_")


def spell_plainly(words: str) -> str:
    """German letters as those an id may have."""
    return words.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")


def subjects_at(place: Place, at: int, end: int) -> tuple[tuple[str, ...], bool]:
    """What the words from `at` to `end` of the sentence are about, and whether the sentence itself says so."""
    label = label_of(place.sentence.block)
    before = mentions(place.text[:at])
    if label and place.text.startswith(label) and (named := category_of(label)) and (mentions(label) or not before):
        return (named,), True
    if before:
        return _joined(place.text, before), True
    if after := mentions(place.text[end:]):
        return (after[0].category,), True
    if label and (named := category_of(label)):
        return (named,), False
    above = mentions(place.lead) or (mentions(place.headings[-1]) if place.headings else [])
    return ((above[-1].category,), False) if above else ((), False)


def _joined(text: str, before: list[Mention]) -> tuple[str, ...]:
    """The last category before a place, with those it is joined to: account and billing records."""
    found = [before[-1]]
    for later, earlier in pairwise(reversed(before)):
        if not _JOINED.match(text[earlier.end : later.start]):
            break
        found.insert(0, earlier)
    return tuple(dict.fromkeys(one.category for one in found))
