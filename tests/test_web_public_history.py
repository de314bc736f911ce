"""The public pages of a policy with a history: what changed, on paper, who came and went, old addresses, what nobody vouches for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from jobs.scheduler import standing_jobs
from policies.documents import parse_document
from tests.conftest import OpenPage, Viewport
from tests.public_policies import VERSIONS, text_of
from tests.web_installation import Installation, open_installation, serve


def read(installation: Installation, address: str) -> BeautifulSoup:
    """A page that must answer 200."""
    answer = installation.client().get(address)
    assert answer.status_code == 200, address
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Version 2 is in force, with a new recipient and without an old one; version 3 waits for 14 days of notice."""
    with open_installation(tmp_path_factory.mktemp("history") / "kept", publish=False) as opened:
        for number in (1, 2, 3):
            publish(opened, number)
        opened.kept.ledger.settle()
        papers = next(job for job in standing_jobs(opened.kept) if job.name == "papers")
        papers.run()  # what the scheduler does within seconds of a publication, wherever it came from
        yield opened


def publish(installation: Installation, number: int) -> None:
    said: dict[str, Any] = VERSIONS[number - 1]
    installation.kept.policies.publish(parse_document(text_of("en", **said), "small.md"), actor="system")


def words(page: Tag, selector: str = "main") -> str:
    return " ".join(" ".join(tag.get_text(" ") for tag in page.select(selector)).split())


def test_each_version_says_where_it_stands(history: Installation) -> None:
    """Gone by with its days, in force since, planned for: never in force before the event."""
    assert "no longer in force" in words(read(history, "/privacy/versions/1"))
    assert re.search(r"In force from .* until ", words(read(history, "/privacy/versions/1"), ".version"))
    assert "Version 2. In force since" in words(read(history, "/privacy/versions/2"), ".version")
    planned = words(read(history, "/privacy/versions/3"))
    assert "This version is not in force yet" in planned
    assert re.search(r"Version 3\. Published on .*, planned for ", planned)
    assert "Version 3 is planned for" in words(read(history, "/privacy"), ".version")


def test_a_version_is_there_on_paper(history: Installation) -> None:
    """The PDF was made when it was published: a request only hands it out, with an ETag and a name."""
    client = history.client()
    answer = client.get("/privacy/versions/2.pdf")
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert answer.data.startswith(b"%PDF-")
    assert answer.headers["Content-Disposition"] == 'inline; filename="small-2-en.pdf"'
    again = client.get("/privacy/versions/2.pdf", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_difference_is_said_in_short_by_promise_and_word_for_word(history: Installation) -> None:
    """The verdict with its reasons comes first; each clause that differs stands in the table; words are struck and marked."""
    page = read(history, "/privacy/diff/1/2")
    assert page.h1 is not None
    assert page.h1.get_text() == "What changed in version 2"
    assert "This changes something that matters to you." in words(page, ".lede")
    assert "Quillmind" in words(page, "main h2 + ul")
    assert {tag.get_text() for tag in page.select("table .who")} == {"models", "request-logs", "changes", "mail"}
    assert [tag.get_text() for tag in page.select("del, ins")][:2] == ["90 days", "30 days"]
    beside = read(history, "/privacy/diff/1/2?view=side")
    assert "Side by side" in words(beside, "h2")
    assert beside.select(".grid.two .diff del")
    assert "Safety and your rights" in words(read(history, "/privacy/diff/1/2?view=whole"), "h3")


def test_any_two_versions_are_compared_in_either_order(history: Installation) -> None:
    """Backwards says so and offers the other way; a version and itself is no error; what is planned counts too."""
    back = read(history, "/privacy/diff/2/1")
    assert "This reads backwards" in words(back)
    assert back.select_one('.alert a[href="/privacy/diff/1/2"]')
    same = read(history, "/privacy/diff/2/2")
    assert same.h1 is not None
    assert same.h1.get_text() == "Nothing differs"
    assert "planned for" in words(read(history, "/privacy/diff/1/3"), ".lede")


@pytest.mark.parametrize(
    "address", ["/privacy/diff/1/9", "/privacy/diff/9/1", "/privacy/diff/0/1", "/privacy/versions/9"]
)
def test_a_number_that_was_never_published_names_those_that_were(history: Installation, address: str) -> None:
    """404 in words, with the numbers there are."""
    answer = history.client().get(address)
    assert answer.status_code == 404
    assert "have the numbers 1 to 3" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("", "/privacy/diff/1/2"),
        ("?from=2&to=3", "/privacy/diff/2/3"),
        ("?from=3&to=1", "/privacy/diff/3/1"),
        ("?from=x&to=2", "/privacy/diff/1/2"),
        ("?from=" + "9" * 30 + "&to=1", "/privacy/diff/1/2"),
    ],
)
def test_the_form_leads_to_the_address_of_the_difference(history: Installation, asked: str, leads: str) -> None:
    """What was chosen has an address of its own; a choice that is none leads to the latest change."""
    answer = history.client().get(f"/privacy/diff{asked}")
    assert (answer.status_code, answer.headers["Location"]) == (302, leads)


