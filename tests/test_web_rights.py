"""The rights that change no record, walked against the running application: form, link, page, operator, answer, host application."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.operators import create_token
from core.personal import Personal
from dsr.states import State
from policies.consents import NewConsent
from tests.request_desk import CONFIRM_LINK, SOURCES, find, hand_on, read_mails, text_of
from tests.test_web_person import at_new_address, opened
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    CONFIGURATION,
    POLICY,
    Installation,
    csrf_of,
    open_installation,
    post,
    read,
)
from web.security import limiter

RIGHTS = """\
  - {id: correction, kind: right, right: correction, within: P30D, silent: true}
  - {id: opting-out, kind: right, right: opt_out, within: by_law, silent: true}
  - {id: objection, kind: right, right: objection, within: P30D, silent: true}
  - {id: withdrawal, kind: right, right: withdraw_consent, within: at_once, silent: true}
  - {id: restriction, kind: right, right: restriction, within: P30D, silent: true}
  - {id: portability, kind: right, right: portability, within: P30D, silent: true}
  - {id: limiting, kind: right, right: limit_sensitive, within: by_law, silent: true}
  - {id: complaint, kind: right, right: complaint, within: by_law, silent: true}
  - {id: appeal, kind: right, right: appeal, within: by_law, regimes: [virginia], silent: true}
  - {id: news, kind: purpose, of: [account], why: [our newsletter], basis: consent, silent: true}
  - {id: safety, kind: purpose, of: [request_log], why: [stopping abuse], basis: legitimate_interests,
     interest: a service that works, silent: true}
"""
EVERY_RIGHT = (
    POLICY.replace("regimes: [gdpr]", "regimes: [gdpr, uk_gdpr, ccpa, virginia]")
    .replace("  - {id: complaint, kind: right, right: complaint, to: authority}\n", RIGHTS)
    .replace('to an authority.{{ clause("complaint").cite }}', "to us.")
)
PEOPLE = itertools.count(3)  # each with an account, and requests of their own


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    root = tmp_path_factory.mktemp("rights") / "kept"
    with open_installation(root, publish=False, configuration=configuration) as made:
        made.publish(EVERY_RIGHT)
        yield made


def somebody() -> tuple[str, str]:
    """A person nobody was yet: their address, and the id of their account."""
    number = next(PEOPLE)
    return f"person{number}@post.example", str(number)


def sent(installation: Installation, email: str, right: str, **typed: str) -> TestResponse:
    """The form, sent from a network that nobody used."""
    limiter.reset()
    client = at_new_address(installation)
    answer = client.post("/requests/new", data={"right": right, "email": email, "country": "DE", **typed})
    hand_on(installation.kept)
    return answer


def pressed(installation: Installation, email: str, right: str, **typed: str) -> str:
    """A request by the form whose link was pressed, and all that follows by itself; gives its reference."""
    answer = sent(installation, email, right, **typed)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/requests/sent")
    link = find(CONFIRM_LINK, installation.root, email)
    ref = installation.kept.requests.confirm(link.rpartition("/")[2], source=next(SOURCES))
    hand_on(installation.kept)
    return ref


def act(installation: Installation, ref: str, deed: str, who: str = AGENT, **typed: str) -> TestResponse:
    """An operator's deed on the page of a request, by its form."""
    client = installation.signed_in(who)
    answer = post(client, f"/console/requests/{ref}/{deed}", f"/console/requests/{ref}", **typed)
    hand_on(installation.kept)
    return answer


def newest(installation: Installation, email: str) -> str:
    return " ".join(text_of(read_mails(installation.root, email)[-1]).split())


def state_of(installation: Installation, ref: str) -> State:
    return installation.kept.requests.view(ref).state


def by_api(installation: Installation, address: str, *scopes: str) -> TestResponse:
    kept = installation.kept
    with kept.database.begin() as session:
        token = create_token(session, name="shop", scopes=frozenset(scopes), now=kept.clock.now())
    return installation.client().get(f"/api/v1{address}", headers={"Authorization": f"Bearer {token}"})


def person_page(installation: Installation, ref: str, email: str) -> tuple[FlaskClient, BeautifulSoup]:
    client = at_new_address(installation)
    opened(installation, client, ref, email)
    return client, BeautifulSoup(client.get(f"/requests/{ref}").get_data(as_text=True), "html.parser")


def test_the_form_offers_every_right_with_what_it_does(installation: Installation) -> None:
    """Most used first, each with a line; what a right asks beside it; an appeal begins elsewhere, and the page says where."""
    page = BeautifulSoup(installation.client().get("/requests/new").get_data(as_text=True), "html.parser")
    offered = [str(one["value"]) for one in page.find_all("input", attrs={"name": "right"})]
    assert offered == [
        "access", "deletion", "correction", "opt_out", "objection", "withdraw_consent", "restriction", "portability",
        "limit_sensitive", "complaint",
    ]  # fmt: skip
    for one in page.find_all("input", attrs={"name": "right"}):
        assert one.parent is not None
        assert one.parent.find("span") is not None, one["value"]
    for name, count in (("opt_out", 3), ("about", 2), ("ground", 4)):
        assert len(page.find_all("input", attrs={"name": name})) == count
    assert "open the page of that request" in page.get_text()


