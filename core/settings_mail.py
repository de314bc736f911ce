"""The section `mail` of `kept.yaml`: the server that mail leaves by, how fast, for how long it is tried, and how it is signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from marshmallow import Schema, fields, pre_load, validate

from core.lined_yaml import Path as KeyPath
from core.refusals import Refusals, parse_span

DEFAULT: Final = "default"  # the domains that have no rate of their own
SHORTEST_PATIENCE: Final = timedelta(hours=1)
LONGEST_PATIENCE: Final = timedelta(days=14)
_DOMAIN: Final = r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"


@dataclass(frozen=True, kw_only=True)
class DkimSettings:
    """A key that mails are signed with. `key`: RSA, as PEM; its public half stands in the DNS under
    `SELECTOR._domainkey.DOMAIN`."""

    domain: str
    selector: str
    key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """`smtp` unset: mail is written to `var/outbox/*.eml`. `sender` is a mailbox as RFC 5322 writes it. `per_minute`: how
    many mails of a campaign a mail server gets a minute, None for as fast as it takes them; `per_domain`: how many mails
    of all kinds the mailboxes of one domain get, `default` for domains that are not named, None for no limit. `connections`:
    how many are open at once. `give_up`: how long a mail is tried. `ca`: a file of certificates to trust instead of the
    system's. `signed_replies`: answers come back to an address that names their thread (`privacy+REF.SIG@…`)."""

    sender: str
    smtp: str | None = field(default=None, repr=False)
    imap: str | None = field(default=None, repr=False)
    per_minute: int | None = 120
    per_domain: Mapping[str, int | None] = field(default_factory=lambda: MappingProxyType({DEFAULT: 300}))
    connections: int = 4
    give_up: timedelta = timedelta(days=4)
    ca: Path | None = None
    dkim: tuple[DkimSettings, ...] = ()
    signed_replies: bool = True

    @property
    def campaign_rate(self) -> int | None:
        """The rate that campaigns go at: files are no server that would have to be spared."""
        return self.per_minute if self.smtp else None


class _Dkim(Schema):
    domain = fields.Str(required=True, validate=validate.Regexp(rf"^{_DOMAIN}$", error="Write a domain."))
    selector = fields.Str(required=True, validate=validate.Regexp(rf"^{_DOMAIN}$", error="Write a selector."))
    key = fields.Str(required=True, validate=validate.Length(1, 20_000))


class MailSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    sender = fields.Str(required=True, data_key="from")
    smtp = fields.Str(load_default=None, allow_none=True, validate=validate.Regexp(r"^smtps?(\+starttls)?://"))
    imap = fields.Str(load_default=None, allow_none=True)
    per_minute = fields.Int(load_default=120, allow_none=True, strict=True, validate=validate.Range(1, 60_000))
    per_domain = fields.Dict(
        keys=fields.Str(validate=validate.Regexp(rf"^{_DOMAIN}$", error="Write a domain, or default.")),
        values=fields.Str(allow_none=True),
        load_default=dict,
    )
    connections = fields.Int(load_default=4, strict=True, validate=validate.Range(1, 20))
    give_up = fields.Str(load_default="4d")
    ca = fields.Str(load_default=None, allow_none=True)
    dkim = fields.List(fields.Nested(_Dkim), load_default=list, validate=validate.Length(max=3))
    signed_replies = fields.Bool(load_default=True)

    @pre_load
    def one_or_many(self, data: Any, **_kwargs: object) -> Any:
        """One key need not be written as a list of one."""
        given = data.get("dkim") if isinstance(data, dict) else None
        return {**data, "dkim": [given]} if isinstance(given, dict) else data


def read_mail(loaded: Mapping[str, Any], root: Path, refusals: Refusals) -> MailSettings:
    """The section as values; paths begin at `root`."""
    give_up = parse_span(loaded["give_up"], ("mail", "give_up"), refusals) or MailSettings.give_up
    if not SHORTEST_PATIENCE <= give_up <= LONGEST_PATIENCE:
        refusals.add(("mail", "give_up"), f"found {loaded['give_up']!r}. Write 1h to 14d.")
    rates: dict[str, int | None] = {DEFAULT: 300}
    for domain, text in loaded["per_domain"].items():
        rates[domain.lower()] = _rate(text, ("mail", "per_domain", domain), refusals)
    return MailSettings(
        sender=loaded["sender"],
        smtp=loaded["smtp"],
        imap=loaded["imap"],
        per_minute=loaded["per_minute"],
        per_domain=MappingProxyType(rates),
        connections=loaded["connections"],
        give_up=give_up,
        ca=root / loaded["ca"] if loaded["ca"] else None,
        dkim=tuple(DkimSettings(**one) for one in loaded["dkim"]),
        signed_replies=loaded["signed_replies"],
    )


def _rate(text: str | None, path: KeyPath, refusals: Refusals) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})/m", text)
    if not match:
        refusals.add(path, f"found {text!r}. Write mails a minute, such as 60/m, or null for no limit.")
        return 1
    return int(match[1])
