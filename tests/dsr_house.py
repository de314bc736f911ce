"""A whole house for tests of requests: the example policy in force, a small gateway and its files, mail as files."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.clock import SystemClock
from core.database import Database
from core.keys import derive_key
from core.leases import Leases
from core.outbox import Dispatcher
from core.rendering import Renderer
from core.settings_file import load_settings
from dsr.arrivals import FIND_CONTACT
from dsr.certificates import MAKE
from dsr.choices import AT_ONCE
from dsr.closed_accounts import TAKE as ACCOUNTS_CLOSED
from dsr.desk import Desk
from dsr.limits import DEFAULT_LIMITS, Limits
from dsr.planning import RUN
from dsr.proof import COMPARE
from dsr.proof_changes import WATCH
from dsr.self_service import SERVE
from dsr.service import Requests
from examples.gateway.build import write_configuration
from examples.gateway.database import create_tables
from ledger.log import Ledger
from notify.mail import MAIL, Mailer, queue_mail
from notify.mailbox import Mailbox, StoredMail
from notify.suppressions import Suppressions
from plans.engine import Plans
from plans.reading import Reading
from policies.acceptances import Acceptances
from policies.documents import parse_document
from policies.versions import Policies
from stores.datamap import DataMap
from stores.registry import open_store

SECRET = b"0123456789abcdef0123456789abcdef"
NOON = "2026-06-11 10:06:00"
ANNA, BRUNO = "anna.quill@post.example", "bruno.pappel@post.example"
ANNA_NAME = "Anna Quill"
STRANGER = "nobody.knows@post.example"
OPERATOR = "opr_ines"
# A request log line that a spreadsheet would run, and one that a browser would.
SLY_MODEL, SLY_PROMPT = "=cmd|' /C calc'!A0", "<script>alert(1)</script>"

_USERS = [
    ("u_anna", ANNA, ANNA_NAME, "-Quill & Co", "2026-01-04T08:00:00Z", None),
    ("u_bruno", BRUNO, "Bruno Pappel", None, "2026-02-04T08:00:00Z", None),
]


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything wired as `app.py` does it. `root` is the workspace."""

    database: Database
    requests: Requests
    ledger: Ledger
    policies: Policies
    plans: Plans
    mailbox: Mailbox
    dispatcher: Dispatcher
    root: Path
    desk: Desk

    def work(self) -> None:
        """What the job loop does: hand on events until none is due."""
        while self.dispatcher.dispatch():
            continue

    def mails_to(self, address: str) -> list[StoredMail]:
        """Mails handed over so far, newest first."""
        self.work()
        return [mail for mail in self.mailbox.list_mails() if mail.to == address]

    def latest_mail(self, address: str, words: str) -> StoredMail:
        """The newest mail whose subject has these words."""
        return next(mail for mail in self.mails_to(address) if words in mail.subject)

    def link_token(self, address: str) -> str:
        """The token in the newest mail with a link to confirm."""
        found = re.search(r"/requests/confirm/(\S+)", self.latest_mail(address, "Did you ask").text)
        assert found
        return found[1]

    def code(self, address: str) -> str:
        """The code in the newest mail with one."""
        found = re.search(r"^ {4}(\d{3} \d{3})$", self.latest_mail(address, "Your code").text, flags=re.MULTILINE)
        assert found
        return found[1]

    def submit(self, email: str = ANNA, right: str = "access", source: str = "192.0.2.7") -> None:
        self.requests.submit_form(email=email, right=right, country="DE", source=source, details="")

    def confirmed(self, email: str = ANNA, right: str = "access") -> str:
        """A ticket whose address is shown."""
        self.submit(email, right)
        return self.requests.confirm(self.link_token(email))

    def open_page(self, ref: str, address: str = ANNA) -> str:
        """The grant of the person's page."""
        self.requests.ask_code(ref, source="192.0.2.7")
        return self.requests.open_page(ref, self.code(address))

    def count(self, table: str, where: str = "1 = 1") -> int:
        """Rows of the gateway by SQL of the test's own."""
        with closing(sqlite3.connect(self.root / "gateway.db")) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])

    def count_lines(self, user: str) -> int:
        """Lines of the request files of a user."""
        lines = [line for path in (self.root / "logs").glob("*.jsonl") for line in path.read_text().splitlines()]
        return sum(1 for line in lines if json.loads(line)["user_id"] == user)


