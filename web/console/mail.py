"""Mail in the console: what was written to var/outbox, or where mail goes instead. The text is shown, never the HTML."""

from __future__ import annotations

from email import policy
from email.parser import BytesHeaderParser
from typing import Final
from urllib.parse import urlsplit

from flask import render_template

from web.console_blueprint import blueprint
from web.services import services

PAGE: Final = 100
HEADERS: Final = ("From", "To", "Date", "Message-ID", "Auto-Submitted")


@blueprint.get("/outbox")
def outbox() -> str:
    """The mails that were written to files, the newest first."""
    kept = services()
    smtp = kept.settings.mail.smtp
    found = kept.mailbox.list_mails(limit=PAGE + 1)
    return render_template(
        "console/outbox.html",
        here="outbox",
        to_files=smtp is None,
        says=_say_where(smtp),
        mails=found[:PAGE],
        more=len(found) > PAGE,
    )


@blueprint.get("/outbox/<name>")
def mail(name: str) -> str:
    """One mail: its headers and its text."""
    mailbox = services().mailbox
    found = mailbox.read_mail(name)
    headers = BytesHeaderParser(policy=policy.default).parsebytes(mailbox.read_source(name))
    return render_template(
        "console/mail.html",
        here="outbox",
        mail=found,
        headers=[(header, str(headers[header])) for header in HEADERS if headers[header]],
    )


def _say_where(smtp: str | None) -> str:
    if smtp is None:
        return "No mail server is set in kept.yaml, so mail is written to var/outbox and reaches nobody."
    server = urlsplit(smtp)  # its user and password stay out of pages
    return f"Mail goes out by {server.hostname}{f':{server.port}' if server.port else ''}. What stands here was written before that was set."
