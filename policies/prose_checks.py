"""What prose says on its own account: periods, addresses, recipients and rights that its literal words name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt

from core.errors import BadInput
from policies.clauses import AgeLimitClause, Clause, Right, RightClause
from policies.documents import Document
from policies.periods import Period
from policies.prose import inline_text

_KNOWN: Final = Path(__file__).with_name("known_recipients.txt")
_UNITS: Final = (
    ("minutes", r"minutes?|minuten?"),
    ("hours", r"hours?|hrs?|stunden?"),
    ("days", r"(?:calendar |business |working )?days?|(?:kalender|werk|arbeits)?tage?[ns]?|tägig\w*"),
    ("weeks", r"weeks?|wochen?|wöchig\w*"),
    ("months", r"months?|monate?[ns]?|monatig\w*"),
    ("years", r"years?|yrs?|jahre?[ns]?|jährig\w*"),
)
_NUMBERS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "fourteen": 14, "fifteen": 15, "eighteen": 18, "twenty": 20, "twenty-four": 24,
    "thirty": 30, "thirty-six": 36, "forty": 40, "forty-five": 45, "forty-eight": 48, "sixty": 60, "ninety": 90,
    "hundred": 100, "ein": 1, "eine": 1, "einem": 1, "einen": 1, "einer": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5,
    "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "zwölf": 12, "vierzehn": 14, "fünfzehn": 15,
    "zwanzig": 20, "dreißig": 30, "fünfundvierzig": 45, "sechzig": 60, "neunzig": 90, "hundert": 100,
}  # fmt: skip
# "a month" is a period after a word that leads up to one; "once a month" is not.
_ONE: Final = r"(?<=\bfor )an?|(?<=\bwithin )an?|(?<=\bafter )an?|(?<=\bup to )an?|(?<=\bat least )an?"
_COUNT: Final = (
    rf"(?P<number>\d{{1,5}}(?:[.,]\d+)?|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))}|{_ONE})(?:\s?\(\w+\))?"
)
_PERIOD: Final = re.compile(
    rf"(?<![\w.,]){_COUNT}[\s-]*(?:{'|'.join(f'(?P<{unit}>{words})' for unit, words in _UNITS)})(?!\w)",
    flags=re.IGNORECASE,
)
# Bounded on both sides, so that a megabyte of letters is looked at once.
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# What pages make of an address to hide it from programs: nobody can write there, and no clause can hold it.
_HIDDEN_EMAIL: Final = re.compile(
    r"\[email[\s\xa0]protected\]|(?<![\w.+-])[\w.+-]{1,64}\s?[\[(]\s?(?:at|@)\s?[\])]\s?[\w.-]{1,63}",
    flags=re.IGNORECASE,
)
_PHONE: Final = re.compile(r"(?<![\w.+])\+\d[\d ()/-]{6,18}\d(?!\d)")
_MONTH: Final = r"[A-ZÄÖÜa-zäöü]{3,9}\.?"
_DATED: Final = re.compile(
    r"\b(?:last (?:updated|modified|revised|changed)|updated|effective|in force since|stand|zuletzt (?:aktualisiert|geändert)"
    r"|gültig (?:ab|seit)|in kraft seit)\b\W{0,3}(?:(?:date|as|of|on|from|vom|am)\b\W{0,3}){0,3}"
    rf"(?P<day>\d{{4}}-\d\d-\d\d|\d{{1,2}}\. ?\d{{1,2}}\. ?\d{{4}}|\d{{1,2}}\.? {_MONTH} \d{{4}}|{_MONTH} \d{{1,2}}, ?\d{{4}})",
    flags=re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"(?<=[.!?:;])\s+")
_ABOUT_RIGHTS: Final = re.compile(
    r"\brights?\s+(?:\w+\s+){0,3}?(?:to|of)\b|\brights?\b[^.]{0,300}\b(?:include|are)\b|\bRecht(?:e|es)?\s+(?:auf|zu|der|Ihre)|\b\w{1,40}srecht\b"
)
_RIGHTS_WORD: Final = re.compile(r"\brights?\b|\bRechte?n?\b")
_OFFERED: Final = re.compile(
    r"\byou\s+(?:can|may)\b[^.]{0,300}\b(?:your\s+(?:personal\s+)?(?:data|information|account|consent)|copy|complaint)\b",
    flags=re.IGNORECASE,
)
_RIGHTS: Final = {
    Right.ACCESS: r"\b(?:to|of) access\b|\baccess (?:to )?(?:your|the personal)|\bcopy of\b|\bAuskunft",
    Right.PORTABILITY: r"\bportab|\bport\b|\bübertragbar",
    Right.CORRECTION: r"\bcorrect|\brectif|\bBerichtig",
    Right.DELETION: r"\bdelet|\beras|\bbe forgotten|\bL[öo]sch",
    Right.RESTRICTION: r"\brestrict|\bEinschränkung",
    Right.OBJECTION: r"\bto object\b|\bobjection\b|\bobject to\b|\bWiderspruch",
    Right.OPT_OUT: r"\bopt[ -]?(?:ing )?out\b",
    Right.LIMIT_SENSITIVE: r"\blimit the use\b",
    Right.WITHDRAW_CONSENT: r"\bwithdraw\w* (?:your |their )?consent|\bWiderruf",
    Right.COMPLAINT: r"\bcomplain|\bBeschwerde",
    Right.APPEAL: r"\bto appeal\b|\bappeal (?:our|a) decision",
}


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A block of prose as a reader sees it, expressions left out; `line` is where it begins; `listed`: in a list."""

    line: int
    text: str
    links: tuple[str, ...]
    listed: bool = False

    def line_at(self, offset: int) -> int:
        return self.line + self.text.count("\n", 0, offset)


