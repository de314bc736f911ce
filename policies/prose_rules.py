"""What a reworded, added or removed sentence says by its words alone; names of the rules under `prose` in materiality.yaml."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from policies.alignment import Piece, align, likeness
from policies.materiality import word_lists
from policies.prose_differences import BREAK, ProseChange
from policies.text_dates import find_dates, hide_dates
from policies.word_differences import sentences_of, words_of

_WORD: Final = re.compile(r"[\w'’]+(?:-[\w'’]+)*")
_NUMBERS: Final = (
    "one|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|fifteen|eighteen|twenty|thirty|forty|forty-five|sixty|ninety|hundred|"
    "ein|eine|einen|einem|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|vierzehn|dreißig|sechzig|neunzig"
)
# A sentence that gives a right, and words in it that take some of it back.
_GRANTS: Final = re.compile(
    r"\b(?:you (?:also )?have|you may have|enjoy) (?:a |the )?right to\b|\bhaben (?:auch )?das recht\b|^the right to\b",
    re.I,
)
_TAKES_BACK: Final = frozenset({"no", "not", "never", "unless", "except", "kein", "nicht", "nie", "außer", "keine"})
_PERIOD: Final = re.compile(
    rf"(?:\d+|\b(?:{_NUMBERS})\b)(?:\s*\(\d+\))?[\s-]+(?:(?:business|calendar|rolling|consecutive|working)\s+)?"
    r"(?:minutes?|hours?|days?|weeks?|months?|years?|minuten?|stunden?|tage?n?|wochen?|monate?n?|jahre?n?)\b",
    re.I,
)
_SHORT_FORMS: Final = (("won't", "will not"), ("can't", "can not"), ("cannot", "can not"), ("n't", " not"))
# Where another part of the text is named by its number, or an entry of a list has one.
_REFERENCE: Final = re.compile(
    r"\b(?:section|sections|article|art|abschnitt|nummer|ziffer)\b\.?\s*\d+(?:\.\d+)*|§+\s*\d+|\(\d{1,2}\)|^\d{1,2}(?:\.\d+)*\.?\s",
    re.I,
)
_ALIKE: Final = 0.4
_SAME_SENSE: Final = 0.5
_LONG: Final = 20
_PASSAGE: Final = 4
_LETTERS_TO_MISSPELL: Final = 5
_ADDED_BINDS: Final = 3
_DATED_LINE: Final = 14
# A sentence about data that gained or lost this many words that say something, and three times as many as the other way, is
# not only worded otherwise.
_EXTENDED: Final = 6
_ONE_SIDED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule that fits a change. `words`: how many words it is about; `fills`: what the rule's sentence names."""

    rule: str
    quote: str = ""
    words: int = 0
    fills: Mapping[str, str] = field(default_factory=dict)


def weigh_wording(change: ProseChange, elsewhere: tuple[str, str], explained: frozenset[str]) -> Iterator[Finding]:
    """What the wording of one paragraph says. `elsewhere`: both whole texts, `flat`; `explained`: the names of the rules by
    which facts were found in it, so that its periods or its new right are not told of twice."""
    found = list(_by_sentence(change, elsewhere, explained))
    if not found and change.reworded and not _FACTS_OF_PERIODS & explained:
        # The same sentences in another order.
        swapped = _number(change.before, change.after, quote_of(change.after))
        found = [swapped or Finding(rule="moved", quote=quote_of(change.after, 8))]
    yield from found


def _by_sentence(change: ProseChange, elsewhere: tuple[str, str], explained: frozenset[str]) -> Iterator[Finding]:
    was, now = flat(change.before), flat(change.after)
    for before, after in _units(change.before, change.after):
        if before == after:
            continue
        if (not after or flat(after) in was) and (not before or flat(before) in now):
            # The same sentence, cut or joined otherwise.
            yield Finding(rule="signs")
        elif before and after:
            yield from _reworded(before, after, change, explained)
        elif after:
            yield _added(after, elsewhere[0], explained)
        else:
            yield _removed(before, elsewhere[1], explained)


def uses_in(words: Iterable[str]) -> set[str]:
    """The entries of the list of uses that stand among these words."""
    return {entry for word in words if (entry := _use_of(word))}


def periods_in(text: str) -> list[str]:
    """The periods a sentence names, as they are written."""
    return [found[0] for found in _PERIOD.finditer(text)]


@cache
def _use_of(word: str) -> str:
    stems = [
        entry
        for entry in word_lists()["uses"]
        if (word.startswith(entry[:-1]) if entry.endswith("*") else word == entry)
    ]
    return max(stems, key=len, default="")


