"""Mail out in the console: each mail with its state, its tries and its text, the three things a person may do, and the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from email.parser import BytesHeaderParser
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from core.errors import Conflict, NotFound
from core.operators import Permission
from notify.mail_kinds import kind_of
from notify.mailbox import StoredMail
from notify.outbox_desk import OutgoingView
from notify.tables import MailState, SentMailRow
from web.console.actors import actor_names
from web.console.outbox_words import LOOKS, NATURE_WORDS, Look, say_try
from web.console_blueprint import blueprint
from web.glance import stuck_mails
from web.services import services

PAGE: Final = 50
MOST_FILES: Final = 100
FILE_HEADERS: Final = ("From", "To", "Date", "Message-ID", "Auto-Submitted")
FILES: Final = "files"


@dataclass(frozen=True, kw_only=True)
class _Filter:
    """What the address says to show."""

    state: str
    event: str
    before: str


@blueprint.get("/outbox")
def outbox() -> str:
    """The mails, the newest first, all or those of one state or event; or the files of var/outbox."""
    if request.args.get("view") == FILES:
        return _files()
    asked, desk = _asked(), services().outbox
    counts = desk.counts()
    if not sum(counts.values()) and services().mailbox.list_mails(limit=1):
        return _files()
    found = desk.list_mails(
        state=asked.state or None, event=asked.event or None, limit=PAGE + 1, before=asked.before or None
    )
    shown = found[:PAGE]
    return render_template(
        "console/outbox.html",
        here="outbox",
        says=_say_where(),
        views=_views(False),
        lines=[(one, LOOKS[one.state], kind_of(one.event).name) for one in shown],
        state_chips=_state_chips(asked, counts),
        event_chips=_event_chips(asked, desk.events()),
        stuck=[(LOOKS[one], number) for one, number in stuck_mails().items()],
        is_filtered=bool(asked.state or asked.event),
        is_paged=bool(asked.before),
        older=_address(asked, before=shown[-1].id) if len(found) > PAGE else "",
        newest=_address(asked) if asked.before else "",
        is_empty=not sum(counts.values()),
    )


@blueprint.get("/outbox/<name>")
def outgoing(name: str) -> str:
    """One mail; a name with an @ is that of a file."""
    if "@" in name:
        return _file(name)
    view = services().outbox.mail(name)
    return _page(view)


@blueprint.post("/outbox/<mail_id>/retry")
def retry_mail(mail_id: str) -> Response | tuple[str, int]:
    """Have a mail tried again, at once."""
    return _act(mail_id, services().outbox.retry, "The mail is tried again now.")


@blueprint.post("/outbox/<mail_id>/give-up")
def give_up_mail(mail_id: str) -> Response | tuple[str, int]:
    """End a mail that has not left."""
    return _act(mail_id, services().outbox.give_up, "The mail is given up: nothing tries it again by itself.")


@blueprint.post("/outbox/<mail_id>/arrived")
def take_mail_as_arrived(mail_id: str) -> Response | tuple[str, int]:
    """Settle a mail of which nobody knew: somebody found out that it arrived."""
    return _act(mail_id, services().outbox.arrived, "The mail counts as sent: it arrived.")


def _act(mail_id: str, act: Callable[..., None], done: str) -> Response | tuple[str, int]:
    try:
        act(mail_id, by=current_user.operator.id)
    except Conflict as error:
        return _page(services().outbox.mail(mail_id), problem=str(error)), error.status
    flash(done)
    return redirect(url_for("console.outgoing", name=mail_id))


def _page(view: OutgoingView, problem: str = "") -> str:
    line, kind = view.line, kind_of(view.line.event)
    may = current_user.operator.may(Permission.WORK_REQUESTS)
    names = actor_names()
    return render_template(
        "console/outgoing.html",
        here="outbox",
        view=view,
        line=line,
        kind=kind,
        look=LOOKS[line.state],
        nature=NATURE_WORDS[line.nature],
        ticket=url_for("console.ticket", ref=line.ref) if _is_ticket(line.ref) else "",
        tries=[(LOOKS[one.state], say_try(one, names), one.at) for one in view.tries],
        retry=url_for("console.retry_mail", mail_id=line.id) if may and line.can_retry else "",
        give_up=url_for("console.give_up_mail", mail_id=line.id) if may and line.can_give_up else "",
        arrived=url_for("console.take_mail_as_arrived", mail_id=line.id) if may and line.can_arrive else "",
        says=_say_state(view, LOOKS[line.state]),
        words=url_for("console.mail_word", event=line.event),
        problem=problem,
    )


def _is_ticket(ref: str | None) -> bool:
    if not ref:
        return False
    try:
        services().requests.view(ref)
    except NotFound:  # a thread of letters, or a request that is forgotten
        return False
    return True


def _say_state(view: OutgoingView, look: Look) -> str:
    if view.line.state is MailState.UNCERTAIN and view.repeats:
        return (
            "It went to the server, which fell silent. It is sent again by itself: an answer rather twice than never."
        )
    return look.says


def _asked() -> _Filter:
    given = {name: request.args.get(name, "")[:60] for name in ("state", "event", "before")}
    return _Filter(**given)


def _address(asked: _Filter, **changed: str) -> str:
    wanted = {"state": asked.state, "event": asked.event, **changed}
    shown: dict[str, Any] = {name: value for name, value in wanted.items() if value}
    return url_for("console.outbox", **shown)


def _state_chips(asked: _Filter, counts: Any) -> list[dict[str, Any]]:
    first = {"word": "All", "href": _address(asked, state=""), "here": not asked.state}
    return [first] + [
        {"word": LOOKS[one].word, "href": _address(asked, state=one.value), "here": asked.state == one, "count": counts[one]}
        for one in MailState
        if counts[one] or asked.state == one
    ]  # fmt: skip


def _event_chips(asked: _Filter, events: list[str]) -> list[dict[str, Any]]:
    if len(events) < 2:
        return []
    first = {"word": "Every mail", "href": _address(asked, event=""), "here": not asked.event}
    return [first] + [
        {"word": kind_of(one).name, "href": _address(asked, event=one), "here": asked.event == one} for one in events
    ]


def _views(files: bool) -> list[dict[str, Any]]:
    if services().settings.mail.smtp is not None and not services().mailbox.list_mails(limit=1):
        return []
    return [
        {"word": "Mails", "href": url_for("console.outbox"), "here": not files},
        {"word": "Files", "href": url_for("console.outbox", view=FILES), "here": files},
    ]


def _files() -> str:
    found = services().mailbox.list_mails(limit=MOST_FILES + 1)
    shown = found[:MOST_FILES]
    known = _known([one.name.partition("@")[0] for one in shown])
    return render_template(
        "console/outbox_files.html",
        here="outbox",
        says=_say_where(),
        views=_views(True),
        files=[(one, _link(one, known)) for one in shown],
        more=len(found) > MOST_FILES,
        to_files=services().settings.mail.smtp is None,
    )


def _link(one: StoredMail, known: set[str]) -> str:
    mail_id = one.name.partition("@")[0]
    return url_for("console.outgoing", name=mail_id if mail_id in known else one.name)


def _known(ids: list[str]) -> set[str]:
    with services().database.read() as session:
        return set(session.execute(sa.select(SentMailRow.id).where(SentMailRow.id.in_(ids))).scalars())


def _file(name: str) -> str:
    mailbox = services().mailbox
    found = mailbox.read_mail(name)
    headers = BytesHeaderParser(policy=policy.default).parsebytes(mailbox.read_source(name))
    return render_template(
        "console/outbox_file.html",
        here="outbox",
        mail=found,
        headers=[(header, str(headers[header])) for header in FILE_HEADERS if headers[header]],
    )


def _say_where() -> str:
    smtp = services().settings.mail.smtp
    if smtp is None:
        return "No mail server is set in kept.yaml, so mail is written to var/outbox and reaches nobody."
    server = urlsplit(smtp)  # its user and password stay out of pages
    return f"Mail goes out by {server.hostname}{f':{server.port}' if server.port else ''}."
