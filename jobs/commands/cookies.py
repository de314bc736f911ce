"""`kept cookies`: visit the company's pages now, and hold what they leave in a browser against the cookie clauses."""

from __future__ import annotations

import click

from checks.cookie_check import CookieCheck
from checks.cookies import CookieLook, How, Storage
from core.errors import BadInput
from core.words import plural, span
from jobs.answers import Answer, Line, answering, table
from jobs.services import Services, Wiring
from policies.clauses import CookieClause


@click.command()
@click.pass_obj
@answering
def cookies(wiring: Wiring) -> Answer:
    """Visit the pages of kept.yaml (`cookies: {pages}`). Exit 1 where something is not as the clauses say, 3 where a page does not answer."""
    with wiring.open_services(None) as kept:
        look = kept.cookies.look()
        if look is None:
            raise BadInput(
                "No page is named to visit.", remedy="Add to kept.yaml: cookies: {pages: {site: [https://…]}}."
            )
        found = _findings(kept, kept.cookies)
    return Answer(
        data={
            "how": look.visit.how.value,
            "pages": look.visit.pages,
            "left": [one.as_json() for one in look.visit.left],
            "asked": [vars(one) for one in look.visit.asked],
            "findings": [{"clause": clause, "says": says} for clause, says in found],
            "trouble": list(look.visit.trouble),
        },
        lines=_lines(look, found),
        exit_status=3 if look.visit.trouble else int(bool(found)),
    )


def _findings(kept: Services, check: CookieCheck) -> list[tuple[str, str]]:
    with kept.database.read() as session:
        version = kept.policies.in_force(session)
        if version is None:
            return []
        document = version.document
        return [
            (clause.id, says)
            for clause in document.of_kind(CookieClause)
            if (seen := check.of_clause(session, clause, document)) is not None
            for says in seen.found
        ]


def _lines(look: CookieLook, found: list[tuple[str, str]]) -> list[Line]:
    how = "a browser" if look.visit.how is How.BROWSER else "headers alone: what scripts set is not seen"
    rows = [
        [
            one.name,
            one.storage.value,
            f"{one.party} ({one.host})",
            one.where,
            span(one.lasts) if one.lasts is not None else "the session" if one.storage is Storage.COOKIE else "",
        ]
        for one in look.visit.left
    ]
    left: Line = (
        table("", ["Name", "Kept in", "Party", "On", "Lasts"], rows) if rows else "Nothing was left in the browser."
    )
    return [
        f"{plural(look.visit.pages, 'page', 'pages')} visited with {how}.",
        left,
        *(f"{one.where} asks {one.host}" for one in look.visit.asked),
        *(f"{clause}: {says}" for clause, says in found),
        *look.visit.trouble,
    ]
