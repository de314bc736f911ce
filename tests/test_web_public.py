"""The public pages: what is in force, every version of it as page and file, old addresses, and no cookie anywhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from policies.documents import DocumentRefused, parse_document
from promises.states import State
from tests.web_installation import CONFIGURATION, POLICY, Installation, open_installation
from web.words import say_title

ADDRESSES = (
    "/",
    "/privacy",
    "/privacy/versions",
    "/privacy/versions/1",
    "/privacy/versions/1.md",
    "/privacy/versions/1.json",
    "/privacy/current.json",
    "/privacy/promises",
    "/privacy/promises.svg",
    "/privacy/recipients",
    "/privacy/security",
    "/privacy/diff",
    "/privacy/diff/1/1",
    "/legal/privacy",
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Version 1 is in force, and states are shown to everyone."""
    with open_installation(tmp_path_factory.mktemp("public") / "kept") as opened:
        yield opened


def read(installation: Installation, address: str) -> BeautifulSoup:
    """A page that must answer 200."""
    answer = installation.client().get(address)
    assert answer.status_code == 200, address
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def test_the_root_leads_to_the_policy(installation: Installation) -> None:
    """Whoever knows only the host finds the policy."""
    answer = installation.client().get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/privacy")


def test_the_policy_shows_the_periods_of_its_own_clauses(installation: Installation) -> None:
    """The number shown is the number run: prose and clause are one."""
    page = read(installation, "/privacy")
    assert page.h1 is not None
    assert page.h1.get_text() == "Privacy Policy"
    article = page.find("article")
    assert article is not None
    words = " ".join(article.get_text(" ").split())
    assert "Request logs are kept for 30 days" in words
    assert "In force since" in words
    assert "{{" not in words


def test_the_contents_lead_to_the_headings(installation: Installation) -> None:
    """Every line of the table of contents has its heading, in the same order."""
    page = read(installation, "/privacy")
    links = [a for a in page.select(".toc ol:first-of-type a") if str(a["href"]).startswith("#")]
    headings = page.select("article h2")
    assert [a.get_text() for a in links] == [h.get_text() for h in headings]
    assert [str(a["href"])[1:] for a in links] == [h["id"] for h in headings]
    assert len(links) == 3


def test_the_digest_of_the_version_stands_on_its_page(installation: Installation) -> None:
    """Who keeps a copy can compare it."""
    digest = json.loads(installation.client().get("/privacy/current.json").data)["digest"]
    mark = read(installation, "/privacy").select_one(".version .hash")
    assert mark is not None
    assert mark["title"] == digest
    assert digest.startswith(mark.get_text())


def test_a_version_is_given_as_it_was_published(installation: Installation) -> None:
    """The Markdown is the published text to the byte; the JSON holds its clauses, periods as ISO 8601."""
    client = installation.client()
    markdown = client.get("/privacy/versions/1.md")
    assert markdown.get_data(as_text=True) == POLICY
    assert markdown.content_type == "text/markdown; charset=utf-8"
    data = json.loads(client.get("/privacy/versions/1.json").data)
    clause = next(one for one in data["clauses"] if one["id"] == "request-logs")
    assert (clause["kind"], clause["for"], clause["then"]) == ("retention", "P30D", "delete")
    assert data["version"] == 1


@pytest.mark.parametrize(
    "address", ["/privacy/versions/9", "/privacy/versions/9.md", "/privacy/versions/x", "/nowhere"]
)
def test_what_is_not_there_is_404_with_the_way_back(installation: Installation, address: str) -> None:
    """An unknown version or address answers 404 in words."""
    answer = installation.client().get(address)
    assert answer.status_code == 404
    assert "/privacy" in answer.get_data(as_text=True)


@pytest.mark.parametrize("address", ["/legal/privacy", "/legal/privacy/"])
def test_an_old_address_leads_on_for_good(installation: Installation, address: str) -> None:
    """The aliases of the document in force redirect with 308."""
    answer = installation.client().get(address)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/privacy")


def test_the_catch_all_takes_nothing_from_other_pages(installation: Installation) -> None:
    """A console address without its slash goes to the console, and a machine's mistake gets a problem document."""
    client = installation.client()
    assert client.get("/console").headers["Location"].endswith("/console/")
    assert client.get("/api/v1/nothing").content_type == "application/problem+json"


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_public_page_sets_a_cookie(installation: Installation, address: str) -> None:
    """A public page can be kept by a cache: no cookie, no variation by cookie, and a short life."""
    client = installation.client()
    answer = client.get(address)
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert answer.headers["Cache-Control"].startswith("public, max-age=")


@pytest.mark.parametrize("address", ["/privacy/versions/1.md", "/privacy/versions/1.json", "/privacy/current.json"])
def test_a_file_that_did_not_change_is_not_sent_again(installation: Installation, address: str) -> None:
    """The ETag of the first answer makes the second a 304 without a body."""
    client = installation.client()
    first = client.get(address)
    second = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.data) == (304, b"")
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


