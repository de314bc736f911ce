"""The clock of a request as people see it: acts on the ticket, the open question on the person's page, what is overdue on Home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.clock import day_in
from core.words import long_day
from tests.request_desk import CODE, SOURCES, find, hand_on, read_mails, received, text_of
from tests.web_installation import AGENT, CONFIGURATION, Installation, csrf_of, open_installation

NONCE = re.compile(r'name="nonce" value="([^"]+)"')


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A small installation whose pages are offered in English and German."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    with open_installation(tmp_path_factory.mktemp("clock") / "kept", configuration=configuration) as opened:
        yield opened


@pytest.fixture(scope="module")
def operator(installation: Installation) -> FlaskClient:
    """An agent, signed in: the clock of a request is an agent's work."""
    return installation.signed_in(AGENT)


def words(answer: TestResponse) -> str:
    """The words of a page, white space squeezed."""
    return " ".join(BeautifulSoup(answer.get_data(as_text=True), "html.parser").get_text(" ").split())


def page(client: FlaskClient, ref: str) -> BeautifulSoup:
    return BeautifulSoup(client.get(f"/console/requests/{ref}").get_data(as_text=True), "html.parser")


def do(client: FlaskClient, ref: str, act: str, **data: str) -> TestResponse:
    at = f"/console/requests/{ref}"
    return client.post(f"{at}/{act}", data={"csrf_token": csrf_of(client, at), **data}, follow_redirects=True)


def forms(tree: BeautifulSoup) -> set[str]:
    """The acts of the clock that the page offers."""
    offered = {str(form["action"]).rpartition("/")[2] for form in tree.select("aside form")}
    return offered & {"ask", "answered", "extend", "fee", "fee-paid"}


def opened(installation: Installation, ref: str, email: str) -> FlaskClient:
    """A browser with the person's page open."""
    client = installation.client()
    client.environ_base.update(REMOTE_ADDR=next(SOURCES))
    nonce = NONCE.search(client.get(f"/requests/{ref}").get_data(as_text=True))
    assert nonce
    client.post(f"/requests/{ref}/code", data={"nonce": nonce[1]})
    hand_on(installation.kept)
    code = find(CODE, installation.root, email)
    assert client.post(f"/requests/{ref}/open", data={"nonce": nonce[1], "code": code}).status_code == 302
    return client


def test_an_operator_asks_and_the_person_answers_on_their_page(
    installation: Installation, operator: FlaskClient
) -> None:
    """The ticket says that the clock stands and offers no second question; the person's page says what is waited for, and
    their message starts the clock again."""
    email = "person21@post.example"
    ref = received(installation, email)
    assert forms(page(operator, ref)) == {"ask", "extend", "fee"}
    empty = do(operator, ref, "ask", question=" ", about="clarification")
    assert empty.status_code == 400
    assert "There is nothing to send." in words(empty)
    asked = words(do(operator, ref, "ask", question="Which of your two accounts?", about="identity"))
    assert "Waits for the person’s answer asked" in asked
    assert "the clock stands" in asked
    assert forms(page(operator, ref)) == {"answered", "extend", "fee"}
    client = opened(installation, ref, email)
    said = words(client.get(f"/requests/{ref}"))
    assert "We wait for your answer" in said
    assert "You do not need to do anything" not in said
    assert "Which of your two accounts?" in said
    installation.kept.requests.messages.write_as_person(ref, _grant(client, ref), words="The older one.")
    said = words(client.get(f"/requests/{ref}"))
    assert "We wait for your answer" not in said
    assert "The question is answered" in said
    assert "The question was answered" in words(operator.get(f"/console/requests/{ref}"))
    assert "ask" in forms(page(operator, ref))


def _grant(client: FlaskClient, ref: str) -> str:
    with client.session_transaction() as session:
        return str(session["request_pages"][ref])


