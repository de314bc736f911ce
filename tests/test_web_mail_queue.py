"""The mail queue in the console: letters shown so that they can do nothing, sorted in one act, and each act taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from core.errors import NotFound
from core.operators import Permission
from core.outbox import OutboxRow
from inbox.desk import LetterState, LetterView, View
from inbox.showing import MOST_LINES, one_line, show_plain
from tests.conftest import OpenPage, Viewport
from tests.kept_commands import run_command
from tests.request_desk import hand_on
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    CONFIGURATION,
    SESSION,
    Installation,
    csrf_of,
    open_installation,
    serve,
)
from web.access import ACCESS

ACTS = ("accept", "split", "reject", "belongs-to", "undo")
NUMBERS = count(1)
BOTH = "Please send me a copy of my personal data and delete my account.\n\nI live in Berlin.\n\nRobin"
HOSTILE = (
    "Delete my account\u202e now <script>alert(1)</script> at https://evil.example/click\u202c.\n\n"
    "> You wrote: <img src=https://evil.example/pixel>\n"
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """With a Maildir that its mail is read from."""
    root = tmp_path_factory.mktemp("queue") / "kept"
    for folder in ("cur", "new", "tmp"):
        (root.parent / "mailbox" / folder).mkdir(parents=True)
    with open_installation(root, configuration=CONFIGURATION + "inbox: {maildir: ../mailbox}\n") as made:
        yield made


@pytest.fixture
def agent(installation: Installation) -> FlaskClient:
    """Sorting mail is an agent's work."""
    return installation.signed_in(AGENT)


def raw_mail(number: int, text: str, *, subject: str = "My data", name: str = "Robin Fennimore") -> bytes:
    mail = EmailMessage()
    mail["From"] = f"{name} <robin{number}@post.example>"
    mail["To"] = "privacy@lanternway.example"
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{number}@post.example>"
    mail.set_content(text)
    return mail.as_bytes()


def arrive(installation: Installation, text: str = BOTH, raw: bytes | None = None, **said: str) -> str:
    """A letter that came in and was read; gives its id."""
    kept, number = installation.kept, next(NUMBERS)
    raw = raw or raw_mail(number, text, **said)
    taken = kept.inbox.taking.take(raw, source="test", place=str(number), arrived_at=kept.clock.now())
    kept.inbox.reading.read_new()
    every = [one for view in View for one in kept.inbox.desk.list_letters(view, limit=500)]
    newest = max(every, key=lambda one: (one.received_at, one.id))
    assert taken is not None
    return newest.id


def state(installation: Installation, letter: str) -> LetterView:
    return installation.kept.inbox.desk.letter(letter)


def see(client: FlaskClient, address: str) -> BeautifulSoup:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return tree(answer)


