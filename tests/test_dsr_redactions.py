"""Other people's data and secrets in texts: found, shown masked, decided by an operator, taken out of every file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from freezegun import freeze_time

from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.spans import Sort, find_spans, suspects
from dsr.redactions import mask
from dsr.states import State
from tests.dsr_house import ANNA, NOON, OPERATOR, House, build_house
from tests.request_desk import hand_on, received
from tests.schema import make_tables
from tests.test_dsr_life import approve, read_package
from tests.web_installation import AGENT, Installation, csrf_of, open_installation

FRIEND, KEY = "carla.blau@post.example", "sk-proj-abcdefghijklmnopqrstuvwx"
LETTER = f"Write to {FRIEND} or call +49 170 1234567, I am {ANNA}. {FRIEND} has the key {KEY}."


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house on SQLite."""
    database = Database(f"sqlite:///{tmp_path}/kept.db")
    make_tables(database)
    with freeze_time(NOON):
        yield build_house(database, tmp_path / "house")
    database.close()


def write_letter(house: House, body: str = LETTER) -> None:
    with closing(sqlite3.connect(house.root / "gateway.db")) as connection:
        connection.execute(
            "INSERT INTO support_messages (email, body, created_at) VALUES (?, ?, '2026-05-02T10:00:00Z')", (ANNA, body)
        )
        connection.commit()


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("write to carla@post.example.", {Sort.EMAIL}),
        ("call 0170 1234567 today", {Sort.PHONE}),
        ("call +49 (170) 1234567 today", {Sort.PHONE}),
        ("pay with 4111 1111 1111 1111 now", {Sort.CARD_NUMBER}),
        (f"use {KEY}", {Sort.SECRET}),
        ("password: hunter2hunter", {Sort.SECRET}),
        ("Authorization: Bearer abcdefghijklmnopqrstuv", {Sort.SECRET}),
        ("postgresql://app:hunter2@db.example/x", {Sort.SECRET}),
        ("order 2026-06-01 10:00:00 of 12 items at 192.0.2.7", set()),
        ("2026-06-01T10:00:00Z", set()),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", set()),
        ("https://shop.example/item?id=4111111111111111", set()),
        ("gpt-4o", set()),
        ("4111111111111112", set()),
    ],
)
def test_what_stands_in_a_text_is_found_by_its_look(text: str, sorts: set[Sort]) -> None:
    """Addresses, numbers and secrets in sentences; ids, instants and versions are none."""
    found = {span.sort for span in find_spans(text)} if suspects({text}) else set()
    assert found == sorts


def test_masks_tell_enough_to_judge_by_and_no_more() -> None:
    """The first letters, the last digits, the length."""
    assert mask(Sort.EMAIL, FRIEND) == "c•••@p•••.example"
    assert mask(Sort.PHONE, "+49 170 1234567") == "•••67"
    assert mask(Sort.SECRET, KEY) == f"sk-•••, {len(KEY)}"


def test_no_copy_goes_out_before_somebody_decided_about_its_texts(house: House) -> None:
    """The run stops with findings that are masked; decided, it goes on: what is taken out is in no file, what stays is,
    the letter and the page say how many, and the person's own address is no finding."""
    with freeze_time(NOON):
        write_letter(house)
        ref = house.confirmed()
        approve(house, ref)
        house.work()
        view = house.requests.view(ref)
        assert (view.state, view.package) == (State.PARTLY_DONE, None)
        page = house.requests.page(ref, house.open_page(ref))
        assert (page.status.title, page.looked_through) == ("A person looks through your copy", True)
        assert list((house.root / "var" / "packages").iterdir()) == []
        findings = {one.key: one for one in house.requests.redactions.findings(ref)}
        assert {key: (one.count, one.fields) for key, one in findings.items()} == {
            "support:email": (2, ("body",)), "support:phone": (1, ("body",)), "support:secret": (1, ("body",)),
        }  # fmt: skip
        assert not any(FRIEND in sample or KEY in sample for one in findings.values() for sample in one.samples)
        with pytest.raises(BadInput, match="support:secret is not decided"):
            house.requests.redactions.decide(ref, {"support:email": "redact", "support:phone": "keep"}, by=OPERATOR)
        with pytest.raises(BadInput, match="no finding accounts:email"):
            house.requests.redactions.decide(ref, {"accounts:email": "keep"}, by=OPERATOR)
        decisions = {"support:email": "redact", "support:phone": "keep", "support:secret": "redact"}
        house.requests.redactions.decide(ref, decisions, by=OPERATOR)
        house.work()
        package = read_package(house, ref)
        everything = "".join(package.read(name).decode(errors="replace") for name in package.namelist())
        assert FRIEND not in everything
        assert KEY not in everything
        assert (
            "+49 170 1234567, I am anna.quill@post.example. [an e-mail address was taken out here] has the key"
            in everything
        )
        assert "2 e-mail addresses were taken out of texts" in package.read("letter.pdf").decode()
        kept = house.requests.view(ref).outcome["kept"]
        assert {"1 password or key was taken out of texts, so that nobody else reads it"} < {one["why"] for one in kept}
        with pytest.raises(Conflict):
            house.requests.redactions.decide(ref, decisions, by=OPERATOR)
        with house.database.read() as session:
            kinds = {entry.kind for entry in house.ledger.entries(session, ref=f"ticket:{ref}")}
        assert "request.texts_decided" in kinds


