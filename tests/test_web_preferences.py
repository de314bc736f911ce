"""The page of preferences, one click, the browser's opt-out signal, and the interface of host applications for both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.clock import day_in
from core.operators import create_token
from core.personal import Personal
from notify.suppression_tables import Purpose
from tests.request_desk import CODE, SOURCES, find, hand_on, received
from tests.web_installation import CONFIGURATION, Installation, open_installation, post
from web.security import limiter

ANNA = "person7@post.example"
SIGNAL = {"Sec-GPC": "1"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation in English and German; each test has people of its own."""
    configuration = CONFIGURATION.replace("languages: [en]", "languages: [en, de]")
    with open_installation(tmp_path_factory.mktemp("preferences") / "kept", configuration=configuration) as opened:
        yield opened


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    limiter.reset()


def token_of(installation: Installation, email: str, purpose: str = "marketing") -> str:
    return installation.kept.preferences.token(kind="email", value=Personal(email), purpose=purpose)


def declined(installation: Installation, email: str, kind: str = "email") -> set[str]:
    kept = installation.kept
    with kept.database.read() as session:
        return {one.purpose.value for one in kept.suppressions.look_up(session, kind=kind, value=Personal(email))}


def press(client: FlaskClient, token: str, want: str, purpose: str = "marketing", **headers: str) -> TestResponse:
    """A button of the page."""
    page = client.get(f"/preferences/{token}").get_data(as_text=True)
    nonce = re.search(r'name="nonce" value="(\w+)"', page)
    assert nonce
    form = {"nonce": nonce[1], "want": want, "purpose": purpose}
    return client.post(f"/preferences/{token}", data=form, headers=headers)


def test_looking_changes_nothing_and_the_buttons_switch_off_and_on_again(installation: Installation) -> None:
    """GET and HEAD show what is on; a button switches off, another on again, and says since when."""
    client, token = installation.client(), token_of(installation, ANNA)
    first = client.get(f"/preferences/{token}")
    client.head(f"/preferences/{token}")
    assert declined(installation, ANNA) == set()
    assert "Set-Cookie" not in first.headers
    assert first.headers["Cache-Control"] == "no-store"
    assert press(client, token, "off").status_code == 303
    assert declined(installation, ANNA) == {"marketing"}
    text = BeautifulSoup(client.get(f"/preferences/{token}?saved=yes").data, "html.parser").get_text(" ", strip=True)
    assert "Saved." in text
    assert re.search(r"News and offers by mail .* Off , since", text)
    press(client, token, "on")
    assert declined(installation, ANNA) == set()


def test_the_page_says_the_same_of_somebody_nobody_knows(installation: Installation) -> None:
    """A stranger's link shows a page that differs by its token and nonce alone, and their opt-out is kept."""

    def words(email: str) -> str:
        page = installation.client().get(f"/preferences/{token_of(installation, email)}").get_data(as_text=True)
        return re.sub(r"/preferences/[\w-]+|value=\"\w{64}\"", "", page)

    assert words("nobody.at.all@post.example") == words("person9@post.example")
    client = installation.client()
    answer = client.post(f"/preferences/{token_of(installation, 'nobody.at.all@post.example')}", data=ONE_CLICK)
    assert answer.status_code == 200
    assert declined(installation, "nobody.at.all@post.example") == {"marketing"}


def test_one_click_needs_no_nonce_and_can_only_switch_off(installation: Installation) -> None:
    """The body of RFC 8058, as a form or in parts, declines what the link is for; any other post without a nonce does nothing."""
    client = installation.client()
    for number, kind in enumerate(("application/x-www-form-urlencoded", "multipart/form-data")):
        email = f"click{number}@post.example"
        answer = client.post(
            f"/preferences/{token_of(installation, email, 'all_mail')}", data=ONE_CLICK, content_type=kind
        )
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert declined(installation, email) == {"all_mail"}
    token = token_of(installation, "click0@post.example", "all_mail")
    for data in (
        {},
        {"want": "on", "purpose": "all_mail"},
        {"List-Unsubscribe": "one-click"},
        {**ONE_CLICK, "nonce": "0" * 64, "want": "on", "purpose": "all_mail"},
    ):
        assert client.post(f"/preferences/{token}", data=data).status_code == 400
    client.post(f"/preferences/{token}", data={**ONE_CLICK, "want": "on", "purpose": "all_mail"})
    assert declined(installation, "click0@post.example") == {"all_mail"}


