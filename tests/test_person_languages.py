"""What one person reads, in the language they chose: form, pages, mails, letter and package, with the parts the law asks for."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.catalogue import LANGUAGES, catalogue
from core.rendering import ROOT, Renderer
from core.words import long_day
from dsr.answer_words import MAILS, Kind, compose, parts_of, standard_text
from dsr.grounds import all_grounds
from dsr.outcome_lines import say_plainly
from dsr.words import RIGHT_WORDS, STATUS, say_right, say_status
from plans.portability import NOT_PROVIDED, OTHER_GROUND
from policies.cites import cite
from policies.clauses import Right
from policies.documents import parse_document
from policies.reckoning import reckon
from policies.regimes import all_regimes
from tests.public_policies import VERSIONS, text_of
from tests.request_desk import CODE, fetch_package, find, hand_on, read_mails
from tests.request_desk import text_of as plain_text
from tests.test_web_languages import messages
from tests.web_installation import CONFIGURATION, Installation, open_installation

SOURCES = (f"192.0.2.{number}" for number in itertools.count(1))
NONCE = re.compile(r'name="nonce" value="([^"]+)"')
LINK = re.compile(r"https?://[^\s/]+(/requests/confirm/\S+)")
# Words of English that no German sentence has. What a policy or kept.yaml names (categories, collections) is left out.
ENGLISH = re.compile(
    r"\b(the|and|you|your|we|our|is|are|by|until|request|with|this|what|data is|records?|nothing|page|mail to|of)\b",
    re.I,
)
NAMES = re.compile(
    r"request logs?|requests\.\w+|requests|account data|accounts?|Privacy Policy|[\w/]+\.(?:csv|json|pdf|html)", re.I
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A policy in English and German, both offered."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    folder = tmp_path_factory.mktemp("person-languages") / "kept"
    with open_installation(folder, publish=False, configuration=configuration) as opened:
        texts = [parse_document(text_of(code, **VERSIONS[1]), code) for code in ("en", "de")]  # type: ignore[arg-type]
        opened.kept.policies.publish(texts[0], translations=texts[1:], actor="system")
        opened.kept.policies.tick()
        opened.kept.ledger.settle()
        yield opened


def browser(installation: Installation, asks: str) -> FlaskClient:
    """A browser that asks for a language, from an address that nobody has used."""
    client = installation.client()
    client.environ_base.update(HTTP_ACCEPT_LANGUAGE=asks, REMOTE_ADDR=next(SOURCES))
    return client


def read(answer: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def require_german(page: BeautifulSoup) -> None:
    """The page says that it is German, and every word of ours on it is."""
    assert page.html is not None
    assert page.html["lang"] == "de"
    for other in page.select('[lang="en"], select, code, style'):
        other.decompose()
    labels = [str(tag[name]) for name in ("aria-label",) for tag in page.select(f"[{name}]")]
    require_no_english(" ".join([page.get_text(" "), *labels]))


def require_no_english(words: str) -> None:
    said = NAMES.sub("", words)
    assert not ENGLISH.findall(said), [said[max(0, m.start() - 40) : m.end() + 20] for m in ENGLISH.finditer(said)]


def confirmed(installation: Installation, client: FlaskClient, email: str, right: str, chosen: str = "") -> str:
    """A request from the form, in whatever language the browser gets, to the button; gives its reference."""
    sent = client.post(f"/requests/new{chosen}", data={"right": right, "email": email})
    assert sent.status_code == 302
    assert "lang=de" in sent.headers["Location"] or not chosen
    hand_on(installation.kept)
    link = find(LINK, installation.root, email)
    nonce = NONCE.search(client.get(link).get_data(as_text=True))
    assert nonce
    done = client.post(link, data={"nonce": nonce[1]}).get_data(as_text=True)
    found = re.search(r'main-act" href="/requests/([^"?]+)', done)
    assert found, done
    hand_on(installation.kept)
    return found[1]


def opened(installation: Installation, client: FlaskClient, ref: str, email: str) -> TestResponse:
    """The page of a request, opened with a code."""
    page = client.get(f"/requests/{ref}").get_data(as_text=True)
    nonce = NONCE.search(page)
    assert nonce
    client.post(f"/requests/{ref}/code", data={"nonce": nonce[1]})
    hand_on(installation.kept)
    code = find(CODE, installation.root, email)
    assert client.post(f"/requests/{ref}/open", data={"nonce": nonce[1], "code": code}).status_code == 302
    return client.get(f"/requests/{ref}")


def answered(installation: Installation, ref: str) -> None:
    requests = installation.kept.requests
    requests.make_plan(ref, by="system")
    requests.approve(ref, by="system")
    hand_on(installation.kept)


# pages


def test_the_form_speaks_german_and_ties_each_problem_to_its_field(installation: Installation) -> None:
    """Labels, hints, the choices and what is wrong are German; a wrong field names its error; the switch leads to itself."""
    client = browser(installation, "de")
    page = read(client.get("/requests/new?right=access"))
    assert [str(a["href"]) for a in page.select("footer a[hreflang]")] == ["/requests/new?right=access&lang=en"]
    options = [one.get_text() for one in page.select("#country option")]
    assert (
        options.index("Ägypten") < options.index("Deutschland") < options.index("Österreich") < options.index("Polen")
    )
    require_german(page)
    wrong = client.post("/requests/new", data={"right": "", "email": "marta", "details": "x" * 10_001})
    assert wrong.status_code == 400
    page = read(wrong)
    field = page.select_one("#email")
    assert field is not None
    about = [page.select_one(f"#{name}") for name in str(field["aria-describedby"]).split()]
    assert "Das ist keine E-Mail-Adresse." in " ".join(one.get_text() for one in about if one)
    assert "3 Dinge sind zu berichtigen" in page.get_text()
    require_german(page)


def test_known_and_unknown_addresses_get_the_same_german_page(installation: Installation) -> None:
    """Nothing tells a stranger whether somebody has an account: same words, same size, also for codes and gone links."""
    pages = [
        [
            client.post("/requests/new?lang=de", data={"right": "access", "email": email}, follow_redirects=True).data,
            client.get(f"/requests/{ref}?lang=de").data.replace(ref.encode(), b"R"),
            client.get(f"/requests/{ref}?lang=de&sent=yes").data.replace(ref.encode(), b"R"),
        ]
        for client, email, ref in (
            (
                browser(installation, "en"),
                "person30@post.example",
                confirmed(installation, browser(installation, "en"), "person31@post.example", "access"),
            ),
            (browser(installation, "en"), "nobody.knows@post.example", "ZZZZZ-ZZZZ"),
        )
    ]
    bare = [[NONCE.sub("", one.decode()) for one in each] for each in pages]
    assert bare[0] == bare[1]
    assert [len(one) for one in pages[0][:1]] == [len(one) for one in pages[1][:1]]
    for one in (
        *pages[1],
        browser(installation, "de").get("/requests/confirm/nothing").data,
        browser(installation, "de").get("/tasks/nothing").data,
    ):
        require_german(BeautifulSoup(one, "html.parser"))


def test_the_language_of_the_form_is_that_of_all_that_follows(installation: Installation) -> None:
    """Chosen once in an English browser: mails, confirm page, code page, the person's page, letter and files are German."""
    email, client = "person5@post.example", browser(installation, "en")
    ref = confirmed(installation, client, email, "access", "?lang=de")
    for path in (
        find(LINK, installation.root, email),
        find(re.compile(r"https?://[^\s/]+(/requests/\w{5}-\S+)"), installation.root, email),
    ):
        assert "lang=de" in path
        require_german(read(client.get(path)))
    require_german(read(opened(installation, client, ref, email)))
    answered(installation, ref)
    page = read(client.get(f"/requests/{ref}"))
    assert "Ihre Kopie ist fertig" in page.get_text()
    assert not page.select("footer a[hreflang]")  # it is in the language that was chosen, like the mails
    require_german(page)
    for mail in read_mails(installation.root, email):
        assert mail["Content-Language"] == "de"
        require_no_english(re.sub(r"https?://\S+|Lanternway|\S+@\S+", "", f"{mail['Subject']} {plain_text(mail)}"))
    with fetch_package(installation, ref, email) as archive:
        words = BeautifulSoup(archive.read("index.html"), "html.parser")
        assert archive.read("letter.pdf").startswith(b"%PDF")
    for table in words.select("table")[1:]:  # the records themselves
        table.decompose()
    require_german(words)
    assert "Einschränkung der Verarbeitung" in words.get_text()


