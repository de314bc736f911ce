"""The scheduler: APScheduler fires, rows remember. One leader, found by a lease; every job leaves a heartbeat."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from core.errors import CheckFailed, KeptError
from core.heartbeats import beat
from core.leases import Lease
from core.outbox import Dispatcher
from jobs.erasure_night import look_if_due
from jobs.handlers import work_handlers
from jobs.services import Services

log = structlog.get_logger()
# A job that is still running when it fires again is no news here: its heartbeat tells how it fares.
logging.getLogger("apscheduler").setLevel(logging.ERROR)
LEADER: Final = "scheduler"
# A leader that died is missed for this long and a third more: mail waits meanwhile.
LEADER_LASTS: Final = timedelta(seconds=10)
BEAT_EVERY: Final = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing done again and again. `every` in seconds; `run` returns nothing and raises what went wrong. `beats`: False
    where it leaves a heartbeat of its own, as it does not do its work each time."""

    name: str
    every: float
    run: Callable[[], object]
    beats: bool = True


def standing_jobs(kept: Services) -> tuple[Job, ...]:
    """Every job of an installation."""

    # Mail goes out on time while a long piece of work runs: two queues, each with a thread of its own.
    work = Dispatcher(kept.database, kept.clock, work_handlers(kept))

    def settle() -> None:
        if kept.ledger.waiting().count:
            kept.ledger.settle()

    def sweep() -> None:
        if kept.sweeps.run_due(kept.clock.now()):
            kept.evidences.refresh()

    def verify() -> None:
        checked = kept.ledger.verify()
        if not checked.ok:
            raise CheckFailed(checked.findings[0].problem, remedy="Run `kept ledger verify`.")

    return (
        Job(name="outbox", every=1, run=kept.mail_rounds.run),
        Job(name="work", every=1, run=work.dispatch),
        Job(name="webhooks", every=1, run=kept.webhook_sender.send_due),
        Job(name="ledger", every=1, run=settle),
        Job(name="checkpoints", every=60, run=kept.kept_elsewhere.keep_due),
        Job(name="policy", every=30, run=kept.policies.tick),
        Job(name="campaigns", every=2, run=kept.campaign_runs.run_slice),
        Job(name="papers", every=5, run=kept.papers.make_missing),
        Job(name="sweeps", every=60, run=sweep),
        Job(name="holds", every=60, run=kept.holds.tick),
        Job(name="rows on hold", every=60, run=kept.hold_desk.count_if_due),
        Job(name="promises", every=300, run=kept.evidences.refresh),
        Job(name="alarms", every=60, run=kept.alarms.check),
        Job(name="board", every=60, run=kept.board_record.note),
        Job(name="owners", every=300, run=kept.owner_reminders.tick),
        Job(name="map", every=300, run=kept.drift.check_if_due),
        Job(name="contents", every=300, run=kept.content.scan_if_due),
        Job(name="cookies", every=300, run=kept.cookies.look_if_due),
        Job(name="inbox", every=1, run=kept.inbox.boxes.tick, beats=False),
        Job(name="letters", every=2, run=kept.inbox.reading.read_new),
        Job(name="letters closed", every=600, run=kept.inbox.reading.note_closed),
        Job(name="requests", every=600, run=kept.requests.tidy),
        Job(name="reminders", every=300, run=kept.requests.reminders.tick),
        Job(name="closed accounts", every=600, run=kept.requests.closed_accounts.tick),
        Job(name="restrictions", every=60, run=kept.requests.restrictions.tick),
        Job(name="tasks", every=60, run=kept.tasks.send_due),
        Job(name="erasures", every=300, run=lambda: look_if_due(kept)),
        Job(name="tellings", every=60, run=kept.requests.told.send_due),
        Job(name="ledger check", every=3600, run=verify),
    )


class Scheduler:
    """Runs the standing jobs in threads while this process leads; stands by while another does."""

    def __init__(self, kept: Services, jobs: tuple[Job, ...]) -> None:
        self._kept = kept
        self._jobs = jobs
        self._lease: Lease | None = None
        self._beaten: dict[str, datetime] = {}
        # On SQLite one serving process is sure (a file lock), so a restart takes its own lease over at once.
        only_one = kept.database.dialect == "sqlite"
        self._holder = "serve" if only_one else f"{socket.gethostname()}:{os.getpid()}"
        self._fires = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        """Begin; the first round of every job runs at once."""
        self._lease = self._take_lead()
        self._fires.add_job(self._lead, "interval", seconds=LEADER_LASTS.total_seconds() / 3)
        for job in self._jobs:
            self._fires.add_job(
                self._run, "interval", seconds=job.every, args=[job], next_run_time=self._kept.clock.now()
            )
        self._fires.start()

    def stop(self) -> None:
        """Let running jobs end, give the lead away."""
        self._fires.shutdown(wait=True)
        if self._lease:
            self._kept.leases.release(self._lease)

    def _lead(self) -> None:
        led = self._lease is not None
        try:
            self._lease = self._take_lead()
        except KeptError as error:
            # Whoever cannot renew its lease may have lost it: it stands by until the database answers again.
            self._lease = None
            log.error("scheduler.lead_lost", reason=str(error))
            return
        if led != (self._lease is not None):
            log.info("scheduler.leads" if self._lease else "scheduler.stands_by", holder=self._holder)

    def _take_lead(self) -> Lease | None:
        return self._kept.leases.take(LEADER, holder=self._holder, lasts=LEADER_LASTS)

    def _run(self, job: Job) -> None:
        if self._lease is None:
            return
        trouble = ""
        try:
            job.run()
        except Exception as error:  # noqa: BLE001 - one of the three edges: a job that fails is recorded and runs again
            trouble = f"{type(error).__name__}: {error}"
            log.error("job.failed", job=job.name, trouble=trouble)
        if job.beats or trouble:
            self._leave_heartbeat(job, trouble)

    def _leave_heartbeat(self, job: Job, trouble: str) -> None:
        now = self._kept.clock.now()
        last = self._beaten.get(job.name)
        # A good run every second need not be written down every second.
        if not trouble and last and now - last < BEAT_EVERY:
            return
        try:
            with self._kept.database.begin() as session:
                beat(session, job.name, now, trouble=trouble)
        except Exception as error:  # noqa: BLE001 - a database that is down must not end the scheduler; its silence is the alarm
            log.error("heartbeat.failed", job=job.name, trouble=str(error))
            return
        self._beaten[job.name] = now
        if trouble:
            self._beaten.pop(job.name, None)
