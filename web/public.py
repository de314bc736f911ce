"""The public pages: the policy in force, its versions as pages and files, and the promises. No page sets a cookie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from markupsafe import Markup

from core.clock import iso_utc
from policies.clause_schemas import key_names
from policies.clauses import Clause
from policies.periods import Period
from policies.prose import render
from policies.versions import Version, VersionState
from promises.board import WORST_FIRST
from promises.states import State
from web.glance import board, count_states
from web.services import services
from web.words import say_states, say_title

blueprint = Blueprint("public", __name__)
# Short: a version that takes over must be seen soon. What was fetched is asked for again by its ETag.
CACHE_SECONDS: Final = 60
TYPES: Final = {"md": "text/markdown; charset=utf-8", "json": "application/json"}


@blueprint.get("/")
def home() -> Response:
    """To the policy."""
    return _go(url_for("public.policy"), 302)


@blueprint.get("/privacy")
def policy() -> Response:
    """The version in force, or that there is none yet."""
    kept = services()
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
        versions = kept.policies.versions(session)
    if version is None:
        planned = next((one for one in versions if one.state is VersionState.PLANNED), None)
        return _cacheable(render_template("pages/no_policy.html", here="policy", planned=planned))
    return _cacheable(_version_page(version, version, versions))


@blueprint.get("/privacy/versions")
def versions() -> Response:
    """Every published version, the latest first."""
    kept = services()
    with kept.database.read() as session:
        found = sorted(kept.policies.versions(session), key=lambda one: one.number, reverse=True)
        in_force = kept.policies.in_force(session)
    current = in_force.number if in_force else None
    return _cacheable(render_template("pages/versions.html", here="versions", versions=found, current=current))


@blueprint.get("/privacy/versions/<int(max=2147483647):number>", defaults={"form": "html"})
@blueprint.get("/privacy/versions/<int(max=2147483647):number>.<any(md, json):form>")
def version(number: int, form: str) -> Response:
    """One version: as a page, as the Markdown that was published, or as JSON."""
    kept = services()
    with kept.database.read() as session:
        found = kept.policies.version(session, number)
        in_force = kept.policies.in_force(session)
        every = kept.policies.versions(session)
    if form == "html":
        return _cacheable(_version_page(found, in_force, every))
    body = found.document.text if form == "md" else orjson.dumps(_describe(found), option=orjson.OPT_INDENT_2)
    return _cacheable(body, TYPES[form])


@blueprint.get("/privacy/current.json")
def current() -> Response:
    """The version in force, in short, for the programs of the host application."""
    kept = services()
    with kept.database.read() as session:
        found = kept.policies.in_force(session)
    if found is None:
        abort(404)
    return _cacheable(orjson.dumps(_summarise(found), option=orjson.OPT_INDENT_2), TYPES["json"])


@blueprint.get("/privacy/promises")
def promises() -> Response:
    """Every promise with its state, the broken ones first; where the installation shows them."""
    if not services().settings.public_promises:
        abort(404)
    shown = board()
    groups = [(state, [one for one in shown.clauses if one.state is state]) for state in WORST_FIRST]
    page = render_template(
        "pages/promises.html",
        here="promises",
        title_words=say_title(count_states()),
        groups=[group for group in groups if group[1]],
        total=len(shown.clauses),
    )
    return _cacheable(page)


@blueprint.get("/<path:path>")
def alias(path: str) -> Response:
    """Where the policy used to stand: its document names those addresses. Anything else is not here."""
    kept = services()
    with kept.database.read() as session:
        found = kept.policies.in_force(session)
    if found is None or f"/{path.rstrip('/')}" not in found.document.aliases:
        abort(404)
    return _go(url_for("public.policy"), 308)


def _go(target: str, status: int) -> Response:
    answer = redirect(target, status)
    assert isinstance(answer, Response)
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return answer


def _version_page(shown: Version, in_force: Version | None, versions: list[Version]) -> str:
    zone = ZoneInfo(shown.document.controller.timezone)
    since = shown.in_force_at.astimezone(zone).date() if shown.in_force_at else None
    prose = render(shown.document, in_force=since, version=shown.number)
    is_current = in_force is not None and shown.number == in_force.number
    show_states = is_current and services().settings.public_promises
    return render_template(
        "pages/policy.html",
        here="policy" if is_current else "versions",
        version=shown,
        document=shown.document,
        prose=dress_tables(prose.html),
        contents=[(one.id, one.text) for one in prose.toc if one.level == 2],
        is_current=is_current,
        in_force=in_force,
        earlier=[one for one in versions if one.number != shown.number],
        states=say_states(count_states()) if show_states else "",
        worst=next((state for state in WORST_FIRST if count_states()[state]), State.KEPT) if show_states else None,
    )


def dress_tables(prose: Markup) -> Markup:
    """Tables of the prose on a sheet that scrolls on a phone."""
    sheet, end = Markup('<div class="card table-wrap"><table class="table">'), Markup("</table></div>")
    return prose.replace("<table>", sheet).replace("</table>", end)


def _cacheable(body: str | bytes, kind: str = "text/html; charset=utf-8") -> Response:
    """An answer that anyone may keep for a minute, and ask for again by its ETag."""
    answer = Response(body, content_type=kind)
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    answer.add_etag()
    conditional = answer.make_conditional(request)
    assert isinstance(conditional, Response)
    return conditional


def _summarise(version: Version) -> dict[str, Any]:
    return {
        "policy": version.policy,
        "version": version.number,
        "state": version.state.value,
        "title": version.document.title,
        "language": version.document.language,
        "published_at": iso_utc(version.published_at),
        "in_force_at": iso_utc(version.in_force_at) if version.in_force_at else None,
        "planned_for": iso_utc(version.planned_for) if version.planned_for else None,
        "digest": version.digest,
        "url": url_for("public.version", number=version.number, form="html"),
    }


def _describe(version: Version) -> dict[str, Any]:
    document = version.document
    return _summarise(version) | {
        "regimes": list(document.regimes),
        "controller": _plain(document.controller),
        "clauses": [_clause(one) for one in document.clauses],
    }


def _clause(clause: Clause) -> dict[str, Any]:
    """A clause under the keys that documents use."""
    said = {key: _plain(getattr(clause, name)) for key, name in key_names(clause.kind).items()}
    return {"id": clause.id, "kind": clause.kind} | {
        key: value for key, value in said.items() if value not in (None, [], "")
    }


def _plain(value: Any) -> Any:
    """A value of a policy as JSON: what is not said is left out, periods as ISO 8601."""
    if isinstance(value, Period):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((one.name, getattr(value, one.name)) for one in fields(value) if one.name != "line")
        return {name: _plain(held) for name, held in pairs if held not in (None, (), "")}
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
