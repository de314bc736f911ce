"""A process of its own that carries out one approved plan of a request, and kills itself (SIGKILL) where it is told to.

`python -m tests.request_child ROOT CONTROL_URL PLAN STORE:METHOD:WHEN NTH`; STORE is `sql` or `files`, WHEN `before` or
`after` the nth call."""

import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from core.database import Database
from stores.files import FilesStore
from stores.sql import SqlStore
from tests.plan_rooms import Gateway, wire

KINDS: Final = {"sql": SqlStore, "files": FilesStore}


def arm(point: str, nth: int) -> None:
    """Let the nth call of a method of stores of a kind be the process's last act."""
    kind, name, when = point.split(":")
    real, calls = getattr(KINDS[kind], name), [0]

    def deadly(self: Any, *given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, *given, **named)
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(KINDS[kind], name, deadly)


def main(root: str, url: str, plan_id: str, point: str, nth: str) -> None:
    arm(point, int(nth))
    rooms = wire(Database(url), Gateway(root=Path(root)))
    rooms.plans.run(plan_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
