"""Any policy text as blocks: plain text, Markdown or HTML, read the same way whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.errors import BadInput

MAX_BYTES: Final = 2_000_000
_LONGEST_TITLE: Final = 80
_LONGEST_SENTENCE: Final = 3000
# A file whose longest line is shorter than this was wrapped by hand: its lines belong together.
_WRAPPED: Final = 110

_LOOKS_HTML: Final = re.compile(r"<!doctype html|<html[\s>]|<body[\s>]|<(?:p|div|h[1-6]|li|table)(?:\s[^>]*)?>", re.I)
_LOOKS_MARKDOWN: Final = re.compile(
    r"^#{1,6} \S|^\S.*\n(?:={3,}|-{3,})\s*$|\]\((?:https?:|mailto:|/)|\*\*\w|^\|.*\|\s*$", re.M
)
_BULLET: Final = re.compile(r"^\s*[•‣◦▪●∙*–-]\s+(?=\S)")
_BARE_NUMBER: Final = re.compile(r"^\s*\d{1,2}(?:\.\d{1,2})*\.?\s*$")
_NUMBERED: Final = re.compile(
    r"^\s*(?P<number>(?:\d{1,2}\.)+(?:\d{1,2})?|\d{1,2}\)|[IVX]{1,5}\.|§\s?\d+)\s+(?P<title>\S.*)$"
)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_BLOCKED: Final = re.compile(
    r"redirecting to|just a moment|enable javascript|access denied|are you a (?:human|robot)|verify you are human|"
    r"(?:page )?not found|forbidden|bad gateway|service unavailable|too many requests",
    re.I,
)
# The first wins a tie.
_SMALL_WORDS: Final = {
    language: re.compile(rf"\b(?:{words})\b", re.I)
    for language, words in {
        "en": "the|and|we|not|your|data|are|is|for|of|to|you|or",
        "de": "der|die|und|wir|nicht|ihre[rnms]?|daten|werden|eine[rnms]?|für|von|zu|sie",
        "fr": "les|nous|vous|vos|et|des|dans|est|sont|pour|avec|données|une|du",
        "es": "los|las|usted|sus|para|por|una|del|con|datos|que|y|el|se",
        "it": "il|di|che|della|dei|sono|per|suoi|con|dati|una|gli|nel|non",
        "nl": "het|een|wij|uw|van|voor|worden|zijn|niet|gegevens|en|met|op|wordt",
    }.items()
}
_BREAK: Final = re.compile(r"<br\s*/?>", re.I)
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|])")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“„‘(\[]*[A-ZÄÖÜ0-9])")
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|incl|approx|no|nos|vs|cf|art|inc|ltd|co|corp|st|mr|mrs|ms|dr|attn|sec|para|"
    r"z\.\s?b|d\.\s?h|u\.\s?a|bzw|ggf|abs|nr|str|[A-Z]|u\.s|u\.k)\.)[\"”’)]*$",
    re.I,
)
_NUMBER_ENDS: Final = re.compile(r"(?<!\w)\d{1,2}\.$")
_AFTER_ORDINAL: Final = re.compile(
    r"Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Lebensjahr|Jahrhundert"
)


class BlockKind(StrEnum):
    """What a block is on its page. A CELL is one of a table."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    CELL = "cell"


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block as a reader sees it. `text`: its words, spaces made single; `line`: where it begins in the file.

    `level`: of a heading 1 to 6, of an item its depth, of a cell its row in the table, from 1. `markdown`: the same with its
    links and emphasis, for a document made of it; `links`: where they lead; `marker`: what stands before an item.
    """

    kind: BlockKind
    text: str
    line: int
    level: int = 0
    markdown: str = ""
    links: tuple[str, ...] = ()
    marker: str = "-"


@dataclass(frozen=True, kw_only=True)
class PlainText:
    """A policy text whoever wrote it. `language` is a guess between those Kept speaks: en or de."""

    name: str
    blocks: tuple[Block, ...]
    language: str


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence of a block, or the whole of a heading. `number` is the block's place in the text, from 0."""

    text: str
    block: Block
    number: int

    @property
    def line(self) -> int:
        return self.block.line


def read_plain(text: str, name: str) -> PlainText:
    """Read a text, Markdown or HTML. Raises BadInput for what is no text, too long, or a broken capture of a page."""
    check_text(text, name)
    source = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ")
    if name.lower().endswith((".html", ".htm")) or _is_html(source):
        from policies.plain_html import read_html

        blocks = read_html(source)
    elif name.lower().endswith((".md", ".markdown")) or _LOOKS_MARKDOWN.search(source):
        blocks = list(_read_markdown(source))
    else:
        blocks = list(_read_lines(source))
    kept = tuple(_with_markdown(block) for block in blocks if block.text)
    _refuse_broken(kept, text, name)
    return PlainText(name=name, blocks=kept, language=guess_language(kept))


def read_markdown(source: str) -> tuple[Block, ...]:
    """The blocks of Markdown that is known to be a policy's prose: nothing is refused, however short."""
    return tuple(_with_markdown(block) for block in _read_markdown(source) if block.text)


