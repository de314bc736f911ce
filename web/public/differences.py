"""The public page of what changed between any two versions: in short, clause by clause, word for word or side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final

from flask import Response, render_template, request, url_for

from core.canonical import digest
from core.rendering import TEMPLATES
from policies.differences import Difference, compare
from policies.documents import Document
from policies.materiality import Weight
from policies.standing import newest_change, say_standing
from policies.versions import Version
from web.glance import in_force, published
from web.languages import gettext, page_language
from web.public_blueprint import blueprint, cacheable, lead_to, version_or_404

# How many differences are kept at hand; two versions of a long policy take a second to compare.
REMEMBERED: Final = 32
VIEWS: Final = ("words", "side", "whole")


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A document as the memory of differences knows it: by its digest."""

    digest: str
    document: Document = field(compare=False)


@blueprint.get("/privacy/diff")
def choose_difference() -> Response:
    """From the form of the page to the address of the difference that was chosen; without a choice, to the latest change."""
    old, new = (request.args.get(name, "") for name in ("from", "to"))
    if old.isdecimal() and new.isdecimal() and len(old + new) < 20:
        return lead_to(url_for("public.difference", old=int(old), new=int(new)), 302)
    latest = newest_change(published())
    if latest is None:
        return lead_to(url_for("public.versions"), 302)
    return lead_to(url_for("public.difference", old=latest[0].number, new=latest[1].number), 302)


@blueprint.get("/privacy/diff/<int(max=2147483647):old>/<int(max=2147483647):new>")
def difference(old: int, new: int) -> Response:
    """What changed from one version to another. Neither ever changes, so neither does what differs."""
    before, after = version_or_404(old), version_or_404(new)
    language = _common_language(before, after)
    view = next((one for one in VIEWS if one == request.args.get("view")), VIEWS[0])
    etag = _etag(before, after, view)
    if request.if_none_match.contains(etag):
        return cacheable(b"", etag=etag)
    found = _compare(_text(before, language), _text(after, language)) if old != new else None
    page = render_template(
        "pages/difference.html",
        here="changes",
        old=before,
        new=after,
        standing=say_standing(after, page_language()),
        choices=[(one.number, say_standing(one, page_language())) for one in reversed(published())],
        view=view,
        text_language=language,
        difference=found,
        overruled=_overruled(before, after) is not None,
        weight=_say_weight(_overruled(before, after) or found.verdict.weight) if found else "",
        reasons=found.verdict.reasons if found else (),
    )
    return cacheable(page, etag=etag)


def _common_language(old: Version, new: Version) -> str:
    """The language of the page where both versions have it, else one that both have, else that of the older one."""
    both = [one for one in new.languages if one in old.languages]
    return page_language() if page_language() in both else next(iter(both), old.document.language)


def _text(version: Version, language: str) -> _Text:
    document = version.in_language(language)
    return _Text(digest=document.digest, document=document)


@lru_cache(maxsize=REMEMBERED)
def _compare(old: _Text, new: _Text) -> Difference:
    return compare(old.document, new.document)


def _overruled(old: Version, new: Version) -> Weight | None:
    """What a person made of exactly this change when the version was published."""
    return new.weight if new.overruled is not None and new.previous == old.number else None


def _say_weight(weight: Weight) -> str:
    return {
        Weight.MATERIAL: gettext("This changes something that matters to you."),
        Weight.MINOR: gettext("This changes something, but nothing to your disadvantage."),
        Weight.EDITORIAL: gettext("Nothing that we promise has changed: only the wording."),
    }[weight]


def _etag(old: Version, new: Version, view: str) -> str:
    """Known before the work is done: two versions never change, only what is said around them does."""
    current = in_force()
    return digest(
        {
            "versions": [old.digest, new.digest, old.number, new.number],
            "standing": [[one.number, say_standing(one, page_language())] for one in published()],
            "view": view,
            "asked": request.query_string.decode("ascii", "replace"),
            "language": page_language(),
            "frame": [current.document.controller.name, current.digest] if current else [],
            "templates": _templates(),
        }
    )


@cache
def _templates() -> str:
    """What the page is drawn with, so that an upgrade shows at once."""
    files = [TEMPLATES / "pages" / "difference.html", TEMPLATES / "layouts" / "public.html"]
    files += sorted((TEMPLATES / "macros").glob("*.html"))
    return digest({file.name: file.read_text(encoding="utf-8") for file in files})
