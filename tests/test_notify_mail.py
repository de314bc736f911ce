"""Mail out: one message for an event, by a real SMTP server or as a file, tried again, never twice when it is known to be gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from structlog.testing import capture_logs

from core.database import Database
from core.errors import BadInput, NotFound, Unreachable
from core.outbox import Dispatcher, Event, OutboxRow
from core.rendering import Renderer
from core.settings import MailSettings
from notify.mail import Mailer, queue_mail
from notify.mailbox import Mailbox
from notify.tables import MailState, SentMailRow
from notify.transport import MailRefused
from tests.servers import SmtpServer, free_port

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ANNA = "anna.quill@post.example"
VARIABLES = {
    "controller": {"name": "ccr", "email": "privacy@ccr.example"},
    "ref": "K7F3Q-2MXB",
    "code": "481 207",
    "expires": "10 minutes",
}


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def make_mailer(database: Database, clock: HandClock, var: Path, smtp: str | None = None) -> Mailer:
    settings = MailSettings(sender="Privacy team <privacy@ccr.example>", smtp=smtp)
    renderer = Renderer(base_url="http://127.0.0.1:8080")
    return Mailer(settings, var, renderer, clock=clock, database=database, key=b"k" * 32)


def queue_code(database: Database, to: str = ANNA) -> str:
    with database.begin() as session:
        return queue_mail(session, event="status_code", to=to, variables=VARIABLES, now=NOW)


def read_states(database: Database) -> list[Any]:
    with database.read() as session:
        return list(session.execute(sa.select(SentMailRow.state)).scalars())


def test_a_queued_mail_reaches_the_server_as_text_and_html(
    database: Database, tmp_path: Path, smtp_server: SmtpServer
) -> None:
    """Both parts say the same; the Message-ID names the outbox event; robots are told not to answer."""
    clock = HandClock()
    mailer = make_mailer(database, clock, tmp_path, smtp_server.url)
    event_id = queue_code(database)
    assert Dispatcher(database, clock, {"mail": mailer.deliver}).dispatch() == 1
    (mail,) = smtp_server.mails
    message = mail.message
    assert mail.recipients == (ANNA,)
    assert message["Subject"] == "Your code for request K7F3Q-2MXB"
    assert message["Message-ID"] == f"<{event_id}@ccr.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Sat, 21 Nov 2026 09:30:00 +0000"
    assert message.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        part = message.get_body(preferencelist=(kind,))
        assert part is not None
        assert "481 207" in part.get_content()
    with database.read() as session:
        row = session.execute(sa.select(SentMailRow)).scalar_one()
        outbox = session.execute(sa.select(OutboxRow)).scalar_one()
    assert row.state == MailState.SENT
    assert ANNA not in str(vars(row))
    assert outbox.payload == {}


def test_a_server_that_is_down_loses_nothing(database: Database, tmp_path: Path) -> None:
    """The outbox keeps the mail, and sends it when the server is back, once."""
    clock = HandClock()
    queue_code(database)
    down = make_mailer(database, clock, tmp_path, f"smtp://127.0.0.1:{free_port()}")
    with capture_logs() as logs:
        assert Dispatcher(database, clock, {"mail": down.deliver}).dispatch() == 0
    assert ANNA not in str(logs)
    assert read_states(database) == [MailState.WAITING]
    clock.at += timedelta(hours=1)
    up = make_mailer(database, clock, tmp_path)
    assert Dispatcher(database, clock, {"mail": up.deliver}).dispatch() == 1
    assert len(Mailbox(tmp_path).list_mails()) == 1
    assert read_states(database) == [MailState.SENT]


class NobodyHere:
    """An SMTP server that takes no recipient, for good."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return f"550 5.1.1 no such user {address}"


