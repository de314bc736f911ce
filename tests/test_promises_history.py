"""The worst of each day: measured at each look, kept a row a day, said on the board, in commands and by the interface."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from core.database import Database
from promises.evidence import SweepEvidences
from promises.history import HistoryRow, note_look, read_histories
from retention.views import ClauseOverdue
from tests.plan_rooms import CLAUSES, ago, make_gateway, wire

TODAY = date(2026, 11, 21)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_day_keeps_the_worst_of_its_looks_and_a_clause_one_row_a_day(database: Database) -> None:
    """A later, better look takes nothing away; rows of more than 400 days ago go when a new day begins."""
    with database.begin() as session:
        note_look(session, "logs", TODAY - timedelta(days=401), due=1, broken=1, over=DAY)
        note_look(session, "logs", TODAY - timedelta(days=40), due=900, broken=900, over=40 * DAY)
        note_look(session, "logs", TODAY - DAY, due=3, broken=0, over=2 * HOUR)
        note_look(session, "logs", TODAY, due=9, broken=1, over=HOUR)
        note_look(session, "logs", TODAY, due=0, broken=0, over=timedelta(0))
        note_look(session, "other", TODAY, due=0, broken=0, over=timedelta(0))
    with database.read() as session:
        found = read_histories(session, TODAY)
        rows = session.execute(sa.select(sa.func.count()).select_from(HistoryRow)).scalar_one()
    assert rows == 4
    assert [(one.due, one.broken, one.over) for one in found["logs"].days] == [(3, 0, 2 * HOUR), (9, 1, HOUR)]
    worst = found["logs"].worst
    assert worst is not None
    assert worst.day == TODAY - DAY
    assert found["logs"].as_json() | {"by_day": []} == {
        "days": 30,
        "looked_on": 2,
        "due": 9,
        "broken": 1,
        "over_seconds": 7200,
        "on": "2026-11-20",
        "by_day": [],
    }
    assert found["logs"].words(TODAY) == (
        "Worst overdue: 2\u202fh, on 20 November. At most 9\u00a0records over at once, 1 past the limit. "
        "Looked at on 2 of the last 30 days."
    )
    assert found["other"].words(TODAY) == "Nothing was over. Looked at on 1 of the last 30 days."


def looked(rooms_sweeps: list[ClauseOverdue], clause: str) -> ClauseOverdue:
    return next(one for one in rooms_sweeps if one.clause == clause)


def test_how_long_the_oldest_is_over_is_measured_from_the_promise_on(database: Database, tmp_path: Path) -> None:
    """What a first version found is over since that version, not since the record's own end; then it ages with the clock
    through half of `within` to broken. A clause that counts from an event says the least that is proven."""
    rooms = wire(database, make_gateway(tmp_path / "host"))
    rooms.publish(*(clause.replace("then:", "within: P4D, then:", 1) for clause in CLAUSES[:4]))
    rooms.clock.advance(HOUR)
    first = looked(rooms.sweeps.overdue(), "request-logs")
    assert (first.due, first.half, first.broken, first.over) == (70, 0, 0, HOUR)
    rooms.clock.advance(3 * DAY)
    later = looked(rooms.sweeps.overdue(), "request-logs")
    assert (later.half > 0, later.broken, later.over) == (True, 0, 3 * DAY + HOUR)
    assert looked(rooms.sweeps.overdue(), "closed").over == 2 * DAY
    rooms.clock.advance(2 * DAY)
    last = looked(rooms.sweeps.overdue(), "request-logs")
    assert last.broken > 0
    assert last.over == 5 * DAY + HOUR


def test_an_own_time_says_how_long_when_the_promise_is_older(database: Database, tmp_path: Path) -> None:
    """Between two looks the record's own time tells: what came over its period a day ago is over for a day."""
    gateway = make_gateway(tmp_path / "host", requests=0)
    rooms = wire(database, gateway)
    rooms.publish(CLAUSES[0].replace("then:", "within: P4D, then:"))
    rooms.clock.advance(20 * DAY)
    assert looked(rooms.sweeps.overdue(), "request-logs").over == timedelta(0)
    gateway.run("INSERT INTO request_log VALUES (1, 'u1', ?)", [(ago(11),)])
    found = looked(rooms.sweeps.overdue(), "request-logs")
    assert (found.due, found.half, found.over) == (1, 0, DAY)


def test_each_look_at_the_stores_is_in_the_history_of_its_day(database: Database, tmp_path: Path) -> None:
    """The refresh writes evidence and history in one; a store that cannot be read is no look that saw nothing over."""
    gateway = make_gateway(tmp_path / "host")
    rooms = wire(database, gateway)
    rooms.publish(CLAUSES[0])
    evidences = SweepEvidences(database, rooms.clock, rooms.sweeps)
    evidences.refresh()
    rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    evidences.refresh()
    day = rooms.clock.now().date()
    with database.read() as session:
        evidence, history = evidences.read(session, "request-logs"), read_histories(session, day)["request-logs"]
    assert evidence is not None
    assert (evidence.due, history.most_due) == (0, 69)
    rooms.clock.instant = datetime(2026, 11, 22, 12, tzinfo=UTC)
    gateway.run("ALTER TABLE request_log RENAME TO elsewhere")
    evidences.refresh()
    with database.read() as session:
        evidence = evidences.read(session, "request-logs")
        assert len(read_histories(session, day + DAY)["request-logs"].days) == 1
    assert evidence is not None
    assert evidence.unreached


def test_the_entry_of_a_run_says_what_went_what_is_left_and_why(database: Database, tmp_path: Path) -> None:
    """A run that waits is written down with its number and the reason; one that worked with ranges, bytes and duration."""
    gateway = make_gateway(tmp_path / "host")
    rooms = wire(database, gateway)
    gateway.run("INSERT INTO request_log VALUES (500, 'u2', ?)", [(ago(60),)])
    rooms.publish(CLAUSES[0])
    rooms.plans.holds.add(by="opr_1", reason="case 7", person={"user_id": ["u2"]})
    rooms.sweeps.run("request-logs")
    rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    with database.read() as session:
        entries = rooms.ledger.entries(session, ref="clause:request-logs")
    facts = {one.private["state"]: one.private for one in entries if one.kind == "sweep.run" and one.private}
    waited, done = facts["waiting"], facts["done"]
    assert (waited["overdue"], waited["why"]) == (69, ["held", "waiting"])
    assert (done["rows"], done["overdue"], done["why"], done["held"]) == (69, 0, ["held"], 1)
    ranges = done["ranges"]["requests"]
    assert ranges["rows"] == 69
    assert ranges["oldest"] < ranges["newest"] < done["cutoffs"]["requests"]
    assert done["oldest_remaining"] is not None
    assert done["duration_ms"] >= 0
