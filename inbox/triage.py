"""What the machine makes of a message: kind, rights, law, language, identifiers, and the words that led to each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from inbox.articles import cited_articles, regime_of
from inbox.findings import Flag, Identifier, Kind, Offer, Part, Triage, Why
from inbox.languages import UNKNOWN, languages_kept, languages_known, languages_of, passages_differ
from inbox.lexicons import lexicon
from inbox.message import Message
from inbox.offers import find_deadlines, find_offers
from inbox.reading import Reading, read
from inbox.weighing import COMPLAINT, EARLIER, MAYBE, REMINDER, RIGHTS, THINGS, Weighed, Weighing
from policies.clauses import Right

__all__ = ["Flag", "Identifier", "Kind", "Offer", "Part", "Triage", "Why", "triage"]

# Signs that a message is no request; two of them say so, or one that is marked as enough.
NO_REQUEST: Final = ("sales", "spam", "newsletter", "support", "invoice", "application", "absence", THINGS)
_ENOUGH: Final = 2
_FLAGS: Final = {"agent": Flag.AGENT, "lawyer": Flag.LAWYER, "minor": Flag.MINOR}
_BOUNCE: Final = "bounce"
_ANSWERS_ITSELF: Final = frozenset({"auto-reply", "loop"})
_LIST: Final = "list"
# "Re:", "AW:", "Fwd:": the subject is of another mail.
_REPLIED: Final = re.compile(
    r"\s{0,8}(?:\[[^\]]{0,40}\]\s{0,4})?(?:re|aw|antw|sv|vs|odp|rv|r|rif|tr|wg|fwd?|ref|i|enc|doorst)\s{0,2}:", re.I
)
_MOST_LANGUAGES: Final = 3
_SHORT: Final = 400
# Told by less than this, a language may be another.
_SURE: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """One part of a message with what was found in it."""

    part: Part
    reading: Reading
    weighed: tuple[Weighed, ...]


def triage(message: Message) -> Triage:
    """Propose what a message is. Pure: the same message gives the same proposal; bounded in time by the text's length."""
    own = [Part.TEXT] if _REPLIED.match(message.subject) else [Part.SUBJECT, Part.TEXT]
    texts = {Part.SUBJECT: message.subject, Part.TEXT: message.text}
    readings = {part: read(texts[part]) for part in own}
    words = [word for reading in readings.values() for word in reading.words]
    languages = languages_of(words)
    looked = [_look(part, reading, languages) for part, reading in readings.items()]
    language = languages[0][0] if languages else _language_by_hits(looked)
    rights = _rights(looked)
    kind, kind_why = _kind(message, looked, rights)
    kept = rights if kind is Kind.REQUEST else ()
    flags = _flags(looked, language, kind, kept)
    regime = next((found for one in looked if (found := regime_of(one.reading))), None)
    arrived = message.received_at or message.date
    deadlines = [day for one in looked for day in find_deadlines(one.reading, texts[one.part], arrived)]
    return Triage(
        kind=kind,
        rights=kept,
        regime=regime[1] if regime else None,
        language=language,
        identifiers=tuple(_identifiers(message, readings, texts)),
        deadline=min(deadlines, default=None),
        flags=flags,
        why=(*kind_why, *_whys(looked, texts), *_quoted_whys(message, languages), *_regime_why(looked, texts)),
    )


def _look(part: Part, reading: Reading, languages: list[tuple[str, float]]) -> _Looked:
    """Look through one part with the lexicons of the likely languages; where none is likely, with those of all."""
    likely = [language for language, _ in languages[:_MOST_LANGUAGES]] or [*_any_language(reading)]
    if languages and languages[0][1] < _SURE:
        likely += languages_known()
    hits = [hit for name in dict.fromkeys(likely) for hit in lexicon(name).find(reading)]
    weighed = Weighing(reading, hits, cited_articles(reading)).weigh()
    return _Looked(part=part, reading=reading, weighed=tuple(weighed))


def _any_language(reading: Reading) -> tuple[str, ...]:
    """Every language that has a lexicon; for a long text that no small word tells, those with a full one."""
    return languages_kept() if len(reading.words) <= _SHORT else languages_known()


def _language_by_hits(looked: Iterable[_Looked]) -> str:
    """The language of a text without small words: the one whose lexicon says the most of it, rights before all else."""
    counts: Counter[str] = Counter()
    for one in looked:
        for language in _any_language(one.reading):
            counts[language] += sum(2 if hit.category in RIGHTS else 1 for hit in lexicon(language).find(one.reading))
    best = counts.most_common(1)
    return best[0][0] if best and best[0][1] else UNKNOWN


def _rights(looked: Iterable[_Looked]) -> tuple[Right, ...]:
    """The rights asked for, in the order of the enum."""
    weighed = [one for part in looked for one in part.weighed if not one.against]
    named = {one.speaks_for for one in weighed} & RIGHTS
    return tuple(right for right in Right if right.value in named)


