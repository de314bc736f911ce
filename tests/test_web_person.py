"""The pages for one person: what the form says and refuses, that a link alone does nothing, and that nothing can be learned from them."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from freezegun import freeze_time
from werkzeug.test import TestResponse

from core.words import long_day
from dsr.states import State
from tests.request_desk import CODE, CONFIRM_LINK, find, hand_on, read_mails, text_of
from tests.web_installation import Installation, csrf_of, open_installation
from web.security import CSRF_EXEMPT, CSRF_EXEMPT_VIEWS, csrf

SOURCES = (f"203.0.113.{number}" for number in itertools.count(1))
NONCE = re.compile(r'name="nonce" value="([^"]+)"')


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway: forty people of ten requests each."""
    with open_installation(tmp_path_factory.mktemp("person") / "kept") as opened:
        yield opened


@pytest.fixture
def person(installation: Installation) -> FlaskClient:
    """A browser at an address of its own, so that limits by source count for one test only."""
    return at_new_address(installation)


def at_new_address(installation: Installation) -> FlaskClient:
    """A browser that nobody has used, from a network address that nobody has used."""
    client = installation.client()
    client.environ_base["REMOTE_ADDR"] = next(SOURCES)
    return client


def ask(client: FlaskClient, email: str, right: str = "access", **more: str) -> TestResponse:
    """Send the form."""
    return client.post("/requests/new", data={"right": right, "email": email, **more})


def nonce_of(page: str) -> str:
    """The nonce of the form on a page."""
    found = NONCE.search(page)
    assert found
    return found[1]


def confirm_link(installation: Installation, email: str) -> str:
    """The path of the link in the newest mail."""
    hand_on(installation.kept)
    return find(CONFIRM_LINK, installation.root, email)


def confirmed(installation: Installation, client: FlaskClient, email: str, right: str = "access") -> str:
    """A request from the form to the button; gives its reference."""
    ask(client, email, right)
    link = confirm_link(installation, email)
    answer = client.post(link, data={"nonce": nonce_of(client.get(link).get_data(as_text=True))})
    assert answer.status_code == 200
    found = re.search(r'href="/requests/([^"]+)"[^>]*>Open the page', answer.get_data(as_text=True))
    assert found
    return found[1]


def send_code(installation: Installation, client: FlaskClient, ref: str, email: str) -> str:
    """Ask for a code and read it in the mail."""
    nonce = nonce_of(client.get(f"/requests/{ref}").get_data(as_text=True))
    assert client.post(f"/requests/{ref}/code", data={"nonce": nonce}).status_code == 302
    hand_on(installation.kept)
    return find(CODE, installation.root, email)


def opened(installation: Installation, client: FlaskClient, ref: str, email: str) -> str:
    """Open the page of a request with a code; gives its text."""
    code = send_code(installation, client, ref, email)
    nonce = nonce_of(client.get(f"/requests/{ref}?sent=yes").get_data(as_text=True))
    assert client.post(f"/requests/{ref}/open", data={"nonce": nonce, "code": code}).status_code == 302
    return client.get(f"/requests/{ref}").get_data(as_text=True)


def answered(installation: Installation, ref: str) -> None:
    """What operator and job loop do until a request is answered."""
    requests = installation.kept.requests
    requests.make_plan(ref, by="system")
    requests.approve(ref, by="system")
    hand_on(installation.kept)
    assert requests.view(ref).state is State.ANSWERED


def read(answer: TestResponse) -> BeautifulSoup:
    """A page as a tree."""
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


# the form


