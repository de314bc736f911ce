"""HTML of a mail as plain text with its structure: paragraphs, lists, tables, quotes. One pass, however it is nested or broken."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Final

LONGEST: Final = 2_000_000
_OPENING: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]{0,30})((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_TAG: Final = re.compile(r"<(?=/?[a-zA-Z]|[!?])")
_NAMED: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]{0,30})")
# A tag is read with its quotes this far; after some that never close, up to the next `>` whatever stands around it.
_LONGEST_TAG: Final = 20_000
_PATIENCE: Final = 20
_UNSEEN: Final = frozenset(["script", "style", "title", "textarea", "noscript", "template", "svg", "object", "iframe"])
_BREAKS: Final = frozenset(
    ["p", "div", "section", "article", "header", "footer", "ul", "ol", "dl", "table", "form", "pre", "address", "center",
     "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "hr"]
)  # fmt: skip
_PARAGRAPHS: Final = frozenset(["p", "ul", "ol", "dl", "table", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr"])
_LINES: Final = frozenset(["br", "tr", "dt", "dd", "caption", "option"])
_VOID: Final = frozenset(["br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base", "source"])
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9])")
_FLAG: Final = re.compile(r"\shidden(?=[\s=/]|$)")
_NEVER_HIDDEN: Final = frozenset([*_VOID, "html", "body"])
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_SIGNATURE: Final = re.compile(r"gmail_signature|moz-signature|applemailsignature|id=[\"']?signature[\"'\s>]", re.I)
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_DEEPEST_QUOTE: Final = 10


@dataclass(frozen=True, kw_only=True)
class HtmlText:
    """What a reader sees. `hidden`: there was text that is not shown; it was left out."""

    text: str
    hidden: bool = False


def read_html(source: str) -> HtmlText:
    """The text of a page. Hidden text is left out, unless its end is never said: then it is all read."""
    reader = _Reader(source[:LONGEST], shows_hidden=False)
    reader.run()
    if reader.hidden_tag:
        reader = _Reader(source[:LONGEST], shows_hidden=True)
        reader.run()
    return HtmlText(text="\n".join(reader.finish()), hidden=reader.left_out)


class _Reader:
    """Goes from tag to tag. `hidden_tag` set at the end: a hidden element was never closed."""

    def __init__(self, source: str, *, shows_hidden: bool) -> None:
        self._source = source
        self._shows_hidden = shows_hidden
        self.hidden_tag = ""
        self.left_out = False
        self._hidden_depth = 0
        self._patience = _PATIENCE
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = 0
        self._lists: list[str] = []
        self._pre = 0
        self._endless: set[str] = set()
        self._has_words = False

    def run(self) -> None:
        source, at = self._source, 0
        while ">" not in self._endless and (found := _TAG.search(source, at)):
            self._say(source[at : found.start()])
            at = self._tag(found.start())
        self._say(source[at:])

    def finish(self) -> list[str]:
        self._break()
        while self._lines and not self._lines[-1].strip("> "):
            self._lines.pop()
        return self._lines

    def _tag(self, at: int) -> int:
        """Take what begins with `<`; gives where the text goes on."""
        source = self._source
        if source.startswith("<!--", at):
            end = self._past("-->", at + 4)
            self.left_out = self.left_out or "-->" in self._endless
            return end
        if source[at + 1 : at + 2] in ("!", "?"):
            return self._past(">", at + 1)
        named = _NAMED.match(source, at)
        if named is None:
            return self._past(">", at + 1)
        whole = _OPENING.match(source, at, at + _LONGEST_TAG) if self._patience else None
        if whole is None:
            self._patience -= bool(self._patience)
            end = self._past(">", named.end())
            if ">" in self._endless:  # no tag at all: words
                return at
            attributes = source[named.end() : min(end, named.end() + 1_000)]
        else:
            end, attributes = whole.end(), whole[2]
        tag = named[1].lower()
        if source[at + 1] == "/":
            self._close(tag)
            return end
        if tag in _UNSEEN and not attributes.endswith("/"):
            return self._skip(tag, end)
        self._open(tag, attributes.lower())
        return end

    def _past(self, mark: str, at: int) -> int:
        # What is never closed is closed by the end; looked for once, or many such would take for ever.
        if mark in self._endless:
            return len(self._source)
        found = self._source.find(mark, at)
        if found < 0:
            self._endless.add(mark)
            return len(self._source)
        return found + len(mark)

    def _skip(self, tag: str, at: int) -> int:
        found = re.compile(rf"</{tag}\b", re.IGNORECASE).search(self._source, at)
        return self._past(">", found.start()) if found else len(self._source)

    def _open(self, tag: str, attributes: str) -> None:
        if self.hidden_tag:
            self._hidden_depth += tag == self.hidden_tag
            return
        if not self._shows_hidden and tag not in _NEVER_HIDDEN and _hides(attributes):
            self.hidden_tag, self._hidden_depth = tag, 1
            return
        if tag in _BREAKS or tag in _LINES or tag == "li":
            self._break(blank=tag in _PARAGRAPHS, forced=tag == "br")
        if tag == "blockquote":
            self._quotes = min(self._quotes + 1, _DEEPEST_QUOTE)
        elif tag in ("ul", "ol"):
            self._lists.append(tag)
        elif tag == "li":
            self._line.append("- ")
        elif tag in ("td", "th") and self._has_words:
            self._line.append(" | ")
        elif tag == "pre":
            self._pre += 1
        if tag in ("div", "pre", "table", "p") and _SIGNATURE.search(attributes):
            self._break()
            self._line.append("-- ")
            self._break(keep=True)

    def _close(self, tag: str) -> None:
        if self.hidden_tag:
            self._hidden_depth -= tag == self.hidden_tag
            if not self._hidden_depth:
                self.hidden_tag = ""
            return
        if tag in _BREAKS or tag in _LINES or tag == "li":
            self._break(blank=tag in _PARAGRAPHS)
        if tag == "blockquote":
            self._quotes = max(0, self._quotes - 1)
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)

    def _say(self, text: str) -> None:
        if not text:
            return
        words = unescape(text)
        if self.hidden_tag:
            self.left_out = self.left_out or bool(words.strip(" \t\r\n\xa0\u200c\u034f\u2007\xad"))
            return
        if self._pre:
            first, *others = words.replace("\r\n", "\n").split("\n")
            self._line.append(first)
            for other in others:
                self._break(forced=True, keep=True)
                self._line.append(other)
            return
        self._has_words = self._has_words or not words.isspace()
        self._line.append(_SPACES.sub(" ", words))

    def _break(self, *, blank: bool = False, forced: bool = False, keep: bool = False) -> None:
        """End a line. `blank`: a paragraph; `forced`: an empty one counts; `keep`: its spaces at the end stay."""
        text = "".join(self._line)
        text = text if keep else _SPACES.sub(" ", text).strip()
        self._line, self._has_words = [], False
        mark = "> " * self._quotes
        if text.strip() or forced:
            self._lines.append(mark + text)
        if blank and self._lines and self._lines[-1].strip("> "):
            self._lines.append(mark.rstrip())


def _hides(attributes: str) -> bool:
    return _HIDDEN.search(attributes) is not None or _FLAG.search(" " + _QUOTED.sub("", attributes)) is not None
