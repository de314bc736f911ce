"""Delivery status notifications (RFC 3464): what a server says of a mail that was sent, recipient by recipient."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inbox.header_text import header_text, read_addresses
from inbox.message import LARGEST
from inbox.parts import Part, Splitter, content_of

MOST_RECIPIENTS: Final = 500
_STATUS_BYTES: Final = 1_000_000
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_ID: Final = re.compile(r"<[^<>\s]{1,250}>")
_ACTIONS: Final = frozenset(["failed", "delayed", "delivered", "relayed", "expanded"])
_FIELD: Final = re.compile(r"([!-9;-~]{1,100}):[ \t]*(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of a mail for one recipient. `action`: one of RFC 3464's five; `status`: such as 5.1.1, or '';
    `recipient`: the one that was written to, before any forwarding, where the server says it."""

    recipient: str = field(repr=False)
    action: str
    status: str
    diagnostic: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Bounce:
    """One notification. `original_id`: the Message-ID of the mail that it is about, '' where it did not come back."""

    original_id: str
    deliveries: tuple[Delivery, ...]

    @property
    def failed(self) -> tuple[Delivery, ...]:
        return tuple(one for one in self.deliveries if one.action == "failed")


def read_bounce(raw: bytes) -> Bounce | None:
    """What a bounce says; None for a mail that is none. One without a report for machines has no deliveries but those that
    X-Failed-Recipients names. Never raises."""
    root = Splitter(raw=raw, end=min(len(raw), LARGEST)).read()
    reports = [
        part for part in root.walk() if part.type in ("message/delivery-status", "message/global-delivery-status")
    ]
    deliveries = [one for part in reports for one in _read_report(raw, part)][:MOST_RECIPIENTS]
    if not reports:
        named = read_addresses(header_text(root.get("x-failed-recipients")))
        deliveries = [Delivery(recipient=one, action="failed", status="") for _, one in named]
    if not deliveries and root.type != "multipart/report":
        return None
    return Bounce(original_id=_original_id(raw, root), deliveries=tuple(deliveries))


def _read_report(raw: bytes, part: Part) -> list[Delivery]:
    content = content_of(raw, part, _STATUS_BYTES).data.decode("utf-8", "replace").replace("\r\n", "\n")
    blocks = [_read_block(block) for block in re.split(r"\n[ \t]*\n", content)[: MOST_RECIPIENTS + 1]]
    read = (_read_delivery(block) for block in blocks)
    return [one for one in read if one is not None]


def _read_block(block: str) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+", " ", block.strip("\n")).split("\n"):
        found = _FIELD.match(line)
        if found:
            fields.setdefault(found[1].lower(), found[2].strip()[:1_000])
    return fields


def _read_delivery(block: Mapping[str, str]) -> Delivery | None:
    action = block.get("action", "").partition(" ")[0].lower()
    if action not in _ACTIONS:
        return None
    recipient = ""
    for name in ("original-recipient", "final-recipient"):
        kind, _, address = block.get(name, "").rpartition(";")
        found = read_addresses(address) if kind.strip().lower() in ("rfc822", "utf-8", "") else ()
        recipient = recipient or (found[0][1] if found else "")
    status = _STATUS.search(block.get("status", ""))
    diagnostic = block.get("diagnostic-code", "")[:500]
    return Delivery(recipient=recipient, action=action, status=status[0] if status else "", diagnostic=diagnostic)


def _original_id(raw: bytes, root: Part) -> str:
    """The Message-ID of what came back, whole or its headers alone; without that, what the notification answers to."""
    parts: Sequence[Part] = [part for part in root.walk() if part is not root]
    for part in parts:
        said = part.get("message-id")
        if part.type == "text/rfc822-headers":
            said = content_of(raw, part, _STATUS_BYTES).data
            found = re.search(rb"(?im)^message-id:\s*(<[^<>\s]{1,250}>)", said)
            said = found[1] if found else b""
        if said and (known := _ID.search(header_text(said))):
            return known[0]
    answered = _ID.search(header_text(root.get("in-reply-to")) or header_text(root.get("references")))
    return answered[0] if answered else ""
