"""Requests in the console: the list, a ticket from plan to answer, what is refused, and how the pages look in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dsr.states import OPEN, State
from tests.conftest import OpenPage, Viewport
from tests.request_desk import (
    CODE,
    CONFIRM_LINK,
    INVOICES,
    SOURCES,
    WITH_INVOICES,
    add_invoices,
    count_of,
    find,
    hand_on,
    read_mails,
    received,
    rename,
    text_of,
)
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    CONFIGURATION,
    PASSWORD,
    Installation,
    csrf_of,
    open_installation,
    serve,
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway with two invoices for each person, which stay by law."""
    root = tmp_path_factory.mktemp("requests") / "kept"
    with open_installation(root, publish=False, configuration=CONFIGURATION + INVOICES) as opened:
        add_invoices(root)
        opened.publish(WITH_INVOICES)
        yield opened


@pytest.fixture(scope="module")
def operator(installation: Installation) -> FlaskClient:
    """An agent, signed in: requests are an agent's work."""
    return installation.signed_in(AGENT)


def see(client: FlaskClient, address: str) -> BeautifulSoup:
    """A page as a tree."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    return read(answer)


def read(answer: TestResponse) -> BeautifulSoup:
    """An answer as a tree."""
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def do(client: FlaskClient, ref: str, act: str, **data: str) -> TestResponse:
    """Send one form of a ticket."""
    page = f"/console/requests/{ref}"
    return client.post(f"{page}/{act}", data={"csrf_token": csrf_of(client, page), **data})


def main_button(page: BeautifulSoup) -> str:
    """The word of the page's main button; there is one at most."""
    found = page.select("button.main-act, a.main-act")
    assert len(found) <= 1
    return found[0].get_text().replace("\u00a0", " ").replace("\u202f", " ") if found else ""


def seal_of(page: BeautifulSoup) -> str:
    """What the approval's form carries."""
    field = page.select_one("input[name=seal]")
    assert field is not None
    return str(field["value"])


def refs_of(page: BeautifulSoup) -> list[str]:
    """The references of a list, in its order."""
    return [str(link["href"]).rpartition("/")[2] for link in page.select("td a.who")]


# the list


def test_an_empty_list_says_what_fills_it(tmp_path: Path) -> None:
    """Before the first request the page names the form, and no count stands without its word."""
    with open_installation(tmp_path / "kept") as fresh:
        page = see(fresh.signed_in(), "/console/requests")
        assert "No request has come in yet" in page.get_text(" ")
        assert page.select_one('.empty a[href="/requests/new"]') is not None


def test_the_list_holds_what_is_proven_by_what_is_due_next(installation: Installation, operator: FlaskClient) -> None:
    """An unconfirmed form is nobody's work; an older letter is due before a newer form."""
    kept = installation.kept
    kept.requests.submit_form(email="quiet@post.example", right="access", source=next(SOURCES))
    later = received(installation, "person1@post.example")
    asked = kept.clock.now() - timedelta(days=25)
    sooner = kept.requests.open_by_hand(
        email="person2@post.example", right="deletion", received_at=asked, channel="letter", by="system"
    )
    page = see(operator, "/console/requests")
    refs = refs_of(page)
    assert refs.index(sooner) < refs.index(later)
    assert "quiet@post.example" not in page.get_text(" ")
    assert "This week and next" in page.get_text(" ")
    row = next(row for row in page.select("tr") if sooner in row.get_text(" "))
    assert "Waits for proof" in row.get_text(" ")


def test_the_list_is_filtered_by_the_address(installation: Installation, operator: FlaskClient) -> None:
    """State and right stand in the address; what fits nothing says how to see the rest."""
    mine = received(installation, "person3@post.example", "deletion")
    assert mine in refs_of(see(operator, "/console/requests?right=deletion"))
    assert mine not in refs_of(see(operator, "/console/requests?right=access"))
    assert mine in refs_of(see(operator, "/console/requests?state=received&right=deletion"))
    assert "No request is in this state" in see(operator, "/console/requests?state=running").get_text(" ")
    assert operator.get("/console/requests?state=nonsense&right=%00").status_code == 200


