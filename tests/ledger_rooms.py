"""A ledger to test with: a clock that stands still, entries by the dozen, and what somebody with SQL could do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from core.database import Database
from core.leases import Leases
from ledger.log import Ledger
from ledger.tables import INSERT_ONLY
from ledger.witnessing import WitnessKey

SECRET = b"the installation's secret in tests"
ORIGIN = "privacy.example.com/kept"


@dataclass
class StandingClock:
    """Tells the time it was given."""

    instant: datetime = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def advance(self, by: timedelta) -> None:
        self.instant += by


def make_ledger(
    database: Database,
    *,
    secret: bytes = SECRET,
    origin: str = ORIGIN,
    clock: StandingClock | None = None,
    head: Path | None = None,
    witnesses: Sequence[WitnessKey] = (),
) -> Ledger:
    clock = clock or StandingClock()
    leases = Leases(database, clock)
    return Ledger(database, clock, leases, secret=secret, origin=origin, head=head, witnesses=witnesses)


def record(ledger: Ledger, database: Database, count: int, *, ref: str = "step_1", settle: bool = True) -> list[str]:
    """Record entries in one transaction, and settle them; gives their ids in order."""
    with database.begin() as session:
        ids = [
            ledger.record(
                session,
                kind="sweep.outcome",
                actor="system",
                refs=[ref, "clause:request-logs"],
                private={"rows": number, "note": "for anna@example.com"},
            )
            for number in range(count)
        ]
    if settle:
        ledger.settle()
    return ids


def run_sql(database: Database, *statements: str) -> None:
    """Run statements as somebody with access to the database would."""
    with database.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def drop_triggers(database: Database) -> None:
    """What stands in the way of such a person, taken out of it."""
    for table in INSERT_ONLY:
        if database.dialect == "sqlite":
            run_sql(database, *(f"DROP TRIGGER {table}_no_{deed}" for deed in ("update", "delete", "replace")))
        else:
            run_sql(database, f"DROP TRIGGER {table}_written_once ON {table}")


def count_rows(database: Database, table: str) -> int:
    with database.engine.begin() as connection:
        return int(connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0)
