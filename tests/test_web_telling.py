"""Recipients in the console, on their own page behind a link, and on the person's page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from core.clock import day_in
from dsr.telling_views import Ground, TellingState
from policies.documents import parse_document
from policies.recipients import RecipientChange, recipient_events
from tests.kept_commands import run_command
from tests.request_desk import SOURCES, hand_on, text_of
from tests.servers import run_smtp
from tests.task_rooms import nonce_of, press, send_form
from tests.telling_rooms import GROQ, MAILER, WITH_RECIPIENTS, Rooms, open_rooms
from tests.web_installation import AGENT, csrf_of, post, read
from web.security import limiter

PEOPLE = iter(f"person{number}@post.example" for number in range(3, 41))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    with run_smtp() as smtp, open_rooms(tmp_path_factory.mktemp("told") / "in" / "kept", smtp) as rooms:
        yield rooms


@pytest.fixture
def rooms(opened: Rooms) -> Rooms:
    limiter.reset()
    return opened


def test_the_operator_sees_before_the_approval_what_is_passed_on(rooms: Rooms) -> None:
    """The card names each recipient, how it is told, and by which identifier it finds the person; nothing is sent yet."""
    address = next(PEOPLE)
    ref = rooms.planned(address)
    card = read(rooms.installation, f"/console/requests/{ref}").select_one("[aria-labelledby=f-told]")
    assert card
    words = " ".join(card.get_text(" ").split())
    assert "Groq Will be told by mail to privacy@groq.example · request log, account gets user id" in words
    assert f"gets email {address} , to find the person there gets data only when you asked for our letter" in words
    assert "The policy does not say how it is told." in words
    page = read(rooms.installation, f"/console/tasks/told/{rooms.told(ref)['Groq'].id}").get_text(" ")
    assert "Nothing is sent yet" in page
    assert "Remind" not in page.partition("What they are told")[0]


def test_a_recipient_answers_on_its_page_and_everybody_sees_it(rooms: Rooms) -> None:
    """GET and HEAD change nothing; a foreign form and a third answer are refused; done with a file stands everywhere."""
    address = next(PEOPLE)
    ref = rooms.done(address)
    client, link = rooms.installation.client(), rooms.link(GROQ)
    page = client.get(link)
    assert client.head(link).status_code == 200
    text = page.get_data(as_text=True)
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "Set-Cookie" not in page.headers
    assert address not in text, "no more than it takes to find the person"
    assert client.post(link, data={"act": "done"}).status_code == 400
    assert client.post(link, data={"act": "done", "nonce": "0" * 64}).status_code == 400
    assert press(client, link, "explode").status_code == 400
    empty = press(client, link, "cannot", reason=" ")
    assert (empty.status_code, "A refusal needs a reason." in empty.get_data(as_text=True)) == (400, True)
    assert rooms.told(ref)["Groq"].state is TellingState.ASKED
    nonce = nonce_of(client.get(link))
    answer = press(client, link, "done", note="Gone, and from backups in 30 days.", file=("proof.txt", b"ok"))
    assert "You need to do nothing more." in answer.get_data(as_text=True)
    assert client.get(link).status_code == 404
    assert client.post(link, data={"nonce": nonce, "act": "nothing"}).status_code == 404
    line = rooms.told(ref)["Groq"]
    shown = read(rooms.installation, f"/console/tasks/told/{line.id}").get_text(" ")
    assert "Gone, and from backups in 30 days." in shown
    file = rooms.installation.signed_in(AGENT).get(f"/console/tasks/told/{line.id}/files/{line.files[0].id}")
    assert (file.get_data(), file.headers["Content-Disposition"].partition(";")[0]) == (b"ok", "attachment")
    card = read(rooms.installation, f"/console/requests/{ref}").get_text(" ")
    assert "Done there" in card
    told = person_page(rooms, ref, address)
    assert "Who else got this data" in told
    assert "they answered that it is deleted" in told


def person_page(rooms: Rooms, ref: str, address: str) -> str:
    """The person's page, opened with a code."""
    client, requests = rooms.installation.client(), rooms.installation.kept.requests
    requests.ask_code(ref, source=next(SOURCES))
    page = client.get(f"/requests/{ref}?sent=yes")
    client.post(f"/requests/{ref}/open", data={"nonce": nonce_of(page), "code": rooms.code(address)})
    return " ".join(client.get(f"/requests/{ref}").get_data(as_text=True).split())


def test_one_link_cannot_answer_for_somebody_else(rooms: Rooms) -> None:
    """The nonce of one link is worth nothing at another, and an id in the form is not looked at."""
    ref = rooms.done(next(PEOPLE))
    client, groq, letters = rooms.installation.client(), rooms.link(GROQ), rooms.link(MAILER)
    nonce, other = nonce_of(client.get(groq)), rooms.told(ref)["Letterbox"].id
    assert send_form(client, letters, {"nonce": nonce, "act": "done"}).status_code == 400
    assert (
        send_form(client, groq, {"nonce": nonce, "act": "nothing", "telling_id": other, "id": other}).status_code == 200
    )
    assert rooms.told(ref)["Groq"].state is TellingState.NOTHING_HELD
    assert rooms.told(ref)["Letterbox"].state is TellingState.ASKED
    assert client.get(groq.replace("/tasks/told/", "/tasks/")).status_code == 404
    assert client.get(letters.replace("/tasks/told/", "/tasks/")).status_code == 404


