"""A way out for many mails: what the server said of each is known exactly, and what it cannot have taken is never uncertain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession

from core.errors import Unreachable
from core.personal import Personal
from notify.transport import Envelope as Mail
from notify.transport import FileTransport, HandoverUncertain, MailRefused, PutOff, SmtpTransport
from tests.servers import SmtpServer, free_port

CONTENT = b"Subject: dots\r\n\r\n.begins with a dot\r\n.\r\n..two\r\nlast line without an end"


def mail(name: str = "cmp_1", content: bytes = CONTENT) -> Mail:
    return Mail(
        message_id=f"<{name}@ccr.example>",
        sender="privacy@ccr.example",
        to=Personal("anna@mail.example"),
        content=content,
    )


class Moody:
    """Answers as it is told, and counts connections. `hang_up`: closes after this many mails on a connection."""

    def __init__(self, *, sender: str = "250 OK", rcpt: str = "250 OK", data: str = "250 OK", hang_up: int = 0) -> None:
        self.answers = {"sender": sender, "rcpt": rcpt, "data": data}
        self.hang_up = hang_up
        self.contents: list[bytes] = []
        self.connections: set[int] = set()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.connections.add(id(session))
        envelope.mail_from = address
        return self.answers["sender"]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers["rcpt"]

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        if self.answers["data"] == "hang up":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        self.contents.append(envelope.content)
        if self.hang_up and len(self.contents) % self.hang_up == 0:
            assert isinstance(server.transport, asyncio.Transport)
            asyncio.get_running_loop().call_later(0.05, server.transport.abort)
        return self.answers["data"]


@contextmanager
def serving(handler: Moody) -> Iterator[SmtpTransport]:
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield SmtpTransport(f"smtp://127.0.0.1:{port}")
    finally:
        controller.stop()


def test_a_line_that_begins_with_a_dot_arrives_as_it_was(smtp_server: SmtpServer) -> None:
    """The end of DATA is a dot on its own: none in a mail is taken for it, and none is lost."""
    with SmtpTransport(smtp_server.url).session() as out:
        for number in range(3):
            out.send(mail(f"cmp_{number}"))
    assert len(smtp_server.mails) == 3
    body = smtp_server.mails[0].message.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.replace(b"\r\n", b"\n") == b".begins with a dot\n.\n..two\nlast line without an end\n"


def test_many_mails_go_over_one_connection_and_over_a_new_one_when_it_was_closed() -> None:
    """A server that hangs up between two mails costs none of them."""
    handler = Moody()
    with serving(handler) as transport, transport.session() as out:
        for number in range(5):
            out.send(mail(f"cmp_{number}"))
    assert (len(handler.contents), len(handler.connections)) == (5, 1)
    handler = Moody(hang_up=2)
    with serving(handler) as transport, transport.session() as out:
        for number in range(5):
            out.send(mail(f"cmp_{number}"))
            time.sleep(0.12)
    assert (len(handler.contents), len(handler.connections)) == (5, 3)


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (Moody(sender="550 not from you"), Unreachable),  # it would refuse everyone: nobody's mailbox is to blame
        (Moody(sender="451 later"), Unreachable),
        (Moody(rcpt="550 no such user"), MailRefused),
        (Moody(rcpt="452 mailbox full"), PutOff),
        (Moody(rcpt="421 going down"), Unreachable),
        (Moody(data="554 not this"), MailRefused),
        (Moody(data="450 later"), PutOff),
        (Moody(data="421 going down"), Unreachable),
        (Moody(data="hang up"), HandoverUncertain),
    ],
)
def test_each_answer_means_one_thing(handler: Moody, error: type[Exception]) -> None:
    """No word of the recipient is in what ends up in logs."""
    with serving(handler) as transport, transport.session() as out:
        with pytest.raises(error) as caught:
            out.send(mail())
        assert "anna" not in str(caught.value)
        if error in (MailRefused, PutOff):
            handler.answers = {"sender": "250 OK", "rcpt": "250 OK", "data": "250 OK"}
            out.send(mail("cmp_2"))  # the connection is still good for the next


def test_nobody_there_is_not_uncertain() -> None:
    """A server that cannot be reached has nothing."""
    transport = SmtpTransport(f"smtp://127.0.0.1:{free_port()}")
    with transport.session() as out, pytest.raises(Unreachable):
        out.send(mail())


def test_a_file_that_was_half_written_is_written_over(tmp_path: Path) -> None:
    """What a killed process left is no mail, and goes when the same message comes again."""
    (tmp_path / ".cmp_1@ccr.example.part").touch(mode=0o600)
    with FileTransport(tmp_path).session() as out:
        for number in range(600):
            out.send(mail(f"cmp_{number}"))
        out.flush()
    assert len(list(tmp_path.iterdir())) == 600
    assert all(path.read_bytes() == CONTENT for path in tmp_path.iterdir())
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Without room nobody counts as told."""
    (tmp_path / "outbox").write_text("a file")
    with FileTransport(tmp_path / "outbox").session() as out, pytest.raises(Unreachable, match="outbox"):
        out.send(mail())
