"""The public pages that are made of one kind of clause: who gets data, and what keeps it safe."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from babel import Locale
from flask import Response, abort, render_template

from core.catalogue import join_words
from core.clock import day_in
from core.words import full_day
from policies.clause_words import describe_clause, said, said_key
from policies.clauses import NoticeClause, RecipientClause, Role, SafeguardClause
from policies.documents import Document
from policies.periods import Period
from policies.recipients import (
    Recipient,
    RecipientChange,
    RecipientEvent,
    current_recipients,
    got_since,
    recipient_events,
)
from policies.standing import version_before
from policies.versions import Version, VersionState
from promises.board import ClauseState
from promises.states import State
from web.glance import board, in_force, published
from web.languages import gettext, page_language
from web.public_blueprint import blueprint, cacheable
from web.services import services

# Whom the page names first: who works for the controller, then who decides with it, without it, and over it.
ROLES: Final = (Role.PROCESSOR, Role.JOINT_CONTROLLER, Role.CONTROLLER, Role.AUTHORITY)


@blueprint.get("/privacy/recipients")
def recipients() -> Response:
    """Who gets data, from the clauses of the version in force, what will be new, and what was before."""
    version = in_force()
    if version is None:
        abort(404)
    every = published()
    current = current_recipients(every)
    coming = [one for one in current if one.since is None]
    planned = coming[0].version if coming else None
    now_leaving = _leaving(version, every)
    page = render_template(
        "pages/recipients.html",
        here="recipients",
        version=version,
        groups=[
            (_say_role(role), lines)
            for role in ROLES
            if (lines := [_line(one) for one in current if one.clause.role is role])
        ],
        number=sum(one.since is not None for one in current),
        notice=_say_notice(version),
        coming=join_words([one.clause.name for one in coming], page_language()),
        planned=planned,
        planned_day=_day(planned.planned_for, planned) if planned and planned.planned_for else "",
        before=version_before(planned, every) if planned else None,
        leaving=now_leaving,
        since=_day(version.in_force_at, version) if version.in_force_at else "",
        history=[
            _say_event(one, version, every) for one in reversed(recipient_events(every)) if not _is_first(one, every)
        ],
    )
    return cacheable(page)


@blueprint.get("/privacy/security")
def security() -> Response:
    """What is done to keep data safe, who vouches for each measure and until when, or that nobody does yet."""
    version = in_force()
    if version is None:
        abort(404)
    document = _document(version)
    states = {one.clause_id: one for one in board().clauses} if services().settings.public_promises else {}
    page = render_template(
        "pages/security.html",
        here="security",
        document=document,
        lines=[_measure(one, document, states.get(one.id)) for one in document.of_kind(SafeguardClause)],
        shows_states=services().settings.public_promises,
    )
    return cacheable(page)


def _document(version: Version) -> Document:
    return version.in_language(page_language())


def _day(at: datetime, version: Version) -> str:
    return full_day(_date(at, version), page_language())


def _date(at: datetime, version: Version) -> date:
    return day_in(at, version.document.controller.timezone)


def _line(one: Recipient) -> dict[str, Any]:
    """A recipient as a row: its clause in the reader's language, where the version has it."""
    document = _document(one.version)
    translated = document.clause(one.clause.id)
    clause = translated if isinstance(translated, RecipientClause) else one.clause
    language = document.language
    return {
        "id": clause.id,
        "name": clause.name,
        "gets": _capital(said_key(clause, "of", language)),
        "why": _capital(join_words(clause.why, language)),
        "when": clause.when or "",
        "terms": clause.terms or "",
        "where": _say_region(clause.region),
        "safeguard": said(clause.safeguard, page_language()) if clause.safeguard else "",
        "since": _day(one.since, one.version) if one.since else "",
        "from_day": _day(one.version.planned_for, one.version) if not one.since and one.version.planned_for else "",
        "planned": one.since is None,
        "told": _say_told(clause.tell),
        "language": language,
    }


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _say_region(region: str | None) -> str:
    """`US` is the United States; what is no code of a country stands as it is written."""
    territories = {**Locale(page_language()).territories, "EEA": gettext("European Economic Area")}
    return ", ".join(territories.get(part.strip(), part.strip()) for part in (region or "").split(",") if part.strip())


def _say_told(tell: str | None) -> str:
    if not tell:
        return ""
    return gettext("told by mail") if tell.startswith("mailto:") else gettext("told by their interface")


def _say_role(role: Role) -> str:
    return {
        Role.PROCESSOR: gettext("They work for us, only as we tell them"),
        Role.JOINT_CONTROLLER: gettext("They decide together with us"),
        Role.CONTROLLER: gettext("They decide for themselves"),
        Role.AUTHORITY: gettext("Authorities"),
    }[role]


def _say_notice(version: Version) -> str:
    """How people hear that the list grows, as the notice clause promises."""
    clause = next(iter(version.document.of_kind(NoticeClause)), None)
    if clause is None:
        return gettext("When this list grows, the new version of the policy says so here.")
    ways = said(clause.material, page_language())
    if clause.ahead is None:
        return gettext("When this list grows, you hear of it: %(ways)s.", ways=ways)
    ahead = _say_period(clause.ahead)
    return gettext("When this list grows, you hear of it at least %(ahead)s before: %(ways)s.", ahead=ahead, ways=ways)


def _say_period(period: Period) -> str:
    return period.words(page_language())


def _leaving(version: Version, versions: list[Version]) -> str:
    """The names that the planned version no longer has."""
    planned = next((one for one in versions if one.state is VersionState.PLANNED), None)
    if planned is None:
        return ""
    stays = {one.name.casefold() for one in planned.document.of_kind(RecipientClause)}
    gone = [one.name for one in version.document.of_kind(RecipientClause) if one.name.casefold() not in stays]
    return join_words(list(dict.fromkeys(gone)), page_language())


def _is_first(event: RecipientEvent, versions: list[Version]) -> bool:
    """Whoever was in the first version was not added: they stood there from the beginning."""
    first = next((one.number for one in versions if one.in_force_at), 0)
    return event.number == first


def _say_event(event: RecipientEvent, version: Version, versions: list[Version]) -> dict[str, Any]:
    more = said_key(event.clause, "of", page_language())
    since = gettext("It got data since %(since)s.", since=_day(got_since(event, versions), version))
    texts = {
        RecipientChange.ADDED: gettext("%(name)s is new. It gets %(of)s.", name=event.clause.name, of=more),
        RecipientChange.REMOVED: f"{gettext('%(name)s gets nothing any more.', name=event.clause.name)} {since}",
        RecipientChange.WIDENED: gettext("%(name)s gets more: %(of)s.", name=event.clause.name, of=_more(event)),
    }
    return {
        "day": _day(event.at, version),
        "number": event.number,
        "text": texts[event.change],
        "change": event.change.value,
    }


def _more(event: RecipientEvent) -> str:
    return join_words([one.replace("_", " ") for one in event.more], page_language())


def _measure(clause: SafeguardClause, document: Document, state: ClauseState | None) -> dict[str, Any]:
    """One measure and who vouches for it. Where nobody has, that is what stands there, whatever the policy says."""
    attested = state is not None and state.state is State.ATTESTED and state.good_until is not None
    version = in_force()
    until = _day(state.good_until, version) if attested and state and state.good_until and version else ""
    return {
        "id": clause.id,
        "sentence": describe_clause(clause, document.language),
        "state": state.state.value if state else "",
        "until": until,
        "owner": clause.owner or "",
        "review": clause.review.words(page_language(), dative=True),
        "language": document.language,
    }
