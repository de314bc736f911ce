"""The sections `mail.imap` and `inbox` of `kept.yaml`: which mailboxes are read, how they are opened, which servers are ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from marshmallow import Schema, fields, validate

from core.refusals import Refusals, parse_span

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
SHORTEST_POLL: Final = timedelta(seconds=10)
LONGEST_POLL: Final = timedelta(minutes=5)
_HOST: Final = validate.Regexp(r"^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", error="Write a host name.")
_FOLDER: Final = validate.Regexp(r"^[^\r\n\0]{1,100}$", error="Write the name of a folder.")


class Security(StrEnum):
    """How a connection is kept private: TLS from the start, TLS asked for by STARTTLS, or none, on this machine alone."""

    TLS = "imaps"
    STARTTLS = "imap+starttls"
    NONE = "imap"


_PORTS: Final = {Security.TLS: 993, Security.STARTTLS: 143, Security.NONE: 143}


@dataclass(frozen=True, kw_only=True)
class OAuthSettings:
    """Where access tokens are had for a refresh token. `client_secret` empty: a public client."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""


@dataclass(frozen=True, kw_only=True)
class ImapSettings:
    """One account. `ca`: a file of certificates to trust instead of the system's; `move_to`: a folder that mails go to once
    they are taken, empty: they are left as they are."""

    host: str
    port: int
    security: Security
    user: str
    password: str = field(default="", repr=False)
    oauth: OAuthSettings | None = None
    folders: tuple[str, ...] = ("INBOX",)
    ca: Path | None = None
    move_to: str = ""

    def source(self, folder: str) -> str:
        """How a folder is called wherever it is shown."""
        return f"{self.user}@{self.host}/{folder}"[:200]


