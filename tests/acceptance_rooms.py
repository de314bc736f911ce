"""A policy that asks for acceptance and consent, with its services, on one control database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.database import Database
from core.leases import Leases
from core.personal import Personal
from ledger.log import Ledger
from policies.acceptances import Acceptance, Acceptances, NewAcceptance
from policies.consents import Consents, ConsentState, NewConsent
from policies.documents import Document
from policies.materiality import Weight
from policies.succession import AcceptedBy
from policies.versions import Overrule, Policies, Version
from tests.policy_texts import policy
from tests.schema import make_tables

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA, BRUNO = Personal("usr_anna"), Personal("usr_bruno")
LOGS = "{id: logs, kind: retention, of: request_log, for: P30D, then: delete}"
BY_USE = "{id: accepted, kind: acceptance, by: use}"
EXPLICIT = "{id: accepted, kind: acceptance, by: click}"
NEWS = "{id: news, kind: purpose, of: [account], why: [a newsletter], basis: consent}"
WIDER_NEWS = "{id: news, kind: purpose, of: [account, usage], why: [a newsletter], basis: consent}"
AUDIT = "{id: no-content, kind: never, of: content, unless: {consent: audit_log}}"
BILLING = "{id: billing, kind: purpose, of: [account], why: [billing], basis: contract}"
WORDS = "Send me the newsletter, once a month."


@dataclass
class HandClock:
    """A clock that tests set."""

    instant: datetime = START

    def now(self) -> datetime:
        return self.instant

    def go(self, **span: float) -> None:
        self.instant += timedelta(**span)


@dataclass
class House:
    """A database with its ledger, the versions and the two services under test."""

    database: Database
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        leases = Leases(self.database, self.clock)
        self.ledger = Ledger(self.database, self.clock, leases, secret=b"s" * 32, origin="test.example")
        self.policies = Policies(self.database, self.clock, self.ledger)
        self.acceptances = Acceptances(self.database, self.clock, self.ledger, self.policies, key=b"a" * 32)
        self.consents = Consents(self.database, self.clock, self.ledger, self.policies, key=b"c" * 32)

    def publish(self, *clauses: str, weight: Weight | None = None, day: str = "", words: str = "") -> Version:
        """Publish a policy of these clauses, its change weighed by a person where `weight` says so."""
        return self.policies.publish(
            document(*clauses, day=day, words=words),
            actor="opr_1",
            overrule=Overrule(weight=weight, reason="looked at", by="opr_1") if weight else None,
        )

    def accept(self, version: int, by: AcceptedBy = AcceptedBy.EXPLICIT, at: datetime | None = None) -> Acceptance:
        new = NewAcceptance(subject=ANNA, version=version, by=by, channel="web", at=at)
        return self.acceptances.record(new, actor="tok_1")[0]

    def ask(self) -> bool:
        return self.acceptances.question(ANNA).ask

    def consent(self, given: bool, purpose: str = "news", **shown: Any) -> ConsentState:
        if given and not shown:
            shown = {"text": WORDS}
        new = NewConsent(subject=ANNA, purpose=purpose, given=given, channel="web", **shown)
        return self.consents.record(new, actor="tok_1")

    def count(self, table: str) -> int:
        with self.database.read() as session:
            return int(session.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one())

    def entries(self, kind: str) -> list[tuple[str, ...]]:
        """The refs of every entry of a kind, oldest first."""
        with self.database.read() as session:
            return [entry.refs for entry in reversed(self.ledger.entries(session, kind=kind))]


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """A house on SQLite, closed at the end."""
    database = Database(f"sqlite:///{folder / 'kept.db'}")
    make_tables(database)
    yield House(database)
    database.close()


def document(*clauses: str, day: str = "", words: str = "") -> Document:
    """A policy of clauses, with words of its own in the prose."""
    ids = [clause.split("id: ")[1].split(",")[0] for clause in clauses]
    body = "\n".join(f'{{{{ clause("{name}").cite }}}}' for name in ids) + f"\n{words}"
    return policy(*clauses, body=body, extra=f"not_before: {day}" if day else "")
