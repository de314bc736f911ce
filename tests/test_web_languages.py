"""Languages of the public pages: what is asked for is given where it is there, and every word that is shown can be said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from bs4 import BeautifulSoup

from core.catalogue import LANGUAGES, SOURCE, TRANSLATIONS, catalogue
from core.rendering import ROOT
from policies.documents import parse_document
from tests.public_policies import VERSIONS, text_of
from tests.web_installation import CONFIGURATION, Installation, open_installation
from web.languages import _PAGE_OF, NEGOTIATED

BOTH = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
PAGES = ("/privacy", "/privacy/versions", "/privacy/versions/1", "/privacy/diff/1/2", "/privacy/recipients", "/privacy/security", "/privacy/promises", "/nowhere")  # fmt: skip
# Words of English that no German page has; names and texts of documents are left out by their `lang`.
ENGLISH = re.compile(
    r"\b(the|and|version|since|published|planned|policy|your|what|read|with|every|changed|request|promises|recipient)\b",
    re.I,
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Version 1 is in English only, 2 is in force in both languages."""
    folder = tmp_path_factory.mktemp("languages") / "kept"
    with open_installation(folder, publish=False, configuration=BOTH) as opened:
        publish(opened, 1, "en")
        publish(opened, 2, "en", "de")
        opened.kept.ledger.settle()
        yield opened


def publish(installation: Installation, number: int, *languages: str) -> None:
    said: dict[str, Any] = VERSIONS[number - 1]
    first, *others = [parse_document(text_of(one, **said), one) for one in languages]
    installation.kept.policies.publish(first, translations=others, actor="system")


def read(installation: Installation, address: str, asks: str = "") -> tuple[BeautifulSoup, Any]:
    answer = installation.client().get(address, headers={"Accept-Language": asks} if asks else {})
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser"), answer


def language_of(page: BeautifulSoup) -> str:
    assert page.html is not None
    return str(page.html["lang"])


@pytest.mark.parametrize(
    ("address", "asks", "language"),
    [
        ("/privacy", "", "en"),
        ("/privacy", "de", "de"),
        ("/privacy", "de-AT,en;q=0.5", "de"),
        ("/privacy", "fr,de;q=0.4,en;q=0.8", "en"),
        ("/privacy", "fr", "en"),
        ("/privacy?lang=de", "en", "de"),
        ("/privacy?lang=en", "de", "en"),
        ("/privacy?lang=fr", "de", "de"),
        ("/privacy?lang=de&lang=en", "", "de"),
    ],
)
def test_the_address_decides_then_the_browser_then_the_policy(
    installation: Installation, address: str, asks: str, language: str
) -> None:
    """`?lang=` wins over what the browser asks for; where neither names a language that is there, the original's."""
    page, answer = read(installation, address, asks)
    assert language_of(page) == language
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]
    assert page.h1 is not None
    assert page.h1.get_text() == {"en": "Privacy Policy", "de": "Datenschutzerklärung"}[language]


def test_without_a_wish_the_language_is_that_of_the_policy(tmp_path: Path) -> None:
    """A policy whose original is German is shown in German, also where English is offered first."""
    with open_installation(tmp_path / "kept", publish=False, configuration=BOTH) as german:
        publish(german, 1, "de", "en")
        assert language_of(read(german, "/privacy")[0]) == "de"
        assert language_of(read(german, "/privacy", "en")[0]) == "en"


def test_a_version_that_is_not_translated_says_so(installation: Installation) -> None:
    """The words of the page are German, the text is the original and marked as such."""
    page, _ = read(installation, "/privacy/versions/1", "de")
    assert language_of(page) == "de"
    article = page.article
    assert article is not None
    assert article["lang"] == "en"
    assert "Diese Fassung gibt es nur auf Englisch." in article.get_text()
    assert "gibt es nur auf" not in read(installation, "/privacy/versions/2", "de")[0].get_text()


def test_a_choice_leads_from_page_to_page_without_a_cookie(installation: Installation) -> None:
    """Whoever chose German stays in German: every link to another page of ours carries the choice; without one none does."""
    chosen, answer = read(installation, "/privacy/versions?lang=de", "en")
    assert "Set-Cookie" not in answer.headers
    pages = [str(a["href"]) for a in chosen.select("main a.who, header a, main a.btn, footer a.no-print")]
    ours = [href for href in pages if href.startswith("/privacy") and not href.endswith(".atom")]
    assert len(ours) >= 6
    assert all("lang=de" in href for href in ours), ours
    plain, _ = read(installation, "/privacy/versions", "de")
    assert not [a["href"] for a in plain.select("main a, header a") if "lang=" in str(a["href"])]


def test_each_page_leads_to_itself_in_the_other_language(installation: Installation) -> None:
    """The links in the foot and `hreflang` name the same page, with whatever else its address says."""
    page, _ = read(installation, "/privacy/diff/1/2?view=side", "en")
    links = {str(a["hreflang"]): str(a["href"]) for a in page.select("footer a[hreflang]")}
    assert links == {"de": "/privacy/diff/1/2?view=side&lang=de"}
    whole = {str(one["hreflang"]): str(one["href"]) for one in page.select("link[hreflang]")}
    assert whole == {
        "en": "http://127.0.0.1:8080/privacy/diff/1/2?view=side&lang=en",
        "de": "http://127.0.0.1:8080/privacy/diff/1/2?view=side&lang=de",
        "x-default": "http://127.0.0.1:8080/privacy/diff/1/2",
    }


