"""Wires Kept: the only file that names concrete classes. `kept = app:main` is the console script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from checks.content import ContentScan
from checks.drift import Drift
from checks.guarding import Guard
from core.clock import SystemClock
from core.database import Database
from core.keys import derive_key
from core.leases import Leases
from core.migrations import upgrade
from core.personal import Personal
from core.rendering import PdfWorker, Renderer
from core.settings import Settings, StoreSettings
from core.settings_file import find_settings_file, load_settings
from dsr.desk import Desk
from dsr.service import Requests
from dsr.tasks import TaskDesk
from examples.gateway import build as gateway
from jobs.audience import MappedAudience
from jobs.cli import run_command_line
from jobs.services import Services, Wiring
from ledger.log import Ledger
from ledger.notes import origin_of
from notify.bounces import Bounces
from notify.campaign_mails import Letters
from notify.campaign_runs import CampaignRuns
from notify.campaigns import Campaigns
from notify.declining import Declining
from notify.mail import Mailer, queue_mail
from notify.mailbox import Mailbox
from notify.preferences import Preferences
from notify.suppressions import Suppressions
from notify.transport import open_transport
from plans.engine import Plans
from plans.leasing import hold_lease
from plans.own import STORE as OWN_STORE
from plans.own import own_map, own_plans
from plans.reading import Reading
from policies.acceptances import Acceptances
from policies.consents import Consents
from policies.documents import Document, parse_document
from policies.drafts import Drafts
from policies.own import OwnPolicies
from policies.papers import Papers
from policies.versions import Policies
from promises.alerting import Alarms
from promises.board import Boards
from promises.evidence import CheckEvidences, SweepEvidences
from promises.metering import Meter
from retention.drafts import Drafting
from retention.holds import HoldDesk
from retention.oversight import Oversight
from retention.own import AllSweeps, OwnSweeps, with_own_sweeps
from stores.contract import Store
from stores.datamap import DataMap
from stores.registry import open_store

if TYPE_CHECKING:
    from flask import Flask

EXAMPLES = {"gateway": gateway}


@contextmanager
def open_services(path: Path | None, *, links_at: str | None = None) -> Iterator[Services]:
    """Open the installation of a kept.yaml (None: the one found from here), its schema brought up to date."""
    settings = load_settings(path or find_settings_file())
    with ExitStack() as stack:
        database = Database(settings.service.database)
        stack.callback(database.close)
        settings.var.mkdir(parents=True, exist_ok=True, mode=0o700)  # people's addresses, copies and keys
        upgrade(database)
        own_settings = StoreSettings(
            name=OWN_STORE, kind="sql", options={"url": database.url.render_as_string(hide_password=False)}
        )
        pdf = PdfWorker()
        stack.callback(pdf.close)
        clock = SystemClock()
        stores = {name: open_store(one, clock=clock) for name, one in settings.stores.items()}
        own_store = open_store(own_settings, clock=clock)
        for store in (*stores.values(), own_store):
            stack.callback(store.close)
        links = links_at or settings.service.base_url
        yield wire(settings, database, clock, stores, pdf, own_store=own_store, links_at=links)


def wire(
    settings: Settings,
    database: Database,
    clock: SystemClock,
    stores: dict[str, Store],
    pdf: PdfWorker,
    *,
    own_store: Store,
    links_at: str,
) -> Services:
    """Every service of one installation. `own_store`: the control database, as the store of Kept's own data."""
    settings = with_own_sweeps(settings, own_map())
    secret = settings.service.secret_key
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=secret, origin=origin_of(settings.service.base_url))
    datamap = DataMap(settings.collections, stores)
    campaigns = Campaigns(clock, ledger, per_minute=settings.mail.campaign_rate)
    policies = Policies(database, clock, ledger, campaigns)
    plans = Plans(database, clock, ledger, leases, datamap)
    own = OwnPolicies(database, clock, ledger)
    own.bring_up()
    kept_plans = own_plans(database, clock, ledger, leases, own_store, plans.holds)
    own_sweeps = OwnSweeps(database, clock, ledger, own, kept_plans, settings, host=policies)
    sweeps = AllSweeps(database, clock, ledger, policies, plans, settings, own=own_sweeps)
    evidences = SweepEvidences(database, clock, sweeps)
    consents = Consents(database, clock, ledger, policies, key=derive_key(secret, "consents"))
    drift = Drift(database, clock, datamap, policies, draft=lambda: _read_draft(settings))
    content = ContentScan(
        database,
        clock,
        datamap,
        policies,
        has_consented=lambda subject, purpose: consents.state(Personal(subject), purpose).given,
    )
    checks = CheckEvidences(drift, content, datamap)
    boards = Boards(database, clock, policies, evidences, checks, own=own_sweeps.clauses)
    alarms = Alarms(
        database,
        clock,
        policies=policies,
        sweeps=sweeps,
        evidences=evidences,
        others=boards.others,
        addresses=settings.alerts.mail,
        link=f"{links_at}/console/promises",
    )
    meter = Meter(
        database, clock, ledger=ledger, policies=policies, sweeps=sweeps, evidences=evidences, board=boards.read
    )
    renderer = Renderer(base_url=links_at)
    suppressions = Suppressions(database, clock, ledger, derive_key(secret, "suppressions"))
    preferences = Preferences(suppressions, key=derive_key(secret, "preferences"), base_url=links_at)
    declining = Declining(suppressions, preferences)
    mailer = Mailer(
        settings.mail,
        settings.var,
        renderer,
        clock=clock,
        database=database,
        key=derive_key(secret, "mail recipients"),
        declining=declining,
    )
    letters = Letters(renderer, policies, sender=settings.mail.sender, base_url=links_at, clock=clock)
    campaign_runs = CampaignRuns(
        database=database,
        clock=clock,
        campaigns=campaigns,
        policies=policies,
        audience=MappedAudience(datamap),
        letters=letters,
        transport=open_transport(settings.mail, settings.var),
        hold=lambda name: hold_lease(leases, clock, name),
        key=derive_key(secret, "campaigns"),
        per_minute=settings.mail.campaign_rate,
        declining=declining,
    )
    papers = Papers(
        database,
        clock,
        policies,
        renderer=renderer,
        render_pdf=pdf.render,
        folder=settings.var / "policies",
        base_url=settings.service.base_url,
    )
    desk = Desk(
        database=database,
        clock=clock,
        ledger=ledger,
        policies=policies,
        plans=plans,
        queue_mail=queue_mail,
        renderer=renderer,
        render_pdf=pdf.render,
        base_url=links_at,
        packages=settings.var / "packages",
        secret=secret,
        languages=settings.service.languages,
        settings=settings.requests,
        erasures=settings.erasures,
        alerts=settings.alerts.mail,
        suppressions=suppressions,
    )
    acceptances = Acceptances(database, clock, ledger, policies, key=derive_key(secret, "acceptances"))
    requests = Requests(
        desk,
        Reading(database, clock, ledger, leases, plans),
        handoff=settings.handoff,
        on_account_closed=[acceptances.note_account_closed],
    )
    return Services(
        settings=settings,
        links_at=links_at,
        clock=clock,
        database=database,
        leases=leases,
        ledger=ledger,
        stores=stores,
        datamap=datamap,
        policies=policies,
        papers=papers,
        acceptances=acceptances,
        consents=consents,
        holds=plans.holds,
        hold_desk=HoldDesk(database, clock, plans, Drafting(database, policies, plans, settings)),
        oversight=Oversight(database, clock, ledger, leases, plans),
        sweeps=sweeps,
        requests=requests,
        tasks=TaskDesk(desk),
        suppressions=suppressions,
        preferences=preferences,
        mailer=mailer,
        campaigns=campaigns,
        campaign_runs=campaign_runs,
        bounces=Bounces(database, clock, campaigns, key=derive_key(secret, "campaigns")),
        letters=letters,
        pdf=pdf,
        evidences=evidences,
        drift=drift,
        content=content,
        checks=checks,
        guard=Guard(database, policies, consents),
        board=boards.read,
        alarms=alarms,
        measures=meter.read,
    )


