"""Leases with fencing tokens: one holder of a name at a time, and no write by one who lost it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock
from core.database import Base, Database
from core.errors import Conflict


class LeaseRow(Base):
    """Who holds a name, until when, and the token of this holding; the token only grows."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    holder: Mapped[str] = mapped_column(sa.String(200))
    token: Mapped[int] = mapped_column(sa.BigInteger)
    expires_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One holding of a name."""

    name: str
    holder: str
    token: int


# Asked before every batch of every run: built once.
_TOKEN = sa.select(LeaseRow.token).where(LeaseRow.name == sa.bindparam("lease")).with_for_update()


class Leases:
    """Takes, renews and releases leases in the control database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take(self, name: str, *, holder: str, lasts: timedelta) -> Lease | None:
        """Hold a name for `lasts`; None while another holder's lease runs. The same holder's new take fences its old one."""
        now = self._clock.now()
        with self._database.begin() as session:
            session.execute(self._insert_missing(name, now))
            row = session.execute(sa.select(LeaseRow).where(LeaseRow.name == name).with_for_update()).scalar_one()
            # One that was given back is free whatever its time: the clock may have been set back since.
            if row.holder and row.expires_at > now and row.holder != holder:
                return None
            row.holder, row.token, row.expires_at = holder, row.token + 1, now + lasts
            return Lease(name=name, holder=holder, token=row.token)

    def _insert_missing(self, name: str, now: datetime) -> sa.Executable:
        values = {"name": name, "holder": "", "token": 0, "expires_at": now}
        if self._database.dialect == "sqlite":
            from sqlalchemy.dialects import sqlite

            return sqlite.insert(LeaseRow).values(values).on_conflict_do_nothing()
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(LeaseRow).values(values).on_conflict_do_nothing()

    def renew(self, lease: Lease, *, lasts: timedelta) -> None:
        """Push the end of a holding out. Raises Conflict if it was lost."""
        with self._database.begin() as session:
            self.require(session, lease)
            session.execute(
                sa.update(LeaseRow).where(LeaseRow.name == lease.name).values(expires_at=self._clock.now() + lasts)
            )

    def release(self, lease: Lease) -> None:
        """Give a holding back; nothing happens if it was lost already."""
        with self._database.begin() as session:
            session.execute(
                sa.update(LeaseRow)
                .where(LeaseRow.name == lease.name, LeaseRow.token == lease.token)
                .values(expires_at=self._clock.now(), holder="")
            )

    def holder(self, name: str) -> str | None:
        """Who holds a name now, if anyone."""
        with self._database.read() as session:
            row = session.get(LeaseRow, name)
            return row.holder if row and row.expires_at > self._clock.now() and row.holder else None

    @staticmethod
    def require(session: Session, lease: Lease) -> None:
        """Inside a write transaction: refuse to go on under a lease that someone else has taken since."""
        token = session.connection().execute(_TOKEN, {"lease": lease.name}).scalar_one_or_none()
        if token != lease.token:
            raise Conflict(
                f"The lease '{lease.name}' was taken by another process.", remedy="It goes on with the work."
            )

    @contextmanager
    def held(self, name: str, *, holder: str, lasts: timedelta) -> Iterator[Lease]:
        """Hold a name for a block. Raises Conflict, naming the holder, while another process has it."""
        lease = self.take(name, holder=holder, lasts=lasts)
        if lease is None:
            other = self.holder(name) or "another process"
            raise Conflict(f"'{name}' is being worked on by {other}.", remedy="Wait for it to finish, then look again.")
        try:
            yield lease
        finally:
            self.release(lease)
