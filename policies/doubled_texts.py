"""A text that stands twice in its capture, as pages do that draw one policy for wide and one for narrow screens."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from policies.plain_texts import PlainText

# Fewer paragraphs that stand twice in a row are a list that is repeated, and stay.
_LEAST: Final = 20
_TITLES: Final = 6


def read_once(text: PlainText) -> tuple[PlainText, bool]:
    """The text without its second copy, and whether there was one. Only what is word for word the same is left out."""
    lines = [block.text for block in text.blocks]
    for start in range(min(_TITLES, len(lines))):
        for again in range(start + _LEAST, len(lines) - _LEAST + 1):
            if lines[again] != lines[start]:
                continue
            length = _common(lines, start, again)
            if length >= max(_LEAST, (again - start) * 9 // 10):
                blocks = text.blocks[:again] + text.blocks[again + length :]
                return replace(text, blocks=blocks), True
    return text, False


def _common(lines: list[str], start: int, again: int) -> int:
    length = 0
    while again + length < len(lines) and start + length < again and lines[start + length] == lines[again + length]:
        length += 1
    return length
