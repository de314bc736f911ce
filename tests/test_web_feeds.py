"""The feeds, held to RFC 4287, and the banner on a page of another origin: what it says, what it leaves alone."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from policies.clause_differences import compare_clauses
from policies.documents import Document, parse_document
from policies.materiality import Weight
from policies.versions import Overrule, Version
from tests.conftest import OpenPage, Viewport
from tests.test_look import ratio
from tests.web_installation import POLICY, Installation, open_installation, serve
from web.atom import AtomEntry, AtomFeed, stable_id, write_feed
from web.banner import _SHEET, MOST_BYTES, NOTHING, banner_script, change_to_tell

if TYPE_CHECKING:
    from playwright.sync_api import Page

ATOM = "{http://www.w3.org/2005/Atom}"
FEEDS = ("/privacy/feed.atom", "/privacy/recipients.atom")
GROQ = "{id: groq, kind: recipient, name: Groq & Söhne, role: processor, why: [inference], of: [request_log], region: EEA, silent: true}"
VAST = (
    "{id: vast, kind: recipient, name: Vast, role: processor, why: [hosting], of: [account], region: EEA, silent: true}"
)
GERMAN_BODY = """Lanternway reicht Anfragen weiter.{{ clause("account-data").cite }}{{ clause("request-data").cite }}
{{ clause("no-sale").cite }} Protokolle: {{ clause("request-logs").for }}. Konto: {{ clause("closed").for }}.
{{ clause("access").within }}, {{ clause("deletion").within }}{{ clause("complaint").cite }}
"""


def make(*clauses: str, period: str = "P30D", day: str = "", language: str = "en") -> Document:
    """The small policy with more clauses, another period, a planned day, or in German."""
    text = POLICY.replace("clauses:\n", "clauses:\n" + "".join(f"  - {one}\n" for one in clauses))
    text = text.replace("of: request_log, for: P30D", f"of: request_log, for: {period}")
    text = text.replace("language: en\n", f"language: {language}\n" + (f"not_before: {day}\n" if day else ""))
    if language == "de":
        text = text[: text.rindex("---") + 4] + GERMAN_BODY
    return parse_document(text, f"small.{language}.md")


def publish(installation: Installation, *documents: Document, weight: Weight | None = None) -> Version:
    kept = installation.kept
    verdict = Overrule(weight=weight, reason="looked at", by="opr_1") if weight else None
    return kept.policies.publish(documents[0], translations=documents[1:], actor="system", overrule=verdict)


def every_version(installation: Installation) -> list[Version]:
    with installation.kept.database.read() as session:
        return installation.kept.policies.versions(session)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """1: with Vast. 2: without Vast, in force. 3: with Groq, withdrawn. 4: with Groq, planned, longer, in two languages."""
    with open_installation(tmp_path_factory.mktemp("feeds") / "kept", publish=False) as opened:
        publish(opened, make(VAST))
        publish(opened, make(), weight=Weight.MATERIAL)
        publish(opened, make(GROQ, day="2099-03-01"), weight=Weight.MATERIAL)
        opened.kept.policies.withdraw(3, actor="opr_1", reason="The contract fell through.")
        longer = {"period": "P90D", "day": "2099-06-01"}
        publish(opened, make(GROQ, **longer), make(GROQ, **longer, language="de"))
        yield opened


# feeds


def read_feed(installation: Installation, address: str) -> ElementTree.Element:
    """A feed that is held to RFC 4287 before it is given."""
    answer = installation.client().get(address)
    assert answer.status_code == 200
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    return check_feed(answer.data)


def check_feed(data: bytes) -> ElementTree.Element:
    """What a validator looks at: required elements once each, ids that are URIs and unique, RFC 3339 dates, whole links."""
    root = ElementTree.fromstring(data)
    assert root.tag == f"{ATOM}feed"
    assert root.find(f"{ATOM}author/{ATOM}name") is not None
    links = {one.get("rel"): one for one in root.findall(f"{ATOM}link")}
    assert set(links) == {"self", "alternate"}
    for holder in [root, *root.findall(f"{ATOM}entry")]:
        for name in ("id", "title", "updated"):
            assert len(holder.findall(f"{ATOM}{name}")) == 1, name
            assert (holder.findtext(f"{ATOM}{name}") or "").strip()
        stamp = holder.findtext(f"{ATOM}updated") or ""
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamp)
        for link in holder.findall(f"{ATOM}link"):
            assert urlsplit(link.get("href") or "").netloc, "a link that is not whole"
    entries = root.findall(f"{ATOM}entry")
    ids = [one.findtext(f"{ATOM}id") or "" for one in entries]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", one) for one in [*ids, root.findtext(f"{ATOM}id") or ""])
    assert all(one.find(f"{ATOM}link[@rel='alternate']") is not None for one in entries)
    stamps = [one.findtext(f"{ATOM}updated") or "" for one in entries]
    assert stamps == sorted(stamps, reverse=True)
    assert (root.findtext(f"{ATOM}updated") or "") >= max(stamps, default="")
    return root


def titles(root: ElementTree.Element) -> list[str]:
    return [one.findtext(f"{ATOM}title") or "" for one in root.findall(f"{ATOM}entry")]


def test_the_feed_tells_what_happened_to_each_version(installation: Installation) -> None:
    """Published ahead, in force, withdrawn: an entry each, with verdict, reasons, and a link to the difference."""
    root = read_feed(installation, "/privacy/feed.atom")
    said = titles(root)
    assert "Version 4 is published, planned for Monday, 1 June 2099" in said
    assert any(one.startswith("Version 3 was withdrawn on ") for one in said)
    assert any(one.startswith("Version 2 is in force since ") for one in said)
    assert len([one for one in said if one.startswith("Version 2 ")]) == 1  # it was in force at once
    planned = root.findall(f"{ATOM}entry")[said.index("Version 4 is published, planned for Monday, 1 June 2099")]
    assert (planned.findtext(f"{ATOM}summary") or "").startswith("A change that matters. ")
    assert "90 days" in (planned.findtext(f"{ATOM}summary") or "")
    related = planned.find(f"{ATOM}link[@rel='related']")
    assert related is not None
    assert (related.get("href") or "").endswith("/privacy/diff/2/4")
    withdrawn = root.findall(f"{ATOM}entry")[[one.startswith("Version 3 was w") for one in said].index(True)]
    assert "The contract fell through." in (withdrawn.findtext(f"{ATOM}summary") or "")


def test_the_feed_of_recipients_tells_who_comes_and_who_goes(installation: Installation) -> None:
    """Vast went with version 2; Groq was planned, withdrawn, planned again. Who was there from the start was not added."""
    said = titles(read_feed(installation, "/privacy/recipients.atom"))
    assert "Groq & Söhne is to get data, planned for Monday, 1 June 2099" in said
    assert "Groq & Söhne will not get data: the plan was withdrawn" in said
    assert any(one.startswith("Vast gets no data any more since ") for one in said)
    assert not any(one.startswith("Vast gets data") for one in said)
    assert len(said) == 4


def test_ids_stay_the_same_and_the_feed_is_asked_for_again_cheaply(installation: Installation) -> None:
    """Twice the same bytes; with the ETag: 304 without a body. Anyone may keep it, and pages elsewhere may read it."""
    for address in FEEDS:
        first, second = (installation.client().get(address) for _ in range(2))
        assert first.data == second.data
        again = installation.client().get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert first.headers["Cache-Control"].startswith("public, max-age=")
        assert first.headers["Access-Control-Allow-Origin"] == "*"
        assert "Set-Cookie" not in first.headers


def test_before_the_first_version_there_is_no_feed(tmp_path: Path) -> None:
    """404 in words; the banner's script is there and does nothing, so that a host page can name it from the first day."""
    with open_installation(tmp_path / "kept", publish=False) as fresh:
        for address in FEEDS:
            assert fresh.client().get(address).status_code == 404
        script = fresh.client().get("/privacy/banner.js")
        assert (script.status_code, script.get_data(as_text=True)) == (200, NOTHING)