def test_a_thousand_one_click_posts_are_all_taken(installation: Installation) -> None:
    """A mail provider posts for its people from one address: none is turned away, and a repeat adds nothing."""
    client, kept = installation.client(), installation.kept
    tokens = [token_of(installation, f"many{number}@post.example") for number in range(250)]
    statuses = {client.post(f"/preferences/{token}", data=ONE_CLICK).status_code for token in tokens * 4}
    assert statuses == {200}
    with kept.database.read() as session:
        found = kept.suppressions.holds_any(
            session, [("email", f"many{n}@post.example") for n in range(250)], "marketing"
        )
        entries = session.execute(
            sa.text("SELECT count(*) FROM suppressions s JOIN ledger_entries e ON e.refs LIKE '%' || s.id || '%'")
        )
        assert len(found) == 250
        assert entries.scalar_one() >= 250


def test_a_token_that_was_altered_opens_nothing(installation: Installation) -> None:
    """Each changed character, another purpose, another spelling of the same bytes: the same page, and nothing changes."""
    client, token = installation.client(), token_of(installation, "altered@post.example")
    swapped = "A" if token[0] != "A" else "B"
    wrong = [
        swapped + token[1:],
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token + "=",
        token[:40],
        "x",
        "é",
        token[:30] + "." + token[30:],
    ]
    pages = set()
    for one in wrong:
        for answer in (client.get(f"/preferences/{one}"), client.post(f"/preferences/{one}", data=ONE_CLICK)):
            assert answer.status_code == 404
            pages.add(str(BeautifulSoup(answer.data, "html.parser").main))
    assert len(pages) == 1
    assert declined(installation, "altered@post.example") == set()
    assert "altered" not in token


def test_the_page_is_there_in_german(installation: Installation) -> None:
    """By the link's language, or by the browser's."""
    token = token_of(installation, ANNA)
    by_link = installation.client().get(f"/preferences/{token}?lang=de").get_data(as_text=True)
    by_browser = installation.client().get(f"/preferences/{token}", headers={"Accept-Language": "de-AT"})
    for page in (by_link, by_browser.get_data(as_text=True)):
        assert "Ihre Einstellungen" in page
        assert "Abschalten" in page
        assert "Switch off" not in page


def test_the_signal_is_acknowledged_to_strangers_and_kept_of_nobody(installation: Installation) -> None:
    """Exactly `1` counts; the answer varies by it, and nothing is stored for whoever is not known."""
    client = installation.client()
    before = count(installation)
    with_signal = client.get("/privacy", headers=SIGNAL)
    assert "Your browser sends the opt-out signal; we honour it." in with_signal.get_data(as_text=True)
    assert "Sec-GPC" in with_signal.headers["Vary"]
    for value in ("true", "0", "yes", "1, 1", "01"):
        assert "opt-out signal" not in client.get("/privacy", headers={"Sec-GPC": value}).get_data(as_text=True)
    assert "opt-out signal" not in client.get("/privacy").get_data(as_text=True)
    assert count(installation) == before


def count(installation: Installation) -> int:
    with installation.kept.database.read() as session:
        return int(session.execute(sa.text("SELECT count(*) FROM suppressions")).scalar_one())


def test_the_signal_of_a_known_person_is_kept_and_confirmed(installation: Installation) -> None:
    """On the page of preferences and on the page of one's own request; while it is sent it cannot be switched on."""
    client, email = installation.client(), "gpc@post.example"
    token = token_of(installation, email)
    page = client.get(f"/preferences/{token}", headers=SIGNAL).get_data(as_text=True)
    assert "Opt-out request honored" in page
    assert declined(installation, email) == {"sale_sharing"}
    assert press(client, token, "on", "sale_sharing", **SIGNAL).status_code == 409
    assert declined(installation, email) == {"sale_sharing"}
    assert press(client, token, "on", "sale_sharing").status_code == 303
    assert declined(installation, email) == set()


