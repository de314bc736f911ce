"""A house to publish policies in: a database, a ledger, a clock set by hand, and somebody who tells people when told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import Unreachable
from core.leases import Leases
from ledger.log import Ledger
from policies.documents import Document, parse_document
from policies.notices import Notice
from policies.version_tables import WRITTEN_ONCE
from policies.versions import Overrule, Policies, Version
from tests.policy_texts import policy
from tests.schema import make_tables

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTICE = "{id: changes, kind: notice, material: [email], ahead: P14D}"
NOTICE_OF_BOTH = "{id: changes, kind: notice, material: [email], minor: [banner], ahead: P14D}"


def logs(period: str) -> str:
    return f"{{id: logs, kind: retention, of: request_log, for: {period}, then: delete}}"


@dataclass
class HandClock:
    """A clock that tests set."""

    instant: datetime = START

    def now(self) -> datetime:
        return self.instant

    def go(self, **span: float) -> None:
        self.instant += timedelta(**span)


@dataclass
class HandTelling:
    """Tells people: notes what it is asked, and is done with a version when the test says so."""

    clock: HandClock
    notices: list[Notice] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    done: dict[int, datetime] = field(default_factory=dict)
    is_out_of_order: bool = False

    def begin(self, session: Session, notice: Notice) -> None:
        if self.is_out_of_order:
            raise Unreachable("The list of people cannot be made.")
        self.notices.append(notice)

    def completed_at(self, session: Session, number: int) -> datetime | None:
        return self.done.get(number)

    def withdraw(self, session: Session, number: int, *, actor: str) -> None:
        self.withdrawn.append(number)

    def finish(self, number: int) -> None:
        self.done[number] = self.clock.now()


@dataclass
class House:
    """A database with its ledger and the service under test."""

    database: Database
    clock: HandClock = field(default_factory=HandClock)
    telling: HandTelling | None = None

    def __post_init__(self) -> None:
        leases = Leases(self.database, self.clock)
        self.ledger = Ledger(self.database, self.clock, leases, secret=b"s" * 32, origin="test.example")
        self.open_again()

    def open_again(self) -> None:
        """As another process would: nothing is read yet."""
        self.policies = Policies(self.database, self.clock, self.ledger, self.telling)

    def make_tables(self) -> None:
        make_tables(self.database)

    def current(self, at: datetime | None = None) -> int | None:
        with self.database.read() as session:
            found = self.policies.in_force(session, at)
        return found.number if found else None

    def all(self) -> list[Version]:
        with self.database.read() as session:
            return self.policies.versions(session)

    def entries(self, number: int) -> list[str]:
        with self.database.read() as session:
            return sorted(entry.kind for entry in self.ledger.entries(session, ref=f"version:{number}"))

    def private(self, number: int, kind: str) -> dict[str, object]:
        """The private part of the one entry of a kind about a version."""
        with self.database.read() as session:
            found = self.ledger.entries(session, ref=f"version:{number}", kind=kind)
        assert len(found) == 1
        return dict(found[0].private or {})

    def drop_triggers(self) -> None:
        """What somebody who owns the database can do."""
        with self.database.engine.begin() as connection:
            for table in WRITTEN_ONCE:
                if self.database.dialect == "postgresql":
                    connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
                    continue
                for deed in ("update", "delete", "replace"):
                    connection.execute(sa.text(f"DROP TRIGGER {table}_no_{deed}"))


def publish(
    house: House, period: str, *more: str, day: str = "", notice: str = NOTICE, overrule: Overrule | None = None
) -> Version:
    """Publish a policy that keeps logs for a period, and promises notice."""
    document = policy(logs(period), notice, *more, extra=f"not_before: {day}" if day else "")
    return house.policies.publish(document, actor="opr_1", overrule=overrule)


def read(house: House, number: int) -> Version:
    with house.database.read() as session:
        return house.policies.version(session, number)


def ticked(house: House) -> list[int]:
    return [version.number for version in house.policies.tick()]


def german(document: Document) -> Document:
    text = document.text.replace("title: Privacy Policy", "title: Datenschutz\nlanguage: de")
    return parse_document(text, "policy.de.md")


@contextmanager
def telling_house(url: str) -> Iterator[House]:
    """Over a database with its tables: a house in which somebody has to be told of every change that matters."""
    database, clock = Database(url), HandClock()
    yield House(database, clock, HandTelling(clock))
    database.close()