def test_public_pages_offer_no_theme_and_no_script(installation: Installation) -> None:
    """They follow the system: a switch would need a cookie."""
    for address in ("/privacy", "/privacy/versions", "/privacy/promises"):
        page = read(installation, address)
        assert page.find("form") is None, address
        assert page.find("script") is None, address


def test_the_promises_page_says_bad_news_first(installation: Installation) -> None:
    """The title tells the worst; every clause stands there once, the broken ones first."""
    page = read(installation, "/privacy/promises")
    assert page.h1 is not None
    assert re.search("broken|None of our", page.h1.get_text())
    titles = [h.get_text() for h in page.select("main h2")]
    assert titles[0] == "Broken"
    board = installation.kept.board()
    assert len(page.select("main .todo > li")) == len(board.clauses)


@pytest.mark.parametrize(
    ("states", "title"),
    [
        ({State.BROKEN: 2, State.KEPT: 13}, "Two of our 15 promises are broken today"),
        ({State.BROKEN: 1, State.DUE: 1}, "One of our 2 promises is broken today"),
        ({State.BROKEN: 3}, "None of our 3 promises is proven today"),
        ({State.BROKEN: 1}, "Our promise is not proven today"),
        ({State.DUE: 1, State.KEPT: 8}, "No promise is broken today, one of 9 has work outstanding"),
        ({State.KEPT: 8, State.ATTESTED: 1}, "All of our 9 promises are kept today"),
    ],
)
def test_the_title_tells_the_worst_and_whole(states: dict[State, int], title: str) -> None:
    """Bad news is never behind a click."""
    assert say_title(Counter(states)) == title


def test_the_badge_says_how_the_promises_stand_and_is_a_picture_of_its_own(installation: Installation) -> None:
    """States with numbers, the worst first, a title in words; well-formed, and kept for a minute at most."""
    answer = installation.client().get("/privacy/promises.svg")
    assert answer.content_type == "image/svg+xml; charset=utf-8"
    assert "max-age=60" in answer.headers["Cache-Control"]
    picture = ElementTree.fromstring(answer.get_data(as_text=True))
    words = "".join(picture.itertext())
    board = installation.kept.board()
    assert f"{board.count(State.BROKEN)} broken" in words
    assert say_title(Counter(one.state for one in board.clauses)) in words


def test_promises_are_shown_only_where_the_installation_says_so(tmp_path: Path) -> None:
    """Without `public: {promises: true}` the page is not there and nothing links to it."""
    quiet = CONFIGURATION.replace("public: {promises: true}\n", "")
    with open_installation(tmp_path / "kept", configuration=quiet) as installation:
        client = installation.client()
        assert client.get("/privacy/promises").status_code == 404
        assert client.get("/privacy/promises.svg").status_code == 404
        assert "/privacy/promises" not in client.get("/privacy").get_data(as_text=True)


def test_an_installation_without_a_policy_says_so(tmp_path: Path) -> None:
    """Nothing in force is an honest page, not an error and not an empty frame."""
    with open_installation(tmp_path / "kept", publish=False) as installation:
        page = read(installation, "/privacy")
        assert page.h1 is not None
        assert page.h1.get_text() == "No privacy policy is in force here yet"
        assert "Nothing is published yet" in read(installation, "/privacy/versions").get_text()
        assert "No promise is in force yet" in read(installation, "/privacy/promises").get_text()
        client = installation.client()
        assert client.get("/privacy/current.json").status_code == 404
        assert client.get("/legal/privacy").status_code == 404


def test_an_older_version_stays_readable_and_says_what_it_is(tmp_path: Path) -> None:
    """After a second version the first says that it no longer holds; the policy page shows the new period."""
    with open_installation(tmp_path / "kept") as installation:
        installation.publish(POLICY.replace("for: P30D, then: delete, promises", "for: P14D, then: delete, promises"))
        now = read(installation, "/privacy").get_text(" ")
        before = read(installation, "/privacy/versions/1").get_text(" ")
        assert "kept for 14 days" in " ".join(now.split())
        assert "no longer in force" in before
        assert "kept for 30 days" in " ".join(before.split())
        assert "Version 2" in read(installation, "/privacy/versions").get_text(" ")


def test_a_paper_that_is_not_made_yet_is_promised_in_words(installation: Installation) -> None:
    """Nothing is rendered while somebody waits: 503, when to come back, and nobody keeps that answer."""
    answer = installation.client().get("/privacy/versions/1.pdf")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Cache-Control"] == "no-store"
    assert "The PDF of version 1 is being made" in answer.get_data(as_text=True)


def test_an_alias_that_leads_nowhere_is_refused() -> None:
    """The pages are known; a name that is none is refused with those that are."""
    wrong = POLICY.replace("[/legal/privacy]", "[{/legal/privacy: imprint}]")
    with pytest.raises(DocumentRefused, match=r"leads to 'imprint'\. Allowed: policy, recipients, security"):
        parse_document(wrong, "small.md")
