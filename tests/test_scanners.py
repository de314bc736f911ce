"""What is no person: scanners that follow every link of a mail and click every link behind it, and forms sent a thousand times."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page

from core.database import Database
from core.errors import TooMuch
from dsr.attachments import Attachment
from dsr.limits import DEFAULT_LIMITS, Limit
from dsr.states import State
from tests.conftest import OpenPage
from tests.dsr_house import build_house
from tests.request_desk import CODE, find, hand_on, read_mails, received, text_of
from tests.schema import make_tables
from tests.task_rooms import CONTACT, WITH_HELPDESK, asked
from tests.web_installation import SESSION, Installation, open_installation, serve

# In a tab of its own, and as a page even where it is a download: those tell nobody that they were asked for.
CLICK = """number => {
    const link = document.querySelectorAll('a[href]')[number];
    link.target = '_blank';
    link.removeAttribute('download');
    link.click();
}"""
ANY_LINK = re.compile(r"https?://[^\s/]+(/\S+)")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with open_installation(tmp_path_factory.mktemp("scanners") / "kept") as opened:
        yield opened


def everything(root: Path) -> str:
    """All that the control database holds."""
    with closing(sqlite3.connect(root / "var" / "kept.db")) as connection:
        return "\n".join(connection.iterdump())


def links_of(installation: Installation, email: str) -> list[str]:
    """The paths of every link to pages for one person, in every mail to somebody."""
    texts = (text_of(mail) for mail in read_mails(installation.root, email))
    found = dict.fromkeys(path.rstrip(".,") for text in texts for path in ANY_LINK.findall(text))
    return [path for path in found if not path.startswith("/privacy")]  # the same for everybody


def session_of(installation: Installation, ref: str, grant: str) -> str:
    """The cookie of a browser that has a page open."""
    client = installation.client()
    with client.session_transaction(f"/requests/{ref}") as session:
        session["request_pages"] = {ref: grant}
    cookie = client.get_cookie(SESSION)
    assert cookie is not None
    return cookie.value


def scan(page: Page, base: str, path: str) -> int:
    """What a scanner of mails does: HEAD and GET, the page in a browser with scripts, and a click on each link there."""
    page.request.head(base + path)
    page.request.get(base + path)
    page.goto(base + path)
    places: list[str] = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    ours = {place: number for number, place in enumerate(places) if place.startswith(base) and "#" not in place}
    for place, number in ours.items():
        page.request.head(place)
        with page.context.expect_event("request", lambda one, wanted=place: one.url == wanted):
            page.evaluate(CLICK, number)
    for other in page.context.pages[1:]:
        other.close()
    return len(ours)


@pytest.mark.browser
def test_a_browser_that_clicks_every_link_of_a_mail_changes_nothing(installation: Installation, page: OpenPage) -> None:
    """Rule: HEAD, GET and clicks on links, behind every link of the mails of a request, leave every row as it was; the
    button of the same page, pressed by a person, then works."""
    kept, email = installation.kept, "person1@post.example"
    kept.requests.submit_form(email=email, right="deletion", source="192.0.2.1")
    proven = received(installation, "person2@post.example", "deletion")
    kept.requests.messages.reply(proven, by="system", words="For you.", files=[Attachment(name="a.txt", content=b"a")])
    kept.requests.ask_code(proven, source="192.0.2.2")
    hand_on(kept)
    grant = kept.requests.open_page(proven, find(CODE, installation.root, "person2@post.example"))
    kept.requests.addresses.add(proven, grant, email="person3@post.example", source="192.0.2.3")
    hand_on(kept)
    paths = [path for number in (1, 2, 3) for path in links_of(installation, f"person{number}@post.example")]
    assert any("/requests/confirm/" in path for path in paths)
    assert any("/requests/address/" in path for path in paths)
    assert any(path.startswith(f"/requests/{proven}") for path in paths)
    before, opened = everything(installation.root), page()
    with serve(installation.app) as base:
        clicked = sum(scan(opened, base, path) for path in paths)
        assert clicked > len(paths)
        opened.context.add_cookies([{"name": SESSION, "value": session_of(installation, proven, grant), "url": base}])
        assert scan(opened, base, f"/requests/{proven}") > 3  # a page that stands open, its files too
        assert "For you." in opened.inner_text("main")
        assert everything(installation.root) == before
        assert kept.requests.view(proven).state is State.RECEIVED
        opened.goto(base + next(path for path in paths if "/requests/confirm/" in path))
        opened.click("button:has-text('Yes, I asked for this')")
        assert opened.locator("a.main-act").count() == 1
    assert everything(installation.root) != before


@pytest.mark.browser
def test_links_that_stop_a_request_or_answer_a_task_change_nothing_by_being_opened(
    tmp_path: Path, page: OpenPage
) -> None:
    """Rule: the same holds for the link that lets a former address stop a request, and for the one behind which somebody
    answers work for people: opened and clicked through by a scanner, both requests stand as they stood."""
    changed = "    contact: {field: email, changed: email_changed, before: former_email}\n"
    events = "events: {account_closed: deleted_at, email_changed: email_changed_at}"
    configuration = WITH_HELPDESK.replace("events: {account_closed: deleted_at}\n", f"{events}\n{changed}", 1)
    with open_installation(tmp_path / "kept", configuration=configuration) as opened:
        with closing(sqlite3.connect(opened.root / "gateway.db")) as connection, connection:
            connection.execute("ALTER TABLE users ADD COLUMN email_changed_at TEXT")
            connection.execute("ALTER TABLE users ADD COLUMN former_email TEXT")
            lately = (opened.kept.clock.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            connection.execute(
                "UPDATE users SET former_email = 'old@post.example', email_changed_at = ? WHERE id = 4", [lately]
            )
        asked(opened, "person5@post.example")
        moved = received(opened, "person4@post.example", "deletion")
        opened.kept.requests.make_plan(moved, by="system")
        hand_on(opened.kept)
        paths = [path for who in ("old@post.example", CONTACT) for path in links_of(opened, who)]
        assert any("/requests/stop/" in path for path in paths), paths
        assert any(path.startswith("/tasks/") for path in paths), paths
        before, browser = everything(opened.root), page()
        with serve(opened.app) as base:
            for path in paths:
                scan(browser, base, path)
        assert everything(opened.root) == before


@pytest.mark.slow
def test_a_form_sent_a_thousand_times_sends_few_mails_and_makes_few_rows(tmp_path: Path) -> None:
    """Rule: from one source, to one address, and in all, no more goes out than the limits say; the rest leaves counters only."""
    most = replace(DEFAULT_LIMITS, form_in_all=Limit(most=40, window=timedelta(hours=1)))
    database = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(database)
    house = build_house(database, tmp_path / "house", limits=most)
    people, refused = itertools.count(1), 0

    def post(times: int, email: str = "", source: str = "") -> int:
        no = 0
        for _ in range(times):
            number = next(people)
            try:
                house.submit(
                    email or f"p{number}@post.example", source=source or f"10.0.{number // 250}.{number % 250}"
                )
            except TooMuch:
                no += 1
        return no

    refused += post(500, source="192.0.2.9")
    assert refused == 480  # twenty an hour from one source
    post(100, email="victim@post.example")  # from a hundred sources: three a day to one address, and no word of it
    refused += post(400)
    assert refused == 480 + 400 - (40 - 20 - 3)
    house.work()
    mails = house.mailbox.list_mails()
    assert len(mails) == 40
    assert sum(mail.to == "victim@post.example" for mail in mails) == 3
    assert house.requests.count_states()[State.UNCONFIRMED] == 40
    database.close()