def test_what_is_new_since_the_decision_stops_the_copy_again(house: House) -> None:
    """A decision is about what was shown: another sort that came since waits for one of its own."""
    with freeze_time(NOON):
        write_letter(house, f"Ask {FRIEND}")
        ref = house.confirmed()
        approve(house, ref)
        house.work()
        house.requests.redactions.decide(ref, {"support:email": "redact"}, by=OPERATOR)
        write_letter(house, f"The key is {KEY}")
        house.work()
        assert house.requests.view(ref).state is State.PARTLY_DONE
        assert [one.key for one in house.requests.redactions.findings(ref) if one.decision is None] == [
            "support:secret"
        ]


def test_a_download_is_taken_up_again_without_counting_twice(house: House) -> None:
    """A fresh code begins a download; its token gives any part of the same bytes for two hours, and one row is written."""
    with freeze_time(NOON) as time:
        ref = house.confirmed()
        approve(house, ref)
        house.work()
        grant = house.open_page(ref)
        house.requests.ask_code(ref, source="192.0.2.7")
        code = house.code(ANNA)
        download = house.requests.download(ref, grant, code)
        whole = b"".join(download.chunks)
        again = house.requests.take_up_download(ref, download.token)
        assert b"".join(again.read(100, again.size)) == whole[100:]
        assert again.mark == download.mark
        package = house.requests.view(ref).package
        assert package
        assert len(package.downloads) == 1
        for wrong in ("", "x" * 43):
            with pytest.raises(NotFound):
                house.requests.take_up_download(ref, wrong)
        with pytest.raises(NotFound):
            house.requests.take_up_download(house.confirmed(), download.token)
        time.tick(timedelta(hours=2, seconds=1))
        with pytest.raises(NotFound):
            house.requests.take_up_download(ref, download.token)


def test_operators_decide_on_the_tickets_page(tmp_path: Path) -> None:
    """The page shows what was found, masked, and asks for that alone; who is not signed in cannot decide; decided, the copy
    is made."""
    with open_installation(tmp_path / "kept") as installation:
        ref = with_findings(installation)
        agent, page = installation.signed_in(AGENT), f"/console/requests/{ref}"
        shown = BeautifulSoup(agent.get(page).get_data(as_text=True), "html.parser")
        assert "Needs a decision" in shown.select(".head .is-due")[0].get_text(" ")
        assert "Needs a decision" in agent.get("/console/requests").get_data(as_text=True)
        assert "A step failed" not in shown.get_text(" ")
        home = BeautifulSoup(agent.get("/console/").get_data(as_text=True), "html.parser")
        (button,) = home.select(f".todo a.btn[href$='{ref}']")
        assert button.get_text(" ", strip=True).startswith("Decide")
        card = shown.select_one("#texts")
        assert card
        words = card.get_text(" ")
        assert "E-mail addresses of others" in words
        assert "c•••@p•••.example" in words
        assert FRIEND not in shown.get_text(" ")
        assert [button.get_text() for button in shown.select("button.main-act")] == [
            "Decide 1\u00a0finding and make the copy"
        ]
        assert installation.client().post(f"{page}/texts", data={"accounts:email": "keep"}).status_code in (
            302,
            400,
            401,
            403,
        )
        assert installation.kept.requests.redactions.findings(ref)[0].decision is None
        token = csrf_of(agent, page)
        assert agent.post(f"{page}/texts", data={"csrf_token": token, "accounts:email": "burn"}).status_code == 400
        assert agent.post(f"{page}/texts", data={"csrf_token": token, "accounts:email": "redact"}).status_code == 302
        hand_on(installation.kept)
        assert installation.kept.requests.view(ref).state is State.ANSWERED
        assert "taken out" in agent.get(page).get_data(as_text=True)


def with_findings(installation: Installation) -> str:
    """A request whose copy waits: the person's own name holds somebody else's address."""
    kept = installation.kept
    installation.publish()
    with closing(sqlite3.connect(installation.root / "gateway.db")) as connection, connection:
        connection.execute("UPDATE users SET name = ? WHERE email = 'person9@post.example'", (f"Nine, ask {FRIEND}",))
    ref = received(installation, "person9@post.example")
    kept.requests.make_plan(ref, by=OPERATOR)
    kept.requests.approve(ref, by=OPERATOR)
    hand_on(kept)
    assert kept.requests.view(ref).state is State.PARTLY_DONE
    return ref
