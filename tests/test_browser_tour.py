"""The whole way of a request in Chromium: form, mail, confirm page, console, plan, approval, package; then what is in it."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

from app import make_web, open_services
from core.keys import write_secret
from core.operators import Role, add_operator, find_operator
from examples.gateway import build as gateway
from jobs.commands.operators import password_link
from jobs.services import Services
from policies.documents import parse_document
from tests.conftest import OpenPage, Viewport
from tests.request_desk import CODE, CONFIRM_LINK, find, hand_on
from tests.web_installation import serve

PASSWORD = "a sentence is a good password"
TABLES = {  # collection: its table, and the column that leads to the person
    "accounts": ("users", "id"),
    "api-keys": ("api_keys", "user_id"),
    "requests": ("request_log", "user_id"),
    "billing": ("billing_log", "user_id"),
    "invoices": ("invoices", "user_id"),
}


@contextmanager
def open_example(root: Path) -> Iterator[Services]:
    """The example gateway as `kept init` leaves it, with one administrator who has no password yet."""
    write_secret(root / "var" / "secret.key")
    gateway.write_configuration(root)
    with open_services(root / "kept.yaml") as kept:
        gateway.build(root, now=kept.clock.now())
        text = (root / "policies" / "gateway.md").read_text()
        with kept.database.begin() as session:
            add_operator(
                session, email="ada@example.com", name="Ada Vogelsang", role=Role.ADMINISTRATOR, now=kept.clock.now()
            )
        kept.policies.publish(parse_document(text, "gateway.md"), actor="system")
        kept.policies.tick()
        kept.ledger.settle()
        yield kept


def pick_person(root: Path) -> tuple[str, str]:
    """Somebody who is in every table and in the log files, found without Kept."""
    every = " AND ".join(
        f"EXISTS (SELECT 1 FROM {t} WHERE user_id = u.id)"
        for t in ("api_keys", "request_log", "billing_log", "invoices")
    )
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        found = connection.execute(
            f"SELECT id, email FROM users u WHERE deleted_at IS NULL AND {every} ORDER BY id"
        ).fetchall()
    logged = set(read_logged(root))
    return next((str(person), str(email)) for person, email in found if person in logged)


def count_rows(root: Path, person: str, email: str) -> dict[str, int]:
    """How much there is of a person in each collection, counted by sqlite3 and by reading the files."""
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        counts = {
            name: int(connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", [person]).fetchone()[0])
            for name, (table, column) in TABLES.items()
        }
        counts["support"] = int(
            connection.execute("SELECT count(*) FROM support_messages WHERE email = ?", [email]).fetchone()[0]
        )
    counts["request-days"] = sum(one == person for one in read_logged(root))
    return counts


def read_logged(root: Path) -> list[str]:
    """The user of every line of the log files."""
    texts = (path.read_text() for path in (root / "logs").glob("*.jsonl"))
    return [str(json.loads(line)["user_id"]) for text in texts for line in text.splitlines()]


def look(page: Page, name: str) -> None:
    """Keep a picture of the page where KEPT_PICTURES names a folder."""
    if folder := os.environ.get("KEPT_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def ask(page: Page, base: str, email: str, right: str) -> None:
    """Fill in the form and send it."""
    page.goto(f"{base}/privacy")
    page.click("text=Make a request")
    page.check(f"input[name=right][value={right}]")
    page.fill("#email", email)
    page.select_option("#country", "DE")
    page.fill("#details", "I used it last winter.\n\nThank you.")
    look(page, f"form-{right}")
    page.click("button:has-text('Send the request')")
    assert page.url == f"{base}/requests/sent"
    look(page, "sent")


def confirm(page: Page, kept: Services, base: str, root: Path, email: str) -> str:
    """Follow the link in the mail and press the button; gives the reference."""
    hand_on(kept)
    page.goto(base + find(CONFIRM_LINK, root, email))
    look(page, "confirm")
    page.click("button:has-text('Yes, I asked for this')")
    look(page, "confirmed")
    hand_on(kept)
    link = page.locator("a.main-act").get_attribute("href")
    assert link is not None
    return link.rpartition("/")[2]


def sign_in(page: Page, kept: Services, base: str) -> None:
    """An operator's first sign-in, by the one-time link that the command prints."""
    with kept.database.begin() as session:
        link = password_link(kept, session, find_operator(session, "ada@example.com").id)
    page.goto(base + "/" + link.split("/", 3)[3])
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"{base}/console/")


