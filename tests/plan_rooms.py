"""A small gateway to plan and sweep in, wired as the application wires it: real stores, real ledger, a clock of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.clock import Clock
from core.database import Database
from core.leases import Leases
from core.settings import (
    AlertSettings,
    CollectionSettings,
    MailSettings,
    Reference,
    ServiceSettings,
    Settings,
    SweepSettings,
    TimeField,
)
from ledger.log import Ledger
from plans.build_correction import Correction
from plans.engine import Plans
from plans.pace import Timer
from plans.plan import Plan
from plans.questions import NO_RULINGS, Rulings
from plans.reading import Reading
from policies.clauses import Right
from policies.documents import parse_document
from policies.versions import Policies
from retention.sweeps import Sweeps
from stores.contract import Store
from stores.datamap import DataMap
from stores.files import FilesStore
from stores.sql import SqlStore
from stores.sql_engine import LOCK_SECONDS
from tests.ledger_rooms import ORIGIN, SECRET, StandingClock
from tests.policy_texts import policy_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CREATED = TimeField(name="created_at")
USER = (Reference(field="user_id", to="accounts", to_field="id"),)
TABLES = """
CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, created_at TEXT NOT NULL, deleted_at TEXT);
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY, user_id TEXT, created_at TEXT NOT NULL, last_used_at TEXT, revoked_at TEXT);
CREATE TABLE request_log (id INTEGER PRIMARY KEY, user_id TEXT, created_at TEXT);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, user_id TEXT, issued_at TEXT NOT NULL);
"""
COLLECTIONS = (
    CollectionSettings(
        id="accounts",
        store="gateway",
        at="users",
        category="account",
        time=CREATED,
        events={"account_closed": TimeField(name="deleted_at")},
        identifies={"email": "email", "user_id": "id"},
    ),
    CollectionSettings(
        id="api-keys",
        store="gateway",
        at="api_keys",
        category="api_key",
        time=CREATED,
        events={"last_use": TimeField(name="last_used_at"), "revoked": TimeField(name="revoked_at")},
        person=USER,
    ),
    CollectionSettings(
        id="requests", store="gateway", at="request_log", category="request_log", time=CREATED, person=USER
    ),
    CollectionSettings(
        id="invoices", store="gateway", at="invoices", category="invoice", time=TimeField(name="issued_at"), person=USER
    ),
    CollectionSettings(
        id="request-days",
        store="files",
        at="requests-*.jsonl",
        category="request_log",
        time=TimeField(name="ts"),
        person=USER,
    ),
)
CLAUSES = (
    "{id: request-logs, kind: retention, of: request_log, for: P30D, then: delete}",
    "{id: invoices, kind: retention, of: invoice, for: P10Y, then: delete}",
    "{id: closed, kind: retention, of: [account, api_key], after: account_closed, for: P30D, then: delete, "
    "except: [{of: invoice, basis: legal_obligation, for: P10Y, note: tax records}]}",
    "{id: idle-keys, kind: retention, of: api_key, after: last_use, for: P90D, then: revoke}",
    "{id: deletion, kind: right, right: deletion, within: P30D}",
    "{id: access, kind: right, right: access, within: P30D}",
)
ANNA = {"email": ["anna@mail.test"]}


def ago(days: float) -> str:
    """An instant so many days before NOW, as the gateway writes it."""
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass(kw_only=True)
class Gateway:
    """The host application's stores, looked at without Kept."""

    root: Path

    @property
    def path(self) -> Path:
        return self.root / "gateway.db"

    def run(self, statement: str, rows: Sequence[Sequence[object]] = ((),)) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(statement, rows)

    def values(self, query: str) -> list[object]:
        """The first column."""
        with closing(sqlite3.connect(self.path)) as connection:
            return [row[0] for row in connection.execute(query)]

    def count(self, table: str, where: str = "1") -> int:
        (found,) = self.values(f"SELECT count(*) FROM {table} WHERE {where}")
        assert isinstance(found, int)
        return found

    def write_day(self, days: float, users: Sequence[str]) -> Path:
        """A file of the day so many days ago, one record a user."""
        day = NOW - timedelta(days=days)
        path = self.root / "logs" / f"requests-{day:%Y-%m-%d}.jsonl"
        records = [{"ts": ago(days), "user_id": user, "prompt": "hello"} for user in users]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path


