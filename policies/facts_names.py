"""Where people can write, and who gets their data, as a policy text names them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from policies.facts_subjects import Place
from policies.facts_types import CERTAIN, CLEAR, GUESS, LIKELY, Fact, FactKind
from policies.plain_texts import BlockKind, PlainText
from policies.prose_checks import known_recipients

UNREADABLE: Final = "unreadable"
UNNAMED: Final = "unnamed"
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_HIDDEN: Final = re.compile(r"\[\s*e-?mail\s*(?:protected|geschützt|hidden)\s*\]|\(\s*e-?mail\s+hidden\s*\)", re.I)
_SPELLED: Final = re.compile(
    r"\b(?P<who>[\w.+-]+)\s*(?:\(at\)|\[at\]|\{at\}|\s+at\s+(?=[\w-]+\s+dot\s))\s*"
    r"(?P<where>[\w-]+(?:\s*(?:\(dot\)|\[dot\]|\{dot\}|\s+dot\s+|\.)\s*[\w-]+)+)",
    re.I,
)
_DOT: Final = re.compile(r"\s*(?:\(dot\)|\[dot\]|\{dot\}|\s+dot\s+|\.)\s*", re.I)
_POST: Final = re.compile(
    r"(?:\b(?:at|to|offices?|address(?:\s+is)?:?|Anschrift:?|headquartered\s+(?:at|in))|^|[:–—])\s*"
    r"(?P<post>(?:[^.;:()]{0,120}?,\s*)?(?:\d{1,5}[a-z]?,?\s+[A-Za-zÀ-ÿ]+(?:\s+[\w.À-ÿ]+){0,4}|[A-ZÀ-Ÿ][\wÀ-ÿ-]*(?:straße|strasse|str\.|weg|platz|allee|gasse)\s*\d+\w?),"
    r"[^.;:()]{0,60}?\b[A-Z]{0,2}\s?\d{4,6}(?:-\d{4})?\b(?:,?\s*[A-ZÀ-Ÿ][\wÀ-ÿ]+){0,3})"
)
_PATH: Final = re.compile(r"(?<=\s)/[a-z][\w-]*(?:/[\w-]+)*(?![\w/])")
_NO_ADDRESS: Final = re.compile(
    r"\b(?:(?:official|our)\s+)?(?:support|contact)(?:\s+and\s+support)?\s+channels?\b", re.I
)
_OFFICER: Final = re.compile(r"data\s+protection\s+officer|\bDPO\b|Datenschutzbeauftragt", re.I)
_WEB_FOR: Final = {
    "recipients": r"sub-?processor|recipients|trust\b.*\b(?:providers|subprocessors)|Unterauftragsverarbeiter",
    "security": r"\bsecurity\b",
    "contact": r"\b(?:contact|request)s?\s+form|privacy\s+requests|Kontaktformular",
    "cookies": r"cookie",
}
_SHARING: Final = re.compile(
    r"\b(?:shar(?:e|ed|ing)|disclos\w+|providers?|third[\s-]part(?:y|ies)|(?:sub-?)?processors?|recipients?|partners?|vendors?|subcontractors?|"
    r"service\s+providers?|merchant\s+of\s+record|work\s+with|rely\s+on|hosted\s+(?:by|on|with)|sent\s+to|transmit\w*|through|proxied\s+to|powered\s+by|weiterge\w+|Weitergabe|Dienstleister\w*|Empfänger\w*|"
    r"Auftragsverarbeiter\w*|Anbieter\w*|übermittel\w+)\b",
    re.I,
)
_SIGN_IN: Final = re.compile(
    r"\b(?:oauth|sign[\s-]?(?:in|up)|log[\s-]?in|provided\s+(?:via|by)|social\s+(?:media|network)|(?:app|play|web)\s+store|linked\s+services?)",
    re.I,
)
_ONLY_WHEN: Final = re.compile(
    r"\b(?:share|disclose|weitergeben|weitergegeben)\b[^.;]*?\b(?P<when>(?:only|nur)\s+(?:when|where|if|as|to\s+the\s+extent|wenn|soweit)\s+[^.;:]{4,120})",
    re.I,
)
# Under such a heading a company is where data come from, not where they go.
_SOURCES: Final = re.compile(
    r"\bprovided\s+(?:to\s+us|by)\b|\b(?:other|third[\s-]party)\s+sources\b|\bwe\s+receive\b|\bindirectly\b", re.I
)
_DENIED: Final = re.compile(r"\b(?:do(?:es)?\s+not|don't|never|not\s+via|nicht|kein\w*)\b", re.I)
_NAME: Final = r"(?:[A-Z][\w&'’+-]*(?:\.(?:ai|io|com|js|co))?(?:\s+(?:[A-Z][\w&'’+-]*|AI|Inc\.?|Ltd\.?|LLC|GmbH|AG|SE|B\.V\.|SAS)(?:\.(?:ai|io|com))?){0,4})"
_ONE: Final = rf"{_NAME}(?:\s*\([^)]*\))?"
_LIST: Final = rf"(?P<names>{_ONE}(?:\s*,\s*(?:and\s+|or\s+|und\s+)?{_ONE}|\s+(?:and|or|und|oder|&)\s+{_ONE})*)"
_WHO: Final = r"(?:providers?|processors?|partners?|vendors?|services?|platforms?|subcontractors?|compan(?:y|ies)|Dienstleister\w*|Anbieter\w*|Empfänger\w*|Auftragsverarbeiter\w*|Unternehmen)"
_IN_BRACKETS: Final = re.compile(
    rf"\b{_WHO}\s*\((?:(?:such\s+as|e\.g\.,?|including|like|z\.\s?B\.|wie)\s+)?{_LIST}\s*\)"
)
_SUCH_AS: Final = re.compile(
    rf"\b{_WHO}[^.;:]{{0,60}}?,?\s+(?:such\s+as|including|like|namely|e\.g\.,?|wie(?:\s+z\.\s?B\.)?|z\.\s?B\.)\s+(?:the\s+|our\s+)?{_LIST}"
)
_APPOSED: Final = re.compile(rf"\b(?:{_WHO}|[Mm]erchant\s+of\s+[Rr]ecord),\s+(?P<names>{_NAME})(?=\s*[—–,;.-])")
_THROUGH: Final = re.compile(
    rf"\b(?:payments?\s+(?:through|via|with)|hosted\s+(?:by|on|with)|proxied\s+to|powered\s+by|(?:sent|transmitted|transferred)\s+to|über)\s+(?P<names>{_NAME})"
)
_WITH: Final = re.compile(
    rf"\b(?:work\s+with|rely\s+on|partner\s+with|[Ww]e\s+use|[Ww]ir\s+(?:nutzen|verwenden)|als\s+Auftragsverarbeiter|[Ss]ub-?processors:)\s+(?:the\s+|die\s+|den\s+|das\s+)?{_LIST}"
)
_FOR_A_PURPOSE: Final = re.compile(
    rf"(?P<names>{_NAME})\s*\((?P<why>(?!your\b|the\b|such\b|e\.g|i\.e|including\b|as\b|where\b|if\b|for\s+example)[a-z][^();:]{{2,50}})\)"
)
_COMPANY: Final = re.compile(rf"(?P<names>{_NAME}(?<=[\s](?:Inc|LLC|Ltd))\.?|{_NAME}(?<=\sGmbH))")
_DASHED: Final = re.compile(rf"^(?P<names>{_NAME})\s*(?:[—–]|:|\s-\s|\()\s*(?P<why>[^.;()]{{3,80}})")
_CLASSES: Final = re.compile(
    r"\b(?:(?:(?:ai|llm|model|ai\s+model|payment|infrastructure|hosting|analytics|cloud|communication|security|email|storage)(?:,\s+(?:and\s+)?|\s+and\s+|\s+or\s+|\s+))+"
    r"(?:service\s+)?(?:providers|processors|partners)|service\s+providers|affiliates|corporate\s+group|business\s+partners|(?:regulatory\s+|public\s+|government\w*\s+)?authorities|"
    r"law\s+enforcement(?:\s+agencies)?|professional\s+advis[eo]rs|financial\s+institutions|Dienstleister\w*|Auftragsverarbeiter\w*|Behörden)\b",
    re.I,
)
# Capitalised words that are no company: the vocabulary of policies, laws, authorities, places and months.
_NOT_NAMES_TEXT: Final = """
    we our you your the this these if it to for in on when where as at by no not all any each such other services
    service privacy policy terms gdpr ccpa cpra dpa eu eea uk us usa u.s california europe european union
    switzerland standard contractual clauses data personal information merchant record account ip address ids id api
    apis url urls tls https http cookies cookie third party parties article art section users user customer
    customers legal security affiliates authorities cnil ico dpc ftc anpd isp llm ai internet web content inputs
    outputs input output prompts prompt settings products product platform website sites site app apps console
    dashboard support contact consent january february march april may june july august september october november
    december china france germany ireland korea japan canada brazil members team law wir sie die der das und für
    ihre unsere