def build_house(
    database: Database, root: Path, *, limits: Limits = DEFAULT_LIMITS, policy: str = "", configuration: str = ""
) -> House:
    """The house, with its policy in force from now on. `policy` and `configuration`: others than the example's."""
    write_configuration(root)
    if configuration:
        (root / "kept.yaml").write_text(configuration)
    (root / "var").mkdir(parents=True)
    (root / "var" / "secret.key").write_bytes(SECRET)
    fill_gateway(root)
    settings, clock = load_settings(root / "kept.yaml"), SystemClock()
    leases = Leases(database, clock)
    ledger = Ledger(database, clock, leases, secret=SECRET, origin="kept.example/kept")
    policies = Policies(database, clock, ledger)
    policies.publish(parse_document(policy or settings.policy.read_text(), "gateway.md"), actor="system")
    stores = {name: open_store(one, clock=clock) for name, one in settings.stores.items()}
    plans = Plans(database, clock, ledger, leases, DataMap(settings.collections, stores))
    renderer = Renderer(base_url="https://kept.example")
    suppressions = Suppressions(database, clock, ledger, derive_key(SECRET, "suppressions"))
    desk = Desk(
        database=database,
        clock=clock,
        ledger=ledger,
        policies=policies,
        plans=plans,
        queue_mail=queue_mail,
        renderer=renderer,
        render_pdf=lambda html: b"%PDF-1.7 " + html.encode(),
        base_url="https://kept.example",
        packages=root / "var" / "packages",
        secret=SECRET,
        limits=limits,
        settings=settings.requests,
        alerts=settings.alerts.mail,
        suppressions=suppressions,
    )
    acceptances = Acceptances(database, clock, ledger, policies, key=derive_key(SECRET, "acceptances"))
    requests = Requests(
        desk,
        Reading(database, clock, ledger, leases, plans),
        handoff=settings.handoff,
        on_account_closed=[acceptances.note_account_closed],
    )
    mailer = Mailer(settings.mail, settings.var, renderer, clock=clock, database=database, key=SECRET)
    return House(
        database=database,
        requests=requests,
        ledger=ledger,
        policies=policies,
        plans=plans,
        mailbox=Mailbox(settings.var),
        dispatcher=Dispatcher(
            database,
            clock,
            {
                MAIL: mailer.deliver,
                RUN: requests.handle_run,
                COMPARE: requests.proof.handle,
                WATCH: requests.changes.handle,
                MAKE: requests.handle_certificate,
                FIND_CONTACT: requests.arrivals.find_contact,
                SERVE: requests.self_service.handle,
                ACCOUNTS_CLOSED: requests.closed_accounts.handle,
                AT_ONCE: requests.rights.handle,
            },
        ),
        root=root,
        desk=desk,
    )


def fill_gateway(root: Path) -> None:
    """Two people: Anna with 7 requests, 3 bills, 2 invoices, 2 messages of the playground, 1 key, 1 use, 1 opinion,
    1 letter and 4 lines in files; Bruno with one of each."""
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        create_tables(connection)
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", _USERS)
        for user, requests, bills, invoices, messages in (("u_anna", 7, 3, 2, 2), ("u_bruno", 1, 1, 1, 1)):
            day = "2026-06-0%dT10:00:00Z"
            key = "INSERT INTO api_keys (token_hash, user_id, created_at) VALUES (?, ?, ?)"
            connection.execute(key, ("5ecre7" * 8, user, day % 1))
            request = (
                "INSERT INTO request_log (user_id, api_key, model, status, prompt_tokens, completion_tokens, ip, created_at)"
                " VALUES (?, 1, ?, 200, 10, 20, '192.0.2.7', ?)"
            )
            connection.executemany(request, [(user, SLY_MODEL, day % (n + 1)) for n in range(requests)])
            bill = "INSERT INTO billing_log (user_id, model, tokens, cost_usd, created_at) VALUES (?, 'm', 30, -0.5, ?)"
            connection.executemany(bill, [(user, day % (n + 1)) for n in range(bills)])
            invoice = "INSERT INTO invoices (user_id, amount, issued_at) VALUES (?, 9.5, ?)"
            connection.executemany(invoice, [(user, day % (n + 1)) for n in range(invoices)])
            message = "INSERT INTO playground (user_id, model, prompt, tokens, created_at) VALUES (?, 'm', 'Hi', 3, ?)"
            connection.executemany(message, [(user, day % (n + 1)) for n in range(messages)])
            connection.execute(
                "INSERT INTO usage (user_id, model, tokens, created_at) VALUES (?, 'm', 3, ?)", (user, day % 1)
            )
            opinion = "INSERT INTO feedback (user_id, rating, created_at) VALUES (?, 4, ?)"
            connection.execute(opinion, (user, day % 1))
        letter = "INSERT INTO support_messages (email, body, created_at) VALUES (?, 'Hello', '2026-05-01T10:00:00Z')"
        connection.executemany(letter, [(ANNA,), (BRUNO,)])
        connection.commit()
    (root / "logs").mkdir()
    for day in ("2026-06-08", "2026-06-09"):
        lines = [("u_anna", SLY_PROMPT), ("u_bruno", "hello"), ("u_anna", "bye")]
        text = [
            json.dumps({"ts": f"{day}T0{n}:00:00Z", "user_id": user, "prompt": prompt, "response": "ok"})
            for n, (user, prompt) in enumerate(lines)
        ]
        (root / "logs" / f"requests-{day}.jsonl").write_text("\n".join(text) + "\n")
