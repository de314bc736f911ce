"""The opt-out preference signal of browsers, `Sec-GPC: 1`: acknowledged on every page, and kept for people who are known."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from flask import Flask, Response, g, jsonify, request

from core.clock import day_in
from core.errors import NotFound
from notify.preferences import Bound
from notify.suppression_tables import Purpose
from policies.clauses import PledgeClause, Right, RightClause
from policies.documents import Document
from policies.versions import Version, VersionState
from web.glance import in_force, published
from web.public_blueprint import blueprint, cacheable
from web.services import services

HEADER: Final = "Sec-GPC"
_NO_SALE: Final = re.compile(r"\b(sold|sell|sale|verkauft|verkaufen|verkauf)\b", re.IGNORECASE)


def sends_signal() -> bool:
    """Does this browser send the signal? Exactly `1` does; anything else says nothing."""
    return request.headers.get(HEADER) == "1"


def set_up_signals(app: Flask) -> None:
    """Pages acknowledge the signal, so an answer that is kept for others depends on it."""

    @app.after_request
    def say_dependence(response: Response) -> Response:
        if response.mimetype == "text/html" and not request.path.startswith("/console"):
            response.vary.add(HEADER)
        return response

    @app.context_processor
    def tell_page() -> dict[str, bool]:
        return {"gpc": sends_signal(), "gpc_kept": bool(g.get("gpc_kept"))}


def honour_page_signal(ref: str, grant: str) -> None:
    """The person's own page is open in a browser that sends the signal: it is kept for them, once."""
    if sends_signal() and grant:
        services().requests.honour_signal(ref, grant)
        g.gpc_kept = True


def honour_link_signal(bound: Bound) -> None:
    """The same on the page of preferences, for whoever the link is bound to."""
    if not sends_signal():
        return
    kept = services()
    with kept.database.read() as session:
        standing = {one.purpose: one for one in kept.preferences.standing(session, bound)}
    if standing[Purpose.SALE_SHARING].is_on:
        with kept.database.begin() as session:
            kept.preferences.decline(session, bound, Purpose.SALE_SHARING, source="gpc")
    g.gpc_kept = True


@blueprint.get("/.well-known/gpc.json")
def gpc() -> Response:
    """That the signal is honoured, and since which day the policy says what it opts out of. 404 where it says nothing."""
    version = in_force()
    if version is None or not _says_so(version.document):
        raise NotFound("The policy in force says nothing of sale or sharing.", remedy="See /privacy.")
    since = _since(version)
    zone = version.document.controller.timezone
    answer = jsonify(gpc=True, lastUpdate=day_in(since, zone).isoformat())
    return cacheable(answer.get_data(), "application/json")


def _since(version: Version) -> datetime:
    """When the unbroken run of versions that say so began."""
    since = version.in_force_at or version.published_at
    held = [one for one in published() if one.in_force_at and one.state is not VersionState.PLANNED]
    for one in sorted(held, key=lambda one: one.number, reverse=True):
        if one.number <= version.number and one.in_force_at:
            if not _says_so(one.document):
                break
            since = one.in_force_at
    return since


def _says_so(document: Document) -> bool:
    rights = any(one.right is Right.OPT_OUT for one in document.of_kind(RightClause))
    return rights or any(
        one.id == "no-sale" or _NO_SALE.search(one.says or "") for one in document.of_kind(PledgeClause)
    )
