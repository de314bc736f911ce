"""The language a page answers in: what the address says, else what the browser asks for, else that of the policy.

The page of a person's own request is in the language they used, like all that is written to them."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Response, g, has_request_context, request, url_for
from sqlalchemy.exc import SQLAlchemyError

from core.catalogue import LANGUAGES, SOURCE, catalogue, short_code
from core.errors import KeptError
from web.glance import in_force, once
from web.services import services

# Pages whose words stand in the catalogues. A page that is not here is in English, whatever is asked for.
_PUBLIC: Final = frozenset(
    f"public.{name}"
    for name in (
        "policy",
        "versions",
        "version",
        "difference",
        "recipients",
        "security",
        "promises",
        "alias",
        "requests_of_year",
    )
)
_PERSON: Final = frozenset(
    f"person.{name}"
    for name in (
        "new_request",
        "sent",
        "confirm",
        "page",
        "send_code",
        "enter_code",
        "withdraw",
        "open_package",
        "package",
        "write",
        "file",
        "propose_correction",
        "take_back_correction",
        "offer_proof",
        "add_address",
        "confirm_address",
        "stop",
        "asker",
        "for_me",
        "deny_asker",
        "keep",
        "hand_off",
        "appeal",
    )
)
NEGOTIATED: Final = _PUBLIC | _PERSON | {"public.badge", "tasks.task", "tasks.telling", "preferences.page"}
# Named to search engines in every language; the rest is for one person.
_INDEXED: Final = _PUBLIC | {"person.new_request"}
# Addresses that take a form and show nothing by themselves: a link to another language leads to their page.
_PAGE_OF: Final = {
    "person.send_code": "person.page",
    "person.enter_code": "person.page",
    "person.withdraw": "person.page",
    "person.open_package": "person.page",
    "person.package": "person.page",
    "person.certificate": "person.page",
    "person.write": "person.page",
    "person.propose_correction": "person.page",
    "person.take_back_correction": "person.page",
    "person.offer_proof": "person.page",
    "person.add_address": "person.page",
    "person.deny_asker": "person.page",
    "person.file": "person.page",
    "person.appeal": "person.page",
}
# What a form sent there did is shown once: its address shows something else afterwards.
_SHOWN_ONCE: Final = frozenset(
    {
        "person.confirm",
        "person.confirm_address",
        "person.stop",
        "person.keep",
        "person.hand_off",
        "tasks.task",
        "tasks.telling",
    }
)
_CHOSEN, _FIXED = "kept_language", "kept_language_fixed"
# These pass the choice on without being written in any language themselves.
_LEADS_ON: Final = frozenset({"public.home", "public.choose_difference"})
# What an address may say besides its path, and says in the other language too.
_PASSED_ON: Final = ("view", "right", "sent", "saved")
_NOT_OURS: Final = ("/console", "/api/")


def gettext(message: str, **values: Any) -> str:
    """A message in the language of the page; `%(name)s` in it takes the value of that name."""
    said = catalogue(page_language()).gettext(message)
    return said % values if values else said


def ngettext(one: str, many: str, number: int, **values: Any) -> str:
    """A message that depends on a number, in the language of the page; `%(num)s` is the number."""
    return catalogue(page_language()).ngettext(one, many, number) % ({"num": number} | values)


def offered() -> tuple[str, ...]:
    """The languages of this installation's pages, as `service.languages` lists them."""
    return tuple(one for one in services().settings.service.languages if one in LANGUAGES) or (SOURCE,)


def asked_language() -> str:
    """The language that the address names with `?lang=`, '' where it names none that is offered."""
    asked = request.args.get("lang", "")
    return asked if asked in offered() else ""


def page_language() -> str:
    """The language of the words on this page."""
    if not has_request_context() or not is_negotiated():
        return SOURCE
    return once(_CHOSEN, _choose)


def use_language(language: str) -> None:
    """From here on this answer is in one language, whatever was asked for: that of the person it is for."""
    if language in LANGUAGES:
        setattr(g, _CHOSEN, language)
        setattr(g, _FIXED, language)


def is_negotiated() -> bool:
    """Whether this answer is a page that depends on the language that is asked for."""
    if request.endpoint is None or request.endpoint == "public.alias":
        return not request.path.startswith(_NOT_OURS)
    return request.endpoint in NEGOTIATED and (request.view_args or {}).get("form", "html") == "html"


def language_links() -> list[dict[str, Any]]:
    """This page in every language that is offered; none where there is no choice."""
    if len(offered()) == 1 or not is_negotiated() or _fixed():
        return []
    if request.method == "POST" and request.endpoint in _SHOWN_ONCE:
        return []
    here = page_language()
    return [
        {"code": code, "word": LANGUAGES[code], "here": code == here, "href": _same_page(code)} for code in offered()
    ]


def alternates() -> list[dict[str, str]]:
    """The whole addresses of this page in every language, for search engines."""
    if request.endpoint is not None and request.endpoint not in _INDEXED:
        return []
    base = services().settings.service.base_url.rstrip("/")
    links = [{"code": str(one["code"]), "href": f"{base}{one['href']}"} for one in language_links()]
    return [*links, {"code": "x-default", "href": f"{base}{request.path}"}] if links else []


def set_up_languages(app: Flask) -> None:
    """Let a choice in the address lead from page to page, since no cookie remembers it; say in each answer what it depends on."""

    @app.url_defaults
    def pass_choice_on(endpoint: str, values: dict[str, Any]) -> None:
        if not has_request_context() or "lang" in values or values.get("form", "html") != "html":
            return
        if (
            endpoint in NEGOTIATED | _LEADS_ON
            and (is_negotiated() or request.endpoint in _LEADS_ON)
            and (chosen := asked_language() or _fixed())
        ):
            values["lang"] = chosen

    @app.after_request
    def say_language(response: Response) -> Response:
        if is_negotiated() and not 300 <= response.status_code < 304:
            response.vary.add("Accept-Language")
            if response.status_code != 304 and response.mimetype == "text/html":
                response.content_language.add(page_language())
        return response


def _fixed() -> str:
    return str(g.get(_FIXED, ""))


def _choose() -> str:
    if asked := asked_language():
        return asked
    for wanted, quality in request.accept_languages:
        # Werkzeug's own best match takes `en` before `de-AT` where `de` is offered.
        if quality > 0 and (primary := wanted.partition("-")[0].lower()) in offered():
            return primary
    try:
        version = in_force()
    except (KeptError, SQLAlchemyError):
        version = None  # the page that says what is wrong is written in some language all the same
    original = short_code(version.document.language) if version else ""
    return original if original in offered() else offered()[0]


def _same_page(code: str) -> str:
    if request.endpoint is None or request.endpoint == "public.alias":
        return url_for("public.policy", lang=code)
    # Only what is known goes on: `url_for` reads some names as its own.
    kept: dict[str, Any] = {name: request.args[name] for name in _PASSED_ON if name in request.args}
    endpoint = _PAGE_OF.get(request.endpoint, request.endpoint)
    if request.endpoint == "person.enter_code":
        kept["sent"] = "yes"
    return url_for(endpoint, **(request.view_args or {}), **kept, lang=code)
