"""What the board said on any day: entries of the ledger for each change, the whole board once a day, and lies that show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from core.clock import day_in
from core.database import Database
from core.errors import BadInput, NotFound
from core.leases import Leases
from ledger.log import Ledger
from policies.documents import parse_document
from policies.versions import Policies
from promises.board import Board, ClauseState
from promises.record import BOARD, STATE, BoardRecord, digest_of
from promises.record_tables import BoardDayRow, StateRow
from promises.states import State
from tests.kept_commands import run_command
from tests.ledger_rooms import ORIGIN, SECRET, StandingClock
from tests.policy_texts import policy_text
from tests.web_installation import CONFIGURATION, Installation, open_installation, read

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("logs", "no-sale")


class Desk:
    """A record over a board that the test sets."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = StandingClock(NOON)
        self.ledger = Ledger(database, self.clock, Leases(database, self.clock), secret=SECRET, origin=ORIGIN)
        self.policies = Policies(database, self.clock, self.ledger)
        self.record = BoardRecord(database, self.clock, self.ledger, self.policies, self.board)
        self.states = dict.fromkeys(NAMES, State.KEPT)
        self.version = 1

    def board(self) -> Board:
        clauses = tuple(
            ClauseState(
                clause_id=name, kind="pledge", sentence=name, state=state, proof="", public_proof="", checked_at=None,
                good_until=None, owner=None, promises=(),
            )
            for name, state in self.states.items()
        )  # fmt: skip
        return Board(version=self.version, at=self.clock.now(), clauses=clauses)

    def set(self, **states: State) -> int:
        self.states |= {name.replace("_", "-"): state for name, state in states.items()}
        return self.record.note()

    def on(self, day: int) -> dict[str, State]:
        return {one.clause: one.state for one in self.record.on(date(2026, 11, day)).clauses}


@pytest.fixture
def desk(database: Database) -> Desk:
    made = Desk(database)
    made.policies.publish(
        parse_document(
            policy_text("{id: no-sale, kind: pledge, says: not sold, owner: legal, review: P1Y}"), "policy.md"
        ),
        actor="system",
    )
    return made


def test_each_change_is_an_entry_and_every_day_can_be_asked_for(desk: Desk) -> None:
    """Nothing changes, nothing is written; the end of each day is what the board said then, with what happened on it; a day on
    which nobody looked says so, and one that is to come or was before is refused."""
    assert desk.record.note() == 2
    assert desk.record.note() == 0
    desk.clock.advance(DAY)
    assert desk.set(logs=State.BROKEN) == 1
    desk.clock.advance(HOUR)
    assert desk.set(logs=State.KEPT, no_sale=State.ATTESTED) == 2
    desk.clock.advance(2 * DAY)
    assert desk.set(logs=State.DUE) == 1
    assert [desk.on(day) for day in (2, 3, 4, 5)] == [
        {"logs": State.KEPT, "no-sale": State.KEPT},
        {"logs": State.KEPT, "no-sale": State.ATTESTED},
        {"logs": State.KEPT, "no-sale": State.ATTESTED},
        {"logs": State.DUE, "no-sale": State.ATTESTED},
    ]
    third, fourth = desk.record.on(date(2026, 11, 3)), desk.record.on(date(2026, 11, 4))
    (logs, _) = third.clauses
    assert [one.state for one in logs.changes] == [State.BROKEN, State.KEPT]
    assert logs.worst is State.BROKEN
    assert (third.looked, third.proven) == (True, True)
    assert (fourth.looked, fourth.digest) == (False, None)
    with pytest.raises(BadInput):
        desk.record.on(date(2026, 11, 6))
    with pytest.raises(NotFound):
        desk.record.on(date(2026, 11, 1))
    with desk.database.read() as session:
        entries = desk.ledger.entries(session, ref="clause:logs")
        days = desk.ledger.entries(session, kind=BOARD)
        assert desk.record.days(session) == (date(2026, 11, 2), date(2026, 11, 5))
    assert [one.refs[2] for one in entries] == ["state:due", "state:kept", "state:broken", "state:kept"]
    assert {one.kind for one in entries} == {STATE}
    first = digest_of(1, dict.fromkeys(NAMES, State.KEPT))
    assert [one.refs for one in days][-1] == ("version:1", "day:2026-11-02", f"board:{first}")
    desk.ledger.settle()
    assert desk.ledger.verify().ok


