"""The whole life of requests: form, link, ticket, plan, approval, copy or deletion, answer, checked by counts of our own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import freezegun
import pytest
import sqlalchemy as sa
from freezegun.api import FrozenDateTimeFactory, TickingDateTimeFactory
from structlog.testing import capture_logs

from core.database import Database
from core.errors import Conflict, NotFound, WaitsForPerson
from dsr.person_page import WrongCode
from dsr.states import State
from dsr.tables import TicketRow
from dsr.views import Act
from tests.dsr_house import (
    ANNA,
    ANNA_NAME,
    BRUNO,
    NOON,
    OPERATOR,
    SLY_MODEL,
    SLY_PROMPT,
    STRANGER,
    House,
    build_house,
)

Frozen = FrozenDateTimeFactory | TickingDateTimeFactory


@pytest.fixture
def time() -> Iterator[Frozen]:
    """A day in June; time runs on from there."""
    with freezegun.freeze_time(NOON, tick=True) as frozen:
        assert not isinstance(frozen, freezegun.api.StepTickTimeFactory)
        yield frozen


@pytest.fixture
def house(database: Database, tmp_path: Path, time: Frozen) -> House:
    """A house on either database."""
    return build_house(database, tmp_path / "house")


def approve(house: House, ref: str) -> None:
    house.requests.make_plan(ref, by=OPERATOR)
    panel = house.requests.view(ref).plan
    assert panel
    house.requests.approve(ref, by=OPERATOR, seal=panel.seal)


def read_package(house: House, ref: str, address: str = ANNA) -> zipfile.ZipFile:
    grant = house.open_page(ref, address)
    house.requests.ask_code(ref, source="192.0.2.7")
    download = house.requests.download(ref, grant, house.code(address))
    return zipfile.ZipFile(io.BytesIO(b"".join(download.chunks)))


def test_access_from_form_to_package(house: House, time: Frozen) -> None:
    """A copy holds what SQL of our own counts, and nothing of anyone else."""
    house.submit()
    assert house.requests.list_tickets() == []
    time.tick(timedelta(days=2))
    ref = house.requests.confirm(house.link_token(ANNA))
    (line,) = house.requests.list_tickets()
    # 30 days from the day it was asked, not from the day the button was pressed; GDPR alone would give 13 July.
    assert (line.ref, line.state, str(line.due_on)) == (ref, State.RECEIVED, "2026-07-11")
    approve(house, ref)
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.ANSWERED
    assert view.outcome["rows"] == {
        "accounts": 1, "support": 1, "api-keys": 1, "requests": 7, "billing": 3, "invoices": 2, "request-days": 4,
        "playground": 2, "usage": 1, "feedback": 1,
    }  # fmt: skip
    assert house.count("request_log", "user_id = 'u_anna'") == 7
    package = read_package(house, ref)
    requests = json.loads(package.read("data/requests.json"))
    assert [row["user_id"] for row in requests] == ["u_anna"] * 7
    assert BRUNO not in "".join(package.read(name).decode(errors="replace") for name in package.namelist())
    assert ref in house.latest_mail(ANNA, "Your copy is ready").subject


def test_the_files_of_a_package_are_safe_to_open(house: House) -> None:
    """CSV runs no formula, HTML no script, hashes match, and credentials are named only."""
    ref = house.confirmed()
    approve(house, ref)
    house.work()
    package = read_package(house, ref)
    manifest = json.loads(package.read("manifest.json"))
    for file in manifest["files"]:
        plain = package.read(file["name"])
        assert (len(plain), hashlib.sha256(plain).hexdigest()) == (file["size"], file["sha256"])
    assert {file["name"] for file in manifest["files"]} | {"manifest.json"} == set(package.namelist())
    requests = list(csv.DictReader(io.StringIO(package.read("data/requests.csv").decode())))
    assert requests[0]["model"] == "'" + SLY_MODEL
    bills = list(csv.DictReader(io.StringIO(package.read("data/billing.csv").decode())))
    assert bills[0]["cost_usd"] == "-0.5"
    html = package.read("index.html").decode()
    assert SLY_PROMPT not in html
    assert "&lt;script&gt;" in html
    assert "5ecre7" not in "".join(package.read(name).decode(errors="replace") for name in package.namelist())
    keys = next(one for one in manifest["collections"] if one["name"] == "api-keys")
    assert (keys["records"], keys["held_and_not_sent"]) == (1, ["token_hash"])


def test_the_letter_says_what_the_law_asks_for(house: House) -> None:
    """Purposes, periods, recipients abroad with their safeguard, rights and the authority, from clauses."""
    ref = house.confirmed()
    approve(house, ref)
    house.work()
    letter = read_package(house, ref).read("letter.pdf").decode()
    for words in ("passing on requests", "30 days", "Groq", "standard contractual clauses", "tax records",
                  "token_hash", "Your rights", "Graurheindorfer"):  # fmt: skip
        assert words in letter


def test_deletion_across_stores_keeps_invoices_and_says_why(house: House) -> None:
    """Rows and lines go, invoices stay with their reason, nobody else loses anything."""
    ref = house.confirmed(right="deletion")
    approve(house, ref)
    assert house.count("request_log", "user_id = 'u_anna'") == 7
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.ANSWERED, view.timeline[-1].why
    assert view.outcome["rows"] == {
        "accounts": 1, "support": 1, "api-keys": 1, "requests": 7, "billing": 3, "invoices": 0, "request-days": 4,
        "playground": 2, "usage": 1, "feedback": 1,
    }  # fmt: skip
    for table in ("request_log", "billing_log", "api_keys", "playground", "usage", "feedback"):
        assert (house.count(table, "user_id = 'u_anna'"), house.count(table)) == (0, 1)
    assert (house.count("users"), house.count("support_messages"), house.count("invoices")) == (1, 1, 3)
    assert (house.count_lines("u_anna"), house.count_lines("u_bruno")) == (0, 2)
    mail = house.latest_mail(ANNA, "deleted")
    for words in ("Requests: 7", "Invoices, 2", "tax records", "10 years"):
        assert words in mail.text.replace("\u00a0", " ").replace("\u202f", " ")
    house.ledger.settle()
    assert house.ledger.verify().ok


def test_nothing_found_is_an_answer_after_proof_and_a_look(house: House) -> None:
    """It cannot be said before the address is shown, before anyone looked, or when something was found."""
    ref = house.confirmed(STRANGER)
    with pytest.raises(Conflict, match="Nobody has looked"):
        house.requests.answer_nothing_found(ref, by=OPERATOR)
    house.requests.make_plan(ref, by=OPERATOR)
    assert Act.NOTHING_FOUND in house.requests.view(ref).acts
    with pytest.raises(Conflict, match="nothing to approve"):
        house.requests.approve(ref, by=OPERATOR)
    house.requests.answer_nothing_found(ref, by=OPERATOR)
    assert "hold nothing" in house.latest_mail(STRANGER, ref).subject
    known = house.confirmed(ANNA)
    house.requests.make_plan(known, by=OPERATOR)
    with pytest.raises(Conflict, match="Something was found"):
        house.requests.answer_nothing_found(known, by=OPERATOR)


def test_refusal_names_ground_reason_and_authority(house: House) -> None:
    """The person is told inside the clock why, under which rule, and where to complain."""
    ref = house.confirmed()
    house.requests.refuse(ref, by=OPERATOR, ground="excessive", reason="You asked the same twice this week.")
    text = " ".join(house.latest_mail(ANNA, ref).text.split())
    for words in ("the same twice this week", "Art. 12(5)", "Bundesbeauftragte", "go to court"):
        assert words in text
    with pytest.raises(Conflict):
        house.requests.make_plan(ref, by=OPERATOR)


def test_only_the_data_of_the_proven_address_is_found(house: House) -> None:
    """Bruno's address typed by Anna finds nothing of Bruno until Bruno presses the button."""
    ref = house.requests.open_by_hand(
        email=BRUNO,
        right="access",
        received_at=datetime.now(UTC),
        channel="letter",
        by=OPERATOR,
        note="Letter of today",
    )
    with pytest.raises(WaitsForPerson, match="not shown"):
        house.requests.make_plan(ref, by=OPERATOR)
    mine = house.confirmed(ANNA)
    house.requests.make_plan(mine, by=OPERATOR)
    plan = house.requests.view(mine).plan
    assert plan
    assert plan.total == 23
    assert house.requests.confirm(house.link_token(BRUNO)) == ref
    house.requests.make_plan(ref, by=OPERATOR)