def test_a_search_leads_to_its_request_and_puts_no_address_into_a_link(
    installation: Installation, operator: FlaskClient
) -> None:
    """By reference straight to the ticket; by mail address by POST, since addresses end up in histories and logs."""
    ref = received(installation, "person4@post.example")
    page = see(operator, "/console/requests")
    form = page.select_one("form.search")
    assert form is not None
    assert form["method"] == "post"
    token = csrf_of(operator, "/console/requests")
    by_ref = operator.post("/console/requests", data={"csrf_token": token, "q": ref.lower()})
    assert by_ref.headers["Location"] == f"/console/requests/{ref}"
    by_mail = read(operator.post("/console/requests", data={"csrf_token": token, "q": "Person4@post.example"}))
    assert refs_of(by_mail) == [ref]
    assert not [
        a
        for a in by_mail.select("a[href], form[action]")
        if "@" in str(a.get("href", "")) and not str(a["href"]).startswith("mailto:")
    ]
    nothing = read(operator.post("/console/requests", data={"csrf_token": token, "q": "<b>nobody"}))
    assert "No request has this reference or address" in nothing.get_text(" ")


# a ticket


def test_a_deletion_is_planned_approved_and_answered(installation: Installation, operator: FlaskClient) -> None:
    """The numbers on the ticket and in its button are those of the tables; after the work they are gone, the invoices not."""
    ref = received(installation, "person5@post.example", "deletion", details="All of it.\n<script>alert(1)</script>")
    fresh = see(operator, f"/console/requests/{ref}")
    assert main_button(fresh) == "Make the plan"
    assert fresh.select(".talk script") == []
    assert do(operator, ref, "plan").status_code == 302
    rows = count_of(installation, "request_log", 5)
    assert rows == 10
    planned = see(operator, f"/console/requests/{ref}")
    assert main_button(planned) == f"Approve: delete {rows + 1} records"
    text = planned.get_text(" ")
    assert "gateway.request_log" in text
    assert "2 stay" in text.replace("\u202f", " ")
    assert "tax records" in text
    assert count_of(installation, "request_log", 5) == rows
    assert do(operator, ref, "approve", seal=seal_of(planned)).status_code == 302
    assert "about to begin" in see(operator, f"/console/requests/{ref}").get_text(" ")
    hand_on(installation.kept)
    done = see(operator, f"/console/requests/{ref}")
    assert main_button(done) == ""
    assert "What was deleted" in done.get_text(" ")
    assert "Outcome told to the person" in done.get_text(" ")
    assert [count_of(installation, table, 5) for table in ("request_log", "users", "invoices")] == [0, 0, 2]
    assert any("deleted" in text_of(mail) for mail in read_mails(installation.root, "person5@post.example"))


def test_only_what_was_on_the_page_can_be_approved(installation: Installation, operator: FlaskClient) -> None:
    """A plan made anew meanwhile, or a made-up seal, is refused in words, and nothing is scheduled."""
    ref = received(installation, "person6@post.example", "deletion")
    do(operator, ref, "plan")
    seen = seal_of(see(operator, f"/console/requests/{ref}"))
    do(operator, ref, "plan")
    for seal in (seen, "", "x"):
        answer = do(operator, ref, "approve", seal=seal)
        assert answer.status_code == 409
        alert = read(answer).select_one('.alert[role="alert"]')
        assert alert is not None
        assert "changed" in alert.get_text()
    assert installation.kept.requests.view(ref).state is State.PLANNED