def make_gateway(root: Path, *, requests: int = 100) -> Gateway:
    """Users u1 (open), u2 (closed long ago), u3 (closed lately); `requests` of u1, one a day, the first today."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "logs").mkdir()
    gateway = Gateway(root=root)
    with closing(sqlite3.connect(gateway.path)) as connection:
        connection.executescript(TABLES)
    gateway.run(
        "INSERT INTO users VALUES (?, ?, ?, ?)",
        [
            ("u1", "anna@mail.test", ago(400), None),
            ("u2", "ben@mail.test", ago(400), ago(40)),
            ("u3", "cleo@mail.test", ago(400), ago(20)),
        ],
    )
    gateway.run(
        "INSERT INTO api_keys VALUES (?, ?, ?, ?, ?)",
        [
            (1, "u1", ago(300), ago(1), None),
            (2, "u1", ago(300), ago(100), None),
            (3, "u1", ago(300), None, None),
            (4, "u2", ago(300), ago(100), None),
            (5, "u1", ago(300), ago(120), ago(110)),
        ],
    )
    gateway.run("INSERT INTO request_log VALUES (?, ?, ?)", [(day + 1, "u1", ago(day)) for day in range(requests)])
    gateway.run("INSERT INTO invoices VALUES (?, ?, ?)", [(1, "u1", ago(100)), (2, "u1", ago(4000))])
    return gateway


@dataclass(kw_only=True)
class Rooms:
    """Everything a test of plans and sweeps needs."""

    clock: StandingClock  # the one that counts, unless another was handed in
    database: Database
    ledger: Ledger
    leases: Leases
    plans: Plans
    policies: Policies
    reading: Reading
    sweeps: Sweeps
    datamap: DataMap

    def publish(self, *clauses: str) -> None:
        """Put a policy of these clauses in force now."""
        ids = [clause.split("id: ")[1].split(",")[0] for clause in clauses]
        body = "\n".join(f'{{{{ clause("{name}").cite }}}}' for name in ids)
        self.policies.publish(parse_document(policy_text(*clauses, body=body), "policy.md"), actor="system")

    def draft(
        self,
        right: Right,
        identifiers: Mapping[str, Sequence[str]] = ANNA,
        *,
        ref: str = "K7F3Q-2MXB",
        corrections: Sequence[Correction] = (),
        rulings: Rulings = NO_RULINGS,
    ) -> Plan:
        """The plan of a request of somebody, under the policy in force; not stored."""
        with self.database.read() as session:
            version = self.policies.in_force(session)
        assert version is not None
        plan, _ = self.plans.draft_request(
            ref=ref,
            version=1,
            clauses=version.document.clauses,
            right=right,
            identifiers=identifiers,
            corrections=corrections,
            rulings=rulings,
        )
        return plan

    def approve(self, plan: Plan) -> str:
        """Store the plan, look at it and approve it; gives its id."""
        self.plans.store(plan)
        self.plans.preview(plan.id)
        self.plans.approve(plan.id, by="opr_1", reason="proven")
        return plan.id


def wire(
    database: Database,
    gateway: Gateway,
    *,
    batch_rows: int = 7,
    breaker: float = 1.0,
    receipts: bool = True,
    collections: Sequence[CollectionSettings] = COLLECTIONS,
    clock: Clock | None = None,
    timer: Timer | None = None,
    lock_seconds: float = LOCK_SECONDS,
) -> Rooms:
    """Wire the rooms over a control database and a gateway."""
    standing = clock if isinstance(clock, StandingClock) else StandingClock(NOW)
    clock = clock or standing
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=SECRET, origin=ORIGIN)
    stores: dict[str, Store] = {
        "gateway": SqlStore(
            "gateway", f"sqlite:///{gateway.path}", clock=clock, receipts=receipts, lock_seconds=lock_seconds
        ),
        "files": FilesStore("files", gateway.root / "logs", clock=clock),
    }
    datamap = DataMap(collections, stores)
    plans = Plans(database, clock, ledger, leases, datamap, batch_rows=batch_rows, timer=timer)
    policies = Policies(database, clock, ledger)
    return Rooms(
        clock=standing,
        database=database,
        ledger=ledger,
        leases=leases,
        plans=plans,
        policies=policies,
        reading=Reading(database, clock, ledger, leases, plans),
        sweeps=Sweeps(database, clock, ledger, policies, plans, settings_of(gateway.root, breaker)),
        datamap=datamap,
    )


def settings_of(root: Path, breaker: float) -> Settings:
    return Settings(
        path=root / "kept.yaml",
        root=root,
        policy=root / "policy.md",
        service=ServiceSettings(base_url="http://127.0.0.1", database="", secret_key=SECRET),
        mail=MailSettings(sender="privacy@mail.test"),
        alerts=AlertSettings(),
        public_promises=False,
        stores={},
        collections=COLLECTIONS,
        sweeps={"default": SweepSettings(breaker=breaker)},
    )