def test_approval_is_of_what_was_seen(house: House) -> None:
    """A plan that was made again since the operator looked is not approved by the old page."""
    ref = house.confirmed(right="deletion")
    house.requests.make_plan(ref, by=OPERATOR)
    seen = house.requests.view(ref).plan
    assert seen
    house.requests.make_plan(ref, by=OPERATOR)
    with pytest.raises(Conflict, match="changed since"):
        house.requests.approve(ref, by=OPERATOR, seal=seen.seal)
    assert house.count("users") == 2


def test_a_store_that_fails_keeps_the_ticket_open_and_named(house: House, time: Frozen) -> None:
    """Partly done is not answered: the place is named, nobody is told it is done, and the work goes on when it is back."""
    ref = house.confirmed(right="deletion")
    approve(house, ref)
    (house.root / "gateway.db").rename(house.root / "away.db")
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.PARTLY_DONE
    assert "gateway" in view.timeline[-1].why
    assert not [mail for mail in house.mails_to(ANNA) if "deleted" in mail.subject]
    (house.root / "gateway.db").unlink(missing_ok=True)
    (house.root / "away.db").rename(house.root / "gateway.db")
    time.tick(timedelta(hours=7))
    house.work()
    assert house.requests.view(ref).state is State.ANSWERED
    assert house.count("users") == 1


