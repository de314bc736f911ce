"""What every page is given: navigation, pulse, theme, controller; and the theme switch."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from flask import Blueprint, Flask, Response, get_flashed_messages, redirect, request, url_for
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

from core.errors import KeptError
from core.operators import Permission
from policies.clauses import RecipientClause, SafeguardClause
from policies.standing import newest_change
from promises.states import State
from web.glance import (
    count_states,
    in_force,
    inbox_says,
    last_ledger_check,
    open_requests,
    overdue_tasks,
    published,
    shown_years,
    stuck_mails,
    waiting_approvals,
    waiting_letters,
)
from web.languages import alternates, gettext, language_links, page_language
from web.security import own_path
from web.services import WebServices, services

log = structlog.get_logger()
THEME_COOKIE = "kept_theme"
THEMES = ("light", "dark")
theme = Blueprint("theme", __name__)


@theme.post("/theme")
def choose_theme() -> Response:
    """Remember light or dark, or go back to the system's; then back to the page it was asked on."""
    answer = redirect(own_path(request.form.get("back", "/"), "/"))
    choice = request.form.get("theme", "")
    if choice in THEMES:
        answer.set_cookie(THEME_COOKIE, choice, max_age=365 * 24 * 3600, httponly=True, samesite="Lax")
    else:
        answer.delete_cookie(THEME_COOKIE)
    return answer  # type: ignore[return-value]


def set_up_context(app: Flask) -> None:
    """Hand the frame's data to every template."""
    app.register_blueprint(theme)
    app.context_processor(_frame)


def _frame() -> dict[str, Any]:
    kept = services()
    frame: dict[str, Any] = {"now": kept.clock.now(), "language": page_language()}
    try:
        return frame | (_console_frame(kept) if request.path.startswith("/console") else _public_frame(kept))
    except (KeptError, SQLAlchemyError) as error:
        # The page that says so needs no frame, and must not fail on the way to it.
        log.error("web.no_frame", endpoint=request.endpoint, error=type(error).__name__)
        return frame


def _controller() -> dict[str, str]:
    version = in_force()
    if version is None:
        return {"name": gettext("This service"), "email": "", "timezone": "UTC"}
    controller = version.document.controller
    return {"name": controller.name, "email": controller.email, "timezone": controller.timezone}


def controller_zone() -> ZoneInfo:
    """The zone in which pages say times: that of the controller."""
    return ZoneInfo(_controller()["timezone"])


def _public_frame(kept: WebServices) -> dict[str, Any]:
    # No theme here: a public page sets no cookie, so it follows the system.
    controller = _controller()
    return {
        "controller": controller,
        "site_nav": _site_links(kept),
        "foot_nav": _foot_links(),
        "feeds": _feeds(),
        "languages": language_links(),
        "alternates": alternates(),
        "tz": ZoneInfo(controller["timezone"]),
        "home_href": url_for("public.policy"),
    }


def _site_links(kept: WebServices) -> list[dict[str, str]]:
    version, change = in_force(), newest_change(published())
    links = [{"href": url_for("public.policy"), "word": gettext("Policy"), "key": "policy"}]
    if change:
        href = url_for("public.difference", old=change[0].number, new=change[1].number)
        links.append({"href": href, "word": gettext("What changed"), "key": "changes"})
    links.append({"href": url_for("person.new_request"), "word": gettext("Make a request"), "key": "request"})
    if version and version.document.of_kind(RecipientClause):
        links.append({"href": url_for("public.recipients"), "word": gettext("Recipients"), "key": "recipients"})
    if kept.settings.public_promises:
        links.append({"href": url_for("public.promises"), "word": gettext("Promises"), "key": "promises"})
    return links


def _foot_links() -> list[dict[str, str]]:
    version = in_force()
    links = [{"href": url_for("public.versions"), "word": gettext("Every version")}]
    if version and version.document.of_kind(SafeguardClause):
        links.append({"href": url_for("public.security"), "word": gettext("Security")})
    if years := shown_years():
        href = url_for("public.requests_of_year", year=years[0], form="html")
        links.append({"href": href, "word": gettext("Requests in %(year)s", year=years[0])})
    return links + [{"href": one["href"], "word": gettext("Feed of changes")} for one in _feeds()[:1]]