"""
_NOT_NAMES: Final = frozenset(_NOT_NAMES_TEXT.split())


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the whole text tells about names: whose policy it is, and which capitalised words are common ones in it."""

    own: frozenset[str]
    common: frozenset[str]


def know(text: PlainText) -> Known:
    """Names of the controller itself, by its addresses and most linked site; words that stand in lower case too."""
    hosts = Counter(_second_level(urlsplit(link).hostname or "") for block in text.blocks for link in block.links)
    mails = {_second_level(mail.rsplit("@", 1)[1]) for block in text.blocks for mail in _EMAIL.findall(block.text)}
    linked = {name for name, count in hosts.most_common(1) if count >= 3}
    words = Counter(word for block in text.blocks for word in re.findall(r"(?<![\w@.])[a-zäöü][\w'-]+", block.text))
    return Known(own=frozenset((mails | linked) - {""}), common=frozenset(words))


def find_addresses(place: Place) -> Iterator[Fact]:
    """E-mail addresses, those hidden from readers, postal addresses, pages, and channels without an address."""
    text = place.text
    seen = set()
    subject = "dpo" if _OFFICER.search(text) else "contact"
    for match in _EMAIL.finditer(text):
        seen.add(match[0].lower())
        yield _fact(place, FactKind.ADDRESS, match[0], subject, CERTAIN, match[0])
    for match in _HIDDEN.finditer(text):
        yield _fact(place, FactKind.ADDRESS, UNREADABLE, subject, CERTAIN, match[0])
    for match in _SPELLED.finditer(text):
        address = f"{match['who']}@{_DOT.sub('.', match['where'])}"
        yield _fact(place, FactKind.ADDRESS, address, subject, LIKELY, match[0])
    for link in place.sentence.block.links:
        address = link.removeprefix("mailto:").split("?")[0]
        first = place.text == place.sentence.block.text or place.sentence.block.text.startswith(place.text)
        if link.startswith("mailto:") and first and address.lower() not in place.sentence.block.text.lower():
            yield _fact(place, FactKind.ADDRESS, address, subject, CLEAR, "")
    for match in _POST.finditer(text):
        yield _fact(place, FactKind.POST, " ".join(match["post"].split()), subject, CLEAR, match["post"])
    if (no_address := _NO_ADDRESS.search(text)) and not seen:
        yield _fact(place, FactKind.ADDRESS, UNNAMED, "contact", CLEAR, no_address[0])
    yield from _find_pages(place)


