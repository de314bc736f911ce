"""The mails of a campaign: written once for each language, then made out to each person by filling in five places."""

from __future__ import annotations

import quopri
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any, Final

from sqlalchemy.orm import Session

from core.clock import Clock, day_in
from core.personal import Personal
from core.words import full_day, long_day
from notify.campaign_tables import CampaignRow, Stage
from notify.campaign_words import words_in
from notify.mail_headers import clean_line, make_message_id
from notify.mail_purposes import find_purpose
from notify.mail_writing import MailWriter, OwnWords, TextRenderer
from notify.transport import Envelope, MailRefused
from policies.clause_differences import ClauseChange, compare_clauses
from policies.clauses import RetentionClause, Right, RightClause
from policies.documents import Document
from policies.materiality import Weight
from policies.versions import Policies, Version, VersionState

MOST_CHANGES: Final = 20
MOST_SMALLER: Final = 6
LONGEST_NAME: Final = 60
_FOLDER: Final = {Stage.NOTICE: "policy_change", Stage.WITHDRAWN: "policy_withdrawn"}
# What is filled in for each person. Each stands on a line of its own, so that the encoding of its neighbours stays as it is.
_GREETING: Final = "KEPT-GREETING"
_GREETING_HTML: Final = "KEPT-GREETING-HTML"
_TO: Final = "kept-recipient@kept.invalid"
_ID: Final = "<kept-message@kept.invalid>"
_NAME: Final = "{name}"
_DATE: Final = "Thu, 01 Jan 1970 00:00:00 +0000"
_ASKABLE: Final = frozenset({Right.ACCESS, Right.CORRECTION, Right.DELETION})
_REFUSABLE: Final = frozenset({Right.OBJECTION, Right.OPT_OUT, Right.WITHDRAW_CONSENT})
_SEAMS: Final = re.compile(b"|".join(re.escape(word.encode()) for word in (_GREETING_HTML, _GREETING, _TO, _ID, _DATE)))


class Letter:
    """One mail in one language, encoded, with places left open for the person."""

    def __init__(self, message: EmailMessage, *, sender: str, hello: str, clock: Clock) -> None:
        content = message.as_bytes(policy=policy.SMTP)
        self._parts = _SEAMS.split(content)
        self._seams = _SEAMS.findall(content)
        self._sender = parseaddr(sender)[1]
        self._message_id = make_message_id(_NAME, sender)
        self._hello = hello
        self._clock = clock

    def envelope(
        self, *, name: str, to: Personal, person: Personal | None, headers: Mapping[str, str] | None = None
    ) -> Envelope:
        """The mail to one address (as `mailable` gives it); its Message-ID is made of `name`. `headers`: further ones."""
        message_id = self._message_id.replace(_NAME, name)
        greeting = _greeting(self._hello, person)
        filled = {
            _GREETING: _encoded(greeting), _GREETING_HTML: _encoded(escape(greeting)), _TO: to.reveal().encode(),
            _ID: message_id.encode(), _DATE: format_datetime(self._clock.now()).encode(),
        }  # fmt: skip
        pieces = [self._parts[0]]
        for seam, part in zip(self._seams, self._parts[1:], strict=True):
            pieces += [filled[seam.decode()], part]
        more = b"".join(f"{header}: {value}\r\n".encode() for header, value in (headers or {}).items())
        return Envelope(message_id=message_id, sender=self._sender, to=to, content=more + b"".join(pieces))


@dataclass(frozen=True, kw_only=True)
class _When:
    """When a version takes effect, in words; `day` for the subject."""

    label: str
    value: str
    note: str = ""
    day: str = ""


