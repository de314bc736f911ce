"""How the host application names a person here: by an opaque id of its own, never by an address; and by which channel it heard."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from core.errors import BadInput
from core.personal import Personal
from policies.acceptance_tables import SUBJECT_SIZE

_SUBJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~-]*")
_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def read_subject(text: str) -> Personal:
    """The opaque id of a person. Refuses an e-mail address and whatever else names somebody, without repeating it."""
    if "@" in text or _is_network_address(text):
        raise BadInput(
            "A person is named here by an opaque id, never by an address.",
            remedy="Send the id that your application has for this account.",
        )
    if len(text) > SUBJECT_SIZE or not _SUBJECT.fullmatch(text):
        raise BadInput(
            "This is no id of a person.",
            remedy=f"Send up to {SUBJECT_SIZE} letters, digits and _ . : ~ -, as usr_4821.",
        )
    return Personal(text)


def read_channel(text: str) -> str:
    """Where it happened, in a word of the host application: web, cli, app."""
    if not _CHANNEL.fullmatch(text):
        raise BadInput(
            "This is no channel.", remedy="Send a word in lower-case letters, digits, - and _, as web or cli."
        )
    return text


def _is_network_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