def test_an_extension_shows_its_day_before_it_is_told(installation: Installation, operator: FlaskClient) -> None:
    """The button names the day; afterwards the reckoning says when it was told, the mail why, and it is offered no more."""
    email = "person22@post.example"
    ref = received(installation, email)
    due = installation.kept.requests.view(ref).clock.extended_due
    assert due is not None
    button = page(operator, ref).select_one("#extend button")
    assert button is not None
    assert button.get_text() == f"Extend to {long_day(due)}"
    missing = do(operator, ref, "extend", extension_reason="")
    assert missing.status_code == 400
    assert "Say why it takes longer" in words(missing)
    done = words(do(operator, ref, "extend", extension_reason="A tape has to be read back."))
    assert "Told that it takes longer" in done
    assert "extend" not in forms(page(operator, ref))
    hand_on(installation.kept)
    assert "A tape has to be read back." in text_of(read_mails(installation.root, email)[-1])


def test_a_fee_and_days_that_cannot_be_are_answered_on_the_ticket(
    installation: Installation, operator: FlaskClient
) -> None:
    """An amount is needed, a payment before the announcement is refused, what is no day too: each with what to write."""
    ref = received(installation, "person23@post.example")
    assert "with its currency" in words(do(operator, ref, "fee", amount=" ", fee_reason="The fifth this week."))
    assert "A fee was announced" in words(do(operator, ref, "fee", amount="8 EUR", fee_reason="The fifth this week."))
    for day in ("2020-01-01", "soon"):
        refused = do(operator, ref, "fee-paid", fee_day=day)
        assert refused.status_code == 400
        assert "Give one from" in words(refused) or "is not a day" in words(refused)
    assert "The fee was paid" in words(do(operator, ref, "fee-paid", fee_day=""))


def test_what_is_overdue_stands_first_on_home_on_the_list_and_on_the_board(
    installation: Installation, operator: FlaskClient
) -> None:
    """Whatever it waits for, once and not twice, with how long; a test is nobody's work."""
    requests, now = installation.kept.requests, installation.kept.clock.now()
    refs = [
        requests.open_by_hand(
            email="person24@post.example", right="access", received_at=now - timedelta(days=50), channel="letter",
            by="system", is_test=is_test,
        )
        for is_test in (False, True)
    ]  # fmt: skip
    home = BeautifulSoup(operator.get("/console/").get_data(as_text=True), "html.parser")
    titles = [" ".join(one.get_text(" ").split()) for one in home.select(".todo a.who, .todo b, .todo h3")]
    said = " ".join(home.get_text(" ").split())
    assert titles[0] == f"Overdue: Access, {refs[0]}"
    assert sum(refs[0] in one for one in titles) == 1
    assert refs[1] not in said
    overdue = BeautifulSoup(operator.get("/console/requests?state=overdue").get_data(as_text=True), "html.parser")
    assert refs[0] in overdue.get_text(" ")
    row = next(one for one in installation.kept.board().clauses if one.clause_id == "access")
    assert row.state.value == "broken"
    installation.kept.alarms.check()
    alarms = {one.alarm.title for one in installation.kept.board().alarms}
    assert f"Request {refs[0]} is overdue" in alarms
    assert f"Request {refs[1]} is overdue" not in alarms
    requests.withdraw(refs[0], by="system", why="Asked by phone.")
    installation.kept.alarms.check()
    assert not {one.alarm.title for one in installation.kept.board().alarms} & {f"Request {refs[0]} is overdue"}


def test_a_person_reads_in_german_what_is_waited_for(installation: Installation) -> None:
    """The alert, the steps and the reckoning of an open question and of an extension are in the language of the form."""
    email, requests = "person25@post.example", installation.kept.requests
    requests.submit_form(email=email, right="access", source=next(SOURCES), language="de")
    hand_on(installation.kept)
    link = find(re.compile(r"/requests/confirm/([\w-]+)"), installation.root, email)
    ref = requests.confirm(link, source=next(SOURCES))
    hand_on(installation.kept)
    requests.clocks.ask(ref, by="system", words="Welches Konto?")
    requests.clocks.extend(ref, by="system", reason="Ein Band muss eingelesen werden.")
    said = words(opened(installation, ref, email).get(f"/requests/{ref}"))
    for part in (
        "Wir warten auf Ihre Antwort",
        "rückt der Tag unten mit jedem Tag weiter",
        "die Frist ruht",
        "Mitgeteilt, dass es länger dauert",
    ):
        assert part in said
    today = day_in(installation.kept.clock.now(), "Europe/Berlin")
    assert requests.view(ref).clock.question_on == today
