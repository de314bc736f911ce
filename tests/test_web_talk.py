"""Messages and files in the browser: who may, what is handed out and how, what is refused with which words."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from dsr.messages import IN
from tests.conftest import OpenPage, Viewport
from tests.kept_commands import run_command
from tests.request_desk import CONFIRM_LINK, find, hand_on, received
from tests.test_web_person import at_new_address, opened
from tests.web_installation import CONFIGURATION, SESSION, Installation, csrf_of, open_installation, serve
from web.security import LARGEST_MESSAGE_FORM

PAGE = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    with open_installation(tmp_path_factory.mktemp("talk") / "kept", configuration=configuration) as made:
        yield made


def on_page(installation: Installation, email: str) -> tuple[FlaskClient, str]:
    """A browser with the page of a new request open; with the request's reference."""
    ref, client = received(installation, email), at_new_address(installation)
    opened(installation, client, ref, email)
    return client, ref


def send(
    client: FlaskClient, address: str, page: str, field: str, words: str, *files: tuple[str, bytes]
) -> TestResponse:
    data: dict[str, Any] = {"csrf_token": csrf_of(client, page), field: words}
    return post_files(client, address, data | {"files": [(io.BytesIO(content), name) for name, content in files]})


def post_files(client: FlaskClient, address: str, data: dict[str, Any]) -> TestResponse:
    """Encoded here: the client of the tests would leave its temporary file open."""
    parts = MultiDict(
        (name, FileStorage(*one) if isinstance(one, tuple) else one)
        for name, given in data.items()
        for one in (given if isinstance(given, list) else [given])
    )
    boundary, body = encode_multipart(parts)
    return client.post(address, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def write(client: FlaskClient, ref: str, words: str, *files: tuple[str, bytes]) -> TestResponse:
    return send(client, f"/requests/{ref}/messages", f"/requests/{ref}", "words", words, *files)


def reply(client: FlaskClient, ref: str, words: str, *files: tuple[str, bytes]) -> TestResponse:
    return send(client, f"/console/requests/{ref}/reply", f"/console/requests/{ref}", "reply", words, *files)


def tree(answer: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def require_download(answer: TestResponse, name: str, content: bytes) -> None:
    """The bytes as they were, of no type, never shown, never kept by anybody on the way."""
    assert answer.status_code == 200
    assert answer.data == content
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert name in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_conversation_in_two_browsers(installation: Installation) -> None:
    """The person writes and attaches, an operator sees it on Home and the ticket, answers; the person reads and fetches it."""
    person, ref = on_page(installation, "person1@post.example")
    assert write(person, ref, "Here is <b>more</b>.\n\nSecond part.", ("page.html", PAGE)).status_code == 302
    shown = tree(person.get(f"/requests/{ref}"))
    assert "Here is <b>more</b>." in shown.get_text()
    assert "Web page" in shown.select_one(".files").get_text()  # type: ignore[union-attr]
    link = str(shown.select_one(".files a")["href"])  # type: ignore[index]
    require_download(person.get(link), "page.html", PAGE)

    tom = installation.signed_in("tom@lanternway.example")
    assert ref in tree(tom.get("/console/")).get_text()
    assert "wrote" in tree(tom.get("/console/")).get_text()
    ticket = tree(tom.get(f"/console/requests/{ref}"))
    assert "nobody has answered" in ticket.get_text()
    assert "Here is <b>more</b>." in ticket.get_text()
    require_download(tom.get(str(ticket.select_one(".files a")["href"])), "page.html", PAGE)  # type: ignore[index]
    assert reply(tom, ref, "Thank you. Look at this.", ("Grüße.pdf", b"%PDF-1.7 x")).status_code == 302
    assert "nobody has answered" not in tom.get(f"/console/requests/{ref}").get_data(as_text=True)

    page = tree(person.get(f"/requests/{ref}"))
    assert "We wrote to you" in page.get_text()
    assert "Thank you. Look at this." in page.get_text()
    assert "Tom" not in page.get_text()  # the controller answers, not a name
    require_download(person.get(str(page.select(".files a")[-1]["href"])), "Gr", b"%PDF-1.7 x")


@pytest.mark.browser
def test_the_conversation_fits_both_screens_and_a_refusal_is_in_sight(
    installation: Installation, page: OpenPage
) -> None:
    """Long names and words widen neither a phone nor a desktop, light or dark; what is wrong is where the browser lands."""
    client, ref = on_page(installation, "person10@post.example")
    write(client, ref, "W" * 90, ("n" * 100 + ".pdf", b"%PDF-"))
    installation.kept.requests.messages.reply(ref, by="system", words="Thank you.\n\n" + "word " * 60)
    cookie = client.get_cookie(SESSION)
    assert cookie is not None
    with serve(installation.app) as base:
        for viewport, dark in ((Viewport.PHONE, True), (Viewport.DESKTOP, False)):
            opened_page = page(viewport, dark=dark)
            opened_page.context.add_cookies([{"name": SESSION, "value": cookie.value, "url": base}])
            opened_page.goto(f"{base}/requests/{ref}")
            assert opened_page.evaluate("document.documentElement.scrollWidth") <= viewport.value[0]
        opened_page.click("button:has-text('Send the message')")
        assert opened_page.url.endswith("#talk")
        assert opened_page.locator("#words-e").is_visible()
        assert opened_page.evaluate("scrollY") > 0


def test_nobody_else_writes_or_fetches_anything(installation: Installation) -> None:
    """Another person's page, a browser without one, no token, nobody signed in: refused, and nothing is written."""
    person, ref = on_page(installation, "person2@post.example")
    other, their_ref = on_page(installation, "person3@post.example")
    stranger = at_new_address(installation)
    write(person, ref, "Mine", ("a.txt", b"mine"))
    file = str(tree(person.get(f"/requests/{ref}")).select_one(".files a")["href"])  # type: ignore[index]
    assert other.get(file).status_code == stranger.get(file).status_code == 403
    assert other.get(file.replace(ref, their_ref)).status_code == 404
    assert person.post(f"/requests/{ref}/messages", data={"words": "No token"}).status_code == 400
    token = csrf_of(other, f"/requests/{their_ref}")
    assert other.post(f"/requests/{ref}/messages", data={"csrf_token": token, "words": "Theirs"}).status_code == 403
    for path in ("reply", "messages/settle", "files/throw-away"):
        assert stranger.post(f"/console/requests/{ref}/{path}").status_code in (302, 400)
    assert stranger.get(f"/console/requests/{ref}/files/{file.rpartition('/')[2]}").status_code == 302
    view = installation.kept.requests.view(ref)
    assert [one.body for one in view.messages if one.direction == IN] == ["Mine"]
    assert view.waiting_messages == 1


def test_what_cannot_be_taken_stands_at_its_form_with_what_was_typed(installation: Installation) -> None:
    """Nothing typed, six files, an empty one, one over 10 MB: the page again, its problem in words, nothing lost of the text."""
    person, ref = on_page(installation, "person4@post.example")
    for words, files, said in (
        ("", [], "Write something"),
        ("Kept words", [("x", b"1")] * 6, "at most 5 files"),
        ("Kept words", [("x", b"")], "A file is empty"),
        ("Kept words", [("x", bytes(10 * 2**20 + 1))], "more than 10 MB"),
    ):
        answer = write(person, ref, words, *files)
        assert answer.status_code == 400
        page = tree(answer)
        assert said in page.select_one(".alert").get_text()  # type: ignore[union-attr]
        assert words in page.select_one("#words").get_text()  # type: ignore[union-attr]
    assert write(person, ref, "Ten", ("ten", bytes(10 * 2**20))).status_code == 302
    tom = installation.signed_in("tom@lanternway.example")
    answer = reply(tom, ref, "Kept too", ("x", b""))
    assert answer.status_code == 400
    assert tree(answer).select_one("#reply-text").get_text() == "Kept too"  # type: ignore[union-attr]


def test_nothing_large_is_read_from_whom_nobody_knows(installation: Installation) -> None:
    """Five files are for who has a page open or is signed in; from anybody else a form is a form, and ends at 256 kB."""
    _, ref = on_page(installation, "person5@post.example")
    stranger = at_new_address(installation)
    for path in (f"/requests/{ref}/messages", f"/console/requests/{ref}/reply"):
        assert post_files(stranger, path, {"files": (io.BytesIO(b"x" * 1_000_000), "x")}).status_code == 413
    assert 5 * 10 * 2**20 < LARGEST_MESSAGE_FORM < 60 * 2**20


def test_the_files_of_a_request_can_be_deleted_with_a_reason(installation: Installation) -> None:
    """Without one nothing goes; after it the page of both sides says that a file was deleted, and its address gives none."""
    person, ref = on_page(installation, "person6@post.example")
    write(person, ref, "My card", ("card.png", b"\x89PNG\r\n\x1a\n"))
    file = str(tree(person.get(f"/requests/{ref}")).select_one(".files a")["href"])  # type: ignore[index]
    tom, address = installation.signed_in("tom@lanternway.example"), f"/console/requests/{ref}"
    token = csrf_of(tom, address)
    empty = tom.post(f"{address}/files/throw-away", data={"csrf_token": token, "files_why": ""})
    assert empty.status_code == 400
    assert person.get(file).status_code == 200
    tom.post(f"{address}/files/throw-away", data={"csrf_token": token, "files_why": "Nobody asked for it."})
    assert person.get(file).status_code == 404
    for page in (person.get(f"/requests/{ref}"), tom.get(address)):
        assert "A file that was deleted" in tree(page).get_text()
        assert "card.png" not in page.get_data(as_text=True)


def test_a_message_that_needs_no_answer_is_settled(installation: Installation) -> None:
    """The line on Home goes, the conversation says who decided it."""
    person, ref = on_page(installation, "person7@post.example")
    write(person, ref, "Thank you.")
    tom, address = installation.signed_in("tom@lanternway.example"), f"/console/requests/{ref}"
    tom.post(f"{address}/messages/settle", data={"csrf_token": csrf_of(tom, address)})
    assert "needs no answer by Tom Ackerby" in tree(tom.get(address)).get_text()
    assert ref not in installation.kept.requests.messages.waiting()


def test_the_page_of_messages_is_german_for_who_asked_in_german(installation: Installation) -> None:
    """Form, hints, kinds of files, sizes and refusals: not a word of ours is English."""
    kept, email = installation.kept, "person8@post.example"
    kept.requests.submit_form(email=email, right="access", source="192.0.2.200", language="de")
    hand_on(kept)
    ref = kept.requests.confirm(find(CONFIRM_LINK, installation.root, email).partition("?")[0].rpartition("/")[2])
    client = at_new_address(installation)
    opened(installation, client, ref, email)
    write(client, ref, "Hallo", ("a.exe", b"MZ1"))
    kept.requests.messages.reply(ref, by="system", words="Guten Tag")
    words = tree(client.get(f"/requests/{ref}")).get_text(" ")
    for said in ("Nachrichten", "Programm", "Schreiben Sie uns", "Nachricht senden", "Wir haben Ihnen geschrieben"):
        assert said in words
    assert not re.search(r"\b(Messages|Program|Write to us|Send the message|You)\b", words)
    assert "Es gibt nichts zu senden" in tree(write(client, ref, "")).get_text(" ")


def test_the_commands_show_answer_and_delete(installation: Installation, tmp_path: Path) -> None:
    """`messages` exits 1 while one waits and writes the files out; `reply` answers; `delete-files` says how many went."""
    person, ref = on_page(installation, "person9@post.example")
    write(person, ref, "Look", ("a.txt", b"mine"))
    told = run_command(installation.root, "request", "messages", ref, "--files", str(tmp_path / "out"), "--json")
    assert told.returncode == 1, told.stderr
    assert [(one["from"], one["words"], one["waits"]) for one in json.loads(told.stdout)] == [("person", "Look", True)]
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [b"mine"]
    assert run_command(installation.root, "request", "reply", ref, "Seen.").returncode == 0
    assert installation.kept.requests.view(ref).waiting_messages == 0
    gone = run_command(installation.root, "request", "delete-files", ref, "--reason", "Not needed.", "--json")
    assert json.loads(gone.stdout)["files"] == 1
