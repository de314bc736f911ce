"""The blueprint that every public page hangs on, and how their answers may be kept: by anyone, asked for again by ETag."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, make_response, redirect, request

from core.errors import NotFound
from policies.versions import Version
from web.glance import published
from web.languages import gettext

blueprint = Blueprint("public", __name__)
# Short: a version that takes over must be seen soon. What was fetched is asked for again by its ETag.
CACHE_SECONDS: Final = 60
# What is published in a version never changes.
FIXED_SECONDS: Final = 24 * 3600


def cacheable(
    body: str | bytes, kind: str = "text/html; charset=utf-8", *, etag: str = "", seconds: int = CACHE_SECONDS
) -> Response:
    """An answer that anyone may keep for a while, and ask for again by its ETag: the hash of the body where none is given."""
    answer = make_response(body)
    answer.content_type = kind
    answer.headers["Cache-Control"] = f"public, max-age={seconds}"
    answer.set_etag(etag) if etag else answer.add_etag()
    conditional = answer.make_conditional(request)
    assert isinstance(conditional, Response)
    return conditional


def lead_to(target: str, status: int) -> Response:
    """To another address; for a while nobody needs to ask again."""
    answer = make_response(redirect(target, status))
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return answer


def version_or_404(number: int) -> Version:
    """A published version. Raises NotFound, in the reader's language, with the numbers that there are."""
    versions = published()
    found = next((one for one in versions if one.number == number), None)
    if found is not None:
        return found
    if not versions:
        raise NotFound(
            gettext("There is no version %(number)s.", number=number), remedy=gettext("Nothing is published yet.")
        )
    last = versions[-1].number
    raise NotFound(
        gettext("There is no version %(number)s.", number=number),
        remedy=gettext("The versions that were published have the numbers 1 to %(last)s.", last=last)
        if last > 1
        else gettext("Only version 1 was published so far."),
    )
