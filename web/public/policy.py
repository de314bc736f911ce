"""The public pages of the policy: the version in force, every version as page and file, the promises, old addresses. No page sets a cookie."""

from __future__ import annotations

from typing import Final

import orjson
from babel import Locale
from flask import Response, abort, render_template, url_for
from markupsafe import Markup

from core.catalogue import SOURCE
from core.clock import day_in
from core.words import full_day
from policies.clause_words import describe_clause
from policies.documents import AliasPage, Document
from policies.prose import render
from policies.standing import newest_change, say_standing, version_before
from policies.versions import Version, VersionState
from promises.board import WORST_FIRST, ClauseState
from promises.states import State
from promises.vouching import last_day
from web.glance import board, count_states, in_force, published
from web.languages import asked_language, gettext, page_language
from web.public.as_json import describe, summarise
from web.public_blueprint import FIXED_SECONDS, blueprint, cacheable, lead_to, version_or_404
from web.services import services
from web.words import say_state, say_states, say_title

TYPES: Final = {"md": "text/markdown; charset=utf-8", "json": "application/json", "pdf": "application/pdf"}
ALIASES: Final = {
    AliasPage.POLICY: "public.policy",
    AliasPage.RECIPIENTS: "public.recipients",
    AliasPage.SECURITY: "public.security",
}
# While a paper is made: about as long as the job takes to come round, and to make it.
RETRY_SECONDS: Final = 15


@blueprint.get("/")
def home() -> Response:
    """To the policy."""
    return lead_to(url_for("public.policy"), 302)


@blueprint.get("/privacy")
def policy() -> Response:
    """The version in force, or that there is none yet."""
    version = in_force()
    if version is None:
        planned = next((one for one in published() if one.state is VersionState.PLANNED), None)
        standing = say_standing(planned, page_language()) if planned else ""
        return cacheable(render_template("pages/no_policy.html", here="policy", planned=planned, standing=standing))
    return cacheable(_version_page(version))


@blueprint.get("/privacy/versions")
def versions() -> Response:
    """Every published version, the latest first."""
    every = published()
    lines = [
        {
            "version": one,
            "standing": say_standing(one, page_language()),
            "before": version_before(one, every),
            "state": _mark(one),
        }
        for one in sorted(every, key=lambda one: one.number, reverse=True)
    ]
    return cacheable(render_template("pages/versions.html", here="versions", lines=lines))


@blueprint.get("/privacy/versions/<int(max=2147483647):number>", defaults={"form": "html"})
@blueprint.get("/privacy/versions/<int(max=2147483647):number>.<any(md, json, pdf):form>")
def version(number: int, form: str) -> Response:
    """One version: as a page, as the Markdown that was published, as JSON, or on paper; files by `?lang=`, else the original."""
    found = version_or_404(number)
    if form == "html":
        return cacheable(_version_page(found))
    document = found.in_language(asked_language() or found.document.language)
    if form == "pdf":
        return _paper(found, document)
    if form == "md":
        answer = cacheable(document.text, TYPES["md"], seconds=FIXED_SECONDS)
    else:
        answer = cacheable(orjson.dumps(describe(found, document), option=orjson.OPT_INDENT_2), TYPES["json"])
    answer.content_language.add(document.language)
    return answer


@blueprint.get("/privacy/current.json")
def current() -> Response:
    """The version in force, in short, for the programs of the host application."""
    found = in_force()
    if found is None:
        abort(404)
    return cacheable(orjson.dumps(summarise(found, found.document), option=orjson.OPT_INDENT_2), TYPES["json"])


@blueprint.get("/privacy/promises")
def promises() -> Response:
    """Every promise with its state, the broken ones first; where the installation shows them."""
    if not services().settings.public_promises:
        abort(404)
    shown, language = board(), page_language()
    groups = [(state, [one for one in shown.clauses if one.state is state]) for state in WORST_FIRST]
    page = render_template(
        "pages/promises.html",
        here="promises",
        title_words=say_title(count_states(), language),
        groups=[
            (state, say_state(state, language), [_say_clause(one) for one in clauses])
            for state, clauses in groups
            if clauses
        ],
        total=len(shown.clauses),
    )
    return cacheable(page)


