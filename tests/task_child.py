"""A process of its own that hands on the event of a task's mail and kills itself (SIGKILL): `python -m tests.task_child
ROOT POINT`; POINT is `queued` (before the claim commits) or `committed` (after it, before the outbox knows)."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import open_services
from core.outbox import Dispatcher, Event
from dsr.tasks import TaskDesk
from notify.mail import queue_mail
from plans.tasks import MAIL_DUE


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def queue_and_die(*given: Any, **named: Any) -> str:
    queue_mail(*given, **named)
    die()
    return ""


def main(root: str, point: str) -> None:
    with open_services(Path(root) / "kept.yaml") as kept:
        desk = kept.tasks._desk
        tasks = TaskDesk(replace(desk, queue_mail=queue_and_die)) if point == "queued" else kept.tasks

        def handle(event: Event) -> None:
            tasks.handle_mail(event)
            die()

        Dispatcher(kept.database, kept.clock, {MAIL_DUE: handle}).dispatch()


if __name__ == "__main__":
    main(*sys.argv[1:])
