"""Opens connections to an IMAP account: TLS that is verified, a password or an access token, and errors told in words."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from imapclient import IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import (  # type: ignore[import-untyped]
    IMAPClientAbortError,
    IMAPClientError,
    LoginError,
)

from core.errors import ConfigurationError, KeptError, Unreachable
from core.settings_inbox import ImapSettings, Security
from inbox.oauth import AccessTokens

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 60.0
_AGAIN: Final = "Nothing was lost; what is there is taken when it answers again."
# The library writes every line of the protocol to its log, passwords and mails among them.
logging.getLogger("imapclient").setLevel(logging.WARNING)


class Dropped(Unreachable):
    """The connection ended, or none was made: the next one may be better, at once."""


class RefusedError(Exception):
    """The server answers, and says no to this one command; the connection goes on."""


class Account:
    """One account. `tokens` None: it is opened by its password."""

    def __init__(self, settings: ImapSettings, tokens: AccessTokens | None) -> None:
        self.settings = settings
        self._tokens = tokens

    @contextmanager
    def opened(self) -> Iterator[IMAPClient]:
        """A connection that is signed in. Inside the block, too, every trouble of connection is Unreachable."""
        with self._told():
            client = self._connect()
            try:
                self._sign_in(client)
                yield client
            finally:
                _leave(client)

    @contextmanager
    def folder(self, name: str, *, change: bool = False) -> Iterator[tuple[IMAPClient, dict[bytes, Any]]]:
        """A connection with a folder opened, for reading alone unless `change`, and what the server says of it."""
        with self.opened() as client:
            try:
                said = client.select_folder(name, readonly=not change)
            except IMAPClientAbortError:
                raise
            except IMAPClientError as error:
                raise Unreachable(
                    f"{self.settings.source(name)} cannot be opened: the server has no such folder, or does not let it be read.",
                    remedy="Create it again, or correct inbox.folders in kept.yaml. It is tried again.",
                ) from error
            yield client, said

    def _connect(self) -> IMAPClient:
        settings = self.settings
        context = None
        if settings.security is not Security.NONE:
            context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
        client = IMAPClient(
            settings.host,
            settings.port,
            ssl=settings.security is Security.TLS,
            ssl_context=context,
            timeout=SocketTimeout(CONNECT_SECONDS, READ_SECONDS),
        )
        client.normalise_times = False
        try:
            if settings.security is Security.STARTTLS:
                client.starttls(context)
        except BaseException:
            _leave(client)
            raise
        return client

    def _sign_in(self, client: IMAPClient) -> None:
        if self._tokens is not None:
            self._sign_in_by_token(client, self._tokens)
        elif not self.settings.password:
            raise ConfigurationError(
                f"There is no password for {self.settings.user} at {self.settings.host}.",
                remedy="Write inbox.password, or inbox.oauth, in kept.yaml.",
            )
        elif client.has_capability("AUTH=PLAIN"):
            client.plain_login(self.settings.user, self.settings.password)
        else:
            client.login(self.settings.user, self.settings.password)

    def _sign_in_by_token(self, client: IMAPClient, tokens: AccessTokens) -> None:
        """One that was refused is asked for anew once: it may have been taken back before its time."""
        token = tokens.token()
        try:
            self._show(client, token)
        except LoginError as error:
            if _is_passing(error):
                raise
            self._show(client, tokens.token(instead_of=token))

    def _show(self, client: IMAPClient, token: str) -> None:
        if client.has_capability("AUTH=XOAUTH2"):
            client.oauth2_login(self.settings.user, token)
        elif client.has_capability("AUTH=OAUTHBEARER"):
            client.oauthbearer_login(self.settings.user, token)
        else:
            raise ConfigurationError(
                f"{self.settings.host} takes no access tokens.", remedy="Write inbox.password in place of inbox.oauth."
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        host = self.settings.host
        try:
            yield
        except (KeptError, RefusedError):
            raise
        except LoginError as error:
            if _is_passing(error):
                raise Dropped(
                    f"The mail server {host}:{self.settings.port} ended the connection at sign-in.", remedy=_AGAIN
                ) from error
            raise ConfigurationError(
                f"{host} does not let {self.settings.user} in.",
                remedy="Correct the user in mail.imap, or inbox.password or inbox.oauth, in kept.yaml.",
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"The certificate of {host} is not trusted: {error.verify_message}.",
                remedy="Name a file with the certificates to trust under inbox.ca, or correct the host in mail.imap.",
            ) from error
        except (OSError, IMAPClientError, ValueError) as error:
            passing = isinstance(error, OSError | IMAPClientAbortError) and not isinstance(error, TimeoutError)
            raise (Dropped if passing else Unreachable)(
                f"The mail server {host}:{self.settings.port} did not answer: {_why(error)}.",
                remedy=_AGAIN,
            ) from error


@contextmanager
def refusing() -> Iterator[None]:
    """Tells a command that the server refuses (RefusedError) from a connection that is lost."""
    try:
        yield
    except IMAPClientAbortError:
        raise
    except IMAPClientError as error:
        raise RefusedError from error


def _is_passing(error: Exception) -> bool:
    """A sign-in that failed for another reason than what was shown: the library makes one error of all."""
    return isinstance(error.__context__, IMAPClientAbortError) or "[UNAVAILABLE]" in str(error)


def _leave(client: IMAPClient) -> None:
    """Sign out; a connection that is broken already is only closed."""
    try:
        client.logout()
    except (OSError, IMAPClientError):
        try:
            client.shutdown()
        except (OSError, IMAPClientError):
            return


def _why(error: Exception) -> str:
    """What happened, in no more words than the system has for it: an answer of the server could quote a mail."""
    if isinstance(error, TimeoutError):
        return "it said nothing for too long"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).rstrip(".")
    return "it ended the connection" if isinstance(error, IMAPClientAbortError) else "it said what cannot be understood"