@pytest.mark.parametrize(
    ("right", "field"), [("opt_out", "opt_out"), ("objection", "about"), ("restriction", "ground")]
)
def test_a_right_that_asks_for_more_is_sent_with_it(installation: Installation, right: str, field: str) -> None:
    """Without the choice the form comes back with one thing to put right, and nothing is mailed."""
    email, _ = somebody()
    answer = sent(installation, email, right)
    assert answer.status_code == 400
    page = BeautifulSoup(answer.get_data(as_text=True), "html.parser")
    assert page.find(id=f"{field}-e") is not None
    assert not read_mails(installation.root, email)


def test_an_opt_out_from_form_to_answer(installation: Installation) -> None:
    """Form, link, list, mail, page: no operator anywhere; the page says what was done."""
    email, account = somebody()
    ref = pressed(installation, email, "opt_out", opt_out="both")
    assert state_of(installation, ref) is State.ANSWERED
    assert "We do not sell or share your data." in newest(installation, email)
    with installation.kept.database.read() as session:
        for purpose in ("sale_sharing", "marketing"):
            value = Personal(account)
            assert installation.kept.suppressions.holds(session, kind="user_id", value=value, purpose=purpose)
    _, page = person_page(installation, ref, email)
    assert "We do not sell or share your data." in page.get_text()


def test_in_california_the_page_after_the_form_says_that_it_is_done(installation: Installation) -> None:
    """No link, and the same page and mail for an address that nobody knows; the ticket says that nobody was looked for."""
    for email in (somebody()[0], "nobody.knows@post.example"):
        answer = sent(installation, email, "opt_out", opt_out="sale_sharing", country="US", subdivision="CA")
        assert answer.headers["Location"] == "/requests/sent?done=yes"
        assert "Your choice is carried out" in newest(installation, email)
        assert "/requests/confirm" not in newest(installation, email)
    page = installation.client().get("/requests/sent?done=yes").get_data(as_text=True)
    assert "We are doing it" in page


def test_a_restriction_is_planned_on_the_page_done_and_read_by_the_host_application(installation: Installation) -> None:
    """The page says what will be done before it is; then the API knows it, with its scope, and by no address."""
    email, account = somebody()
    ref = pressed(installation, email, "restriction", ground="claims")
    page = read(installation, f"/console/requests/{ref}", AGENT)
    assert "A hold named “restriction” keeps the records" in page.get_text()
    assert act(installation, ref, "restrict", restriction_ground="").status_code == 302  # what the person chose counts
    assert state_of(installation, ref) is State.ANSWERED
    told = by_api(installation, f"/restrictions/{account}", "restrictions:read").get_json()
    assert (told["restricted"], told["everything"], told["subject"]) == (True, True, account)
    assert "ref" not in told
    assert by_api(installation, f"/restrictions/{account}", "consents:read").status_code == 403
    assert by_api(installation, f"/restrictions/{email}", "restrictions:read").status_code == 400
    assert by_api(installation, "/restrictions/nobody", "restrictions:read").get_json()["restricted"] is False
    feed = by_api(installation, "/restrictions?after=0", "restrictions:read").get_json()
    assert [one["subject"] for one in feed["restrictions"]][-1] == account
    assert email not in str(feed)
    assert by_api(installation, "/restrictions?after=soon", "restrictions:read").status_code == 400
    assert act(installation, ref, "lift", lift_words="").status_code == 400
    assert act(installation, ref, "lift", lift_words="Your claim is settled.").status_code == 302
    assert "Your claim is settled." in newest(installation, email)
    assert act(installation, ref, "lift", lift_words="Again.").status_code == 409
    assert act(installation, ref, "keep-restriction", keep_words="Not yet.").status_code == 302
    assert "everything stays as it was" in newest(installation, email)


def test_an_objection_is_weighed_by_an_operator(installation: Installation) -> None:
    """What is stopped is chosen from the policy; meanwhile the data can only be stored; nothing chosen is refused."""
    email, account = somebody()
    ref = pressed(installation, email, "objection", about="other", details="I moved.")
    assert act(installation, ref, "restrict-meanwhile").status_code == 302
    assert act(installation, ref, "objection").status_code == 400
    assert act(installation, ref, "objection", purpose="safety").status_code == 302
    assert "We no longer use your data for this: stopping abuse." in newest(installation, email)
    told = by_api(installation, f"/restrictions/{account}", "restrictions:read").get_json()
    assert (told["objects_to"], told["restricted"]) == (["safety"], True)


def test_an_objection_to_advertising_has_no_button_to_refuse_it(installation: Installation) -> None:
    """It was done before anybody looked; one by letter is one button away."""
    email, _ = somebody()
    ref = pressed(installation, email, "objection", about="other")
    assert act(installation, ref, "advertising").status_code == 302
    assert "We send you no advertising." in newest(installation, email)
    other, _ = somebody()
    done = pressed(installation, other, "objection", about="marketing")
    assert state_of(installation, done) is State.ANSWERED