def test_the_signal_on_the_page_of_a_request_needs_its_grant(installation: Installation) -> None:
    """Before the code nobody is known; with the page open the opt-out is that person's, once, with the ticket beside it."""
    email = "person11@post.example"
    ref, browser, kept = received(installation, email), installation.client(), installation.kept
    browser.get(f"/requests/{ref}", headers=SIGNAL)
    assert declined(installation, email) == set()
    kept.requests.ask_code(ref, source=next(SOURCES))
    hand_on(kept)
    page = browser.get(f"/requests/{ref}?sent=yes").get_data(as_text=True)
    nonce = re.search(r'name="nonce" value="(\w+)"', page)
    assert nonce
    browser.post(f"/requests/{ref}/open", data={"nonce": nonce[1], "code": find(CODE, installation.root, email)})
    for _ in range(2):
        seen = browser.get(f"/requests/{ref}", headers=SIGNAL).get_data(as_text=True)
    assert "Sale and sharing of your data are off for you." in seen
    with kept.database.read() as session:
        (one,) = kept.suppressions.look_up(session, kind="email", value=Personal(email))
    assert (one.purpose, one.source, one.ref) == (Purpose.SALE_SHARING, "gpc", f"ticket:{ref}")


def test_gpc_json_says_since_when(installation: Installation, tmp_path: Path) -> None:
    """The day since which the policy in force says it; 404 without a policy."""
    answer = installation.client().get("/.well-known/gpc.json")
    day = day_in(installation.kept.clock.now(), "Europe/Berlin").isoformat()
    assert answer.get_json()["gpc"] is True
    assert answer.get_json()["lastUpdate"] <= day
    assert answer.content_type == "application/json"
    with open_installation(tmp_path / "empty", publish=False) as empty:
        assert empty.client().get("/.well-known/gpc.json").status_code == 404


@pytest.fixture(scope="module")
def headers(installation: Installation) -> dict[str, str]:
    with installation.kept.database.begin() as session:
        scopes = frozenset({"suppressions:read", "suppressions:write"})
        token = create_token(session, name="shop", scopes=scopes, now=installation.kept.clock.now())
    return {"Authorization": f"Bearer {token}"}


def send(installation: Installation, headers: dict[str, str], address: str, body: Any) -> TestResponse:
    return installation.client().post(f"/api/v1{address}", json=body, headers=headers)


def test_a_host_application_opts_out_lifts_and_asks(installation: Installation, headers: dict[str, str]) -> None:
    """Both spellings of an address are one; who is not known has an answer too; lifting wants a reason."""
    body = {"identifiers": {"email": "Shop.Guest@Post.Example ", "user_id": "u_77"}, "purpose": "marketing"}
    assert send(installation, headers, "/suppressions", body).status_code == 201
    again = send(installation, headers, "/suppressions", body)
    assert (again.status_code, again.get_json()["changed"]) == (200, 0)
    people = [
        {"email": "shop.guest@post.example"},
        {"user_id": "u_77", "email": "other@post.example"},
        {"email": "stranger@post.example"},
    ]
    found = send(installation, headers, "/suppressions/check", {"identifiers": people}).get_json()["results"]
    assert found == [
        {"erased": False, "opted_out": ["marketing"]}, {"erased": False, "opted_out": ["marketing"]},
        {"erased": False, "opted_out": []},
    ]  # fmt: skip
    narrow = {"identifiers": people, "purpose": "sale_sharing"}
    assert {
        tuple(one["opted_out"])
        for one in send(installation, headers, "/suppressions/check", narrow).get_json()["results"]
    } == {()}
    assert send(installation, headers, "/suppressions", {**body, "lifted": True}).status_code == 400
    lifted = send(installation, headers, "/suppressions", {**body, "lifted": True, "reason": "Asked for it by phone."})
    assert (lifted.status_code, lifted.get_json()) == (200, {"purpose": "marketing", "opted_out": False, "changed": 2})