@pytest.mark.parametrize("right", ["access", "deletion"])
def test_work_that_was_killed_is_taken_up(house: House, time: Frozen, right: str) -> None:
    """Killed after the store's work and before the answer, the same run goes on: one answer, one package, all counted."""
    ref = house.confirmed(right=right)
    approve(house, ref)
    with house.database.begin() as session:
        # What a killed process leaves: the ticket says running, and nobody runs it.
        session.execute(sa.update(TicketRow).where(TicketRow.ref == ref).values(state=State.RUNNING.value))
    plan = house.requests.view(ref).plan
    assert plan
    if right == "deletion":
        house.plans.run(plan.id)
    else:
        left = house.root / "var" / "packages" / "pkg_left.kept"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"sealed, its key lost")
        os.utime(left, (0, 0))
    house.work()
    view = house.requests.view(ref)
    assert view.state is State.ANSWERED
    assert sum(view.outcome["rows"].values()) == (23 if right == "access" else 21)
    house.requests.tidy()
    assert len(list((house.root / "var" / "packages").glob("*"))) == (1 if right == "access" else 0)
    time.tick(timedelta(hours=12))
    told = len(house.mails_to(ANNA))
    house.dispatcher.dispatch()
    with pytest.raises(Conflict):
        house.requests.run(ref)
    assert len(house.mails_to(ANNA)) == told


def test_the_person_page_opens_with_a_code_only(house: House, time: Frozen) -> None:
    """Five tries, ten minutes, once; an unknown reference behaves alike; a grant opens one page."""
    ref = house.confirmed()
    house.requests.ask_code(ref, source="192.0.2.7")
    code = house.code(ANNA)
    for _ in range(5):
        with pytest.raises(WrongCode):
            house.requests.open_page(ref, "000000" if code != "000 000" else "111111")
    with pytest.raises(WrongCode):
        house.requests.open_page(ref, code)
    house.requests.ask_code(ref, source="192.0.2.7")
    late = house.code(ANNA)
    time.tick(timedelta(minutes=11))
    with pytest.raises(WrongCode):
        house.requests.open_page(ref, late)
    grant = house.open_page(ref)
    with pytest.raises(WrongCode):
        house.requests.open_page(ref, house.code(ANNA))
    assert house.requests.page(ref, grant).contact == "a•••••@post.example"
    house.requests.ask_code("K7F3Q-2MXB", source="192.0.2.7")
    other = house.confirmed(BRUNO)
    with pytest.raises(NotFound):
        house.requests.page(other, grant)
    house.requests.withdraw_page(ref, grant)
    assert house.requests.page(ref, grant).state is State.WITHDRAWN


def test_a_package_goes_after_two_weeks(house: House, time: Frozen) -> None:
    """After its day the key is gone, the file is gone, and the page offers nothing."""
    ref = house.confirmed()
    approve(house, ref)
    house.work()
    assert len(list((house.root / "var" / "packages").iterdir())) == 1
    assert len(read_package(house, ref).namelist()) == 33
    time.tick(timedelta(days=15))
    house.requests.tidy()
    assert list((house.root / "var" / "packages").iterdir()) == []
    grant = house.open_page(ref)
    assert house.requests.page(ref, grant).package is None
    house.requests.ask_code(ref, source="192.0.2.7")
    with pytest.raises(NotFound):
        house.requests.download(ref, grant, house.code(ANNA))
    package = house.requests.view(ref).package
    assert package
    assert package.deleted_at
    assert len(package.downloads) == 1


def test_nothing_personal_is_in_logs_ledger_or_files_on_disk(house: House) -> None:
    """After a copy and a deletion, neither address nor name stands in a log line, a ledger table or a package's bytes."""
    with capture_logs() as logs:
        ref = house.confirmed()
        approve(house, ref)
        house.work()
        sealed = b"".join(path.read_bytes() for path in (house.root / "var" / "packages").iterdir())
        read_package(house, ref)
        gone = house.confirmed(right="deletion")
        approve(house, gone)
        house.work()
    with house.database.read() as session:
        tables = [name for name in sa.inspect(session.connection()).get_table_names() if name.startswith("ledger")]
        rows = [str(row) for name in tables for row in session.execute(sa.text(f"SELECT * FROM {name}"))]
    assert len(rows) > 20
    for secret in (ANNA, ANNA_NAME, "anna.quill"):
        assert secret not in str(logs)
        assert secret not in "".join(rows)
        assert secret.encode() not in sealed
