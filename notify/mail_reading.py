"""Reads our own HTML mails as a person sees them: the words in order and where the links lead, without head and title."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

# What a list of mails shows before one is opened, the head, and the title, which says again what stands below it.
_UNSEEN: Final = frozenset({"head", "h1"})
_APART: Final = frozenset({"p", "br", "td", "tr", "table", "div", "h2"})
_EMPTY: Final = frozenset({"br", "meta", "img", "hr"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _APART:
            self.words.append(" ")
        if tag in _EMPTY:
            return
        unseen = tag in _UNSEEN or "display:none" in (given.get("style") or "")
        self._open.append((tag, unseen))
        if tag == "a":
            self._href = given.get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag == "a" and self._href.startswith("http") and self._href not in "".join(self.words[-1:]):
            self.words.append(f" {self._href} ")
        if tag in _APART:
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if not any(unseen for _, unseen in self._open):
            self.words.append(data)


def read_words(html: str) -> str:
    """The words of a mail, with the address of each link after the word that leads there."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return " ".join("".join(reader.words).split())