def test_the_form_offers_the_rights_of_the_policy_and_says_what_comes(
    person: FlaskClient, installation: Installation
) -> None:
    """The choices are the rights in force that can be carried out; the day is the policy's own; no script, no cookie."""
    answer = person.get("/requests/new")
    page = read(answer)
    assert [box["value"] for box in page.select("input[name=right]")] == ["access", "deletion"]
    assert page.select_one("input[name=right][checked]") is None
    day = installation.kept.clock.now() + timedelta(days=30)
    assert any(long_day((day + timedelta(hours=shift)).date()) in page.get_text(" ") for shift in (0, 1, 2))
    assert page.select("script") == []
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_form_without_an_address_comes_back_with_what_was_typed(person: FlaskClient) -> None:
    """The problem stands above the control and is told to it; choice, place and words are kept; nothing is sent."""
    answer = ask(person, "", "deletion", country="DE", details="Since <March>.")
    assert answer.status_code == 400
    page = read(answer)
    field = page.select_one("#email")
    assert field is not None
    assert field["aria-invalid"] == "true"
    about = page.select_one(f"#{str(field['aria-describedby']).split()[-1]}")
    assert about is not None
    assert "name@post.example" in about.get_text()
    assert page.select_one('.alert[role=alert] a[href="#email"]') is not None
    assert page.select_one("input[name=right][value=deletion][checked]") is not None
    assert page.select_one("option[value=DE][selected]") is not None
    words = page.select_one("textarea")
    assert words is not None
    assert "Since <March>." in words.get_text()


@pytest.mark.parametrize(
    "email",
    [
        "marta.post.example",
        "a@b@c",
        "x@",
        "m\x00@post.example",
        "a" * 300 + "@post.example",
        "a@post.example\r\nBcc: x@y.example",
    ],
)
def test_what_is_no_address_is_refused_at_the_field(person: FlaskClient, email: str) -> None:
    """Anything that mail cannot go to, or that would go elsewhere too."""
    answer = ask(person, email)
    assert answer.status_code == 400
    assert read(answer).select_one("#email-e") is not None


def test_a_right_that_is_not_offered_is_refused(person: FlaskClient) -> None:
    """A made-up choice, one that no plan carries out, or none at all."""
    for right in ("", "everything", "correction"):
        answer = ask(person, "marta@post.example", right)
        assert answer.status_code == 400
        assert read(answer).select_one("#right-e") is not None


def test_a_field_of_ten_megabytes_gets_a_page_that_says_so(person: FlaskClient) -> None:
    """413 in words, and the service goes on."""
    answer = ask(person, "marta@post.example", details="x" * 10_000_000)
    assert answer.status_code == 413
    assert "256 kB" in read(answer).get_text(" ")
    assert person.get("/requests/new").status_code == 200


def test_words_that_are_too_many_are_refused_at_their_field(person: FlaskClient) -> None:
    """Under the size of a form and over that of the field: the problem stands there."""
    answer = ask(person, "marta@post.example", details="é" * 6_000)
    assert answer.status_code == 400
    assert read(answer).select_one("#details-e") is not None


def test_nobody_learns_from_the_form_whether_an_address_is_known(installation: Installation) -> None:
    """Same answer, same page, and a mail in both cases whose words differ in the link alone."""
    answers, texts = [], []
    for email in ("person7@post.example", "nobody7@post.example"):
        client = at_new_address(installation)
        answer = ask(client, email)
        sent = client.get(answer.headers["Location"])
        answers.append((answer.status_code, answer.headers["Location"], answer.data, sent.status_code, sent.data))
        hand_on(installation.kept)
        mails = read_mails(installation.root, email)
        assert len(mails) == 1
        texts.append((mails[0]["Subject"], CONFIRM_LINK.sub("LINK", text_of(mails[0]))))
    assert answers[0] == answers[1]
    assert texts[0] == texts[1]
    assert "kept" not in answers[0][1]


def test_one_address_gets_three_links_a_day_and_the_page_stays_the_same(installation: Installation) -> None:
    """The form is no mail cannon: whoever asks, from wherever, the fourth sends nothing and tells nothing."""
    shown = {ask(at_new_address(installation), "often@post.example").headers["Location"] for _ in range(5)}
    hand_on(installation.kept)
    assert shown == {"/requests/sent"}
    assert len(read_mails(installation.root, "often@post.example")) == 3


def test_a_source_that_sends_very_often_is_told_to_wait(person: FlaskClient) -> None:
    """A page in words, not an empty answer."""
    statuses = [ask(person, f"many{number}@post.example").status_code for number in range(25)]
    assert statuses[:20] == [302] * 20
    assert statuses[-1] == 429
    assert "Wait a little" in read(ask(person, "many@post.example")).get_text(" ")