def test_ten_thousand_are_asked_about_at_once_and_no_more(installation: Installation, headers: dict[str, str]) -> None:
    """The list is bounded; what is wrong in it is said by its place, and no value is repeated."""
    people = [{"email": f"guest{number}@post.example"} for number in range(10_001)]
    answer = send(installation, headers, "/suppressions/check", {"identifiers": people[:-1]})
    assert len(answer.get_json()["results"]) == 10_000
    wrongs: tuple[Any, ...] = (people, [{}], [{"email": 3}], ["anna@post.example"], {"email": "x"})
    for wrong in wrongs:
        refused = send(installation, headers, "/suppressions/check", {"identifiers": wrong})
        assert refused.status_code == 400
        assert "post.example" not in refused.get_data(as_text=True)
        assert refused.get_json()["errors"][0]["pointer"] == "#/identifiers"


def test_a_host_application_passes_the_signal_on(installation: Installation, headers: dict[str, str]) -> None:
    """By its own id, by address, or both; the answer confirms it, since the first time."""
    first = send(installation, headers, "/signals/gpc", {"subject": "u_88", "email": "signal@post.example"}).get_json()
    again = send(installation, headers, "/signals/gpc", {"subject": "u_88"}).get_json()
    assert (first["honoured"], first["purpose"], again["since"]) == (True, "sale_sharing", first["since"])
    assert (
        declined(installation, "u_88", "user_id") == declined(installation, "signal@post.example") == {"sale_sharing"}
    )
    assert send(installation, headers, "/signals/gpc", {}).status_code == 400
    assert send(installation, headers, "/signals/gpc", {"subject": "anna@post.example"}).status_code == 400


def test_a_host_application_gets_links_for_its_mails(installation: Installation, headers: dict[str, str]) -> None:
    """The link opens the page, and the headers are what a mail program posts to."""
    body = {"identifiers": {"email": "letters@post.example"}, "purpose": "marketing", "language": "de"}
    made = send(installation, headers, "/preferences-links", body).get_json()
    path = made["url"].partition("//")[2].partition("/")[2]
    assert "Ihre Einstellungen" in installation.client().get(f"/{path}").get_data(as_text=True)
    assert made["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    target = made["headers"]["List-Unsubscribe"].strip("<>").partition("//")[2].partition("/")[2]
    installation.client().post(f"/{target}", data=ONE_CLICK)
    assert declined(installation, "letters@post.example") == {"marketing"}
    assert send(installation, headers, "/preferences-links", {**body, "language": "xx"}).status_code == 400
    assert (
        send(
            installation, headers, "/preferences-links", {**body, "identifiers": {"email": "a", "user_id": "b"}}
        ).status_code
        == 400
    )


def test_the_console_counts_and_looks_up_without_showing_anybody(installation: Installation) -> None:
    """Counts by purpose and way in; one is looked up by a POST, and lifted with a reason; no page names whose it is."""
    email = "looked.up@post.example"
    kept = installation.kept
    with kept.database.begin() as session:
        kept.suppressions.add(session, kind="email", value=Personal(email), purpose="marketing", source="operator")
    client = installation.signed_in()
    page = client.get("/console/opt-outs").get_data(as_text=True)
    assert "marketing" in page.lower()
    assert email not in page
    found = post(client, "/console/opt-outs", "/console/opt-outs", kind="email", value=f" {email.upper()}")
    assert found.status_code == 200
    assert "Opted out" in found.get_data(as_text=True)
    lift = {"kind": "email", "value": email, "purpose": "marketing"}
    refused = post(client, "/console/opt-outs/lift", "/console/opt-outs", **lift, reason="")
    assert refused.status_code == 400
    assert declined(installation, email) == {"marketing"}
    assert (
        post(
            client, "/console/opt-outs/lift", "/console/opt-outs", **lift, reason="Wrote that they want it."
        ).status_code
        == 302
    )
    assert declined(installation, email) == set()
