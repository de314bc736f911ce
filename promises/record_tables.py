"""The tables behind the history of the board: which ledger entry holds each change of state, and each day's digest."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class StateRow(Base):
    """A clause got another state, or came with a new version. An index over the ledger: what holds is the entry itself."""

    __tablename__ = "promise_states"
    __table_args__ = (sa.Index("ix_promise_states_at", "at"),)
    clause: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    turn: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(12))
    at: Mapped[datetime]
    entry: Mapped[str] = mapped_column(sa.String(40))


class BoardDayRow(Base):
    """The whole board once a day, in the controller's zone: `digest` over the state of every clause at `at`."""

    __tablename__ = "promise_days"
    day: Mapped[date] = mapped_column(primary_key=True)
    version: Mapped[int]
    digest: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime]
    entry: Mapped[str] = mapped_column(sa.String(40))