class Letters:
    """Writes the mails of versions. `sender` is a mailbox as RFC 5322 writes it; `base_url` is where links lead; `mark`
    names this installation in `X-Kept`; `purpose`: the clause that they go out under, where that is another than their event's."""

    def __init__(
        self,
        renderer: TextRenderer,
        policies: Policies,
        *,
        sender: str,
        base_url: str,
        clock: Clock,
        words: Callable[[str, str], OwnWords] | None = None,
        mark: str = "",
        purpose: str = "",
    ) -> None:
        self._mark = mark
        self._purpose = purpose
        self._writer = MailWriter(renderer, words)
        self._policies = policies
        self._sender = sender
        self._base_url = base_url
        self._clock = clock

    def of(self, session: Session, row: CampaignRow) -> Callable[[str | None], Letter]:
        """The letter of a campaign for a person's language, each written when it is first asked for."""
        version, previous = self._policies.version(session, row.version), self._policies.version(session, row.previous)
        newest = self._policies.in_force(session)
        known: dict[str, Letter] = {}

        def letter(language: str | None) -> Letter:
            document = version.in_language(language or version.document.language)
            if document.language not in known:
                known[document.language] = self._write(row, version, previous, document, newest)
            return known[document.language]

        return letter

    def event(self, session: Session, row: CampaignRow) -> str:
        """The name under which its nature stands: a mail of a change that takes nothing from anybody can be declined."""
        if Stage(row.stage) is Stage.WITHDRAWN:
            return _FOLDER[Stage.WITHDRAWN]
        weight = self._policies.version(session, row.version).weight
        return _FOLDER[Stage.NOTICE] if weight is Weight.MATERIAL else "policy_change_minor"

    def find_purpose(self, session: Session, row: CampaignRow) -> str:
        """The clause that the mails of a campaign go out under. Raises MailRefused where no policy names it."""
        in_force = self._policies.in_force(session)
        event = self.event(session, row)
        try:
            return find_purpose(event, self._purpose, in_force.document if in_force else None)
        except MailRefused as error:
            remedy = "Nobody is told until a policy names it with a clause `purpose`; then it goes on by itself."
            raise MailRefused(error.message, remedy=remedy) from error

    def letter(self, session: Session, row: CampaignRow, language: str | None) -> Letter:
        """One letter."""
        return self.of(session, row)(language)

    def draft(self, old: Document, new: Document, *, number: int | None = None) -> Letter:
        """The mail that publishing `new` now (as version `number`) would send, where `old` is in force: to look at before."""
        words = words_in(new.language)
        variables = self._change_variables(old, new, number=number, ahead="")
        when = _When(label=words["label_told"], value=words["told"])
        if new.not_before_at:
            when = _planned(new.not_before_at, new)
        subject = words["preview"] + _subject(words, when)
        return self._encode("policy_change", new, {**variables, **_when_variables(when), "subject": subject})

    def _write(
        self, row: CampaignRow, version: Version, previous: Version, document: Document, newest: Version | None
    ) -> Letter:
        words, stage = words_in(document.language), Stage(row.stage)
        if stage is Stage.WITHDRAWN:
            key = "w_overtaken" if version.state is VersionState.OVERTAKEN and newest else "w_text"
            intro = words[key].format(number=version.number, newer=newest.number if newest else "")
            variables: dict[str, Any] = {
                "subject": words["w_subject"] if key == "w_text" else words["title"], "intro": intro,
                "title": words["w_title"] if key == "w_text" else words["title"], "preheader": words["w_reason"],
                "why": words["w_why"].format(name=document.controller.name), "number": version.number,
            }  # fmt: skip
            return self._encode(_FOLDER[stage], document, variables)
        ahead = version.terms.ahead.words(document.language) if version.terms.ahead else ""
        when = self._when(row, version, document, ahead)
        old = previous.in_language(document.language)
        variables = self._change_variables(old, document, number=version.number, ahead=ahead)
        variables["difference_link"] = f"{self._base_url}/privacy/diff/{previous.number}/{version.number}"
        variables["subject"] = _subject(words, when)
        return self._encode(_FOLDER[stage], document, {**variables, **_when_variables(when)})

    def _when(self, row: CampaignRow, version: Version, document: Document, ahead: str) -> _When:
        words, now = words_in(document.language), self._clock.now()
        if version.in_force_at:
            day = _day(version.in_force_at, document)
            return _When(label=words["label_since"], value=day)
        in_time = row.completed_at is not None or row.deadline is None or now <= row.deadline
        if version.planned_for and in_time and (document.not_before_at or row.completed_at):
            return _planned(version.planned_for, document)
        if version.terms.ahead is None:
            return _When(label=words["label_told"], value=words["told"])
        day = _day(max(version.terms.ahead.after_instant(row.begun_at), version.planned_for or now), document)
        return _When(label=words["label_after"], value=day, note=words["note_after"].format(ahead=ahead))

    def _change_variables(self, old: Document, new: Document, *, number: int | None, ahead: str) -> dict[str, Any]:
        words = words_in(new.language)
        differing = compare_clauses(old, new)
        material = [one for one in differing if one.weight is Weight.MATERIAL]
        minor = [one for one in differing if one.weight is Weight.MINOR]
        shown = material[:MOST_CHANGES]
        smaller = [_sentence(one.after or f"{words['gone']} {one.before}") for one in minor[:MOST_SMALLER]]
        rights = {clause.right for clause in new.of_kind(RightClause)}
        why_ahead = words["why_ahead"].format(ahead=ahead) if ahead else ""
        return {
            "intro": _intro(words, len(material), len(minor)),
            "preheader": _sentence(material[0].why.partition(";")[0]) if material else _intro(words, 0, len(minor)),
            "changes": [_shown(one, new, words) for one in shown],
            "smaller": smaller,
            "left_out": len(material) - len(shown) + len(minor) - len(smaller),
            "difference_link": f"{self._base_url}/privacy",
            "can_ask": bool(rights & _ASKABLE),
            "can_refuse": bool(rights & _REFUSABLE),
            "why": words["why"].format(name=new.controller.name, ahead=why_ahead),
            "number": number or "–",
        }

    def _encode(self, folder: str, document: Document, variables: Mapping[str, Any]) -> Letter:
        words = words_in(document.language)
        known = {
            "w": words, "controller": document.controller, "read_link": f"{self._base_url}/privacy",
            "requests_link": f"{self._base_url}/requests/new", "sent": full_day(_today(self._clock, document), document.language),
            **variables,
        }  # fmt: skip
        language = document.language
        html_variables = {"greeting": _GREETING_HTML}
        given = {**known, "greeting": _GREETING}
        written = self._writer.write(folder, language, given, html_variables=html_variables)
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = self._sender
        message["To"] = _TO
        message["Subject"] = clean_line(written.subject)
        message["Date"] = _DATE
        message["Message-ID"] = _ID
        message["Auto-Submitted"] = "auto-generated"
        if self._mark:
            message["X-Kept"] = self._mark
        message.set_content(written.text, cte="quoted-printable")
        message.add_alternative(written.html, subtype="html", cte="quoted-printable")
        message["Content-Language"] = language  # before, it would have become the first part's
        return Letter(message, sender=self._sender, hello=words["hello"], clock=self._clock)