def _feeds() -> list[dict[str, str]]:
    return [
        {"href": url_for("feeds.versions"), "title": gettext("Versions of the policy")},
        {"href": url_for("feeds.recipients"), "title": gettext("Recipients")},
    ]


def _console_frame(kept: WebServices) -> dict[str, Any]:
    controller = _controller()
    chosen = request.cookies.get(THEME_COOKIE, "")
    frame: dict[str, Any] = {
        "site_name": controller["name"],
        "tz": ZoneInfo(controller["timezone"]),
        "home_href": url_for("console.home"),
        "theme": chosen if chosen in THEMES else "",
        "toasts": [{"state": "kept", "text": text, "href": "", "act": ""} for text in get_flashed_messages()],
    }
    if not current_user.is_authenticated:
        return frame
    operator = current_user.operator
    return frame | {
        "theme_action": url_for("theme.choose_theme"),
        "theme_back": request.full_path.rstrip("?") if request.method == "GET" else url_for("console.home"),
        "nav": _navigation(kept.clock.now().astimezone(frame["tz"]).date()),
        "pulse": _pulse(kept),
        "operator": {"name": operator.name, "href": ""},
        "sign_out": url_for("signin.sign_out"),
        "search_href": url_for("console.requests"),
        "open_href": url_for("console.open_request") if operator.may(Permission.WORK_REQUESTS) else "",
    }


def _navigation(today: date) -> list[dict[str, Any]]:
    def link(endpoint: str, icon: str, word: str, key: str, count: int = 0, state: str = "") -> dict[str, Any]:
        return {"href": url_for(endpoint), "icon": icon, "word": word, "key": key, "count": count, "state": state}

    requests = open_requests(today)
    first = [
        link("console.home", "home", "Home", "home"),
        link("console.requests", "inbox", "Requests", "requests", requests.number),
    ]
    if requests.overdue:
        late = link("console.requests", "broken", "Overdue", "overdue", requests.overdue, "broken")
        first.append(late | {"href": url_for("console.requests", state="overdue")})
    letters = waiting_letters().count
    first.append(link("console.letters", "mail", "Mail", "mail", letters, "now" if letters else ""))
    overdue = overdue_tasks()
    first.append(link("console.tasks", "manual", "Work for people", "tasks", overdue, "broken" if overdue else ""))
    first.append(link("console.figures", "board", "Figures", "figures"))
    promises = [
        link("console.promises", "board", "Board", "board", count_states()[State.BROKEN], "broken"),
        link("console.policy", "policy", "Policy", "policies"),
        link("console.retention", "retention", "Retention", "retention", len(waiting_approvals()), "due"),
    ]
    stuck = sum(stuck_mails().values())
    evidence = [
        link("console.ledger", "ledger", "Ledger", "ledger"),
        link("console.reports", "report", "Reports", "reports"),
        link("console.outbox", "send", "Outbox", "outbox", stuck, "broken" if stuck else ""),
        link("console.mails", "note", "Words of mails", "mails"),
        link("console.opt_outs", "held", "Opt-outs", "opt-outs"),
        link("console.disclosures", "policy", "Disclosures", "disclosures"),
        link("console.webhooks", "arrow", "Webhooks", "webhooks"),
    ]
    return [
        {"group": "", "items": first},
        {"group": "Promises", "items": promises},
        {"group": "Evidence", "items": evidence},
    ]


def _pulse(kept: WebServices) -> dict[str, Any]:
    latest, check = kept.ledger.latest(), last_ledger_check()
    return {
        "ledger_ok": None if check is None else not check.note,
        "checkpoint_size": latest.size if latest else 0,
        "checkpoint_at": latest.at if latest else None,
        "says": inbox_says(),
    }
