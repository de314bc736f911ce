"""A control database with mailboxes before it, for tests of fetching; and, as a program, one poll that kills itself.

`python -m tests.inbox_rooms CONTROL_URL IMAP_URL PASSWORD POINT NTH`; POINT is `before` or `after` the nth message's commit."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from core.clock import Clock, SystemClock
from core.database import Database
from core.heartbeats import Heartbeat, heartbeats
from core.leases import Leases
from core.lined_yaml import load_lined
from core.refusals import Refusals
from core.settings_inbox import InboxSchema, InboxSettings, read_inbox
from inbox.boxes import Boxes
from inbox.tables import InboxMessageRow, OriginalRow
from inbox.taking import Taking
from ledger.log import Ledger
from tests.ledger_rooms import ORIGIN, SECRET

KEY: Final = bytes(range(32))


def settings_of(imap: str | None = None, *, root: Path = Path("/"), **given: Any) -> InboxSettings:
    """The sections of a kept.yaml as values. Raises ConfigurationError."""
    refusals = Refusals(load_lined("{}", source="kept.yaml"), "kept.yaml")
    read = read_inbox(InboxSchema().load(given), imap, root, refusals)
    refusals.raise_any()
    return read


@dataclass(frozen=True, kw_only=True)
class InboxRoom:
    """What an installation has for mail that comes in, without the rest of it."""

    database: Database
    taking: Taking
    ledger: Ledger
    clock: Clock

    def boxes(self, settings: InboxSettings) -> Boxes:
        return Boxes(settings, self.taking, self.database, self.clock, key=KEY)

    def rows(self) -> list[InboxMessageRow]:
        """Every message, in the order in which they were taken."""
        with self.database.read() as session:
            ordered = sa.select(InboxMessageRow).order_by(InboxMessageRow.fetched_at, InboxMessageRow.id)
            return list(session.execute(ordered).scalars())

    def originals(self) -> list[bytes]:
        with self.database.read() as session:
            return list(session.execute(sa.select(OriginalRow.raw)).scalars())

    def heartbeat(self) -> Heartbeat | None:
        with self.database.read() as session:
            return next((one for one in heartbeats(session) if one.job == "inbox"), None)


def make_room(database: Database, clock: Clock | None = None) -> InboxRoom:
    """Over a database that has its tables."""
    clock = clock or SystemClock()
    ledger = Ledger(database, clock, Leases(database, clock), secret=SECRET, origin=ORIGIN)
    return InboxRoom(database=database, taking=Taking(database, clock, ledger), ledger=ledger, clock=clock)


def mail(number: int = 0, *, body: str = "Please delete my data.", size: int = 0) -> bytes:
    """A mail of its own; `size`: about how many bytes it has at least."""
    made = EmailMessage()
    made["From"] = f"Anna Quill <anna{number}@post.example>"
    made["To"] = "privacy@lanternway.example"
    made["Subject"] = f"My data {number}"
    made["Message-ID"] = f"<{number}.{size}@post.example>"
    made["Date"] = datetime(2026, 6, 11, 9, 30, tzinfo=UTC)
    made.set_content(body + "\n" + "All of it, and soon.\n" * (size // 21))
    return made.as_bytes().replace(b"\n", b"\r\n")


class DeadlyTaking(Taking):
    """Kills its process before or after the commit of a message."""

    point, nth, calls = "before", 0, 0

    def take(self, raw: bytes, **named: Any) -> str | None:
        self.calls += 1
        if self.calls == self.nth and self.point == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        taken = super().take(raw, **named)
        if self.calls == self.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return taken


def main(url: str, imap: str, password: str, point: str, nth: str) -> None:
    room = make_room(Database(url))
    taking = DeadlyTaking(room.database, room.clock, room.ledger)
    taking.point, taking.nth = point, int(nth)
    Boxes(settings_of(imap, password=password), taking, room.database, room.clock, key=KEY).poll()


if __name__ == "__main__":
    main(*sys.argv[1:])
