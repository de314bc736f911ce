"""A process of its own that tells people of version 2, to be killed from outside or by itself.

`python -m tests.campaign_child ROOT CONTROL_URL SMTP POINT NTH`; SMTP is a URL or `-` for files; POINT is
`send:before`, `send:after` (the nth mail of this process) or `none`. At its end it prints its peak memory in MiB.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from core.clock import SystemClock
from core.database import Database
from notify import transport
from notify.transport import Envelope
from tests.campaign_rooms import wire_telling


def arm(point: str, nth: int) -> None:
    """Let the nth hand-over be the process's last act, before or after it."""
    _, _, when = point.partition(":")
    for kind in (transport._SmtpSession, transport._FileSession):
        real, calls = kind.send, [0]

        def deadly(self: object, envelope: Envelope, real: object = real, calls: list[int] = calls) -> None:
            calls[0] += 1
            if calls[0] == nth and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, envelope)  # type: ignore[operator]
            if calls[0] == nth:
                os.kill(os.getpid(), signal.SIGKILL)

        kind.send = deadly  # type: ignore[method-assign]


def main(root: str, url: str, smtp: str, point: str, nth: str) -> None:
    if point != "none":
        arm(point, int(nth))
    rooms = wire_telling(Database(url), Path(root), smtp=None if smtp == "-" else smtp, clock=SystemClock())
    print("begun", flush=True)
    rooms.runs.run(2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