def _find_pages(place: Place) -> Iterator[Fact]:
    for match in _PATH.finditer(place.text):
        for subject, words in _WEB_FOR.items():
            if re.search(words, f"{place.text[max(0, match.start() - 60) : match.end()]}", re.I):
                yield _fact(place, FactKind.WEB, match[0], subject, CERTAIN, match[0])
                break
    for link in place.sentence.block.links:
        if link.startswith("https://") and place.sentence.block.text.startswith(place.text):
            for subject in ("recipients", "contact"):
                if re.search(_WEB_FOR[subject], link if subject == "recipients" else f"{link} {place.text}", re.I):
                    yield _fact(place, FactKind.WEB, link, subject, LIKELY, "")


def find_recipients(place: Place, known: Known) -> Iterator[Fact]:
    """Companies named as getting data: well-known ones, and those that the text itself introduces; then classes of them."""
    text = place.text
    named: dict[str, tuple[float, str]] = {}
    sharing_here = bool(_SHARING.search(text))
    sharing = sharing_here or bool(_SHARING.search(" ".join((*place.headings, place.lead))))
    for match in _FOR_A_PURPOSE.finditer(text) if sharing_here else ():
        for name in _split_names(match["names"], known):
            named[name] = (CERTAIN if _is_known(name) else CLEAR, _purpose(match["why"]))
    for pattern in (_IN_BRACKETS, _SUCH_AS, _APPOSED, _THROUGH, _WITH, _COMPANY):
        for match in pattern.finditer(text) if sharing_here or (sharing and pattern is not _COMPANY) else ():
            for name in _split_names(match["names"], known):
                unsure = LIKELY if pattern is _WITH and not sharing_here else CLEAR
                named.setdefault(name, (CERTAIN if _is_known(name) else unsure, ""))
    if (
        sharing
        and place.sentence.block.kind in (BlockKind.ITEM, BlockKind.CELL)
        and (match_item := _DASHED.match(text))
    ):
        for name in _split_names(match_item["names"], known):
            named[name] = (CERTAIN if _is_known(name) else LIKELY, _purpose(match_item["why"]))
    for name in dict.fromkeys(match[0] for match in _well_known().finditer(text)):
        if not _is_own(name, known) and not any(name in other for other in named):
            named[name] = (CERTAIN if sharing_here else CLEAR if sharing else LIKELY, "")
    from_them = _SOURCES.search(" ".join((*place.headings[-1:], place.lead)))
    for name, (sure, why) in named.items():
        doubtful = _SIGN_IN.search(_near(text, name)) or _denied(text, name) or (from_them and not sharing_here)
        certainty = GUESS if doubtful else sure
        yield _fact(place, FactKind.RECIPIENT, name, why, certainty, name)
    yield from _find_classes(place, sharing=sharing)


