"""Tests of the cookie check: real pages of a real server, visited by a real Chromium and by headers alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from checks.cookie_visits import visit_pages
from checks.cookies import CookieLook, How, Left, Storage, Visit, compare, is_party
from core.settings_cookies import CookieSettings
from policies.clauses import CookieClause
from policies.documents import Document, parse_document
from tests.servers import CHROMIUM

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = """---
policy: shop
title: Privacy
language: en
controller: {name: Shop, country: DE, timezone: Europe/Berlin, email: privacy@shop.example}
regimes: [gdpr]
clauses:
  - {id: session, kind: cookie, name: shop_session, party: first, where: [site], storage: [cookie], why: [sign-in], lasts: session}
  - {id: choice, kind: cookie, name: shop_theme, party: first, where: [site], storage: [cookie, local storage], why: [theme], lasts: P30D}
  - {id: no-trackers, kind: cookie, none: true, party: third, why: [tracking]}
  - {id: cdn, kind: recipient, name: Cdn, role: processor, why: [delivery], of: [request_log], region: DE}
---
We use cookies.{{ clause("session").cite }}{{ clause("choice").cite }}{{ clause("no-trackers").cite }}{{ clause("cdn").cite }}
"""


@dataclass(kw_only=True)
class Shop:
    """A shop's site on 127.0.0.1, and the tracker that it may load from the name localhost: to a browser another site."""

    port: int
    cookies: tuple[str, ...] = ("shop_session=1; Path=/; HttpOnly",)
    body: str = "<p>Welcome</p>"
    status: int = 200

    @property
    def settings(self) -> CookieSettings:
        """Its one page, as kept.yaml names it."""
        return CookieSettings(pages={"site": (f"http://127.0.0.1:{self.port}/",)}, browser=str(CHROMIUM))


@contextmanager
def opened() -> Iterator[Shop]:
    """The shop while it is open."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Set-Cookie", "on_the_way=1; Max-Age=86400")
                self.send_header("Location", "/")
                self.end_headers()
                return
            is_page = self.path == "/"
            body = site.body.encode() if is_page else b"document.cookie = 'by_script=1; max-age=7200'"
            self.send_response(site.status if is_page else 200)
            self.send_header("Content-Type", "text/html" if is_page else "text/javascript")
            self.send_header("Content-Length", str(len(body)))
            for line in site.cookies if is_page else ():
                self.send_header("Set-Cookie", line)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    site = Shop(port=server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop of its own for each test."""
    with opened() as one:
        yield one


@pytest.fixture(scope="module")
def document() -> Document:
    """The shop's policy."""
    return parse_document(POLICY, "policy.md")


def findings(document: Document, visit: Visit, asked: dict[str, str] | None = None) -> dict[str, tuple[str, ...]]:
    """What speaks against each cookie clause."""
    look = CookieLook(checked_at=NOW, places=("site",), visit=visit)
    return {one.id: compare(one, document, look, asked or {}) for one in document.of_kind(CookieClause)}


def left(name: str, **more: object) -> Left:
    """Something that a page left, a first party's cookie of the session where nothing else is said."""
    made = Left(name=name, storage=Storage.COOKIE, host="shop.example", party="first", where="site")
    return replace(made, **more)  # type: ignore[arg-type]


def seen(*things: Left) -> Visit:
    """A visit that saw these."""
    return Visit(how=How.BROWSER, pages=1, left=things)


@pytest.mark.browser
def test_a_browser_sees_cookies_storage_and_who_else_is_asked(shop: Shop, document: Document) -> None:
    """What the server sets, what a script sets and what it stores, and the other host that a page asks, each by name only."""
    shop.body = (
        f"<script src='http://localhost:{shop.port}/track.js'></script>"
        "<script>localStorage.setItem('shop_theme', 'dark'); sessionStorage.setItem('cart', 'secret-value')</script>"
    )
    visit = visit_pages(shop.settings, now=datetime.now(UTC))
    assert not visit.trouble
    found = {(one.name, one.storage, one.party) for one in visit.left}
    assert found == {
        ("shop_session", Storage.COOKIE, "first"),
        ("by_script", Storage.COOKIE, "first"),
        ("shop_theme", Storage.LOCAL, "first"),
        ("cart", Storage.SESSION, "first"),
    }
    assert [one.lasts for one in visit.left if one.name == "by_script"] == [timedelta(hours=2)]
    assert [one.host for one in visit.asked] == ["localhost"]
    assert "secret-value" not in repr(visit)
    against = findings(document, visit)
    assert against["no-trackers"] == ("Pages of site ask localhost, which no clause names.",)
    assert len(against["session"]) == 2  # by_script and cart are nobody's
    assert findings(document, visit, {"localhost": "cdn"})["no-trackers"] == ()


