"""Addresses that answers come back to: `privacy+REF.SIG@…`, so that a reply finds its thread and nobody can make one up."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.utils import parseaddr
from hmac import compare_digest
from typing import Final

from core.canonical import keyed_digest

SIGNED: Final = 16
_LOCAL: Final = re.compile(rf"(?P<box>.+)\+(?P<ref>[A-Za-z0-9_-]{{1,40}})\.(?P<signature>[0-9a-f]{{{SIGNED}}})")


class ReplyAddresses:
    """Makes and reads them under the mailbox of `sender`, as RFC 5322 writes it. `key`: 32 bytes, of this purpose alone."""

    def __init__(self, sender: str, key: bytes) -> None:
        self._name, address = parseaddr(sender)
        self._box, _, self._domain = address.rpartition("@")
        self._key = key

    def make(self, ref: str) -> str:
        """The address of a thread, with the name of the sender before it. `ref`: letters, digits, `_` and `-`, at most 40."""
        box = self._box.partition("+")[0]
        address = Address(self._name, addr_spec=f"{box}+{ref}.{self._sign(ref)}@{self._domain}")
        return str(address)

    def read(self, address: str) -> str | None:
        """The `ref` of an address that was made here; None for any other one. Letter case, which mail servers change, does
        not count: the answer is in lower case."""
        local, _, domain = parseaddr(address)[1].lower().rpartition("@")
        found = _LOCAL.fullmatch(local)
        if found is None or domain != self._domain.lower():
            return None
        if found["box"] != self._box.partition("+")[0].lower() or not compare_digest(
            found["signature"], self._sign(found["ref"])
        ):
            return None
        return found["ref"]

    def _sign(self, ref: str) -> str:
        return keyed_digest(self._key, ref.lower())[:SIGNED]