def test_what_xml_cannot_hold_does_not_break_a_feed() -> None:
    """Control characters are dropped, markup is text."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    entry = AtomEntry(id=stable_id("a"), title="<b>\x0b & \ud800", at=at, summary="]]>", page="https://k.example/1")
    feed = AtomFeed(
        id=stable_id("f"), title="F", author="A", language="en", here="https://k.example/f", page="https://k.example/",
        at=at, entries=[entry],
    )  # fmt: skip
    assert titles(check_feed(write_feed(feed))) == ["<b>  &  "]


# the banner's script


def test_the_script_is_small_and_may_be_loaded_from_anywhere(installation: Installation) -> None:
    """At most 3 kB, kept for an hour, an ETag, headers for other origins, no cookie."""
    answer = installation.client().get("/privacy/banner.js")
    assert 1_000 < len(answer.data) <= MOST_BYTES
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    again = installation.client().get("/privacy/banner.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_planned_version_is_told_of_before_one_that_came(installation: Installation) -> None:
    """4 is planned; without it 2, for thirty days after it came into force; then nothing. Withdrawn ones never."""
    every, now = every_version(installation), datetime.now(UTC)
    assert getattr(change_to_tell(every, now), "number", None) == 4
    assert getattr(change_to_tell(every[:3], now + timedelta(days=29)), "number", None) == 2
    assert change_to_tell(every[:3], now + timedelta(days=31)) is None
    assert change_to_tell(every[:1], now) is None


def test_a_small_change_is_told_of_only_where_the_policy_says_so(tmp_path: Path) -> None:
    """Editorial: never. Minor: where the notice clause names the banner for it."""
    notice = "{id: changes, kind: notice, material: [banner], minor: [post], silent: true}"
    with_banner = notice.replace("[post]", "[banner]")
    with open_installation(tmp_path / "kept", publish=False) as fresh:
        publish(fresh, make(notice))
        publish(fresh, make(notice, VAST), weight=Weight.MINOR)
        assert change_to_tell(every_version(fresh), datetime.now(UTC)) is None
        publish(fresh, make(with_banner), weight=Weight.EDITORIAL)
        assert change_to_tell(every_version(fresh), datetime.now(UTC)) is None
        publish(fresh, make(with_banner, VAST), weight=Weight.MINOR)
        assert change_to_tell(every_version(fresh), datetime.now(UTC)) is not None


def test_a_reason_that_does_not_fit_is_left_to_the_page_of_the_difference(installation: Installation) -> None:
    """Never cut in the middle, never over 3 kB."""
    every = every_version(installation)
    wordy = replace(every[3], reasons=("A sentence that goes on" + " and on" * 400 + ".",))
    with installation.app.test_request_context():
        script = banner_script(wordy, every, "https://privacy.example.com")
    assert "goes on" not in script
    assert len(script.encode()) <= MOST_BYTES


def test_the_colours_of_the_banner_can_be_read() -> None:
    """Text and link at least 4.5 on the ground, the edge of the button 3, in both themes."""
    light, dark = _SHEET.split("@media(prefers-color-scheme:dark)")
    for sheet in (light, dark):
        ground = re.findall(r"background:(#[0-9a-f]{3,6})", sheet)[0]
        ground = "#ffffff" if ground == "#fff" else ground
        for colour in re.findall(r"(?<!-)color:(#[0-9a-f]{6})", sheet):
            assert ratio(colour, ground) >= 4.5
        assert ratio("#8b8577", ground) >= 3


# the banner on a page of somebody else


def host_page(kept: str, language: str) -> Response:
    """A page of a host application that allows nothing but its own files and the one script."""
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>Shop</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/host.css"><script src="{kept}/privacy/banner.js"></script></head>'
        '<body><h1>A shop</h1><p>Lamps, and oil for them.</p><a href="/oil" id="last">Oil</a>'
        f'<script src="{kept}/privacy/banner.js"></script></body></html>'
    )
    answer = Response(html, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {kept}; style-src 'self'; img-src data:; base-uri 'none'; "
        "require-trusted-types-for 'script'"
    )
    answer.headers["Cross-Origin-Embedder-Policy"] = "require-corp"
    return answer


@contextmanager
def serve_host(kept: str) -> Iterator[str]:
    """A host application of another origin; gives its address. Its own style sheet is loud."""

    @Request.application
    def host(request: Request) -> Response:
        if request.path == "/host.css":
            css = "*{font-family:cursive;text-transform:uppercase}div,section,button{display:none;margin:9em;color:red}"
            return Response(css, mimetype="text/css")
        return host_page(kept, request.args.get("lang", "en"))

    server = make_server("127.0.0.1", 0, host, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def look(page: Page, name: str) -> None:
    """A picture for whoever looks, where the folder for it is there."""
    if folder := os.environ.get("KEPT_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"banner-{name}.png"))


@pytest.fixture(scope="module")
def addresses(installation: Installation) -> Iterator[tuple[str, str]]:
    """Kept, and a host application of another origin."""
    with serve(installation.app) as kept, serve_host(kept) as host:
        yield kept, host


@pytest.mark.browser
def test_the_banner_stands_on_a_strict_page_of_another_origin(
    installation: Installation, addresses: tuple[str, str], page: OpenPage
) -> None:
    """It tells what, from when and where; it is a region with a name, comes after the page, leaves with one press for good."""
    kept, host = addresses
    shop, asked = page(), []
    shop.on("request", lambda request: asked.append(request.url))
    shop.goto(host)
    region = shop.get_by_role("region", name="Change of the privacy policy")
    region.wait_for()
    said = region.inner_text()
    assert "planned for Monday, 1 June 2099" in said
    assert f"Among other things: {every_version(installation)[3].reasons[0]}" in said
    link = region.get_by_role("link", name="See what changes")
    assert (link.get_attribute("href") or "").endswith("/privacy/diff/2/4?lang=en")
    look(shop, "light")
    shop.focus("#last")
    for name in ("See what changes", "Dismiss"):
        shop.keyboard.press("Tab")
        assert shop.evaluate("document.querySelector('#kept-banner').shadowRoot.activeElement.textContent") == name
    look(shop, "focus")
    assert shop.evaluate("localStorage.length") == 0
    shop.keyboard.press("Enter")
    region.wait_for(state="detached")
    shop.reload()
    assert shop.locator("#kept-banner").count() == 0
    assert shop.evaluate("[document.cookie, Object.entries(localStorage).join()]") == ["", "kept-banner,4"]
    assert {one.split("?")[0] for one in asked} == {f"{host}/", f"{host}/host.css", f"{kept}/privacy/banner.js"}
    shop.evaluate("localStorage.setItem('kept-banner', '3')")
    shop.reload()
    region.wait_for()  # what was dismissed was another version


@pytest.mark.browser
def test_the_banner_speaks_the_language_of_the_page_in_the_dark_and_on_a_phone(
    installation: Installation, addresses: tuple[str, str], page: OpenPage
) -> None:
    """German words and the German reason on a German page; another language: that of the policy. Nothing overflows."""
    _, host = addresses
    new, old = (every_version(installation)[number].in_language("de") for number in (3, 1))
    german = compare_clauses(old, new)
    for name, shop in (("phone", page(Viewport.PHONE)), ("dark", page(dark=True))):
        shop.goto(f"{host}/?lang=de-AT")
        region = shop.get_by_role("region", name="Änderung der Datenschutzerklärung")
        region.wait_for()
        assert "geplant für Montag, 1. Juni 2099" in region.inner_text()
        assert f"Unter anderem: {german[0].reason}" in region.inner_text()
        assert shop.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box = region.bounding_box()
        assert box is not None
        assert box["height"] < shop.evaluate("innerHeight") * 0.6
        assert region.evaluate("one => getComputedStyle(one).textTransform") == "none"
        look(shop, name)
    shop.goto(f"{host}/?lang=pt")
    shop.get_by_role("region", name="Change of the privacy policy").wait_for()


@pytest.mark.browser
def test_the_banner_leaves_the_page_alone(addresses: tuple[str, str], page: OpenPage) -> None:
    """No global name is added, storage that is shut does not matter, and twice the script is one banner."""
    _, host = addresses
    shop = page()
    shop.add_init_script(
        "window.before=Object.keys(window).length;"
        "Object.defineProperty(window,'localStorage',{get(){throw new Error('shut')}})"
    )
    shop.goto(host)
    shop.locator("#kept-banner").wait_for(state="attached")
    assert shop.evaluate("Object.keys(window).length - window.before") <= 1  # `before` itself
    assert shop.locator("#kept-banner").count() == 1
    shop.get_by_role("button", name="Dismiss").click()
    assert shop.locator("#kept-banner").count() == 0