@dataclass(frozen=True, kw_only=True)
class InboxSettings:
    """Every mailbox. `since`: mails that arrived before this day are left where they are. `hosts`: names of our receiving servers, whose Received headers count; `trusted_servers`: the names
    under which they write Authentication-Results."""

    imap: ImapSettings | None = None
    maildirs: tuple[Path, ...] = ()
    poll: timedelta = timedelta(minutes=5)
    since: date | None = None
    hosts: tuple[str, ...] = ()
    trusted_servers: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Is there a mailbox to read?"""
        return self.imap is not None or bool(self.maildirs)


class _OAuthSchema(Schema):
    token_url = fields.Str(required=True, validate=validate.Length(1, 500))
    client_id = fields.Str(required=True, validate=validate.Length(1, 500))
    client_secret = fields.Str(load_default="")
    refresh_token = fields.Str(required=True, validate=validate.Length(1, 8_000))
    scope = fields.Str(load_default="", validate=validate.Length(max=1_000))


class InboxSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    password = fields.Str(load_default="")
    oauth = fields.Nested(_OAuthSchema, load_default=None, allow_none=True)
    folders = fields.List(fields.Str(validate=_FOLDER), load_default=list, validate=validate.Length(max=20))
    move_to = fields.Str(load_default="", validate=validate.Length(max=100))
    ca = fields.Str(load_default=None, allow_none=True)
    maildir = fields.Raw(load_default=list)
    poll = fields.Str(load_default="5m")
    since = fields.Raw(load_default=None, allow_none=True)
    hosts = fields.List(fields.Str(validate=_HOST), load_default=list, validate=validate.Length(max=50))
    trusted_servers = fields.List(fields.Str(validate=_HOST), load_default=list, validate=validate.Length(max=50))


def read_inbox(given: Mapping[str, Any], address: str | None, root: Path, refusals: Refusals) -> InboxSettings:
    """The section and `mail.imap` as values; paths begin at `root`."""
    loaded = given or InboxSchema().load({})
    poll = parse_span(loaded["poll"], ("inbox", "poll"), refusals) or InboxSettings.poll
    if not SHORTEST_POLL <= poll <= LONGEST_POLL:
        refusals.add(("inbox", "poll"), f"found {loaded['poll']!r}. Write 10s to 5m.")
    return InboxSettings(
        imap=_imap(loaded, address, root, refusals),
        maildirs=_maildirs(loaded["maildir"], root, refusals),
        poll=poll,
        since=_since(loaded["since"], refusals),
        hosts=tuple(name.lower() for name in loaded["hosts"]),
        trusted_servers=tuple(name.lower() for name in loaded["trusted_servers"]),
    )


def _imap(loaded: Mapping[str, Any], address: str | None, root: Path, refusals: Refusals) -> ImapSettings | None:
    if address is None:
        for key in ("password", "oauth", "folders", "move_to", "ca"):
            if loaded[key]:
                refusals.add(("inbox", key), "there is no mail.imap that it could be for. Add it, or remove this.")
        return None
    parts = _address(address, refusals)
    if parts is None:
        return None
    password = unquote(parts.password or "")
    if password and loaded["password"]:
        refusals.add(("inbox", "password"), "mail.imap holds a password already. Write it once.")
    if loaded["oauth"] and (password or loaded["password"]):
        refusals.add(("inbox", "oauth"), "there is a password too. An account is opened by one of them.")
    named, folders = unquote(parts.path.strip("/")), tuple(dict.fromkeys(loaded["folders"]))
    if loaded["move_to"] and loaded["move_to"] in (folders or (named or "INBOX",)):
        refusals.add(("inbox", "move_to"), f"found {loaded['move_to']!r}, which is read. Name another folder.")
    security = Security(parts.scheme)
    return ImapSettings(
        host=str(parts.hostname),
        port=parts.port or _PORTS[security],
        security=security,
        user=unquote(parts.username or ""),
        password=password or loaded["password"],
        oauth=_oauth(loaded["oauth"], refusals),
        folders=folders or (named or "INBOX",),
        ca=_file(loaded["ca"], root, refusals),
        move_to=loaded["move_to"],
    )


def _address(text: str, refusals: Refusals) -> SplitResult | None:
    """The parts of the address; what is wrong is said without quoting it, as it may hold a password."""
    path = ("mail", "imap")
    try:
        parts = urlsplit(text)
        port_is_one = parts.port != 0
    except ValueError:
        refusals.add(path, "it is no address. Write imaps://user@host/INBOX.")
        return None
    if parts.scheme not in tuple(Security):
        refusals.add(path, f"it begins with {parts.scheme or 'no scheme'!r}. Allowed: {', '.join(Security)}.")
    elif not parts.hostname or not parts.username or not port_is_one:
        refusals.add(path, "it names no user or no host. Write imaps://user@host/INBOX.")
    elif parts.query or parts.fragment or re.search(r"[\r\n\0]", unquote(text)):
        refusals.add(path, "it has more than a folder after the host. A '?' or '#' is written %3F or %23.")
    elif parts.scheme == Security.NONE and parts.hostname not in LOOPBACK:
        refusals.add(path, f"a connection to {parts.hostname} would be readable. Write imaps:// or imap+starttls://.")
    else:
        return parts
    return None


def _oauth(given: Mapping[str, Any] | None, refusals: Refusals) -> OAuthSettings | None:
    if given is None or not _OAuthSchema().fields.keys() <= given.keys():
        return None  # there is none, or what it lacks was refused already
    parts = urlsplit(given["token_url"])
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        refusals.add(
            ("inbox", "oauth", "token_url"), f"found {given['token_url']!r}. Tokens are asked for by https alone."
        )
    return OAuthSettings(**given)


def _maildirs(given: Any, root: Path, refusals: Refusals) -> tuple[Path, ...]:
    """One path or several. Whether a folder is there is seen when it is read: it may be mounted later."""
    paths = [given] if isinstance(given, str) else given
    if not isinstance(paths, list) or not all(isinstance(one, str) and one for one in paths):
        refusals.add(("inbox", "maildir"), f"found {given!r}. Write a folder, or a list of folders.")
        return ()
    return tuple(dict.fromkeys(root / one for one in paths))


def _since(given: Any, refusals: Refusals) -> date | None:
    """A day as YAML reads it, or as text."""
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    if isinstance(given, str):
        try:
            return date.fromisoformat(given)
        except ValueError:
            pass
    refusals.add(("inbox", "since"), f"found {given!r}. Write a day, such as 2026-11-01.")
    return None


def _file(name: str | None, root: Path, refusals: Refusals) -> Path | None:
    if name is None:
        return None
    if not (root / name).is_file():
        refusals.add(("inbox", "ca"), f"{root / name} is no file. Name one with certificates (PEM).")
    return root / name
