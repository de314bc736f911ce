"""Retention in the console: holds and their release, the page of a clause, a run under way, stopped and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup, Tag

from core.operators import OperatorRow, Role, add_operator
from core.outbox import Dispatcher, OutboxRow
from jobs.handlers import work_handlers
from retention.tables import RunState
from tests.web_installation import (
    ADMINISTRATOR,
    AGENT,
    CONFIGURATION,
    Installation,
    give_password,
    open_installation,
    post,
    read,
)

BOB = "bob@lanternway.example"
HOLDS = "/console/retention/holds"
CLAUSE = "/console/retention/clauses/request-logs"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with open_installation(tmp_path / "kept") as opened:
        yield opened


def hire(installation: Installation) -> None:
    """A second administrator."""
    kept = installation.kept
    with kept.database.begin() as session:
        made = add_operator(session, email=BOB, name="Bob Brandt", role=Role.ADMINISTRATOR, now=kept.clock.now())
        give_password(session, made.id)


def id_of(installation: Installation, address: str) -> str:
    with installation.kept.database.read() as session:
        return session.execute(sa.select(OperatorRow.id).where(OperatorRow.email == address)).scalar_one()


def words(page: Tag | None) -> str:
    assert page is not None
    return " ".join(page.get_text(" ").replace("\u00a0", " ").replace("\u202f", " ").split())


def run_and_stop(installation: Installation) -> None:
    """Approve the first run of the request logs, and stop it by the button of the page while its second batch is done."""
    kept, seen = installation.kept, []
    plans = kept.sweeps._plans
    plans._batch_rows = 20

    def stop(*_: object) -> None:
        seen.append(1)
        if len(seen) == 2:
            client = installation.signed_in()
            page = BeautifulSoup(client.get("/console/retention").get_data(as_text=True), "html.parser")
            button = page.select_one("#running form")
            assert button is not None
            assert "of 250 rows" in words(page.select_one("#running"))
            assert page.select_one("progress") is not None
            assert post(client, str(button["action"]), "/console/retention").status_code == 302

    kept.sweeps.approve(
        "request-logs", by=id_of(installation, ADMINISTRATOR), reason="numbers checked", on_progress=stop
    )


def test_a_hold_is_added_shown_and_released_by_two_people(installation: Installation) -> None:
    """One sets it at once, with its reason and review day; who asked cannot agree; the second does, and it is listed as ended."""
    hire(installation)
    kept, ada, bob = installation.kept, installation.signed_in(), installation.signed_in(BOB)
    form = {"kind": "email", "value": "person5@post.example", "reason": "Case 7", "review": "2099-01-01"}
    assert post(ada, HOLDS, HOLDS, **form).status_code == 302
    (hold,) = kept.hold_desk.list()
    assert dict(hold.person)["user_id"] == ("5",)
    kept.hold_desk.count()
    row = read(installation, HOLDS).select_one(f"#{hold.id}")
    assert row is not None
    assert "7 rows" in words(row)
    assert post(ada, f"{HOLDS}/{hold.id}/release", HOLDS, reason="settled").status_code == 302
    assert "wants to release" not in words(read(installation, HOLDS))
    assert "Release asked" in words(read(installation, HOLDS))
    assert post(ada, f"{HOLDS}/{hold.id}/release", HOLDS, reason="now").status_code == 409
    assert "Ada Vogelsang wants to release person5@post.example" in words(read(installation, HOLDS, BOB))
    assert "wants to release the hold on" in words(read(installation, "/console/", BOB))
    assert post(bob, f"{HOLDS}/{hold.id}/release", HOLDS, reason="Agreed").status_code == 302
    assert kept.hold_desk.list() == []
    assert "Bob Brandt" in words(read(installation, f"{HOLDS}?view=released"))


def test_one_administrator_waits_a_day_and_can_take_it_back(installation: Installation) -> None:
    """The page says when it ends; kept again, it binds as before."""
    kept, ada = installation.kept, installation.signed_in()
    post(ada, HOLDS, HOLDS, collection="requests", reason="Incident")
    (hold,) = kept.hold_desk.list()
    answer = post(ada, f"{HOLDS}/{hold.id}/release", HOLDS, reason="over")
    assert answer.status_code == 302
    assert "ends a day from now" in ada.get(HOLDS).get_data(as_text=True)
    assert kept.hold_desk.list()[0].release_due_at is not None
    assert post(ada, f"{HOLDS}/{hold.id}/keep", HOLDS).status_code == 302
    assert kept.hold_desk.list()[0].release_due_at is None


def test_a_hold_with_a_slip_keeps_what_was_typed(installation: Installation) -> None:
    """Each slip stands beside its field, nothing is added, and an agent may add but not release."""
    tom = installation.signed_in(AGENT)
    answer = post(tom, HOLDS, HOLDS, value="person5@post.example", kind="email", since="yesterday")
    assert answer.status_code == 400
    said = words(BeautifulSoup(answer.get_data(as_text=True), "html.parser"))
    assert "Say which case or duty" in said
    assert "Write a day such as" in said
    assert "person5@post.example" in answer.get_data(as_text=True)
    assert post(tom, HOLDS, HOLDS, reason="Case 7").status_code == 400
    assert installation.kept.hold_desk.list() == []
    assert post(tom, HOLDS, HOLDS, reason="Case 7", collection="requests").status_code == 302
    (hold,) = installation.kept.hold_desk.list()
    assert post(tom, f"{HOLDS}/{hold.id}/release", HOLDS, reason="over").status_code == 403


def test_a_review_day_that_has_passed_asks_on_the_first_page(installation: Installation) -> None:
    """The hold goes on; somebody is asked to look again."""
    kept = installation.kept
    hold = kept.hold_desk.add(
        by="opr_1", reason="Case 7", collection="requests", review_at=kept.clock.now() + timedelta(days=1)
    )
    with kept.database.begin() as session:
        session.execute(sa.text("UPDATE holds SET review_at = added_at WHERE id = :id"), {"id": hold.id})
    assert "Look again at the hold on requests" in words(read(installation, "/console/"))


def test_a_run_under_way_is_seen_stopped_and_gone_on_with(installation: Installation) -> None:
    """A bar with rows of rows; stopped, it ends after its batch and says so; the button finishes it through the job loop."""
    run_and_stop(installation)
    kept = installation.kept
    assert installation.rows("request_log") == 400 - 40
    assert kept.sweeps.state("request-logs").runs[0].state is RunState.PAUSED
    page = read(installation, CLAUSE)
    assert "A run is paused" in words(page)
    assert "Stopped by Ada Vogelsang" in words(page)
    ada = installation.signed_in()
    assert post(ada, f"{CLAUSE}/resume", CLAUSE).status_code == 302
    handlers = work_handlers(kept)
    assert Dispatcher(kept.database, kept.clock, {"sweep.resume": handlers["sweep.resume"]}).dispatch() == 1
    assert installation.rows("request_log") == 150
    assert "Read back: 0 left" in words(read(installation, CLAUSE))


def test_the_page_of_a_clause_shows_its_runs_and_the_approval_they_stand_on(installation: Installation) -> None:
    """Taken back with a reason, the approval is gone and the page says who did it; an unknown clause has no page."""
    kept, ada = installation.kept, installation.signed_in()
    assert "has not run yet" in words(read(installation, CLAUSE))
    kept.sweeps.approve("request-logs", by=id_of(installation, ADMINISTRATOR), reason="numbers checked")
    page = read(installation, CLAUSE)
    assert "Ada Vogelsang approved it" in words(page)
    assert "250" in words(page.select_one("table"))
    assert post(ada, f"{CLAUSE}/revoke", CLAUSE, reason=" ").status_code == 400
    assert post(ada, f"{CLAUSE}/revoke", CLAUSE, reason="wrong period").status_code == 302
    assert "Taken back by Ada Vogelsang" in words(read(installation, CLAUSE))
    assert ada.get("/console/retention/clauses/nothing").status_code == 404
    assert ada.get("/console/retention/running?seen=swp_1").headers["HX-Refresh"] == "true"


def test_a_review_is_told_by_mail_to_those_named_for_alarms(tmp_path: Path) -> None:
    """One mail each, with the hold's id and no word of whom or what it is about."""
    configuration = CONFIGURATION + "alerts: {mail: [lead@lanternway.example]}\n"
    with open_installation(tmp_path / "kept", configuration=configuration) as installation:
        kept = installation.kept
        hold = kept.hold_desk.add(by="opr_1", reason="Case 7", collection="requests")
        with kept.database.begin() as session:
            session.execute(sa.text("UPDATE holds SET review_at = added_at"))
        kept.holds.tick()
        kept.holds.tick()
        handlers = work_handlers(kept)
        assert Dispatcher(kept.database, kept.clock, {"hold.review": handlers["hold.review"]}).dispatch() == 1
        with kept.database.read() as session:
            (mail,) = session.execute(sa.select(OutboxRow.payload).where(OutboxRow.kind == "mail")).scalars()
        assert (mail["event"], mail["to"]) == ("hold_review", "lead@lanternway.example")
        assert mail["vars"]["hold"] == hold.id
        assert "Case 7" not in str(mail)
