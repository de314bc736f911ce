"""What happens when the outbox hands on an event that no single room answers: approvals given in the console, news for operators."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import structlog

from core.outbox import Event, Handler
from core.words import long_day
from dsr.arrivals import FIND_CONTACT
from dsr.closed_accounts import TAKE as ACCOUNTS_CLOSED
from dsr.erasure_replay import AGAIN as ERASE_AGAIN
from dsr.self_service import SERVE
from jobs.services import Services
from notify.campaigns import PREVIEW
from notify.mail import queue_mail
from plans.holds import REVIEW
from promises.reports import MAKE as MAKE_REPORT
from retention.oversight import RESUME

log = structlog.get_logger()


def work_handlers(kept: Services) -> Mapping[str, Handler]:
    """The handlers of every kind of event an installation writes but mail."""
    return {
        "request.run": kept.requests.handle_run,
        "request.proof": kept.requests.proof.handle,
        "request.changes": kept.requests.changes.handle,
        "request.certificate": kept.requests.handle_certificate,
        FIND_CONTACT: kept.requests.arrivals.find_contact,
        SERVE: kept.requests.self_service.handle,
        ACCOUNTS_CLOSED: kept.requests.closed_accounts.handle,
        "request.right": kept.requests.rights.handle,
        "task.mail": kept.tasks.handle_mail,
        ERASE_AGAIN: kept.requests.replays.handle_again,
        "telling.mail": kept.requests.told.handle_mail,
        "telling.restriction": kept.requests.told.handle_restriction,
        PREVIEW: kept.campaign_runs.handle_preview,
        "promise.check": lambda event: look_again(kept),
        "sweep.approve": lambda event: approve_waiting(kept, event),
        "sweep.waiting": lambda event: tell_operators(kept, event),
        MAKE_REPORT: kept.reports.handle,
        RESUME: lambda event: resume_paused(kept, event),
        REVIEW: lambda event: tell_of_review(kept, event),
        "inbox.read": lambda event: read_inbox(kept, event),
        "plan.state": lambda event: tell_of_plan(kept, event),
        "plan.step": note_progress,
    }


def note_progress(event: Event) -> None:
    """Write down in the log how a plan or one of its steps came out: ids, states and counts only."""
    log.info(event.kind, **event.payload)


def tell_of_plan(kept: Services, event: Event) -> None:
    """A plan that ended, or was left off: in the log, and to the endpoints that want to know."""
    note_progress(event)
    kept.webhooks.handle_plan(event)


def read_inbox(kept: Services, event: Event) -> None:
    """Read every mailbox now, since an operator asked for it; trouble stands on Home and is tried again by itself."""
    taken = sum(one.taken for one in kept.inbox.boxes.poll()) if kept.inbox.boxes.any else 0
    kept.inbox.reading.read_new()
    log.info("inbox.read_now", by=event.payload["by"], taken=taken)


def approve_waiting(kept: Services, event: Event) -> None:
    """Run what an operator approved in the console; what has changed since they looked waits again."""
    outcomes = kept.sweeps.approve_waiting(event.payload["run"], by=event.payload["by"], reason=event.payload["reason"])
    log.info("approval.carried_out", clause=event.payload["clause"], states=[one.state.value for one in outcomes])
    if outcomes:
        kept.evidences.refresh()


def look_again(kept: Services) -> None:
    """Somebody wants the board to be of now: every machine looks, and what changed is recorded."""
    kept.evidences.refresh()
    kept.drift.check()
    kept.content.scan()
    kept.cookies.look()
    kept.board_record.note()


def resume_paused(kept: Services, event: Event) -> None:
    """Go on with a run that was paused, and that an operator wants gone on with before it is due."""
    kept.sweeps.run(event.payload["clause"], actor=event.payload["by"])
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


def tell_of_review(kept: Services, event: Event) -> None:
    """Mail the people under `alerts:` that the review date of a hold has passed; of one that was released, nobody."""
    hold = kept.holds.get(event.payload["hold"])
    with kept.database.begin() as session:
        version = kept.policies.in_force(session)
        if hold.released_at is not None or hold.review_at is None:
            return
        controller = version.document.controller if version else None
        zone = ZoneInfo(controller.timezone if controller else "UTC")
        variables = {
            "controller": {
                "name": controller.name if controller else "this service",
                "email": controller.email if controller else "",
            },
            "hold": hold.id,
            "added": long_day(hold.added_at.astimezone(zone).date()),
            "review": long_day(hold.review_at.astimezone(zone).date()),
            "link": f"{kept.links_at}/console/retention/holds",
        }
        for address in kept.settings.alerts.mail:
            queue_mail(session, event="hold_review", to=address, variables=variables, now=kept.clock.now())
