"""French, Spanish, Italian and Dutch: a whole request in French under a French policy, the words of the law, pages on a phone."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from core.languages import LANGUAGES
from core.words import day_left, full_day, long_day, records, short_day, size, wrap_text
from policies.cites import cite
from policies.documents import Document, parse_document
from policies.materiality import Weight
from policies.periods import Period
from policies.plain_texts import guess_language, read_markdown
from policies.prose_materiality import weigh_bodies
from policies.text_dates import find_dates
from tests.conftest import OpenPage, Viewport
from tests.public_policies import VERSIONS, text_of
from tests.request_desk import CODE, fetch_package, find, hand_on, read_mails
from tests.request_desk import text_of as plain_text
from tests.test_person_languages import answered, browser, confirmed, opened, read
from tests.web_installation import CONFIGURATION, Installation, open_installation, serve
from web.banner import MOST_BYTES

if TYPE_CHECKING:
    from playwright.sync_api import Page

FURTHER = ("fr", "es", "it", "nl")
FRENCH = """Lanternway transmet des demandes à des modèles de langage.

## Ce que nous collectons

Votre adresse et votre nom.{{ clause("account-data").cite }} Pour chaque demande, son heure et l’adresse réseau dont elle
vient.{{ clause("request-data").cite }}

## Combien de temps nous le conservons

Les journaux restent {{ clause("request-logs").for }}. Votre compte disparaît {{ clause("closed").for }} après sa fermeture.

## Qui le reçoit

{{ clause("hosting").name }} exploite nos serveurs. {{ clause("models").name }} répond à vos demandes. Les changements sont
annoncés ici {{ clause("changes").ahead }} avant.

## Sécurité et droits