def test_a_difference_is_answered_by_its_etag_without_being_made_again(history: Installation) -> None:
    """Two versions never change: whoever has the page asks again and gets 304; another view is another page."""
    client = history.client()
    first = client.get("/privacy/diff/1/3")
    again = client.get("/privacy/diff/1/3", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/privacy/diff/1/3?view=side").headers["ETag"] != first.headers["ETag"]
    assert client.get("/privacy/diff/2/3").headers["ETag"] != first.headers["ETag"]
    assert client.get("/privacy/diff/1/3", headers={"Accept-Language": "de"}).headers["ETag"] == first.headers["ETag"]


def test_the_recipients_are_those_of_the_clauses_and_what_is_coming(history: Installation) -> None:
    """Name, what it gets, why, where, under what, since when; what is only planned says so, and what left stands below."""
    page = read(history, "/privacy/recipients")
    rows = {row.b.get_text(): words(row, "td") for row in page.select("tbody tr[id]") if row.b}
    assert rows.keys() == {"Brightrack", "Quillmind", "Postlane"}
    assert "Request log Inference United States standard contractual clauses" in rows["Quillmind"]
    assert "told by mail" in rows["Quillmind"]
    assert "Germany" in rows["Brightrack"]
    assert "only when hosted" in rows["Brightrack"]
    assert "agreement 7" in rows["Brightrack"]
    assert "not yet" in rows["Postlane"]
    assert "planned for" in rows["Postlane"]
    assert "2 recipients today. When this list grows, you hear of it at least 14 days before" in words(page, ".lede")
    assert page.select_one('.version a[href="/privacy/diff/2/3"]')
    changes = words(page, "table:not(.roomy) tbody")
    assert "Quillmind is new. It gets request log." in changes
    assert "Postlane gets nothing any more." in changes
    assert "Brightrack" not in changes


def test_a_measure_that_nobody_vouches_for_says_so(history: Installation) -> None:
    """The policy promises it; that nobody has vouched for it yet is not hidden, and counts as broken."""
    page = read(history, "/privacy/security")
    assert "TLS in transit" in words(page, "h3")
    assert "Not vouched for yet To be vouched for by security, again after 1 year" in words(page, ".clause")
    assert page.select(".clause .is-broken")


@pytest.mark.parametrize(
    ("address", "leads"),
    [
        ("/legal/privacy", "/privacy"),
        ("/legal/subprocessors", "/privacy/recipients"),
        ("/security/", "/privacy/security"),
    ],
)
def test_an_old_address_leads_to_the_page_that_it_names(history: Installation, address: str, leads: str) -> None:
    """An alias is of one page; all of them answer for good."""
    answer = history.client().get(address)
    assert (answer.status_code, answer.headers["Location"]) == (308, leads)


def test_the_links_of_the_frame_lead_to_pages_that_are_there(history: Installation) -> None:
    """Navigation, foot and feeds: everything a page offers answers."""
    page = read(history, "/privacy")
    offered = {str(tag["href"]) for tag in page.select("header a, footer a, .toc a, .version a, link[rel=alternate]")}
    ours = sorted(href for href in offered if href.startswith("/"))
    assert {"/privacy/diff/1/2", "/privacy/recipients", "/privacy/security", "/privacy/feed.atom"} <= set(ours)
    client = history.client()
    assert {href: client.get(href).status_code for href in ours} == dict.fromkeys(ours, 200)


@pytest.mark.parametrize("address", ["/privacy", "/privacy/diff/1/2", "/privacy/versions/2.pdf", "/privacy/recipients"])
def test_the_head_of_a_page_is_that_of_the_page(history: Installation, address: str) -> None:
    """HEAD answers as GET does, without a body."""
    client = history.client()
    head, get = client.head(address), client.get(address)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.browser
def test_the_public_pages_fit_a_phone_and_paper(history: Installation, page: OpenPage) -> None:
    """No page is wider than a phone, the content policy holds, and what leads elsewhere is not printed."""
    with serve(history.app) as base:
        for address in ("/privacy", "/privacy/versions", "/privacy/diff/1/2", "/privacy/diff/1/2?view=side", "/privacy/recipients", "/privacy/security"):  # fmt: skip
            opened = page(Viewport.PHONE)
            opened.goto(base + address)
            assert opened.evaluate("document.documentElement.scrollWidth") <= 390, address
        opened.emulate_media(media="print")
        assert not opened.locator("header nav").is_visible()
        assert opened.locator("main h1").is_visible()
