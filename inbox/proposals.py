"""A proposal as it is kept with its letter, and the pieces of text that its words stand in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from babel import Locale, UnknownLocaleError

from core.personal import Personal
from inbox.findings import Flag, Identifier, Kind, Offer, Part, Triage, Why
from inbox.letter_tables import LetterRow
from inbox.letter_values import Offered, SeenWords, Segment
from inbox.weighing import MAYBE
from policies.clauses import Right

MOST_WORDS: Final = 200
MOST_IDENTIFIERS: Final = 50
LONGEST_WORDS: Final = 300
_RIGHTS: Final = frozenset(one.value for one in Right)
# The keys of what is no right, as the page names them.
REGIME_KEY, DEADLINE_KEY, IDENTIFIER_KEY = "R", "D", "I"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found in a letter, as it is kept: values only, and nothing that a text cannot hold in a database."""

    why: tuple[Why, ...]
    identifiers: tuple[Identifier, ...]
    deadline: date | None

    def words_for(self, name: str) -> tuple[str, ...]:
        """The words that speak for something and count, each once."""
        return tuple(dict.fromkeys(one.words for one in self.why if one.speaks_for == name and not one.against))


def write_found(triage: Triage) -> dict[str, Any]:
    """What is kept of a proposal beside its columns."""
    return {
        "why": [
            [_clean(one.words)[:LONGEST_WORDS], one.part.value, one.start, one.end, one.speaks_for, one.against]
            for one in triage.why[:MOST_WORDS]
        ],
        "identifiers": [
            [one.kind.value, _clean(one.value.reveal())[:LONGEST_WORDS], one.part.value]
            for one in triage.identifiers[:MOST_IDENTIFIERS]
        ],
        "deadline": triage.deadline.isoformat() if triage.deadline else None,
    }


def read_found(kept: Mapping[str, Any]) -> Found:
    """The same, read again."""
    said = kept.get("deadline")
    return Found(
        why=tuple(
            Why(words=words, part=Part(part), start=start, end=end, speaks_for=name, against=against)
            for words, part, start, end, name, against in kept.get("why", ())
        ),
        identifiers=tuple(
            Identifier(kind=Offer(kind), value=Personal(value), part=Part(part))
            for kind, value, part in kept.get("identifiers", ())
        ),
        deadline=date.fromisoformat(said) if said else None,
    )


def read_flags(row: LetterRow) -> frozenset[Flag]:
    return frozenset(Flag(one) for one in row.flags)


def read_rights(row: LetterRow) -> tuple[Right, ...]:
    return tuple(Right(one) for one in row.rights)


def read_kind(row: LetterRow) -> Kind:
    return Kind(row.kind)


def offered(found: Found) -> tuple[Offered, ...]:
    return tuple(Offered(kind=one.kind, value=one.value) for one in found.identifiers)


def seen_words(found: Found, regime: str | None) -> tuple[SeenWords, ...]:
    """All words but those that stand at their right or law already."""
    return tuple(
        SeenWords(words=one.words, part=one.part, speaks_for=one.speaks_for, against=one.against)
        for one in found.why
        if one.against or (one.speaks_for not in _RIGHTS and one.speaks_for != regime and one.part is not Part.HEADER)
    )


def cut_segments(text: str, found: Found, *, regime: str | None, keys: Mapping[str, str]) -> tuple[Segment, ...]:
    """The text in pieces, those that led to something with its name and key. `keys`: by right. Where marks overlap, the first and
    then the longer one stands."""
    marks = sorted(_marks(text, found, regime, keys), key=lambda one: (one[0], -one[1]))
    pieces, at = list[Segment](), 0
    for start, end, name, key in marks:
        if start < at:
            continue
        if start > at:
            pieces.append(Segment(text=text[at:start]))
        pieces.append(Segment(text=text[start:end], mark=name, key=key))
        at = end
    if at < len(text):
        pieces.append(Segment(text=text[at:]))
    return tuple(pieces)


def _marks(text: str, found: Found, regime: str | None, keys: Mapping[str, str]) -> Iterator[tuple[int, int, str, str]]:
    for one in found.why:
        # A mail that was read by an earlier release may be cut otherwise now: what does not stand there is not marked.
        if one.part is not Part.TEXT or one.against or one.speaks_for == MAYBE or not _stands(text, one):
            continue
        is_law = one.speaks_for == regime
        yield (
            one.start,
            one.end,
            "regime" if is_law else one.speaks_for,
            (REGIME_KEY if is_law else keys.get(one.speaks_for, "")),
        )
    for given in found.identifiers:
        value = given.value.reveal()
        start = text.find(value) if given.part is Part.TEXT and value else -1
        if start >= 0:
            yield start, start + len(value), "identifier", IDENTIFIER_KEY


def _stands(text: str, one: Why) -> bool:
    return 0 <= one.start < one.end <= len(text) and " ".join(text[one.start : one.end].split()).startswith(
        one.words[: LONGEST_WORDS // 2]
    )


def language_name(code: str) -> str:
    """What a language is called in English; '' for one that is not known."""
    try:
        return str(Locale.parse(code).get_language_name("en") or "")
    except (UnknownLocaleError, ValueError):
        return ""


def join_rights(rights: Sequence[Right], names: Mapping[Right, str]) -> str:
    """`Access, deletion`."""
    said = ", ".join(names[one].lower() for one in rights)
    return said[:1].upper() + said[1:]


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
