"""Two wordings of one paragraph as runs of words that stayed, went and came, in pieces that a person can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise
from typing import Final

from policies.alignment import Piece, align, likeness

# An address is one word, so is "30-day" and "users'"; any other sign stands alone.
_TOKEN: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://[^\s)\]]+[\w/]|\w+(?:[’'.,\-]\w+)*|\n|[^\w\s]")
_WORD: Final = re.compile(r"\w")
_ENDS: Final = frozenset(".!?\n|")
_CLOSERS: Final = frozenset("\"'”’)]»")
_ALIKE: Final = 0.4
_ISLAND: Final = 4
_CELLS_TO_TRY: Final = 250_000
_A_CHANGE_COSTS: Final = 2
# Beyond this many comparisons two sentences are shown one after the other and not woven into each other.
_MOST_CELLS: Final = 4_000_000


class RunKind(StrEnum):
    """SAME: in both. DEL: only in the old text. INS: only in the new one."""

    SAME = "same"
    DEL = "del"
    INS = "ins"


@dataclass(frozen=True, kw_only=True)
class Run:
    """Some words in a row that had the same fate. The SAME and DEL runs together are the old text, SAME and INS the new."""

    kind: RunKind
    text: str


@dataclass(frozen=True)
class _Token:
    text: str
    start: int  # of the space before it
    at: int
    end: int


@dataclass(frozen=True)
class _Step:
    """Tokens `i1:i2` of the old text became `j1:j2` of the new; `same` where they are equal word for word."""

    same: bool
    i1: int
    i2: int
    j1: int
    j2: int


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared for likeness: lower case, without signs."""
    return re.findall(r"\w+", text.lower())


def sentences_of(text: str) -> list[str]:
    """The sentences of a paragraph as they are paired: cut too often rather than too seldom, and the same way on both sides."""
    tokens = _tokens(text)
    return [text[tokens[start].at : tokens[end - 1].end] for start, end in _sentences(tokens)]


def compare_words(old: str, new: str) -> tuple[Run, ...]:
    """What went and what came between two wordings: sentence by sentence, or straight through where that says it in less."""
    before, after = _tokens(old), _tokens(new)
    ways = [_step_through(before, after)]
    if len(before) * len(after) <= _CELLS_TO_TRY:
        ways.append(_weave(before, after, (0, len(before)), (0, len(after))))
    steps = min((_join_islands(_merge(way), before, after) for way in ways), key=lambda way: _cost(way, before, after))
    return tuple(_gather(_runs(_take_units(steps, before, after), old, new, before, after)))


def _tokens(text: str) -> list[_Token]:
    found, start = [], 0
    for match in _TOKEN.finditer(text):
        found.append(_Token(match[0], start, match.start(), match.end()))
        start = match.end()
    return found


def _sentences(tokens: Sequence[_Token]) -> list[tuple[int, int]]:
    """Ranges of tokens; a sentence ends at a sign of its end before a space and a capital, and at a line's end."""
    cuts, index = [0], 0
    while index < len(tokens):
        if tokens[index].text in _ENDS:
            while index + 1 < len(tokens) and tokens[index + 1].text in _CLOSERS and _touches(tokens[index + 1]):
                index += 1
            if tokens[index].text in "\n|" or (index + 1 < len(tokens) and _begins(tokens[index + 1])):
                cuts.append(index + 1)
        index += 1
    return [(one, other) for one, other in pairwise([*cuts, len(tokens)]) if one < other]


def _touches(token: _Token) -> bool:
    return token.start == token.at


def _begins(token: _Token) -> bool:
    return not _touches(token) and not token.text[:1].islower()


def _step_through(before: Sequence[_Token], after: Sequence[_Token]) -> Iterator[_Step]:
    olds, news = _sentences(before), _sentences(after)
    if len(olds) <= 1 and len(news) <= 1:
        yield from _weave(before, after, (0, len(before)), (0, len(after)))
        return
    kept = align(_pieces(before, olds), _pieces(after, news), least=_ALIKE, moves=False).kept
    i = j = 0
    for one, other in [*kept, (len(olds), len(news))]:
        top, left = (
            olds[one][0] if one < len(olds) else len(before),
            news[other][0] if other < len(news) else len(after),
        )
        yield from _between(before, after, (i, top), (j, left))
        if one < len(olds):
            yield from _weave(before, after, olds[one], news[other])
            i, j = olds[one][1], news[other][1]


def _pieces(tokens: Sequence[_Token], ranges: Sequence[tuple[int, int]]) -> list[Piece]:
    return [_piece(tokens[start:end]) for start, end in ranges]


def _piece(tokens: Sequence[_Token]) -> Piece:
    texts = [token.text for token in tokens]
    return Piece.of(" ".join(texts), (text.lower() for text in texts if _WORD.match(text)))


def _between(
    before: Sequence[_Token], after: Sequence[_Token], old: tuple[int, int], new: tuple[int, int]
) -> Iterator[_Step]:
    """Sentences without a partner: woven if they are alike as a whole (one split into two), else one after the other."""
    if likeness(_piece(before[slice(*old)]), _piece(after[slice(*new)])) >= _ALIKE:
        yield from _weave(before, after, old, new)
    elif old[0] < old[1] or new[0] < new[1]:
        yield _Step(False, *old, *new)


