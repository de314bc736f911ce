"""Looks before a mail that nobody has to get whether its recipient declined it, and gives it the way to decline with one click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session

from core.personal import Personal
from notify.mail_natures import declined_by
from notify.preferences import Preferences
from notify.suppressions import Suppressions

BY_ADDRESS: Final = "email"  # the kind of identifier that a mail goes by


class Declining:
    """The check that stands before every mail that is not essential."""

    def __init__(self, suppressions: Suppressions, preferences: Preferences) -> None:
        self._suppressions = suppressions
        self._preferences = preferences

    def declined(self, session: Session, event: str, addresses: Sequence[Personal]) -> set[int]:
        """The indexes of those who are not sent this mail."""
        if not (purposes := declined_by(event)):
            return set()
        found = self._suppressions.opted_out(session, [(BY_ADDRESS, one.reveal()) for one in addresses])
        return {index for index, declined in found.items() if declined & set(purposes)}

    def headers(self, event: str, to: Personal) -> Mapping[str, str]:
        """The headers by which a mail program offers to decline it; none for an essential one."""
        if not (purposes := declined_by(event)):
            return {}
        return self._preferences.headers(kind=BY_ADDRESS, value=to, purpose=purposes[0])
