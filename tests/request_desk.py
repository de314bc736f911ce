"""What tests of requests share: a policy with invoices that stay, the job loop's round, mails and their links, a proven request."""

from __future__ import annotations

import io
import itertools
import re
import sqlite3
import zipfile
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from core.outbox import Dispatcher
from jobs.handlers import work_handlers
from jobs.services import Services
from notify.mail import MAIL
from tests.web_installation import POLICY, Installation

CONFIRM_LINK = re.compile(r"https?://[^\s/]+(/requests/confirm/[\w-]+)")
CODE = re.compile(r"\b(\d{3} \d{3})\b")
# Network addresses that nobody has used: limits by source then count for one request only.
SOURCES = (f"198.51.100.{number}" for number in itertools.count(1))
WITH_INVOICES = POLICY.replace(
    "  - {id: closed, kind: retention, of: [account], after: account_closed, for: P30D, then: delete}\n",
    "  - {id: closed, kind: retention, of: [account], after: account_closed, for: P30D, then: delete,\n"
    "     except: [{of: invoice, basis: legal_obligation, for: P10Y, note: tax records}]}\n"
    "  - {id: invoice-data, kind: collects, category: invoice, from: person, fields: [amount]}\n"
    "  - {id: invoices, kind: retention, of: invoice, for: P10Y, then: delete}\n",
).replace(
    "## Your rights & how to use them\n",
    'Invoices, which we collect,{{ clause("invoice-data").cite }} are kept for {{ clause("invoices").for }}.\n\n'
    "## Your rights & how to use them\n",
)
INVOICES = """\
  - id: invoices
    at: gateway:invoices
    category: invoice
    time: issued_at
    person: {user_id: accounts.id}
"""


def hand_on(kept: Services) -> None:
    """One round of the jobs that follow a page: the outbox, then the ledger."""
    handlers = {**work_handlers(kept), MAIL: kept.mailer.deliver}
    outbox = Dispatcher(kept.database, kept.clock, handlers)
    while outbox.dispatch():
        pass
    kept.ledger.settle()


def read_mails(root: Path, to: str) -> list[EmailMessage]:
    """The mails to an address, the oldest first."""
    files = sorted((root / "var" / "outbox").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    return [mail for mail in mails if to in str(mail["To"])]


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def find(pattern: re.Pattern[str], root: Path, to: str) -> str:
    """What a pattern finds in the newest mail to an address that holds it."""
    for mail in reversed(read_mails(root, to)):
        if found := pattern.search(text_of(mail)):
            return found[1]
    raise AssertionError(f"no mail to {to} holds {pattern.pattern}")


def add_invoices(root: Path) -> None:
    """Two invoices for each of the forty people."""
    with closing(sqlite3.connect(root / "gateway.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE invoices (id INTEGER PRIMARY KEY, user_id INTEGER, amount TEXT, issued_at TEXT)"
        )
        rows = [(n, n % 40 + 1, "19.00", "2026-01-14T10:00:00Z") for n in range(80)]
        connection.executemany("INSERT INTO invoices VALUES (?, ?, ?, ?)", rows)


def received(installation: Installation, email: str, right: str = "access", details: str = "") -> str:
    """A request whose address is proven; gives its reference."""
    kept = installation.kept
    kept.requests.submit_form(email=email, right=right, details=details, source=next(SOURCES))
    hand_on(kept)
    ref = kept.requests.confirm(find(CONFIRM_LINK, installation.root, email).rpartition("/")[2], source=next(SOURCES))
    hand_on(kept)
    return ref


def fetch_package(installation: Installation, ref: str, email: str) -> zipfile.ZipFile:
    """The copy of a request as its person gets it: a code for the page, a fresh one for the file."""
    requests = installation.kept.requests

    def code() -> str:
        requests.ask_code(ref, source=next(SOURCES))
        hand_on(installation.kept)
        return find(CODE, installation.root, email)

    grant = requests.open_page(ref, code())
    return zipfile.ZipFile(io.BytesIO(b"".join(requests.download(ref, grant, code()).chunks)))


def count_of(installation: Installation, table: str, person: int) -> int:
    """Rows of one person, counted without Kept."""
    column = "id" if table == "users" else "user_id"
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", [person]).fetchone()[0])


def rename(installation: Installation, before: str, after: str) -> None:
    """Rename a table under Kept's feet."""
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection, connection:
        connection.execute(f"ALTER TABLE {before} RENAME TO {after}")
