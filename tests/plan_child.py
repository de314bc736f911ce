"""A process of its own that approves and runs one clause, and kills itself (SIGKILL) where it is told to.

`python -m tests.plan_child ROOT CONTROL_URL CLAUSE POINT NTH RECEIPTS`; POINT is `METHOD:before` or `METHOD:after` of a
store, or `none`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from core.database import Database
from stores.sql import SqlStore
from tests.plan_rooms import Gateway, wire


def arm(point: str, nth: int) -> None:
    """Let the nth call of a method of SQL stores be the process's last act."""
    name, _, when = point.partition(":")
    real, calls = getattr(SqlStore, name), [0]

    def deadly(self: SqlStore, *given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, *given, **named)
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(SqlStore, name, deadly)


def main(root: str, url: str, clause: str, point: str, nth: str, receipts: str) -> None:
    if point != "none":
        arm(point, int(nth))
    database = Database(url)
    rooms = wire(database, Gateway(root=Path(root)), receipts=receipts == "yes")
    print("begun", flush=True)
    rooms.sweeps.approve(clause, by="opr_1", reason="looked at it")


if __name__ == "__main__":
    main(*sys.argv[1:])