def test_a_deletion_is_told_in_german_with_what_stays(installation: Installation) -> None:
    """The page and the mail of a finished deletion name what was deleted, in German, and the authority with its address."""
    email, client = "person6@post.example", browser(installation, "de-AT,de;q=0.9")
    ref = confirmed(installation, client, email, "deletion")
    answered(installation, ref)
    require_german(read(opened(installation, client, ref, email)))
    mail = next(one for one in read_mails(installation.root, email) if "gelöscht" in str(one["Subject"]))
    said = " ".join(plain_text(mail).split())
    assert re.search(r"\d+ Datensätze", said)
    assert "Aufsichtsbehörde" in said
    assert "vor Gericht" in said


# mails and letters

CONTROLLER = {"name": "ccr", "email": "privacy@ccr.example"}
AUTHORITY = {"name": "BfDI", "address": "Graurheindorfer Straße 153, 53117 Bonn", "url": "https://bfdi.example"}
DAYS = {
    "due": "19.6.2026",
    "expires": "14.6.2026",
    "asked_at": "11.6.2026",
    "received": "11.6.2026",
    "done_on": "12.6.2026",
    "changed": "8.6.2026",
    "until": "18.6.2026",
}
GIVEN: dict[str, Any] = DAYS | {
    "controller": CONTROLLER, "ref": "R-1043", "right_words": "XX", "link": "https://ccr.example/r", "code": "481 207",
    "items": [{"title": "Logs", "count": 1902}], "kept_back": [{"title": "Belege", "why": "YY", "until": "31.12.2036"}],
    "asked": [{"title": "Briefe", "why": "ZZ"}], "reason": "RR", "ground": "GG", "authority": AUTHORITY, "words": "WW",
    "size": "4 MB", "searched": 6, "policy_link": "https://ccr.example/privacy", "work": "AA", "store": "helpdesk",
    "collection": "letters", "asked_on": "5.6.2026", "is_overdue": False, "in_part": False, "closing": "CC", "complaint": "",
    "rule": "Q1", "amount": "12.50 EUR", "waits": True, "more": True, "asker": "AK", "says": "SY", "customer": "cu@ccr.example",
    "person": "pe@ccr.example", "proven": True, "details": "DE",
    "effects": ["EE"], "reasons": "EX", "follows": "FF", "goes_on": False, "is_restriction": True, "day": "19.6.2026",
    "recipient": "RC", "what": "deleted", "told": [{"title": "RC", "why": "TT"}], "told_note": "",
}  # fmt: skip
WHERE = ("BfDI", "Graurheindorfer Straße 153, 53117 Bonn", "https://bfdi.example")
# What the law asks of each, as it must stand in the mail; what a language says in its own words comes after.
PARTS: dict[str, tuple[str, ...]] = {
    "request_confirm": ("XX", "ccr", DAYS["due"], DAYS["expires"], DAYS["asked_at"], "https://ccr.example/r"),
    "request_received": ("XX", "R-1043", DAYS["due"], DAYS["received"], "https://ccr.example/r", "{complain}", "{nothing}"),
    "mail_received": ("ccr", DAYS["received"], "privacy@ccr.example"),
    "status_code": ("481 207", DAYS["expires"]),
    "message_from_us": ("XX", "R-1043", "https://ccr.example/r"),
    "contact_changed": ("XX", "ccr", DAYS["changed"], DAYS["until"], "https://ccr.example/r"),
    "asker_confirm": ("XX", "ccr", DAYS["expires"], DAYS["received"], "https://ccr.example/r"),
    "asker_received": ("XX", "R-1043", DAYS["due"], DAYS["received"], "https://ccr.example/r"),
    "asker_permission": ("XX", "ccr", "AK", "SY", DAYS["expires"], DAYS["received"], "https://ccr.example/r"),
    "asker_refused": ("XX", "R-1043", "{complain}"),
    "asker_done": ("XX", "R-1043"),
    "request_forwarded": ("XX", "R-1043", "cu@ccr.example", DAYS["received"], "{complain}", "{court}"),
    "customer_request": ("XX", "R-1043", "pe@ccr.example", "AK", "DE", DAYS["received"]),
    "address_confirm": ("XX", "ccr", DAYS["expires"], "https://ccr.example/r"),
    "package_ready": (DAYS["expires"], "4 MB", "{letter}", "{again}", "{complain}", "{court}", *WHERE),
    "deletion_done": ("Logs", "1\u202f902", "Briefe", "ZZ", "Belege", "YY", "31.12.2036", DAYS["done_on"], "{recipients}", "{complain}", "{court}", *WHERE),
    "deletion_cooling": ("XX", "ccr", DAYS["expires"], "https://ccr.example/r"),
    "correction_done": ("Logs", "1\u202f902", "Briefe", "ZZ", "Belege", "YY", DAYS["done_on"], "{recipients}", "{complain}", "{court}", *WHERE),
    "nothing_found": ("XX", "6", "{nothing}", "{complain}", "{court}", *WHERE),
    "request_refused": ("XX", "RR", "GG", "{complain}", "{court}", "{free}", *WHERE),
    "request_extended": ("XX", "RR", DAYS["due"], "GG", "{complain}", "{court}", *WHERE),
    "request_fee": ("XX", "RR", "12.50 EUR", "Q1", "{complain}", "{court}", *WHERE),
    "request_acknowledged": ("XX", "R-1043", DAYS["due"], DAYS["received"], "{nothing}", "{complain}", "{court}", *WHERE),
    "answered_by_hand": ("XX", "WW", "CC", "{complain}", "{court}", *WHERE),
    "right_carried_out": ("XX", "EE", "CC", DAYS["done_on"], "R-1043", "{complain}", "{court}", *WHERE),
    "complaint_answered": ("OO", "EX", "R-1043", "{court}", *WHERE),
    "appeal_decided": ("OO", "EX", "R-1001", "DD", "R-1043", "{court}", *WHERE),
    "restriction_ends": ("XX", "WW", "R-1043", "19.6.2026"),
    "task_asked": ("AA", "helpdesk", "letters", DAYS["due"], DAYS["expires"], "https://ccr.example/r"),
    "task_reminded": ("AA", "helpdesk", "letters", DAYS["due"], "5.6.2026", "https://ccr.example/r"),
    "task_withdrawn": ("AA", "helpdesk", "letters", "5.6.2026"),
    "telling_asked": ("AA", "RC", DAYS["due"], DAYS["expires"], "https://ccr.example/r"),
    "telling_reminded": ("AA", "RC", DAYS["due"], "5.6.2026", "https://ccr.example/r"),
    "telling_withdrawn": ("AA", "RC", "R-1043", "5.6.2026"),
}  # fmt: skip
SAID = {
    "en": {"complain": "complain to", "court": "go to court", "nothing": "hold nothing about you", "free": "at no cost",
           "letter": "a letter that says", "again": "ask for a new one", "recipients": "who got your data"},
    "de": {"complain": "beschweren", "court": "vor Gericht gehen", "nothing": "nichts über Sie gespeichert",
           "free": "kostenlos", "letter": "einen Brief, der sagt", "again": "eine neue verlangen",
           "recipients": "wer Ihre Daten von uns erhalten hat"},
    "fr": {"complain": "réclamation auprès de", "court": "saisir un tribunal", "nothing": "aucune donnée sur vous",
           "free": "gratuitement", "letter": "une lettre qui dit", "again": "en demander une nouvelle",
           "recipients": "qui a reçu vos données de nous"},
    "es": {"complain": "reclamación ante", "court": "acudir a los tribunales", "nothing": "ningún dato sobre usted",
           "free": "sin coste", "letter": "una carta que dice", "again": "pedir una nueva",
           "recipients": "quién recibió sus datos de nosotros"},
    "it": {"complain": "reclamo", "court": "rivolgersi a un giudice", "nothing": "alcun dato su di Lei",
           "free": "gratuitamente", "letter": "una lettera che dice", "again": "chiederne una nuova",
           "recipients": "chi ha ricevuto i Suoi dati da noi"},
    "nl": {"complain": "klacht indienen bij", "court": "naar de rechter gaan", "nothing": "geen gegevens over u",
           "free": "kosteloos", "letter": "een brief die zegt", "again": "een nieuwe vragen",
           "recipients": "wie uw gegevens van ons heeft gekregen"},
}  # fmt: skip
LEAST: dict[str, Any] = {"goes_on": True, "is_restriction": False, "day": "", "what": "lifted", "told": [], "told_note": "TN", "authority": None, "kept_back": [], "asked": [], "link": "", "searched": 0, "asked_at": "",
         "received": "", "due": DAYS["due"], "in_part": True, "is_overdue": True, "waits": False, "more": False}  # fmt: skip