Nous utilisons {{ clause("tls").says }}. Une copie arrive sous {{ clause("access").within }}, un effacement sous
{{ clause("deletion").within }}. Vous pouvez vous plaindre auprès d’une autorité.{{ clause("complaint").cite }}
"""
# Words of English that no French sentence has.
ENGLISH = re.compile(r"\b(the|and|you|your|we|our|are|is|by|until|with|this|what|nothing|of|from|records?)\b", re.I)


def french(body: str = FRENCH) -> Document:
    """The policy of the other tests, its text in French."""
    head = text_of("en", **VERSIONS[1]).rpartition("---\n")[0]  # type: ignore[arg-type]
    head = head.replace("language: en", "language: fr").replace("Privacy Policy", "Politique de confidentialité")
    return parse_document(f"{head.replace('TLS in transit', 'le chiffrement TLS')}---\n{body}", "privacy.md")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A policy whose original is French; pages in all six languages."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [fr, en, de, es, it, nl]")
    folder = tmp_path_factory.mktemp("further") / "kept"
    with open_installation(folder, publish=False, configuration=configuration) as house:
        house.kept.policies.publish(french(), actor="system")
        house.kept.policies.tick()
        house.kept.ledger.settle()
        yield house


def require_french(page: BeautifulSoup) -> None:
    """The page says that it is French, and every word of ours on it is."""
    assert page.html is not None
    assert page.html["lang"] == "fr"
    for other in page.select("select, code, style, [lang]:not(html)"):
        other.decompose()
    require_no_english(page.get_text(" "))


def require_no_english(words: str) -> None:
    said = re.sub(r"https?://\S+|\S+@\S+|requests\.\w+|[\w/]+\.(?:csv|json|pdf|html)", "", words)
    assert not ENGLISH.findall(said), [said[max(0, m.start() - 40) : m.end() + 20] for m in ENGLISH.finditer(said)]


# a whole request


def test_a_whole_request_is_in_french(installation: Installation) -> None:
    """Form, its mistakes, the mails, the page, the answer, the letter and the readable page of the copy; cites as French law has them."""
    email, client = "person9@post.example", browser(installation, "fr-CA,fr;q=0.9,en;q=0.8")
    require_french(read(client.get("/requests/new")))
    wrong = read(client.post("/requests/new", data={"right": "", "email": "marta"}))
    assert "Ce n’est pas une adresse e-mail." in wrong.get_text()
    require_french(wrong)
    ref = confirmed(installation, client, email, "access")
    page = read(opened(installation, client, ref, email))
    assert "article 12, paragraphe 3 du RGPD" in " ".join(page.get_text().split())
    require_french(page)
    answered(installation, ref)
    page = read(client.get(f"/requests/{ref}"))
    assert "Votre copie est prête" in page.get_text()
    require_french(page)
    due = installation.kept.requests.view(ref).line.due_on
    assert due is not None
    mails = read_mails(installation.root, email)
    assert len(mails) >= 4
    for mail in mails:
        assert mail["Content-Language"] == "fr"
        require_no_english(f"{mail['Subject']} {plain_text(mail)}")
    assert long_day(due, "fr") in " ".join(plain_text(mails[1]).split())
    with fetch_package(installation, ref, email) as archive:
        words = BeautifulSoup(archive.read("index.html"), "html.parser")
        letter = "".join(one.extract_text() for one in PdfReader(io.BytesIO(archive.read("letter.pdf"))).pages)
    for table in words.select("table")[1:]:  # the records themselves
        table.decompose()
    require_french(words)
    assert "saisir un tribunal" in " ".join(letter.split())


@pytest.mark.parametrize("language", FURTHER)
def test_each_language_is_offered_and_leads_from_page_to_page(installation: Installation, language: str) -> None:
    """The switch names every language by its own name; a choice in the address wins over the browser and goes on."""
    page = read(browser(installation, "de").get(f"/requests/new?lang={language}"))
    assert page.html is not None
    assert page.html["lang"] == language
    switch = {str(a["hreflang"]): a.get_text(strip=True) for a in page.select("footer a[hreflang]")}
    assert switch == {code: name for code, name in LANGUAGES.items() if code != language}
    assert all(f"lang={language}" in str(a["href"]) for a in page.select("main a[href^='/requests']"))
    assert read(browser(installation, f"{language}-XX").get("/requests/new")).html["lang"] == language  # type: ignore[index]


# words of the law, days and numbers


def test_laws_are_cited_as_each_language_does() -> None:
    """By the names and the parts of an article of the official versions of the regulation."""
    assert {one: cite("GDPR Art. 17(3)(b)", one) for one in FURTHER} == {
        "fr": "article 17, paragraphe 3, point b) du RGPD",
        "es": "artículo 17, apartado 3, letra b) del RGPD",
        "it": "articolo 17, paragrafo 3, lettera b) del GDPR",
        "nl": "artikel 17, lid 3, onder b) AVG",
    }
    assert cite("GDPR Art. 11, 12(2)", "fr") == "article 11; 12, paragraphe 2 du RGPD"
    assert cite("Data Protection Act 2018, Schedule 2", "nl") == "Data Protection Act 2018, bijlage 2"


def test_days_periods_and_numbers_follow_the_language() -> None:
    """The first of a month is an ordinal in French; plurals, decimal signs and joined words are those of the language."""
    first, june = date(2026, 6, 1), date(2026, 6, 19)
    assert [long_day(june, one) for one in FURTHER] == [
        "vendredi 19 juin 2026", "viernes, 19 de junio de 2026", "venerdì 19 giugno 2026", "vrijdag 19 juni 2026",
    ]  # fmt: skip
    assert (long_day(first, "fr"), short_day(first, june, "fr"), full_day(june, "es")) == (
        "lundi 1er juin 2026", "1er juin", "19 de junio de 2026",
    )  # fmt: skip
    period = Period(years=1, months=6)
    assert [period.words(one, dative=True) for one in FURTHER] == [
        "1 an et 6 mois", "1 año y 6 meses", "1 anno e 6 mesi", "1 jaar en 6 maanden",
    ]  # fmt: skip
    assert [day_left(first, date(2026, 6, 3), one) for one in ("fr", "nl")] == ["2 jours de retard", "2 dagen te laat"]
    assert [records(number, "fr") for number in (0, 1, 2)] == ["0\u00a0enregistrement", "1\u00a0enregistrement", "2\u00a0enregistrements"]  # fmt: skip
    assert (size(4_200_000, "fr"), size(4_200_000, "es")) == ("4,2\u202fMo", "4,2\u202fMB")
    assert wrap_text("a " * 35 + "bc\u00a0: x") == ("a " * 35).rstrip() + "\nbc\u00a0: x\n"


# policies in these languages


def test_a_change_of_words_that_no_rule_reads_counts_as_material() -> None:
    """Words of French, Spanish, Italian and Dutch stand in no list: what cannot be told to be harmless is not called so."""
    old, new = french(), french(FRENCH.replace("transmet des demandes", "ne transmet jamais rien"))
    reasons = weigh_bodies(old, new, ())
    assert [one.weight for one in reasons] == [Weight.MATERIAL]
    assert reasons[0].sentence.startswith("Aucune règle ne lit")
    signs = weigh_bodies(old, french(FRENCH.replace("demandes à des", "demandes, à des")), ())
    assert {one.weight for one in signs} == {Weight.EDITORIAL}


@pytest.mark.parametrize(
    ("language", "text", "day"),
    [
        ("fr", "Nous conservons vos données et les effaçons dans les délais. En vigueur depuis le 1er mai 2026.", date(2026, 5, 1)),
        ("es", "Usted puede pedir los datos que tenemos y para qué los usamos. En vigor desde el 3 de mayo de 2026.", date(2026, 5, 3)),
        ("it", "Il titolare non conserva i dati che gli sono stati dati con il consenso. In vigore dal 4 maggio 2026.", date(2026, 5, 4)),
        ("nl", "Wij bewaren uw gegevens niet langer dan nodig is voor het doel en wissen ze. Geldt sinds 5 mei 2026.", date(2026, 5, 5)),
        ("en", "We keep your data for the time that is needed and no longer. In force since 6 May 2026.", date(2026, 5, 6)),
    ],
)  # fmt: skip
def test_a_text_shows_its_language_and_its_date(language: str, text: str, day: date) -> None:
    """By its small words, and by the names of months of each language."""
    assert guess_language(read_markdown(text)) == language
    assert [one.day for one in find_dates(text)] == [day]


def test_a_change_is_told_in_the_languages_that_fit(installation: Installation) -> None:
    """The banner, the feed and the mail of a French policy are French; six languages at once leave out the last, never a half."""
    policies = installation.kept.policies
    policies.publish(french(FRENCH.replace("exploite", "fait tourner")), actor="system")
    client = installation.client()
    script = client.get("/privacy/banner.js").get_data(as_text=True)
    assert len(script.encode()) <= MOST_BYTES
    assert "Notre politique de confidentialité va changer" in script
    assert "Unsere Datenschutzerklärung ändert sich" in script
    feed = client.get("/privacy/feed.atom").get_data(as_text=True)
    assert "Versions de la politique de confidentialité de Lanternway" in feed
    assert re.search(r"La version 2 est publiée, prévue pour le \w+ \d+", feed)
    page = read(client.get("/privacy/diff/1/2?lang=fr"))
    require_french(page)


# on a phone


@pytest.mark.browser
@pytest.mark.parametrize("language", FURTHER)
def test_form_and_page_fit_a_phone(installation: Installation, page: OpenPage, language: str) -> None:
    """Long words break nothing: neither the form nor a person's own page is wider than 390 px."""
    email = f"person{20 + FURTHER.index(language)}@post.example"
    ref = confirmed(installation, browser(installation, language), email, "access")
    if language == "nl":  # the longest words; a finished copy has the most of them
        answered(installation, ref)
    shown = page(Viewport.PHONE)
    with serve(installation.app) as base:
        shown.goto(f"{base}/requests/new?lang={language}")
        look(shown, f"{language}-form")
        shown.goto(f"{base}/requests/{ref}")
        shown.click("button.main-act")
        hand_on(installation.kept)
        shown.fill("#code", find(CODE, installation.root, email))
        shown.click("button.main-act")
        shown.wait_for_selector(".path, .steps, h1")
        look(shown, f"{language}-person")


def look(shown: Page, name: str) -> None:
    """The width is that of the phone; a picture where the folder for it is there."""
    if folder := os.environ.get("KEPT_PICTURES"):
        shown.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
    wide = shown.evaluate(
        "[...document.querySelectorAll('*')].filter(one => one.scrollWidth > 390).map(one => one.outerHTML.slice(0, 80))"
    )
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390, wide
