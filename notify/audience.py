"""Who is to be told: the contract of whoever knows the accounts of the host application."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import KeptError
from core.personal import Personal


class NoAudience(KeptError):
    """The map names no collection that holds the e-mail addresses of accounts: nobody can be told by mail."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone with an open account. `subject`: an opaque id, the same in every pass; `email`: None where the account has
    none; `place`: where a pass goes on after this person."""

    subject: str
    email: Personal | None
    name: Personal | None = None
    language: str | None = None
    place: str


class Audience(Protocol):
    """The people with an open account, as a stream in a stable order; memory stays flat whatever their number."""

    def people(self, after: str | None, *, joined_before: datetime | None = None) -> Generator[Person, None, None]:
        """Everyone from after a `place` on (None: from the start). `joined_before`: only those whose account was made
        before then; accounts of which no time is known are left out. Raises NoAudience, and Unreachable."""
