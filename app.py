"""Wires Kept: the only file that names concrete classes. `kept = app:main` is the console script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import SystemClock
from core.database import Database
from core.keys import derive_key
from core.leases import Leases
from core.migrations import upgrade
from core.rendering import PdfWorker, Renderer
from core.settings import Settings
from core.settings_file import find_settings_file, load_settings
from dsr.desk import Desk
from dsr.service import Requests
from examples.gateway import build as gateway
from jobs.cli import run_command_line
from jobs.services import Services, Wiring
from ledger.log import Ledger
from ledger.notes import origin_of
from notify.mail import Mailer, queue_mail
from notify.mailbox import Mailbox
from plans.engine import Plans
from plans.reading import Reading
from policies.versions import Policies
from promises.board import Boards
from promises.evidence import SweepEvidences
from retention.sweeps import Sweeps
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
        pdf = PdfWorker()
        stack.callback(pdf.close)
        clock = SystemClock()
        stores = {name: open_store(one, clock=clock) for name, one in settings.stores.items()}
        for store in stores.values():
            stack.callback(store.close)
        yield wire(settings, database, clock, stores, pdf, links_at=links_at or settings.service.base_url)


def wire(
    settings: Settings,
    database: Database,
    clock: SystemClock,
    stores: dict[str, Store],
    pdf: PdfWorker,
    *,
    links_at: str,
) -> Services:
    """Every service of one installation."""
    secret = settings.service.secret_key
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=secret, origin=origin_of(settings.service.base_url))
    datamap = DataMap(settings.collections, stores)
    policies = Policies(database, clock, ledger)
    plans = Plans(database, clock, ledger, leases, datamap)
    sweeps = Sweeps(database, clock, ledger, policies, plans, settings)
    evidences = SweepEvidences(database, clock, sweeps)
    renderer = Renderer(base_url=links_at)
    mailer = Mailer(
        settings.mail, settings.var, renderer, clock=clock, database=database, key=derive_key(secret, "mail recipients")
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
    )
    requests = Requests(desk, Reading(database, clock, ledger, leases, plans))
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
        holds=plans.holds,
        sweeps=sweeps,
        requests=requests,
        mailer=mailer,
        pdf=pdf,
        evidences=evidences,
        board=Boards(database, clock, policies, evidences).read,
    )


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
            sweeps=kept.sweeps,
            requests=kept.requests,
            mailbox=Mailbox(kept.settings.var),
            board=kept.board,
            probes=dict(probes),
        )
    )


def main() -> None:
    """The command line."""
    run_command_line(Wiring(open_services=open_services, make_web=make_web, examples=EXAMPLES))
