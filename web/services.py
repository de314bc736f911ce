"""What the pages work with: the services of the other rooms, handed in by `app.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from flask import current_app

from core.clock import Clock
from core.database import Database
from core.settings import Settings
from ledger.kept_elsewhere import KeptElsewhere
from ledger.log import Ledger
from policies.acceptances import Acceptances
from policies.consents import Consents
from policies.drafts import Drafts
from policies.papers import Papers
from policies.versions import Policies

if TYPE_CHECKING:
    from checks.guarding import Guard
    from dsr.service import Requests
    from dsr.tasks import TaskDesk
    from inbox.service import Inbox
    from notify.campaign_mails import Letters
    from notify.campaigns import Campaigns
    from notify.mailbox import Mailbox
    from notify.outbox_desk import OutboxDesk
    from notify.preferences import Preferences
    from notify.suppressions import Suppressions
    from notify.webhook_desk import WebhookDesk
    from notify.wording import WordingDesk
    from promises.attestations import Attestations
    from promises.board import Board
    from promises.disclosures import Disclosures
    from promises.metering import Measures
    from promises.record import BoardRecord
    from promises.reports import Reports
    from retention.holds import HoldDesk
    from retention.oversight import Oversight
    from retention.sweeps import Sweeps

EXTENSION = "kept"


class Probe(Protocol):
    """One thing `/readyz` asks: returns if all is well, raises a KeptError that says what is not."""

    def __call__(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class WebServices:
    """One installation, as the pages see it."""

    settings: Settings
    clock: Clock
    database: Database
    ledger: Ledger
    kept_elsewhere: KeptElsewhere
    policies: Policies
    acceptances: Acceptances
    consents: Consents
    papers: Papers
    drafts: Drafts
    sweeps: Sweeps
    hold_desk: HoldDesk
    oversight: Oversight
    requests: Requests
    inbox: Inbox
    tasks: TaskDesk
    suppressions: Suppressions
    preferences: Preferences
    mailbox: Mailbox
    campaigns: Campaigns
    letters: Letters
    outbox: OutboxDesk
    wordings: WordingDesk
    guard: Guard
    board: Callable[[], Board]
    attestations: Attestations
    disclosures: Disclosures
    board_record: BoardRecord
    measures: Callable[[], Measures]
    reports: Reports
    webhooks: WebhookDesk
    probes: dict[str, Probe]


def services() -> WebServices:
    """The services of the application that answers this request."""
    return cast(WebServices, current_app.extensions[EXTENSION])