# the link


def test_a_link_alone_changes_nothing(installation: Installation, person: FlaskClient) -> None:
    """GET, HEAD and again GET, as a mail scanner or a preview does: the request stays unconfirmed, the page has one button."""
    ask(person, "person8@post.example", "deletion")
    link = confirm_link(installation, "person8@post.example")
    for _ in range(2):
        page = person.get(link)
        assert page.status_code == 200
        assert person.head(link).status_code == 200
    assert len(read(page).select("form button")) == 1
    assert "Delete my account and my data" in read(page).get_text(" ")
    assert "Set-Cookie" not in page.headers
    assert page.headers["Cache-Control"] == "no-store"
    assert len(read_mails(installation.root, "person8@post.example")) == 1
    assert all(line.contact.reveal() != "person8@post.example" for line in installation.kept.requests.list_tickets())


def test_the_button_needs_the_nonce_of_its_own_link(installation: Installation, person: FlaskClient) -> None:
    """No nonce, a wrong one, or that of another link: refused, and the link still works."""
    links = []
    for email in ("person9@post.example", "person10@post.example"):
        ask(person, email)
        links.append(confirm_link(installation, email))
    other = nonce_of(person.get(links[1]).get_data(as_text=True))
    for nonce in ("", "x", other):
        assert person.post(links[0], data={"nonce": nonce}).status_code == 400
    own = nonce_of(person.get(links[0]).get_data(as_text=True))
    assert person.post(links[0], data={"nonce": own}).status_code == 200


def test_the_button_works_once(installation: Installation, person: FlaskClient) -> None:
    """It shows the reference and the way to its page; pressed again, or opened again, the link says what to do."""
    ask(person, "person11@post.example")
    link = confirm_link(installation, "person11@post.example")
    nonce = nonce_of(person.get(link).get_data(as_text=True))
    first = read(person.post(link, data={"nonce": nonce}))
    assert first.select_one("a.main-act") is not None
    for again in (person.post(link, data={"nonce": nonce}), person.get(link)):
        assert again.status_code == 404
        assert "no longer works" in read(again).get_text(" ")
        assert read(again).select_one('a[href="/requests/new"].main-act') is not None


def test_a_link_that_is_over_its_time_says_so(installation: Installation, person: FlaskClient) -> None:
    """After three days: the same page as for a link that never was, and nothing happens."""
    ask(person, "person12@post.example")
    link = confirm_link(installation, "person12@post.example")
    nonce = nonce_of(person.get(link).get_data(as_text=True))
    with freeze_time(installation.kept.clock.now() + timedelta(days=3, minutes=1)):
        late = person.get(link)
        pressed = person.post(link, data={"nonce": nonce})
        never = person.get("/requests/confirm/" + "x" * 43)
    assert late.status_code == pressed.status_code == never.status_code == 404
    assert late.data == never.data


# the page


def test_an_unknown_reference_looks_like_a_known_one(installation: Installation, person: FlaskClient) -> None:
    """The page, the answer to asking for a code and the answer to a wrong code: the same but for the reference."""
    known, unknown = confirmed(installation, person, "person13@post.example"), "ZZZZZ-ZZZZ"
    shown = []
    for ref in (known, unknown):
        client = at_new_address(installation)
        asks = client.get(f"/requests/{ref}").get_data(as_text=True)
        nonce = nonce_of(asks)
        sends = client.post(f"/requests/{ref}/code", data={"nonce": nonce})
        waits = client.get(sends.headers["Location"]).get_data(as_text=True)
        wrong = client.post(f"/requests/{ref}/open", data={"nonce": nonce, "code": "000 000"})
        pages = [asks, waits, wrong.get_data(as_text=True), sends.headers["Location"]]
        shown.append([page.replace(ref, "REF").replace(nonce, "NONCE") for page in pages] + [str(wrong.status_code)])
    assert shown[0] == shown[1]
    assert "person13" not in "".join(shown[0])