def check_text(text: str, name: str) -> None:
    """Refuse what cannot be a policy whatever its form: too large, or not text."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise BadInput(f"{name} is larger than {MAX_BYTES // 1_000_000} MB.", remedy="A policy is a few pages of text.")
    odd = sum(text.count(sign) for sign in ("\x00", "\ufffd", "\x01", "\x02", "\x03"))
    if "\x00" in text or odd > 20 + len(text) // 200:
        raise BadInput(f"{name} is not text.", remedy="Give the policy as text, Markdown or HTML, in UTF-8.")


def sentences(text: PlainText) -> Iterator[Sentence]:
    """Every sentence in order. A block without an end to its sentences is one."""
    for number, block in enumerate(text.blocks):
        parts = [block.text] if block.kind is BlockKind.HEADING else split_sentences(block.text)
        for part in parts:
            yield Sentence(text=part, block=block, number=number)


def split_sentences(text: str) -> list[str]:
    """The sentences of a block's words; 'e.g.', 'Inc.' and '12.' end none."""
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if _ABBREVIATION.search(text[start : end.start()]) or _is_ordinal(text[start : end.start()], text[end.end() :]):
            continue
        found.append(text[start : end.start()].strip() + end[0].strip())
        start = end.end()
    rest = text[start:].strip()
    return [piece for part in ([*found, rest] if rest else found) for piece in _pieces(part)]


