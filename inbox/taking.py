"""Takes a message into the control database, once: its row, its bytes and the entry in the ledger in one transaction."""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database
from core.ids import new_id
from inbox.tables import InboxMessageRow, OriginalRow
from ledger.log import Ledger


class Taking:
    """The one way in for every message, from whichever mailbox it comes."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger

    def take(
        self,
        raw: bytes,
        *,
        source: str,
        place: str,
        arrived_at: datetime,
        too_large: bool = False,
        size: int | None = None,
        by: str = "system",
    ) -> str | None:
        """Keep a message that is not here yet; gives its id, None where it was here already.

        It is known by its place and by its bytes, so a mailbox that numbers its mails anew brings nothing twice.
        `too_large`: `raw` is its headers alone, and `size` the bytes of the whole mail. `by`: who handed it in.
        """
        digest = hashlib.sha256(raw).hexdigest()
        try:
            with self._database.begin() as session:
                if _known(session, source, place, digest):
                    return None
                now, message_id = self._clock.now(), new_id("msg_in")
                session.add(
                    InboxMessageRow(
                        id=message_id,
                        source=source,
                        place=place,
                        digest=digest,
                        size=len(raw) if size is None else size,
                        fetched_at=now,
                        arrived_at=arrived_at,
                        too_large=too_large,
                        read_at=None,
                    )
                )
                session.flush()
                session.add(
                    OriginalRow(message_id=message_id, raw=raw, at=now, request_closed_at=None, set_aside_at=None)
                )
                self._ledger.record(session, kind="mail.taken", actor=by, refs=[message_id], private={"digest": digest})
        except IntegrityError:
            return None  # another process took it in the same moment
        return message_id

    def find(self, digest: str) -> str | None:
        """The id of the message with these bytes, None where none was taken."""
        with self._database.read() as session:
            wanted = sa.select(InboxMessageRow.id).where(InboxMessageRow.digest == digest)
            return session.execute(wanted).scalar_one_or_none()

    def count(self) -> int:
        """How many messages were ever taken."""
        with self._database.read() as session:
            return session.execute(sa.select(sa.func.count()).select_from(InboxMessageRow)).scalar_one()


def _known(session: Session, source: str, place: str, digest: str) -> bool:
    here = sa.and_(InboxMessageRow.source == source, InboxMessageRow.place == place)
    wanted = sa.select(InboxMessageRow.id).where(sa.or_(here, InboxMessageRow.digest == digest)).limit(1)
    return session.execute(wanted).first() is not None
