"""Heartbeats of jobs: when each last ran and how it ended, so that silence can be seen."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.database import Base


class HeartbeatRow(Base):
    """The last run of a job, and the last good one."""

    __tablename__ = "heartbeats"
    job: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    ran_at: Mapped[datetime]
    good_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(sa.Text, default="")


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """`note` is empty after a good run, else it says what went wrong."""

    job: str
    ran_at: datetime
    good_at: datetime | None
    note: str


def beat(session: Session, job: str, at: datetime, *, trouble: str = "") -> None:
    """Write down that a job ran; `trouble` says what went wrong, if something did."""
    row = session.get(HeartbeatRow, job)
    if row is None:
        row = HeartbeatRow(job=job, ran_at=at, good_at=None, note="")
        session.add(row)
    row.ran_at, row.note = at, trouble
    if not trouble:
        row.good_at = at


def heartbeats(session: Session) -> list[Heartbeat]:
    """All jobs that ever ran, by name."""
    rows = session.execute(sa.select(HeartbeatRow).order_by(HeartbeatRow.job)).scalars()
    return [Heartbeat(job=r.job, ran_at=r.ran_at, good_at=r.good_at, note=r.note) for r in rows]
