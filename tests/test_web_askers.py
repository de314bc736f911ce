"""Asking for somebody else on the pages: the form without scripts, links that act by a button only, what operators may, passing on."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from dsr.states import State
from tests.kept_commands import run_command
from tests.request_desk import find, hand_on, read_mails, received, text_of
from tests.test_person_languages import require_german
from tests.test_web_person import NONCE, at_new_address, opened
from tests.web_installation import ADMINISTRATOR, CONFIGURATION, POLICY, Installation, csrf_of, open_installation, read

ASKER_LINK = re.compile(r"https?://[^\s/]+(/requests/asker/[\w-]+)")
PERSON_LINK = re.compile(r"https?://[^\s/]+(/requests/for-me/[\w-]+)")
AGENT = "robin@agents.example"
CUSTOMER = "dpo@customer.example"
CLAUSES = (
    "  - {id: for-customers, kind: processor, forward_to: 'mailto:dpo@customer.example', within: P5D}\n"
    "  - {id: for-others, kind: processor, forward_to: 'https://others.example/privacy', within: P9D}\n"
    "  - {id: age, kind: age_limit, minimum: 16}\n"
)
SAID = (
    '\nRequests about data of a customer{{ clause("for-customers").cite }} or of others{{ clause("for-others").cite }} are '
    'passed on. You are at least 16.{{ clause("age").cite }}\n'
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway under the laws of Europe and of California, in two languages, with customers and a least age."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    root = tmp_path_factory.mktemp("askers") / "kept"
    with open_installation(root, configuration=configuration, publish=False) as made:
        text = POLICY.replace("regimes: [gdpr]", "regimes: [gdpr, ccpa]").replace(
            "---\nLanternway", f"{CLAUSES}---\nLanternway"
        )
        made.publish(text + SAID)
        yield made


def asked(client: FlaskClient, person: str, *, kind: str = "agent", contact: str = AGENT, **more: str) -> int:
    """Send the form for somebody else, as a browser without scripts does."""
    given = {"right": "access", "asks_for": kind, "asker_name": "Robin Agent", "asker_email": contact, "email": person}
    return client.post("/requests/new", data=given | more).status_code


def press(client: FlaskClient, link: str, **data: str | tuple[io.BytesIO, str]) -> str:
    """Press a button of the page behind a link; gives the page after it."""
    found = NONCE.search(client.get(link).get_data(as_text=True))
    assert found, link
    answer = client.post(
        link, data={"nonce": found[1], **data}, content_type="multipart/form-data", follow_redirects=True
    )
    assert answer.status_code in (200, 400), answer.status_code
    return answer.get_data(as_text=True)


def proven(installation: Installation, client: FlaskClient, person: str, **given: str) -> tuple[str, str]:
    """A request whose asker pressed their link: its reference and the link."""
    assert asked(client, person, **given) == 302
    hand_on(installation.kept)
    link = find(ASKER_LINK, installation.root, given.get("contact", AGENT))
    press(client, link, act="prove")
    hand_on(installation.kept)
    newest = installation.kept.requests.list_tickets(search=person)
    return max(newest, key=lambda one: one.received_at).ref, link


def act(client: FlaskClient, ref: str, what: str, **data: str) -> int:
    """Send a form of the ticket's page."""
    page = f"/console/requests/{ref}"
    return client.post(f"{page}/{what}", data={"csrf_token": csrf_of(client, page), **data}).status_code


def words_of(page: str) -> str:
    return " ".join(BeautifulSoup(page, "html.parser").get_text(" ").split())


def test_the_form_asks_no_more_than_is_needed_and_says_what_is_missing(installation: Installation) -> None:
    """Who asks for themselves fills in nothing more, whatever stands in the fields for others; who asks for somebody else
    gives their own name and address, and gets each gap shown at its field."""
    client = at_new_address(installation)
    page = BeautifulSoup(client.get("/requests/new").get_data(as_text=True), "html.parser")
    chosen = [str(one["value"]) for one in page.select("[name=asks_for]")]
    assert chosen == ["self", "agent", "parent", "guardian"]
    assert [str(one["value"]) for one in page.select("[name=asks_for][checked]")] == ["self"]
    assert not page.select("[name=asker_name][required], script[src*=asker]")
    assert asked(client, "person3@post.example", kind="self", contact="no address") == 302
    wrong = client.post("/requests/new", data={"right": "access", "asks_for": "agent", "email": "person3@post.example"})
    assert wrong.status_code == 400
    shown = BeautifulSoup(wrong.get_data(as_text=True), "html.parser")
    assert {str(one["id"]) for one in shown.select("[aria-invalid=true]")} == {"asker_name", "asker_email"}


