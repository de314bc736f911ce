"""The console: what each page says, what an approval sets going, and how it looks in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup

from core.outbox import Dispatcher, OutboxRow
from jobs.handlers import work_handlers
from tests.conftest import OpenPage, Viewport
from tests.web_installation import (
    ADMINISTRATOR,
    PAGES,
    PASSWORD,
    PUBLIC,
    Installation,
    open_installation,
    post,
    read,
    serve,
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Version 1 is in force; 250 requests and 2 accounts are over their time, so both first sweeps wait for a person."""
    with open_installation(tmp_path_factory.mktemp("console") / "kept") as opened:
        opened.kept.sweeps.run()
        opened.kept.ledger.settle()
        write_mail(opened.root / "var" / "outbox")
        yield opened


def write_mail(folder: Path) -> None:
    """A mail as the mailer leaves it, with an HTML part that would do harm in a page."""
    message = EmailMessage()
    message["From"] = "Lanternway <privacy@lanternway.example>"
    message["To"] = "marta@post.example"
    message["Subject"] = "We have your <b>request</b>"
    message["Date"] = "Sat, 21 Nov 2026 10:00:00 +0000"
    message["Message-ID"] = "<evt_1@lanternway.example>"
    message.set_content("Hello,\n\nwe have your request.\n")
    message.add_alternative("<script>alert(1)</script><p>Hello</p>", subtype="html")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evt_1@lanternway.example.eml").write_bytes(message.as_bytes())


def run_of(installation: Installation) -> str:
    """The id of the run that waits: what the form sends along."""
    return installation.kept.sweeps.waiting()[0].run_id


def test_the_navigation_counts_what_asks_for_somebody(installation: Installation) -> None:
    """Broken promises and waiting approvals stand beside their pages; the page one is on is marked."""
    page = read(installation, "/console/retention")
    here = page.select('.rail a[aria-current="page"]')
    assert [a.get_text() for a in here] == ["Retention2"]
    board = page.select_one('.rail a[href="/console/promises"] .count')
    broken = sum(one.state.value == "broken" for one in installation.kept.board().clauses)
    assert board is not None
    assert board.get_text() == str(broken)


def test_home_asks_for_the_approval_first(installation: Installation) -> None:
    """What waits for a person stands under `Do now`, with its number and the way to it."""
    page = read(installation, "/console/")
    first = page.select_one(".todo > li")
    assert first is not None
    assert "request-logs" in first.get_text()
    assert "250" in first.get_text()
    link = first.select_one("a.btn")
    assert link is not None
    assert str(link["href"]).startswith("/console/retention")


def test_the_board_shows_each_clause_once_with_its_proof(installation: Installation) -> None:
    """One line for each clause of the version in force and each of Kept's own, its state in a word, none left out."""
    page = read(installation, "/console/promises")
    lines = {str(line["id"]): line for line in page.select(".promise")}
    board = installation.kept.board()
    assert lines.keys() == {one.clause_id for one in (*board.clauses, *board.own)}
    assert "Nobody vouches for it yet" in lines["no-sale"].get_text()
    assert "Broken" in lines["no-sale"].get_text()
    assert "lw-2" in lines["request-logs"].get_text()


def test_the_board_can_be_filtered_by_the_address(installation: Installation) -> None:
    """What is filtered stands in the address, so it can be sent to somebody."""
    page = read(installation, "/console/promises?state=broken")
    assert page.select(".promise")
    assert all("is-broken" in line["class"] for line in page.select(".promise"))
    assert "No clause is in this state" in read(installation, "/console/promises?state=attested").get_text()


def test_retention_shows_what_an_approval_would_do_before_its_button(installation: Installation) -> None:
    """Rows, range, collection and a masked sample stand above the button, whose word names the size."""
    page = read(installation, "/console/retention")
    card = page.select_one("#waiting-request-logs")
    assert card is not None
    text = card.get_text(" ")
    assert "requests" in text
    assert "250" in text
    button = card.select_one("form button")
    assert button is not None
    assert button.get_text().replace("\u00a0", " ") == "Approve 250 rows"
    assert "203.0.113." not in text


def test_an_approval_needs_a_reason(tmp_path: Path) -> None:
    """Without one nothing is recorded and nothing goes; the page says so beside the field."""
    with open_installation(tmp_path / "kept") as fresh:
        fresh.kept.sweeps.run()
        client = fresh.signed_in()
        answer = post(
            client, "/console/retention/request-logs/approve", "/console/retention", reason="  ", run=run_of(fresh)
        )
        assert answer.status_code == 400
        assert "Say why" in answer.get_data(as_text=True)
        assert fresh.rows("request_log") == 400


