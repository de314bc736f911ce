"""What is known of a mailbox: how far it was read, and which of its mails are here already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from core.clock import Clock
from core.database import Database
from inbox.tables import InboxMessageRow, PositionRow

_AT_ONCE: Final = 400


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a mailbox was read when a look at it began."""

    source: str
    validity: int
    last_uid: int
    era: int

    def place(self, uid: int) -> str:
        """Where a message lies, as it is stored."""
        return f"{self.validity}.{self.era}/{uid}" if self.era else f"{self.validity}/{uid}"


class Positions:
    """Reads and moves them. A position is a help alone: what is taken is known by its place and its bytes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, source: str, validity: int, next_uid: int) -> Position:
        """Where to go on. A mailbox that numbers its mails anew, or that went back to lower UIDs (`next_uid`: the next one
        it will give, 0 where it does not say), is looked at again from its beginning."""
        try:
            return self._begin(source, validity, next_uid)
        except IntegrityError:
            return self._begin(source, validity, next_uid)  # another process looked at it first, in the same moment

    def _begin(self, source: str, validity: int, next_uid: int) -> Position:
        with self._database.begin() as session:
            row = session.get(PositionRow, source)
            if row is None:
                row = PositionRow(source=source, validity=validity, last_uid=0, era=0, at=self._clock.now())
                session.add(row)
            if row.validity != validity:
                row.validity, row.last_uid, row.era = validity, 0, 0
            elif 0 < next_uid <= row.last_uid:
                row.last_uid, row.era = 0, row.era + 1
            return Position(source=source, validity=validity, last_uid=row.last_uid, era=row.era)

    def move(self, position: Position, last_uid: int) -> None:
        """Everything up to `last_uid` was taken. Another process may be further, or have begun another era."""
        here = (PositionRow.source == position.source, PositionRow.validity == position.validity)
        forward = sa.update(PositionRow).where(*here, PositionRow.era == position.era, PositionRow.last_uid < last_uid)
        with self._database.begin() as session:
            session.execute(forward.values(last_uid=last_uid, at=self._clock.now()))

    def known(self, source: str, places: Sequence[str]) -> Mapping[str, bool]:
        """Those of these places that are here already, each with whether only its headers are."""
        found: dict[str, bool] = {}
        with self._database.read() as session:
            for start in range(0, len(places), _AT_ONCE):
                wanted = sa.select(InboxMessageRow.place, InboxMessageRow.too_large).where(
                    InboxMessageRow.source == source, InboxMessageRow.place.in_(places[start : start + _AT_ONCE])
                )
                found.update((place, too_large) for place, too_large in session.execute(wanted))
        return found
