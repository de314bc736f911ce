"""Deciding what was found, on the request's page: what it shows, what it takes, who may, and how it looks in a browser."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dsr.states import State
from tests.conftest import OpenPage, Viewport
from tests.kept_commands import run_command
from tests.request_desk import hand_on, received
from tests.web_installation import AGENT, CONFIGURATION, PASSWORD, Installation, csrf_of, open_installation, serve

TALKS = """\
  - id: talks
    at: gateway:talks
    category: request_log
    person: {first: accounts.id, second: accounts.id}
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The small gateway, with talks of two people."""
    root = tmp_path_factory.mktemp("found") / "kept"
    with open_installation(root, configuration=CONFIGURATION + TALKS) as opened:
        with closing(sqlite3.connect(root / "gateway.db")) as connection, connection:
            connection.execute("CREATE TABLE talks (id INTEGER PRIMARY KEY, first INTEGER, second INTEGER)")
            connection.executemany("INSERT INTO talks VALUES (?, ?, ?)", [(n, n, n % 8 + 1) for n in range(1, 9)])
        yield opened


@pytest.fixture(scope="module")
def operator(installation: Installation) -> FlaskClient:
    return installation.signed_in(AGENT)


def address_of(installation: Installation, person: int) -> str:
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection:
        return str(connection.execute("SELECT email FROM users WHERE id = ?", [person]).fetchone()[0])


def see(client: FlaskClient, ref: str) -> BeautifulSoup:
    return BeautifulSoup(client.get(f"/console/requests/{ref}").text, "html.parser")


def post(client: FlaskClient, ref: str, path: str, **typed: str | list[str]) -> TestResponse:
    token = csrf_of(client, f"/console/requests/{ref}")
    return client.post(f"/console/requests/{ref}/{path}", data={"csrf_token": token, **typed})


def planned(installation: Installation, client: FlaskClient, person: int) -> str:
    ref = received(installation, address_of(installation, person), "deletion")
    assert post(client, ref, "plan").status_code == 302
    return ref


def test_shared_records_are_decided_on_the_page_before_anything_can_be_approved(
    installation: Installation, operator: FlaskClient
) -> None:
    """The question stands with its size and its choices, no button approves; decided, the plan is made anew, what was
    decided stands beside it, and it is carried out so."""
    ref = planned(installation, operator, 1)
    page = see(operator, ref)
    words = page.get_text(" ", strip=True).replace("\u00a0", " ").replace("\u202f", " ")
    assert "Decide 1 question first" in words
    assert "2 records of talks are about other people too." in words
    assert not page.find_all("form", action=lambda link: link is not None and link.endswith("/approve"))
    assert [one["value"] for one in page.select("#found input[type=radio]")] == ["keep", "redact", "delete"]
    (asked,) = (str(one["value"]) for one in page.select("#found input[name=asked]"))
    refused = post(operator, ref, "found", asked=asked)
    assert (refused.status_code, "Not every question is answered." in refused.text) == (400, True)
    assert post(operator, ref, "found", asked=asked, **{f"choice-{asked}": "keep"}).status_code == 302
    page = see(operator, ref)
    assert "shared records of talks: kept" in page.get_text(" ", strip=True)
    seal = page.find("input", attrs={"name": "seal"})
    assert seal is not None
    assert post(operator, ref, "approve", seal=str(seal["value"])).status_code == 302
    hand_on(installation.kept)
    assert installation.kept.requests.view(ref).state is State.ANSWERED


def test_two_accounts_are_ticked_one_by_one(installation: Installation, operator: FlaskClient) -> None:
    """None is ticked beforehand, and none is no answer; the one that is ticked is all that is found."""
    shared = address_of(installation, 11)
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection, connection:
        connection.execute("UPDATE users SET email = ? WHERE id = 12", [shared])
    ref = planned(installation, operator, 11)
    page = see(operator, ref)
    boxes = page.select("#found input[type=checkbox]")
    assert ([one["value"] for one in boxes], [one for one in boxes if one.has_attr("checked")]) == (["11", "12"], [])
    (asked,) = (str(one["value"]) for one in page.select("#found input[name=asked]"))
    offered = {f"offered-{asked}": "2"}
    assert post(operator, ref, "found", asked=asked, **offered).status_code == 400
    assert post(operator, ref, "found", asked=asked, **offered, **{f"picked-{asked}": ["12"]}).status_code == 302
    plan = installation.kept.requests.view(ref).plan
    assert plan is not None
    assert {step.collection: step.rows for step in plan.steps}["accounts"] == 1


def test_deciding_and_stopping_take_a_sign_in_and_a_post(installation: Installation, operator: FlaskClient) -> None:
    """A stranger is sent away, a link changes nothing."""
    ref = planned(installation, operator, 2)
    stranger = installation.app.test_client()
    for path in ("found", "found/anew", "stop"):
        assert operator.get(f"/console/requests/{ref}/{path}").status_code in (404, 405)
        assert stranger.post(f"/console/requests/{ref}/{path}").status_code in (302, 400, 401)
    assert len(installation.kept.requests.view(ref).found.questions) == 1
    assert post(operator, ref, "stop", stop_why="it is wrong").status_code == 409


def test_commands_do_the_same(installation: Installation) -> None:
    """`plan` exits 1 while something has to be decided and names how; `decide` and `stop` stand beside the page."""
    ref, root = received(installation, address_of(installation, 8), "deletion"), installation.root
    planned = run_command(root, "request", "plan", ref, "--json")
    (question,) = json.loads(planned.stdout)["questions"]
    assert (planned.returncode, question["choices"]) == (1, ["keep", "redact", "delete"])
    assert run_command(root, "request", "decide", ref, f"{question['id']}=give").returncode == 2
    assert run_command(root, "request", "decide", ref, "keep").returncode == 2
    decided = run_command(root, "request", "decide", ref, f"{question['id']}=keep", "--json")
    assert (decided.returncode, json.loads(decided.stdout)["questions"]) == (0, [])
    installation.kept.requests.approve(ref, by="system")
    assert run_command(root, "request", "stop", ref, "--reason", "the wrong person").returncode == 0
    assert installation.kept.requests.view(ref).state is State.PLANNED


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", list(Viewport), ids=lambda one: one.name.lower())
def test_the_questions_fit_the_screen(
    installation: Installation, page: OpenPage, viewport: Viewport, dark: bool
) -> None:
    """At both sizes and in both themes: nothing that the policy blocks, nothing wider than the screen."""
    ref = received(installation, address_of(installation, 3 + 2 * list(Viewport).index(viewport) + dark), "deletion")
    installation.kept.requests.make_plan(ref, by="system")
    with serve(installation.app) as base:
        opened = page(viewport, dark=dark)
        opened.goto(f"{base}/console/sign-in")
        opened.fill("#email", AGENT)
        opened.fill("#password", PASSWORD)
        opened.click("button[type=submit]")
        opened.wait_for_url(f"{base}/console/")
        opened.goto(f"{base}/console/requests/{ref}")
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if folder := os.environ.get("KEPT_PICTURES"):
            opened.screenshot(
                path=f"{folder}/found-{viewport.name.lower()}-{'dark' if dark else 'light'}.png", full_page=True
            )
        opened.click("#found .choice >> text=Keep them without the person")
        opened.click("#found button.main-act")
        opened.wait_for_selector("text=shared records of talks")


def test_one_answer_for_all_that_is_shared_and_empty_places_folded(tmp_path: Path) -> None:
    """Of several places with shared records one control answers all of them, unless one is answered by itself; places
    with nothing of the person stand folded under one line."""
    more = TALKS + TALKS.replace("talks", "chats") + TALKS.replace("talks", "calls")
    with open_installation(tmp_path / "kept", configuration=CONFIGURATION + more) as opened:
        with closing(sqlite3.connect(opened.root / "gateway.db")) as connection, connection:
            for name in ("talks", "chats", "calls"):
                connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, first INTEGER, second INTEGER)")
                connection.execute(f"INSERT INTO {name} VALUES (1, 1, 2), (2, 5, 6)")
            connection.execute("DELETE FROM request_log WHERE user_id = 1")
        client = opened.signed_in(AGENT)
        ref = planned(opened, client, 1)
        page = see(client, ref)
        assert [one["value"] for one in page.select("input[name=for_all]")] == ["keep", "redact", "delete"]
        asked = [str(one["value"]) for one in page.select("#found input[name=asked]")]
        assert len(asked) == 3
        own = {f"choice-{asked[0]}": "delete"}
        assert post(client, ref, "found", asked=asked, for_all="keep", **own).status_code == 302
        decided = opened.kept.requests.view(ref).found.decided
        assert sorted(one.rpartition(": ")[2] for one in decided) == ["deleted with the rest", "kept", "kept"]
        folded = see(client, ref).select_one("#f-plan ~ * details, section[aria-labelledby=f-plan] details")
        assert folded is not None
        assert "with nothing of theirs" in folded.get_text(" ").replace("\u00a0", " ")
        assert "gateway.request_log" in folded.get_text(" ")