def tree(answer: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def main_of(page: BeautifulSoup) -> str:
    return " ".join(page.select_one("main").get_text(" ", strip=True).split())  # type: ignore[union-attr]


def act(client: FlaskClient, letter: str, name: str, **data: object) -> TestResponse:
    token = csrf_of(client, f"/console/mail/{letter}")
    return client.post(f"/console/mail/{letter}/{name}", data={"csrf_token": token, **data})


def test_without_a_mailbox_the_page_says_how_to_set_one(tmp_path: Path) -> None:
    """An empty list says why, and there is no button that could do nothing."""
    with open_installation(tmp_path / "kept") as made:
        page = see(made.signed_in(), "/console/mail")
    assert "mail.imap" in main_of(page)
    assert "kept doctor" in main_of(page)
    assert "Read the inbox now" not in main_of(page)
    assert not page.select("main form")


def test_reading_now_is_scheduled_once_and_done_by_the_jobs(installation: Installation, agent: FlaskClient) -> None:
    """The page asks for it; asked twice it waits once, and what lay in the mailbox is in the queue afterwards."""
    kept = installation.kept
    raw = raw_mail(next(NUMBERS), BOTH, subject="Out of the mailbox")
    (installation.root.parent / "mailbox" / "new" / "1.host").write_bytes(raw)
    for _ in range(2):
        token = csrf_of(agent, "/console/mail")
        assert agent.post("/console/mail/read", data={"csrf_token": token}).status_code == 302
    with kept.database.read() as session:
        waits = sa.select(sa.func.count()).where(OutboxRow.kind == "inbox.read", OutboxRow.done_at.is_(None))
        assert session.execute(waits).scalar_one() == 1
    assert "Out of the mailbox" not in main_of(see(agent, "/console/mail"))
    hand_on(kept)
    assert "Out of the mailbox" in main_of(see(agent, "/console/mail"))


def test_a_letter_is_shown_so_that_it_can_do_nothing(installation: Installation, agent: FlaskClient) -> None:
    """Markup is text, addresses are no links, marks of direction are named and every piece stands alone in a <bdi>."""
    letter = arrive(installation, HOSTILE, subject="Hi\u202e <b>x</b>", name='"Eve <i>" \u202e')
    page = see(agent, f"/console/mail/{letter}")
    html = str(page.select_one("main"))
    assert "\u202e" not in html
    assert "<script>alert(1)" in main_of(page)
    assert not page.select("main script, main img, main iframe")
    assert not [link for link in page.select("main a") if "evil" in str(link["href"])]
    lines = page.select(".bubble p bdi")
    assert lines
    assert all(piece.find_parent("bdi") or piece.name == "bdi" for piece in page.select(".bubble mark, .bubble bdi"))
    assert "You wrote" not in page.select_one(".bubble").get_text()  # type: ignore[union-attr]
    assert "You wrote" in page.select_one("section.stack details").get_text()  # type: ignore[union-attr]


def test_letters_without_a_shape_are_named_or_left_out() -> None:
    """A mark that turns text is named where it stands, thousands of them once; what has no width goes; what is long is cut."""
    turned = show_plain("Pay \u202etxt" + "\u2066" * 5_000 + "\r\nde\u200blete")
    said = ["".join(one.odd or one.text for one in line) for paragraph in turned.paragraphs for line in paragraph]
    assert said == ["Pay U+202EtxtU+2066 × 5000", "delete"]
    long = show_plain("word\n" * 30_000)
    assert (len(long.paragraphs[0]), long.cut) == (MOST_LINES, 150_000 - 5 * MOST_LINES)  # the last line ends nowhere
    assert one_line("a\u202eb\r\nBcc: x\x00" + "y" * 400).startswith("a b Bcc: x y")


def test_marked_words_name_the_line_of_the_proposal(installation: Installation, agent: FlaskClient) -> None:
    """Behind each marked word stands the key of the right it speaks for, which is that right's key in the proposal."""
    letter = arrive(installation)
    page = see(agent, f"/console/mail/{letter}")
    boxes = {str(one["value"]): str(one["aria-keyshortcuts"]) for one in page.select("input[name=right]")[:9]}
    ticked = {str(one["value"]) for one in page.select("input[name=right][checked]")}
    assert ticked == {"access", "deletion"}
    marked = {mark.find_next("kbd").get_text() for mark in page.select(".bubble mark")}  # type: ignore[union-attr]
    assert {boxes["access"], boxes["deletion"]} <= marked
    assert "due" in page.select_one("label[for=right-access]").get_text()  # type: ignore[union-attr]
    assert "Accept 2 requests" in main_of(page)


def test_looking_changes_nothing(installation: Installation, agent: FlaskClient) -> None:
    """Every address of the page by GET, links of mail scanners included."""
    letter = arrive(installation)
    before, size = state(installation, letter), installation.kept.ledger.waiting().count
    for address in (
        "",
        f"/{letter}",
        f"/{letter}/original",
        f"/{letter}/original.eml",
        "?corrections=1",
        "?view=sorted",
    ):
        assert agent.get(f"/console/mail{address}").status_code == 200
    for name in ACTS:
        assert agent.get(f"/console/mail/{letter}/{name}").status_code in (404, 405)
    assert (state(installation, letter), installation.kept.ledger.waiting().count) == (before, size)


def test_accepting_opens_the_requests_and_goes_on_with_the_next_letter(
    installation: Installation, agent: FlaskClient
) -> None:
    """One act for both rights; the next letter's page tells what was done, and takes it back."""
    following, letter = arrive(installation, subject="The one after"), arrive(installation)
    answer = act(agent, letter, "accept", right=["access", "deletion"])
    assert answer.status_code == 302
    assert f"/console/mail/{following}" in answer.headers["Location"]
    page = see(agent, answer.headers["Location"])
    refs = state(installation, letter).refs
    assert len(refs) == 2
    assert "Accepted: 2 requests." in main_of(page)
    assert all(ref in main_of(page) for ref in refs)
    tickets = [installation.kept.requests.view(ref) for ref in refs]
    assert {one.line.right.value for one in tickets} == {"access", "deletion"}
    undo = page.select_one(f'form[action="/console/mail/{letter}/undo"]')
    assert undo is not None
    assert act(agent, letter, "undo").status_code == 302
    assert state(installation, letter).state is LetterState.WAITING
    assert state(installation, letter).refs == ()


def test_what_an_operator_changes_is_a_correction(installation: Installation, agent: FlaskClient) -> None:
    """The figures count it, and the list says what was proposed and what was decided, of nobody."""
    desk = installation.kept.inbox.desk
    before = desk.figures()
    act(agent, arrive(installation), "accept", right=["access", "deletion"])
    act(agent, arrive(installation), "accept", right=["access"], regime="gdpr")
    after = desk.figures()
    assert (after.decided - before.decided, after.accepted - before.accepted) == (2, 1)
    page = see(agent, "/console/mail?corrections=1")
    assert f"{after.accepted} of {after.decided} proposals accepted as they were" in main_of(page)
    table = page.select_one("section[aria-labelledby=corrected-h] tbody tr").get_text(" ")  # type: ignore[union-attr]
    assert "access, deletion" in table
    assert "robin" not in table.lower()


def test_what_cannot_be_done_is_said_beside_its_field(installation: Installation, agent: FlaskClient) -> None:
    """Nothing ticked, no reason, no such request, sorted already: refused with words, and the letter stays as it was."""
    letter = arrive(installation)
    nothing = act(agent, letter, "accept")
    assert nothing.status_code == 400
    assert tree(nothing).select_one("#right-e") is not None
    assert not tree(nothing).select("input[name=right][checked]")
    assert tree(act(agent, letter, "reject", why=" ")).select_one("#why-e") is not None
    unknown = act(agent, letter, "belongs-to", ref="K7F3Q-2MXB")
    assert (unknown.status_code, tree(unknown).select_one("#ref-e") is not None) == (400, True)
    assert state(installation, letter).state is LetterState.WAITING
    act(agent, letter, "reject", why="sales")
    again = act(agent, letter, "accept", right=["access"])
    assert again.status_code == 409
    assert tree(again).select_one('[role="alert"]') is not None


def test_a_letter_is_split_set_aside_and_put_with_a_request(installation: Installation, agent: FlaskClient) -> None:
    """Split leaves it for the rest; set aside and undone it is to sort again; put with a request it is a message of it."""
    letter = arrive(installation)
    assert act(agent, letter, "split", right=["deletion"]).status_code == 302
    split = state(installation, letter)
    assert (split.state, len(split.refs)) == (LetterState.WAITING, 1)
    page = see(agent, f"/console/mail/{letter}")
    assert {str(one["value"]) for one in page.select("input[name=right][checked]")} == {"access"}
    act(agent, letter, "accept", right=["access"])
    assert len(state(installation, letter).refs) == 2

    other = arrive(installation, "We sell lists of buyers.", subject="Buyers")
    act(agent, other, "reject", why="sales")
    assert state(installation, other).state is LetterState.SET_ASIDE
    assert "sales" in main_of(see(agent, f"/console/mail/{other}"))
    act(agent, other, "undo")
    ref = state(installation, letter).refs[0]
    assert act(agent, other, "belongs-to", ref=ref.lower()).status_code == 302
    joined = state(installation, other)
    assert (joined.state, joined.refs) == (LetterState.JOINED, (ref,))
    assert any("lists of buyers" in one.body for one in installation.kept.requests.view(ref).messages)


def test_the_original_and_its_files_are_downloads_of_no_type(installation: Installation, agent: FlaskClient) -> None:
    """Bytes as they came, never shown by a browser, kept by no cache; the page names the file and shows nothing of it."""
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "f@post.example", "With a file"
    mail.set_content("Please delete my data.")
    mail.add_attachment(b"<script>1</script>", maintype="text", subtype="html", filename="Vollmacht\u202e.html")
    letter = arrive(installation, raw=mail.as_bytes())
    page = see(agent, f"/console/mail/{letter}")
    assert "Vollmacht.html" in main_of(page)
    for end, content in ((".eml", mail.as_bytes()), ("", mail.as_bytes())):
        answer = agent.get(f"/console/mail/{letter}/original{end}")
        assert answer.data == content
        require_download(answer)
    file = agent.get(str(page.select_one(".files a")["href"]))  # type: ignore[index]
    assert file.data.strip() == b"<script>1</script>"
    require_download(file)
    assert agent.get(f"/console/mail/{letter}/files/7").status_code == 404


def require_download(answer: TestResponse) -> None:
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["Cache-Control"] == "no-store"


def test_whoever_may_not_is_refused(installation: Installation, agent: FlaskClient) -> None:
    """Every act needs the right to work on requests, a sign-in and the token of its page."""
    letter = arrive(installation)
    acts = [name for name in ACCESS if name.startswith("console.") and "letter" in name and name != "console.letters"]
    assert len(acts) >= 9
    given = {
        ACCESS[name] for name in acts if name not in ("console.letter", "console.print_letter", "console.letter_sent")
    }
    assert given == {Permission.WORK_REQUESTS}
    for name in ("", "/original", "/original.eml"):
        answer = installation.client().get(f"/console/mail/{letter}{name}")
        assert "/console/sign-in" in answer.headers["Location"]
    for name in ACTS:
        answer = installation.client().post(f"/console/mail/{letter}/{name}")
        assert answer.status_code in (302, 400, 401)
        assert agent.post(f"/console/mail/{letter}/{name}", data={"right": "access"}).status_code == 400
    assert state(installation, letter).state is LetterState.WAITING


def test_home_and_the_rail_say_what_is_to_sort(installation: Installation, agent: FlaskClient) -> None:
    """One line with the number and the oldest, and the number beside the word Mail."""
    arrive(installation)
    number = installation.kept.inbox.desk.counts()[View.TO_SORT]
    page = see(agent, "/console/")
    assert re.search(rf"{number} letters? to sort", main_of(page))
    assert page.select_one('.rail a[href="/console/mail"] .count').get_text() == str(number)  # type: ignore[union-attr]


def test_the_commands_list_show_and_decide(installation: Installation) -> None:
    """The same lists and acts without a browser; what a letter says moves no cursor."""
    letter = arrive(installation, f"{BOTH}\n\x1b[2Jend")
    root = installation.root
    listed = run_command(root, "inbox", "list", "--json")
    assert listed.returncode == 1, listed.stderr
    assert letter in {one["id"] for one in json.loads(listed.stdout)["letters"]}
    shown = run_command(root, "inbox", "show", letter)
    assert "\x1b" not in shown.stdout
    assert "copy of my personal data" in shown.stdout
    assert "[x] deletion" in shown.stdout
    accepted = run_command(root, "inbox", "accept", letter, "--right", "deletion", "--json")
    assert accepted.returncode == 0, accepted.stderr
    assert len(json.loads(accepted.stdout)["requests"]) == 1
    assert run_command(root, "inbox", "reject", letter, "--why", "x").returncode == 1
    assert json.loads(run_command(root, "inbox", "undo", letter, "--json").stdout)["state"] == "waiting"
    parted = run_command(root, "inbox", "split", letter, "--right", "access", "--json")
    assert parted.returncode == 0, parted.stderr
    assert json.loads(parted.stdout)["rights"] == ["deletion"]
    (ref,) = json.loads(parted.stdout)["requests"]
    assert f"[ ] access, opened as {ref}" in run_command(root, "inbox", "show", letter).stdout
    rest = json.loads(run_command(root, "inbox", "accept", letter, "--json").stdout)["requests"]
    assert len(rest) == 1
    missing = run_command(root, "inbox", "show", "ltr_nothing")
    assert missing.returncode == NotFound.exit_status
    assert "no letter" in missing.stderr


def signed_in_page(installation: Installation, base: str, opened: Page) -> Page:
    installation.signed_in(ADMINISTRATOR)
    opened.context.add_cookies([{"name": SESSION, "value": installation.sessions[ADMINISTRATOR], "url": base}])
    return opened


@pytest.mark.browser
def test_letters_are_sorted_by_keys(installation: Installation, page: OpenPage) -> None:
    """One key an act, none while somebody types; a page without the script has every button all the same."""
    last, letter = arrive(installation, subject="The last"), arrive(installation, subject="The first")
    with serve(installation.app) as base:
        opened = signed_in_page(installation, base, page())
        opened.goto(f"{base}/console/mail")
        assert opened.inner_text("#letter-h") == "The first"
        opened.keyboard.press("j")
        opened.wait_for_selector("#letter-h:has-text('The last')")
        opened.keyboard.press("k")
        opened.wait_for_selector("#letter-h:has-text('The first')")
        opened.keyboard.press("1")
        assert opened.locator("input[name=right]:checked").count() == 1
        assert "Accept deletion" in opened.inner_text("button.main-act")
        opened.keyboard.press("1")
        opened.keyboard.press("e")
        opened.keyboard.press("Escape")
        opened.keyboard.press("l")
        assert opened.evaluate("document.activeElement.id") == "language"
        opened.keyboard.press("Escape")
        opened.keyboard.press("n")
        opened.keyboard.type("a dear keen squib")  # letters that are keys, in a field
        assert opened.input_value("#why") == "a dear keen squib"
        assert state(installation, letter).state is LetterState.WAITING
        opened.keyboard.press("Escape")
        opened.keyboard.press("?")
        assert opened.locator("text=show or hide this list").is_visible()
        opened.keyboard.press("a")
        opened.wait_for_selector("text=Accepted: 2 requests.")
        assert state(installation, letter).state is LetterState.ACCEPTED
        opened.keyboard.press("z")
        opened.wait_for_selector("text=It is back with what is to sort.")
        assert state(installation, letter).state is LetterState.WAITING
        opened.keyboard.press("?")
        opened.uncheck("[data-keys-on]")
        opened.keyboard.press("a")
        assert state(installation, last).state is LetterState.WAITING


@pytest.mark.browser
@pytest.mark.parametrize("viewport", [Viewport.DESKTOP, Viewport.PHONE])
def test_the_page_is_no_wider_than_its_screen(installation: Installation, page: OpenPage, viewport: Viewport) -> None:
    """Long words, a subject of 10 kB and names without spaces wrap or are cut."""
    letter = arrive(installation, "x" * 3_000 + "\n\n" + BOTH, subject="s" * 10_000, name="n" * 500)
    with serve(installation.app) as base:
        opened = signed_in_page(installation, base, page(viewport))
        for address in (f"/console/mail/{letter}", "/console/mail?view=sorted", "/console/mail?corrections=1"):
            opened.goto(base + address)
            assert opened.evaluate("document.documentElement.scrollWidth") <= viewport.value[0], address
