"""The language of a text, told by its small words and its script."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from inbox.lexicons import load_data
from inbox.reading import Reading, fold

UNKNOWN: Final = "und"
JAPANESE: Final = "ja"
# A language is told from this much on; a word of one language alone counts one.
_LEAST = 0.9
# Others that come this near to the best are looked through too.
_NEAR = 0.55
# English stands beside other languages in many mails: less of it is enough.
_EVERYWHERE: Final = "en"
_ASIDE = 0.12
_PASSAGE = 12


def languages_known() -> tuple[str, ...]:
    """Those with a full lexicon."""
    return tuple(load_data("languages.yaml")["known"])


def languages_kept() -> tuple[str, ...]:
    """Those with any lexicon, the full ones first."""
    return tuple(dict.fromkeys([*languages_known(), *load_data("languages.yaml")["words"], JAPANESE]))


def languages_of(words: Sequence[str]) -> list[tuple[str, float]]:
    """The languages a text may be in, the likeliest first, each with its weight; empty where nothing tells."""
    weights, scripts = _weights()
    found: defaultdict[str, float] = defaultdict(float)
    for word, times in Counter(words).items():
        for language, weight in weights.get(word, ()):
            found[language] += weight * min(times, 12)
        first = word[0]
        if first >= "\u0370":
            script = JAPANESE if "\u3040" <= first <= "\u30ff" else scripts.get(first)
            if script:
                found[script] += 0.5 * min(times, 12)
    best = sorted(found.items(), key=lambda one: -one[1])
    if not best or best[0][1] < _LEAST:
        return []
    share = {_EVERYWHERE: _ASIDE}
    return [(language, weight) for language, weight in best if weight >= best[0][1] * share.get(language, _NEAR)]


def passages_differ(reading: Reading) -> bool:
    """Whether passages of a text are in languages that differ: two long ones, each clear."""
    told: set[str] = set()
    passage: list[str] = []
    for at, word in enumerate(reading.words):
        passage.append(word)
        ends = at + 1 == len(reading.words) or reading.sentences[at + 1] != reading.sentences[at]
        if ends and len(passage) >= _PASSAGE:
            likely = languages_of(passage)
            if likely and likely[0][1] >= 4 and (len(likely) == 1 or likely[0][1] > 2 * likely[1][1]):
                told.add(likely[0][0])
            passage = []
        elif ends:
            passage = []
    return len(told) > 1


@cache
def _weights() -> tuple[Mapping[str, tuple[tuple[str, float], ...]], Mapping[str, str]]:
    data = load_data("languages.yaml")
    lists = {language: {fold(word) for word in str(words).split()} for language, words in data["words"].items()}
    shared = Counter(word for words in lists.values() for word in words)
    weights: dict[str, tuple[tuple[str, float], ...]] = {}
    for language, words in lists.items():
        for word in words:
            weights[word] = (*weights.get(word, ()), (language, 1 / shared[word]))
    scripts = {fold(letter): language for language, letters in data["scripts"].items() for letter in letters}
    return weights, scripts
