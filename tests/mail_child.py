"""A process of its own that hands mails over, to be killed from outside or by itself.

`python -m tests.mail_child VAR CONTROL_URL SMTP POINT NTH`; POINT is `before` or `after` (the nth handover) or `none`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from core.clock import SystemClock
from core.database import Database
from notify import transport
from notify.transport import Envelope
from tests.mail_rooms import open_room


def arm(when: str, nth: int) -> None:
    """Let the nth handover be the process's last act, before or after it."""
    real, calls = transport._SmtpSession.send, [0]

    def deadly(self: transport._SmtpSession, envelope: Envelope) -> None:
        calls[0] += 1
        if calls[0] == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, envelope)
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    transport._SmtpSession.send = deadly  # type: ignore[method-assign]


def main(var: str, url: str, smtp: str, point: str, nth: str) -> None:
    if point != "none":
        arm(point, int(nth))
    room = open_room(Database(url), Path(var), smtp=smtp, clock=SystemClock())
    print("begun", flush=True)
    while room.rounds.run():
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