def test_what_waits_for_an_operator_is_on_home_in_the_list_and_done_there(rooms: Rooms) -> None:
    """To be told by hand: one line of Home each, a list, a form that names a day and words; a reader may not act."""
    told = rooms.installation.kept.requests.told
    for one in told.lines():  # Home names the five that are due first
        told.excuse(one.id, by="opr_1", ground=Ground.NOT_GIVEN, reason="Of another test.")
    ref = rooms.done(next(PEOPLE))
    adviser = rooms.told(ref)["Our adviser"]
    assert f"Tell Our adviser, {ref}" in read(rooms.installation, "/console/").get_text(" ")
    assert "Recipients to tell" in read(rooms.installation, "/console/tasks").get_text(" ")
    client, at = rooms.installation.signed_in(AGENT), f"/console/tasks/told/{adviser.id}"
    assert rooms.installation.client().post(f"{at}/by-hand", data={}).status_code in (302, 400)
    token = csrf_of(client, at)
    bad = send_form(client, f"{at}/by-hand", {"csrf_token": token, "day": "soon", "how": "By letter."})
    assert (bad.status_code, "That is no day." in bad.get_data(as_text=True)) == (400, True)
    today = day_in(rooms.installation.kept.clock.now(), "Europe/Berlin").isoformat()
    good = send_form(client, f"{at}/by-hand", {"csrf_token": token, "day": today, "how": "By letter."})
    assert good.status_code == 302
    assert rooms.told(ref)["Our adviser"].state is TellingState.TOLD_BY_HAND
    countly = f"/console/tasks/told/{rooms.told(ref)['Countly Board'].id}"
    assert "Open their form" in read(rooms.installation, countly).get_text(" ")
    assert post(client, f"{countly}/excuse", countly, ground="", reason="x").status_code == 400
    assert post(client, f"{countly}/excuse", countly, ground="effort", reason="a fax only").status_code == 302
    assert rooms.told(ref)["Countly Board"].state is TellingState.EXCUSED
    groq = f"/console/tasks/told/{rooms.told(ref)['Groq'].id}"
    assert post(client, f"{groq}/remind", groq).status_code == 302
    hand_on(rooms.installation.kept)
    assert any("Reminder" in str(mail["Subject"]) for mail in rooms.mails_to(GROQ) if ref in str(mail["Subject"]))
    assert "A recipient was reminded" in read(rooms.installation, f"/console/requests/{ref}").get_text(" ")


def test_a_german_request_is_told_in_german_and_the_page_follows_the_browser(rooms: Rooms) -> None:
    """The person's answer is in their language; the recipient's page in that of whoever opens it."""
    address = next(PEOPLE)
    rooms.done(address, language="de")
    answer = " ".join(text_of(rooms.mails_to(address)[-1]).split())
    assert "Wer diese Daten noch erhalten hat" in answer
    assert "ihre Antwort steht noch aus" in answer
    page = rooms.installation.client().get(f"{rooms.link(GROQ)}?lang=de").get_data(as_text=True)
    assert "Löschen Sie, was Sie von uns über eine Person erhalten haben" in page
    assert "Bestätigen: es ist gelöscht" in page


def test_the_same_from_a_terminal(rooms: Rooms) -> None:
    """The list ends with 0 while nobody is overdue; one thing at a time is written down; what is refused says why."""
    ref = rooms.done(next(PEOPLE))
    listed = run_command(rooms.installation.root, "request", "told", ref, "--json")
    assert (listed.returncode, {one["recipient"] for one in json.loads(listed.stdout)}) == (
        0,
        {"Groq", "Letterbox", "Paywell", "Countly Board", "Our adviser"},
    )
    adviser = rooms.told(ref)["Our adviser"].id
    assert run_command(rooms.installation.root, "request", "tell", adviser, "--remind", "--again").returncode == 2
    done = run_command(
        rooms.installation.root, "request", "tell", adviser, "--not", "effort", "--note", "a fax only", "--json"
    )
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "excused")


def test_a_version_that_changes_recipients_says_so_by_name(rooms: Rooms) -> None:
    """The page of recipients keeps who was there, from when until when; feed and verdict name who comes and goes."""
    version = WITH_RECIPIENTS.replace("name: Faraway,", "name: Nearby,").replace("{id: elsewhere,", "{id: nearby,")
    kept = rooms.installation.kept
    kept.policies.publish(parse_document(version, "small.md"), actor="system")
    kept.policies.tick()
    with kept.database.read() as session:
        events = [(one.change, one.clause.name) for one in recipient_events(kept.policies.versions(session))][-2:]
    assert set(events) == {(RecipientChange.ADDED, "Nearby"), (RecipientChange.REMOVED, "Faraway")}
    page = " ".join(rooms.installation.client().get("/privacy/recipients").get_data(as_text=True).split())
    assert "Nearby is new." in page
    assert "Faraway gets nothing any more. It got data since" in page
    feed = rooms.installation.client().get("/privacy/recipients.atom").get_data(as_text=True)
    assert "Nearby gets data since" in feed
    assert "Faraway gets no data any more since" in feed
    shown = " ".join(rooms.installation.client().get("/privacy/diff/1/2").get_data(as_text=True).split())
    assert "Nearby" in shown
    assert "Faraway" in shown
