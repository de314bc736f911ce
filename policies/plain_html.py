"""HTML as blocks: what a reader sees of a page, its scripts, styles and forms left out."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

from policies.plain_texts import Block, BlockKind, escape_markdown, single_spaced

_DROPPED: Final = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "head",
        "iframe",
        "object",
        "select",
        "textarea",
        "math",
        "canvas",
    }
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_BLOCKS: Final = frozenset(
    ["p", "div", "section", "article", "main", "header", "footer", "nav", "aside", "ul", "ol", "dl", "dt", "dd", "table",
     "thead", "tbody", "tfoot", "caption", "form", "fieldset", "blockquote", "pre", "hr", "figure", "address", "body",
     "html", "details", "summary", "button", "label", "option"]
)  # fmt: skip
_MARKS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*"}
_VOID: Final = frozenset(["br", "hr", "img", "input", "meta", "link", "wbr", "col", "source", "area", "base", "embed"])


def read_html(source: str) -> list[Block]:
    """The blocks of an HTML page or a piece of one."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    reader.end_block()
    return reader.blocks


class _Reader(HTMLParser):
    """Collects words until a block ends. Whatever is not closed is closed by the next block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._dropped: list[str] = []
        self._lists: list[str] = []
        self._row = 0
        self._begin(BlockKind.PARAGRAPH, 0)

    def _begin(self, kind: BlockKind, level: int, marker: str = "-") -> None:
        self._kind, self._level, self._marker = kind, level, marker
        self._words: list[str] = []
        self._markdown: list[str] = []
        self._links: list[str] = []
        self._open_links: list[tuple[str, int]] = []
        self._line = 0

    def end_block(self) -> None:
        """Keep what was collected, if it says anything, and begin anew."""
        text = single_spaced("".join(self._words))
        if text:
            source = "".join(self._markdown)
            balanced = source.count("**") % 2 == 0 and "* *" not in source and "****" not in source
            self.blocks.append(
                Block(
                    kind=self._kind,
                    text=text,
                    line=self._line or 1,
                    level=self._level,
                    markdown=single_spaced(source) if balanced else escape_markdown(text),
                    links=tuple(self._links),
                    marker=self._marker,
                )
            )
        self._begin(BlockKind.PARAGRAPH, 0)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropped or tag in _DROPPED:
            if tag not in _VOID:
                self._dropped.append(tag)
            return
        if tag in _HEADINGS:
            self._fresh(BlockKind.HEADING, _HEADINGS[tag])
        elif tag == "li":
            ordered = bool(self._lists) and self._lists[-1] == "ol"
            self._fresh(BlockKind.ITEM, max(1, len(self._lists)), "1." if ordered else "-")
        elif tag in ("td", "th"):
            self._fresh(BlockKind.CELL, max(1, self._row))
        elif tag == "tr":
            self.end_block()
            self._row += 1
        elif tag in _BLOCKS:
            self._block_opens(tag)
        else:
            self._inline_opens(tag, dict(attrs))

    def _block_opens(self, tag: str) -> None:
        if tag in ("ul", "ol"):
            self.end_block()
            self._lists.append(tag)
        elif tag == "table":
            self.end_block()
            self._row = 0
        elif self._kind is BlockKind.PARAGRAPH or any(self._words):
            # A paragraph inside an item or a cell is still that item: only its first words begin it.
            if self._kind is BlockKind.CELL:
                self._words.append(" ")
                self._markdown.append(" ")
            else:
                self.end_block()

    def _inline_opens(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "br":
            self._words.append(" ")
            self._markdown.append(" ")
        elif tag == "a" and (href := attributes.get("href")):
            self._open_links.append((href, len(self._markdown)))
        elif tag in _MARKS:
            self._markdown.append(_MARKS[tag])

    def _fresh(self, kind: BlockKind, level: int, marker: str = "-") -> None:
        self.end_block()
        self._begin(kind, level, marker)

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag in self._dropped:
                while self._dropped.pop() != tag:
                    pass
            return
        if tag in ("ul", "ol") and self._lists:
            self.end_block()
            self._lists.pop()
        elif tag in _HEADINGS or tag in ("li", "td", "th", "tr", "table"):
            self.end_block()
        elif tag in _BLOCKS and tag not in _VOID:
            if self._kind is not BlockKind.CELL:
                self.end_block()
        elif tag == "a" and self._open_links:
            self._link_closes()
        elif tag in _MARKS:
            self._markdown.append(_MARKS[tag])

    def _link_closes(self) -> None:
        href, start = self._open_links.pop()
        words = single_spaced("".join(self._markdown[start:]))
        if words and href.lower().startswith(("http://", "https://", "mailto:", "/")) and " " not in href:
            self._links.append(href)
            del self._markdown[start:]
            self._markdown.append(f"[{words}]({href})")

    def handle_data(self, data: str) -> None:
        if self._dropped:
            return
        if not self._line and data.strip():
            self._line = self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")
        self._words.append(data)
        self._markdown.append(escape_markdown(data))
