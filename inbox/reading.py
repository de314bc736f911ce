"""A text as triage reads it: words without case and accents, with their places, sentences and pauses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# What is longer is read up to here; a message that was cut is never called "not a request".
LONGEST: Final = 50_000
_CJK: Final = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD: Final = re.compile(rf"[{_CJK}]|\d+|[^\W\d_{_CJK}]+(?:[-‐‑][^\W\d_{_CJK}]+)*(?:['’]t(?!\w))?")
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n")
_LIST_LINE: Final = re.compile(r"\n[ \t]*(?:[-*•–]|\(?\d{1,2}[.)])[ \t]")
_QUOTED_LINE: Final = re.compile(r"^[ \t]*>.*$", re.M)
_PAUSES: Final = frozenset(",;:()–—、，；：（）/")
_ENDS: Final = frozenset("!?。！？")
# A full stop after one of these ends no sentence.
_SHORT_WORDS: Final = (
    "art abs nr no n bzw z b e g i lit al alin alinea par para ust odst pkt st ss c r s v mr mrs ms dr prof sr sra sig dott "
    "dhr mw lic inc ltd gmbh co vgl ggf evtl u a ca etc incl inkl cal civ cod sec cf ex p ej num nro arts ods pt zb str tel"
)
_SHORT: Final = frozenset(_SHORT_WORDS.split())
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"}
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The words of one text, folded; `starts` and `ends` are places in the text as given.

    `sentences`: the number of the sentence of each word; `pauses`: words before which a comma or the like stands;
    `gaps`: what stands between a word and the one before it."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    sentences: tuple[int, ...]
    pauses: frozenset[int]
    gaps: tuple[str, ...]
    cut: bool = False

    def bounds(self, index: int) -> tuple[int, int]:
        """The first word of the sentence of a word, and the one after its last."""
        first = last = index
        number = self.sentences[index]
        while first > 0 and self.sentences[first - 1] == number:
            first -= 1
        while last < len(self.words) and self.sentences[last] == number:
            last += 1
        return first, last


def read(text: str, *, quotes: bool = False) -> Reading:
    """The words of a text. Invisible characters are not there, quoted lines neither unless asked for. Linear in the text."""
    plain, places, cut = _clean(text)
    if not quotes:
        plain = _QUOTED_LINE.sub(lambda found: "\n" * len(found[0]), plain)
    words: list[str] = []
    starts, ends, sentences, gaps = [], [], [], []
    pauses: set[int] = set()
    sentence = previous = 0
    for found in _WORD.finditer(plain):
        gap = plain[previous : found.start()]
        if words and (len(gap) > 1 or gap in _ENDS) and _is_end(gap, words[-1], found[0]):
            sentence += 1
        if not _PAUSES.isdisjoint(gap):
            pauses.add(len(words))
        words.append(fold(found[0]))
        starts.append(places[found.start()] if places else found.start())
        ends.append((places[found.end() - 1] if places else found.end() - 1) + 1)
        sentences.append(sentence)
        gaps.append(gap)
        previous = found.end()
    return Reading(
        words=tuple(words), starts=tuple(starts), ends=tuple(ends), sentences=tuple(sentences),
        pauses=frozenset(pauses), gaps=tuple(gaps), cut=cut,
    )  # fmt: skip


@lru_cache(maxsize=60_000)
def fold(word: str) -> str:
    """One word without case, accents, hyphens and apostrophes, in its compatible letters."""
    if word.isascii():
        return re.sub(r"[-']", "", word.lower()) if not word.isalnum() else word.lower()
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).lower())
    kept = "".join(c for c in bare if (not "\u0300" <= c <= "\u036f" and c.isalnum()) or c in "\u3099\u309a\u30fc")
    return unicodedata.normalize("NFKC", kept.translate(_LETTERS))


def _clean(text: str) -> tuple[str, list[int] | None, bool]:
    """The text without invisible characters and composed, and the place that each character had; None: its own."""
    cut = len(text) > LONGEST * 4
    text = text[: LONGEST * 4]
    if (text.isascii() or _is_plain(text)) and "\x00" not in text:
        return text[:LONGEST], None, cut or len(text) > LONGEST
    kept: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if category in ("Cf", "Cc") and character not in "\n\t\r":
            continue
        if category == "Mn" and kept:
            joined = unicodedata.normalize("NFC", kept[-1] + character)
            kept[-1] = joined[0]
            continue
        kept.append(character)
        places.append(place)
    return "".join(kept[:LONGEST]), places[:LONGEST], cut or len(kept) > LONGEST


def _is_plain(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text) and not any(
        unicodedata.category(c) in ("Cf", "Mn") for c in set(text)
    )


def _is_end(gap: str, before: str, after: str) -> bool:
    if not _ENDS.isdisjoint(gap) or "…" in gap:
        return True
    if "\n" in gap and (_BLANK_LINE.search(gap) or _LIST_LINE.search(gap)):
        return True
    return "." in gap and not gap.endswith(".") and not after[0].isdigit() and before not in _SHORT