def _units(before: str, after: str) -> Iterator[tuple[str, str]]:
    olds, news = _sentences(before), _sentences(after)
    if len(olds) == len(news) == 1:
        yield olds[0], news[0]
        return
    alignment = align(_pieces(olds), _pieces(news), least=_ALIKE)
    pairs = [*alignment.kept, *alignment.moved]
    gone, come = {one for one, _ in pairs}, {other for _, other in pairs}
    yield from ((olds[one], news[other]) for one, other in pairs)
    yield from ((one, "") for number, one in enumerate(olds) if number not in gone)
    yield from (("", other) for number, other in enumerate(news) if number not in come)


def _sentences(text: str) -> list[str]:
    found = (one.strip("| \n") for one in sentences_of(text))
    return [one for one in found if one]


def _pieces(sentences: Sequence[str]) -> list[Piece]:
    return [Piece.of(one, words_of(one)) for one in sentences]


def _words(text: str) -> list[str]:
    plain = text.lower().replace("’", "'")
    for short, long in _SHORT_FORMS:
        plain = plain.replace(short, long)
    return _WORD.findall(plain)


def flat(text: str) -> str:
    """The words of a text in a row with nothing between them but a space, to look for others in."""
    return f" {' '.join(_words(text))} "


def _reworded(before: str, after: str, change: ProseChange, explained: frozenset[str]) -> Iterator[Finding]:
    was, now = _words(hide_dates(before)), _words(hide_dates(after))
    quote = quote_of(after)
    if find_dates(before) != find_dates(after) or (was == now and hide_dates(before) != before):
        yield from _dated(before, after, quote)
    if was == now:
        if hide_dates(before) == before:
            yield Finding(rule="signs")
        return
    if not _FACTS_OF_PERIODS & explained and (number := _number(before, after, quote)):
        yield number
    was, now = (_words(_REFERENCE.sub(" ", _PERIOD.sub(" ", hide_dates(one)))) for one in (before, after))
    gone, come = Counter(was) - Counter(now), Counter(now) - Counter(was)
    if not gone and not come:
        if was != now:
            yield Finding(rule="reworded", quote=quote, words=1)
        elif _REFERENCE.findall(before) != _REFERENCE.findall(after):
            yield Finding(rule="small")
        return
    small = word_lists()["small"]
    said = (
        Counter({word: n for word, n in gone.items() if word not in small}),
        Counter({word: n for word, n in come.items() if word not in small}),
    )
    found = list(_sense(gone, come, change, quote)) or list(_extent(*said, was, now, quote))
    yield from found or _wording(gone, come, before, after, quote)


# The rules about facts that tell of a period already, so that a number that changed is not told of twice.
_FACTS_OF_PERIODS: Final = frozenset(
    {"longer", "shorter", "notice_shorter", "notice_longer", "period_untold", "period_dropped", "period_added", "age"}
)


