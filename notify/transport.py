"""How a finished message leaves: by SMTP, or as a file in `var/outbox` that the console shows."""

import os
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

from core.errors import ConfigurationError, KeptError, Unreachable
from core.personal import Personal
from core.settings_mail import DkimSettings, MailSettings
from notify.mail_signing import DkimSigner

TIMEOUT_SECONDS: Final = 20.0
ANSWER_SECONDS: Final = 120.0
OUTBOX_FOLDER: Final = "outbox"
MOST_OPEN: Final = 250
SYNC_THREADS: Final = 16
_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_GO_AHEAD, _TAKEN, _PASSED_ON = 354, 250, 251
_CLOSING: Final = 421  # the server goes down: nothing is said of the message


class MailRefused(KeptError):
    """The mail server will never take this message: trying again is of no use."""


class PutOff(KeptError):
    """The mail server does not take this one message now, and may later; it goes on with others."""


class HandoverUncertain(KeptError):
    """The server had the message and went silent before it answered: it may have taken it, or not."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One finished message: `sender` and `to` are bare addresses, `content` is as it goes over the wire, with CRLF."""

    message_id: str
    sender: str
    to: Personal
    content: bytes


class MailSession(Protocol):
    """One way out that stays open for many messages."""

    def send(self, envelope: Envelope) -> None:
        """Hand one message over. Raises MailRefused (never), PutOff (this one later), Unreachable (all later: this one was
        certainly not taken) and HandoverUncertain."""

    def flush(self) -> None:
        """Return once all that was sent would survive a loss of power."""


class Transport(Protocol):
    """Hands messages over. `repeatable`: the same message again is no second one."""

    @property
    def destination(self) -> str: ...

    @property
    def repeatable(self) -> bool: ...

    def session(self) -> AbstractContextManager[MailSession]:
        """A way out for many messages. It connects when the first one is sent."""

    def ping(self) -> None:
        """Raise Unreachable unless messages could be handed over now."""


def open_transport(settings: MailSettings, var: Path) -> Transport:
    """The way out that `mail:` in kept.yaml describes. Nothing is connected yet."""
    way = SmtpTransport(settings.smtp, ca=settings.ca) if settings.smtp else FileTransport(var / OUTBOX_FOLDER)
    return SigningTransport(way, settings.dkim) if settings.dkim else way


class SigningTransport:
    """Another way out, with a signature of each key on every mail that leaves by it."""

    def __init__(self, way: Transport, keys: Sequence[DkimSettings]) -> None:
        self._way = way
        self._signers = [DkimSigner(one) for one in keys]

    @property
    def destination(self) -> str:
        return self._way.destination

    @property
    def repeatable(self) -> bool:
        return self._way.repeatable

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        with self._way.session() as out:
            yield _SigningSession(out, self._signers)

    def ping(self) -> None:
        """Raise ConfigurationError for a key that cannot sign, and what the way out raises."""
        for signer in self._signers:
            signer.check()
        self._way.ping()


class _SigningSession:
    """Signs what it passes on. What cannot be signed is not sent, and waits: without its signature it would be taken for spam."""

    def __init__(self, out: MailSession, signers: Sequence[DkimSigner]) -> None:
        self._out = out
        self._signers = signers

    def send(self, envelope: Envelope) -> None:
        content = envelope.content
        try:
            for signer in self._signers:
                content = signer.sign(content)
        except ConfigurationError as error:
            raise Unreachable(error.message, remedy=error.remedy) from error
        self._out.send(replace(envelope, content=content))

    def flush(self) -> None:
        self._out.flush()


class SmtpTransport:
    """Mail by `smtp://`, `smtps://` or `smtp+starttls://`, with `user:password@` where the server wants it.

    Messages of errors name the server and its answer's code, never the recipient: they end up in logs.
    """

    repeatable = False

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError(
                f"mail.smtp starts with '{parts.scheme}'.", remedy="Use smtp://, smtps:// or smtp+starttls://HOST:PORT."
            )
        self._scheme, self._host, self._ca = parts.scheme, parts.hostname, ca
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self.destination = f"{self._scheme}://{self._host}:{self._port}"

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        opened = _SmtpSession(self)
        try:
            yield opened
        finally:
            opened.close()

    def ping(self) -> None:
        """Raise Unreachable unless the server lets us in."""
        try:
            with self.connect() as client:
                client.noop()
        except (OSError, smtplib.SMTPException) as error:
            raise self.unreachable(type(error).__name__) from None

    @property
    def name(self) -> str:
        """How messages of errors name it."""
        return f"The mail server {self._host}:{self._port}"

    def unreachable(self, why: str) -> Unreachable:
        """What to raise when it is certain that nothing was taken."""
        return Unreachable(f"{self.name} did not take the mail: {why}.", remedy="It is tried again by itself.")

    def connect(self) -> smtplib.SMTP:
        """A connection that may send. Raises OSError and SMTPException."""
        if self._scheme == "smtps":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._trust()
            )
        else:
            client = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
        with ExitStack() as greeting:
            greeting.callback(client.close)
            if self._scheme == "smtp+starttls":
                client.starttls(context=self._trust())
            if self._user is not None:
                client.login(self._user, self._password)
            client.ehlo_or_helo_if_needed()
            greeting.pop_all()
        return client

    def _trust(self) -> ssl.SSLContext:
        """Who may say that this is the server: the system's authorities, or those of `mail.ca` alone."""
        return ssl.create_default_context(cafile=str(self._ca) if self._ca else None)