RENDERER = Renderer(base_url="https://ccr.example")


def mail_words(event: str, language: str, given: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and words of the HTML of a mail."""
    given = given | {"blocks": standard_blocks(event, language, given)}
    subject, text, html = (
        RENDERER.text(f"email/{event}/{part}", language=language, **given)
        for part in ("subject.txt", "body.txt", "body.html")
    )
    return " ".join(subject.split()), text, " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def standard_blocks(event: str, language: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The standard text of an answer's mail; nothing for the other mails."""
    kind = next((one for one, name in MAILS.items() if name == event), None)
    if kind is None:
        return []
    right = {Kind.COPY: Right.PORTABILITY if given["in_part"] else Right.ACCESS, Kind.BY_HAND: Right.RESTRICTION,
             Kind.CARRIED_OUT: Right.RESTRICTION, Kind.COMPLAINT: Right.COMPLAINT, Kind.APPEAL: Right.APPEAL}  # fmt: skip
    asked = right.get(kind, Right.DELETION)
    facts = {
        "request": given["right_words"],
        "day": given["done_on"],
        "size": given["size"],
        "rule": given["ground"],
        "due": given["due"],
    }
    facts |= {"outcome": "OO", "first": "R-1001", "decider": "DD"}
    text = standard_text(kind, asked, language, places=given["searched"])
    return compose(text, parts_of(kind, asked, "gdpr"), facts | {"number": str(given["searched"])})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", PARTS)
def test_a_mail_holds_what_the_law_asks_for_in_each_language(event: str, language: str) -> None:
    """Deadline, what was done, what stays, why and until when, contact, authority and court: in text and HTML alike."""
    subject, text, html = mail_words(event, language, GIVEN)
    assert 0 < len(subject) <= 78
    for words in (" ".join(text.split()), html):
        for part in (*PARTS[event], CONTROLLER["email"]):
            wanted = part.format(**SAID[language])
            assert " ".join(wanted.split()) in words, (wanted, words)
    for line in text.splitlines():
        assert len(line) <= 72 or re.fullmatch(r"\s*https?://\S+", line), line


@pytest.mark.parametrize("given", [GIVEN, GIVEN | LEAST], ids=["all", "least"])
@pytest.mark.parametrize("event", PARTS)
def test_a_german_mail_holds_no_english_and_says_the_same_twice(event: str, given: dict[str, Any]) -> None:
    """Every sentence of the text stands in the HTML, and none of either is English."""
    subject, text, html = mail_words(event, "de", given)
    require_no_english(re.sub(r"https?://\S+|\S+@\S+|letters", "", f"{subject} {text} {html}"))
    squeezed = squeeze(html)
    for block in re.split(r"\n\n|\n(?=\*  )|\nUnsere Datenschutzerklärung:\n", text.replace("\n-- \n", "\n")):
        assert squeeze(block) in squeezed, block
    if given["authority"] is None and "{complain}" in PARTS[event]:
        assert "Aufsichtsbehörde" in text


def squeeze(text: str) -> str:
    return " ".join(re.sub(r"[.:,;?*()„“]", " ", text).split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("authority", [AUTHORITY, None])
def test_a_letter_says_where_to_complain_in_each_language(language: str, authority: dict[str, str] | None) -> None:
    """Contact, authority with its address, and court stand at the end of every letter, whatever its sections say."""
    html = RENDERER.text(
        "documents/letter.html", language=language, controller=CONTROLLER, ref="R-1043", person_name="", date="12.6.2026",
        title="TT", received="20.5.2026", due="19.6.2026", sections=[], authority=authority, summary="SS", opening="OO",
    )  # fmt: skip
    page = BeautifulSoup(html, "html.parser")
    words = " ".join(page.get_text(" ").split())
    for part in ("R-1043", "20.5.2026", "19.6.2026", "SS", "OO", CONTROLLER["email"], *(WHERE if authority else ())):
        assert part in words
    assert SAID[language]["complain"].split(" ")[0] in words
    assert SAID[language]["court"] in words
    if language == "de":
        assert "Aufsichtsbehörde" in words
        require_no_english(re.sub(r"https?://\S+|\S+@\S+", "", words))


# words of the law


def test_rights_states_and_grounds_are_german(installation: Installation) -> None:
    """Each has German words of its own, and the articles are cited as German law does."""
    for right in Right:
        assert say_right(right, "de") != RIGHT_WORDS[right]
        require_no_english(say_right(right, "de"))
    for status in STATUS.values():
        require_no_english(f"{say_status(status, 'de').title} {say_status(status, 'de').body}")
    for ground in (one for each in all_grounds().values() for one in each):
        require_no_english(re.sub("Data Protection Act 2018", "", ground.sentence("de")))
        assert ground.sentence("en") == f"{ground.words} ({ground.cite})."
    assert cite("GDPR Art. 17(3)(b)", "de") == "Art. 17 Abs. 3 lit. b DSGVO"
    assert cite("GDPR Art. 11, 12(2), 12(6)", "de") == "Art. 11, 12 Abs. 2, 12 Abs. 6 DSGVO"
    assert cite("UK GDPR Art. 12(3)", "de") == "Art. 12 Abs. 3 UK GDPR"
    assert cite("GDPR Art. 12(3)", "en") == "GDPR Art. 12(3)"


def test_the_reckoning_of_every_law_is_german(installation: Installation) -> None:
    """Each line of why a day is the day is said in German: received, the law's period, weekends, what does not bind."""
    now = installation.kept.clock.now()
    for name in all_regimes():
        lines = reckon(
            regime=name,
            right=Right.ACCESS,
            within=None,
            received=now,
            zone="Europe/Berlin",
            country="DE",
            language="de",
        ).lines
        require_no_english(" ".join(re.sub(r"[A-Z]\w+ (Privacy )?Act|DPDP Rules", "", line.words) for line in lines))
    assert lines[0].words == "Eingegangen"


@pytest.mark.parametrize(
    "text",
    [NOT_PROVIDED, OTHER_GROUND, "No program can delete in a store of kind manual.", "No program can read a store of kind http.", "3 kept by a hold"],
)  # fmt: skip
def test_what_a_plan_says_of_a_person_s_data_is_said_in_german(text: str) -> None:
    """A plan speaks English; what the catalogues know of it is translated, anything else is quoted whole and says so."""
    assert say_plainly(text, "en") == text
    require_no_english(say_plainly(text, "de"))
    assert say_plainly("Some trouble.", "de") == "der Grund steht bei uns auf Englisch: Some trouble."


def test_days_in_german_mails_are_german(installation: Installation) -> None:
    """The due date is written as German writes days."""
    email = "person8@post.example"
    ref = confirmed(installation, browser(installation, "de"), email, "access")
    due = installation.kept.requests.view(ref).line.due_on
    assert due is not None
    assert long_day(due, "de") in " ".join(plain_text(read_mails(installation.root, email)[-1]).split())
    assert catalogue("de").gettext("Kind regards") == "Freundliche Grüße"


def test_every_marked_message_is_taken_up() -> None:
    """Extraction looks into no f-string, so a message marked there would stay English unseen."""
    taken = messages()
    for path in (path for room in ("dsr", "web", "policies") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "mark":
                assert ast.literal_eval(node.args[0]) in taken, (path, ast.unparse(node))
