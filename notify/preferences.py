"""Links to a page of preferences: signed, bound to one identifier's hash and one purpose, and made without storing anything."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.orm import Session

from core.errors import NotFound
from core.personal import Personal
from notify.suppression_tables import Purpose
from notify.suppressions import Suppressions, read_purpose

PERSON: Final = "person"
_FORM: Final = 1  # of the token; another one would get another number
_HASH, _MAC = 32, 20
_PURPOSES: Final = tuple(Purpose)  # a purpose is its place here: new ones go to the end
ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")  # the body that RFC 8058 wants


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What a link is about: whom, by the hash of an identifier of this kind, and the purpose its one click declines."""

    kind: str
    hashed: str = field(repr=False)
    purpose: Purpose


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One purpose as the page shows it. `off_at`: since when it is declined; `source`: how that came in."""

    purpose: Purpose
    off_at: datetime | None = None
    source: str = ""

    @property
    def is_on(self) -> bool:
        return self.off_at is None


class Preferences:
    """Makes links, and reads and changes what they stand for. `key` signs; `base_url` is where links lead."""

    def __init__(self, suppressions: Suppressions, *, key: bytes, base_url: str) -> None:
        self._suppressions = suppressions
        self._key = key
        self._base_url = base_url.rstrip("/")

    def link(self, *, kind: str, value: Personal, purpose: str, language: str = "") -> str:
        """The address of a person's page. Raises BadInput."""
        choice = f"?lang={language}" if language else ""
        return f"{self._base_url}/preferences/{self.token(kind=kind, value=value, purpose=purpose)}{choice}"

    def headers(self, *, kind: str, value: Personal, purpose: str) -> Mapping[str, str]:
        """What a mail carries so that its reader can decline with one click (RFC 8058)."""
        name, what = ONE_CLICK
        link = self.link(kind=kind, value=value, purpose=purpose)
        return {name: f"<{link}>", f"{name}-Post": f"{name}={what}"}

    def token(self, *, kind: str, value: Personal, purpose: str) -> str:
        """What the address ends in: no part of it tells whose it is. The same person and purpose give the same."""
        hashed = bytes.fromhex(self._suppressions.hash(kind, value.reveal()))
        place = _PURPOSES.index(read_purpose(purpose))
        signed = bytes([_FORM, place]) + hashed + kind.encode()
        return urlsafe_b64encode(self._mac(signed) + signed).rstrip(b"=").decode()

    def read(self, token: str) -> Bound:
        """What a token stands for. Raises NotFound for one that is not ours, or that was altered."""
        try:
            whole = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:
            raise self._gone() from None
        mac, signed = whole[:_MAC], whole[_MAC:]
        # A token has one spelling: whatever else decodes to the same bytes is none.
        is_ours = urlsafe_b64encode(whole).rstrip(b"=").decode() == token and hmac.compare_digest(
            mac, self._mac(signed)
        )
        if not is_ours or len(signed) <= 2 + _HASH or signed[0] != _FORM:
            raise self._gone()
        hashed, kind = signed[2 : 2 + _HASH].hex(), signed[2 + _HASH :].decode()
        return Bound(kind=kind, hashed=hashed, purpose=_PURPOSES[signed[1]])

    def standing(self, session: Session, bound: Bound) -> tuple[Standing, ...]:
        """Every purpose, on or off, the link's own first."""
        found = {one.purpose: one for one in self._suppressions.look_up_hash(session, bound.hashed)}
        order = (bound.purpose, *(one for one in _PURPOSES if one is not bound.purpose))
        return tuple(
            Standing(purpose=one, off_at=found[one].at, source=found[one].source)
            if one in found
            else Standing(purpose=one)
            for one in order
        )

    def decline(self, session: Session, bound: Bound, purpose: Purpose, *, source: str) -> bool:
        """Switch a purpose off; False where it is off."""
        return self._suppressions.add_hash(
            session, kind=bound.kind, hashed=bound.hashed, purpose=purpose, source=source, by=PERSON
        )

    def allow(self, session: Session, bound: Bound, purpose: Purpose) -> bool:
        """Switch a purpose on again; False where it is on."""
        return self._suppressions.lift_hash(
            session,
            kind=bound.kind,
            hashed=bound.hashed,
            purpose=purpose,
            by=PERSON,
            why="Switched on again on the page of preferences.",
            source="preferences",
        )

    def _mac(self, signed: bytes) -> bytes:
        return hmac.new(self._key, signed, sha256).digest()[:_MAC]

    def _gone(self) -> NotFound:
        return NotFound("This link is not one of ours.", remedy="Open it from the mail again, whole.")
