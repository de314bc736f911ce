"""Two policy texts paragraph by paragraph: what stayed, what was reworded, came, went, and what only moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from policies.alignment import Alignment, Pair, Piece, Words, align
from policies.plain_texts import Block, BlockKind
from policies.word_differences import Run, RunKind, compare_words, words_of

_ALIKE: Final = 0.5
# A paragraph belongs to a neighbour's split or merge when this share of its words is found there.
_COVERED: Final = 0.8
_WORDS_TO_JOIN: Final = 4
BREAK: Final = "\n"
CELL_END: Final = " | "


class ProseHappening(StrEnum):
    """What happened to a paragraph. MOVED: it stands elsewhere now, and may be reworded too (see its runs)."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"


@dataclass(frozen=True, kw_only=True)
class ProseChange:
    """One paragraph, or the row of a table with a bar between its cells, or several paragraphs that were split or merged:
    then a line end in `before` or `after` parts them.

    `section`: the heading it stands under, in the old text for what went. `moved_from`: the heading it stood under.
    `old_at`, `new_at`: indexes of the blocks. The SAME and DEL runs together are `before`, SAME and INS are `after`.
    """

    happened: ProseHappening
    kind: BlockKind
    section: str
    before: str
    after: str
    runs: tuple[Run, ...]
    old_at: tuple[int, ...]
    new_at: tuple[int, ...]
    moved_from: str = ""

    @property
    def reworded(self) -> bool:
        """Whether any word or sign of it differs."""
        return any(run.kind is not RunKind.SAME for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One paragraph of a shortened view; `skipped` unchanged ones were left out before it."""

    change: ProseChange
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class Section:
    """The changes under one heading, with a little of what stayed around them; `skipped` ones were left out at its end."""

    title: str
    parts: tuple[Part, ...]
    skipped: int = 0


@dataclass(frozen=True)
class _Paragraph:
    """A block, or the cells of one row of a table, which are read together; `at`: their indexes."""

    kind: BlockKind
    text: str
    section: str
    at: tuple[int, ...]


@dataclass(frozen=True)
class _Group:
    olds: tuple[int, ...]
    news: tuple[int, ...]
    moved: bool = False


def compare_prose(old: Sequence[Block], new: Sequence[Block]) -> tuple[ProseChange, ...]:
    """Every paragraph of both texts, in the order of the new one; what went stands where it stood."""
    before, after = list(_join_rows(old)), list(_join_rows(new))
    olds, news = [_piece(one) for one in before], [_piece(one) for one in after]
    groups = _join_splits(align(olds, news, least=_ALIKE), olds, news)
    return tuple(_change(group, before, after) for group in _in_reading_order(groups, len(olds), len(news)))


def shorten(changes: Sequence[ProseChange], context: int = 1) -> tuple[Section, ...]:
    """What differs, section by section, with `context` unchanged paragraphs around it; the rest is counted."""
    near = _near_changes(changes, context)
    found = []
    numbered = groupby(enumerate(changes), key=lambda one: one[1].section)
    for title, group in numbered:
        parts, skipped = [], 0
        for index, change in group:
            if index in near:
                parts.append(Part(change=change, skipped=skipped))
                skipped = 0
            else:
                skipped += 1
        # With all of the context asked for, a part without a change is a part of the text too.
        if parts and (context >= len(changes) or any(one.change.happened is not ProseHappening.SAME for one in parts)):
            found.append(Section(title=title, parts=tuple(parts), skipped=skipped))
    return tuple(found)


def _near_changes(changes: Sequence[ProseChange], context: int) -> set[int]:
    near: set[int] = set()
    for index, change in enumerate(changes):
        if change.happened is not ProseHappening.SAME:
            near.update(range(index - context, index + context + 1))
    return {
        index
        for index in near
        if 0 <= index < len(changes)
        and not (changes[index].happened is ProseHappening.SAME and changes[index].kind is BlockKind.HEADING)
    }


def _join_rows(blocks: Sequence[Block]) -> Iterator[_Paragraph]:
    section = ""
    place: dict[int, int] = {}
    for index, block in enumerate(blocks):
        is_cell = block.kind is BlockKind.CELL
        place[index] = place[index - 1] if is_cell and index and _same_row(blocks[index - 1], block) else index
    for _, group in groupby(enumerate(blocks), key=lambda one: place[one[0]]):
        row = list(group)
        kind = row[0][1].kind
        text = CELL_END.join(block.text for _, block in row)
        if kind is BlockKind.HEADING:
            section = text
        yield _Paragraph(kind=kind, text=text, section=section, at=tuple(index for index, _ in row))


def _same_row(before: Block, block: Block) -> bool:
    return before.kind is BlockKind.CELL and before.level == block.level


def _piece(one: _Paragraph) -> Piece:
    return Piece.of(one.text, words_of(one.text), "heading" if one.kind is BlockKind.HEADING else "")


def _join_splits(alignment: Alignment, olds: Sequence[Piece], news: Sequence[Piece]) -> list[_Group]:
    """Pairs as groups; a paragraph left over beside a pair that holds its words is part of a split or a merge."""
    free_old = set(range(len(olds))) - {one for one, _ in (*alignment.kept, *alignment.moved)}
    free_new = set(range(len(news))) - {other for _, other in (*alignment.kept, *alignment.moved)}
    groups = []
    for pair in alignment.kept:
        if olds[pair[0]].text == news[pair[1]].text:
            groups.append(_Group((pair[0],), (pair[1],)))
            continue
        groups.append(_Group(*_grow(pair, olds, news, free_old, free_new)))
    return groups + [_Group((one,), (other,), moved=True) for one, other in alignment.moved]


def _grow(
    pair: Pair, olds: Sequence[Piece], news: Sequence[Piece], free_old: set[int], free_new: set[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    mine = _absorb(pair[0], olds, free_old, _beyond(news[pair[1]].words, olds[pair[0]].words))
    theirs: tuple[int, ...] = (pair[1],)
    if len(mine) == 1:
        theirs = _absorb(pair[1], news, free_new, _beyond(olds[pair[0]].words, news[pair[1]].words))
    return mine, theirs


def _beyond(words: Words, without: Words) -> dict[str, int]:
    return {word: left for word, count in words.items() if (left := count - without.get(word, 0)) > 0}


def _absorb(start: int, pieces: Sequence[Piece], free: set[int], wanted: dict[str, int]) -> tuple[int, ...]:
    taken = [start]
    for step in (1, -1):
        index = start + step
        while index in free and not pieces[index].sort and _is_covered(pieces[index], wanted):
            free.discard(index)
            taken.append(index)
            wanted = _beyond(wanted, pieces[index].words)
            index += step
    return tuple(sorted(taken))


def _is_covered(piece: Piece, wanted: Words) -> bool:
    found = sum(min(count, wanted.get(word, 0)) for word, count in piece.words.items())
    return piece.size >= _WORDS_TO_JOIN and found >= _COVERED * piece.size


def _in_reading_order(groups: Sequence[_Group], old_count: int, new_count: int) -> Iterator[_Group]:
    moved_old = {one for group in groups if group.moved for one in group.olds}
    moved_new = {group.news[0]: group for group in groups if group.moved}
    old, new = 0, 0
    for group in [*sorted((one for one in groups if not one.moved), key=lambda one: one.news), None]:
        top, left = (group.olds[0], group.news[0]) if group else (old_count, new_count)
        yield from (_Group((one,), ()) for one in range(old, top) if one not in moved_old)
        yield from (moved_new.get(other) or _Group((), (other,)) for other in range(new, left))
        if group:
            yield group
            old, new = group.olds[-1] + 1, group.news[-1] + 1


def _change(group: _Group, old: Sequence[_Paragraph], new: Sequence[_Paragraph]) -> ProseChange:
    olds, news = [old[one] for one in group.olds], [new[other] for other in group.news]
    before, after = BREAK.join(one.text for one in olds), BREAK.join(other.text for other in news)
    shown = (news or olds)[0]
    return ProseChange(
        happened=_happening(group, before, after),
        kind=shown.kind,
        section=shown.section,
        before=before,
        after=after,
        runs=_runs(before, after),
        old_at=tuple(index for one in olds for index in one.at),
        new_at=tuple(index for other in news for index in other.at),
        moved_from=olds[0].section if group.moved else "",
    )


def _happening(group: _Group, before: str, after: str) -> ProseHappening:
    if group.moved:
        return ProseHappening.MOVED
    if not group.olds:
        return ProseHappening.ADDED
    if not group.news:
        return ProseHappening.REMOVED
    return ProseHappening.SAME if before == after else ProseHappening.CHANGED


def _runs(before: str, after: str) -> tuple[Run, ...]:
    if before == after:
        return (Run(kind=RunKind.SAME, text=after),)
    if not before or not after:
        return (Run(kind=RunKind.DEL if before else RunKind.INS, text=before or after),)
    return compare_words(before, after)
