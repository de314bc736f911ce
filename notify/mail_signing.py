"""Signs mails with DKIM (RFC 6376), by RSA, and says which record in the DNS holds the public half of a key."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from core.errors import ConfigurationError
from core.settings_mail import DkimSettings

SMALLEST_KEY: Final = 1_024
# What a reader goes by and a machine acts on. From is counted twice: a second one added on the way breaks the signature.
SIGNED: Final = (
    "from", "to", "subject", "date", "message-id", "reply-to", "in-reply-to", "references", "mime-version", "content-type",
    "content-language", "auto-submitted", "list-unsubscribe", "list-unsubscribe-post", "x-kept", "from",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Key:
    """A key as the library wants it, and its public half as the DNS has it."""

    private: bytes = field(repr=False)
    algorithm: bytes
    kind: str
    public: str


class DkimSigner:
    """One key. It is read when it is first used, so that whoever does not send mail can do without it."""

    def __init__(self, settings: DkimSettings) -> None:
        self._settings = settings

    @property
    def record_name(self) -> str:
        """Where the public half is looked for."""
        return f"{self._settings.selector}._domainkey.{self._settings.domain}"

    @property
    def record(self) -> str:
        """What has to stand there, as one text. Raises ConfigurationError for a key that cannot be read."""
        return f"v=DKIM1; k={self._key.kind}; p={self._key.public}"

    def sign(self, content: bytes) -> bytes:
        """The message with its signature before it. Raises ConfigurationError."""
        import dkim  # brings a whole DNS client along, and most installations sign nothing

        key = self._key
        there = {name.lower() for name, _ in dkim.rfc822_parse(content)[0]}
        try:
            header: bytes = dkim.sign(
                content,
                self._settings.selector.encode(),
                self._settings.domain.encode(),
                key.private,
                canonicalize=(b"relaxed", b"relaxed"),
                signature_algorithm=key.algorithm,
                include_headers=[name.encode() for name in SIGNED if name.encode() in there],
            )
        except dkim.DKIMException as error:
            raise self._unusable(str(error)) from error
        return header + content

    def check(self) -> None:
        """Raise ConfigurationError unless it can sign."""
        self.sign(b"From: check@kept.invalid\r\n\r\nx\r\n")

    @cached_property
    def _key(self) -> _Key:
        text = self._settings.key.strip()
        try:
            loaded = load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise self._unusable("it is no RSA key as PEM without a password") from error
        if isinstance(loaded, RSAPrivateKey):
            return self._rsa(loaded)
        kind = "an Ed25519 key" if isinstance(loaded, Ed25519PrivateKey) else "no RSA key"
        raise self._unusable(f"it is {kind}, and Kept signs with RSA alone")

    def _rsa(self, loaded: RSAPrivateKey) -> _Key:
        if loaded.key_size < SMALLEST_KEY:
            raise self._unusable(f"it has {loaded.key_size} bits; receivers want 2048")
        public = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _Key(
            private=loaded.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
            algorithm=b"rsa-sha256",
            kind="rsa",
            public=base64.b64encode(public).decode(),
        )

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"The key of {self.record_name} cannot sign: {why}.", remedy="Correct mail.dkim, or take it out."
        )
