"""When clauses are due, and that each due instant is run once, whoever was asleep."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.database import Database
from core.settings import SweepSettings
from retention.schedule import due_instants, last_due, next_due
from retention.tables import RunState
from tests.plan_rooms import CLAUSES, NOW, Gateway, Rooms, make_gateway, wire

NIGHT = SweepSettings(every=timedelta(days=1), window=(time(1), time(5)))
HOURLY = SweepSettings(every=timedelta(hours=1), window=(time(22), time(2)))
BERLIN = "Europe/Berlin"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host")


@pytest.fixture
def rooms(database: Database, gateway: Gateway) -> Rooms:
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


def test_a_daily_clause_is_due_when_its_window_opens_in_the_controllers_zone() -> None:
    """01:00 in Berlin is midnight UTC in winter and 23:00 UTC in summer."""
    winter, summer = datetime(2026, 1, 10, 12, tzinfo=UTC), datetime(2026, 7, 10, 12, tzinfo=UTC)
    assert next_due(NIGHT, BERLIN, after=winter) == datetime(2026, 1, 11, 0, tzinfo=UTC)
    assert next_due(NIGHT, BERLIN, after=summer) == datetime(2026, 7, 10, 23, tzinfo=UTC)


def test_an_hourly_clause_stays_inside_a_window_over_midnight() -> None:
    """From 22:00 to 02:00 there are four hours a night."""
    start = datetime(2026, 1, 10, 12, tzinfo=UTC)
    found = due_instants(HOURLY, "UTC", after=start, until=start + timedelta(days=1))
    assert [instant.hour for instant in found] == [22, 23, 0, 1]


def test_a_window_that_no_multiple_falls_into_still_runs() -> None:
    """Every seven hours, and only from one to five: the window's start is taken, never silence."""
    odd = SweepSettings(every=timedelta(hours=7), window=(time(1), time(5)))
    start = datetime(2026, 1, 10, 12, tzinfo=UTC)
    assert next_due(odd, "UTC", after=start) == datetime(2026, 1, 11, 1, tzinfo=UTC)


@settings(deadline=None)  # slow on a busy machine is not wrong
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from([30, 3600, 7 * 3600, 86_400, 3 * 86_400]),
    st.sampled_from(["UTC", BERLIN, "America/Los_Angeles", "Pacific/Apia"]),
)
def test_the_next_due_instant_comes_after_and_the_last_before(at: datetime, seconds: int, zone: str) -> None:
    """Nothing is due between the last instant and the next one, in any zone, across clock changes."""
    moment = at.replace(tzinfo=UTC)
    often = SweepSettings(every=timedelta(seconds=seconds))
    before, after = last_due(often, zone, until=moment), next_due(often, zone, after=moment)
    assert before <= moment < after
    assert due_instants(often, zone, after=before, until=after) == [after]


def test_a_new_clause_is_due_at_once_and_only_once(rooms: Rooms) -> None:
    """The scheduler's first look runs every clause: what is over its time waits, the rest is a kept run."""
    outcomes = rooms.sweeps.run_due(NOW)
    assert {outcome.clause: outcome.state for outcome in outcomes} == dict.fromkeys(
        ["request-logs", "invoices", "closed", "idle-keys"], RunState.WAITING
    )
    assert rooms.sweeps.run_due(NOW) == []


def test_missed_instants_are_made_up_as_one_run(rooms: Rooms) -> None:
    """Four days asleep make one run, and it says how many instants it makes up for."""
    rooms.sweeps.run_due(NOW)
    rooms.clock.advance(timedelta(days=4, hours=3))
    made_up = rooms.sweeps.make_up(rooms.clock.now())
    assert {(due.missed, due.made_up) for due in made_up} == {(3, True)}
    rooms.sweeps.run_due(rooms.clock.now())
    state = rooms.sweeps.state("request-logs")
    assert state.last_run is not None
    assert (state.last_run.missed, state.last_run.made_up) == (3, True)
    assert state.waiting is not None
    assert len(rooms.sweeps.waiting()) == 4
    assert state.next_due > rooms.clock.now()


def test_two_schedulers_claim_a_due_instant_once(database: Database, gateway: Gateway, rooms: Rooms) -> None:
    """The row is unique by clause and instant: whoever inserts it runs it."""
    other = wire(database, gateway)
    seen = rooms.sweeps.due(NOW)
    assert len(seen) == 4
    assert len(other.sweeps.make_up(NOW)) == 4
    assert rooms.sweeps.make_up(NOW) == []


def test_a_run_on_time_is_not_called_made_up(rooms: Rooms) -> None:
    """One instant, taken within minutes, is an ordinary run."""
    rooms.sweeps.run_due(NOW)
    rooms.clock.advance(rooms.sweeps.state("closed").next_due - NOW + timedelta(seconds=40))
    due = rooms.sweeps.make_up(rooms.clock.now())
    assert {(one.missed, one.made_up) for one in due} == {(0, False)}
