"""Pages of people whom the host application hands over, the link that stops a deletion, and by post: walked as people do."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.clock import day_in
from core.settings_file import load_settings
from dsr.states import State
from tests.handoff_keys import claims, signed, with_handoff
from tests.request_desk import count_of, hand_on, read_mails, text_of
from tests.web_installation import CONFIGURATION, POLICY, Installation, csrf_of, open_installation
from web.security import limiter

SERVED = POLICY.replace("right: access, within: P30D", "right: access, within: P30D, self_service: true").replace(
    "right: deletion, within: P30D", "right: deletion, within: P30D, self_service: true"
)
HAND_OFF = "/requests/hand-off"
PERSON = "person{}@post.example"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all, in two languages; each test has a person of its own."""
    root = tmp_path_factory.mktemp("handoff") / "kept"
    configuration = with_handoff(CONFIGURATION.replace("languages: [en]", "languages: [en, de]"), root)
    with open_installation(root, configuration=configuration, publish=False) as made:
        made.publish(SERVED)
        limiter.reset()
        yield made


def token(number: int, **changes: object) -> str:
    return signed(claims(str(number), PERSON.format(number), **changes))  # type: ignore[arg-type]


def soup(answer: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def passed(answer: TestResponse) -> str:
    """What the form of somebody who was handed over goes on with."""
    field = soup(answer).find("input", {"name": "pass"})
    assert field is not None
    return str(field["value"])


def asked(client: FlaskClient, number: int, *rights: str) -> str:
    """The reference of what somebody asked for from their account."""
    form = client.post(HAND_OFF, data={"token": token(number)})
    sent = client.post(HAND_OFF, data={"pass": passed(form), "right": list(rights), "country": "DE"})
    assert sent.status_code == 302, sent.get_data(as_text=True)
    return sent.location.rpartition("/")[2].partition("?")[0]


def test_an_account_holder_gets_their_copy_without_a_mail_that_proves_anything(installation: Installation) -> None:
    """The application's form posts from elsewhere and needs no cookie; the form has the address, masked; after it the page of
    the request is open; the clause makes the copy with nobody in the console."""
    client = installation.client()
    form = client.post(HAND_OFF, data={"token": token(11)}, headers={"Origin": "https://shop.example"})
    assert form.status_code == 200
    assert "Set-Cookie" not in form.headers
    assert form.headers["Cache-Control"] == "no-store"
    words = soup(form).get_text(" ")
    assert "p•••••@post.example" in words
    assert PERSON.format(11) not in form.get_data(as_text=True)
    sent = client.post(HAND_OFF, data={"pass": passed(form), "right": "access"})
    page = client.get(sent.location)
    assert "How far we are" in page.get_data(as_text=True)
    hand_on(installation.kept)
    again = soup(client.get(sent.location)).get_text(" ")
    assert "Your copy is ready" in again
    subjects = [str(mail["Subject"]) for mail in read_mails(installation.root, PERSON.format(11))]
    assert len(subjects) == 2
    assert not any("Did you ask" in one for one in subjects)


def test_a_token_in_an_address_acts_on_nothing_before_its_button(installation: Installation) -> None:
    """GET and HEAD show a page, as often as anybody looks; the button takes the person in, once."""
    client, said = installation.client(), token(12)
    for _ in range(3):
        page = client.get(f"{HAND_OFF}?token={quote(said)}")
        assert "Go on as p•••••@post.example" in soup(page).get_text(" ")
        assert client.head(f"{HAND_OFF}?token={quote(said)}").status_code == 200
    assert "Nothing else has to be proven" in client.post(HAND_OFF, data={"token": said}).get_data(as_text=True)
    replayed = client.post(HAND_OFF, data={"token": said})
    assert (replayed.status_code, "it works once" in replayed.get_data(as_text=True)) == (400, True)


def test_what_is_refused_says_in_plain_words_what_to_do(installation: Installation) -> None:
    """From the future, expired, for others, unsigned, nothing, a megabyte: a page with the way on, in two languages; no form
    of it opens anything."""
    client, now = installation.client(), datetime.now(UTC)
    later = int((now + timedelta(minutes=5)).timestamp())
    for said in (
        token(13, iat=later, exp=later + 60),
        token(13, exp=1),
        token(13, aud="https://x.example"),
        "a.b.c",
        "",
    ):
        answer = client.post(HAND_OFF, data={"token": said})
        page = soup(answer).get_text(" ")
        assert (answer.status_code, "What to do now" in page, "Use the form" in page) == (400, True, True)
    german = client.post(f"{HAND_OFF}?lang=de", data={"token": "a.b.c"}).get_data(as_text=True)
    assert "Was Sie jetzt tun können" in german
    assert client.post(HAND_OFF, data={"token": "x" * 1_000_000}).status_code == 413
    assert client.post(HAND_OFF, data={"pass": "made-up", "right": "access"}).status_code == 404
    form = client.post(HAND_OFF, data={"token": token(13)})
    wrong = client.post(HAND_OFF, data={"pass": passed(form), "country": "Germany"})
    assert (wrong.status_code, "Choose what we should do." in wrong.get_data(as_text=True)) == (400, True)


def test_a_deletion_is_stopped_by_its_link_and_by_nothing_that_only_looks(installation: Installation) -> None:
    """The mail names the day; looking changes nothing; the button withdraws; a second press says that the link is over."""
    client = installation.client()
    ref = asked(client, 14, "deletion")
    hand_on(installation.kept)
    mail = text_of(read_mails(installation.root, PERSON.format(14))[-1])
    found = re.search(r"https?://[^\s/]+(/requests/keep/\S+)", mail)
    assert found
    other = installation.client()
    assert "Keep your data?" in other.get(found[1]).get_data(as_text=True)
    assert installation.kept.requests.view(ref).state is State.PLANNED
    assert other.post(found[1], data={"nonce": "none"}).status_code == 400
    nonce = soup(other.get(found[1])).find("input", {"name": "nonce"})
    assert nonce is not None
    assert "Nothing is deleted" in other.post(found[1], data={"nonce": nonce["value"]}).get_data(as_text=True)
    assert installation.kept.requests.view(ref).state is State.WITHDRAWN
    assert other.get(found[1]).status_code == 404
    assert count_of(installation, "users", 14) == 1


def test_the_example_hands_somebody_over(installation: Installation, tmp_path: Path) -> None:
    """The script of the gateway makes its key, prints a form, and what it signs is taken by the settings that docs name."""
    script = Path(__file__).parent.parent / "examples" / "gateway" / "hand_off.py"
    key = installation.root / "example.key"
    given = ["--key", str(key), "--user", "15", "--email", PERSON.format(15), "--issuer", "https://shop.example"]
    printed = subprocess.run([sys.executable, str(script), *given], capture_output=True, text=True, check=True).stdout
    said = re.search(r'name="token" value="([^"]+)"', printed)
    assert said
    assert 'action="http://127.0.0.1:8080/requests/hand-off"' in printed
    path = installation.root / "kept.yaml"
    changed = tmp_path / "kept.yaml"
    changed.write_text(path.read_text().replace("file:handoff.pem", f"file:{key.with_suffix('.pem')}"))
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secret.key").write_bytes((installation.root / "var" / "secret.key").read_bytes())
    settings = load_settings(changed).handoff
    assert settings is not None
    from dsr.handoff import HandOffs

    desk = installation.kept.requests.handoffs._desk
    assert HandOffs(desk, settings).check(said[1]).email.reveal() == PERSON.format(15)


def test_a_caller_without_mail_is_written_down_and_answered_by_post(installation: Installation) -> None:
    """An operator opens two rights of one call with its hour and a scan, says how the caller showed who they are, prints the
    letter, and writes down that it was posted; Home asks for it until then."""
    client = installation.signed_in()
    page = "/console/requests/new"
    day = datetime.now(UTC) - timedelta(days=1)
    given = {
        "csrf_token": csrf_of(client, page), "right": ["access", "deletion"], "channel": "phone", "received": f"{day:%Y-%m-%d}",
        "received_time": "09:15", "postal_address": "Erika Muster\nAm Markt 1\n10115 Berlin", "language": "de",
        "note": "She wants all of it.", "files": (io.BytesIO(b"%PDF-1.4 scan"), "letter.pdf"),
    }  # fmt: skip
    opened = client.post(page, data=given, content_type="multipart/form-data")
    assert opened.status_code == 302, soup(opened).get_text(" ")
    ref = opened.location.rpartition("/")[2]
    view = installation.kept.requests.view(ref)
    assert (view.line.channel, view.line.received_at.astimezone(UTC).minute) == ("phone", 15)
    assert any(one.files for one in view.messages)
    ticket = soup(client.get(opened.location)).get_text(" ")
    assert all(
        words in ticket for words in ("somebody without an e-mail address", "Am Markt 1", "She wants all of it.")
    )
    shown = {"csrf_token": csrf_of(client, opened.location), "shown_how": "Rang back", "found_by_user_id": "16"}
    assert client.post(f"{opened.location}/post/identity", data=shown).status_code == 302
    assert "to print and post" in soup(client.get("/console/")).get_text(" ")
    look = installation.kept.requests.by_post.look(ref)
    assert look is not None
    letter = look.waiting[0]
    paper = client.get(f"{opened.location}/post/{letter.id}.pdf")
    assert (paper.mimetype, paper.data[:5]) == ("application/pdf", b"%PDF-")
    sent = {
        "csrf_token": csrf_of(client, opened.location),
        "sent_on": day_in(datetime.now(UTC), "Europe/Berlin").isoformat(),
    }
    assert client.post(f"{opened.location}/post/{letter.id}/sent", data=sent).status_code == 302
    assert installation.client().post(f"{opened.location}/post/identity").status_code in (302, 400, 401)


def test_an_hour_to_come_and_nobody_to_answer_are_refused_on_the_form(installation: Installation) -> None:
    """What cannot be used stands beside its field, and nothing is opened."""
    client, page = installation.signed_in(), "/console/requests/new"
    before = installation.kept.requests.count_states()
    later = datetime.now(UTC) + timedelta(days=1)
    for wrong in (
        {"received": f"{later:%Y-%m-%d}", "received_time": "09:00", "email": PERSON.format(17)},
        {"received": "yesterday", "email": PERSON.format(17)},
        {"received": "2026-01-01", "received_time": "25:00", "email": PERSON.format(17)},
        {"received": f"{datetime.now(UTC):%Y-%m-%d}"},
    ):
        given = {"csrf_token": csrf_of(client, page), "right": "access", "channel": "letter", **wrong}
        assert client.post(page, data=given).status_code == 400, wrong
    assert installation.kept.requests.count_states() == before