def _is_ordinal(before: str, after: str) -> bool:
    """Whether a full stop belongs to a number: `3. März`, or the number that a heading begins with."""
    return bool(_NUMBER_ENDS.search(before) and (_NUMBER_ENDS.fullmatch(before) or _AFTER_ORDINAL.match(after)))


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence without end is read in pieces, so that no text takes for ever."""
    while len(sentence) > _LONGEST_SENTENCE:
        cut = sentence.rfind(" ", 0, _LONGEST_SENTENCE)
        cut = cut if cut > 0 else _LONGEST_SENTENCE
        yield sentence[:cut]
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence


def guess_language(blocks: Sequence[Block]) -> str:
    """The language whose small words are the most, English where none are more than its own."""
    sample = " ".join(block.text for block in blocks)[:60_000]
    return max(_SMALL_WORDS, key=lambda language: len(_SMALL_WORDS[language].findall(sample)))


def escape_markdown(text: str) -> str:
    """Words as Markdown that shows exactly them."""
    return _SPECIAL.sub(r"\\\1", text)


def single_spaced(text: str) -> str:
    """The words with one space between them."""
    return " ".join(text.replace("\u200b", "").split())


def _with_markdown(block: Block) -> Block:
    return block if block.markdown else replace(block, markdown=escape_markdown(block.text))


def _is_html(source: str) -> bool:
    found = _LOOKS_HTML.findall(source[:20_000])
    return any("doctype" in tag.lower() or "html" in tag.lower() or "body" in tag.lower() for tag in found) or (
        len(found) >= 3 and not re.search(r"^#{1,6} \S|^\S.*\n={3,}\s*$", source, re.M)
    )


def _refuse_broken(blocks: Sequence[Block], text: str, name: str) -> None:
    """A capture that went wrong is a few bytes with no sentence in them, or the words of a door that stayed shut."""
    remedy = "Capture the page again, or save its text by hand."
    words = " ".join(block.text for block in blocks)
    size = len(text.encode("utf-8", "replace"))
    has_sentence = any(
        len(_WORD.findall(part)) >= 3 for block in blocks for part in re.split(r"[.!?](?=[\s\"”’)]|$)", block.text)[:-1]
    )
    if not _WORD.search(words):
        raise BadInput(f"{name} is empty: {size} bytes and no words in them.", remedy=remedy)
    if (len(words) < 400 and _BLOCKED.search(words)) or (not has_sentence and len(_WORD.findall(words)) < 40):
        raise BadInput(
            f"{name} is a broken capture: {size} bytes, no sentence of a policy in them ('{words[:60]}').",
            remedy=remedy,
        )


def _read_markdown(source: str) -> Iterator[Block]:
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    depth, row, line = 0, 0, 1
    kind, level, marker = BlockKind.PARAGRAPH, 0, "-"
    for token in reader.parse(source):
        if token.map:
            line = token.map[0] + 1
        match token.type:
            case "heading_open":
                kind, level = BlockKind.HEADING, int(token.tag[1])
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
            case "list_item_open":
                kind, level = BlockKind.ITEM, depth
                marker = f"{token.info}{token.markup}" if token.info else "-"
            case "table_open":
                row = 0
            case "tr_open":
                row += 1
            case "th_open" | "td_open":
                kind, level = BlockKind.CELL, row
            case "inline":
                yield _markdown_block(token, kind, line, level, marker)
                kind, level, marker = BlockKind.PARAGRAPH, 0, "-"
            case "fence" | "code_block":
                yield Block(kind=BlockKind.PARAGRAPH, text=single_spaced(token.content), line=line)
            case "html_block":
                yield from _from_html(token.content, line)


def _markdown_block(token: Token, kind: BlockKind, line: int, level: int, marker: str) -> Block:
    children = token.children or []
    links = tuple(str(child.attrGet("href")) for child in children if child.type == "link_open")
    source = single_spaced(_BREAK.sub(" ", token.content))
    words = single_spaced("".join(_words_of(child) for child in children))
    return Block(kind=kind, text=words, line=line, level=level, markdown=source, links=links, marker=marker)


def _words_of(child: Token) -> str:
    if child.type in ("softbreak", "hardbreak"):
        return " "
    if child.type == "html_inline":
        return " " if _BREAK.match(child.content) else ""
    return child.content if child.type in ("text", "text_special", "code_inline") else ""


def _from_html(content: str, line: int) -> Iterator[Block]:
    from policies.plain_html import read_html

    for block in read_html(content):
        yield replace(block, line=block.line + line - 1)


def _read_lines(source: str) -> Iterator[Block]:
    lines = source.split("\n")
    wrapped = max(map(len, lines)) < _WRAPPED
    titled = any(_is_policy_title(line) for line in lines[:40])
    index = 0
    while index < len(lines):
        line = lines[index]
        if not line.strip():
            index += 1
            continue
        block, index = _one_block(lines, index, wrapped=wrapped)
        if block.kind is BlockKind.HEADING and titled:
            # What stands above the title is the page's own: a button, a price.
            titled = not _is_policy_title(block.text)
            block = replace(block, kind=BlockKind.PARAGRAPH, level=0) if titled else replace(block, level=1)
        yield block


def _is_policy_title(line: str) -> bool:
    return len(line) <= _LONGEST_TITLE and bool(
        re.search(r"privacy (?:policy|notice|statement)|datenschutz|^\s*(?:policy|privacy)\s*$", line, re.I)
    )


def _one_block(lines: Sequence[str], index: int, *, wrapped: bool) -> tuple[Block, int]:
    line, number = lines[index], index + 1
    if bullet := _BULLET.match(line):
        text, after = _continued(lines, index, wrapped=wrapped)
        depth = 1 + (len(bullet[0]) - len(bullet[0].lstrip()) >= 6)
        return Block(kind=BlockKind.ITEM, text=_BULLET.sub("", text, count=1), line=number, level=depth), after
    if _BARE_NUMBER.match(line):
        title = next((each for each in range(index + 1, min(index + 4, len(lines))) if lines[each].strip()), None)
        if title is not None and _is_title(lines[title]):
            text = f"{line.strip().rstrip('.')}. {lines[title].strip()}"
            return Block(kind=BlockKind.HEADING, text=text, line=number, level=2), title + 1
    if found := _NUMBERED.match(line):
        text, after = _continued(lines, index, wrapped=wrapped)
        if _is_title(found["title"]) and (after == index + 1):
            level = min(2 + found["number"].rstrip(".").count("."), 6)
            return Block(kind=BlockKind.HEADING, text=single_spaced(line), line=number, level=level), after
        words = single_spaced(text).removeprefix(single_spaced(found["number"])).strip()
        return Block(kind=BlockKind.ITEM, text=words, line=number, level=1, marker="1."), after
    if _stands_alone(lines, index, wrapped=wrapped):
        return Block(kind=BlockKind.HEADING, text=single_spaced(line), line=number, level=2), index + 1
    text, after = _continued(lines, index, wrapped=wrapped)
    return Block(kind=BlockKind.PARAGRAPH, text=text, line=number), after


def _is_title(line: str) -> bool:
    words = line.strip()
    return len(words) <= _LONGEST_TITLE and not words.endswith((".", ",", ";", ":", "!")) and bool(_WORD.search(words))


def _stands_alone(lines: Sequence[str], index: int, *, wrapped: bool) -> bool:
    """A short line that something follows and that says no more than a title does."""
    words = lines[index].strip()
    if not _is_title(words) or len(words.split()) > 9 or re.search(r"[·|@]|\d{4}|: ", words) or not words[0].isupper():
        return False
    following = lines[index + 1 :]
    if not any(line.strip() for line in following):
        return False
    blank_around = not (following and following[0].strip()) and (index == 0 or not lines[index - 1].strip())
    return blank_around or not wrapped


def _continued(lines: Sequence[str], index: int, *, wrapped: bool) -> tuple[str, int]:
    """The line, with those below it that belong to it where the text was wrapped by hand or they are indented."""
    parts = [lines[index]]
    bullet = bool(_BULLET.match(lines[index]))
    after = index + 1
    while after < len(lines) and (line := lines[after]).strip():
        if _BULLET.match(line) or _NUMBERED.match(line) or _BARE_NUMBER.match(line):
            break
        if not (wrapped or (bullet and line[:1].isspace())):
            break
        parts.append(line)
        after += 1
    return single_spaced(" ".join(parts)), after
