"""Mail out: queued in the work's own transaction, rendered from `templates/email/<event>/`, handed over by the outbox."""

import re
from collections.abc import Mapping
from datetime import datetime
from email import policy
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from core.catalogue import short_code
from core.clock import Clock
from core.database import Database
from core.errors import BadInput
from core.outbox import Event, post
from core.personal import Personal
from core.settings import MailSettings
from notify.declining import Declining
from notify.mail_natures import declined_by
from notify.tables import MailState, SentMailRow
from notify.transport import MailRefused, Transport, open_transport

log = structlog.get_logger()
MAIL: Final = "mail"
_EVENT_NAME: Final = re.compile(r"[a-z][a-z_]*")
# What an operator decided and worded is a person's mail; everything else tells robots not to answer (RFC 3834).
WRITTEN_BY_PEOPLE: Final = frozenset(
    {
        "request_refused",
        "request_extended",
        "request_fee",
        "nothing_found",
        "answered_by_hand",
        "complaint_answered",
        "appeal_decided",
    }
)


class WholeHeader(UnstructuredHeader):
    """A header that is never broken: the library would encode a long link as words, and mail programs then read none."""

    def fold(self, *, policy: policy.Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]


_HEADERS: Final = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", WholeHeader)  # type: ignore[arg-type]  # the registry mixes its base in
_POLICY: Final = policy.SMTP.clone(header_factory=_HEADERS)


class TextRenderer(Protocol):
    """Renders one template under `templates/`."""

    def text(self, template: str, **variables: Any) -> str: ...


def queue_mail(
    session: Session, *, event: str, to: str, variables: Mapping[str, Any], now: datetime, language: str = "en"
) -> str:
    """Put a mail into the outbox in the caller's transaction. `variables` are JSON values; returns the outbox id."""
    payload = {"event": event, "to": to, "language": language, "vars": dict(variables)}
    return post(session, MAIL, payload, now=now)


class Mailer:
    """Renders and sends mails. `deliver` is the outbox's handler for the kind `mail`.

    A mail has one row, written before it is handed over: a repeat after a crash carries the same Message-ID, and one
    that is known to be handed over is not sent again. `key` hashes addresses for that row. `declining`: asked before
    every mail that is not essential; without it none of those goes out.
    """

    def __init__(
        self,
        settings: MailSettings,
        var: Path,
        renderer: TextRenderer,
        *,
        clock: Clock,
        database: Database,
        key: bytes,
        declining: Declining | None = None,
    ) -> None:
        self._declining = declining
        self._sender = settings.sender
        self._renderer = renderer
        self._clock = clock
        self._database = database
        self._key = key
        self._transport: Transport = open_transport(settings, var)

    def render(
        self, event: str, language: str, *, to: str, event_id: str, variables: Mapping[str, Any]
    ) -> EmailMessage:
        """The message of an event: plain text and HTML as alternatives, the Message-ID derived from the outbox id.

        Raises MailRefused for an address that no header can carry.
        """
        if not _EVENT_NAME.fullmatch(event):
            raise BadInput(f"'{event}' is not the name of a mail.", remedy="Mails are the folders of templates/email.")
        subject = self._renderer.text(f"email/{event}/subject.txt", language=language, **variables)
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._sender
        message["To"] = Address(addr_spec=mailable(to))
        message["Subject"] = " ".join(subject.split())
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = self._message_id(event_id)
        for name, value in self._decline_headers(event, to).items():
            message[name] = value
        if event not in WRITTEN_BY_PEOPLE:
            message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._renderer.text(f"email/{event}/body.txt", language=language, **variables))
        html = self._renderer.text(f"email/{event}/body.html", language=language, **variables)
        message.add_alternative(html, subtype="html")
        message["Content-Language"] = short_code(language)  # before, it would have become the first part's
        return message

    @property
    def destination(self) -> str:
        """Where mail goes: a server, or a folder of files."""
        return self._transport.destination

    def check(self) -> None:
        """Raise Unreachable unless mail could be handed over now."""
        self._transport.ping()

    def send(self, message: EmailMessage) -> None:
        """Hand one message over. Raises Unreachable when it is to be tried again, MailRefused when never."""
        self._transport.send(message)

    def deliver(self, event: Event) -> None:
        """Send the mail of an outbox event; of one that was handed over already, nothing."""
        payload = event.payload
        if not self._open_row(event):
            return
        if self._is_declined(payload["event"], Personal(payload["to"])):
            self._settle(event, MailState.DECLINED)
            return
        state = MailState.SENT
        try:
            self.send(
                self.render(
                    payload["event"],
                    payload["language"],
                    to=payload["to"],
                    event_id=event.id,
                    variables=payload["vars"],
                )
            )
        except MailRefused as refusal:
            state = MailState.REFUSED
            log.warning("mail.refused", event_id=event.id, mail=payload["event"], trouble=str(refusal))
        self._settle(event, state)

    def _settle(self, event: Event, state: MailState) -> None:
        with self._database.begin() as session:
            row = session.get_one(SentMailRow, event.id)
            row.state, row.at = state.value, self._clock.now()

    def _is_declined(self, event: str, to: Personal) -> bool:
        if not declined_by(event):
            return False
        if self._declining is None:
            return True
        with self._database.read() as session:
            return bool(self._declining.declined(session, event, [to]))

    def _decline_headers(self, event: str, to: str) -> Mapping[str, str]:
        return self._declining.headers(event, Personal(to)) if self._declining else {}

    def _open_row(self, event: Event) -> bool:
        """Write the row down before the mail goes; False for one that is handed over or refused already."""
        with self._database.begin() as session:
            row = session.get(SentMailRow, event.id)
            if row is None:
                row = SentMailRow(
                    id=event.id,
                    event=event.payload["event"],
                    to_hash=keyed_digest(self._key, event.payload["to"]),
                    at=self._clock.now(),
                    message_id=self._message_id(event.id),
                    state=MailState.UNCERTAIN.value,
                )
                session.add(row)
            return row.state == MailState.UNCERTAIN.value

    def _message_id(self, event_id: str) -> str:
        return make_message_id(event_id, self._sender)


def make_message_id(name: str, sender: str) -> str:
    """The Message-ID of what is called `name` here, under the domain of the sender."""
    domain = parseaddr(sender)[1].rpartition("@")[2] or "kept.invalid"
    return f"<{name}@{domain}>"


def mailable(address: str) -> str:
    """An address as a header can carry it, its domain in ASCII. Raises MailRefused, without the address."""
    try:
        checked = validate_email(address, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError:
        raise MailRefused("The recipient's address cannot be written into a mail.") from None
    return checked.ascii_email or checked.normalized