def test_the_page_opens_with_the_code_and_sets_its_cookie_only_then(
    installation: Installation, person: FlaskClient
) -> None:
    """Before the code there is no cookie and nothing to see; after it the page says the day, the way and what comes."""
    ref = confirmed(installation, person, "person14@post.example")
    before = person.get(f"/requests/{ref.lower()}")
    assert "Set-Cookie" not in before.headers
    assert "person14" not in before.get_data(as_text=True)
    page = BeautifulSoup(opened(installation, person, ref, "person14@post.example"), "html.parser")
    assert person.get_cookie("kept_session") is not None
    text = page.get_text(" ")
    assert "You hear from us by" in text
    assert "You showed that the address is yours" in text
    here = page.select_one('.path [aria-current="step"]')
    assert here is not None
    assert "A person looks where your data is" in here.get_text()
    assert person.get(f"/requests/{ref}").headers["Cache-Control"] == "no-store"
    assert at_new_address(installation).get(f"/requests/{ref}").data == before.data


def test_a_code_has_five_tries(installation: Installation, person: FlaskClient) -> None:
    """After five wrong ones the right one does not open the page any more; a new code does."""
    ref = confirmed(installation, person, "person15@post.example")
    code = send_code(installation, person, ref, "person15@post.example")
    nonce = nonce_of(person.get(f"/requests/{ref}?sent=yes").get_data(as_text=True))
    wrong = "111 111" if code != "111 111" else "222 222"
    for _ in range(5):
        assert person.post(f"/requests/{ref}/open", data={"nonce": nonce, "code": wrong}).status_code == 400
    answer = person.post(f"/requests/{ref}/open", data={"nonce": nonce, "code": code})
    assert answer.status_code == 400
    assert read(answer).select_one("#code-e") is not None
    assert "You hear from us by" in opened(installation, person, ref, "person15@post.example")


def test_what_opens_one_request_opens_no_other(installation: Installation, person: FlaskClient) -> None:
    """A session that holds a grant for one request shows the code page for every other, and may do nothing there."""
    mine = confirmed(installation, person, "person16@post.example")
    theirs = confirmed(installation, person, "person17@post.example")
    opened(installation, person, mine, "person16@post.example")
    assert "Send me a code" in person.get(f"/requests/{theirs}").get_data(as_text=True)
    token = csrf_of(person, f"/requests/{mine}")
    assert person.post(f"/requests/{theirs}/withdraw", data={"csrf_token": token}).status_code == 403
    assert person.post(f"/requests/{theirs}/package", data={"csrf_token": token, "code": "1"}).status_code == 403
    assert installation.kept.requests.view(theirs).state is State.RECEIVED


def test_a_person_can_withdraw_from_their_page(installation: Installation, person: FlaskClient) -> None:
    """With the token of the page; without it nothing happens."""
    ref = confirmed(installation, person, "person18@post.example")
    opened(installation, person, ref, "person18@post.example")
    assert person.post(f"/requests/{ref}/withdraw").status_code == 400
    token = csrf_of(person, f"/requests/{ref}")
    assert person.post(f"/requests/{ref}/withdraw", data={"csrf_token": token}).status_code == 302
    assert "You withdrew this request" in person.get(f"/requests/{ref}").get_data(as_text=True)
    assert installation.kept.requests.view(ref).state is State.WITHDRAWN


def test_the_copy_comes_with_a_fresh_code_and_each_download_is_written_down(
    installation: Installation, person: FlaskClient
) -> None:
    """GET gives nothing, a spent code gives nothing; a fresh one gives the ZIP, and the page says that it was opened."""
    email = "person19@post.example"
    ref = confirmed(installation, person, email)
    answered(installation, ref)
    page = opened(installation, person, ref, email)
    assert "Your copy is ready" in page
    spent = find(CODE, installation.root, email)
    token = csrf_of(person, f"/requests/{ref}")
    assert person.get(f"/requests/{ref}/package").status_code == 302
    assert person.post(f"/requests/{ref}/package", data={"csrf_token": token, "code": spent}).status_code == 400
    person.post(f"/requests/{ref}/code", data={"nonce": nonce_of(page)})
    hand_on(installation.kept)
    code = find(CODE, installation.root, email)
    begun = person.post(f"/requests/{ref}/package", data={"csrf_token": token, "code": code})
    assert (begun.status_code, begun.headers["Location"].partition("?")[0]) == (303, f"/requests/{ref}/package")
    answer = person.get(f"/requests/{ref}/package")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.data) == int(answer.headers["Content-Length"])
    resume_in_parts(person, f"/requests/{ref}/package", answer)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert {"letter.pdf", "index.html", "data/requests.json"} <= set(archive.namelist())
    assert "opened once" in person.get(f"/requests/{ref}").get_data(as_text=True)
    with installation.kept.database.read() as session:
        kinds = [entry.kind for entry in installation.kept.ledger.entries(session, ref=f"ticket:{ref}")]
    assert kinds.count("request.downloaded") == 1


