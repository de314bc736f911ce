"""What follows the policy by itself: the feed of its versions, the feed of its recipients, and the banner for other sites."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, abort

from core.catalogue import short_code
from web.atom import CONTENT_TYPE, AtomFeed, write_feed
from web.banner import NOTHING, banner_script, change_to_tell
from web.feed_entries import about, feed_id, recipient_entries, version_entries
from web.glance import in_force, published
from web.public_blueprint import cacheable
from web.services import services

blueprint = Blueprint("feeds", __name__)
# A site that shows the banner asks once an hour; the notice is told days ahead.
BANNER_SECONDS: Final = 3600


@blueprint.get("/privacy/feed.atom")
def versions() -> Response:
    """Every version as it was published, came into force, or was withdrawn."""
    return _feed("feed.atom", "versions")


@blueprint.get("/privacy/recipients.atom")
def recipients() -> Response:
    """Every recipient that came, went, or is planned to, and every one that gets more."""
    return _feed("recipients.atom", "recipients")


@blueprint.get("/privacy/banner.js")
def banner() -> Response:
    """The script that tells, on another site, of the change that is planned or came lately; it does nothing where none is."""
    kept, every = services(), published()
    change = change_to_tell(every, kept.clock.now())
    script = banner_script(change, every, kept.settings.service.base_url) if change else NOTHING
    return _from_anywhere(cacheable(script, "text/javascript; charset=utf-8", seconds=BANNER_SECONDS))


def _feed(name: str, kind: str) -> Response:
    every = published()
    if not every:
        abort(404)
    base = services().settings.service.base_url.rstrip("/")
    shown = (in_force() or every[-1]).document
    words = about(shown.language)
    entries = version_entries(every, base) if kind == "versions" else recipient_entries(every, base)
    feed = AtomFeed(
        id=feed_id(every, kind),
        title=words[kind].format(name=shown.controller.name),
        author=shown.controller.name,
        language=short_code(shown.language),
        here=f"{base}/privacy/{name}",
        page=f"{base}/privacy/{kind}",
        at=every[0].published_at,
        entries=entries,
    )
    return _from_anywhere(cacheable(write_feed(feed), CONTENT_TYPE))


def _from_anywhere(answer: Response) -> Response:
    """Pages of other origins may load it: it is the same for everyone, and public."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer
