"""A whole installation in a temporary folder, small and real: policy, data map, a gateway's database, and the web application."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app import make_web, open_services
from core.database import Database
from core.keys import write_secret
from core.operators import OperatorRow, Role, add_operator, set_password
from jobs.services import Services
from policies.documents import parse_document
from tests.schema import make_tables, write_migrated
from web.security import limiter

PASSWORD = "a sentence is a good password"
ADMINISTRATOR = "ada@lanternway.example"
AGENT = "tom@lanternway.example"
SESSION = "kept_session"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')

PAGES = (
    "/console/",
    "/console/promises",
    "/console/retention",
    "/console/retention/holds",
    "/console/policy",
    "/console/policy/new",
    "/console/ledger",
    "/console/outbox",
    "/console/mails",
    "/console/reports",
    "/console/figures",
)
PUBLIC = ("/privacy", "/privacy/versions", "/privacy/versions/1", "/privacy/promises", "/console/sign-in", "/nowhere")

POLICY = """---
policy: small
title: Privacy Policy
language: en
controller: {name: Lanternway, country: DE, timezone: Europe/Berlin, email: privacy@lanternway.example}
regimes: [gdpr]
aliases: [/legal/privacy]
clauses:
  - {id: account-data, kind: collects, category: account, from: person, fields: [email, name]}
  - {id: request-data, kind: collects, category: request_log, from: person, fields: [IP address, time]}
  - {id: request-logs, kind: retention, of: request_log, for: P30D, then: delete, promises: [lw-2]}
  - {id: closed, kind: retention, of: [account], after: account_closed, for: P30D, then: delete}
  - {id: access, kind: right, right: access, within: P30D}
  - {id: deletion, kind: right, right: deletion, within: P30D}
  - {id: complaint, kind: right, right: complaint, to: authority}
  - {id: no-sale, kind: pledge, says: personal data is not sold, owner: legal, review: P1Y}
---
Lanternway passes requests to language models.

## What we collect

Your address and your name.{{ clause("account-data").cite }} For each request its time and the network address it came
from.{{ clause("request-data").cite }} We promise: {{ clause("no-sale").says }}.

## How long we keep it

Request logs are kept for {{ clause("request-logs").for }}. Your account goes {{ clause("closed").for }} after you close it.

## Your rights & how to use them

A copy of what we hold comes within {{ clause("access").within }}, a deletion within {{ clause("deletion").within }}. You
can complain to an authority.{{ clause("complaint").cite }}
"""

CONFIGURATION = """\
policy: policies/small.md
service:
  base_url: http://127.0.0.1:8080
  database: sqlite:///var/kept.db
  secret_key: file:var/secret.key
  languages: [en]
mail:
  from: Lanternway <privacy@lanternway.example>
public: {promises: true}
stores:
  gateway: {kind: sql, url: sqlite:///gateway.db}
collections:
  - id: accounts
    at: gateway:users
    category: account
    time: created_at
    events: {account_closed: deleted_at}
    identifies: {email: email, user_id: id}
  - id: requests
    at: gateway:request_log
    category: request_log
    time: created_at
    person: {user_id: accounts.id}
    fields: {ip: {fideslang: user.device.ip_address}}
"""


@dataclass(kw_only=True)
class Installation:
    """One installation: its folder, its services, its web application."""

    root: Path
    kept: Services
    app: Flask
    sessions: dict[str, str] = field(default_factory=dict)

    def publish(self, text: str = POLICY) -> None:
        """Publish a policy; without a planned day it is in force at once."""
        self.kept.policies.publish(parse_document(text, "small.md"), actor="system")
        self.kept.policies.tick()
        self.kept.ledger.settle()

    def client(self) -> FlaskClient:
        """A browser that nobody signed in with."""
        return self.app.test_client()

    def signed_in(self, address: str = ADMINISTRATOR) -> FlaskClient:
        """A browser with an operator signed in: by the form the first time, later with the same session."""
        client = self.client()
        if address in self.sessions:
            client.set_cookie(SESSION, self.sessions[address])
            return client
        limiter.reset()  # what other tests of this process tried does not count here
        answer = post(client, "/console/sign-in", "/console/sign-in", email=address, password=PASSWORD)
        assert answer.status_code == 302
        cookie = client.get_cookie(SESSION)
        assert cookie is not None
        self.sessions[address] = cookie.value
        return client

    def rows(self, table: str) -> int:
        """How many rows a table of the gateway holds, counted without Kept."""
        with closing(sqlite3.connect(self.root / "gateway.db")) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def csrf_of(client: FlaskClient, address: str) -> str:
    """The token of the first form on a page."""
    found = TOKEN.search(client.get(address).get_data(as_text=True))
    assert found, f"no form on {address}"
    return found[1]


def read(installation: Installation, address: str, who: str = ADMINISTRATOR) -> BeautifulSoup:
    """A page of the console, as somebody signed in sees it."""
    answer = installation.signed_in(who).get(address)
    assert answer.status_code == 200, address
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def post(client: FlaskClient, address: str, page: str, **data: str) -> TestResponse:
    """Send a form as the page at `page` would."""
    return client.post(address, data={"csrf_token": csrf_of(client, page), **data})


def write_gateway(path: Path, now: datetime) -> None:
    """40 accounts, two of them closed for long, and 400 requests over 80 days, 250 of them older than 30."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT, created_at TEXT, deleted_at TEXT)"
        )
        connection.execute(
            "CREATE TABLE request_log (id INTEGER PRIMARY KEY, user_id INTEGER, ip TEXT, created_at TEXT)"
        )
        closed = (now - timedelta(days=50)).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = (now - timedelta(days=300)).strftime("%Y-%m-%dT%H:%M:%SZ")
        people = [(n, f"person{n}@post.example", f"Person {n}", made, closed if n <= 2 else None) for n in range(1, 41)]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", people)
        times = [now - timedelta(days=80) + timedelta(hours=1) + timedelta(days=80) * n / 400 for n in range(400)]
        rows = [
            (n, n % 40 + 1, f"203.0.113.{n % 250}", at.strftime("%Y-%m-%dT%H:%M:%SZ")) for n, at in enumerate(times)
        ]
        connection.executemany("INSERT INTO request_log VALUES (?, ?, ?, ?)", rows)


def write_installation(root: Path, configuration: str) -> None:
    """The files that `kept init` would leave, and the gateway's database."""
    (root / "policies").mkdir(parents=True)
    (root / "kept.yaml").write_text(configuration)
    (root / "policies" / "small.md").write_text(POLICY)
    write_secret(root / "var" / "secret.key")
    write_migrated(root / "var" / "kept.db")
    write_gateway(root / "gateway.db", datetime.now(UTC))


@cache
def password_hash() -> str:
    """What an operator's row holds for PASSWORD: hashing takes long by intent, so it is done once in a process."""
    database = Database("sqlite://")
    make_tables(database)
    with database.begin() as session:
        made = add_operator(session, email=ADMINISTRATOR, name="Ada", role=Role.AGENT, now=datetime.now(UTC))
        set_password(session, made.id, PASSWORD)
        return str(session.get_one(OperatorRow, made.id).password_hash)


def give_password(session: Session, operator_id: str) -> None:
    """An operator signs in with PASSWORD from now on."""
    row = session.get_one(OperatorRow, operator_id)
    row.password_hash, row.session_epoch = password_hash(), row.session_epoch + 1


@contextmanager
def open_installation(
    root: Path, *, publish: bool = True, configuration: str = CONFIGURATION
) -> Iterator[Installation]:
    """A small installation below `root` with an administrator and an agent."""
    write_installation(root, configuration)
    with open_services(root / "kept.yaml") as kept:
        app = make_web(kept)
        app.testing = False  # errors are answered as in production
        installation = Installation(root=root, kept=kept, app=app)
        now = kept.clock.now()
        with kept.database.begin() as session:
            for address, name, role in (
                (ADMINISTRATOR, "Ada Vogelsang", Role.ADMINISTRATOR),
                (AGENT, "Tom Ackerby", Role.AGENT),
            ):
                give_password(session, add_operator(session, email=address, name=name, role=role, now=now).id)
        if publish:
            installation.publish()
        yield installation


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """The application on a free port, in a thread; gives its address."""
    limiter.reset()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
