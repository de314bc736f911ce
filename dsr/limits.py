"""Limits on what strangers can set off: counters in the database, so that they hold over restarts and processes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.canonical import keyed_digest
from dsr.tables import CounterRow


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `most` in each window of the clock; windows begin at multiples of `window` since 1970."""

    most: int
    window: timedelta


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one address, one source, one request and all together may set off by form, confirm page and person's page."""

    form_per_address: Limit = Limit(most=3, window=timedelta(hours=24))
    form_per_source: Limit = Limit(most=20, window=timedelta(hours=1))
    # Somebody whose address is proven as one that asks for others, as agents do.
    form_per_asker: Limit = Limit(most=50, window=timedelta(hours=24))
    form_in_all: Limit = Limit(most=500, window=timedelta(hours=1))
    confirm_per_source: Limit = Limit(most=60, window=timedelta(hours=1))
    confirm_in_all: Limit = Limit(most=5_000, window=timedelta(hours=1))
    code_per_ticket: Limit = Limit(most=5, window=timedelta(hours=1))
    code_per_source: Limit = Limit(most=30, window=timedelta(hours=1))
    code_in_all: Limit = Limit(most=1_000, window=timedelta(hours=1))
    proof_per_contact: Limit = Limit(most=6, window=timedelta(hours=24))
    message_per_ticket: Limit = Limit(most=10, window=timedelta(hours=1))
    # All that the files of one request may hold at a time, so that nobody fills the disk with it.
    file_bytes_per_ticket: int = 100 * 2**20


DEFAULT_LIMITS: Final = Limits()


class Counters:
    """Counts under keyed hashes: an address or a source stands nowhere in the table."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def take(self, session: Session, what: str, whom: str, limit: Limit, now: datetime) -> bool:
        """Count one more; False when the limit was passed with it."""
        begun = _window_start(now, limit.window)
        hashed = keyed_digest(self._key, [what, whom, begun.isoformat()])
        values = {"key": hashed, "count": 1, "expires_at": begun + limit.window}
        count = session.execute(_upsert(session, values)).scalar_one()
        return int(count) <= limit.most

    @staticmethod
    def sweep(session: Session, now: datetime) -> None:
        """Remove the counters of windows that are over."""
        session.execute(sa.delete(CounterRow).where(CounterRow.expires_at <= now))


def _window_start(now: datetime, window: timedelta) -> datetime:
    seconds = int(window.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


def _upsert(session: Session, values: dict[str, object]) -> sa.Executable:
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        made = sqlite.insert(CounterRow).values(values)
        again = made.on_conflict_do_update(index_elements=["key"], set_={"count": CounterRow.count + 1})
        return again.returning(CounterRow.count)
    from sqlalchemy.dialects import postgresql

    made_there = postgresql.insert(CounterRow).values(values)
    again_there = made_there.on_conflict_do_update(index_elements=["key"], set_={"count": CounterRow.count + 1})
    return again_there.returning(CounterRow.count)
