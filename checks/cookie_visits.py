"""Visits of the company's pages: by a headless Chromium that remembers nothing, or by their headers alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, Morsel, SimpleCookie
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import urllib3

from checks.cookies import FIRST, THIRD, Asked, How, Left, Storage, Visit, is_party
from core.settings_cookies import CookieSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page

PATIENCE: Final = 30.0
# What a page does after it stands: banners, measuring, late scripts.
AFTERWARDS: Final = 3.0
MOST_REDIRECTS: Final = 8
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS: Final = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")  # fmt: skip
_STORED: Final = "kind => { try { return Object.keys(window[kind]) } catch (error) { return [] } }"
_KINDS: Final = (("localStorage", Storage.LOCAL), ("sessionStorage", Storage.SESSION))


def find_browser(settings: CookieSettings) -> str | None:
    """The Chromium to visit with; None where there is none, where the package that drives it is missing, or none is wanted."""
    if settings.headers or find_spec("playwright") is None:
        return None
    return shutil.which(settings.browser) if settings.browser else next(filter(None, map(shutil.which, BROWSERS)), None)


def visit_pages(settings: CookieSettings, *, now: datetime) -> Visit:
    """Visit every page once, each place as a person who was never there and says yes to nothing. Raises nothing: a page that does not answer is trouble."""
    browser = find_browser(settings)
    if browser is None:
        return _visit_by_headers(settings, now)
    # The driver wants a thread in which no event loop runs, whoever calls.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_visit_by_browser, settings, browser, now).result()


def _party(settings: CookieSettings, where: str, host: str) -> str:
    """Ours is what stands under the host of a page of this place, or under one that is said to be ours."""
    own = [urlsplit(one).hostname or "" for one in settings.pages[where]]
    return is_party(host, [*own, *settings.ours])


def _visit_by_browser(settings: CookieSettings, program: str, now: datetime) -> Visit:
    from playwright.sync_api import Error, sync_playwright

    left: list[Left] = []
    asked: set[tuple[str, str]] = set()
    trouble: list[str] = []
    # A process of root has no sandbox to go into; any other one keeps it.
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=program, args=flags)
            for where, addresses in settings.pages.items():
                _visit_place(browser, settings, where, addresses, (left, asked, trouble), now)
            browser.close()
    except Error as error:
        trouble.append(f"The browser did not start or broke off: {_first_line(error)}")
    return Visit(
        how=How.BROWSER,
        pages=sum(len(addresses) for addresses in settings.pages.values()),
        left=tuple(dict.fromkeys(left)),
        asked=tuple(Asked(host=host, where=where) for host, where in sorted(asked)),
        trouble=tuple(trouble),
    )


_Found = tuple[list[Left], set[tuple[str, str]], list[str]]


def _visit_place(
    browser: Browser, settings: CookieSettings, where: str, addresses: Sequence[str], found: _Found, now: datetime
) -> None:
    from playwright.sync_api import Error

    left, asked, trouble = found
    context = browser.new_context(service_workers="allow")
    context.set_default_timeout(PATIENCE * 1000)
    context.on("request", lambda request: _note_host(asked, settings, where, request.url))
    for address in addresses:
        page = context.new_page()
        try:
            answer = page.goto(address, wait_until="load")
            _settle(page)
            if answer is None or not answer.ok:
                trouble.append(f"{address} answered {answer.status if answer else 'nothing'}.")
            for frame in page.frames:
                left += _stored(frame, settings, where)
        except Error as error:
            trouble.append(f"{address} did not answer: {_first_line(error)}")
        page.close()
    left += _cookies(context, settings, where, now)
    context.close()


def _settle(page: Page) -> None:
    from playwright.sync_api import TimeoutError as OutOfTime

    with suppress(OutOfTime):  # a page that never rests was looked at for as long
        page.wait_for_load_state("networkidle", timeout=AFTERWARDS * 1000)


def _stored(frame: Frame, settings: CookieSettings, where: str) -> list[Left]:
    host = urlsplit(frame.url).hostname
    if host is None:
        return []
    party = _party(settings, where, host)
    return [
        Left(name=str(name), storage=storage, host=host, party=party, where=where)
        for kind, storage in _KINDS
        for name in frame.evaluate(_STORED, kind)
    ]


def _cookies(context: BrowserContext, settings: CookieSettings, where: str, now: datetime) -> list[Left]:
    found = []
    for one in context.cookies():
        host, expires = str(one.get("domain", "")).lstrip("."), one.get("expires", -1)
        lasts = datetime.fromtimestamp(expires, UTC) - now if expires > 0 else None
        found.append(
            Left(
                name=str(one.get("name", "")),
                storage=Storage.COOKIE,
                host=host,
                party=_party_of_domain(settings, where, host),
                where=where,
                lasts=_whole(lasts),
            )
        )
    return found


def _party_of_domain(settings: CookieSettings, where: str, domain: str) -> str:
    """A page may set a cookie for the domain above its host: it is ours where one of our hosts stands under it."""
    if _party(settings, where, domain) == FIRST:
        return FIRST
    own = [urlsplit(one).hostname or "" for one in settings.pages[where]]
    return FIRST if any(is_party(host, [domain]) == FIRST for host in (*own, *settings.ours)) else THIRD


def _note_host(asked: set[tuple[str, str]], settings: CookieSettings, where: str, address: str) -> None:
    parts = urlsplit(address)
    host = parts.hostname if parts.scheme in ("http", "https", "ws", "wss") else None
    if host and _party(settings, where, host) == THIRD:
        asked.add((host, where))


def _visit_by_headers(settings: CookieSettings, now: datetime) -> Visit:
    """The cookies that servers set, all the way through redirects. What scripts set is not seen, and the proof says so."""
    left: list[Left] = []
    trouble: list[str] = []
    with urllib3.PoolManager(timeout=urllib3.Timeout(PATIENCE), retries=False) as pool:
        for where, addresses in settings.pages.items():
            for address in addresses:
                try:
                    left += _walk(pool, settings, where, address, now, trouble)
                except urllib3.exceptions.HTTPError as error:
                    trouble.append(f"{address} did not answer: {type(error).__name__}")
    pages = sum(len(addresses) for addresses in settings.pages.values())
    return Visit(how=How.HEADERS, pages=pages, left=tuple(dict.fromkeys(left)), trouble=tuple(trouble))


def _walk(
    pool: urllib3.PoolManager, settings: CookieSettings, where: str, address: str, now: datetime, trouble: list[str]
) -> list[Left]:
    left: list[Left] = []
    here = address
    for _ in range(MOST_REDIRECTS):
        answer = pool.request("GET", here, redirect=False, preload_content=False)
        host = urlsplit(here).hostname or ""
        for line in answer.headers.getlist("Set-Cookie"):
            left += _read_line(line, host, settings, where, now)
        answer.drain_conn()
        answer.release_conn()
        target = answer.headers.get("Location")
        if not 300 <= answer.status < 400 or not target:
            if answer.status >= 400:
                trouble.append(f"{address} answered {answer.status}.")
            return left
        here = urljoin(here, target)
    trouble.append(f"{address} leads from one address to the next.")
    return left


def _read_line(line: str, host: str, settings: CookieSettings, where: str, now: datetime) -> list[Left]:
    try:
        jar: SimpleCookie = SimpleCookie(line)
    except CookieError:
        jar = SimpleCookie()
    if not jar:  # a name that the standard forbids and browsers take
        name = line.partition("=")[0].strip()
        return [Left(name=name, storage=Storage.COOKIE, host=host, party=_party(settings, where, host), where=where)]
    found = []
    for name, one in jar.items():
        domain = one["domain"].lstrip(".").lower() or host
        party = _party_of_domain(settings, where, domain)
        lasts = _lasts(one, now)
        found.append(Left(name=name, storage=Storage.COOKIE, host=domain, party=party, where=where, lasts=lasts))
    return found


def _lasts(one: Morsel[str], now: datetime) -> timedelta | None:
    with suppress(ValueError, TypeError, OverflowError):
        if one["max-age"]:
            return _whole(timedelta(seconds=int(one["max-age"])))
        if one["expires"]:
            return _whole(parsedate_to_datetime(one["expires"]).replace(tzinfo=UTC) - now)
    return None


def _whole(length: timedelta | None) -> timedelta | None:
    """Whole hours, so that the same cookie of two pages is one; what is deleted at once lasts no time."""
    return None if length is None else timedelta(hours=max(round(length.total_seconds() / 3600), 0))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