def _kind(message: Message, looked: list[_Looked], rights: tuple[Right, ...]) -> tuple[Kind, list[Why]]:
    """The kind, and what the envelope says of it. `other` is said only where nothing asks and the signs are enough."""
    if message.auto == _BOUNCE:
        return Kind.BOUNCE, [_by_envelope(message, Kind.BOUNCE)]
    weighed = [one for part in looked for one in part.weighed]
    names = {one.speaks_for for one in weighed if not one.against}
    fresh = any(one.fresh and not one.cited for one in weighed if one.speaks_for in RIGHTS and not one.against)
    signs = _signs(weighed) + (message.auto == _LIST)
    safe = not _asks(weighed) and not any(one.reading.cut for one in looked)
    if safe and signs > _ENOUGH:
        return Kind.OTHER, []  # "payment reminder": a word that reminds, among plain signs that nobody asks
    if rights:
        names &= _outweighing(weighed)
    if {COMPLAINT, REMINDER} & names and not fresh:
        return Kind.COMPLAINT if COMPLAINT in names else Kind.REMINDER, []
    if rights or EARLIER in names:
        return Kind.REQUEST if rights else Kind.REMINDER, []
    if safe and (signs >= _ENOUGH or message.auto in _ANSWERS_ITSELF):
        return Kind.OTHER, [_by_envelope(message, Kind.OTHER)] if message.auto else []
    return Kind.REQUEST, []


def _outweighing(weighed: Iterable[Weighed]) -> set[str]:
    """What can make a reminder or a complaint of a message that asks for something: a clear word of it, and for a
    reminder some word of what was asked earlier; "This is the third time. Correct my name" asks anew."""
    clear = {one.speaks_for for one in weighed if not one.weak and not one.against}
    return clear if EARLIER in clear else clear - {REMINDER}


def _asks(weighed: Iterable[Weighed]) -> bool:
    """Whether anything has to do with a request: counted, supposed, or a mere word such as erase or my data."""
    asking = (*RIGHTS, EARLIER, MAYBE)
    return any(
        one.speaks_for in asking
        and (one.against in ("", "supposed") or (one.against == "said of a thing" and one.speaks_for in RIGHTS))
        for one in weighed
    )


def _signs(weighed: Iterable[Weighed]) -> int:
    """How much speaks for no request: each place once."""
    weights: dict[int, int] = {}
    for one in weighed:
        if one.speaks_for in NO_REQUEST:
            weights[one.start] = max(weights.get(one.start, 0), _ENOUGH if one.strong else 1)
    return sum(weights.values())


def _is_mixed(looked: list[_Looked], kind: Kind, rights: tuple[Right, ...]) -> bool:
    names = {one.speaks_for for part in looked for one in part.weighed if not one.against}
    both = kind is Kind.REQUEST and bool(rights) and bool(names & {REMINDER, COMPLAINT})
    return both or any(passages_differ(part.reading) for part in looked)


def _flags(looked: list[_Looked], language: str, kind: Kind, rights: tuple[Right, ...]) -> frozenset[Flag]:
    names = {one.speaks_for for part in looked for one in part.weighed if not one.against}
    flags = {flag for name, flag in _FLAGS.items() if name in names}
    if language not in languages_known() and any(one.reading.words for one in looked):
        flags.add(Flag.FOREIGN_LANGUAGE)
    if _is_mixed(looked, kind, rights):
        flags.add(Flag.MIXED)
    if (kind is Kind.REQUEST and not rights) or any(one.reading.cut for one in looked):
        flags.add(Flag.UNREAD)
    return frozenset(flags)


def _identifiers(message: Message, readings: dict[Part, Reading], texts: dict[Part, str]) -> Iterator[Identifier]:
    """What the message offers, each once; the sender's address first."""
    seen: set[tuple[Offer, str]] = set()
    for found in find_offers(message.sender, message.sender_name, readings, texts):
        key = (found.kind, found.value.reveal().casefold())
        if key not in seen:
            seen.add(key)
            yield found


def _whys(looked: Iterable[_Looked], texts: dict[Part, str]) -> Iterator[Why]:
    """The words of each finding, those that say the same at the same place once."""
    for one in looked:
        seen: set[tuple[str, int]] = set()
        for found in one.weighed:
            if (found.speaks_for, found.start) not in seen:
                seen.add((found.speaks_for, found.start))
                yield _why(one, found, texts[one.part], found.against)


def _quoted_whys(message: Message, languages: list[tuple[str, float]]) -> Iterator[Why]:
    """What was quoted or forwarded asks for nothing by itself; it is shown, so that a person can say that it does."""
    if not message.quoted:
        return
    reading = read(message.quoted, quotes=True)
    looked = _look(Part.QUOTED, reading, languages_of(reading.words) or languages)
    seen: set[str] = set()
    for found in looked.weighed:
        if found.speaks_for in RIGHTS and not found.against and found.speaks_for not in seen:
            seen.add(found.speaks_for)
            yield _why(looked, found, message.quoted, "quoted or forwarded")


def _regime_why(looked: Iterable[_Looked], texts: dict[Part, str]) -> Iterator[Why]:
    for one in looked:
        found = regime_of(one.reading)
        if found:
            named = Weighed(speaks_for=found[1], start=found[0], end=found[0] + 1, sentence=0)
            yield _why(one, named, texts[one.part], "")
            return


def _why(looked: _Looked, found: Weighed, text: str, against: str) -> Why:
    start, end = looked.reading.starts[found.start], looked.reading.ends[found.end - 1]
    return Why(
        words=" ".join(text[start:end].split()), part=looked.part, start=start, end=end,
        speaks_for=found.speaks_for, against=against,
    )  # fmt: skip


def _by_envelope(message: Message, kind: Kind) -> Why:
    return Why(words=message.auto, part=Part.HEADER, start=0, end=0, speaks_for=kind.value)
