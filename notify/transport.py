"""How a finished message leaves: by SMTP, or as a file in `var/outbox` that the console shows."""

import os
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from core.errors import ConfigurationError, KeptError, Unreachable

TIMEOUT_SECONDS: Final = 20.0
_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class MailRefused(KeptError):
    """The mail server will never take this message: trying again is of no use."""


class Transport(Protocol):
    """Hands one message over. Raises Unreachable when it may work later, MailRefused when it never will."""

    destination: str

    def send(self, message: EmailMessage) -> None: ...

    def ping(self) -> None:
        """Raise Unreachable unless messages could be handed over now."""


class SmtpTransport:
    """Mail by `smtp://`, `smtps://` or `smtp+starttls://`, with `user:password@` where the server wants it.

    Messages of errors name the server and its answer's code, never the recipient: they end up in logs.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError(
                f"mail.smtp starts with '{parts.scheme}'.", remedy="Use smtp://, smtps:// or smtp+starttls://HOST:PORT."
            )
        self._scheme, self._host = parts.scheme, parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password or "")
        self.destination = f"{self._scheme}://{self._host}:{self._port}"

    def send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as client:
                client.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            self._refuse(codes)
        except smtplib.SMTPNotSupportedError as error:
            raise MailRefused(f"{self._name} does not take this kind of address.") from error
        except smtplib.SMTPResponseException as error:
            raise self._unreachable(f"it answered {error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise self._unreachable(type(error).__name__) from None

    def ping(self) -> None:
        """Raise Unreachable unless the server lets us in."""
        try:
            with self._connected() as client:
                client.noop()
        except (OSError, smtplib.SMTPException) as error:
            raise self._unreachable(type(error).__name__) from None

    @property
    def _name(self) -> str:
        return f"The mail server {self._host}:{self._port}"

    def _refuse(self, codes: list[int]) -> None:
        if codes and all(code >= 500 for code in codes):
            raise MailRefused(f"{self._name} refused the recipient ({', '.join(map(str, codes))}).") from None
        raise self._unreachable(f"it put the recipient off ({', '.join(map(str, codes))})") from None

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(f"{self._name} did not take the mail: {why}.", remedy="It is tried again by itself.")

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        if self._scheme == "smtps":
            context = ssl.create_default_context()
            client: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            client = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
        with client:
            if self._scheme == "smtp+starttls":
                client.starttls(context=ssl.create_default_context())
            if self._user is not None:
                client.login(self._user, self._password)
            yield client


class FileTransport:
    """Mail as `<Message-ID>.eml` in a folder. The same message is the same file, written whole or not at all."""

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

    def send(self, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = str(message["Message-ID"]).strip().strip("<>")
        handle, draft = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(message.as_bytes())
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._folder / f"{name}.eml")
        except OSError as error:
            Path(draft).unlink(missing_ok=True)
            raise Unreachable(
                f"The mail could not be written to {self._folder}: {error.strerror}.", remedy="Make room there."
            ) from error
