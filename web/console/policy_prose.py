"""The words of a version or draft in the console: as people will read them, and what differs from the version before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from babel import Locale
from flask import request, url_for
from markupsafe import Markup

from policies.clause_differences import compare_clauses
from policies.differences import Difference, compare, judge
from policies.documents import Document
from policies.prose import render
from policies.versions import Version

VIEWS: Final = {"clauses": "By clause", "words": "Word for word", "sides": "Side by side"}
REMEMBERED: Final = 16
NAMED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One document as people will read it. `languages`: the way to each of the others, as `lists.seg` takes it."""

    document: Document
    html: Markup
    languages: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ShownDifference:
    """A difference in one of its views; `old` and `new` are what the two sides are called."""

    difference: Difference
    view: str
    views: list[dict[str, Any]]
    old: str
    new: str


class _Pair:
    """Two documents, known by their hashes, so that a difference is reckoned once."""

    def __init__(self, old: Document, new: Document) -> None:
        self.old, self.new = old, new
        self._key = (old.digest, new.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pair) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=REMEMBERED)
def _compare(pair: _Pair) -> Difference:
    return compare(pair.old, pair.new)


def show_prose(documents: Sequence[Document], number: int | None = None) -> Shown:
    """One of the documents, in the language that the address asks for; the original otherwise."""
    document = _in_language(documents)
    languages = [
        {
            "word": str(Locale(one.language).get_display_name("en")),
            "href": _here(language=one.language) + "#prose",
            "here": one is document,
        }
        for one in documents
    ]
    prose = render(document, in_force=None, version=number)
    sheet, end = Markup('<div class="table-wrap"><table class="table">'), Markup("</table></div>")
    html = prose.html.replace("<table>", sheet).replace("</table>", end)
    return Shown(document=document, html=html, languages=languages if len(documents) > 1 else [])


def show_difference(old: Version, documents: Sequence[Document], new: str) -> ShownDifference:
    """What differs from a version, in the view and language that the address asks for; `new` is what it is called."""
    document = _in_language(documents)
    before = old.in_language(document.language)
    difference = _compare(_Pair(before, document))
    view = request.args.get("view", "")
    view = view if view in VIEWS else "clauses"
    return ShownDifference(
        difference=difference,
        view=view,
        views=[
            {"word": word, "href": _here(view=name) + "#difference", "here": name == view}
            for name, word in VIEWS.items()
        ],
        old=f"Version {old.number}",
        new=new,
    )


def compare_versions(version: Version, versions: Sequence[Version]) -> ShownDifference | None:
    """What a version changed in the one that was in force when it was published; None for the first."""
    old = next((one for one in versions if one.number == version.previous), None)
    return show_difference(old, version.documents, f"Version {version.number}") if old else None


@dataclass(frozen=True, kw_only=True)
class Glance:
    """A difference in a line: what happened to the weightiest clauses, and the weight of all of it. `more`: left out."""

    changed: str
    more: int
    weight: str


def glance_at(old: Document, new: Document) -> Glance:
    """A difference in a line, by the originals alone; what was published stands with its own verdict."""
    return _glance(_Pair(old, new))


@lru_cache(maxsize=4 * REMEMBERED)
def _glance(pair: _Pair) -> Glance:
    changes = compare_clauses(pair.old, pair.new)
    said = [f"{one.clause_id}: {one.word}" for one in changes[:NAMED]]
    wording = "the wording" if pair.old.body != pair.new.body else "nothing"
    return Glance(
        changed="; ".join(said) or wording,
        more=max(len(changes) - NAMED, 0),
        weight=judge(pair.old, pair.new).weight.value,
    )


def _in_language(documents: Sequence[Document]) -> Document:
    wanted = request.args.get("language", "")
    return next((one for one in documents if one.language == wanted), documents[0])


def _here(**changed: str) -> str:
    """This page with some of what its address says changed."""
    assert request.endpoint is not None
    told: dict[str, Any] = {
        name: request.args[name] for name in ("version", "view", "language") if name in request.args
    }
    return url_for(request.endpoint, **(request.view_args or {}), **(told | changed))