def test_a_withdrawn_consent_is_read_by_the_host_application_at_once(installation: Installation) -> None:
    """The consent API says so, and the mail names what it was to and offers a deletion."""
    email, account = somebody()
    given = NewConsent(subject=Personal(account), purpose="news", given=True, channel="web", text="Yes")
    installation.kept.consents.record(given, actor="tok")
    pressed(installation, email, "withdraw_consent")
    assert by_api(installation, f"/consents/{account}/news", "consents:read").get_json()["given"] is False
    assert "our newsletter" in newest(installation, email)
    assert "/requests/new" in newest(installation, email)


def test_a_complaint_is_answered_on_its_page(installation: Installation) -> None:
    """Outcome and reasons are both asked for; the answer names where else to go."""
    email, _ = somebody()
    ref = pressed(installation, email, "complaint", details="You wrote to me at night.")
    assert act(installation, ref, "complaint", complaint_outcome="", reasons="Because.").status_code == 400
    assert (
        act(installation, ref, "complaint", complaint_outcome="right", reasons="It was our clock.").status_code == 302
    )
    assert "your complaint is right" in newest(installation, email)
    assert "complain to the authority" in newest(installation, email)


def test_an_appeal_from_the_page_of_a_refused_request(installation: Installation) -> None:
    """Offered there, opened once, decided by somebody else; overturned, the right is open again, and the pages lead to each other."""
    email, _ = somebody()
    first = pressed(installation, email, "access", country="US", subdivision="VA")
    refused = act(installation, first, "refuse", ground="unfounded", reason="Asked yesterday.")
    assert refused.status_code == 302
    client, page = person_page(installation, first, email)
    assert "looked at again" in page.get_text()
    data = {"csrf_token": csrf_of(client, f"/requests/{first}"), "appeal_words": "I did not."}
    assert client.post(f"/requests/{first}/appeal", data=data).status_code == 302
    hand_on(installation.kept)
    ref = installation.kept.requests.appeals.view(first).appeal_ref
    assert ref in client.get(f"/requests/{first}").get_data(as_text=True)
    client.post(f"/requests/{first}/appeal", data=data)
    assert "was appealed already" in client.get(f"/requests/{first}").get_data(as_text=True)
    mine = read(installation, f"/console/requests/{ref}", AGENT)
    assert "You decided it the first time" in mine.get_text()
    assert act(installation, ref, "decide-appeal", appeal_outcome="upheld", appeal_reasons="No.").status_code == 409
    typed = {"appeal_outcome": "overturned", "appeal_reasons": "You are right."}
    assert act(installation, ref, "decide-appeal", ADMINISTRATOR, **typed).status_code == 302
    fresh = installation.kept.requests.appeals.view(ref).reopened_ref
    assert state_of(installation, fresh) is State.RECEIVED
    texts = " ".join(" ".join(text_of(one).split()) for one in read_mails(installation.root, email))
    assert f"goes on as request {fresh}" in texts
    assert "Attorney General of Virginia" in texts
    assert act(installation, ref, "appeal", ADMINISTRATOR).status_code == 409
    assert "looked at again" not in person_page(installation, ref, email)[1].get_text()


def test_nobody_appeals_without_the_page_open(installation: Installation) -> None:
    """A browser without the code gets the page that asks for one, whatever the reference."""
    client = at_new_address(installation)
    token = csrf_of(installation.signed_in(AGENT), "/console/requests/new")
    for ref in ("KEPT-0000", pressed(installation, somebody()[0], "access", country="US", subdivision="VA")):
        assert client.post(f"/requests/{ref}/appeal", data={"csrf_token": token}).status_code in (400, 403)


def test_these_deeds_are_an_operators(installation: Installation) -> None:
    """Without a sign-in each of them leads to the sign-in page and changes nothing."""
    ref = pressed(installation, somebody()[0], "restriction", ground="claims")
    deeds = ("carry-out", "restrict", "objection", "advertising", "restrict-meanwhile", "complaint", "lift",
             "keep-restriction", "appeal", "appeal-of", "decide-appeal")  # fmt: skip
    for deed in deeds:
        assert installation.client().post(f"/console/requests/{ref}/{deed}").status_code in (302, 400), deed
    assert state_of(installation, ref) is State.RECEIVED


def test_the_answers_are_german_for_who_asked_in_german(installation: Installation) -> None:
    """Form, mail and page."""
    email, _ = somebody()
    client = at_new_address(installation)
    page = client.get("/requests/new?lang=de").get_data(as_text=True)
    assert "Werbung" in page
    client.post(
        "/requests/new?lang=de", data={"right": "opt_out", "email": email, "country": "DE", "opt_out": "marketing"}
    )
    hand_on(installation.kept)
    link = find(CONFIRM_LINK, installation.root, email)
    installation.kept.requests.confirm(link.rpartition("/")[2], source=next(SOURCES))
    hand_on(installation.kept)
    assert "Wir schicken Ihnen keine Werbung" in newest(installation, email)