def _greeting(hello: str, person: Personal | None) -> str:
    name = " ".join(person.reveal().split()) if person else ""
    return f"{hello} {name}," if name and len(name) <= LONGEST_NAME else f"{hello},"


def _encoded(text: str) -> bytes:
    """One line as quoted-printable, broken where it is too long for a mail."""
    return quopri.encodestring(text.encode(), quotetabs=False).replace(b"=\n", b"=\r\n")


def _intro(words: Mapping[str, str], material: int, minor: int) -> str:
    if material:
        numbers = words["numbers"].split()
        number = numbers[material - 1] if material <= len(numbers) else material
        return words["one"] if material == 1 else words["many"].format(n=number)
    return words["small"] if minor else words["wording"]


def _shown(change: ClauseChange, new: Document, words: Mapping[str, str]) -> dict[str, str]:
    title, _, more = change.why.partition("; ")
    clause = new.clause(change.clause_id)
    reason = clause.reaches_back if isinstance(clause, RetentionClause) else None
    reaches = "reaches_back" in (change.happened, *change.also) and reason
    return {
        "title": title[:1].upper() + title[1:],
        "more": "" if reaches else _sentence(more),
        "before": _sentence(change.before),
        "after": _sentence(change.after),
        "reaches_back": words["reaches_back"].format(reason=str(reason).rstrip(".")) if reaches else "",
    }


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text[-1:] in ".!?" else ".") if text else ""


def _subject(words: Mapping[str, str], when: _When) -> str:
    return words["subject_day"].format(day=when.day) if when.day else words["subject"]


def _planned(at: datetime, document: Document) -> _When:
    words, day = words_in(document.language), _day(at, document)
    short = full_day(day_in(at, document.controller.timezone), document.language)
    return _When(label=words["label_day"], value=day, day=short)


def _when_variables(when: _When) -> dict[str, str]:
    return {"when_label": when.label, "when_value": when.value, "when_note": when.note}


def _day(at: datetime, document: Document) -> str:
    return long_day(day_in(at, document.controller.timezone), document.language)


def _today(clock: Clock, document: Document) -> Any:
    return day_in(clock.now(), document.controller.timezone)