def test_an_address_cannot_bend_the_links_of_its_page(installation: Installation) -> None:
    """What somebody writes behind the question mark stands in no link: neither a scheme nor a host of theirs."""
    page, answer = read(
        installation, "/privacy?_scheme=javascript&_external=1&_anchor=x&endpoint=y&lang=de&view=<b>", "en"
    )
    assert answer.status_code == 200
    links = [str(tag["href"]) for tag in page.select("[hreflang]")]
    assert links
    assert not [href for href in links if "javascript" in href or "#" in href or "<b>" in href]


def test_files_come_in_the_language_their_address_names(installation: Installation) -> None:
    """A file does not depend on the browser: its plain address is the original, to the byte."""
    client = installation.client()
    original, german = (text_of(code, **VERSIONS[1]) for code in ("en", "de"))  # type: ignore[arg-type]
    for address, text, language in (
        ("/privacy/versions/2.md", original, "en"),
        ("/privacy/versions/2.md?lang=de", german, "de"),
        ("/privacy/versions/1.md?lang=de", text_of("en", **VERSIONS[0]), "en"),  # type: ignore[arg-type]
    ):
        answer = client.get(address, headers={"Accept-Language": "de"})
        assert answer.get_data(as_text=True) == text, address
        assert answer.headers["Content-Language"] == language
        assert "Accept-Language" not in answer.headers.get("Vary", "")
    assert client.get("/privacy/versions/2.json?lang=de").get_json()["languages"] == ["en", "de"]


@pytest.mark.parametrize("address", PAGES)
def test_a_german_page_holds_no_english_of_ours(installation: Installation, address: str) -> None:
    """Every word around the texts of documents is said in German: in text, titles, labels and descriptions."""
    page, _ = read(installation, address, "de")
    assert language_of(page) == "de"
    for other in page.select('[lang="en"], .hash, code, small.keep-english, a[href*="github"]'):
        other.decompose()
    attributes = [str(tag[name]) for name in ("title", "aria-label") for tag in page.select(f"[{name}]")]
    words = " ".join([page.get_text(" "), *attributes])
    for theirs in (
        "Privacy Policy",
        "request log",
        "account data",
    ):  # the title of an English text, names of categories
        words = re.sub(theirs, "", words, flags=re.IGNORECASE)
    assert not ENGLISH.findall(words), ENGLISH.findall(words)


def test_an_installation_with_one_language_offers_no_choice(tmp_path: Path) -> None:
    """Nothing leads to a language that is not there, and a wish for it changes nothing."""
    with open_installation(tmp_path / "kept") as single:
        page, _ = read(single, "/privacy?lang=de", "de")
        assert language_of(page) == "en"
        assert not page.select("[hreflang]")


def test_pages_that_are_not_translated_stay_in_one_language(installation: Installation) -> None:
    """A page whose own words are English only has an English frame too, whatever the browser asks for."""
    for address in ("/console/sign-in",):
        page, _ = read(installation, address, "de")
        assert language_of(page) == SOURCE
        assert "Zum Inhalt" not in page.get_text()


# Files, and addresses that lead on without a word.
WORDLESS = {"person.certificate", "public.gpc", "public.current", "public.home", "public.choose_difference"}


def test_every_page_for_people_is_negotiated(installation: Installation) -> None:
    """A page that is not named there would be in English, whatever is asked for; one that only takes a form leads to its page."""
    rooms = ("person", "public", "tasks", "preferences")
    rules = [one for one in installation.app.url_map.iter_rules() if one.endpoint.split(".")[0] in rooms]
    assert {one.endpoint for one in rules} - WORDLESS == NEGOTIATED
    shown = {one.endpoint for one in rules if "GET" in (one.methods or ())}
    assert {one.endpoint for one in rules} - shown <= set(_PAGE_OF)


# the catalogues


def messages() -> set[str | tuple[str, ...]]:
    """Every message that the files named in babel.cfg hold."""
    with (ROOT / "babel.cfg").open() as file:
        mapping, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    keywords = DEFAULT_KEYWORDS | {"mark": None}
    return {one[2] for one in extract_from_dir(str(ROOT), mapping, options, keywords=keywords)}


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != SOURCE])
def test_a_catalogue_says_every_message_and_nothing_else(language: str) -> None:
    """A message without words would be English in the middle of a German page; one that nothing shows is left over."""
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        found = read_po(file, abort_invalid=True)
    held = {one.id for one in found if one.id}
    assert held == messages()
    for one in found:
        if not one.id:
            continue
        said = [str(words) for words in (one.string if isinstance(one.string, tuple) else (one.string,))]
        assert all(said), one.id
        assert not one.fuzzy, one.id
        needs = set(re.findall(r"%\(\w+\)s", str(one.id)))
        assert all(set(re.findall(r"%\(\w+\)s", words)) <= needs for words in said), one.id
        assert set(re.findall(r"%\(\w+\)s", said[-1])) == needs, one.id
        if isinstance(one.id, str):  # `{name}` is filled by format(): a name that is not there breaks the page
            assert sorted(re.findall(r"\{\w*\}", said[0])) == sorted(re.findall(r"\{\w*\}", one.id)), one.id
            assert said[0].startswith(" ") or not one.id.startswith(" "), one.id
            assert said[0].endswith(" ") or not one.id.endswith(" "), one.id


def test_an_unknown_language_is_english() -> None:
    """A catalogue that is not there gives the message itself; a region does not matter."""
    assert catalogue("pt").gettext("What changed") == "What changed"
    assert catalogue("fr").gettext("What changed") == "Ce qui a changé"
    assert catalogue("de-AT").gettext("Recipients") == "Empfänger"
    assert catalogue("../../etc").gettext("Recipients") == "Recipients"