def _find_classes(place: Place, *, sharing: bool) -> Iterator[Fact]:
    """Recipients without names, and the words under which data are passed on at all."""
    text = place.text
    if only := _ONLY_WHEN.search(text):
        yield _fact(place, FactKind.DISCLOSURE, " ".join(only["when"].split()), "", CLEAR, only["when"].strip())
    if sharing and not _DENIED.search(text):
        for match in _CLASSES.finditer(text):
            if not re.search(r"\bour\s+payment\s+processor", match[0], re.I):
                yield _fact(
                    place, FactKind.RECIPIENTS, match[0].lower().removesuffix(" agencies"), "", LIKELY, match[0]
                )


@cache
def _well_known() -> re.Pattern[str]:
    """The names of the data file in one expression, the longest first."""
    return re.compile(rf"(?<![\w@./-])(?:{'|'.join(map(re.escape, known_recipients()))})(?![\w-]|\.\w)")


def _split_names(names: str, known: Known) -> Iterator[str]:
    for part in re.split(
        r"\s*,\s*(?:and\s+|or\s+|und\s+)?|\s+(?:and|or|und|oder|&)\s+", re.sub(r"\([^)]*\)", "", names)
    ):
        name = part.strip(" .,;’'").removesuffix("’s").removesuffix("'s")
        words = name.split()
        if not words or _is_own(name, known) or name.isdigit() or len(name) < 2:
            continue
        plain = all(word.lower().strip(".") in _NOT_NAMES or word.lower() in known.common for word in words)
        if not plain or _is_known(name):
            yield name


def _is_known(name: str) -> bool:
    return any(name == one or name.startswith(f"{one} ") for one in known_recipients())


def _is_own(name: str, known: Known) -> bool:
    joined = re.sub(r"[^a-z0-9]", "", name.lower())
    return any(
        joined.startswith(own) or (len(own) > 4 and own in joined) or (own.startswith(joined) and len(joined) > 3)
        for own in known.own
    )


def _near(text: str, name: str) -> str:
    at = text.find(name)
    return text[max(0, at - 110) : at + len(name) + 30]


def _denied(text: str, name: str) -> bool:
    """Whether the words right before or after a name say that it is not through the controller."""
    at = text.find(name)
    return (
        bool(re.search(r"\b(?:directly\s+to|do(?:es)?\s+not\s+(?:share|send)[^.;]{0,60})\s*$", text[:at], re.I))
        or "not via us" in text[at : at + 60]
    )


def _purpose(words: str) -> str:
    return re.sub(r"^(?:for|to|für|zur|zum)\s+", "", words.strip(), flags=re.I)[:80]


def _second_level(host: str) -> str:
    parts = host.lower().removeprefix("www.").split(".")
    return parts[-2] if len(parts) >= 2 else ""


def _fact(place: Place, kind: FactKind, value: str, subject: str, sure: float, found: str) -> Fact:
    return Fact(
        kind=kind, value=value, subject=subject, sentence=place.text, line=place.sentence.line,
        confidence=sure, found=found, block=place.sentence.number,
    )  # fmt: skip