class _SmtpSession:
    """Says one message after the other on one connection, and knows at each step whether the server can have taken it."""

    def __init__(self, transport: SmtpTransport) -> None:
        self._transport = transport
        self._client: smtplib.SMTP | None = None

    def send(self, envelope: Envelope) -> None:
        client = self._announce(envelope)
        try:
            code, _ = client.rcpt(envelope.to.reveal())
            if code not in (_TAKEN, _PASSED_ON):
                self._answered(code, "the recipient")
            code, _ = client.docmd("data")
            if code != _GO_AHEAD:
                self._answered(code, "the message")
        except (OSError, smtplib.SMTPException) as error:
            raise self._broken(error) from None
        try:
            client.send(_quoted(envelope.content))
            code = _hear_patiently(client)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise HandoverUncertain(
                f"{self._transport.name} went silent after the message ({type(error).__name__})."
            ) from None
        if code != _TAKEN:
            self._answered(code, "the message")

    def flush(self) -> None:
        """What the server answered 250 to is in its care."""

    def close(self) -> None:
        """Take leave, if there is somebody to take leave of."""
        if self._client is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._client.quit()
            self._client.close()
        self._client = None

    def _announce(self, envelope: Envelope) -> smtplib.SMTP:
        """Say who sends; a connection that the server closed meanwhile is opened again, once."""
        for is_new in (self._client is None, True):
            try:
                client = self._client = self._client or self._transport.connect()
                code, _ = client.mail(envelope.sender)
            except (OSError, smtplib.SMTPException) as error:
                broken = self._broken(error)
                if is_new:
                    raise broken from None
                continue
            if code == _TAKEN:
                return client
            self.close()
            if is_new or code != _CLOSING:
                raise self._transport.unreachable(f"it answered {code} to the sender")
        raise self._transport.unreachable("it answered nothing")

    def _broken(self, error: Exception) -> Unreachable:
        self.close()
        code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
        return self._transport.unreachable(f"{type(error).__name__}{code}")

    def _answered(self, code: int, what: str) -> NoReturn:
        """The server said no to one message: for good, for now, or because it goes down."""
        if code == _CLOSING or code < 400:
            self.close()
            raise self._transport.unreachable(f"it answered {code}")
        with suppress(OSError, smtplib.SMTPException):
            if self._client is not None:
                self._client.rset()
        if code >= 500:
            raise MailRefused(f"{self._transport.name} refused {what} ({code}).")
        raise PutOff(f"{self._transport.name} put {what} off ({code}).")


def _hear_patiently(client: smtplib.SMTP) -> int:
    """A server looks a message through before it answers."""
    if client.sock is not None:
        client.sock.settimeout(ANSWER_SECONDS)
    code, _ = client.getreply()
    if client.sock is not None:
        client.sock.settimeout(TIMEOUT_SECONDS)
    return code


def _quoted(content: bytes) -> bytes:
    """The message as DATA wants it: no line begins with a single dot, and a dot alone ends it."""
    quoted = content.replace(b"\r\n.", b"\r\n..")
    if quoted.startswith(b"."):
        quoted = b"." + quoted
    return quoted + (b"" if quoted.endswith(b"\r\n") else b"\r\n") + b".\r\n"


class FileTransport:
    """Mail as `<Message-ID>.eml` in a folder. The same message is the same file, written whole or not at all."""

    repeatable = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.destination = str(folder)

    def ping(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(
                f"{self._folder} cannot be made: {error.strerror}.", remedy="Make room or set mail.smtp."
            ) from error

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        with _FileSession(self._folder) as opened:
            yield opened


class _FileSession:
    """Writes many files, and waits for the disk once for all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: list[int] = []

    def __enter__(self) -> "_FileSession":
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def send(self, envelope: Envelope) -> None:
        name = envelope.message_id.strip("<>")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The draft of a process that was killed is written over when its message comes again.
            draft = self._folder / f".{name}.part"
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._told(error) from error
        self._open.append(handle)
        try:
            _write_all(handle, envelope.content)
            draft.replace(self._folder / f"{name}.eml")
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._told(error) from error
        if len(self._open) >= MOST_OPEN:
            self._sync_files()

    def flush(self) -> None:
        self._sync_files()
        try:
            if self._folder.is_dir():
                _sync_folder(self._folder)
        except OSError as error:
            raise self._told(error) from error

    def _sync_files(self) -> None:
        """All at once: a file system writes many of them down in the time of one."""
        try:
            if len(self._open) == 1:
                os.fsync(self._open[0])
            elif self._open:
                with ThreadPoolExecutor(SYNC_THREADS) as threads:
                    list(threads.map(os.fsync, self._open))
        except OSError as error:
            raise self._told(error) from error
        self._close()

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def _told(self, error: OSError) -> Unreachable:
        return Unreachable(
            f"The mail could not be written to {self._folder}: {error.strerror}.", remedy="Make room there."
        )


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
