"""Wires Kept: the only file that names concrete classes. `kept = app:main` is the console script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from checks.content import ContentScan
from checks.cookie_check import CookieCheck
from checks.drift import Drift
from checks.guarding import Guard
from core.canonical import keyed_digest
from core.clock import SystemClock
from core.database import Database
from core.keys import derive_key
from core.leases import Leases
from core.migrations import upgrade
from core.personal import Personal
from core.rendering import PdfWorker, Renderer
from core.reply_addresses import ReplyAddresses
from core.settings import Settings, StoreSettings
from core.settings_file import find_settings_file, load_settings
from dsr.answer_examples import example_blocks
from dsr.desk import Desk
from dsr.service import Requests
from dsr.tasks import TaskDesk
from examples.gateway import build as gateway
from inbox.service import open_inbox
from jobs.audience import MappedAudience
from jobs.checkpoint_mails import checkpoint_mail
from jobs.cli import run_command_line
from jobs.proving import AGREEMENTS, EXTRAS
from jobs.services import Services, Wiring
from ledger.kept_elsewhere import KeptElsewhere
from ledger.log import Ledger
from ledger.notes import origin_of
from ledger.places import make_place
from ledger.standing import HEAD, LedgerBehindError
from ledger.witnessing import parse_witness
from notify.bounced_mails import BouncedMails
from notify.bounces import Bounces
from notify.campaign_mails import Letters
from notify.campaign_runs import CampaignRuns
from notify.campaigns import Campaigns
from notify.declining import Declining
from notify.lost_mails import LostMail
from notify.mail import Mailer, queue_mail
from notify.mail_examples import MailExamples
from notify.mail_rates import DomainRates
from notify.mail_rounds import MailRounds
from notify.mailbox import Mailbox
from notify.outbox_desk import OutboxDesk
from notify.preferences import Preferences
from notify.suppressions import Suppressions
from notify.transport import open_transport
from notify.webhook_desk import WebhookDesk
from notify.webhook_sending import WebhookSender
from notify.webhooks import Webhooks
from notify.wording import WordingDesk, Wordings
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
from promises.attestations import Attestations
from promises.board import Boards
from promises.disclosures import Disclosures
from promises.evidence import CheckEvidences, CookieEvidences, SweepEvidences
from promises.looks import Looks
from promises.metering import Meter
from promises.record import BoardRecord
from promises.reminding import OwnerReminders
from promises.reports import Reports
from retention.drafts import Drafting
from retention.holds import HoldDesk
from retention.oversight import Oversight
from retention.own import AllSweeps, OwnSweeps, with_own_sweeps
from stores.contract import Store
from stores.datamap import DataMap
from stores.registry import open_store

if TYPE_CHECKING:
    from flask import Flask

VERIFIER = Path(__file__).resolve().parent / "ledger" / "standalone.py"
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
        kept = wire(settings, database, clock, stores, pdf, own_store=own_store, links_at=links)
        stack.callback(kept.inbox.boxes.close)
        yield kept


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
    webhooks = Webhooks(database, clock, settings.webhooks)
    ledger = Ledger(
        database,
        clock,
        leases,
        secret=secret,
        origin=origin_of(settings.service.base_url),
        listener=webhooks.hear,
        head=settings.var / HEAD,
        witnesses=[parse_witness(one) for one in settings.ledger.witnesses],
        agreements=AGREEMENTS,
        extras=EXTRAS,
    )
    datamap = DataMap(settings.collections, stores)
    campaigns = Campaigns(clock, ledger, per_minute=settings.mail.campaign_rate)
    policies = Policies(database, clock, ledger, campaigns)
    send = checkpoint_mail(database, clock, lambda: policies)
    kept_elsewhere = KeptElsewhere(
        database,
        clock,
        ledger,
        [make_place(one, send) for one in settings.ledger.checkpoints],
        every=settings.ledger.every,
    )
    plans = Plans(database, clock, ledger, leases, datamap)
    own = OwnPolicies(database, clock, ledger)
    with suppress(LedgerBehindError):  # nothing is recorded until somebody has said why; the next start makes up for it
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
    cookies = CookieCheck(database, clock, policies, settings.cookies)
    checks = CheckEvidences(drift, content, datamap)
    attestations = Attestations(database, clock, ledger, policies)
    boards = Boards(
        database,
        clock,
        policies,
        evidences,
        checks,
        looks=Looks(
            policies=policies, datamap=datamap, reads_mail=settings.inbox.any, cookies=CookieEvidences(cookies)
        ),
        attestations=attestations,
        own=own_sweeps.clauses,
    )
    alarms = Alarms(
        database,
        clock,
        policies=policies,
        sweeps=sweeps,
        evidences=evidences,
        others=boards.others,
        addresses=settings.alerts.mail,
        link=f"{links_at}/console/promises",
        webhooks=webhooks,
        owners=settings.owners,
    )
    meter = Meter(
        database, clock, ledger=ledger, policies=policies, sweeps=sweeps, evidences=evidences, board=boards.read
    )
    renderer = Renderer(base_url=links_at)
    suppressions = Suppressions(database, clock, ledger, derive_key(secret, "suppressions"))
    preferences = Preferences(suppressions, key=derive_key(secret, "preferences"), base_url=links_at)
    declining = Declining(suppressions, preferences)
    words = Wordings(database).current
    mark = keyed_digest(derive_key(secret, "mail mark"), "kept")[:16]
    rates = DomainRates(settings.mail.per_domain)
    letters = Letters(
        renderer, policies, sender=settings.mail.sender, base_url=links_at, clock=clock, words=words, mark=mark
    )
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
        rates=rates if settings.mail.smtp else None,
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

    def on_lost(session: Session, mail: LostMail) -> None:
        requests.bounced.note(session, ref=mail.ref, event=mail.event, how=mail.how.value, status=mail.status)

    mailer = Mailer(
        settings.mail,
        settings.var,
        renderer,
        clock=clock,
        database=database,
        key=derive_key(secret, "mail recipients"),
        declining=declining,
        replies=ReplyAddresses(settings.mail.sender, derive_key(secret, "reply addresses")),
        mark=mark,
        in_force=lambda session: getattr(policies.in_force(session), "document", None),
        words=words,
        rates=rates,
        on_lost=on_lost,
    )
    bounces = Bounces(
        database,
        clock,
        campaigns,
        key=derive_key(secret, "campaigns"),
        mails=BouncedMails(clock, key=derive_key(secret, "mail recipients"), on_lost=on_lost),
    )
    return Services(
        settings=settings,
        links_at=links_at,
        clock=clock,
        database=database,
        leases=leases,
        ledger=ledger,
        kept_elsewhere=kept_elsewhere,
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
        inbox=open_inbox(desk, settings, mark=mark, take_bounce=bounces.take),
        tasks=TaskDesk(desk),
        suppressions=suppressions,
        preferences=preferences,
        mailer=mailer,
        mail_rounds=MailRounds(
            database,
            clock,
            mailer,
            connections=settings.mail.connections,
            hold=lambda name: hold_lease(leases, clock, name),
        ),
        campaigns=campaigns,
        campaign_runs=campaign_runs,
        bounces=bounces,
        letters=letters,
        outbox=OutboxDesk(database, clock, ledger),
        wordings=WordingDesk(database, clock, ledger, renderer, MailExamples(example_blocks)),
        pdf=pdf,
        evidences=evidences,
        drift=drift,
        content=content,
        cookies=cookies,
        checks=checks,
        guard=Guard(database, policies, consents),
        board=boards.read,
        alarms=alarms,
        attestations=attestations,
        disclosures=Disclosures(database, clock, ledger, policies),
        board_record=BoardRecord(database, clock, ledger, policies, boards.read),
        owner_reminders=OwnerReminders(
            database,
            clock,
            policies,
            attestations,
            owners=settings.owners,
            fallback=settings.alerts.mail,
            link=lambda clause: f"{links_at}/console/promises/{clause}",
        ),
        measures=meter.read,
        reports=Reports(
            database,
            clock,
            ledger=ledger,
            policies=policies,
            board=boards.read,
            collections=settings.collections,
            renderer=renderer,
            render_pdf=pdf.render,
            folder=settings.var / "reports",
            base_url=links_at,
            verifier=VERIFIER,
        ),
        webhooks=webhooks,
        webhook_desk=WebhookDesk(database, clock, ledger, webhooks),
        webhook_sender=WebhookSender(database, clock, webhooks),
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
            kept_elsewhere=kept.kept_elsewhere,
            policies=kept.policies,
            acceptances=kept.acceptances,
            consents=kept.consents,
            papers=kept.papers,
            drafts=Drafts(kept.database, kept.clock),
            sweeps=kept.sweeps,
            hold_desk=kept.hold_desk,
            oversight=kept.oversight,
            requests=kept.requests,
            inbox=kept.inbox,
            tasks=kept.tasks,
            suppressions=kept.suppressions,
            preferences=kept.preferences,
            mailbox=Mailbox(kept.settings.var),
            campaigns=kept.campaigns,
            letters=kept.letters,
            outbox=kept.outbox,
            wordings=kept.wordings,
            guard=kept.guard,
            board=kept.board,
            attestations=kept.attestations,
            disclosures=kept.disclosures,
            board_record=kept.board_record,
            measures=kept.measures,
            reports=kept.reports,
            webhooks=kept.webhook_desk,
            probes=dict(probes),
        )
    )


def main() -> None:
    """The command line."""
    run_command_line(Wiring(open_services=open_services, make_web=make_web, examples=EXAMPLES))
