"""Access tokens for a mailbox: had for a refresh token, kept as long as they last, asked for anew before they end."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.clock import Clock
from core.database import Database
from core.errors import ConfigurationError, KeptError, Unreachable
from core.http_line import Broken, Limits, Line, Raw
from core.settings_inbox import OAuthSettings
from inbox.tables import TokenRow

# Asked for anew this long before one ends, so that none ends between the asking and the mailbox.
AHEAD: Final = timedelta(minutes=2)
WITHOUT_END: Final = 3600
_NONCE: Final = 12
_LIMITS: Final = Limits(answer_seconds=20, whole_seconds=30, most_bytes=200_000)


class AccessTokens:
    """The tokens of one account. A provider may give a new refresh token with each answer; it is kept sealed in the control
    database, as the one in `kept.yaml` may then be of no more use. `key`: 32 bytes, of this purpose alone."""

    def __init__(self, settings: OAuthSettings, *, account: str, database: Database, clock: Clock, key: bytes) -> None:
        self._settings = settings
        self._account = account[:200]
        self._database = database
        self._clock = clock
        self._cipher = AESGCM(key)
        self._lock = threading.Lock()
        self._token = ""
        self._ends: datetime | None = None

    def token(self, *, instead_of: str = "") -> str:
        """A token that lasts for a while yet; another than `instead_of`, which was refused.

        Raises ConfigurationError when the provider does not take the refresh token, Unreachable when it does not answer.
        """
        with self._lock:
            if not self._token or self._token == instead_of or self._is_ending():
                self._renew()
            return self._token

    def _is_ending(self) -> bool:
        return self._ends is None or self._clock.now() >= self._ends

    def _renew(self) -> None:
        given, asked_at = self._ask(self._refresh_token()), self._clock.now()
        token, lasts = given.get("access_token"), given.get("expires_in")
        if not isinstance(token, str) or not token:
            raise Unreachable(f"{self._host} gave no access token for {self._account}.", remedy="Look at inbox.oauth.")
        seconds = int(lasts) if isinstance(lasts, int | float | str) and str(lasts).isdigit() else WITHOUT_END
        whole = timedelta(seconds=min(seconds, 10 * WITHOUT_END))
        self._token, self._ends = token, asked_at + max(whole - AHEAD, whole / 2)
        newer = given.get("refresh_token")
        if isinstance(newer, str) and newer:
            self._keep(newer)

    @property
    def _host(self) -> str:
        return str(urlsplit(self._settings.token_url).hostname)

    def _ask(self, refresh_token: str) -> Mapping[str, Any]:
        named = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
            "scope": self._settings.scope,
        }
        body = urlencode({name: value for name, value in named.items() if value}).encode()
        parts = urlsplit(self._settings.token_url)
        # Where it leads stands in the configuration alone, so a server of the house may answer.
        line = Line(f"{parts.scheme}://{parts.netloc}", allow=("http", "private"), limits=_LIMITS)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            answer = line.send("POST", target, {"Content-Type": "application/x-www-form-urlencoded"}, body)
        except Broken as error:
            raise Unreachable(
                f"{self._host}, which gives access to {self._account}, did not answer: {error}.",
                remedy="Nothing was lost; it is asked again.",
            ) from error
        return self._read(answer)

    def _read(self, answer: Raw) -> Mapping[str, Any]:
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            said = None
        if answer.status == 200 and isinstance(said, dict):
            return said
        why = str(said.get("error", "")) if isinstance(said, dict) else ""
        why = why if why.isascii() and why.replace("_", "").isalnum() and len(why) <= 60 else f"status {answer.status}"
        failed: type[KeptError] = ConfigurationError if answer.status in (400, 401, 403) else Unreachable
        raise failed(
            f"{self._host} gives no access to {self._account}: {why}.",
            remedy="Sign in again for a new refresh token, and put it under inbox.oauth in kept.yaml.",
        )

    def _refresh_token(self) -> str:
        """The newest: the one that was given last, unless `kept.yaml` has another one than it had then."""
        with self._database.read() as session:
            row = session.get(TokenRow, self._account)
            if row is None or row.configured != self._configured:
                return self._settings.refresh_token
            sealed = row.sealed
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._account.encode()).decode()
        except InvalidTag:
            return self._settings.refresh_token  # sealed under another secret of the installation

    def _keep(self, refresh_token: str) -> None:
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, refresh_token.encode(), self._account.encode())
        with self._database.begin() as session:
            session.merge(
                TokenRow(account=self._account, configured=self._configured, sealed=sealed, at=self._clock.now())
            )

    @property
    def _configured(self) -> str:
        return hashlib.sha256(self._settings.refresh_token.encode()).hexdigest()
