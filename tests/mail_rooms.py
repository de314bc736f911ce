"""The outbox with everything behind it, and a mail server that answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession

from core.clock import Clock
from core.database import Database
from core.keys import derive_key
from core.leases import Leases
from core.outbox import OutboxRow
from core.reply_addresses import ReplyAddresses
from core.settings import MailSettings
from notify.bounced_mails import BouncedMails
from notify.lost_mails import LostMail
from notify.mail import Mailer, queue_mail
from notify.mail_examples import MailExamples
from notify.mail_natures import NATURES
from notify.mail_rounds import MailRounds
from notify.outbox_desk import OutboxDesk
from notify.tables import MailTextRow, SentMailRow
from plans.leasing import hold_lease
from tests.ledger_rooms import SECRET, StandingClock, make_ledger
from tests.servers import free_port

SENDER: Final = "Privacy team <privacy@ccr.example>"
CODE: Final = "status_code"
ANSWER: Final = "request_received"
ONCE: Final = "alarm_over"
EXAMPLES: Final = MailExamples()


class PlainRenderer:
    """Renders every mail as one line: what the outbox does has nothing to do with the words."""

    def text(self, template: str, **_variables: Any) -> str:
        if "no_such_mail" in template:
            raise FileNotFoundError(template)
        return (
            "Subject of it"
            if template.endswith("subject.txt")
            else "<p>Words</p>\n"
            if "html" in template
            else "Words\n"
        )


@dataclass(kw_only=True)
class Post:
    """A mail server. `says` gives the answer to a step (`sender`, `rcpt`, `data`) by the number of times it came, counted from 1;
    'hang up' is none: the connection goes."""

    port: int
    says: Callable[[str, int], str] = lambda _step, _number: "250 OK"
    came: Counter[str] = field(default_factory=Counter)
    contents: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    open_now: int = 0
    most_open: int = 0
    slow: float = 0.0

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(one, policy=policy.default) for one in self.contents]

    @property
    def ids(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        return Counter(str(one["Message-ID"]).strip() for one in self.messages)

    def _answer(self, step: str, server: SMTP) -> str:
        self.came[step] += 1
        answer = self.says(step, self.came[step])
        if answer == "hang up":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return answer

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.connections.add(id(session))
        envelope.mail_from = address
        return self._answer("sender", server)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._answer("rcpt", server)

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        await asyncio.sleep(self.slow)
        self.open_now -= 1
        self.contents.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        answer = self._answer("data", server)
        if not answer.startswith("2") and answer != "hang up":
            self.contents.pop()
        return answer


@contextmanager
def post(
    says: Callable[[str, int], str] = lambda _step, _number: "250 OK", *, slow: float = 0.0, **options: Any
) -> Iterator[Post]:
    """A running server, stopped at the end."""
    server = Post(port=free_port(), says=says, slow=slow)
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **options)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def knows(user: bytes, password: bytes) -> Callable[..., AuthResult]:
    """An authenticator that lets one user in."""

    def authenticate(_server: SMTP, _session: SmtpSession, _envelope: Envelope, _way: str, data: Any) -> AuthResult:
        fits = isinstance(data, LoginPassword) and (data.login, data.password) == (user, password)
        return AuthResult(success=fits)

    return authenticate


@dataclass(kw_only=True)
class Room:
    """The outbox of one installation."""

    database: Database
    clock: Clock
    mailer: Mailer
    rounds: MailRounds
    desk: OutboxDesk
    bounced: BouncedMails
    lost: list[LostMail]

    def queue(self, event: str = ANSWER, to: str = "anna@post.example", **more: Any) -> str:
        with self.database.begin() as session:
            return queue_mail(
                session,
                event=event,
                to=to,
                variables=EXAMPLES(event, "en") if event in NATURES else {},
                now=self.clock.now(),
                **more,
            )

    def queue_many(self, number: int, event: str = ANSWER) -> list[str]:
        return [self.queue(event, to=f"person{place}@post.example") for place in range(number)]

    def states(self) -> Counter[str]:
        with self.database.read() as session:
            return Counter(session.execute(sa.select(SentMailRow.state)).scalars())

    def row(self, mail_id: str) -> SentMailRow:
        with self.database.read() as session:
            return session.get_one(SentMailRow, mail_id)

    def kept_texts(self) -> int:
        with self.database.read() as session:
            return session.execute(sa.select(sa.func.count()).select_from(MailTextRow)).scalar_one()

    def payload(self, mail_id: str) -> Mapping[str, Any]:
        with self.database.read() as session:
            return session.get_one(OutboxRow, mail_id).payload

    def pass_time(self, by: timedelta) -> None:
        assert isinstance(self.clock, StandingClock)
        self.clock.advance(by)

    def run_on(self, until: timedelta, step: timedelta = timedelta(minutes=10)) -> None:
        """Rounds, again and again, as time passes."""
        end = self.clock.now() + until
        while self.clock.now() < end:
            self.rounds.run()
            self.pass_time(step)


def open_room(
    database: Database, var: Path, *, smtp: str | None = None, clock: Clock | None = None, **settings: Any
) -> Room:
    """Wired as app.py does it."""
    lost: list[LostMail] = []
    clock = clock or StandingClock()
    mail = MailSettings(sender=SENDER, smtp=smtp, **settings)
    mailer = Mailer(
        mail,
        var,
        PlainRenderer(),
        clock=clock,
        database=database,
        key=b"k" * 32,
        replies=ReplyAddresses(SENDER, derive_key(SECRET, "reply addresses")),
        mark="0123456789abcdef",
        on_lost=lambda _session, mail: lost.append(mail),
    )
    leases = Leases(database, clock)
    return Room(
        database=database,
        clock=clock,
        mailer=mailer,
        rounds=MailRounds(
            database, clock, mailer, connections=mail.connections, hold=lambda name: hold_lease(leases, clock, name)
        ),
        desk=OutboxDesk(
            database, clock, make_ledger(database, clock=clock if isinstance(clock, StandingClock) else None)
        ),
        bounced=BouncedMails(clock, key=b"k" * 32, on_lost=lambda _session, mail: lost.append(mail)),
        lost=lost,
    )


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context
