"""The look: its colours can be read, its templates render and keep the content policy; mails are in test_mail_words."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from pypdf import PdfReader

from core.rendering import prepare_environment
from dsr.answer_examples import example_blocks
from notify.mail_examples import MailExamples

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES, STATIC, SAMPLES = ROOT / "templates", ROOT / "static", ROOT / "tests" / "look"
TOKENS = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
ICONS = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text(encoding="utf-8")))
STATES = ("kept", "due", "broken", "attested", "held")
GROUNDS = ("page", "surface", "sunken", "hover", "raised")
DARK, BY_SYSTEM = ':root[data-theme="dark"]', ':root:not([data-theme="light"])'
SOURCES = sorted(p for p in TEMPLATES.rglob("*") if p.is_file())


# colours


def read_block(selector: str) -> dict[str, str]:
    """The hex tokens of the first rule that starts with `selector`."""
    body = TOKENS.split(selector + " {", 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", body))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def pairs() -> Iterator[tuple[str, str, float]]:
    yield from ((t, g, 4.5) for t in ("text", "muted", "faint", "accent") for g in GROUNDS)
    yield from ((t, f"{s}-soft", 4.5) for s in STATES for t in (f"{s}-text", "text", "muted"))
    yield from ((f"{s}-text", g, 4.5) for s in STATES for g in GROUNDS)
    yield from [("on-accent", "accent", 4.5), ("on-accent", "accent-hover", 4.5)]
    yield from ((t, "accent-soft", 4.5) for t in ("accent", "text", "muted", "faint"))
    yield from ((f"{s}-mark", g, 3.0) for s in STATES for g in (*GROUNDS, f"{s}-soft"))
    yield from ((t, g, 3.0) for t in ("line-strong", "accent", "accent-line") for g in GROUNDS)


@pytest.mark.parametrize("theme", ["", DARK, BY_SYSTEM])
def test_every_pair_of_colours_can_be_read(theme: str) -> None:
    """WCAG 2.2 AA: text at least 4.5, marks and edges at least 3, in both themes."""
    colours = read_block(":root") | (read_block(theme) if theme else {})
    bad = [
        (a, b, round(ratio(colours[a], colours[b]), 2))
        for a, b, least in pairs()
        if ratio(colours[a], colours[b]) < least
    ]
    assert not bad


def test_the_two_dark_themes_are_one() -> None:
    """Dark by choice and dark by the system look the same."""
    assert read_block(DARK) == read_block(BY_SYSTEM)


def test_colours_stand_in_the_tokens_only() -> None:
    """Letters stand alone, print is black on white; every other colour is a token."""
    for name in ("base.css", "parts.css"):
        css = (STATIC / "css" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s)])", css)) <= {"#fff", "#000"}, name


# files


def test_the_look_stays_small() -> None:
    """At most 44 kB of CSS and 70 kB of fonts, each font with its licence."""
    assert sum(p.stat().st_size for p in (STATIC / "css").glob("*.css")) < 44_000
    assert sum(p.stat().st_size for p in (STATIC / "fonts").glob("*.woff2")) < 70_000
    assert len(list((STATIC / "fonts").glob("*-OFL.txt"))) == 2


def test_every_file_that_the_css_names_is_there() -> None:
    """Fonts are ours: nothing comes from another host."""
    for sheet in (STATIC / "css").glob("*.css"):
        for url in re.findall(r'url\("?([^")]+)"?\)', sheet.read_text(encoding="utf-8")):
            assert (sheet.parent / url).resolve().is_file(), f"{sheet.name}: {url}"


def test_the_vendored_script_is_the_one_that_was_written_down() -> None:
    """Version, licence and hash of a vendored file stand beside it."""
    found = hashlib.sha256((STATIC / "vendor" / "htmx.min.js").read_bytes()).hexdigest()
    readme = (STATIC / "vendor" / "README.md").read_text(encoding="utf-8")
    assert found in readme
    assert (STATIC / "vendor" / "htmx-LICENSE.txt").is_file()


# sources of templates


def is_mail(path: Path) -> bool:
    return TEMPLATES / "email" in path.parents or path.name == "email.html"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(TEMPLATES)))
def test_a_template_parses_and_keeps_the_content_policy(path: Path) -> None:
    """No style attribute, no style element, no inline script or handler; mails alone carry inline styles."""
    source = path.read_text(encoding="utf-8")
    make_environment().parse(source)
    bare = re.sub(r"{#.*?#}", "", source, flags=re.S)
    assert not re.search(r"<script(?![^>]*\bsrc=)", bare), "inline script"
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", bare), "inline handler"
    assert "javascript:" not in bare
    if not is_mail(path):
        assert not re.search(r"<style|\sstyle\s*=", bare), "inline style"
        assert "{% autoescape false" not in bare


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(TEMPLATES)))
def test_every_icon_that_a_template_names_is_drawn(path: Path) -> None:
    """An icon that is not in icons.svg would be an empty square."""
    source = path.read_text(encoding="utf-8")
    named = set(re.findall(r"""(?:\bi\(|\bicon\s*=\s*|["']icon["']:\s*|\bempty\()["']([\w-]+)["']""", source))
    assert named <= ICONS


# rendering


def make_environment(static: str = "/static") -> Environment:
    loader = FileSystemLoader([str(TEMPLATES), str(SAMPLES)])
    autoescape = select_autoescape(("html",))
    env = Environment(loader=loader, undefined=StrictUndefined, autoescape=autoescape, keep_trailing_newline=True)
    prepare_environment(env)
    env.globals.update(url_for=lambda _endpoint, filename: f"{static}/{filename}", csrf_token=lambda: "token")
    return env


NOW = datetime(2026, 6, 11, 8, 23, 58, tzinfo=UTC)
TODAY = date(2026, 6, 11)
CONTROLLER = {"name": "ccr", "email": "privacy@ccr.example", "address": "Lindenweg 4, 10115 Berlin"}
AUTHORITY = {"name": "Berliner Beauftragte für Datenschutz", "address": "Alt-Moabit 59–61, 10555 Berlin",
             "url": "https://authority.example/complaint"}  # fmt: skip
NAV = [
    {"group": "", "items": [{"href": "#", "icon": "home", "word": "Home", "key": "home"},
                            {"href": "#", "icon": "inbox", "word": "Requests", "key": "requests", "count": 1038, "state": "due"}]},
    {"group": "Promises", "items": [{"href": "#", "icon": "board", "word": "Board", "key": "board", "count": 2, "state": "broken"}]},
]  # fmt: skip
PAGE: dict[str, Any] = {
    "nav": NAV, "here": "requests", "now": NOW, "tz": ZoneInfo("Europe/Berlin"), "today": TODAY, "site_name": "ccr",
    "pulse": {"ledger_ok": True, "checkpoint_size": 4812, "checkpoint_at": NOW, "says": "Mail goes to var/outbox"},
    "operator": {"name": "Ines Vogelsang"}, "sign_out": "#", "search_href": "#", "open_href": "#",
    "theme": "", "theme_action": "/theme", "controller": CONTROLLER, "foot_nav": [{"href": "#", "word": "Security"}],
    "site_nav": [{"href": "#", "word": "Policy", "key": "policy"}, {"href": "#", "word": "Make a request", "key": "requests"}],
    "languages": [{"code": "en", "word": "English", "href": "#", "here": True}, {"code": "de", "word": "Deutsch", "href": "#"}],
    "toasts": [{"state": "kept", "text": "Approved. Runs at 10:42."}],
    "days": [TODAY + timedelta(days=n) for n in (-3, 0, 8, 300)],
    "bars": [{"label": f"day {n}", "value": n % 6, "state": ("late", "soon", "")[min(n, 2)], "tick": "tick" if n % 7 == 0 else ""}
             for n in range(30)],
}  # fmt: skip
LETTER: dict[str, Any] = {
    "controller": CONTROLLER, "ref": "R-1043", "person_name": "Marta Quillfeather", "date": "12 June 2026",
    "title": "What we hold about you", "received": "20 May 2026", "due": "19 June 2026", "authority": AUTHORITY,
    "opening": "you asked us for a copy of your data. Here it is.", "summary": "2 211 records in 2 places.",
    "proof": "Ledger entry 48 391", "signed_by": "Ines Vogelsang", "check": "Every step is an entry in a ledger.",
    "sections": [
        {"title": "What we hold", "lines": ["We looked in 6 places."], "note": "Counted on 12 June.",
         "table": {"head": ["What", "Where", "Kept for", "Records"], "num": [3],
                   "rows": [["Request logs", "gateway database", "30 days", 1902], ["Account", "gateway database", "30 days", 1]]}},
        {"title": "Your rights", "points": ["You can have it corrected.", "You can have it deleted."]}],
}  # fmt: skip
POLICY: dict[str, Any] = {
    "controller": CONTROLLER, "title": "Privacy Policy", "version": 7, "standing": "In force since 30 April 2026", "hash": "b3" * 32,
    "body": Markup("<h2>What we collect</h2><p>Three kinds of data.</p>"), "address": "https://ccr.example/privacy/versions/7",
    "said_address": "ccr.example/privacy/versions/7",
}  # fmt: skip


@pytest.mark.parametrize("theme", ["", "light", "dark"])
@pytest.mark.parametrize("sample", ["console.html", "public.html", "door.html"])
def test_a_page_of_every_frame_renders_with_nothing_undefined(sample: str, theme: str) -> None:
    """Every macro takes plain values; ids are unique, forms that post carry the token, labels have their control."""
    html = make_environment().get_template(sample).render(PAGE | {"theme": theme})
    soup = BeautifulSoup(html, "html.parser")
    ids = [str(tag["id"]) for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert not soup.find_all(style=True)
    assert set(re.findall(r"icons\.svg#([\w-]+)", html)) <= ICONS
    assert all(form.find("input", {"name": "csrf_token"}) for form in soup.find_all("form", method="post"))
    for tag in soup.find_all(True):
        for name in ("for", "aria-describedby", "aria-labelledby"):
            assert set(str(tag.get(name, "")).split()) <= set(ids), (tag.name, name)
    assert soup.html is not None
    assert soup.html.get("data-theme") == (theme or None)


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("sample", ["console.html", "public.html", "door.html"])
def test_a_frame_keeps_the_content_policy_and_its_width_in_a_browser(page: Any, sample: str, dark: bool) -> None:
    """Under a strict policy nothing is blocked, no page is wider than a phone of 360 px, and Tab leads past the rail first."""
    html = make_environment().get_template(sample).render(PAGE)
    opened = page(dark=dark)
    opened.route("http://look.test/**", lambda route: route.fulfill(**answer_with(route.request.url, html)))
    for width in (1440, 360):
        opened.set_viewport_size({"width": width, "height": 800})
        opened.goto("http://look.test/")
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.evaluate("document.fonts.ready.then(() => document.fonts.check('600 14px Inter'))")
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    drawn = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert drawn == ("rgb(19, 18, 17)" if dark else "rgb(246, 245, 241)")


def answer_with(url: str, html: str) -> dict[str, Any]:
    """What a server with the strict policy would answer: the page at the root, files of static/ below it."""
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'"
    )
    headers = {"Content-Security-Policy": policy}
    if "/static/" in url:
        return {"path": str(STATIC / url.split("/static/")[1].split("#")[0])}
    return {"body": html, "content_type": "text/html", "headers": headers}


def test_every_macro_is_drawn_on_a_sample_page() -> None:
    """A macro that nobody renders here could break unseen."""
    samples = "".join(p.read_text(encoding="utf-8") for p in SAMPLES.glob("*.html"))
    sources = "".join(p.read_text(encoding="utf-8") for p in SOURCES)
    for path in sorted((TEMPLATES / "macros").glob("*.html")):
        for name in re.findall(r"{%-? macro ([a-z]\w*)\(", path.read_text(encoding="utf-8")):
            used = samples + re.sub(rf"macro {name}\(", "", sources)
            assert re.search(rf"\b{name}\(", used), f"{path.name}: {name}"


@pytest.mark.parametrize("ledger_ok", [True, False, None])
def test_the_rail_says_what_the_ledger_is_and_shows_only_what_it_is_given(ledger_ok: bool | None) -> None:
    """Not verified yet is not verified; without a pulse, a search or a toast nothing of them is drawn."""
    words = {True: "Ledger verified", False: "Ledger does not verify", None: "Ledger not verified yet"}
    bare = {k: v for k, v in PAGE.items() if k in ("nav", "now", "tz")}
    layout = make_environment().get_template("layouts/console.html")
    html = layout.render(bare | {"pulse": {"ledger_ok": ledger_ok}})
    assert [w for w in words.values() if w in html] == [words[ledger_ok]]
    assert not re.search('class="(search|toasts|pulse)"', layout.render(bare))


def test_what_people_write_is_escaped_in_pages_and_mails() -> None:
    """A reason or a name is text, whatever it looks like."""
    env = make_environment()
    nasty = "<b onclick=x>&'\""
    given = MailExamples(example_blocks)("request_refused", "en") | {"reason": nasty}
    html = env.get_template("email/request_refused/body.html").render(given)
    assert nasty not in html
    talk = env.from_string("{% import 'macros/talk.html' as t %}{{ t.msg('theirs', n, at, at, tz, n) }}")
    assert nasty not in Markup(talk.render(n=nasty, at=NOW, tz=UTC))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("documents/letter.html", LETTER, "Dear Marta Quillfeather,"),
        ("documents/letter.html", LETTER | {"person_name": "", "authority": None}, "Hello,"),
        ("documents/policy.html", POLICY, "Version 7. In force since 30 April 2026."),
        ("marks.html", LETTER, "attested"),
    ],
)
def test_a_document_becomes_a_pdf_without_the_network(name: str, data: dict[str, Any], says: str) -> None:
    """WeasyPrint takes the sheet and the fonts from static/ and nothing else."""
    from weasyprint import HTML, URLFetcher

    fetched: list[str] = []

    class Ours(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Any = None) -> Any:
            fetched.append(url)
            assert url.startswith(STATIC.as_uri()), url
            return super().fetch(url, headers)

    html = make_environment(STATIC.as_uri()).get_template(name).render(data)
    written = HTML(string=html, url_fetcher=Ours()).write_pdf(pdf_variant="pdf/ua-1")
    page = PdfReader(BytesIO(written)).pages[0]
    assert says in " ".join(page.extract_text().split())
    fonts = [str(font["/BaseFont"]) for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert any("Inter" in font for font in fonts)
    assert {Path(url).suffix for url in fetched} == {".css", ".woff2"}