def test_a_refusal_needs_a_ground_and_a_reason_and_tells_both(
    installation: Installation, operator: FlaskClient
) -> None:
    """What is missing stands at its field with the rest kept; then the person has the ground, the reason and the way on."""
    ref = received(installation, "person7@post.example")
    no_ground = do(operator, ref, "refuse", reason="We asked twice.")
    assert no_ground.status_code == 400
    page = read(no_ground)
    assert page.select_one("#ground-e") is not None
    assert page.select_one("details#refuse[open]") is not None
    assert "We asked twice." in page.get_text()
    assert do(operator, ref, "refuse", ground="cannot_identify").status_code == 400
    assert do(operator, ref, "refuse", ground="made_up", reason="No.").status_code == 400
    assert (
        do(operator, ref, "refuse", ground="cannot_identify", reason="We asked twice who you are.").status_code == 302
    )
    hand_on(installation.kept)
    mail = text_of(read_mails(installation.root, "person7@post.example")[-1])
    assert "We asked twice who you are." in mail
    assert "GDPR Art." in " ".join(mail.split())
    assert installation.kept.requests.view(ref).state is State.REFUSED


def test_nothing_found_is_an_answer(installation: Installation, operator: FlaskClient) -> None:
    """An address that no store knows: no approval is offered, one button answers, the person is told."""
    ref = received(installation, "stranger@post.example")
    do(operator, ref, "plan")
    page = see(operator, f"/console/requests/{ref}")
    assert main_button(page) == "Answer: nothing found"
    assert page.select_one("input[name=seal]") is None
    assert do(operator, ref, "nothing-found").status_code == 302
    hand_on(installation.kept)
    assert installation.kept.requests.view(ref).state is State.NOTHING_FOUND
    assert "nothing" in text_of(read_mails(installation.root, "stranger@post.example")[-1])


def test_nothing_found_is_refused_where_something_was(installation: Installation, operator: FlaskClient) -> None:
    """The answer must be true: with records in the plan it is not given."""
    ref = received(installation, "person8@post.example")
    do(operator, ref, "plan")
    assert do(operator, ref, "nothing-found").status_code == 409
    assert installation.kept.requests.view(ref).state is State.PLANNED


def test_a_ticket_opened_by_hand_waits_for_the_proof(installation: Installation, operator: FlaskClient) -> None:
    """The clock runs from the day it came in; nothing is looked for before the person pressed the link."""
    asked = (installation.kept.clock.now() - timedelta(days=3)).date().isoformat()
    data = {
        "email": "person9@post.example",
        "right": "access",
        "received": asked,
        "channel": "letter",
        "note": "In folder 7.",
    }
    answer = operator.post(
        "/console/requests/new", data={"csrf_token": csrf_of(operator, "/console/requests/new"), **data}
    )
    assert answer.status_code == 302
    ref = answer.headers["Location"].rpartition("/")[2]
    page = see(operator, f"/console/requests/{ref}")
    assert main_button(page) == "Send the link again"
    assert "In folder 7." in page.get_text(" ")
    assert "Tom Ackerby" in page.get_text(" ")
    refused = do(operator, ref, "plan")
    assert refused.status_code == 409
    assert "not shown to be the person" in read(refused).get_text(" ")
    assert do(operator, ref, "ask-again").status_code == 302
    hand_on(installation.kept)
    assert len(read_mails(installation.root, "person9@post.example")) == 2
    assert installation.kept.requests.view(ref).due_on.isoformat() > asked


def test_what_is_wrong_in_a_ticket_by_hand_stands_at_its_field(
    installation: Installation, operator: FlaskClient
) -> None:
    """No address, no right, a day to come, a day that is none: each at its control, with the rest kept."""
    tomorrow = (installation.kept.clock.now() + timedelta(days=2)).date().isoformat()
    good = {
        "email": "person9@post.example",
        "right": "access",
        "received": "2026-11-01",
        "channel": "mail",
        "note": "kept words",
    }
    for field, value in (("email", "nobody"), ("right", "everything"), ("received", tomorrow), ("received", "soon")):
        token = csrf_of(operator, "/console/requests/new")
        answer = operator.post("/console/requests/new", data={"csrf_token": token, **good, field: value})
        assert answer.status_code == 400
        assert read(answer).select_one(f"#{field}-e") is not None, field
        assert "kept words" in read(answer).get_text()