@blueprint.get("/<path:path>")
def alias(path: str) -> Response:
    """Where a page used to stand: the documents in force name those addresses. Anything else is not here."""
    found, wanted = in_force(), f"/{path.rstrip('/')}"
    named = [
        (document, one)
        for document in (found.documents if found else ())
        for one in document.aliases
        if one.path == wanted
    ]
    if not named or found is None:
        abort(404)
    document, one = named[0]
    # An address that only a translation names leads to that language.
    language = asked_language() if document is found.document else document.language
    return lead_to(url_for(ALIASES[one.page], lang=language or None), 308)


def _version_page(shown: Version) -> str:
    every, language = published(), page_language()
    document = shown.in_language(language)
    is_current = shown.state is VersionState.IN_FORCE
    since = day_in(shown.in_force_at, document.controller.timezone) if shown.in_force_at else None
    prose = render(document, in_force=since, version=shown.number)
    show_states = is_current and services().settings.public_promises
    return render_template(
        "pages/policy.html",
        here="policy" if is_current else "versions",
        version=shown,
        document=document,
        only_in=_only_in(shown) if document.language != language else "",
        text_language=document.language if document is not shown.document else None,
        prose=dress_tables(prose.html),
        contents=[(one.id, one.text) for one in prose.toc if one.level == 2],
        is_current=is_current,
        in_force=in_force(),
        standing=say_standing(shown, language),
        before=version_before(shown, every),
        planned=[one for one in every if one.state is VersionState.PLANNED] if is_current else [],
        others=len(every) - 1,
        newest=newest_change(every),
        states=say_states(count_states(), language) if show_states else "",
        worst=next((state for state in WORST_FIRST if count_states()[state]), State.KEPT) if show_states else None,
    )


def _paper(found: Version, document: Document) -> Response:
    kept = services()
    with kept.database.read() as session:
        paper = kept.papers.find(session, found.number, document.language)
    if paper is None:
        page = render_template(
            "pages/error.html",
            title_words=gettext("The PDF of version %(number)s is being made", number=found.number),
            detail=gettext("It is here in a moment. The page itself is there already."),
            status=503,
        )
        return Response(page, 503, {"Retry-After": str(RETRY_SECONDS)})
    answer = cacheable(paper.path.read_bytes(), TYPES["pdf"], etag=paper.digest)
    name = f"{found.policy}-{found.number}-{document.language}.pdf"
    answer.headers["Content-Disposition"] = f'inline; filename="{name}"'
    answer.content_language.add(document.language)
    return answer


def _only_in(version: Version) -> str:
    names = Locale(page_language()).languages
    return ", ".join(str(names.get(code, code)) for code in version.languages)


def _mark(version: Version) -> str:
    if version.state is VersionState.IN_FORCE:
        return "kept"
    return "waiting" if version.state is VersionState.PLANNED else "plain"


def _say_clause(one: ClauseState) -> dict[str, object]:
    """A line of the board in the reader's language, where the policy is there in it."""
    version = in_force()
    document = version.in_language(page_language()) if version else None
    clause = document.clause(one.clause_id) if document else None
    said = describe_clause(clause, document.language) if document and clause else one.sentence
    return {
        "id": one.clause_id,
        "state": one.state.value,
        "sentence": said,
        "proof": gettext(one.public_proof),
        # Proofs with figures in them are said in English so far, and are marked as that.
        "proof_language": page_language() if gettext(one.public_proof) != one.public_proof else SOURCE,
        "checked_at": one.checked_at,
        "until": _until(one, version) if version else "",
    }


def _until(one: ClauseState, version: Version) -> str:
    """The last day of somebody's word, in words."""
    if one.state is not State.ATTESTED or one.good_until is None:
        return ""
    return full_day(last_day(one.good_until, version.document.controller.timezone), page_language())


def dress_tables(prose: Markup) -> Markup:
    """Tables of the prose on a sheet that scrolls on a phone."""
    sheet, end = Markup('<div class="card table-wrap"><table class="table">'), Markup("</table></div>")
    return prose.replace("<table>", sheet).replace("</table>", end)
