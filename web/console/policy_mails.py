"""The mail about a version in the console, as people get it: its text is shown, never its HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any, Final

from babel import Locale
from flask import render_template, request, url_for
from flask_login import current_user

from core.errors import Conflict
from core.operators import Permission
from core.personal import Personal
from notify.campaign_mails import Letter
from notify.campaign_tables import Stage
from policies.documents import Document
from web.console_blueprint import blueprint
from web.services import services

PREVIEW: Final = "preview"


@dataclass(frozen=True, kw_only=True)
class ShownMail:
    """A mail as somebody would get it who has no name with us."""

    subject: str
    sender: str
    text: str


@blueprint.get("/policy/versions/<int(max=2147483647):number>/campaign/mail")
def campaign_mail(number: int) -> str:
    """The mail that tells of a version, or that it will not come."""
    kept, asked = services(), request.args.get("stage", "")
    stage = Stage(asked) if asked in set(Stage) else Stage.NOTICE
    with kept.database.read() as session:
        version = kept.policies.version(session, number)
        row = kept.campaigns.row(session, number, stage)
        letter = kept.letters.letter(session, row, _language())
    return render_template(
        "console/policy_mail.html",
        here="policies",
        mail=_read(letter),
        title=f"The mail about version {number}",
        crumbs=[(f"Version {number}", url_for("console.policy_version", number=number))],
        languages=_languages(version.documents, number=number, stage=stage.value),
        preview=url_for("console.preview_campaign", number=number) if _may() and stage is Stage.NOTICE else "",
    )


@blueprint.get("/policy/drafts/<draft_id>/mail")
def draft_mail(draft_id: str) -> str:
    """The mail that publishing a draft now would send."""
    kept = services()
    with kept.database.read() as session:
        draft, in_force = kept.drafts.draft(session, draft_id), kept.policies.in_force(session)
    documents = draft.read().documents
    if not documents or in_force is None:
        raise Conflict("There is no mail about this draft.", remedy="It has to be readable, and follow a version.")
    document = next((one for one in documents if one.language == _language()), documents[0])
    letter = kept.letters.draft(in_force.in_language(document.language), document)
    return render_template(
        "console/policy_mail.html",
        here="policies",
        mail=_read(letter),
        title="The mail about this draft",
        crumbs=[("Draft", url_for("console.draft", draft_id=draft_id))],
        languages=_languages(documents, draft_id=draft_id),
        preview="",
    )


def _read(letter: Letter) -> ShownMail:
    envelope = letter.envelope(name=PREVIEW, to=Personal(current_user.operator.email), person=None)
    message = message_from_bytes(envelope.content, policy=policy.default)
    body = message.get_body(preferencelist=("plain",))
    text = str(body.get_content()).replace("\r\n", "\n") if body else ""
    return ShownMail(subject=str(message["Subject"]), sender=str(message["From"]), text=text)


def _languages(documents: Sequence[Document], **more: Any) -> list[dict[str, Any]]:
    shown = next((one for one in documents if one.language == _language()), documents[0])
    assert request.endpoint is not None
    return [
        {
            "word": str(Locale(one.language).get_display_name("en")),
            "href": url_for(request.endpoint, **more, language=one.language),
            "here": one is shown,
        }
        for one in documents
    ]


def _language() -> str | None:
    return request.args.get("language") or None


def _may() -> bool:
    return bool(current_user.operator.may(Permission.PUBLISH_POLICY))
