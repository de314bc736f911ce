"""The lease a run works under: taken once, renewed as it goes, and taken over at once from a process that died here."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from core.clock import Clock
from core.errors import Conflict
from core.ids import new_id
from core.leases import Lease, Leases

LASTS = timedelta(seconds=60)


class HeldLease:
    """A lease in use. `renew` is cheap to call often: it writes only when a third of the time has gone."""

    def __init__(self, leases: Leases, lease: Lease, clock: Clock) -> None:
        self._leases = leases
        self._lease = lease
        self._clock = clock
        self._renewed: datetime = clock.now()

    def renew(self) -> None:
        """Raises Conflict when another process has taken over."""
        if self._clock.now() - self._renewed >= LASTS / 3:
            self._leases.renew(self._lease, lasts=LASTS)
            self._renewed = self._clock.now()

    def require(self, session: Session) -> None:
        """Fence a write: inside its transaction, refuse to go on under a lease that was lost."""
        self._leases.require(session, self._lease)


@contextmanager
def hold_lease(leases: Leases, clock: Clock, name: str) -> Iterator[HeldLease]:
    """Hold a name for a block. Raises Conflict while a living process has it; one that was killed on this machine is
    taken over at once, and its token is fenced off, should the look at it have been wrong."""
    mine = f"{socket.gethostname()}/{os.getpid()}/{new_id('run')}"
    lease = leases.take(name, holder=mine, lasts=LASTS)
    if lease is None:
        other = leases.holder(name) or ""
        lease = leases.take(name, holder=other if _is_dead(other) else mine, lasts=LASTS)
    if lease is None:
        process = (leases.holder(name) or "another process/").rsplit("/", 1)[0]
        raise Conflict(
            f"'{name}' is being worked on by process {process}.", remedy="Wait for it to finish, then look again."
        )
    try:
        yield HeldLease(leases, lease, clock)
    finally:
        leases.release(lease)


def _is_dead(holder: str) -> bool:
    parts = holder.split("/")
    if len(parts) != 3 or parts[0] != socket.gethostname() or not parts[1].isdigit():
        return False
    try:
        state = Path(f"/proc/{parts[1]}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return Path("/proc/self").exists()
    return state in "ZX"  # a zombie runs no more code