def work(page: Page, kept: Services, base: str, ref: str, word: str) -> None:
    """From the list to the ticket, plan, approve; the page tells by itself when it is done."""
    page.goto(f"{base}/console/requests")
    look(page, f"list-{word}")
    page.click(f"tr:has-text('{ref}') a.who")
    look(page, f"ticket-new-{word}")
    page.click("button:has-text('Make the plan')")
    look(page, f"ticket-planned-{word}")
    button = page.locator("button.main-act")
    assert word in button.inner_text()
    button.click()
    page.wait_for_selector("#work")
    look(page, f"ticket-approved-{word}")
    hand_on(kept)
    page.wait_for_selector(".head .badge:has-text('Answered')")
    page.reload()
    look(page, f"ticket-answered-{word}")


def open_page(page: Page, kept: Services, base: str, root: Path, email: str, ref: str) -> None:
    """Open the person's page with a code from a mail."""
    page.goto(f"{base}/requests/{ref}")
    look(page, "code")
    page.click("button:has-text('Send me a code')")
    hand_on(kept)
    page.fill("#code", find(CODE, root, email))
    look(page, "code-sent")
    page.click("button:has-text('Open the page')")
    assert page.url == f"{base}/requests/{ref}"


@pytest.mark.browser
def test_a_copy_goes_from_the_form_to_the_package(tmp_path: Path, page: OpenPage) -> None:
    """What the ZIP holds is what an independent query finds, in number and in every account field; the link alone opens nothing."""
    root = tmp_path / "workspace"
    with open_example(root) as kept, serve(make_web(kept)) as base:
        person, email = pick_person(root)
        expected = count_rows(root, person, email)
        theirs, ours = page(Viewport.PHONE), page()
        ask(theirs, base, email, "access")
        ref = confirm(theirs, kept, base, root, email)
        sign_in(ours, kept, base)
        work(ours, kept, base, ref, "export")
        open_page(theirs, kept, base, root, email, ref)
        look(theirs, "person-ready")
        theirs.click("button:has-text('Send a code to')")
        hand_on(kept)
        theirs.fill("#code", find(CODE, root, email))
        with theirs.expect_download() as arriving:
            theirs.click("button:has-text('Open my copy')")
        target = tmp_path / "copy.zip"
        arriving.value.save_as(target)
        assert arriving.value.suggested_filename == f"{ref}.zip"
        theirs.goto(f"{base}/requests/{ref}")
        assert "opened once" in theirs.inner_text("main")
        look(theirs, "person-fetched")
        check_package(target, root, person, expected)
        assert kept.ledger.verify().ok


def check_package(target: Path, root: Path, person: str, expected: dict[str, int]) -> None:
    """Every record is there, the account as it stands in the table, the letter a PDF, the page readable."""
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {"index.html", "letter.pdf", "manifest.json"} <= names
        assert archive.read("letter.pdf").startswith(b"%PDF-")
        found = {
            name: json.loads(archive.read(f"data/{name}.json")) for name in expected if f"data/{name}.json" in names
        }
        assert {name: len(found.get(name, [])) for name in expected} == expected
        for name, records in found.items():
            rows = list(csv.DictReader(io.StringIO(archive.read(f"data/{name}.csv").decode())))
            assert len(rows) == len(records)
    with closing(sqlite3.connect(root / "gateway.db")) as connection:
        row = connection.execute("SELECT email, name, company FROM users WHERE id = ?", [person]).fetchone()
        spent = connection.execute("SELECT sum(tokens) FROM billing_log WHERE user_id = ?", [person]).fetchone()[0]
    account = found["accounts"][0]
    assert (account["email"], account["name"], account["company"]) == row
    assert sum(int(record["tokens"]) for record in found["billing"]) == spent


@pytest.mark.browser
def test_a_deletion_goes_across_both_stores_and_keeps_the_invoices(tmp_path: Path, page: OpenPage) -> None:
    """Nothing of the person is left but what the policy keeps, counted without Kept; the page of the request says what and why."""
    root = tmp_path / "workspace"
    with open_example(root) as kept, serve(make_web(kept)) as base:
        person, email = pick_person(root)
        before = count_rows(root, person, email)
        theirs, ours = page(), page()
        ask(theirs, base, email, "deletion")
        ref = confirm(theirs, kept, base, root, email)
        sign_in(ours, kept, base)
        work(ours, kept, base, ref, "delete")
        after = count_rows(root, person, email)
        assert after == {name: before[name] if name == "invoices" else 0 for name in before}
        open_page(theirs, kept, base, root, email, ref)
        look(theirs, "person-deleted")
        said = theirs.inner_text("main")
        assert "What stays, and why" in said
        assert "Invoices" in said
        assert kept.ledger.verify().ok
