"""The outbox: events written in the work's own transaction, handed on afterwards, tried again until they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.clock import Clock
from core.database import Base, Database
from core.errors import KeptError
from core.ids import new_id

log = structlog.get_logger()
FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(hours=6)
CLAIM = timedelta(minutes=5)


class OutboxRow(Base):
    """One event to hand on. `payload` may hold personal data and is emptied when the event is done."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(60))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]
    trouble: Mapped[str] = mapped_column(sa.Text, default="")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a handler gets: `id` is stable over retries, so a handler can make its deed recognisable by it."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    created_at: datetime


Handler = Callable[[Event], None]


class TryAgain(KeptError):
    """A handler's word that an event is not done, and when it comes again. `ends_round`: whatever else waits would fare as
    this one, so the round ends."""

    def __init__(self, why: str, *, at: datetime, ends_round: bool = False) -> None:
        super().__init__(why)
        self.at = at
        self.ends_round = ends_round


def post(session: Session, kind: str, payload: Mapping[str, Any], *, now: datetime, due: datetime | None = None) -> str:
    """Put an event into the outbox in the caller's transaction; returns its id. `due`: not before then."""
    row = OutboxRow(id=new_id("evt"), kind=kind, payload=dict(payload), created_at=now, due_at=due or now, attempts=0)
    session.add(row)
    return row.id


class Dispatcher:
    """Hands due events to their handlers, each event by one dispatcher at a time."""

    def __init__(self, database: Database, clock: Clock, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._clock = clock
        self._handlers = handlers

    def dispatch(self, *, limit: int = 100) -> int:
        """Hand on up to `limit` due events; returns how many were done. A failing one waits longer each time."""
        done = 0
        for _ in range(limit):
            event = self._claim()
            if event is None:
                break
            try:
                done += self._deliver(event)
            except TryAgain as later:
                self._put_off(event, later)
                if later.ends_round:
                    break
        return done

    def waiting(self) -> int:
        """How many events are not handed on yet."""
        with self._database.read() as session:
            return session.execute(sa.select(sa.func.count()).where(OutboxRow.done_at.is_(None))).scalar_one()

    def _claim(self) -> Event | None:
        now = self._clock.now()
        due = (
            sa.select(OutboxRow)
            .where(OutboxRow.done_at.is_(None), OutboxRow.due_at <= now, OutboxRow.kind.in_(list(self._handlers)))
            .order_by(OutboxRow.due_at)
            .limit(1)
        )
        # A look without a lock first: an empty outbox costs no write transaction.
        with self._database.read() as session:
            if session.execute(due).first() is None:
                return None
        with self._database.begin() as session:
            row = session.execute(due.with_for_update(skip_locked=True)).scalar_one_or_none()
            if row is None:
                return None
            row.attempts += 1
            row.due_at = now + max(CLAIM, min(FIRST_RETRY * 2**row.attempts, LAST_RETRY))
            return Event(id=row.id, kind=row.kind, payload=dict(row.payload), created_at=row.created_at)

    def _put_off(self, event: Event, later: TryAgain) -> None:
        with self._database.begin() as session:
            row = session.get_one(OutboxRow, event.id)
            row.trouble, row.due_at = later.message, later.at

    def _deliver(self, event: Event) -> int:
        trouble = ""
        try:
            self._handlers[event.kind](event)
        except TryAgain:
            raise
        except Exception as error:  # noqa: BLE001 - one of the three edges: what a handler meets is recorded, then tried again
            trouble = f"{type(error).__name__}: {error}"
            log.warning("outbox.failed", kind=event.kind, event_id=event.id, trouble=trouble)
        with self._database.begin() as session:
            row = session.get_one(OutboxRow, event.id)
            row.trouble = trouble
            if not trouble:
                row.done_at, row.payload = self._clock.now(), {}
        return 0 if trouble else 1