def test_a_recipient_that_is_refused_for_good_is_not_tried_again(database: Database, tmp_path: Path) -> None:
    """The mail ends as refused, and neither log nor outbox repeats the address from the server's answer."""
    clock, port = HandClock(), free_port()
    queue_code(database)
    queue_code(database, to="ännä.quill@post.example")
    server = Controller(NobodyHere(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        mailer = make_mailer(database, clock, tmp_path, f"smtp://127.0.0.1:{port}")
        with capture_logs() as logs:
            assert Dispatcher(database, clock, {"mail": mailer.deliver}).dispatch() == 2
    finally:
        server.stop()
    assert ".quill" not in str(logs)
    assert read_states(database) == [MailState.REFUSED, MailState.REFUSED]


def test_a_message_that_the_server_puts_off_is_tried_again(
    database: Database, tmp_path: Path, smtp_server: SmtpServer
) -> None:
    """A temporary answer of the server leaves the mail in the outbox."""
    clock = HandClock()
    queue_code(database)
    smtp_server.answer = "451 later"
    mailer = make_mailer(database, clock, tmp_path, smtp_server.url)
    dispatcher = Dispatcher(database, clock, {"mail": mailer.deliver})
    assert dispatcher.dispatch() == 0
    smtp_server.answer = "250 OK"
    clock.at += timedelta(hours=1)
    assert dispatcher.dispatch() == 1
    assert len(smtp_server.mails) == 1


def test_an_event_that_comes_twice_makes_one_mail(database: Database, tmp_path: Path, smtp_server: SmtpServer) -> None:
    """A mail that is known to be handed over is not handed over again."""
    mailer = make_mailer(database, HandClock(), tmp_path, smtp_server.url)
    payload = {"event": "status_code", "to": ANNA, "language": "en", "vars": VARIABLES}
    event = Event(id="evt_1", kind="mail", payload=payload, created_at=NOW)
    mailer.deliver(event)
    mailer.deliver(event)
    assert len(smtp_server.mails) == 1


def test_without_a_server_the_same_message_is_the_same_file(database: Database, tmp_path: Path) -> None:
    """A repeat writes the file of that Message-ID again, whole; nothing half-written is listed."""
    mailer = make_mailer(database, HandClock(), tmp_path)
    message = mailer.render("status_code", "en", to=ANNA, event_id="evt_1", variables=VARIABLES)
    mailer.send(message)
    mailer.send(message)
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["evt_1@ccr.example.eml"]
    (mail,) = Mailbox(tmp_path).list_mails()
    assert (mail.subject, mail.to, mail.at) == ("Your code for request K7F3Q-2MXB", ANNA, NOW)
    assert "481 207" in mail.text
    assert mail.html.lstrip().lower().startswith("<!doctype html")
    assert Mailbox(tmp_path).read_mail(mail.name) == mail


@pytest.mark.parametrize("name", ["../kept", "evt_2@ccr.example", "", "a/b@c", ".."])
def test_a_mail_is_found_by_its_name_only(tmp_path: Path, name: str) -> None:
    """No other file can be read through the list of mails."""
    (tmp_path / "kept.eml").write_text("secret")
    with pytest.raises(NotFound):
        Mailbox(tmp_path).read_mail(name)


def test_words_of_a_person_cannot_add_a_header(database: Database, tmp_path: Path) -> None:
    """A line break in a value is a space in the subject, and an address with one is refused."""
    mailer = make_mailer(database, HandClock(), tmp_path)
    sly = {**VARIABLES, "ref": "K7\r\nBcc: eve@post.example"}
    message = mailer.render("status_code", "en", to=ANNA, event_id="evt_1", variables=sly)
    assert message["Bcc"] is None
    with pytest.raises(MailRefused):
        mailer.render("status_code", "en", to=f"{ANNA}\r\nBcc: eve@post.example", event_id="evt_1", variables=VARIABLES)
    with pytest.raises(BadInput):
        mailer.render("../../pages", "en", to=ANNA, event_id="evt_1", variables=VARIABLES)


def test_a_server_that_does_not_answer_is_named_without_its_password(database: Database, tmp_path: Path) -> None:
    """The message names host and port, and says what happens next."""
    port = free_port()
    mailer = make_mailer(database, HandClock(), tmp_path, f"smtp://user:hunter2@127.0.0.1:{port}")
    message = mailer.render("status_code", "en", to=ANNA, event_id="evt_1", variables=VARIABLES)
    with pytest.raises(Unreachable) as caught:
        mailer.send(message)
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert ANNA not in str(caught.value)
