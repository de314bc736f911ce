"""The outbox and the words of mails in the console: every state shown, retried and given up by who may, words tried, kept and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from core.errors import Conflict
from core.outbox import Event, OutboxRow
from notify.mail import queue_mail
from notify.mail_kinds import KINDS
from notify.tables import MailState, MailTryRow, SentMailRow
from notify.wording import WordsRefused
from notify.wording_tables import MailWordingRow
from tests.conftest import OpenPage, Viewport
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    CONFIGURATION,
    PASSWORD,
    Installation,
    open_installation,
    post,
    read,
    serve,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANNA = "anna.quill@post.example"
VARIABLES = {
    "controller": {"name": "Lanternway", "email": "privacy@lanternway.example"},
    "ref": "K7F3Q-2MXB", "right_words": "Send me a copy of my data", "due": "Friday, 19 June 2026", "received": "20 May 2026",
    "link": "http://127.0.0.1:8080/requests/K7F3Q-2MXB",
}  # fmt: skip
ARE_WORDS = "/console/mails/request_received"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One in English and German, with a mail in every state."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    with open_installation(tmp_path_factory.mktemp("outbox"), configuration=configuration) as opened:
        for state in MailState:
            add_mail(opened, state)
        yield opened


def add_mail(installation: Installation, state: MailState, *, to: str = ANNA) -> str:
    """A mail that came to a state by hand."""
    kept = installation.kept
    now = kept.clock.now()
    with kept.database.begin() as session:
        mail_id = queue_mail(
            session, event="request_received", to=to, variables=VARIABLES, now=now, reply_ref="K7F3Q-2MXB"
        )
        session.flush()
        row = session.get_one(SentMailRow, mail_id)
        row.state = state.value
        if state is not MailState.QUEUED:
            row.attempts, row.why = 2, "The mail server did not answer."
            row.next_at = now + timedelta(minutes=4) if state is MailState.WAITING else None
            session.add(MailTryRow(mail_id=mail_id, at=now, state=state.value, trouble=row.why, by=""))
    return mail_id


def events_of(installation: Installation, mail_id: str) -> OutboxRow:
    with installation.kept.database.read() as session:
        return session.get_one(OutboxRow, mail_id)


# the outbox


def test_the_outbox_lists_every_mail_with_its_state_and_what_needs_somebody(installation: Installation) -> None:
    """Each state has a word; the filter stands in the address; what nothing settles by itself is counted in the rail."""
    page = read(installation, "/console/outbox").get_text(" ")
    for word in ("Queued", "Waiting", "Sending", "Uncertain", "Sent", "Refused", "Bounced", "Declined", "Given up"):
        assert word in page
    assert "The mail server did not answer." in page
    assert "Some mails need somebody" in page
    one = read(installation, "/console/outbox?state=bounced")
    assert len(one.select("tbody tr")) == 1
    assert "Bounced" in one.select_one("tbody").get_text(" ")  # type: ignore[union-attr]
    rail = read(installation, "/console/").select_one('nav.rail a[href="/console/outbox"] .count')
    assert rail is not None
    assert int(rail.get_text()) >= 4
    assert installation.signed_in().get("/console/outbox?state=lost").status_code == 400


def test_an_old_trouble_and_one_that_a_person_ended_are_not_counted(tmp_path: Path) -> None:
    """A count that never goes down is read by nobody."""
    with open_installation(tmp_path) as opened:
        assert "No mail has gone out yet" in read(opened, "/console/outbox").get_text(" ")
        old, ended = add_mail(opened, MailState.BOUNCED), add_mail(opened, MailState.UNCERTAIN)
        opened.kept.outbox.give_up(ended, by="opr_x")
        with opened.kept.database.begin() as session:
            session.get_one(SentMailRow, old).at -= timedelta(days=31)
        assert read(opened, "/console/").select_one('nav.rail a[href="/console/outbox"] .count') is None


def test_one_mail_shows_its_tries_and_why_it_has_no_text(installation: Installation) -> None:
    """Who it is to, what was tried and when, what it is for; never a blank where the text would stand."""
    page = read(installation, f"/console/outbox/{add_mail(installation, MailState.WAITING)}").get_text(" ")
    for words in (ANNA, "K7F3Q-2MXB", "an answer", "Next try", "There is no text to show", "We have the request"):
        assert words in page, words
    assert installation.signed_in().get("/console/outbox/evt_nothing").status_code == 404


def test_a_mail_that_was_handed_over_is_shown_as_it_was_sent(installation: Installation) -> None:
    """Headers and text as the server got them; the HTML stays out of the page."""
    kept = installation.kept
    with kept.database.begin() as session:
        mail_id = queue_mail(session, event="request_received", to=ANNA, variables=VARIABLES, now=kept.clock.now())
    payload = events_of(installation, mail_id)
    kept.mailer.deliver(Event(id=mail_id, kind="mail", payload=dict(payload.payload), created_at=payload.created_at))
    answer = read(installation, f"/console/outbox/{mail_id}")
    page = answer.get_text(" ")
    assert "We have your request K7F3Q-2MXB" in page
    assert "you hear from us by friday, 19 june 2026" in " ".join(page.lower().split())
    assert "Message-ID" in page
    assert not answer.select("main [style]")


def test_only_who_works_on_requests_retries_or_gives_up_and_only_what_can_be(installation: Installation) -> None:
    """POST with a token; it is noted who did it, and a mail that left is neither tried again nor ended."""
    mail_id = add_mail(installation, MailState.WAITING)
    address, client = f"/console/outbox/{mail_id}", installation.signed_in(AGENT)
    assert client.get(f"{address}/retry").status_code in (404, 405)
    assert client.post(f"{address}/retry").status_code == 400
    assert post(client, f"{address}/retry", address).status_code == 302
    assert "By Tom Ackerby." in read(installation, address).get_text(" ")
    assert post(client, f"{address}/give-up", address).status_code == 302
    assert "Given up" in read(installation, address).get_text(" ")
    gone = add_mail(installation, MailState.SENT)
    refused = post(client, f"/console/outbox/{gone}/give-up", "/console/outbox")
    assert refused.status_code == 409
    assert "This mail is sent" in refused.get_data(as_text=True)
    nobody = installation.client()
    assert nobody.post(f"{address}/retry").status_code in (302, 400)


def test_only_an_uncertain_mail_can_be_said_to_have_arrived(installation: Installation) -> None:
    """A person settles what no machine knows, and it stands there who it was."""
    address = f"/console/outbox/{add_mail(installation, MailState.UNCERTAIN)}"
    assert installation.client().post(f"{address}/arrived").status_code in (302, 400)
    client = installation.signed_in(AGENT)
    assert "It arrived" in client.get(address).get_data(as_text=True)
    assert client.get(f"{address}/arrived").status_code in (404, 405)
    assert post(client, f"{address}/arrived", address).status_code == 302
    page = read(installation, address)
    assert "Found to have arrived, by hand. By Tom Ackerby." in page.get_text(" ")
    assert page.select_one(f'form[action="{address}/arrived"]') is None
    assert post(client, f"{address}/arrived", "/console/outbox").status_code == 409


# the words


def test_every_mail_is_shown_with_example_data_in_every_language(installation: Installation) -> None:
    """The list names each; its page has the text, and a frame with the HTML that may do nothing."""
    listed = read(installation, "/console/mails")
    links = {str(one["href"]) for one in listed.select("tbody a.who")}
    assert links == {f"/console/mails/{event}" for event in KINDS}
    client = installation.signed_in(AGENT)
    for number, event in enumerate(KINDS):  # that each can be written, test_mail_words says
        if number % 3:
            continue
        if number % 9 == 0:
            assert client.get(f"/console/mails/{event}?language=de").status_code == 200, event
        framed = client.get(f"/console/mails/{event}/html?language=de")
        assert framed.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert "<!doctype html>" in framed.get_data(as_text=True)
    german = client.get(f"{ARE_WORDS}?language=de")
    assert "Guten Tag," in german.get_data(as_text=True)
    assert "frame-src 'self'" in german.headers["Content-Security-Policy"]
    assert client.get("/console/mails/no_such_mail").status_code == 404
    assert "frame-src" not in client.get("/console/mails").headers["Content-Security-Policy"]


def change(installation: Installation, act: str = "save", who: str = ADMINISTRATOR, **blocks: str) -> tuple[int, str]:
    client, address = installation.signed_in(who), f"{ARE_WORDS}?language=de"
    desk = installation.kept.wordings
    typed = {**desk.originals("request_received", "de"), **blocks}
    number = str(desk.current("request_received", "de").number)
    answer = post(client, ARE_WORDS, address, language="de", act=act, number=number, **typed)
    return answer.status_code, answer.get_data(as_text=True)


def test_words_are_looked_at_first_then_hold_with_who_and_when_and_go_back_in_one_click(
    installation: Installation,
) -> None:
    """A preview changes nothing; saved words are in the next mail, in the list of changes and in the ledger, without the words."""
    kept = installation.kept
    own = {"lead": "Ihr Anliegen {request} vom {received} ist da.", "closing": "Ihre\nInes Vogelsang, {controller}"}
    status, page = change(installation, "try", **own)
    assert status == 200
    assert "These words do not hold yet" in page
    assert "Ihr Anliegen" in page
    assert kept.wordings.current("request_received", "de").number == 0
    status, _ = change(installation, **own)
    assert status == 302
    message = kept.mailer.render("request_received", "de", to=ANNA, event_id="evt_9", variables=VARIABLES)
    text = message.get_body(("plain",))
    assert text is not None
    assert "Ihr Anliegen Send me a copy of my data vom 20 May 2026 ist da." in " ".join(text.get_content().split())
    assert kept.wordings.current("request_received", "de").blocks == own  # what is as the original is not kept
    assert "Ada Vogelsang" in read(installation, f"{ARE_WORDS}?language=de").get_text(" ")
    assert "German" in read(installation, "/console/mails").get_text(" ")
    kept.ledger.settle()
    with kept.database.read() as session:
        private = session.execute(
            sa.text(
                "SELECT private FROM ledger_private p JOIN ledger_entries e ON e.id = p.entry_id WHERE e.kind = 'mail.worded'"
            )
        ).scalar_one()
    assert "Anliegen" not in str(private)
    client = installation.signed_in()
    answer = post(client, f"{ARE_WORDS}/original", f"{ARE_WORDS}?language=de", language="de", number="1")
    assert answer.status_code == 302
    assert kept.wordings.preview("request_received", "de").text.startswith("Guten Tag,\n\nwir haben Ihre Anfrage")
    assert [one.number for one in kept.wordings.versions("request_received", "de")] == [2, 1]


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ({"subject": "Angekommen"}, "The subject has to name the reference of the request ({ref})."),
        ({"lead": "Es ist da."}, "no longer says the day it came in ({received}) and what was asked for ({request})"),
        ({"closing": "Gruß"}, "no longer says the name of the controller ({controller})"),
        ({"foot": "Fragen? {email}"}, "no longer says where to complain ({complaint})"),
        ({"foot": "{complaint}"}, "no longer says the address for questions ({email})"),
        ({"lead": "{request} {received} {surname}"}, "This mail has no {surname}. It has: {ref}"),
        ({"lead": "{request} {received} {{ 7 }}"}, "has a brace that belongs to no name"),
        ({"note": "x" * 2_001}, "has more than 2000 characters"),
        ({"subject": "{ref} {request} " + "x" * 60}, "the subject has more than 78 characters"),
    ],
)
def test_words_that_leave_out_what_a_mail_has_to_say_are_refused_by_name(
    installation: Installation, blocks: dict[str, str], says: str
) -> None:
    """The error names what is missing, what was typed stays in the form, and nothing is kept."""
    before = installation.kept.wordings.current("request_received", "de")
    status, page = change(installation, **blocks)
    assert status == 400
    assert says in re.sub(r"&#\d+;|&[a-z]+;", "'", page)
    assert installation.kept.wordings.current("request_received", "de") == before


def test_two_who_change_words_at_once_do_not_overwrite_each_other(installation: Installation) -> None:
    """The second one hears of it, and still has what they typed."""
    desk = installation.kept.wordings
    before = desk.current("task_asked", "en").number
    desk.save("task_asked", "en", {"note": "One."}, by="opr_a", after=before)
    with pytest.raises(Conflict, match="Somebody changed these words meanwhile"):
        desk.save("task_asked", "en", {"note": "Two."}, by="opr_b", after=before)
    assert desk.current("task_asked", "en").blocks == {"note": "One."}


def test_words_belong_to_administrators_and_to_mails_that_may_be_worded(installation: Installation) -> None:
    """An agent looks; a mail to operators stays as it is."""
    client = installation.signed_in(AGENT)
    page = client.get(ARE_WORDS).get_data(as_text=True)
    assert "Save these words" not in page
    assert "An administrator may change them." in page
    assert post(client, ARE_WORDS, "/console/outbox", note="x").status_code == 403
    administrator = installation.signed_in()
    assert post(administrator, "/console/mails/alarm_raised", "/console/outbox", note="x").status_code == 400
    with pytest.raises(WordsRefused):
        installation.kept.wordings.clean("request_received", "en", {"lead": "x"})


def test_words_that_a_new_release_would_refuse_are_named_on_their_page(installation: Installation) -> None:
    """They hold on, since a mail is never late for its wording; who looks at them sees what they leave out."""
    kept = installation.kept
    with kept.database.begin() as session:
        row = MailWordingRow(
            id="mwd_1", event="request_refused", language="en", number=1, blocks={"subject": "No"}, at=kept.clock.now(), by="system"
        )  # fmt: skip
        session.add(row)
    page = read(installation, "/console/mails/request_refused?language=en").get_text(" ")
    assert "The words that hold leave something out" in page
    assert "The subject has to name the reference of the request ({ref})." in page


@pytest.mark.browser
def test_the_pages_keep_their_width_and_the_frame_shows_the_mail(installation: Installation, page: OpenPage) -> None:
    """In Chromium, on a phone and on a desk: nothing is blocked but what is meant to be, and typed words appear in the frame."""
    with serve(installation.app) as base:
        opened: Page = page(Viewport.PHONE)
        opened.goto(f"{base}/console/sign-in")
        opened.fill("#email", ADMINISTRATOR)
        opened.fill("#password", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{base}/console/")
        mail = add_mail(installation, MailState.UNCERTAIN)
        for address in ("/console/outbox", f"/console/outbox/{mail}", "/console/mails", f"{ARE_WORDS}?language=de"):
            opened.goto(base + address)
            for width in (1440, 390):
                opened.set_viewport_size({"width": width, "height": 844})
                assert opened.evaluate("document.documentElement.scrollWidth") <= width, address
        frame = opened.frame(name="mail-html")
        assert frame is not None
        assert "Guten Tag," in frame.locator("body").inner_text()
        opened.fill("#lead", "Neu: {request}, {received}.")
        opened.click("text=Show it in the HTML")
        frame.wait_for_selector("text=Neu:")