def _dated(before: str, after: str, quote: str) -> Iterator[Finding]:
    was, now = find_dates(before), find_dates(after)
    fills = {"before": ", ".join(one.text for one in was) or "–", "after": ", ".join(one.text for one in now) or "–"}
    if [one.day for one in was] == [one.day for one in now]:
        if fills["before"] != fills["after"]:
            yield Finding(rule="same_date", fills=fills)
        return
    words = _words(after)
    if uses_in(words):
        yield _other_number([one.text for one in was], [one.text for one in now], quote)
        return
    dating = bool(set(words) & set(word_lists()["dating"]))
    yield Finding(rule="date" if dating or len(words) <= _DATED_LINE // 2 else "date_inside", quote=quote, fills=fills)


def _number(before: str, after: str, quote: str) -> Finding | None:
    """A period that changed, or that changed places with another."""
    was, now = [one.lower() for one in periods_in(before)], [one.lower() for one in periods_in(after)]
    if was == now:
        return None
    gone, come = list((Counter(was) - Counter(now)).elements()), list((Counter(now) - Counter(was)).elements())
    return _other_number(gone or was, come or now, quote)


def _other_number(gone: Sequence[str], come: Sequence[str], quote: str) -> Finding:
    return Finding(
        rule="number", quote=quote, fills={"before": ", ".join(gone) or "–", "after": ", ".join(come) or "–"}
    )


def _sense(gone: Counter[str], come: Counter[str], change: ProseChange, quote: str) -> Iterator[Finding]:
    """Words that may change what is promised."""
    turns = set(word_lists()["turns"])
    was, now = Counter(_words(change.before)), Counter(_words(change.after))
    net = (was - now) | (now - was)
    if turned := [word for word in (*gone, *come) if word in turns and word in net]:
        yield Finding(rule="turned", quote=quote, fills={"words": ", ".join(dict.fromkeys(turned))})
    if (gone_numbers := _numbers(gone)) and (new_numbers := _numbers(come)) and uses_in(was):
        yield _other_number(gone_numbers, new_numbers, quote)
    binds = set(word_lists()["binds"])
    bound = [word for word in gone if word in binds], [word for word in come if word in binds]
    few = gone.total() + come.total() <= _ADDED_BINDS
    if all(bound) or (any(bound) and few):
        yield Finding(
            rule="bound", quote=quote, fills={"before": ", ".join(bound[0]) or "–", "after": ", ".join(bound[1]) or "–"}
        )
    new_uses = uses_in(come) - uses_in(_words(change.before))
    if new_uses:
        yield Finding(rule="uses", quote=quote, fills={"words": _listed(come, new_uses)})
    elif old_uses := uses_in(gone) - uses_in(_words(change.after)):
        yield Finding(rule="uses_gone", quote=quote_of(change.before), fills={"words": _listed(gone, old_uses)})


def _numbers(words: Iterable[str]) -> list[str]:
    return [word for word in words if word.isdecimal()]


def _extent(
    gone: Counter[str], come: Counter[str], was: Sequence[str], now: Sequence[str], quote: str
) -> Iterator[Finding]:
    """What a sentence covers: a promise of what is not done that says another thing, a use of data that is said to go further."""
    uses, turns = uses_in(was) & uses_in(now), set(word_lists()["turns"])
    if not uses or (not gone and not come) or _misspelt(sorted(gone.elements()), sorted(come.elements())):
        return
    fills = {"words": _first_of((*gone, *come))}
    if turns.intersection(was) and turns.intersection(now):
        yield Finding(rule="limit_changed", quote=quote, fills=fills)
    elif come.total() >= _EXTENDED and gone.total() * _ONE_SIDED <= come.total():
        yield Finding(rule="said_more", quote=quote, fills=fills)
    elif gone.total() >= _EXTENDED and come.total() * _ONE_SIDED <= gone.total():
        yield Finding(rule="said_less", quote=quote, fills=fills)


def _listed(words: Iterable[str], uses: set[str]) -> str:
    return _first_of([word for word in words if _use_of(word) in uses])


def _first_of(words: Sequence[str], most: int = 8) -> str:
    return ", ".join(words[:most]) + (" …" if len(words) > most else "")


def _wording(gone: Counter[str], come: Counter[str], before: str, after: str, quote: str) -> Iterator[Finding]:
    small = set(word_lists()["small"])
    if small.issuperset((*gone, *come)):
        yield Finding(rule="small")
    elif _misspelt(sorted(gone.elements()), sorted(come.elements())):
        yield Finding(rule="signs")
    else:
        size = max(len(_words(before)), len(_words(after)))
        apart = likeness(*_pieces([before, after])) < _SAME_SENSE and size >= _LONG
        yield Finding(rule="rewritten" if apart else "reworded", quote=quote, words=max(gone.total(), come.total()))


def _misspelt(gone: Sequence[str], come: Sequence[str]) -> bool:
    return len(gone) == len(come) and all(_one_letter_apart(one, other) for one, other in zip(gone, come, strict=True))


def _one_letter_apart(one: str, other: str) -> bool:
    """One letter added, left out or changed in a word of some length; a plural or a number is another word."""
    if min(len(one), len(other)) < _LETTERS_TO_MISSPELL or not (one + other).isalpha():
        return False
    if one + "s" == other or other + "s" == one or abs(len(one) - len(other)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, others = one[start:], other[start:]
    return rest[1:] == others[1:] or rest[1:] == others or rest == others[1:]


def _added(text: str, old_text: str, explained: frozenset[str]) -> Finding:
    words = _words(text)
    if flat(text) in old_text:
        return Finding(rule="repeated", quote=quote_of(text))
    if (
        find_dates(text)
        and len(words) <= _DATED_LINE * 2
        and set(words) & set(word_lists()["dating"])
        and not uses_in(words)
    ):
        return Finding(rule="date", fills={"before": "–", "after": ", ".join(one.text for one in find_dates(text))})
    if _GRANTS.search(text) and not set(words) & _TAKES_BACK:
        return Finding(rule="right_added", quote=quote_of(text))
    if uses_in(words) and len(words) >= _PASSAGE and "right_new" not in explained:
        return Finding(rule="data_added", quote=quote_of(text))
    return Finding(rule="passage_added", quote=quote_of(text), words=len(words))


def _removed(text: str, new_text: str, explained: frozenset[str]) -> Finding:
    words = _words(text)
    if flat(text) in new_text:
        return Finding(rule="repeated", quote=quote_of(text))
    if (
        find_dates(text)
        and len(words) <= _DATED_LINE * 2
        and set(words) & set(word_lists()["dating"])
        and not uses_in(words)
    ):
        return Finding(rule="date", fills={"before": ", ".join(one.text for one in find_dates(text)), "after": "–"})
    if (uses_in(words) or set(words) & set(word_lists()["turns"])) and len(words) >= _PASSAGE:
        return Finding(rule="data_removed", quote=quote_of(text))
    return Finding(rule="passage_removed", quote=quote_of(text), words=len(words))


def quote_of(text: str, most: int = 24) -> str:
    """The beginning of a sentence in quotation marks."""
    words = text.replace(BREAK, " ").split()
    return f"“{' '.join(words[:most])}{'…' if len(words) > most else ''}”"
