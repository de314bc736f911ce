"""What `kept doctor` says of signatures on mails: the key signs, and the DNS has its public half, as far as it can be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.resolver

from core.errors import KeptError
from core.settings_mail import DkimSettings
from notify.mail_signing import DkimSigner

PATIENCE_SECONDS: Final = 3.0
# All texts under a name; None where the DNS could not be asked.
LookUp = Callable[[str], Sequence[str] | None]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One key, as it was found. `exit_status`: what the command ends with for its sake."""

    what: str
    state: str
    remedy: str = ""
    exit_status: int = 0


def look_up(name: str) -> Sequence[str] | None:
    """Ask the resolver of this machine."""
    resolver = dns.resolver.Resolver()
    resolver.lifetime = PATIENCE_SECONDS
    try:
        found = resolver.resolve(name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except (dns.exception.DNSException, OSError):
        return None
    return [b"".join(one.strings).decode("ascii", "replace") for one in found]


def check_signatures(keys: Sequence[DkimSettings], ask: LookUp = look_up) -> list[Signature]:
    """One line a key; none where mail is not signed."""
    return [_check(DkimSigner(one), f"DKIM {one.selector}.{one.domain}", ask) for one in keys]


def _check(signer: DkimSigner, what: str, ask: LookUp) -> Signature:
    try:
        signer.check()
    except KeptError as error:
        return Signature(what=what, state=error.message, remedy=error.remedy, exit_status=error.exit_status)
    publish = f'Publish as TXT under {signer.record_name}: "{signer.record}"'
    try:
        texts = ask(signer.record_name)
    except dns.exception.DNSException:
        texts = None
    if texts is None:
        return Signature(what=what, state="signs; the DNS could not be asked", remedy=publish)
    if not texts:
        return Signature(what=what, state="signs, and the DNS has no record for it", remedy=publish, exit_status=1)
    if not any(_public(text) == _public(signer.record) for text in texts):
        return Signature(what=what, state="signs, and the DNS has another key", remedy=publish, exit_status=1)
    return Signature(what=what, state="well")


def _public(record: str) -> str:
    """The key in a record, without the spaces that it may be written with."""
    parts = (part.partition("=") for part in record.split(";"))
    return next(("".join(value.split()) for name, _, value in parts if name.strip() == "p"), "")
