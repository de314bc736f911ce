"""A correction over the example gateway by the pages alone: form, person's page, console, answer; who may, and how it looks."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from flask.testing import FlaskClient
from playwright.sync_api import Page
from werkzeug.test import TestResponse

from app import make_web, open_services
from core.keys import write_secret
from core.operators import Role, add_operator
from dsr.states import State
from examples.gateway.build import write_configuration
from tests.conftest import OpenPage, Viewport
from tests.dsr_house import ANNA, BRUNO, fill_gateway
from tests.kept_commands import run_command
from tests.request_desk import CODE, CONFIRM_LINK, SOURCES, find, hand_on, read_mails, text_of
from tests.schema import write_migrated
from tests.web_installation import AGENT, PASSWORD, Installation, csrf_of, give_password, serve

NONCE = re.compile(r'name="nonce" value="([^"]+)"')
NEW_NAME, NEW_MAIL = "Anna Quill-Sommer", "anna.sommer@post.example"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The example gateway with two people, its pages in English and German."""
    root = tmp_path_factory.mktemp("corrections") / "kept"
    write_configuration(root)
    configuration = (root / "kept.yaml").read_text().replace("languages: [en]", "languages: [en, de]")
    (root / "kept.yaml").write_text(configuration)
    write_secret(root / "var" / "secret.key")
    write_migrated(root / "var" / "kept.db")
    fill_gateway(root)
    with open_services(root / "kept.yaml") as kept:
        app = make_web(kept)
        app.testing = False
        with kept.database.begin() as session:
            made = add_operator(session, email=AGENT, name="Tom Ackerby", role=Role.AGENT, now=kept.clock.now())
            give_password(session, made.id)
        opened = Installation(root=root, kept=kept, app=app)
        opened.publish((root / "policies" / "gateway.md").read_text())
        yield opened


@pytest.fixture
def operator(installation: Installation) -> FlaskClient:
    """An agent, signed in."""
    return installation.signed_in(AGENT)


def person(installation: Installation, language: str = "en") -> FlaskClient:
    """A browser of one language at a network address that nobody has used."""
    client = installation.client()
    client.environ_base.update(HTTP_ACCEPT_LANGUAGE=language, REMOTE_ADDR=next(SOURCES))
    return client


