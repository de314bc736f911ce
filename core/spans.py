"""Where in a text other people's addresses and numbers, or secrets, stand: pure; what is found is told by its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.detectors import passes_luhn


class Sort(StrEnum):
    """What a piece of a text is, by its look."""

    EMAIL = "email"
    PHONE = "phone"
    CARD_NUMBER = "card_number"
    SECRET = "secret"  # noqa: S105 - the name of a sort: a key of a provider, a bearer token, a password in a line


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece of a text, from `start` up to `stop`."""

    sort: Sort
    start: int
    stop: int


_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w@-])")
_PHONE: Final = re.compile(
    r"(?<![\w+./-])(?:(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?\d(?:[ ./-]?\d){5,12}"
    r"|\(0?\d{2,4}\)[ /-]?\d{3,4}[ -]?\d{3,5}|0\d{2,4}[ /-]\d{3,4}[ -]?\d{2,5}|\d{3}[ -]\d{3}[ -]\d{4})(?![\w/-]|\.\d)"
)
_CARD: Final = re.compile(
    r"(?<![\w.\-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w\-]|\.\d)"
)
_CARD_RANGES: Final = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[0-8]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,13}|35\d{14}|6\d{15,18}"
)
_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-(?:ant-|proj-|or-v1-|svcacct-)?[A-Za-z0-9_-]{20,}|(?:gsk|hf|r8|kept|pat)_[A-Za-z0-9_-]{20,}"
    r"|AIza[A-Za-z0-9_-]{35}|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|gh[oprsu]_[A-Za-z0-9]{36}|github_pat_\w{22,}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|[prs]k_(?:live|test)_[A-Za-z0-9]{16,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xai-[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]{0,8000}-----END [A-Z ]*PRIVATE KEY-----)?"
)
_BEARER: Final = re.compile(r"\bbearer\s+([A-Za-z0-9._~+/-]{20,})", re.I)
_PASSWORD: Final = re.compile(
    r"(?:password|passwd|passphrase|passwort|pwd)[\"']?\s*[=:]\s*[\"']?([^\s\"',;&]{3,200})|://[^\s/:@]{1,100}:([^\s/@]{3,200})@",
    re.I,
)
# One of the words stands in every text that holds a secret of the kinds above, and the sign in every such word. A look for
# a sign is quicker than one for a word, and that quicker than a pattern: most columns need no more than the first.
_SECRET_MARKS: Final = (
    ("_", ("gsk_", "hf_", "r8_", "kept_", "pat_", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "k_live_", "k_test_")),
    ("-", ("sk-", "xox", "glpat-", "xai-", "PRIVATE KEY-")),
    ("A", ("AIza", "AKIA", "ASIA")),
    ("J", ("eyJ",)),
    ("r ", ("earer ",)),
    ("R ", ("EARER ",)),
    (":", ("asswor", "passwd", "passphrase", "pwd", "ASSWOR", "PASSWD", "PASSPHRASE", "PWD", "://")),
    ("=", ("asswor", "passwd", "passphrase", "pwd", "ASSWOR", "PASSWD", "PASSPHRASE", "PWD")),
)
_DIGITS: Final = re.compile(r"\d{3}[ ./)-]?\d{3}")
# An instant, a UUID, a digest, a word: what most values of a log are.
_PLAIN: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.]{8,15}(?:Z|[+-]\d\d:?\d\d)?|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[\w.:/-]{1,24}"
).fullmatch


def suspects(values: Collection[str]) -> Collection[str]:
    """Those of many values that could hold something; most columns are done with one look at all of them together."""
    texts = values if isinstance(values, set | frozenset) else set(values)
    signs = _signs_in("\n".join(texts))
    found = {text for text in texts if any(sign in text for sign in signs)} if signs else set()
    sentences = [text for text in texts if " " in text]
    if sentences and _DIGITS.search("\n".join(sentences)):
        found.update(text for text in sentences if _DIGITS.search(text))
    return [text for text in found if not _is_plain(text)]


def _signs_in(text: str) -> list[str]:
    """The words that point to an address or a secret somewhere in a text."""
    words = [word for sign, words in _SECRET_MARKS if sign in text for word in words if word in text]
    return ["@", *words] if "@" in text else words


def find_spans(text: str) -> Iterator[Span]:
    """The pieces of a text, in order; of two that overlap, the one that begins first, then the longer one."""
    found = sorted(_all_spans(text), key=lambda span: (span.start, -span.stop))
    last = 0
    for span in found:
        if span.start >= last:
            last = span.stop
            yield span


def _is_plain(text: str) -> bool:
    return "@" not in text and _PLAIN(text) is not None and not _SECRET.match(text)


def _all_spans(text: str) -> Iterator[Span]:
    if "@" in text:
        yield from (_span(Sort.EMAIL, found) for found in _EMAIL.finditer(text) if not _is_login(text, found))
    if _signs_in(text):
        yield from (_span(Sort.SECRET, found) for found in _SECRET.finditer(text))
        yield from (_span(Sort.SECRET, found, 1) for found in _BEARER.finditer(text))
        yield from (_span(Sort.SECRET, found, found.lastindex or 0) for found in _PASSWORD.finditer(text))
    # Numbers alone are ids more often than not: only a sentence says that one is somebody's.
    if " " in text and _DIGITS.search(text) and any(sign.isalpha() for sign in text):
        yield from (_span(Sort.CARD_NUMBER, found) for found in _CARD.finditer(text) if _is_card(found.group()))
        yield from (_span(Sort.PHONE, found) for found in _PHONE.finditer(text))


def _is_login(text: str, found: re.Match[str]) -> bool:
    """`postgresql://app:secret@db.example`: what stands before a host is no mailbox."""
    return "://" in text[max(0, found.start() - 100) : found.start()].rsplit(" ", 1)[-1]


def _is_card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    return bool(_CARD_RANGES.fullmatch(digits)) and len(set(digits)) > 1 and passes_luhn(digits)


def _span(sort: Sort, found: re.Match[str], group: int = 0) -> Span:
    return Span(sort=sort, start=found.start(group), stop=found.end(group))
