"""Proof on the pages: what the form asks, links that only act by a button, who may decide, and that no page tells a stranger."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from core.errors import BadInput, WaitsForPerson
from dsr.states import State
from tests.request_desk import SOURCES, find, hand_on, read_mails, text_of
from tests.test_person_languages import require_german
from tests.test_web_person import NONCE, at_new_address, opened
from tests.web_installation import (
    ADMINISTRATOR,
    CONFIGURATION,
    POLICY,
    TOKEN,
    Installation,
    csrf_of,
    open_installation,
)

CALIFORNIA = {"country": "US", "subdivision": "CA"}
STOP = re.compile(r"https?://[^\s/]+(/requests/stop/[\w-]+\S*)")
ADDRESS = re.compile(r"https?://[^\s/]+(/requests/address/[\w-]+\S*)")
CONFIRM = re.compile(r"https?://[^\s/]+(/requests/confirm/[\w-]+)")
MARKED = CONFIGURATION.replace("languages: [en]", "languages: [en, de]").replace(
    "    events: {account_closed: deleted_at}\n    identifies: {email: email, user_id: id}\n",
    "    events: {account_closed: deleted_at, email_changed: email_changed_at}\n"
    "    identifies: {email: email, user_id: id}\n"
    "    contact: {field: email, changed: email_changed, before: former_email}\n"
    "    fields: {name: {fideslang: user.name, proof: name}}\n",
)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway under the laws of Europe and of California; its map says what proves somebody."""
    assert MARKED.count("proof: name") == 1
    with open_installation(tmp_path_factory.mktemp("proof") / "kept", configuration=MARKED, publish=False) as made:
        made.publish(POLICY.replace("regimes: [gdpr]", "regimes: [gdpr, ccpa]"))
        with closing(sqlite3.connect(made.root / "gateway.db")) as gateway, gateway:
            for column in ("name", "email_changed_at", "former_email"):
                if column not in [row[1] for row in gateway.execute("PRAGMA table_info(users)")]:
                    gateway.execute(f"ALTER TABLE users ADD COLUMN {column} TEXT")
            gateway.execute("UPDATE users SET name = 'Person ' || id")
        yield made


def confirmed(installation: Installation, email: str, right: str, *, language: str = "en", **place: Any) -> str:
    """A request whose address is shown."""
    kept = installation.kept
    kept.requests.submit_form(email=email, right=right, source=next(SOURCES), language=language, **place)
    hand_on(kept)
    ref = kept.requests.confirm(find(CONFIRM, installation.root, email).rpartition("/")[2], source=next(SOURCES))
    hand_on(kept)
    return ref


def token_of(page: str) -> str:
    """The token of the first form on a page."""
    found = TOKEN.search(page)
    assert found
    return found[1]


def change_contact(installation: Installation, person: int, before: str) -> None:
    now = installation.kept.clock.now()
    with closing(sqlite3.connect(installation.root / "gateway.db")) as gateway, gateway:
        changed = (now - timedelta(days=1)).isoformat()
        gateway.execute(
            "UPDATE users SET email_changed_at = ?, former_email = ? WHERE id = ?", (changed, before, person)
        )


def give(client: FlaskClient, ref: str, page: str, **given: str) -> str:
    """Send the form of the page; gives the page after it."""
    token = token_of(page)
    answer = client.post(f"/requests/{ref}/proof", data={"csrf_token": token, **given})
    assert answer.status_code in (302, 400), answer.get_data(as_text=True)
    return (client.get(f"/requests/{ref}") if answer.status_code == 302 else answer).get_data(as_text=True)


def test_the_page_asks_a_californian_and_says_when_it_is_enough(installation: Installation) -> None:
    """Fields, number, declaration and tries stand there; a gap is shown at its field with what was typed; once enough is
    shown the form is gone. From Germany nothing is asked."""
    email = "person3@post.example"
    ref, client = confirmed(installation, email, "access", **CALIFORNIA), at_new_address(installation)
    page = opened(installation, client, ref, email)
    words = BeautifulSoup(page, "html.parser")
    assert [str(one["name"]) for one in words.select("#given input")] == ["user_id", "name"]
    assert "penalty of perjury" in words.get_text()
    assert "5 tries" in words.get_text()
    page = give(client, ref, page, user_id="3", name="Eve")
    words = BeautifulSoup(page, "html.parser")
    assert words.select_one("#name[value=Eve]") is not None
    assert "Tick the box" in words.get_text()
    page = give(client, ref, page, user_id="3", name="Eve", declares="yes", name_signed="Person Three")
    assert "We compare what you gave" in page
    hand_on(installation.kept)
    page = client.get(f"/requests/{ref}").get_data(as_text=True)
    assert "That was not enough" in page
    assert "4 tries" in page
    give(client, ref, page, user_id="3", name="person 3")
    hand_on(installation.kept)
    page = client.get(f"/requests/{ref}").get_data(as_text=True)
    assert "Show that it is you" not in page
    german = confirmed(installation, "person4@post.example", "access", country="DE")
    page = opened(installation, at_new_address(installation), german, "person4@post.example")
    assert "Show that it is you" not in page