def test_another_version_is_another_board(desk: Desk) -> None:
    """Its clauses are recorded anew, and a clause that it dropped is on the board of the days before alone."""
    desk.record.note()
    desk.clock.advance(DAY)
    desk.version, desk.states = 2, {"logs": State.KEPT, "new": State.BROKEN}
    assert desk.record.note() == 2
    assert desk.on(2) == dict.fromkeys(NAMES, State.KEPT)
    assert desk.on(3) == {"logs": State.KEPT, "new": State.BROKEN}
    assert desk.record.on(date(2026, 11, 3)).version == 2


def test_a_history_that_was_made_nicer_does_not_hold(desk: Desk) -> None:
    """A state that is changed, a row that is gone, a digest that is replaced: the entries say otherwise; and the entries
    themselves cannot be changed."""
    desk.set(logs=State.BROKEN)
    day = date(2026, 11, 2)
    assert desk.record.on(day).proven
    lies = (
        sa.update(StateRow).where(StateRow.clause == "logs").values(state="kept"),
        sa.update(StateRow).where(StateRow.clause == "logs").values(at=NOON - HOUR),
        sa.delete(StateRow).where(StateRow.clause == "logs"),
        sa.update(BoardDayRow).values(digest=digest_of(1, dict.fromkeys(NAMES, State.KEPT))),
    )
    for lie in lies:
        with desk.database.engine.connect() as connection:
            honest = (
                connection.execute(sa.select(StateRow.__table__)).all(),
                connection.execute(sa.select(BoardDayRow.__table__)).all(),
            )
        with desk.database.begin() as session:
            session.execute(lie)
        assert not desk.record.on(day).proven
        with desk.database.begin() as session:
            session.execute(sa.delete(StateRow))
            session.execute(sa.delete(BoardDayRow))
            session.execute(sa.insert(StateRow), [dict(row._mapping) for row in honest[0]])
            session.execute(sa.insert(BoardDayRow), [dict(row._mapping) for row in honest[1]])
        assert desk.record.on(day).proven
    with pytest.raises(DatabaseError), desk.database.begin() as session:
        session.execute(sa.text("UPDATE ledger_entries SET refs = '[]'"))
    assert replace(desk.record.on(day), looked=True).looked


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with open_installation(tmp_path / "kept", configuration=CONFIGURATION) as made:
        yield made


def test_the_console_and_the_command_show_a_day(house: Installation) -> None:
    """The day picker leads to the board of a day, read only; a day that cannot be is told; the command says the same, with
    exit 1 as something was broken."""
    house.kept.board_record.note()
    now = read(house, "/console/promises")
    assert now.select("form input[name=on][type=date]")
    today = day_in(house.kept.clock.now(), "Europe/Berlin")
    page = read(house, f"/console/promises?on={today.isoformat()}").get_text(" ")
    assert "The ledger bears it out" in page
    assert "Personal data is not sold" in page
    assert "still to come" in read(house, f"/console/promises?on={(today + 3 * DAY).isoformat()}").get_text()
    assert house.signed_in().get("/console/promises?on=yesterday").status_code == 404
    house.kept.ledger.settle()
    said = run_command(house.root, "promises", "--on", today.isoformat(), "--json")
    assert said.returncode == 1
    assert '"proven": true' in said.stdout


def test_the_command_vouches_lists_and_takes_back(house: Installation, tmp_path: Path) -> None:
    """A word by command is of whoever is named; without a day the command lists; a bad day and a clause of a machine are
    refused with 2."""
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF-1.7 nothing")
    until = (datetime.now(UTC).date() + 90 * DAY).isoformat()
    words = ("--words", "Looked.", "--name", "Mara Okonjo", "--evidence", str(scan))
    made = run_command(house.root, "attest", "no-sale", "--until", until, *words, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["name"], told["until"], told["evidence"]["name"]) == ("Mara Okonjo", until, "scan.pdf")
    assert "Mara Okonjo" in run_command(house.root, "attest", "no-sale").stdout
    assert run_command(house.root, "attest", "no-sale", "--until", "soon", "--words", "x").returncode == 2
    assert run_command(house.root, "attest", "access", "--until", until, "--words", "x").returncode == 2
    gone = run_command(house.root, "attest", "no-sale", "--take-back", told["id"], "--words", "No.", "--json")
    assert json.loads(gone.stdout)[0]["taken_back_at"]
