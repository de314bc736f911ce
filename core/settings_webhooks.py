"""The section `webhooks` of `kept.yaml`: where events are sent, which of them, and with which secret each is signed."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import Schema, fields, validate

from core.keys import derive_key
from core.lined_yaml import Path
from core.refusals import Refusals

PREFIX: Final = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes of a secret, as Standard Webhooks wants them
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
ALARMS: Final = ("alarm.*",)
MOST: Final = 20
_PATTERN: Final = re.compile(r"\*|[a-z][a-z_]*\.(\*|[a-z][a-z_]*)")


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """One endpoint. `events`: types of events, `family.*`, or `*`. `previous_secret`: signs too, while receivers change
    over. `private`: addresses that are not public are allowed; of this machine's own they always are."""

    url: str = field(repr=False)  # its path may be a secret of the receiver's
    secret: str = field(repr=False)
    events: tuple[str, ...] = ("*",)
    previous_secret: str | None = field(default=None, repr=False)
    private: bool = False

    @property
    def id(self) -> str:
        """The same as long as its address is."""
        return f"whk_{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def host(self) -> str:
        """What is shown of the address: a path may be as good as a password."""
        return urlsplit(self.url).netloc

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, by its own words."""
        return urlsplit(self.url).hostname in LOOPBACK

    def wants(self, kind: str) -> bool:
        """Whether events of a type are sent to it."""
        family = kind.partition(".")[0]
        return any(one in ("*", kind, f"{family}.*") for one in self.events)


class WebhookSchema(Schema):
    """The keys of one endpoint."""

    url = fields.Str(required=True)
    secret = fields.Str(required=True)
    previous_secret = fields.Str(load_default=None, allow_none=True)
    events = fields.List(
        fields.Str(validate=validate.Regexp(_PATTERN, error="Write *, a family as request.*, or one as sweep.failed.")),
        load_default=["*"],
        validate=validate.Length(1),
    )
    allow = fields.List(fields.Str(validate=validate.OneOf(("private",))), load_default=list)


def read_webhooks(
    given: Sequence[Mapping[str, Any]], alarms: str | None, installation: str, refusals: Refusals
) -> tuple[WebhookSettings, ...]:
    """The section as values, with the endpoint of `alerts: {webhook: …}`. `installation`: its secret."""
    if len(given) > MOST:
        refusals.add(("webhooks",), f"there are {len(given)} endpoints. At most {MOST} are served.")
    read = [_read(one, ("webhooks", index), refusals) for index, one in enumerate(given)]
    addresses = [one.url for one in read]
    for index, url in enumerate(addresses):
        if url != "unset" and addresses.index(url) != index:
            refusals.add(("webhooks", index, "url"), "it stands here twice. Write its events in one list.")
    if alarms is None:
        return tuple(read)
    check_address(alarms, ("alerts", "webhook"), refusals)
    return _with_alarms(read, alarms, installation.encode())


def _with_alarms(read: Sequence[WebhookSettings], alarms: str, installation: bytes) -> tuple[WebhookSettings, ...]:
    """That endpoint is signed with a secret derived from the installation's own, unless it stands under `webhooks` too."""
    if any(one.url == alarms for one in read):
        return tuple(
            replace(one, events=(*one.events, *ALARMS)) if one.url == alarms and not one.wants("alarm.raised") else one
            for one in read
        )
    made = base64.b64encode(derive_key(installation, f"webhook {alarms}")).decode()
    return (*read, WebhookSettings(url=alarms, secret=PREFIX + made, events=ALARMS))


def check_address(url: str, path: Path, refusals: Refusals) -> None:
    """Refuse an address that is not https, or that holds a name and a password. It is not repeated: it may be secret."""
    if url == "unset":
        return  # refused already
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        refusals.add(path, "this is no address. Write https://HOST/PATH.")
        return
    if not parts.hostname or parts.username or parts.password or parts.fragment or re.search(r"[\s\x00-\x1f]", url):
        refusals.add(path, "this is no address of an endpoint. Write https://HOST/PATH, without a name and a password.")
    elif parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        refusals.add(path, f"{parts.scheme}://{parts.hostname} is not https. Only on this machine can it be http.")


def _read(given: Mapping[str, Any], path: Path, refusals: Refusals) -> WebhookSettings:
    check_address(given["url"], (*path, "url"), refusals)
    for key in ("secret", "previous_secret"):
        if given[key] is not None and given[key] != "unset" and not _is_secret(given[key]):
            refusals.add(
                (*path, key),
                f"this is no secret for webhooks: {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64."
                " `kept webhooks secret` makes one.",
            )
    return WebhookSettings(
        url=given["url"],
        secret=given["secret"],
        events=tuple(dict.fromkeys(given["events"])),
        previous_secret=given["previous_secret"],
        private="private" in given["allow"],
    )


def _is_secret(text: str) -> bool:
    if not text.startswith(PREFIX):
        return False
    try:
        size = len(base64.b64decode(text.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        return False
    return SHORTEST <= size <= LONGEST