def test_an_agent_and_the_person_press_buttons_and_the_operator_looks(installation: Installation) -> None:
    """Looking at the links changes nothing; the papers come to the operator alone; once both are there the plan can be
    approved, and the page of the agent says nothing of what was found."""
    person, client = "person5@post.example", at_new_address(installation)
    assert asked(client, person) == 302
    hand_on(installation.kept)
    link = find(ASKER_LINK, installation.root, AGENT)
    for _ in range(2):
        assert "Did you ask for somebody else?" in client.get(link).get_data(as_text=True)
    assert not read_mails(installation.root, person)
    assert client.post(link, data={"act": "prove"}).status_code == 400
    ref, link = proven(installation, client, person)
    assert "There is no file" in press(client, link, act="hand_in")
    page = press(client, link, act="hand_in", words="", files=(io.BytesIO(b"%PDF-1.7 I permit it"), "permission.pdf"))
    assert "We have what you handed in" in page
    assert person not in page
    console = installation.signed_in()
    desk = words_of(console.get(f"/console/requests/{ref}").get_data(as_text=True))
    assert "Robin Agent" in desk
    assert "permission.pdf" in desk
    assert "has not shown that they may" in desk
    mine = find(PERSON_LINK, installation.root, person)
    assert "calls themselves Robin Agent" in words_of(client.get(mine).get_data(as_text=True))
    assert "We go on with it" in press(client, mine, act="confirm")
    assert client.get(mine).status_code == 404
    hand_on(installation.kept)
    assert act(console, ref, "asker/shown", asker_item="permission", asker_note="") == 400
    assert act(console, ref, "asker/shown", asker_item="permission", asker_note="Signed", asker_until="tomorrow") == 400
    assert act(console, ref, "asker/shown", asker_item="permission", asker_note="Signed on 1 June") == 302
    assert act(console, ref, "plan") == 302
    installation.kept.requests.approve(ref, by="system")
    hand_on(installation.kept)
    assert installation.kept.requests.view(ref).state is State.ANSWERED
    closed = client.get(link).get_data(as_text=True)
    assert "The request is closed" in closed
    assert "access" not in closed
    desk = words_of(console.get(f"/console/requests/{ref}").get_data(as_text=True))
    assert "permission.pdf" not in desk
    assert "The files are deleted" in desk
    assert "that the request is closed" in desk


def test_i_know_nothing_of_this_ends_it_from_the_mail_and_from_the_page(installation: Installation) -> None:
    """From the mail's page an agent's request is refused; from the person's own page a permission is taken back; each link
    is then gone, and a stranger's page is not opened by it."""
    person, client = "person6@post.example", at_new_address(installation)
    ref, _ = proven(installation, client, person)
    mine = find(PERSON_LINK, installation.root, person)
    assert "It is stopped" in press(client, mine, act="deny")
    assert client.get(mine).status_code == 404
    assert installation.kept.requests.view(ref).state is State.REFUSED
    other, _ = proven(installation, client, "person7@post.example")
    press(client, find(PERSON_LINK, installation.root, "person7@post.example"), act="confirm")
    browser = at_new_address(installation)
    assert browser.post(f"/requests/{other}/asker").status_code in (400, 403)
    page = opened(installation, browser, other, "person7@post.example")
    assert "Robin Agent asks for you" in words_of(page)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    assert browser.post(f"/requests/{other}/asker", data={"csrf_token": token[1]}).status_code == 302
    assert installation.kept.requests.view(other).state is State.REFUSED
    assert installation.kept.requests.view(other).outcome["ground"] == "no_permission"


def test_pages_and_mails_of_an_asker_are_the_same_for_a_stranger(installation: Installation) -> None:
    """Status, size and headers of the form, of the asker's page and of the person's, with an account and without one."""
    seen = []
    for person in ("person8@post.example", "persona@post.example"):
        client, agent = at_new_address(installation), f"a.{person[:7]}@agents.example"
        assert asked(client, person, contact=agent) == 302
        hand_on(installation.kept)
        link = find(ASKER_LINK, installation.root, agent)
        press(client, link, act="prove")
        hand_on(installation.kept)
        pages = [client.get(one) for one in (link, find(PERSON_LINK, installation.root, person))]
        seen.append([(one.status_code, len(one.data), sorted(one.headers.keys())) for one in pages])
    assert seen[0] == seen[1]


def test_the_pages_are_german_for_who_reads_german(installation: Installation) -> None:
    """Form, asker's page, the person's link, and the mails to both."""
    client, person, agent = at_new_address(installation), "person9@post.example", "a9@agents.example"
    require_german(BeautifulSoup(client.get("/requests/new?lang=de").get_data(as_text=True), "html.parser"))
    given = {"right": "access", "asks_for": "parent", "asker_name": "Xaver", "asker_email": agent, "email": person}
    assert client.post("/requests/new?lang=de", data=given).status_code == 302
    hand_on(installation.kept)
    link = find(ASKER_LINK, installation.root, agent)
    press(client, link, act="prove")
    hand_on(installation.kept)
    for one in (link, find(PERSON_LINK, installation.root, person)):
        require_german(BeautifulSoup(client.get(one).get_data(as_text=True), "html.parser"))
    assert "Ihre Mutter oder Ihr Vater zu sein" in " ".join(text_of(read_mails(installation.root, person)[-1]).split())


