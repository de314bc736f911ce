"""The mail with a checkpoint that an auditor gets; it waits in the outbox like every other."""

from __future__ import annotations

from collections.abc import Callable

from core.clock import Clock
from core.database import Database
from ledger.notes import head_inside
from notify.mail import queue_mail
from policies.versions import Policies


def checkpoint_mail(
    database: Database, clock: Clock, policies: Callable[[], Policies]
) -> Callable[[str, int, str], None]:
    """Queues one: to whom, over how many entries, the note. `policies` is asked when the first goes out: the ledger that
    checkpoints are of is made before them."""

    def send(to: str, size: int, note: str) -> None:
        with database.begin() as session:
            version = policies().in_force(session)
            controller = version.document.controller if version else None
            variables = {
                "controller": {
                    "name": controller.name if controller else "Kept",
                    "email": controller.email if controller else "",
                },
                "size": size,
                "origin": head_inside(note).origin,
                "note": note,
            }
            queue_mail(session, event="ledger_checkpoint", to=to, variables=variables, now=clock.now())

    return send