def resume_in_parts(person: FlaskClient, address: str, whole: TestResponse) -> None:
    """The rest of a download that broke off, as browsers ask for it; another browser gets nothing."""
    size, mark = len(whole.data), whole.headers["ETag"]
    rest = person.get(address, headers={"Range": "bytes=1000-", "If-Range": mark})
    assert (rest.status_code, rest.headers["Content-Range"]) == (206, f"bytes 1000-{size - 1}/{size}")
    assert rest.data == whole.data[1000:]
    assert person.get(address, headers={"Range": "bytes=-10"}).data == whole.data[-10:]
    assert person.get(address, headers={"Range": "bytes=5-", "If-Range": '"another"'}).data == whole.data
    assert person.get(address, headers={"Range": f"bytes={size}-"}).status_code == 416
    head = person.head(address)
    assert (head.status_code, head.headers["Accept-Ranges"], head.data) == (200, "bytes", b"")
    assert person.application.test_client().get(address).status_code == 302


def test_a_copy_is_gone_after_its_time(installation: Installation, person: FlaskClient) -> None:
    """Two weeks later the page offers none, and a code opens none, also where the page was open before."""
    email = "person20@post.example"
    ref = confirmed(installation, person, email)
    answered(installation, ref)
    made = installation.kept.clock.now()
    with freeze_time(made + timedelta(days=13, hours=23, minutes=57)):
        assert "Open my copy" in opened(installation, person, ref, email)
        token = csrf_of(person, f"/requests/{ref}")
    with freeze_time(made + timedelta(days=14, minutes=1)):
        code = send_code(installation, at_new_address(installation), ref, email)
        answer = person.post(f"/requests/{ref}/package", data={"csrf_token": token, "code": code})
        assert answer.status_code == 404
        assert "Open my copy" not in person.get(f"/requests/{ref}").get_data(as_text=True)
    assert "Your request is answered" in read(answer).get_text(" ")


def test_what_was_done_by_hand_stands_on_the_persons_page(installation: Installation, person: FlaskClient) -> None:
    """Before it says who is at it and searches nothing; after it has the operator's words, as text."""
    kept, email = installation.kept, "person21@post.example"
    ref = kept.requests.open_by_hand(
        email=email, right="objection", received_at=kept.clock.now(), channel="letter", by="system"
    )
    kept.requests.confirm(confirm_link(installation, email).rpartition("/")[2])
    hand_on(kept)
    page = opened(installation, person, ref, email)
    assert "A person works on your request" in page
    assert "where your data is" not in page
    kept.requests.answer_by_hand(ref, by="system", words="Your name is Marta now.\n\n<b>Thank you.</b>")
    done = BeautifulSoup(person.get(f"/requests/{ref}").get_data(as_text=True), "html.parser").get_text(" ")
    assert "What we did" in done
    assert "Your name is Marta now." in done
    assert "<b>Thank you.</b>" in done


# the frame


def test_every_view_without_the_session_check_is_named_with_its_reason(installation: Installation) -> None:
    """What is exempt from CSRF is a list with reasons, and nothing else is."""
    views = {name: installation.app.view_functions[name] for name in CSRF_EXEMPT_VIEWS}
    assert csrf._exempt_views == {f"{view.__module__}.{view.__name__}" for view in views.values()}
    assert {one.name for one in csrf._exempt_blueprints if hasattr(one, "name")} <= set(CSRF_EXEMPT)
    assert all(len(reason) > 20 for reason in CSRF_EXEMPT_VIEWS.values())