def test_notes_are_for_operators_and_are_text(installation: Installation, operator: FlaskClient) -> None:
    """A note shows who wrote it, as text; an empty one is refused."""
    ref = received(installation, "person10@post.example")
    assert do(operator, ref, "note", text="Called her.\n\n<b>Bold</b>").status_code == 302
    note = see(operator, f"/console/requests/{ref}").select_one(".msg.note")
    assert note is not None
    assert "Tom Ackerby" in note.get_text(" ")
    assert "<b>Bold</b>" in note.get_text()
    assert do(operator, ref, "note", text="  ").status_code == 400


def test_another_law_gives_another_reckoning(installation: Installation, operator: FlaskClient) -> None:
    """A law that the policy does not name is refused; the clock card shows each line of how the day came about."""
    ref = received(installation, "person11@post.example")
    assert do(operator, ref, "regime", regime="ccpa").status_code == 400
    clock = see(operator, f"/console/requests/{ref}").select_one(".reckoning")
    assert clock is not None
    assert "Received" in clock.get_text(" ")
    assert "The policy promises 30 days" in clock.get_text(" ")


def test_a_table_that_is_gone_leaves_the_ticket_open_and_can_be_tried_again(
    installation: Installation, operator: FlaskClient
) -> None:
    """The step that failed is named with its trouble; nothing is lost, and after the repair one button finishes the work."""
    ref = received(installation, "person12@post.example", "deletion")
    do(operator, ref, "plan")
    do(operator, ref, "approve", seal=seal_of(see(operator, f"/console/requests/{ref}")))
    rename(installation, "request_log", "request_log_away")
    try:
        hand_on(installation.kept)
        page = see(operator, f"/console/requests/{ref}")
        assert "Partly done" in page.get_text(" ")
        assert main_button(page) == "Try again now"
        assert page.select(".plan .is-broken .why") != []
    finally:
        rename(installation, "request_log_away", "request_log")
    assert count_of(installation, "users", 12) == 1
    assert do(operator, ref, "retry").status_code == 302
    assert "Tried again by Tom Ackerby" in see(operator, f"/console/requests/{ref}").get_text(" ")
    hand_on(installation.kept)
    assert installation.kept.requests.view(ref).state is State.ANSWERED
    assert [count_of(installation, table, 12) for table in ("request_log", "users")] == [0, 0]


def test_a_store_that_does_not_answer_is_named_when_a_plan_is_made(
    installation: Installation, operator: FlaskClient
) -> None:
    """No approval is offered on half a look."""
    ref = received(installation, "person13@post.example")
    rename(installation, "request_log", "request_log_away")
    try:
        do(operator, ref, "plan")
        page = see(operator, f"/console/requests/{ref}")
        assert page.select_one("input[name=seal]") is None
    finally:
        rename(installation, "request_log_away", "request_log")
    assert do(operator, ref, "plan").status_code == 302
    assert main_button(see(operator, f"/console/requests/{ref}")).startswith("Approve: export")


def test_the_page_asks_how_far_the_work_is_and_reloads_when_it_has_moved(
    installation: Installation, operator: FlaskClient
) -> None:
    """While nothing moves a small piece comes back; once the state is another, the header that reloads the page."""
    ref = received(installation, "person14@post.example")
    do(operator, ref, "plan")
    do(operator, ref, "approve", seal=seal_of(see(operator, f"/console/requests/{ref}")))
    page = see(operator, f"/console/requests/{ref}")
    work = page.select_one("#work")
    assert work is not None
    assert page.select_one("#work noscript") is not None
    piece = operator.get(str(work["hx-get"]))
    assert "HX-Refresh" not in piece.headers
    assert "<html" not in piece.get_data(as_text=True)
    hand_on(installation.kept)
    assert operator.get(str(work["hx-get"])).headers["HX-Refresh"] == "true"


