"""Writes Atom feeds (RFC 4287): a feed, its entries, and ids that stay the same wherever the installation stands."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree import ElementTree

from core.clock import iso_utc

ATOM: Final = "http://www.w3.org/2005/Atom"
CONTENT_TYPE: Final = "application/atom+xml; charset=utf-8"
# What XML 1.0 has no way to hold, and ElementTree writes all the same.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IDS: Final = uuid.UUID("2c4cf0e6-9a1e-5f3e-9d57-6b1f1d1f6c55")


@dataclass(frozen=True, kw_only=True)
class AtomEntry:
    """One thing that happened. `page`: where it is told in full; `related`: another page about it, if there is one."""

    id: str
    title: str
    at: datetime
    summary: str
    page: str
    related: str = ""
    term: str = ""


@dataclass(frozen=True, kw_only=True)
class AtomFeed:
    """A feed. `at` is the time it changed last where it has no entry; `here` its own address, `page` the page it is of."""

    id: str
    title: str
    author: str
    language: str
    here: str
    page: str
    at: datetime
    entries: Sequence[AtomEntry]


def stable_id(*parts: str) -> str:
    """An id that the same parts always give, as a URN."""
    return uuid.uuid5(_IDS, "\n".join(parts)).urn


def write_feed(feed: AtomFeed) -> bytes:
    """The feed as a document, the latest entry first."""
    root = ElementTree.Element("feed", {"xmlns": ATOM, "xml:lang": feed.language})
    entries = sorted(feed.entries, key=lambda one: one.at, reverse=True)
    _text(root, "id", feed.id)
    _text(root, "title", feed.title)
    _text(root, "updated", iso_utc(max([feed.at, *(one.at for one in entries)])))
    _text(ElementTree.SubElement(root, "author"), "name", feed.author)
    _link(root, "self", feed.here, "application/atom+xml")
    _link(root, "alternate", feed.page, "text/html")
    _text(root, "generator", "Kept")
    for one in entries:
        _entry(root, one)
    body: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode()


def _entry(root: ElementTree.Element, one: AtomEntry) -> None:
    entry = ElementTree.SubElement(root, "entry")
    _text(entry, "id", one.id)
    _text(entry, "title", one.title)
    _text(entry, "published", iso_utc(one.at))
    _text(entry, "updated", iso_utc(one.at))
    _link(entry, "alternate", one.page, "text/html")
    if one.related:
        _link(entry, "related", one.related, "text/html")
    if one.term:
        ElementTree.SubElement(entry, "category", {"term": one.term})
    if one.summary:
        _text(entry, "summary", one.summary)


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = _NO_XML.sub(" ", text)


def _link(parent: ElementTree.Element, rel: str, address: str, kind: str) -> None:
    ElementTree.SubElement(parent, "link", {"rel": rel, "type": kind, "href": _NO_XML.sub("", address)})
