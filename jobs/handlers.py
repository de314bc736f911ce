"""What happens when the outbox hands on an event that no single room answers: approvals given in the console, news for operators."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from core.outbox import Event, Handler
from jobs.services import Services
from notify.campaigns import PREVIEW
from notify.mail import queue_mail

log = structlog.get_logger()


def work_handlers(kept: Services) -> Mapping[str, Handler]:
    """The handlers of every kind of event an installation writes but mail."""
    return {
        "request.run": kept.requests.handle_run,
        PREVIEW: kept.campaign_runs.handle_preview,
        "sweep.approve": lambda event: approve_waiting(kept, event),
        "sweep.waiting": lambda event: tell_operators(kept, event),
        "plan.state": note_progress,
        "plan.step": note_progress,
    }


def note_progress(event: Event) -> None:
    """Write down in the log how a plan or one of its steps came out: ids, states and counts only."""
    log.info(event.kind, **event.payload)


def approve_waiting(kept: Services, event: Event) -> None:
    """Run what an operator approved in the console; what has grown past the breaker since they looked waits again."""
    clause, run = event.payload["clause"], event.payload["run"]
    seen = next((one for one in kept.sweeps.waiting() if one.run_id == run), None)
    if seen is None:
        log.info("approval.settled_already", clause=clause, run=run)
        return
    now_over = sum(one.rows for one in kept.sweeps.dry_run(clause))
    if now_over > seen.sweep.rows * (1 + kept.settings.sweep(clause).breaker):
        log.warning("approval.outgrown", clause=clause, seen=seen.sweep.rows, rows=now_over)
        kept.sweeps.run(clause)
        return
    kept.sweeps.approve(clause, by=event.payload["by"], reason=event.payload["reason"])
    kept.evidences.refresh()


def tell_operators(kept: Services, event: Event) -> None:
    """Mail the people under `alerts:` that a sweep waits for them; one that has been settled meanwhile tells nobody."""
    waiting = next((one for one in kept.sweeps.waiting() if one.run_id == event.payload["run"]), None)
    with kept.database.begin() as session:
        version = kept.policies.in_force(session)
        if version is None or waiting is None:
            return
        controller = version.document.controller
        variables = {
            "controller": {"name": controller.name, "email": controller.email},
            "clause": waiting.clause,
            "rows": waiting.sweep.rows,
            "items": [{"title": one.collection, "count": one.rows} for one in waiting.sweep.collections],
            "reason": waiting.reason,
            "due": "",
            "link": f"{kept.links_at}/console/retention",
        }
        for address in kept.settings.alerts.mail:
            queue_mail(session, event="sweep_waiting", to=address, variables=variables, now=kept.clock.now())
