"""The section `cookies` of `kept.yaml`: which pages are visited every night, and whose other servers they may ask."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import Schema, fields, validate

from core.refusals import Refusals

MOST_PAGES: Final = 50
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True)
class CookieSettings:
    """`pages`: for each place that cookie clauses name (`where`), the addresses to visit. `ours`: further hosts that are the
    company's own; a host stands for what is under it. `asked`: hosts of others that pages may ask, each with the clause of the recipient that it belongs to.
    `browser`: the program to visit with, None: the Chromium that is found; `headers`: visit without one."""

    pages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ours: tuple[str, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    browser: str | None = None
    headers: bool = False


class CookiesSchema(Schema):
    """The keys of the section, each with what it is when it is left out."""

    pages = fields.Dict(
        keys=fields.Str(validate=validate.Length(1, 100)),
        values=fields.List(fields.Str(), validate=validate.Length(1, MOST_PAGES)),
        required=True,
        validate=validate.Length(1, MOST_PAGES),
    )
    ours = fields.List(fields.Str(), load_default=list)
    asked = fields.Dict(keys=fields.Str(), values=fields.Str(), load_default=dict)
    browser = fields.Str(load_default=None, allow_none=True)


def read_cookies(given: Mapping[str, Any] | None, refusals: Refusals) -> CookieSettings:
    """The section as values; no pages where there is none."""
    if given is None:
        return CookieSettings()
    for where, addresses in given["pages"].items():
        for index, address in enumerate(addresses):
            _check_address(address, ("cookies", "pages", where, index), refusals)
    for index, host in enumerate(given["ours"]):
        _check_host(host, ("cookies", "ours", index), refusals)
    for host in given["asked"]:
        _check_host(host, ("cookies", "asked", host), refusals)
    return CookieSettings(
        pages={where: tuple(addresses) for where, addresses in given["pages"].items()},
        ours=tuple(given["ours"]),
        asked=dict(given["asked"]),
        browser=None if given["browser"] == "none" else given["browser"],
        headers=given["browser"] == "none",
    )


def _check_address(address: str, path: tuple[str | int, ...], refusals: Refusals) -> None:
    parts = urlsplit(address)
    local = parts.hostname in _LOOPBACK
    if not parts.hostname or parts.username or parts.scheme not in ({"https", "http"} if local else {"https"}):
        refusals.add(path, f"found {address!r}. Write the https address of a page of yours, without a user in it.")


def _check_host(host: str, path: tuple[str | int, ...], refusals: Refusals) -> None:
    if not _HOST.fullmatch(host):
        refusals.add(path, f"found {host!r}. Write the name of a host in small letters, such as cdn.example.com.")