def by_hand(installation: Installation, number: int, days_ago: int = 0) -> tuple[str, str]:
    """An objection opened by hand whose address is proven; gives reference and address."""
    kept, email = installation.kept, f"person{number}@post.example"
    asked = kept.clock.now() - timedelta(days=days_ago)
    ref = kept.requests.open_by_hand(email=email, right="objection", received_at=asked, channel="letter", by="system")
    hand_on(kept)
    kept.requests.confirm(find(CONFIRM_LINK, installation.root, email).rpartition("/")[2], source=next(SOURCES))
    return ref, email


def test_a_right_that_no_plan_carries_out_is_answered_in_the_operators_words(
    installation: Installation, operator: FlaskClient
) -> None:
    """One form, one button; what is missing stands at the field; then the words are in the mail, on the ticket and as text."""
    ref, email = by_hand(installation, 15)
    page = see(operator, f"/console/requests/{ref}")
    assert main_button(page) == "Stop what is chosen"
    assert "Tell them what was done" in page.get_text(" ")
    empty = do(operator, ref, "answer", words=" ")
    assert empty.status_code == 400
    assert read(empty).select_one("#words-e") is not None
    assert do(operator, ref, "answer", words="We put your name right.\r\n\r\n<b>It is Marta.</b>").status_code == 302
    hand_on(installation.kept)
    done = see(operator, f"/console/requests/{ref}")
    assert main_button(done) == ""
    said = done.select_one(".msg.ours")
    assert said is not None
    assert "Tom Ackerby" in said.get_text(" ")
    assert "<b>It is Marta.</b>" in said.get_text()
    assert "Told what was done by hand" in done.get_text(" ")
    assert "We put your name right." in text_of(read_mails(installation.root, email)[-1])
    assert do(operator, ref, "answer", words="Again.").status_code == 409


def test_what_a_plan_carries_out_has_no_form_for_words(installation: Installation, operator: FlaskClient) -> None:
    """A deletion is not answered by saying so, from its page or around it."""
    ref = received(installation, "person16@post.example", "deletion")
    assert see(operator, f"/console/requests/{ref}").select("#words") == []
    answer = do(operator, ref, "answer", words="It is deleted.")
    assert answer.status_code == 409
    assert installation.kept.requests.view(ref).state is State.RECEIVED


def test_what_is_overdue_stands_beside_the_list_and_on_the_first_page(
    installation: Installation, operator: FlaskClient
) -> None:
    """Open and overdue ones are counted apart, each count a link to what it counts."""
    late, _ = by_hand(installation, 17, days_ago=90)
    home = see(operator, "/console/")
    link = home.select_one('.rail a[href="/console/requests?state=overdue"]')
    assert link is not None
    assert link.get_text() == "Overdue1"
    assert link.select_one(".count.is-broken") is not None
    figure = home.select_one('.figures a[href="/console/requests?state=overdue"]')
    assert figure is not None
    assert "1" in figure.get_text()
    assert "1 request is overdue." in home.get_text(" ").replace("\u202f", " ").replace("\u00a0", " ")
    asks = next(one for one in home.select(".todo li") if late in one.get_text(" "))
    assert "Answer" in asks.get_text(" ")
    page = see(operator, "/console/requests?state=overdue")
    assert refs_of(page) == [late]
    assert [one.get_text() for one in page.select('.rail a[aria-current="page"]')] == ["Overdue1"]
    rail = page.select_one('.rail a[href="/console/requests"] .count')
    assert rail is not None
    counts = installation.kept.requests.count_states()
    assert rail.get_text() == str(sum(counts[state] for state in OPEN))
    installation.kept.requests.withdraw(late, by="system", why="By phone.")
    assert see(operator, "/console/").select('.rail a[href="/console/requests?state=overdue"]') == []