@pytest.mark.browser
def test_a_page_that_keeps_its_promise_has_no_finding(shop: Shop, document: Document) -> None:
    """The declared cookie alone, for the session."""
    visit = visit_pages(shop.settings, now=datetime.now(UTC))
    assert (visit.how, visit.pages, visit.trouble) == (How.BROWSER, 1, ())
    assert not any(findings(document, visit).values())


@pytest.mark.browser
@pytest.mark.parametrize("browser", [str(CHROMIUM), None])
def test_a_page_that_does_not_answer_is_trouble_and_never_a_clean_visit(shop: Shop, browser: str | None) -> None:
    """A status of 500, and nobody there at all, with a browser and without."""
    settings = replace(shop.settings, headers=browser is None)
    shop.status = 500
    assert visit_pages(settings, now=NOW).trouble == (f"http://127.0.0.1:{shop.port}/ answered 500.",)
    nobody = replace(settings, pages={"site": ("http://127.0.0.1:9/",)})
    assert len(visit_pages(nobody, now=NOW).trouble) == 1


def test_headers_alone_see_what_servers_set_through_redirects(shop: Shop) -> None:
    """Without a browser: names, lengths and domains from Set-Cookie, names that the standard forbids too."""
    shop.cookies = ("shop_session=1; Path=/", "od@d=x; Path=/", "old=; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    settings = replace(shop.settings, headers=True, pages={"site": (f"http://127.0.0.1:{shop.port}/moved",)})
    visit = visit_pages(settings, now=NOW)
    assert visit.how is How.HEADERS
    assert {one.name: one.lasts for one in visit.left} == {
        "on_the_way": timedelta(days=1),
        "shop_session": None,
        "od@d": None,
        "old": timedelta(0),
    }


def test_an_undeclared_cookie_breaks_the_clauses_of_its_party(document: Document) -> None:
    """A first party's breaks the named ones of the site; a third party's the one that says none; a named one breaks nothing."""
    assert not any(
        findings(document, seen(left("shop_session"), left("shop_theme", lasts=timedelta(days=30)))).values()
    )
    first = findings(document, seen(left("_ga")))
    assert (bool(first["session"]), bool(first["choice"]), bool(first["no-trackers"])) == (True, True, False)
    third = findings(document, seen(left("IDE", host="ads.example", party="third")))
    assert third == {
        "session": (),
        "choice": (),
        "no-trackers": ("Pages of site leave the cookie IDE of ads.example, which no clause names.",),
    }


def test_a_declared_cookie_that_is_not_as_promised_breaks_its_own_clause(document: Document) -> None:
    """Longer than promised, or kept where the clause does not say; nobody else's clause is touched."""
    longer = findings(document, seen(left("shop_theme", lasts=timedelta(days=400))))
    assert [name for name, says in longer.items() if says] == ["choice"]
    assert "400" in longer["choice"][0]
    stored = findings(document, seen(left("shop_session", storage=Storage.LOCAL)))
    assert stored["session"] == ("shop_session is kept in the local storage too.",)


@pytest.mark.parametrize(
    ("host", "party"),
    [
        ("shop.example", "first"),
        ("cdn.shop.example", "first"),
        ("notshop.example", "third"),
        ("shop.example.org", "third"),
    ],
)
def test_a_host_is_ours_only_under_a_host_of_ours(host: str, party: str) -> None:
    """By whole labels, so that a name that ends alike is a stranger."""
    assert is_party(host, ["www.shop.example"]) == party