def test_a_request_about_a_customers_data_is_passed_on_in_the_agreements_time(installation: Installation) -> None:
    """Five days from the day it came in; the customer gets what the person gave, the person hears who decides, and a
    customer without a mail address is told by hand."""
    kept, console, person = installation.kept, installation.signed_in(), "person10@post.example"
    ref = received(installation, person, details="I was a guest of Acme in May.")
    assert act(console, ref, "forward") == 409
    assert act(console, ref, "customer", customer="age") == 400
    assert act(console, ref, "customer", customer="for-customers") == 302
    view = kept.requests.view(ref)
    assert (view.due_on - view.line.received_at.date()) <= timedelta(days=6)
    assert act(console, ref, "forward") == 302
    hand_on(kept)
    assert kept.requests.view(ref).state is State.FORWARDED
    told = " ".join(text_of(read_mails(installation.root, CUSTOMER)[-1]).split())
    assert person in told
    assert "I was a guest of Acme in May." in told
    assert CUSTOMER in text_of(read_mails(installation.root, person)[-1])
    assert act(console, ref, "note", text="They called.") == 302
    other = received(installation, "person11@post.example")
    assert act(console, other, "customer", customer="for-others") == 302
    assert act(console, other, "forward") == 400
    assert act(console, other, "forward", forward_how="Typed into their form") == 302
    assert "passed on" in words_of(console.get(f"/console/requests/{other}").get_data(as_text=True)).lower()


def test_a_child_under_the_policys_age_needs_control_of_the_account_only_to_erase_it(
    installation: Installation,
) -> None:
    """The least age of the policy stands on the ticket; a copy still takes a parent under California's law."""
    console, requests = installation.signed_in(), installation.kept.requests
    deletion = received(installation, "person12@post.example", right="deletion")
    requests.set_regime(deletion, regime="ccpa", by="system")
    assert requests.view(deletion).proof.missing
    assert act(console, deletion, "minor", minor="under_13") == 302
    assert requests.view(deletion).proof.missing == ""
    assert "least age is 16" in str(read(installation, f"/console/requests/{deletion}"))
    copy = received(installation, "person13@post.example")
    requests.set_regime(copy, regime="ccpa", by="system")
    assert act(console, copy, "minor", minor="under_13") == 302
    assert "a parent or guardian asks" in requests.view(copy).proof.missing


def test_operators_write_down_heirs_and_lawyers_and_nobody_else_can(installation: Installation) -> None:
    """By the page and by the command; without a sign-in nothing of it is reached."""
    console, ref = installation.signed_in(), received(installation, "person14@post.example")
    for what in (
        "asker",
        "asker/shown",
        "asker/taken-back",
        "asker/answer",
        "asker/go-on",
        "asker/mail",
        "minor",
        "customer",
    ):
        assert at_new_address(installation).post(f"/console/requests/{ref}/{what}").status_code in (302, 400, 401, 403)
    assert installation.kept.requests.asker_panel(ref).asker is None
    assert act(console, ref, "asker", asker_kind="self") == 400
    assert act(console, ref, "asker", asker_kind="lawyer", asker_name="Lena Law") == 302
    assert "mandate" in installation.kept.requests.asker_panel(ref).missing
    assert act(console, ref, "asker/shown", asker_item="mandate", asker_note="Signed 3 May") == 302
    assert installation.kept.requests.asker_panel(ref).missing == ""
    assert ADMINISTRATOR not in str(installation.kept.requests.asker_panel(ref).told)


def test_a_letter_of_an_agent_is_opened_with_who_wrote_it(installation: Installation) -> None:
    """Both get a mail of their own, and the person is not asked whether they wrote it; a name is needed, an address is not."""
    console, person = installation.signed_in(), "person15@post.example"
    page = "/console/requests/new"
    day = installation.kept.clock.now().date().isoformat()
    given = {"email": person, "right": "access", "channel": "letter", "received": day, "asker_kind": "lawyer"}
    wrong = console.post(page, data={"csrf_token": csrf_of(console, page), **given})
    assert wrong.status_code == 400
    assert "Give your own name" in words_of(wrong.get_data(as_text=True))
    given |= {"asker_name": "Lena Law", "asker_email": "lena@law.example"}
    assert console.post(page, data={"csrf_token": csrf_of(console, page), **given}).status_code == 302
    hand_on(installation.kept)
    assert find(ASKER_LINK, installation.root, "lena@law.example")
    mails = read_mails(installation.root, person)
    assert len(mails) == 1
    assert "as your lawyer" in " ".join(text_of(mails[0]).split())
    ref = installation.kept.requests.list_tickets(search=person)[0].ref
    told = console.get(f"/console/requests/{ref}").get_data(as_text=True)
    assert "Waits until it is shown that they may ask" in told
    code, out = command(installation, "request", "asker", "show", ref)
    assert code == 1
    assert "mandate" in out
    command(
        installation, "request", "asker", "shown", ref, "mandate", "--note", "Signed 3 May", "--until", "2099-01-01"
    )
    assert command(installation, "request", "asker", "show", ref)[0] == 0


def command(installation: Installation, *words: str) -> tuple[int, str]:
    """A command of `kept`, as an operator types it."""
    done = run_command(installation.root, *words)
    return done.returncode, done.stdout