def test_an_unknown_reference_is_a_page_that_says_so(operator: FlaskClient) -> None:
    """404 in words, on the page and on its acts."""
    assert operator.get("/console/requests/ZZZZZ-ZZZZ").status_code == 404
    token = csrf_of(operator, "/console/requests")
    assert operator.post("/console/requests/ZZZZZ-ZZZZ/plan", data={"csrf_token": token}).status_code == 404


# how it looks


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", list(Viewport), ids=lambda one: one.name.lower())
def test_every_page_of_requests_opens_in_a_browser(
    installation: Installation, page: OpenPage, viewport: Viewport, dark: bool
) -> None:
    """At both sizes and in both themes: nothing that the policy blocks, nothing wider than the screen."""
    number = 20 + 2 * list(Viewport).index(viewport) + dark
    email = f"person{number}@post.example"
    ref, other = received(installation, email, "deletion", "Since March.\n\nThank you."), received(installation, email)
    installation.kept.requests.make_plan(ref, by="system")
    installation.kept.requests.make_plan(other, by="system")
    installation.kept.requests.approve(other, by="system")
    elsewhere = installation.kept.requests.open_by_hand(
        email=email, right="portability", received_at=installation.kept.clock.now(), channel="mail", by="system"
    )
    hand_on(installation.kept)
    installation.kept.requests.confirm(
        find(CONFIRM_LINK, installation.root, email).rpartition("/")[2], source=next(SOURCES)
    )
    installation.kept.requests.make_plan(elsewhere, by="system")
    hand, _ = by_hand(installation, number, days_ago=45)
    told, _ = by_hand(installation, number)
    installation.kept.requests.answer_by_hand(
        told, by="system", words="Your name is Marta now.\n\nThe invoices keep the old one."
    )
    hand_on(installation.kept)
    with serve(installation.app) as base:
        opened = page(viewport, dark=dark)
        opened.goto(f"{base}/console/sign-in")
        opened.fill("#email", ADMINISTRATOR)
        opened.fill("#password", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{base}/console/")
        opened.goto(f"{base}/requests/{other}")
        opened.click("button.main-act")
        hand_on(installation.kept)
        opened.fill("#code", find(CODE, installation.root, email))
        opened.click("button.main-act")
        opened.goto(f"{base}/requests/{told}")
        opened.click("button.main-act")
        hand_on(installation.kept)
        opened.fill("#code", find(CODE, installation.root, email))
        opened.click("button.main-act")
        for name, address in {
            "home": "/console/",
            "overdue": "/console/requests?state=overdue",
            "by-hand": f"/console/requests/{hand}",
            "by-hand-answered": f"/console/requests/{told}",
            "portability": f"/console/requests/{elsewhere}",
            "person-by-hand": f"/requests/{told}",
            "form": "/requests/new",
            "sent": "/requests/sent",
            "gone": "/requests/confirm/x",
            "code": f"/requests/{ref}",
            "person": f"/requests/{other}",
            "list": "/console/requests",
            "closed": "/console/requests?state=closed",
            "none": "/console/requests?state=running",
            "open": "/console/requests/new",
            "planned": f"/console/requests/{ref}",
            "answered": f"/console/requests/{other}",
        }.items():
            opened.goto(base + address)
            width = opened.evaluate("document.documentElement.scrollWidth")
            if folder := os.environ.get("KEPT_PICTURES"):
                opened.wait_for_timeout(300)
                look = f"{name}-{viewport.name.lower()}-{'dark' if dark else 'light'}"
                opened.screenshot(path=Path(folder) / f"{look}.png", full_page=True)
            assert width <= viewport.value[0], f"{address} is {width} wide"
            assert opened.title()


def test_home_leaves_no_request_unsaid(installation: Installation, operator: FlaskClient) -> None:
    """More requests than Home has lines for are counted in one more line, which leads to the list."""
    for number in range(7):
        received(installation, f"unsaid{number}@post.example")
    page = see(operator, "/console/").get_text(" ", strip=True)
    assert re.search(r"\b\d+\smore requests? waits? for you", page)