def test_approving_schedules_the_work_and_deletes_nothing(tmp_path: Path) -> None:
    """The click is recorded and handed over with who and why, once; the page says so; the rows are there until the job runs."""
    with open_installation(tmp_path / "kept") as fresh:
        fresh.kept.sweeps.run()
        client = fresh.signed_in()
        for _ in range(2):
            form = {"run": run_of(fresh), "reason": "Looked at the sample"}
            answer = post(client, "/console/retention/request-logs/approve", "/console/retention", **form)
            assert answer.status_code == 302
        page = client.get("/console/retention").get_data(as_text=True)
        assert "Approved, begins within a minute" in page
        assert "You approved 250" in page
        assert fresh.rows("request_log") == 400
        with fresh.kept.database.read() as session:
            payloads = (
                session.execute(sa.select(OutboxRow.payload).where(OutboxRow.kind == "sweep.approve")).scalars().all()
            )
            entries = fresh.kept.ledger.entries(session, kind="sweep.approval_given")
        assert [(one["clause"], one["reason"]) for one in payloads] == [("request-logs", "Looked at the sample")]
        assert [one.actor for one in entries] == [payloads[0]["by"]]
        assert str(payloads[0]["by"]).startswith("opr_")


def test_an_approved_sweep_is_carried_out_by_the_job_loop(tmp_path: Path) -> None:
    """From the click to the end: the outbox hands it on, the rows over their time go, all others stay, and the page is calm."""
    with open_installation(tmp_path / "kept") as fresh:
        fresh.kept.sweeps.run()
        client = fresh.signed_in()
        form = {"run": run_of(fresh), "reason": "Looked at the sample"}
        post(client, "/console/retention/request-logs/approve", "/console/retention", **form)
        kept = fresh.kept
        assert (
            Dispatcher(kept.database, kept.clock, {"sweep.approve": work_handlers(kept)["sweep.approve"]}).dispatch()
            == 1
        )
        assert fresh.rows("request_log") == 150
        page = BeautifulSoup(client.get("/console/retention").get_data(as_text=True), "html.parser")
        assert page.select_one("#waiting-request-logs") is None
        line = page.select_one("#request-logs")
        assert line is not None
        assert "250" in line.get_text(" ")
        assert "Kept" in line.get_text(" ")
        assert page.select_one("#waiting-closed") is not None


def test_an_approval_of_what_is_no_longer_waiting_is_refused(tmp_path: Path) -> None:
    """Approval is of what was seen: a page that is older than the run it shows changes nothing."""
    with open_installation(tmp_path / "kept") as fresh:
        fresh.kept.sweeps.run()
        form = {"run": "swp_of_yesterday", "reason": "Looked at it"}
        answer = post(fresh.signed_in(), "/console/retention/request-logs/approve", "/console/retention", **form)
        assert answer.status_code == 409
        assert "Look at it again" in answer.get_data(as_text=True)
        with fresh.kept.database.read() as session:
            assert session.execute(sa.select(OutboxRow.id).where(OutboxRow.kind == "sweep.approve")).first() is None


def test_the_policy_page_shows_versions_and_what_lint_says_of_the_draft(tmp_path: Path) -> None:
    """The draft is read as it is now: the same as version 1 first, then refused with its line."""
    with open_installation(tmp_path / "kept") as fresh:
        assert "the same text as version 1" in read(fresh, "/console/policy").get_text(" ")
        draft = fresh.root / "policies" / "small.md"
        draft.write_text(
            draft.read_text().replace("for: P30D, then: delete, promises", "for: 30d, then: delete, promises")
        )
        page = read(fresh, "/console/policy")
        card = page.select_one('section[aria-labelledby="lint"]')
        assert card is not None
        assert "P30D" in card.get_text(" ")
        assert "refusal" in card.get_text(" ")
        draft.unlink()
        assert "cannot be read" in read(fresh, "/console/policy").get_text(" ")


def test_the_ledger_shows_its_entries_and_pages_them(installation: Installation) -> None:
    """Newest first, fifty a page, each with its position, kind, actor and commitment; filters stand in the address."""
    page = read(installation, "/console/ledger")
    rows = page.select("tbody tr")
    assert rows
    assert "operator.signed_in" in rows[0].get_text(" ")
    only = read(installation, "/console/ledger?kind=version.published")
    assert {row.select("code")[0].get_text() for row in only.select("tbody tr")} <= {"version.published"}
    assert "No entry fits" in read(installation, "/console/ledger?ref=nothing").get_text(" ")