def _weave(
    before: Sequence[_Token], after: Sequence[_Token], old: tuple[int, int], new: tuple[int, int]
) -> Iterator[_Step]:
    i, j = old[0], new[0]
    olds, news = [token.text for token in before[i : old[1]]], [token.text for token in after[j : new[1]]]
    if len(olds) * len(news) > _MOST_CELLS:
        yield _Step(False, *old, *new)
        return
    # autojunk would drop the words that stand often in a long sentence, and with them what holds it together.
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        yield _Step(tag == "equal", i + i1, i + i2, j + j1, j + j2)


def _merge(steps: Iterator[_Step]) -> list[_Step]:
    merged: list[_Step] = []
    for step in steps:
        if merged and merged[-1].same == step.same:
            merged[-1] = _Step(step.same, merged[-1].i1, step.i2, merged[-1].j1, step.j2)
        else:
            merged.append(step)
    return merged


def _join_islands(steps: Sequence[_Step], before: Sequence[_Token], after: Sequence[_Token]) -> list[_Step]:
    """A few words that stayed between two larger changes belong to the change: no confetti."""
    joined: list[_Step] = []
    for number, step in enumerate(steps):
        if not step.same and len(joined) >= 2 and joined[-1].same:
            island, left = joined[-1], joined[-2]
            words = _count(before, island.i1, island.i2)
            least = min(_width(left, before, after), _width(step, before, after))
            if words <= least and words <= _ISLAND and not _has_end(before[island.i1 : island.i2]):
                joined[-2:] = [_Step(False, left.i1, step.i2, left.j1, step.j2)]
                continue
        joined.append(steps[number])
    return joined


def _take_units(steps: Sequence[_Step], before: Sequence[_Token], after: Sequence[_Token]) -> list[_Step]:
    """Where a number became another, the word after it is read with it: 30 days became 90 days."""
    taken = list(steps)
    for number, (step, after_it) in enumerate(pairwise(steps)):
        if step.same or step.i1 == step.i2 or step.j1 == step.j2 or after_it.i1 == after_it.i2:
            continue
        if (
            before[step.i2 - 1].text.isdecimal()
            and after[step.j2 - 1].text.isdecimal()
            and before[step.i2].text.isalpha()
        ):
            taken[number] = _Step(False, step.i1, step.i2 + 1, step.j1, step.j2 + 1)
            taken[number + 1] = _Step(True, after_it.i1 + 1, after_it.i2, after_it.j1 + 1, after_it.j2)
    return taken


def _count(tokens: Sequence[_Token], start: int, end: int) -> int:
    return sum(1 for token in tokens[start:end] if _WORD.match(token.text))


def _width(step: _Step, before: Sequence[_Token], after: Sequence[_Token]) -> int:
    return max(_count(before, step.i1, step.i2), _count(after, step.j1, step.j2))


def _cost(steps: Sequence[_Step], before: Sequence[_Token], after: Sequence[_Token]) -> int:
    """Words to read that changed, and how often the eye has to stop."""
    changed = [step for step in steps if not step.same]
    words = sum(_count(before, step.i1, step.i2) + _count(after, step.j1, step.j2) for step in changed)
    return words + _A_CHANGE_COSTS * len(changed)


def _has_end(tokens: Sequence[_Token]) -> bool:
    return any(token.text in _ENDS for token in tokens)


def _runs(
    steps: Sequence[_Step], old: str, new: str, before: Sequence[_Token], after: Sequence[_Token]
) -> Iterator[tuple[RunKind, str]]:
    for step in steps:
        if not step.same:
            yield RunKind.DEL, _slice(old, before, step.i1, step.i2)
            yield RunKind.INS, _slice(new, after, step.j1, step.j2)
            continue
        for one, other in zip(before[step.i1 : step.i2], after[step.j1 : step.j2], strict=True):
            space, spaced = old[one.start : one.at], new[other.start : other.at]
            if space == spaced:
                yield RunKind.SAME, space + one.text
            else:
                yield RunKind.DEL, space
                yield RunKind.INS, spaced
                yield RunKind.SAME, one.text
    tail, ends = old[before[-1].end if before else 0 :], new[after[-1].end if after else 0 :]
    if tail == ends:
        yield RunKind.SAME, tail
    else:
        yield RunKind.DEL, tail
        yield RunKind.INS, ends


def _slice(text: str, tokens: Sequence[_Token], start: int, end: int) -> str:
    return text[tokens[start].start : tokens[end - 1].end] if start < end else ""


def _gather(runs: Iterator[tuple[RunKind, str]]) -> Iterator[Run]:
    """Runs in a row of one kind become one; within a change what went stands before what came."""
    same, gone, come = "", "", ""
    for kind, text in runs:
        if not text:
            continue
        if kind is RunKind.SAME:
            if gone or come:
                yield from _present(same, gone, come)
                same, gone, come = "", "", ""
            same += text
        elif kind is RunKind.DEL:
            gone += text
        else:
            come += text
    yield from _present(same, gone, come)


def _present(same: str, gone: str, come: str) -> Iterator[Run]:
    """The space before a change that both sides have stays out of it."""
    if gone[:1] == come[:1] == " ":
        same, gone, come = same + " ", gone[1:], come[1:]
    for kind, text in ((RunKind.SAME, same), (RunKind.DEL, gone), (RunKind.INS, come)):
        if text:
            yield Run(kind=kind, text=text)