@dataclass(frozen=True, kw_only=True)
class Said:
    """Something the literal prose names: `what` as it stands there; `held` if a clause holds it too."""

    line: int
    what: str
    held: bool


def passages(document: Document) -> list[Passage]:
    """The literal prose block by block: emphasis, entities and other Markdown do not hide a word from the checks."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    found = []
    line = document.first_body_line
    for token in reader.parse(document.prose.literal):
        if token.map:
            line = document.first_body_line + token.map[0]
        if token.type in ("fence", "code_block"):
            found.append(Passage(line=line, text=token.content, links=()))
        elif token.type == "inline":
            links = tuple(str(child.attrGet("href") or "") for child in token.children or [])
            found.append(
                Passage(line=line, text=inline_text(token), links=tuple(filter(None, links)), listed=token.level > 1)
            )
    return found


def said_periods(document: Document, prose: list[Passage]) -> Iterator[Said]:
    """Numbers with a unit of time. `held` where a clause has that very period, or that age."""
    held = {period for clause in document.clauses for period in _all_of(clause, Period)}
    ages = {Period(years=clause.minimum) for clause in document.of_kind(AgeLimitClause)}
    for passage in prose:
        for match in _PERIOD.finditer(passage.text):
            unit = next(unit for unit, _ in _UNITS if match[unit])
            period = _period(match["number"].lower(), unit)
            what = " ".join(match[0].split())
            yield Said(line=passage.line_at(match.start()), what=what, held=period in held | ages)


def _period(number: str, unit: str) -> Period | None:
    """The period that is named, None for what no clause can hold (half days, none at all, centuries)."""
    count = 1 if number in ("a", "an") else _NUMBERS.get(number) or (int(number) if number.isdecimal() else 0)
    try:
        return Period(**{unit: count})
    except BadInput:
        return None


def said_addresses(document: Document, prose: list[Passage]) -> Iterator[Said]:
    """E-mail addresses and telephone numbers, in the text and in links; an address that a page has hidden is never held."""
    own = [document.controller.email, document.controller.dpo or "", *_texts(document)]
    held = {address.lower() for text in own for address in _EMAIL.findall(text)}
    numbers = {_digits(text) for text in own}
    for passage in prose:
        seen = set()
        for match in _EMAIL.finditer(passage.text):
            seen.add(match[0])
            yield Said(line=passage.line_at(match.start()), what=match[0], held=match[0].lower() in held)
        for address in {found for link in passage.links for found in _EMAIL.findall(link)} - seen:
            yield Said(line=passage.line, what=address, held=address.lower() in held)
        for match in _HIDDEN_EMAIL.finditer(passage.text):
            yield Said(line=passage.line_at(match.start()), what=match[0], held=False)
        for match in _PHONE.finditer(passage.text):
            yield Said(line=passage.line_at(match.start()), what=match[0], held=_digits(match[0]) in numbers)
        for link in passage.links:
            if link.startswith("tel:") and _digits(link) not in numbers:
                yield Said(line=passage.line, what=link, held=False)


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdecimal())


def said_dates(prose: list[Passage]) -> Iterator[Said]:
    """Days that the prose writes out as those of the policy itself: "Last updated: April 30, 2026"."""
    for passage in prose:
        for match in _DATED.finditer(passage.text):
            yield Said(line=passage.line_at(match.start("day")), what=match["day"], held=False)


def said_recipients(document: Document, prose: list[Passage]) -> Iterator[Said]:
    """Names of well-known recipients that stand in the prose."""
    own = "\n".join([*_texts(document), document.controller.name, document.title])
    for name in known_recipients():
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        held = bool(word.search(own))
        for passage in prose:
            for match in word.finditer(passage.text):
                yield Said(line=passage.line_at(match.start()), what=name, held=held)


def said_rights(document: Document, prose: list[Passage]) -> Iterator[Said]:
    """Rights that a sentence about rights names, or that it says a person can use."""
    held = {clause.right for clause in document.of_kind(RightClause)}
    list_of_rights = False
    for passage in prose:
        introduces = passage.text.rstrip().endswith(":")
        if introduces or not passage.listed:
            # "You have the right to:" stands before the list that names them.
            list_of_rights = introduces and bool(_RIGHTS_WORD.search(passage.text))
        offset = 0
        for sentence in _SENTENCE.split(passage.text):
            start = passage.text.index(sentence, offset)
            offset = start + len(sentence)
            if list_of_rights or _ABOUT_RIGHTS.search(sentence) or _OFFERED.search(sentence):
                for right, match in _named_rights(sentence):
                    yield Said(line=passage.line_at(start + match.start()), what=right, held=right in held)


def _named_rights(sentence: str) -> Iterator[tuple[Right, re.Match[str]]]:
    for right, words in _RIGHTS.items():
        if match := re.search(words, sentence, flags=re.IGNORECASE):
            yield right, match


@cache
def known_recipients() -> tuple[str, ...]:
    """The well-known names of the data file, the longest first."""
    lines = _KNOWN.read_text(encoding="utf-8").splitlines()
    return tuple(sorted((line for line in lines if line and not line.startswith("#")), key=len, reverse=True))


def _texts(document: Document) -> list[str]:
    return [text for clause in document.clauses for text in _all_of(clause, str)]


def _all_of(value: Any, kind: type[Any]) -> Iterator[Any]:
    """Every value of a type inside a clause, its exceptions and lists; choices and the id are not its words."""
    if isinstance(value, kind) and not isinstance(value, StrEnum):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _all_of(each, kind)
    elif is_dataclass(value) and not isinstance(value, type):
        skipped = {"id", "promises"} if isinstance(value, Clause) else set()
        for one in fields(value):
            if one.name not in skipped:
                yield from _all_of(getattr(value, one.name), kind)
