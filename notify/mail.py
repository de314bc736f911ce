"""Mail out: queued in the work's own transaction, written from `templates/email/<event>/`, handed over by the outbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from core.catalogue import short_code
from core.clock import Clock
from core.database import Database
from core.errors import BadInput
from core.outbox import Event, post
from core.personal import Personal
from core.reply_addresses import ReplyAddresses
from core.settings import MailSettings
from notify.declining import Declining
from notify.delivering import Deliveries
from notify.lost_mails import OnLost, nobody_asks
from notify.mail_headers import MAIL_POLICY, clean_line, clean_references, mailable
from notify.mail_headers import make_message_id as make_message_id
from notify.mail_natures import Nature, nature_of
from notify.mail_pool import Pool
from notify.mail_rates import DomainRates
from notify.mail_rows import MailRows, new_row
from notify.mail_writing import MailWriter, OwnWords
from notify.mail_writing import TextRenderer as TextRenderer
from notify.transport import Envelope, Transport, open_transport
from policies.documents import Document

MAIL: Final = "mail"
HEAD_START: Final = timedelta(hours=1)
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


def queue_mail(
    session: Session,
    *,
    event: str,
    to: str,
    variables: Mapping[str, Any],
    now: datetime,
    language: str = "en",
    reply_ref: str | None = None,
    in_reply_to: Sequence[str] = (),
    purpose: str = "",
) -> str:
    """Put a mail into the outbox in the caller's transaction. `variables` are JSON values; returns the outbox id.

    `reply_ref`: the ticket or thread that an answer to it belongs to; `in_reply_to`: the Message-IDs that it answers, the
    latest last; `purpose`: the clause that it goes out under, where that is another than its event's.
    """
    payload = {"event": event, "to": to, "language": language, "vars": dict(variables)}
    more = {"reply_ref": reply_ref, "in_reply_to": list(in_reply_to), "purpose": purpose}
    payload |= {name: value for name, value in more.items() if value}
    # What somebody waits for in front of a screen does not stand in line behind ten thousand others.
    due = now - HEAD_START if nature_of(event) is Nature.CODE else now
    mail_id = post(session, MAIL, payload, now=now, due=due)
    session.add(new_row(mail_id, payload, queued_at=now))
    return mail_id


class Mailer:
    """Writes mails and hands them over. `deliver` is the outbox's handler for the kind `mail`; see Deliveries for its states.

    `key` hashes addresses. `declining`: asked before every mail that is not essential; without it none of those goes out.
    `replies`: makes the address that an answer to a thread comes back to. `mark`: names this installation in `X-Kept`.
    `in_force`: the policy that names purposes beside Kept's own. `words`: what an installation says in its own words.
    `on_lost`: who hears of a mail of theirs that never left.
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
        replies: ReplyAddresses | None = None,
        mark: str = "",
        in_force: Callable[[Session], Document | None] = lambda _session: None,
        words: Callable[[str, str], OwnWords] | None = None,
        rates: DomainRates | None = None,
        on_lost: OnLost = nobody_asks,
    ) -> None:
        self._declining = declining
        self._settings = settings
        self._writer = MailWriter(renderer, words)
        self._clock = clock
        self._replies = replies if settings.signed_replies else None
        self._mark = mark
        self._transport: Transport = open_transport(settings, var)
        self._pool = Pool(self._transport)
        self._deliveries = Deliveries(
            rows=MailRows(database, clock, key, on_lost),
            database=database,
            clock=clock,
            sender=parseaddr(settings.sender)[1],
            pool=self._pool,
            repeatable=self._transport.repeatable,
            rates=(rates or DomainRates(settings.per_domain)) if settings.smtp else None,
            give_up=settings.give_up,
            make_envelope=self.make_envelope,
            declining=declining,
            in_force=in_force,
        )

    def render(
        self,
        event: str,
        language: str,
        *,
        to: str,
        event_id: str,
        variables: Mapping[str, Any],
        reply_ref: str | None = None,
        in_reply_to: Sequence[str] = (),
    ) -> EmailMessage:
        """The message of an event: plain text and HTML as alternatives, the Message-ID derived from the outbox id. It has no
        attachment: personal data is behind the link to the person's page.

        Raises MailRefused for an address that no header can carry.
        """
        if not _EVENT_NAME.fullmatch(event):
            raise BadInput(f"'{event}' is not the name of a mail.", remedy="Mails are the folders of templates/email.")
        written = self._writer.write(event, language, variables)
        message = EmailMessage(policy=MAIL_POLICY)
        message["From"] = self._settings.sender
        message["To"] = Address(addr_spec=mailable(to))
        message["Subject"] = clean_line(written.subject)
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = make_message_id(event_id, self._settings.sender)
        for name, value in self._further_headers(event, to, reply_ref, in_reply_to).items():
            message[name] = value
        message.set_content(written.text)
        message.add_alternative(written.html, subtype="html")
        message["Content-Language"] = short_code(language)  # before, it would have become the first part's
        return message

    def make_envelope(self, event: Event) -> Envelope:
        """The finished message of an outbox event. Raises MailRefused."""
        payload = event.payload
        message = self.render(
            payload["event"],
            payload["language"],
            to=payload["to"],
            event_id=event.id,
            variables=payload["vars"],
            reply_ref=payload.get("reply_ref"),
            in_reply_to=payload.get("in_reply_to", ()),
        )
        return self._envelope(message, payload["to"])

    @property
    def destination(self) -> str:
        """Where mail goes: a server, or a folder of files."""
        return self._transport.destination

    def check(self) -> None:
        """Raise Unreachable unless mail could be handed over now, and ConfigurationError for a key that cannot sign."""
        self._transport.ping()

    def send(self, message: EmailMessage) -> None:
        """Hand one message over, outside the queue. Raises what a MailSession raises."""
        with self._pool.session() as out:
            out.send(self._envelope(message, str(message["To"])))
            out.flush()

    def deliver(self, event: Event) -> None:
        """Hand the mail of an outbox event over; of one that left already, nothing. Raises TryAgain."""
        self._deliveries.deliver(event)

    @property
    def rests_until(self) -> datetime | None:
        """Until when the server is left alone, since it was not reached; None: it answers."""
        return self._deliveries.rests_until

    def round(self) -> AbstractContextManager[None]:
        """Connections stay open until the block ends, and mails of the same block share them."""
        return self._pool.open_round()

    def _envelope(self, message: EmailMessage, to: str) -> Envelope:
        return Envelope(
            message_id=str(message["Message-ID"]).strip(),
            sender=parseaddr(self._settings.sender)[1],
            to=Personal(mailable(to)),
            content=message.as_bytes(),
        )

    def _further_headers(
        self, event: str, to: str, reply_ref: str | None, in_reply_to: Sequence[str]
    ) -> Mapping[str, str]:
        headers = dict(self._declining.headers(event, Personal(to))) if self._declining else {}
        if reply_ref and self._replies:
            headers["Reply-To"] = self._replies.make(reply_ref)
        if answered := clean_references(in_reply_to):
            headers |= {"In-Reply-To": answered[-1], "References": " ".join(answered)}
        if event not in WRITTEN_BY_PEOPLE:
            headers["Auto-Submitted"] = "auto-generated"
        if self._mark:
            headers["X-Kept"] = self._mark
        return headers
