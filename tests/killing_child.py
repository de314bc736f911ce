"""A process that has everything imported and runs each order in a fork of itself, which it kills (SIGKILL) as it is told.

Orders come in pickled, how each one ended goes out so. Until it forks it has no thread and no connection."""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import SystemClock
from core.database import Database
from core.leases import Leases
from core.settings import CollectionSettings, StoreSettings
from ledger.log import Ledger
from plans.engine import Plans
from policies.versions import Policies
from retention.sweeps import Sweeps
from retention.tables import RunState
from stores.contract import Store, StoreBusy
from stores.datamap import DataMap
from stores.registry import open_store
from tests.ledger_rooms import ORIGIN, SECRET
from tests.plan_rooms import settings_of

PATIENCE_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Kill:
    """When the process dies. `call`: before or after the nth call of a method of the store, or commit of the control
    database; `within`: so many seconds after the nth call began; `moment`: so many seconds after all was wired."""

    how: str
    name: str = ""
    when: str = ""
    nth: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command: approve and run the clause `logs`. `acts`: a file that a line goes into for every batch begun."""

    root: Path
    store: StoreSettings
    collections: tuple[CollectionSettings, ...]
    batch_rows: int
    acts: Path
    kill: Kill | None = None

    @property
    def control(self) -> str:
        return f"sqlite:///{self.root / 'kept.db'}"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """`status` as waitpid says it; `told`: what went wrong, or the states of the runs."""

    status: int
    told: str

    @property
    def was_killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def is_done(self) -> bool:
        return self.status == 0


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The engine over one store, wired as `app.py` does it."""

    database: Database
    ledger: Ledger
    policies: Policies
    sweeps: Sweeps


def wire(order: Order, store: Store | None = None) -> Engine:
    """The real engine, the machine's own clock."""
    clock, database = SystemClock(), Database(order.control)
    store = store or open_store(order.store, clock=clock)
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=SECRET, origin=ORIGIN)
    datamap = DataMap(order.collections, {store.name: store})
    plans = Plans(database, clock, ledger, leases, datamap, batch_rows=order.batch_rows)
    policies = Policies(database, clock, ledger)
    sweeps = Sweeps(database, clock, ledger, policies, plans, settings_of(order.root, 1.0))
    return Engine(database=database, ledger=ledger, policies=policies, sweeps=sweeps)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def note_acts(store: Store, acts: Path) -> None:
    """Write down, before it happens, every batch that is begun, and every one that gave way to a lock."""
    real, file = store.act, os.open(acts, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def act(*given: Any, **named: Any) -> int:
        os.write(file, b"begun\n")
        try:
            return real(*given, **named)
        except StoreBusy:
            os.write(file, b"busy\n")
            raise

    store.act = act  # type: ignore[method-assign]


def arm(store: Store, database: Database, kill: Kill, tell: Callable[[], object]) -> None:
    """Let the process die where it is told to; `tell` lets the process above kill it after a while."""
    calls = [0]

    def count(when: str) -> None:
        calls[0] += 1
        if calls[0] == kill.nth:
            if kill.how == "within":
                tell()
            elif kill.when == when:
                die()

    if kill.how == "moment":
        tell()
    elif kill.name == "commit":
        if kill.when == "before":
            sa.event.listen(database.engine, "commit", lambda _: count("before"))
        else:
            sa.event.listen(Session, "after_commit", lambda _: count("after"))
    else:
        real = getattr(store, kill.name)

        def deadly(*given: Any, **named: Any) -> Any:
            count("before")
            result = real(*given, **named)
            if calls[0] == kill.nth and kill.how == "call":
                die()
            return result

        setattr(store, kill.name, deadly)


def run(order: Order, tell: Callable[[], object]) -> str:
    store = open_store(order.store, clock=SystemClock())
    engine = wire(order, store)
    note_acts(store, order.acts)
    if order.kill is not None:
        arm(store, engine.database, order.kill, tell)
    outcomes = engine.sweeps.approve("logs", by="opr_1", reason="looked at it")
    store.close()
    engine.database.close()
    undone = [f"{one.state} {one.errors} {one.run.note}" for one in outcomes if one.state is not RunState.DONE]
    if undone:
        raise SystemExit("; ".join(undone))
    return json.dumps([[one.rows, one.run.overdue, one.run.remaining] for one in outcomes])


def carry_out(order: Order) -> Ended:
    """Fork, and kill the fork in time; what it says last comes through a pipe."""
    near, far = os.pipe()
    child = os.fork()
    if not child:
        os.close(near)
        signal.alarm(PATIENCE_SECONDS)  # one that hangs ends by another signal than the one that is meant
        status = 1
        try:
            os.write(far, run(order, lambda: os.write(far, b"!")).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - told to the process above
            os.write(far, traceback.format_exc().encode()[-30_000:])
        finally:
            os._exit(status)
    os.close(far)
    told = b""
    while part := os.read(near, 65_536):
        told += part
        if order.kill is not None and part.startswith(b"!"):
            # whoever ends by itself meanwhile closes the pipe
            select.select([near], [], [], order.kill.seconds)
            os.kill(child, signal.SIGKILL)
    os.close(near)
    return Ended(status=os.waitpid(child, 0)[1], told=told.decode(errors="replace"))


def main() -> None:
    """Order after order until there are no more."""
    while True:
        try:
            order = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(carry_out(order), sys.stdout.buffer)
        sys.stdout.buffer.flush()