def test_the_pages_are_the_same_for_an_address_without_an_account(installation: Installation) -> None:
    """What is asked, told after a wrong try, and how long the pages are: but for the address and the reference, nothing
    differs between who has an account and who has none."""
    seen = []
    for email in ("person5@post.example", "pnobod5@post.example"):
        ref, client = confirmed(installation, email, "deletion", **CALIFORNIA), at_new_address(installation)
        pages = [opened(installation, client, ref, email)]
        pages.append(give(client, ref, pages[0], user_id="77"))
        hand_on(installation.kept)
        pages.append(client.get(f"/requests/{ref}").get_data(as_text=True))
        hidden = re.compile(
            r'(csrf_token" value=")[^"]+|(nonce" value=")[^"]+|\d\d:\d\d(:[\d.+:]+)?|\d{4}-\d\d-\d\dT[^"]+'
        )
        same = [hidden.sub("", page.replace(ref, "REF")) for page in pages]
        seen.append([*same, len(read_mails(installation.root, email))])
        assert "That was not enough" in pages[2]
    assert seen[0] == seen[1]


def test_an_unknown_reference_answers_like_a_known_one(installation: Installation) -> None:
    """Status and size of each answer: the page, a code asked for, a code typed in."""
    known = confirmed(installation, "person6@post.example", "access", country="DE")
    seen = []
    for ref in (known, "ABCDE-2345"[: len(known)]):
        client, answers = at_new_address(installation), []
        answers.append(client.get(f"/requests/{ref}"))
        nonce = NONCE.search(answers[0].get_data(as_text=True))
        assert nonce
        answers.append(client.post(f"/requests/{ref}/code", data={"nonce": nonce[1]}))
        answers.append(client.post(f"/requests/{ref}/open", data={"nonce": nonce[1], "code": "000 000"}))
        answers.append(client.post(f"/requests/{ref}/proof", data={"user_id": "6"}))
        seen.append([(one.status_code, len(one.data), sorted(dict(one.headers))) for one in answers])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_links_act_by_their_button_alone(installation: Installation, language: str) -> None:
    """GET, HEAD and a form without the page's nonce change nothing: neither the stop nor the other address."""
    person = {"en": 8, "de": 9}[language]
    email, former, other = f"person{person}@post.example", f"alt{person}@post.example", f"too{person}@post.example"
    change_contact(installation, person, former)
    ref = confirmed(installation, email, "deletion", language=language, country="DE")
    requests = installation.kept.requests
    requests.make_plan(ref, by="system")
    client = at_new_address(installation)
    page = opened(installation, client, ref, email)
    assert {"en": "We wait until", "de": "Wir warten bis"}[language] in page
    token = token_of(page)
    bad = client.post(f"/requests/{ref}/addresses", data={"csrf_token": token, "address": "no address"})
    assert bad.status_code == 400
    client.post(f"/requests/{ref}/addresses", data={"csrf_token": token, "address": other})
    hand_on(installation.kept)
    visitor = at_new_address(installation)
    for pattern, to in ((ADDRESS, other), (STOP, former)):
        link = find(pattern, installation.root, to)
        for _ in range(2):
            shown = visitor.get(link)
            assert (shown.status_code, visitor.head(link).status_code) == (200, 200)
        assert visitor.post(link).status_code == 400
        proof = requests.view(ref).proof
        assert not proof.standing.contested_at
        if language == "de":
            require_german(BeautifulSoup(shown.data, "html.parser"))
        nonce = NONCE.search(shown.get_data(as_text=True))
        assert nonce
        assert visitor.post(link, data={"nonce": nonce[1]}).status_code == 200
        assert visitor.get(link).status_code == 404  # it works once
    proof = requests.view(ref).proof
    assert proof.standing.contested_at
    assert [one.proven for one in proof.others] == [True]
    with pytest.raises(WaitsForPerson):
        requests.approve(ref, by="system")
    mail = text_of(read_mails(installation.root, former)[0])
    assert email not in mail
    if language == "de":
        require_german(BeautifulSoup(client.get(f"/requests/{ref}").data, "html.parser"))


def test_operators_decide_with_a_reason_and_others_do_not(installation: Installation) -> None:
    """The ticket says what is missing, without a value; the act needs a reason, a sign-in and the token of the page."""
    email = "person12@post.example"
    ref = confirmed(installation, email, "deletion", **CALIFORNIA)
    installation.kept.requests.make_plan(ref, by="system")
    stranger = installation.client()
    assert stranger.post(f"/console/requests/{ref}/proof", data={"proof_why": "x"}).status_code in (302, 400)
    operator = installation.signed_in(ADMINISTRATOR)
    page = BeautifulSoup(operator.get(f"/console/requests/{ref}").data, "html.parser")
    assert "Waits for proof" in page.get_text()
    assert "1 of 2 points are shown" in page.get_text()
    assert page.select('form[action$="/approve"]') == []
    token = csrf_of(operator, f"/console/requests/{ref}")
    nothing = operator.post(f"/console/requests/{ref}/proof", data={"csrf_token": token, "proof_why": " "})
    assert nothing.status_code == 400
    done = operator.post(f"/console/requests/{ref}/proof", data={"csrf_token": token, "proof_why": "By telephone."})
    assert done.status_code == 302
    page = BeautifulSoup(operator.get(f"/console/requests/{ref}").data, "html.parser")
    assert page.select('form[action$="/approve"]')
    assert "accepted by an operator" in page.get_text()
    with pytest.raises(BadInput):
        installation.kept.requests.proof.accept(ref, by="system", why="")
    assert installation.kept.requests.view(ref).state is State.PLANNED