def test_verifying_the_ledger_says_what_was_recomputed(installation: Installation) -> None:
    """A green answer names how much agreed, and the foot of every page says so from then on."""
    client = installation.signed_in()
    installation.kept.ledger.settle()
    answer = post(client, "/console/ledger/verify", "/console/ledger")
    assert "Everything agrees" in answer.get_data(as_text=True)
    assert "Ledger verified" in client.get("/console/").get_data(as_text=True)


def test_a_changed_ledger_is_shown_with_the_entry(tmp_path: Path) -> None:
    """One row changed by SQL, past the triggers: the page names the entry, and the foot of every page turns red."""
    with open_installation(tmp_path / "kept") as fresh:
        client = fresh.signed_in()
        fresh.kept.ledger.settle()
        with fresh.kept.database.begin() as session:
            triggers = session.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in triggers:
                session.execute(sa.text(f'DROP TRIGGER "{name}"'))
            entry = session.execute(sa.text("SELECT id FROM ledger_entries ORDER BY at LIMIT 1")).scalar_one()
            session.execute(sa.text("UPDATE ledger_entries SET kind = 'version.other' WHERE id = :id"), {"id": entry})
        page = post(client, "/console/ledger/verify", "/console/ledger").get_data(as_text=True)
        assert "The ledger does not verify" in page
        assert entry in page
        assert "Ledger does not verify" in client.get("/console/").get_data(as_text=True)


def test_the_outbox_shows_mails_as_text_only(installation: Installation) -> None:
    """A subject is text, the HTML part is never put into a page, and the page says where mail goes."""
    listed = read(installation, "/console/outbox")
    assert "var/outbox" in listed.get_text(" ")
    assert "We have your <b>request</b>" in listed.get_text(" ")
    page = read(installation, "/console/outbox/evt_1@lanternway.example")
    assert "we have your request." in page.get_text()
    assert "marta@post.example" in page.get_text()
    assert "alert(1)" not in page.decode()


@pytest.mark.parametrize("name", ["evt_2@lanternway.example", "..%2Fsecret", "evt_1@lanternway.example.eml"])
def test_only_mails_can_be_read_from_the_outbox(installation: Installation, name: str) -> None:
    """A name leads to a mail of the outbox or to 404, never to another file."""
    assert installation.signed_in().get(f"/console/outbox/{name}").status_code == 404


def test_the_theme_is_a_choice_of_the_console(installation: Installation) -> None:
    """Dark is remembered in a cookie, shown on the console's pages, and left aside on public ones."""
    client = installation.signed_in()
    answer = post(client, "/theme", "/console/", theme="dark", back="/console/policy")
    assert answer.headers["Location"] == "/console/policy"
    assert 'data-theme="dark"' in client.get("/console/policy").get_data(as_text=True)
    assert "data-theme" not in client.get("/privacy").get_data(as_text=True)
    elsewhere = post(client, "/theme", "/console/", theme="dark", back="//evil.example")
    assert elsewhere.headers["Location"] == "/"


def test_pages_without_any_policy_say_what_to_do(tmp_path: Path) -> None:
    """Before the first version every page opens and names the next step."""
    with open_installation(tmp_path / "kept", publish=False) as fresh:
        for address in PAGES:
            assert read(fresh, address).h1 is not None
        assert "kept policy publish" in read(fresh, "/console/promises").get_text(" ")
        assert "No retention clause is in force" in read(fresh, "/console/retention").get_text(" ")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", list(Viewport), ids=lambda one: one.name.lower())
def test_every_page_opens_in_a_browser(
    installation: Installation, page: OpenPage, viewport: Viewport, dark: bool
) -> None:
    """In Chromium, at both sizes and in both themes: nothing that the policy blocks, nothing wider than the screen."""
    with serve(installation.app) as base:
        opened = page(viewport, dark=dark)
        opened.goto(f"{base}/console/sign-in")
        opened.fill("#email", ADMINISTRATOR)
        opened.fill("#password", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{base}/console/")
        for address in (*PAGES, "/console/outbox/evt_1@lanternway.example", *PUBLIC):
            opened.goto(base + address)
            width = opened.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport.value[0], f"{address} is {width} wide"
            assert opened.evaluate("document.fonts.ready.then(() => document.fonts.check('600 14px Inter'))")
            assert opened.title()
