"""Words of strangers made fit to show: what led to a reading is marked, letters that turn or hide text are named, not obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from inbox.letter_values import Segment

# Marks of direction: they would turn what stands around them. Letters without width hide words, or nothing.
_TURNS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN: Final = "\u00ad\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_CONTROLS: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_ODD: Final = re.compile(f"([{_TURNS}{_CONTROLS}]+)")
_LEFT_OUT: Final = re.compile(f"[{_UNSEEN}\r]|(?<=[\u200c\u200d])[\u200c\u200d]+")
_NOT_IN_A_LINE: Final = re.compile(f"[{_TURNS}{_UNSEEN}{_CONTROLS}]")
LONGEST: Final = 20_000
MOST_LINES: Final = 800
LONGEST_LINE: Final = 200


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a line: plain, marked (with the key of its line in the proposal, '' where it has none), or `odd`: the name
    of letters that show nothing."""

    text: str = ""
    is_marked: bool = False
    key: str = ""
    odd: str = ""


Line = tuple[Piece, ...]
Paragraph = tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A text as the page has it. `cut`: how many characters of it are not shown here."""

    paragraphs: tuple[Paragraph, ...]
    cut: int = 0


def show(segments: Iterable[Segment]) -> Shown:
    """Paragraphs of lines of pieces, at most `LONGEST` characters and `MOST_LINES` lines of it."""
    segments = tuple(segments)
    lines: list[Line] = []
    for is_end, pieces in groupby(_pieces(_first(segments, LONGEST)), key=lambda piece: piece is None):
        if is_end:
            lines += [()] * (len(list(pieces)) - 1)
        else:
            lines.append(tuple(piece for piece in pieces if piece is not None))
    cut = max(0, sum(len(one.text) for one in segments) - LONGEST)
    cut += sum(1 + sum(len(piece.text) for piece in line) for line in lines[MOST_LINES:])
    grouped = groupby(lines[:MOST_LINES], key=_is_blank)
    return Shown(paragraphs=tuple(tuple(group) for blank, group in grouped if not blank), cut=cut)


def show_plain(text: str) -> Shown:
    """The same for a text without marks."""
    return show([Segment(text=text)])


def show_in_terminal(text: str) -> str:
    """The same for a terminal: line ends stay, whatever would move its cursor, colour it or turn its text is named."""
    return "\n".join("".join(one.odd or one.text for one in line) for line in _split(show_plain(text)))


def _split(shown: Shown) -> Iterator[Line]:
    for number, paragraph in enumerate(shown.paragraphs):
        if number:
            yield ()
        yield from paragraph


def one_line(text: str, otherwise: str = "") -> str:
    """A subject, a name or an address in one line, without letters that turn or hide; `otherwise` where nothing is left."""
    clean = " ".join(_NOT_IN_A_LINE.sub(" ", text[: 4 * LONGEST_LINE]).split())
    if len(clean) > LONGEST_LINE:
        clean = clean[: LONGEST_LINE - 1] + "…"
    return clean or otherwise


def _first(segments: Iterable[Segment], most: int) -> Iterator[Segment]:
    """The first characters, in their pieces."""
    for one in segments:
        if most <= 0:
            return
        yield one if len(one.text) <= most else Segment(text=one.text[:most], mark=one.mark, key=one.key)
        most -= len(one.text)


def _pieces(segments: Iterable[Segment]) -> Iterator[Piece | None]:
    """The pieces one after the other; None where a line ends."""
    for segment in segments:
        lines = _LEFT_OUT.sub("", segment.text).split("\n")
        for number, line in enumerate(lines):
            if number:
                yield None
            last = number == len(lines) - 1
            for part in _ODD.split(line):
                if not part:
                    continue
                if _ODD.fullmatch(part):
                    yield Piece(odd=_name_odd(part))
                else:
                    yield Piece(text=part, is_marked=bool(segment.mark), key=segment.key if last else "")


def _is_blank(line: Line) -> bool:
    return not any(one.text.strip() or one.odd for one in line)


def _name_odd(part: str) -> str:
    """The names of letters that show nothing, a run of them short."""
    kinds = dict.fromkeys(part)
    if len(kinds) > 1:
        return f"{len(part)} marks without a shape"
    return f"U+{ord(part[0]):04X}" + (f" × {len(part)}" if len(part) > 1 else "")
