"""What commands and jobs work with: one installation, opened by `app.py` and closed when the command ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from checks.content import ContentScan
from checks.cookie_check import CookieCheck
from checks.drift import Drift
from checks.guarding import Guard
from core.clock import Clock
from core.database import Database
from core.leases import Leases
from core.rendering import PdfWorker
from core.settings import Settings
from dsr.service import Requests
from dsr.tasks import TaskDesk
from inbox.service import Inbox
from ledger.kept_elsewhere import KeptElsewhere
from ledger.log import Ledger
from notify.bounces import Bounces
from notify.campaign_mails import Letters
from notify.campaign_runs import CampaignRuns
from notify.campaigns import Campaigns
from notify.mail import Mailer
from notify.mail_rounds import MailRounds
from notify.outbox_desk import OutboxDesk
from notify.preferences import Preferences
from notify.suppressions import Suppressions
from notify.webhook_desk import WebhookDesk
from notify.webhook_sending import WebhookSender
from notify.webhooks import Webhooks
from notify.wording import WordingDesk
from plans.holds import Holds
from policies.acceptances import Acceptances
from policies.consents import Consents
from policies.papers import Papers
from policies.versions import Policies
from promises.alerting import Alarms
from promises.attestations import Attestations
from promises.board import Board
from promises.disclosures import Disclosures
from promises.evidence import CheckEvidences, SweepEvidences
from promises.metering import Measures
from promises.record import BoardRecord
from promises.reminding import OwnerReminders
from promises.reports import Reports
from retention.holds import HoldDesk
from retention.oversight import Oversight
from retention.own import AllSweeps
from stores.contract import Store
from stores.datamap import DataMap


@dataclass(frozen=True, kw_only=True)
class Services:
    """One installation, wired. `links_at`: where links in mails lead; the configured address, or the port that was free."""

    settings: Settings
    links_at: str
    clock: Clock
    database: Database
    leases: Leases
    ledger: Ledger
    kept_elsewhere: KeptElsewhere
    stores: Mapping[str, Store]
    datamap: DataMap
    policies: Policies
    acceptances: Acceptances
    consents: Consents
    papers: Papers
    holds: Holds
    hold_desk: HoldDesk
    oversight: Oversight
    sweeps: AllSweeps
    requests: Requests
    inbox: Inbox
    tasks: TaskDesk
    suppressions: Suppressions
    preferences: Preferences
    mailer: Mailer
    mail_rounds: MailRounds
    campaigns: Campaigns
    campaign_runs: CampaignRuns
    bounces: Bounces
    letters: Letters
    outbox: OutboxDesk
    wordings: WordingDesk
    pdf: PdfWorker
    evidences: SweepEvidences
    drift: Drift
    content: ContentScan
    cookies: CookieCheck
    checks: CheckEvidences
    guard: Guard
    board: Callable[[], Board]
    alarms: Alarms
    reports: Reports
    attestations: Attestations
    disclosures: Disclosures
    board_record: BoardRecord
    owner_reminders: OwnerReminders
    measures: Callable[[], Measures]
    webhooks: Webhooks
    webhook_desk: WebhookDesk
    webhook_sender: WebhookSender


class Example(Protocol):
    """An example installation: writes its configuration, and fills a directory with its stores."""

    def write_configuration(self, target: Path) -> None: ...

    def build(
        self, target: Path, *, now: datetime, seed: int = ..., on_progress: Callable[[str], None] | None = ...
    ) -> dict[str, int]: ...


class OpenServices(Protocol):
    """Opens the installation of a kept.yaml (None: the one found from here); links lead to `links_at` where it is given."""

    def __call__(self, path: Path | None, *, links_at: str | None = None) -> AbstractContextManager[Services]: ...


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What `app.py` hands to the command line: how to open an installation, how to make its web application, the examples."""

    open_services: OpenServices
    make_web: Callable[[Services], Any]
    examples: Mapping[str, Example]
