"""A host application with accounts, and the rooms that tell their owners of versions, wired as the application wires them."""

from __future__ import annotations

import email
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy as email_policy
from email.message import EmailMessage
from pathlib import Path

import sqlalchemy as sa

from core.clock import Clock
from core.database import Database
from core.leases import Leases
from core.rendering import Renderer
from core.settings import CollectionSettings, FieldSettings, MailSettings, TimeField
from jobs.audience import MappedAudience
from ledger.log import Ledger
from notify.audience import Audience
from notify.campaign_mails import Letters
from notify.campaign_runs import CampaignRuns
from notify.campaign_tables import CampaignPersonRow
from notify.campaigns import Campaigns
from notify.transport import open_transport
from plans.leasing import hold_lease
from policies.documents import parse_document
from policies.versions import Policies, Version
from stores.datamap import DataMap
from stores.sql import SqlStore
from tests.ledger_rooms import ORIGIN, SECRET, StandingClock
from tests.policy_texts import policy_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ACCOUNTS = CollectionSettings(
    id="accounts", store="gateway", at="users", category="account", time=TimeField(name="created_at"),
    events={"account_closed": TimeField(name="deleted_at")}, identifies={"email": "email", "user_id": "id"},
    fields={"name": FieldSettings(fideslang="user.name"), "lang": FieldSettings(fideslang="user.language")},
)  # fmt: skip
TABLE = """
CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, name TEXT, lang TEXT, created_at TEXT NOT NULL, deleted_at TEXT);
"""
NOTICE = "{id: changes, kind: notice, material: {any: [email, banner]}, minor: [email], ahead: P14D}"
RIGHTS = (
    "{id: access, kind: right, right: access, within: P30D}",
    "{id: objection, kind: right, right: objection, within: P30D}",
)


def clauses(period: str = "P30D", *more: str, notice: str = NOTICE) -> tuple[str, ...]:
    """The clauses of a small policy that keeps request logs for a period."""
    return (f"{{id: logs, kind: retention, of: request_log, for: {period}, then: delete}}", notice, *RIGHTS, *more)


@dataclass(kw_only=True)
class TellingRooms:
    """Everything a test of campaigns needs."""

    root: Path
    database: Database
    clock: StandingClock
    ledger: Ledger
    policies: Policies
    campaigns: Campaigns
    runs: CampaignRuns
    audience: Audience
    letters: Letters
    stores: list[SqlStore] = field(default_factory=list)

    def publish(self, *given: str, extra: str = "", translations: Iterable[str] = ()) -> Version:
        """Publish a policy of these clauses."""
        text = policy_text(*given, extra=extra)
        others = [parse_document(one, "policy.de.md") for one in translations]
        return self.policies.publish(parse_document(text, "policy.md"), translations=others, actor="opr_ines")

    def add(self, *people: tuple[str, str | None], name: str | None = None, lang: str | None = None) -> None:
        """Open accounts: id and address."""
        made = "2026-01-01T00:00:00.000Z"
        with closing(sqlite3.connect(self.root / "gateway.db")) as connection, connection:
            connection.executemany(
                "INSERT INTO users VALUES (?, ?, ?, ?, ?, NULL)",
                [(key, address, name, lang, made) for key, address in people],
            )

    def sql(self, statement: str, *values: object) -> None:
        """Something the host application does."""
        with closing(sqlite3.connect(self.root / "gateway.db")) as connection, connection:
            connection.execute(statement, values)

    def mails(self) -> list[EmailMessage]:
        """The files that were written."""
        return [read_mail(path) for path in sorted((self.root / "var" / "outbox").glob("*.eml"))]

    def people(self) -> list[CampaignPersonRow]:
        """Every row of every campaign."""
        with self.database.read() as session:
            return list(session.query(CampaignPersonRow).order_by(CampaignPersonRow.id))

    def kinds(self) -> list[str]:
        """The ledger's entries of campaigns, oldest first."""
        with self.database.read() as session:
            found = session.execute(sa.text("SELECT kind FROM ledger_entries ORDER BY at, id")).scalars()
            return [kind for kind in found if kind.startswith("campaign.")]


def read_mail(path: Path) -> EmailMessage:
    """A mail as a mail program reads it."""
    message = email.message_from_bytes(path.read_bytes(), policy=email_policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str = "plain") -> str:
    """One part of a mail, as text."""
    found = message.get_body(preferencelist=(kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def flat(text: str) -> str:
    """Text without its line breaks."""
    return re.sub(r"\s+", " ", text)


def make_host(root: Path) -> None:
    """A host application without people."""
    root.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        connection.executescript(TABLE)


def wire_telling(
    database: Database,
    root: Path,
    *,
    smtp: str | None = None,
    per_minute: int | None = None,
    clock: Clock | None = None,
    collections: tuple[CollectionSettings, ...] = (ACCOUNTS,),
    purpose: str = "",
) -> TellingRooms:
    """Wire the rooms over a control database and a host application."""
    standing = clock if isinstance(clock, StandingClock) else StandingClock(NOW)
    clock = clock or standing
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=SECRET, origin=ORIGIN)
    settings = MailSettings(sender="Lanternway privacy <privacy@lanternway.example>", smtp=smtp, per_minute=per_minute)
    campaigns = Campaigns(clock, ledger, per_minute=settings.campaign_rate)
    policies = Policies(database, clock, ledger, campaigns)
    store = SqlStore("gateway", f"sqlite:///{root / 'gateway.db'}", clock=clock)
    audience = MappedAudience(DataMap(collections, {"gateway": store}))
    letters = Letters(
        Renderer(base_url="https://kept.example"), policies, sender=settings.sender,
        base_url="https://kept.example", clock=clock, purpose=purpose,
    )  # fmt: skip
    runs = CampaignRuns(
        database=database, clock=clock, campaigns=campaigns, policies=policies, audience=audience, letters=letters,
        transport=open_transport(settings, root / "var"), hold=lambda name: hold_lease(leases, clock, name),
        key=SECRET, per_minute=settings.campaign_rate,
    )  # fmt: skip
    return TellingRooms(
        root=root, database=database, clock=standing, ledger=ledger, policies=policies, campaigns=campaigns, runs=runs,
        audience=audience, letters=letters, stores=[store],
    )  # fmt: skip
