"""A process that has imported Kept and forks, for each kept.yaml it is told, one that does the jobs of mail until it is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

JOBS = frozenset({"outbox", "work", "ledger", "inbox", "letters"})


def main() -> None:
    import alembic.command  # noqa: F401 - opening an installation asks it how old the schema is

    import app  # noqa: F401 - before anything is forked

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(Path(line.strip()))
        print(pid, flush=True)


def work(path: Path) -> None:
    """The scheduler as `kept serve` runs it, with those jobs that a day of mail needs; never returns."""
    from app import open_services
    from core.log import configure_logging
    from jobs.scheduler import Scheduler, standing_jobs

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    configure_logging()
    with open_services(path) as kept:
        Scheduler(kept, tuple(job for job in standing_jobs(kept) if job.name in JOBS)).start()
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
