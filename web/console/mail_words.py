"""The words of mails in the console: every mail with example data in each language, and the blocks that may be worded here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from babel import Locale
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import BadInput, Conflict, NotFound
from core.operators import Permission
from notify.mail_kinds import KINDS, PARTS, MailKind
from notify.mail_natures import nature_of
from notify.wording import BLOCK_HINTS, BLOCK_NAMES, LONGEST_BLOCK, LONGEST_SUBJECT, Wording, WordsRefused
from web.console.actors import actor_names, say_actor
from web.console.outbox_words import NATURE_WORDS
from web.console_blueprint import blueprint
from web.security import CONTENT_POLICY
from web.services import services

Answer = Response | str | tuple[str, int]
# The page may hold a frame of our own; what is in the frame may do nothing at all.
FRAME_POLICY: Final = f"{CONTENT_POLICY}; frame-src 'self'"
MAIL_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"


@blueprint.get("/mails")
def mails() -> str:
    """Every mail: what it is for, who gets it, and in which languages it has words of its own."""
    changed: dict[str, list[str]] = {}
    for event, language in sorted(services().wordings.changed()):
        changed.setdefault(event, []).append(_name(language))
    groups: dict[str, list[dict[str, Any]]] = {}
    for event, kind in KINDS.items():
        nature, own = NATURE_WORDS[nature_of(event)], ", ".join(changed.get(event, ()))
        groups.setdefault(kind.to, []).append({"event": event, "kind": kind, "nature": nature, "changed": own})
    return render_template(
        "console/mails.html", here="mails", groups=list(groups.items()), total=len(KINDS), changed=len(changed)
    )


@blueprint.get("/mails/<event>")
def mail_word(event: str) -> Response:
    """One mail in one language with example data, and its words."""
    return _framed(_page(event))


@blueprint.get("/mails/<event>/html")
def mail_html(event: str) -> Response:
    """The HTML of a mail with example data, for the frame: nothing in it runs, loads or leads anywhere."""
    _kind(event)
    return _only_html(services().wordings.preview(event, _language()).html)


@blueprint.post("/mails/<event>/html")
def try_mail_html(event: str) -> Response:
    """The same in words that are only tried."""
    kind, desk, language = _kind(event), services().wordings, _language()
    try:
        own = desk.clean(event, language, _typed(kind))
    except WordsRefused:  # the page beside it says what is wrong
        own = desk.current(event, language).blocks
    return _only_html(desk.preview(event, language, own).html)


@blueprint.post("/mails/<event>")
def change_mail(event: str) -> Answer:
    """Look at words before they hold, or let them hold."""
    kind, desk, language = _kind(event), services().wordings, _language()
    typed = _typed(kind)
    try:
        own = desk.clean(event, language, typed)
        if request.form.get("act") != "save":
            return _framed(_page(event, typed=typed, tried=own))
        desk.save(event, language, typed, by=current_user.operator.id, after=_number())
    except WordsRefused as refused:
        return _framed(_page(event, typed=typed, problems=refused.problems), refused.status)
    except (Conflict, BadInput) as error:
        return _framed(_page(event, typed=typed, problems={"": str(error)}), error.status)
    flash("These words hold from the next mail on.")
    return redirect(_address(event, language))


@blueprint.post("/mails/<event>/original")
def restore_mail(event: str) -> Answer:
    """Back to the original, in one click; what was there stays in the list of versions."""
    language = _language()
    _kind(event)
    try:
        services().wordings.restore(event, language, by=current_user.operator.id, after=_number())
    except (Conflict, BadInput) as error:
        return _framed(_page(event, problems={"": str(error)}), error.status)
    flash("The original holds again.")
    return redirect(_address(event, language))


def _page(
    event: str,
    *,
    typed: Mapping[str, str] | None = None,
    tried: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> str:
    kind, desk, language = _kind(event), services().wordings, _language()
    current, originals = desk.current(event, language), desk.originals(event, language)
    values = typed if typed is not None else {**originals, **current.blocks}
    return render_template(
        "console/mail_words.html",
        here="mails",
        event=event,
        kind=kind,
        nature=NATURE_WORDS[nature_of(event)],
        language_code=language,
        languages=_languages(event, kind, language),
        mail=desk.preview(event, language, tried),
        is_tried=tried is not None,
        html=url_for("console.mail_html", event=event, language=language),
        current=current,
        faults=list(desk.faults(event, language).values()),
        fields=[_field(name, values, originals, problems or {}) for name in kind.blocks],
        problems=list((problems or {}).items()),
        names=[(name, PARTS[name].says, value) for name, value in desk.names(event, language).items()],
        needs=[PARTS[name].says for name in kind.needs],
        versions=_versions(event, language),
        may=current_user.operator.may(Permission.PUBLISH_POLICY),
        longest=LONGEST_BLOCK,
        longest_subject=LONGEST_SUBJECT,
    )


def _field(
    name: Any, values: Mapping[str, str], originals: Mapping[str, str], problems: Mapping[str, str]
) -> dict[str, Any]:
    words = values.get(name, "")
    return {
        "name": str(name),
        "label": BLOCK_NAMES[name],
        "hint": BLOCK_HINTS[name],
        "value": words,
        "original": originals.get(name, ""),
        "error": problems.get(name, ""),
        "rows": min(14, max(2, 2 + words.count("\n") + len(words) // 40)),
    }


def _versions(event: str, language: str) -> list[dict[str, Any]]:
    names = actor_names()

    def say(one: Wording) -> str:
        return ", ".join(BLOCK_NAMES[name].lower() for name in BLOCK_NAMES if name in one.blocks) or "the original"

    return [
        {"number": one.number, "at": one.at, "by": say_actor(one.by, names), "what": say(one), "blocks": one.blocks}
        for one in services().wordings.versions(event, language)
    ]


def _kind(event: str) -> MailKind:
    if event not in KINDS:
        raise NotFound("There is no such mail.", remedy="Look at the list of mails.")
    return KINDS[event]


def _languages(event: str, kind: MailKind, here: str) -> list[dict[str, Any]]:
    codes = services().settings.service.languages if kind.blocks else [here]
    return [{"word": _name(one), "href": _address(event, one), "here": one == here} for one in codes]


def _language() -> str:
    known = list(services().settings.service.languages)
    asked = request.values.get("language", "")
    return asked if asked in known else known[0]


def _name(language: str) -> str:
    return str(Locale(language).get_display_name("en"))


def _address(event: str, language: str) -> str:
    return url_for("console.mail_word", event=event, language=language)


def _typed(kind: MailKind) -> dict[str, str]:
    return {str(name): request.form.get(str(name), "")[: LONGEST_BLOCK * 2] for name in kind.blocks}


def _number() -> int:
    typed = request.form.get("number", "")
    return int(typed) if typed.isdecimal() and len(typed) < 9 else -1


def _framed(page: str, status: int = 200) -> Response:
    return Response(
        page, status, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": FRAME_POLICY}
    )


def _only_html(html: str) -> Response:
    return Response(html, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": MAIL_POLICY})