def tree(answer: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def words_of(page: Tag) -> str:
    return " ".join(page.get_text(" ").replace("\u00a0", " ").replace("\u202f", " ").split())


def asked(installation: Installation, client: FlaskClient, email: str = ANNA, details: str = "") -> str:
    """From the form to the opened page; gives the reference."""
    sent = client.post("/requests/new", data={"right": "correction", "email": email, "details": details})
    assert sent.status_code == 302
    hand_on(installation.kept)
    link = find(CONFIRM_LINK, installation.root, email)
    nonce = NONCE.search(client.get(link).get_data(as_text=True))
    assert nonce
    done = client.post(link, data={"nonce": nonce[1]}).get_data(as_text=True)
    found = re.search(r'main-act" href="/requests/([^"?]+)', done)
    assert found
    ref = found[1]
    hand_on(installation.kept)
    page = NONCE.search(client.get(f"/requests/{ref}").get_data(as_text=True))
    assert page
    client.post(f"/requests/{ref}/code", data={"nonce": page[1]})
    hand_on(installation.kept)
    code = find(CODE, installation.root, email)
    assert client.post(f"/requests/{ref}/open", data={"nonce": page[1], "code": code}).status_code == 302
    return ref


def say(client: FlaskClient, ref: str, about: str, value: str) -> TestResponse:
    """What the person's form sends."""
    page = f"/requests/{ref}"
    return client.post(
        f"{page}/corrections", data={"csrf_token": csrf_of(client, page), "about": about, "value": value}
    )


def act(client: FlaskClient, ref: str, path: str, **data: str) -> TestResponse:
    """Send one form of the ticket."""
    page = f"/console/requests/{ref}"
    return client.post(f"{page}/{path}", data={"csrf_token": csrf_of(client, page), **data})


def values(installation: Installation, query: str) -> list[str]:
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection:
        return [row[0] for row in connection.execute(query)]


def propose_on_page(installation: Installation, client: FlaskClient) -> str:
    """The person says field by field what is right, and takes one back; gives the reference."""
    form = tree(client.get("/requests/new"))
    assert form.select_one('input[name=right][value="correction"]') is not None
    ref = asked(installation, client, details="Mein Name ist falsch.")
    opened = tree(client.get(f"/requests/{ref}"))
    assert [str(one["value"]) for one in opened.select("#about option")] == [
        "user.contact.email", "user.name", "user.contact.organization", "",
    ]  # fmt: skip
    assert "E-Mail-Adresse" in words_of(opened)
    wrong = say(client, ref, "user.contact.email", "anna")
    assert wrong.status_code == 400
    assert "Das ist keine E-Mail-Adresse." in words_of(tree(wrong))
    assert say(client, ref, "user.name", NEW_NAME).status_code == 302
    assert say(client, ref, "user.contact.email", NEW_MAIL).status_code == 302
    assert say(client, ref, "", "Die Rechnung vom Mai.").status_code == 302
    mine = tree(client.get(f"/requests/{ref}"))
    back = [str(one["action"]) for one in mine.select("form[action*=take-back]")]
    assert len(back) == 3
    token = csrf_of(client, f"/requests/{ref}")
    assert client.post(back[2], data={"csrf_token": token}).status_code == 302
    assert "Rechnung vom Mai" not in words_of(tree(client.get(f"/requests/{ref}")))
    assert "Anna Quill " not in words_of(mine)
    return ref


def take_suggested_places(operator: FlaskClient, ref: str) -> None:
    """The operator takes the place that is suggested for each; a key is refused."""
    ticket = tree(operator.get(f"/console/requests/{ref}"))
    assert "Decide about 2 things to put right" in words_of(ticket)
    places = {str(one["action"]): one.select_one("select") for one in ticket.select('form[action$="/place"]')}
    assert sorted(str(one.select_one("option[selected]")["value"]) for one in places.values() if one) == [  # type: ignore[index]
        "accounts.email", "accounts.name",
    ]  # fmt: skip
    for action, select in places.items():
        assert select is not None
        chosen = select.select_one("option[selected]")
        assert chosen is not None
        path = action.partition(f"{ref}/")[2]
        wrong_place = act(operator, ref, path, **{str(select["name"]): "accounts.id"})
        assert wrong_place.status_code == 400
        assert "is a key" in words_of(tree(wrong_place))
        assert act(operator, ref, path, **{str(select["name"]): str(chosen["value"])}).status_code == 302


def leave_one_copy(operator: FlaskClient, ref: str) -> None:
    """The plan shows before and after, and the operator leaves the address at work as it is."""
    assert act(operator, ref, "plan").status_code == 302
    planned = tree(operator.get(f"/console/requests/{ref}"))
    rows = [" ".join(row.get_text(" ").split()) for row in planned.select("#before-after tbody tr")]
    assert len(rows) == 4
    assert any("accounts.name" in row and "Anna Quill" in row and NEW_NAME in row for row in rows)
    assert any("feedback.email" in row and "quill@work.example" in row and "a copy" in row for row in rows)
    leave = next(one for one in planned.select('form[action$="/leave"]') if "quill@work" in str(one.find_parent("tr")))
    area = leave.select_one("textarea")
    assert area is not None
    path = str(leave["action"]).partition(f"{ref}/")[2]
    assert act(operator, ref, path, **{str(area["name"]): " "}).status_code == 400
    assert act(operator, ref, path, **{str(area["name"]): "Das ist Ihre Adresse bei der Arbeit."}).status_code == 302


def test_a_correction_is_walked_from_the_form_to_the_answer(installation: Installation, operator: FlaskClient) -> None:
    """Offered on the form, said field by field in German, suggested by the map, shown before and after, one copy left as it
    is, approved, read back, and told; what is held never stands on the person's page."""
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection, connection:
        connection.execute("UPDATE feedback SET email = 'quill@work.example' WHERE user_id = 'u_anna'")
    client = person(installation, "de")
    ref = propose_on_page(installation, client)
    take_suggested_places(operator, ref)
    leave_one_copy(operator, ref)
    ready = tree(operator.get(f"/console/requests/{ref}"))
    seal = ready.select_one("input[name=seal]")
    assert seal is not None
    button = ready.select_one("button.main-act")
    assert button is not None
    assert "Approve: correct 2 records" in words_of(button)
    assert act(operator, ref, "approve", seal=str(seal["value"])).status_code == 302
    hand_on(installation.kept)
    assert installation.kept.requests.view(ref).state is State.ANSWERED
    assert values(installation, "SELECT name || ' ' || email FROM users WHERE id = 'u_anna'") == [
        f"{NEW_NAME} {NEW_MAIL}"
    ]
    assert values(installation, "SELECT email FROM support_messages ORDER BY id") == [NEW_MAIL, BRUNO]
    assert values(installation, "SELECT email FROM feedback WHERE user_id = 'u_anna'") == ["quill@work.example"]
    told = tree(operator.get(f"/console/requests/{ref}"))
    assert "What was put right" in words_of(told)
    mail = " ".join(text_of(read_mails(installation.root, ANNA)[-1]).split())
    assert "Was wir berichtigt haben" in mail
    assert "Das ist Ihre Adresse bei der Arbeit." in mail
    end = words_of(tree(client.get(f"/requests/{ref}")))
    assert "Name in Accounts 1 Datensatz" in end
    assert "Was nicht berichtigt werden konnte, und warum" in end


def test_only_who_may_touches_a_correction(installation: Installation) -> None:
    """Without the page opened by a code, or without signing in, nothing is taken; GET finds nothing to do."""
    client = person(installation)
    ref = asked(installation, client, BRUNO)
    stranger = person(installation)
    for path in ("corrections", "corrections/cor_x/take-back"):
        assert stranger.post(f"/requests/{ref}/{path}", data={"about": "", "value": "x"}).status_code == 400
        assert client.get(f"/requests/{ref}/{path}").status_code in (404, 405)
    assert stranger.post(f"/console/requests/{ref}/corrections", data={"value": "x"}).status_code in (302, 400, 401)
    assert installation.kept.requests.corrections.view(ref).lines == ()


def test_a_correction_goes_through_commands(installation: Installation) -> None:
    """Written down, placed where the map suggests, planned: ids and counts, and no value of anybody on the screen."""
    kept = installation.kept
    now = kept.clock.now()
    ref = kept.requests.open_by_hand(email=BRUNO, right="correction", received_at=now, channel="letter", by="system")
    hand_on(kept)
    kept.requests.confirm(find(CONFIRM_LINK, installation.root, BRUNO).rpartition("/")[2], source=next(SOURCES))

    def run(*words: str, status: int = 0) -> str:
        done = run_command(installation.root, "request", "correction", *words, "--json")
        assert done.returncode == status, done.stderr or done.stdout
        return done.stdout

    added = json.loads(run("add", ref, "user.name", "--value", "Bruno Erle", status=1))["corrections"][0]
    assert (added["state"], added["suggested"]) == ("to decide", "accounts.name")
    assert "is a key" in run("place", ref, added["id"], "accounts.id", status=2)
    run("place", ref, added["id"])
    assert run_command(installation.root, "request", "plan", ref).returncode == 0
    shown = run("list", ref)
    change = json.loads(shown)["changes"][0]
    assert (change["place"], change["rows"], change["is_copy"]) == ("accounts.name", 1, False)
    assert "Bruno" not in shown


@pytest.mark.browser
@pytest.mark.parametrize(
    ("viewport", "dark"), [(Viewport.PHONE, False), (Viewport.DESKTOP, True)], ids=["phone", "dark"]
)
def test_a_correction_looks_right(installation: Installation, page: OpenPage, viewport: Viewport, dark: bool) -> None:
    """The person's page and the ticket, before and after the plan, fit the screen and throw nothing."""
    kept = installation.kept
    email = ANNA if values(installation, f"SELECT id FROM users WHERE email = '{ANNA}'") else NEW_MAIL
    ref = kept.requests.open_by_hand(
        email=email, right="correction", received_at=kept.clock.now(), channel="letter", by="system"
    )
    hand_on(kept)
    kept.requests.confirm(find(CONFIRM_LINK, installation.root, email).rpartition("/")[2], source=next(SOURCES))
    corrections = kept.requests.corrections
    right = {"user.name": f"Anna {ref}", "user.contact.organization": f"Quill GmbH & Töchter, Zweigstelle {ref}"}
    for about, value in right.items():
        corrections.propose(ref, about=about, value=value, by="system")
    with serve(installation.app) as base:
        opened = page(viewport, dark=dark)
        opened.goto(f"{base}/console/sign-in")
        opened.fill("#email", AGENT)
        opened.fill("#password", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{base}/console/")
        opened.goto(f"{base}/requests/{ref}")
        opened.click("button.main-act")
        hand_on(installation.kept)
        opened.fill("#code", find(CODE, installation.root, email))
        opened.click("button.main-act")
        look(opened, f"{base}/requests/{ref}", "person", viewport, dark)
        look(opened, f"{base}/console/requests/{ref}", "to-decide", viewport, dark)
        for line in corrections.view(ref).lines:
            corrections.place(ref, line.id, where=line.suggested, by="system")
        installation.kept.requests.make_plan(ref, by="system")
        look(opened, f"{base}/console/requests/{ref}", "planned", viewport, dark)
        installation.kept.requests.approve(ref, by="system")
        hand_on(installation.kept)
        look(opened, f"{base}/console/requests/{ref}", "told", viewport, dark)
        look(opened, f"{base}/requests/{ref}", "person-told", viewport, dark)
        look(opened, f"{base}/requests/new", "form", viewport, dark)


def look(opened: Page, address: str, name: str, viewport: Viewport, dark: bool) -> None:
    """Open a page and see that nothing of it lies beside the screen."""
    opened.goto(address)
    width = opened.evaluate("document.documentElement.scrollWidth")
    if folder := os.environ.get("KEPT_PICTURES"):
        shade = "dark" if dark else "light"
        opened.screenshot(path=Path(folder) / f"{name}-{viewport.name.lower()}-{shade}.png", full_page=True)
    assert width <= viewport.value[0], f"{address} is {width} wide"
    assert opened.title()
