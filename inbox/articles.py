"""Articles of laws that a text cites, in the ways each language writes them, and the law that a text goes by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from inbox.lexicons import load_data
from inbox.reading import Reading, fold, read
from inbox.spelling import is_slip
from policies.clauses import Right

_ROMAN: Final = frozenset({"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"})
# A number after "and" is an article of its own from here on; a smaller one goes on counting paragraphs.
_LOWEST_AFTER_AND: Final = 12
_GDPR: Final = "gdpr"
_LONG: Final = 6


@dataclass(frozen=True, kw_only=True)
class Citation:
    """An article cited: words `start` up to, not with, `end`. `law` None: no law is named near it nor in the text."""

    law: str | None
    article: str
    paragraph: str
    start: int
    end: int

    @property
    def rights(self) -> tuple[Right, ...]:
        """The rights it gives; none for what asks for nothing."""
        known = _words().rights.get(self.law or _GDPR, {})
        found = known.get(f"{self.article}({self.paragraph})")
        return known.get(self.article, ()) if found is None else found

    @property
    def is_complaint(self) -> bool:
        """It is the article by which people turn to an authority."""
        return self.article in _words().complaints.get(self.law or _GDPR, ())


@dataclass(frozen=True, kw_only=True)
class _Words:
    before: tuple[frozenset[str], tuple[str, ...]]
    after: tuple[frozenset[str], tuple[str, ...]]
    parts: tuple[frozenset[str], tuple[str, ...]]
    joins: frozenset[str]
    laws: Mapping[str, str]
    law_stems: Mapping[str, str]
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]
    rights: Mapping[str, Mapping[str, tuple[Right, ...]]]
    complaints: Mapping[str, tuple[str, ...]]


def cited_articles(reading: Reading) -> list[Citation]:
    """Every article cited in a text, in order."""
    words = _words()
    laws = named_laws(reading)
    usual = next((law for _, law in laws), None)
    found: list[Citation] = []
    at = 0
    while at < len(reading.words):
        start = _number_at(reading, at, words)
        if start is None:
            at += 1
            continue
        for article, paragraph, first, last in _numbers(reading, start, words):
            law = _law_near(reading, laws, first, last) or usual
            law = "ccpa" if article.startswith("1798.") else law
            found.append(Citation(law=law, article=article, paragraph=paragraph, start=min(at, first), end=last))
            at = max(at, last - 1)
        at = max(at + 1, start + 1)
    return found


def named_laws(reading: Reading) -> list[tuple[int, str]]:
    """The laws that a text names, each with the word where it begins."""
    words = _words()
    found: list[tuple[int, str]] = []
    for at, word in enumerate(reading.words):
        law = _law_called(word)
        for phrase, of in words.phrases.get(word, ()):
            if reading.words[at : at + len(phrase)] == phrase:
                law = of
        if word == "1798":
            law = "ccpa"
        if law:
            found.append((at, law))
    return found


def regime_of(reading: Reading) -> tuple[int, str] | None:
    """The law that a text goes by: the most special one it names."""
    laws = named_laws(reading)
    special = [found for found in laws if found[1] != _GDPR]
    return next(iter(special or laws), None)


def _number_at(reading: Reading, at: int, words: _Words) -> int | None:
    """Where the number of the article cited at a word stands."""
    word, count = reading.words[at], len(reading.words)
    if (
        at + 1 < count
        and _is_article(reading.words[at + 1])
        and (_is_one(word, words.before) or _is_nearly(word, words.before[0]))
    ):
        return at + 1
    if at + 1 < count and word == "1798" and reading.gaps[at + 1] == ".":
        return at
    if _is_article(word) and at + 1 < count and _is_one(reading.words[at + 1], words.after):
        return at
    return None


def _numbers(reading: Reading, at: int, words: _Words) -> Iterator[tuple[str, str, int, int]]:
    """The articles of one citation, each with its paragraph and its words: "15", "15(3)", "15, 16 and 17"."""
    count = len(reading.words)
    while at < count and _is_article(reading.words[at]):
        article, paragraph, after = reading.words[at], "", at + 1
        if article == "1798" and after < count and reading.gaps[after] == ".":
            article, after = f"1798.{reading.words[after]}", after + 1
        elif after < count and _is_one(reading.words[after], words.after):
            after += 1
        paragraph, after = _paragraph(reading, after, words)
        if (
            after < count
            and not paragraph
            and reading.gaps[after].strip() in ("-", "–")
            and reading.words[after].isdigit()
        ):
            return  # "Articles 15-22" is all of them and asks for none
        yield article, paragraph, at, after
        joined = after < count and reading.words[after] in words.joins
        following = after + 1 if joined else after
        if following >= count or not (joined or reading.gaps[following].strip() == ","):
            return
        if not _is_article(reading.words[following]) or int(reading.words[following]) < _LOWEST_AFTER_AND:
            return
        at = following


def _paragraph(reading: Reading, at: int, words: _Words) -> tuple[str, int]:
    """The paragraph that follows an article, and the word after it."""
    count = len(reading.words)
    if (
        at < count
        and (reading.words[at].isdigit() or reading.words[at] in _ROMAN)
        and reading.gaps[at].strip() in ("(", ".", "§")
    ):
        return reading.words[at], at + 1
    is_part = at + 1 < count and (
        _is_one(reading.words[at], words.parts) or _is_nearly(reading.words[at], words.parts[0])
    )
    if is_part and reading.words[at + 1].isdigit():
        return reading.words[at + 1], at + 2
    is_number = at + 1 < count and reading.words[at].isdigit() and len(reading.words[at]) == 1
    if is_number and _is_one(reading.words[at + 1], words.parts):
        return reading.words[at], at + 2
    if at + 1 < count and reading.words[at] in _ROMAN and "," in reading.gaps[at]:
        return reading.words[at], at + 1
    return "", at


def _law_near(reading: Reading, laws: list[tuple[int, str]], first: int, last: int) -> str | None:
    """The law named soonest after a citation in its sentence, else just before it."""
    sentence = reading.sentences[first]
    near = [(at, law) for at, law in laws if reading.sentences[at] == sentence]
    after = [law for at, law in near if last <= at <= last + 14]
    before = [law for at, law in near if first - 4 <= at < first]
    return next(iter(after or before[::-1]), None)


def _is_article(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 4 and word != "0"


def _is_one(word: str, known: tuple[frozenset[str], tuple[str, ...]]) -> bool:
    return word in known[0] or word.startswith(known[1])


@lru_cache(maxsize=20_000)
def _law_called(word: str) -> str | None:
    """The law that one word names."""
    words = _words()
    return words.laws.get(word) or next((law for stem, law in words.law_stems.items() if word.startswith(stem)), None)


def _is_nearly(word: str, known: frozenset[str]) -> bool:
    """A slip of the hand in a long word for article."""
    return len(word) >= _LONG and any(len(one) >= _LONG and is_slip(word, one) for one in known)


@cache
def _words() -> _Words:
    data = load_data("articles.yaml")
    laws: dict[str, str] = {}
    stems: dict[str, str] = {}
    for law, names in data["laws"].items():
        exact, begun = _split(names)
        laws.update(dict.fromkeys(exact, law))
        stems.update(dict.fromkeys(begun, law))
    phrases: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {}
    for law, lines in data["phrases"].items():
        for line in str(lines).splitlines():
            phrase = read(line).words
            phrases[phrase[0]] = (*phrases.get(phrase[0], ()), (phrase, law))
    rights = {
        law: {str(number): tuple(Right(name) for name in names) for number, names in rows.items()}
        for law, rows in data["rights"].items()
    }
    complaints = {law: tuple(str(one) for one in numbers) for law, numbers in data["complaint"].items()}
    for law, other in data["same_as"].items():
        rights[law], complaints[law] = rights[other], complaints[other]
    before, after, parts = (_split(data[name]) for name in ("before", "after", "parts"))
    return _Words(
        before=before, after=after, parts=parts, joins=_split(data["and"])[0], laws=laws, law_stems=stems,
        phrases=phrases, rights=rights, complaints=complaints,
    )  # fmt: skip


def _split(text: Any) -> tuple[frozenset[str], tuple[str, ...]]:
    """Whole words and stems of a list."""
    words = str(text).split()
    return (
        frozenset(fold(word) for word in words if not word.endswith("*")),
        tuple(sorted({fold(word[:-1]) for word in words if word.endswith("*")})),
    )
