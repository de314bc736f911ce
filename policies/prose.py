"""The prose of a policy as a page: expressions filled in, Markdown made HTML, HTML cleaned, headings listed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any, Final
from urllib.parse import unquote

import nh3
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from core.catalogue import catalogue, mark
from core.words import long_day
from policies.clause_words import describe_clause, said_key
from policies.clauses import Clause
from policies.documents import Document
from policies.expressions import CONTROLLER_FACTS, allowed_keys

_TAGS: Final = frozenset(
    [
        "a",
        "blockquote",
        "br",
        "code",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}} | {f"h{level}": {"id"} for level in range(1, 7)}
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
# Ids that the page around the prose uses itself.
_TAKEN: Final = frozenset({"main", "top"})
# A printed value stands in the Markdown as a number between two private characters and is put in after parsing, so that
# nothing in it is read as Markdown, in text, in code and in links alike.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK: Final = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_NOT_YET: Final = mark("not yet in force")


@dataclass(frozen=True, kw_only=True)
class Heading:
    """One line of the table of contents; `id` is the anchor."""

    level: int
    id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class RenderedProse:
    """The page's inner HTML, safe to print, and its headings."""

    html: Markup
    toc: tuple[Heading, ...]


class _Facts:
    """Named values and nothing else: the sandbox finds no attribute here, only items."""

    __slots__ = ("_items", "_itself")

    def __init__(self, items: dict[str, str], itself: str = "") -> None:
        self._items, self._itself = items, itself

    def __getitem__(self, key: str) -> str:
        return self._items[key]

    def __str__(self) -> str:
        return self._itself


def render(document: Document, *, in_force: date | None, version: int | None = None) -> RenderedProse:
    """The prose of a document as cleaned HTML, with ids on its headings and the list of them."""
    values: list[str] = []
    source = _fill(document, in_force=in_force, version=version, finalize=lambda value: _set_aside(str(value), values))
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(source)
    _put_back(tokens, values)
    toc = tuple(_name_headings(tokens))
    html = reader.renderer.render(tokens, reader.options, {})
    clean = nh3.clean(
        html, tags=set(_TAGS), attributes=_ATTRIBUTES, url_schemes=set(_SCHEMES), link_rel="noopener noreferrer"
    )
    # Cleaned by nh3 to the tags, attributes and schemes above: this is what makes it markup.
    return RenderedProse(html=Markup(clean), toc=toc)  # noqa: S704


def render_text(document: Document, *, in_force: date | None = None, version: int | None = None) -> str:
    """The prose of a document as Markdown with every expression filled in."""
    return _fill(document, in_force=in_force, version=version, finalize=str)


def _fill(document: Document, *, in_force: date | None, version: int | None, finalize: Callable[[Any], str]) -> str:
    environment = ImmutableSandboxedEnvironment(
        autoescape=False,  # the text is Markdown; values are escaped for Markdown, and the result is cleaned
        undefined=StrictUndefined,
        finalize=finalize,
        keep_trailing_newline=True,
    )
    environment.globals.clear()
    language = document.language
    facts = {
        "clause": _clauses(document),
        "controller": _Facts({name: getattr(document.controller, name) or "" for name in CONTROLLER_FACTS}),
        "title": document.title,
        "policy": document.policy,
        "language": language,
        "version": "" if version is None else version,
        "in_force": long_day(in_force, language) if in_force else catalogue(language).gettext(_NOT_YET),
    }
    return environment.from_string(document.body.replace(_OPEN, "").replace(_CLOSE, "")).render(facts)


def _clauses(document: Document) -> Callable[[str], _Facts]:
    known = {clause.id: clause for clause in document.clauses}
    return cache(lambda clause_id: _facts_of(known[clause_id], document.language))


def _facts_of(clause: Clause, language: str) -> _Facts:
    words = {key: said_key(clause, key, language) for key in allowed_keys(clause)}
    return _Facts(words, describe_clause(clause, language))


def _set_aside(value: str, values: list[str]) -> str:
    if not value:
        return ""
    values.append(value)
    return f"{_OPEN}{len(values) - 1}{_CLOSE}"


def _put_back(tokens: Sequence[Token], values: Sequence[str]) -> None:
    for token in tokens:
        token.content = _MARK.sub(lambda mark: values[int(mark[1])], token.content)
        for name in ("href", "title"):
            if (found := token.attrGet(name)) is not None:
                token.attrSet(name, _MARK.sub(lambda mark: values[int(mark[1])], unquote(str(found))))
        _put_back(token.children or (), values)


def _name_headings(tokens: Sequence[Token]) -> list[Heading]:
    found: list[Heading] = []
    used: set[str] = set(_TAKEN)
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = inline_text(inline)
        name = base = _slug(text)
        number = 2
        while name in used:
            name, number = f"{base}-{number}", number + 1
        used.add(name)
        opening.attrSet("id", name)
        found.append(Heading(level=int(opening.tag[1]), id=name, text=text))
    return found


def inline_text(inline: Token) -> str:
    """The words of an inline token as a reader sees them; a line break stays one, so that lines can be counted."""
    parts = []
    for child in inline.children or []:
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type in ("text", "code_inline", "text_special") or child.type == "image":
            parts.append(child.content)
    return "".join(parts)


def _slug(text: str) -> str:
    spelled = text.lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:60] or "section"