def _read_draft(settings: Settings) -> Document | None:
    """The policy that is being written, for checks before a version is in force."""
    path = settings.policy
    return parse_document(path.read_text(encoding="utf-8"), path.name) if path.is_file() else None


def make_web(kept: Services) -> Flask:
    """The web application of an installation."""
    from web.application import create_app
    from web.services import WebServices

    probes = {"database": kept.database.ping} | {f"store {name}": store.ping for name, store in kept.stores.items()}
    return create_app(
        WebServices(
            settings=kept.settings,
            clock=kept.clock,
            database=kept.database,
            ledger=kept.ledger,
            policies=kept.policies,
            acceptances=kept.acceptances,
            consents=kept.consents,
            papers=kept.papers,
            drafts=Drafts(kept.database, kept.clock),
            sweeps=kept.sweeps,
            hold_desk=kept.hold_desk,
            oversight=kept.oversight,
            requests=kept.requests,
            tasks=kept.tasks,
            suppressions=kept.suppressions,
            preferences=kept.preferences,
            mailbox=Mailbox(kept.settings.var),
            campaigns=kept.campaigns,
            letters=kept.letters,
            guard=kept.guard,
            board=kept.board,
            measures=kept.measures,
            probes=dict(probes),
        )
    )


def main() -> None:
    """The command line."""
    run_command_line(Wiring(open_services=open_services, make_web=make_web, examples=EXAMPLES))
