"""The pace of a run: batches that fit their time, rates that are kept to, giving way to others, and what is said of the rest."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from core.database import Database
from core.errors import BadInput
from core.settings import SweepSettings
from plans.pace import (
    FIRST_ROWS,
    LEAST_ROWS,
    PROFILES,
    TRIES,
    Forecast,
    Pace,
    Pacing,
    StepProgress,
    Timer,
    forecast,
    wait_after,
)
from plans.tables import BatchRow, StepRow
from retention.pacing import pacing_of, run_deadline, window_closes
from retention.tables import RunState
from tests.plan_rooms import CLAUSES, Gateway, Rooms, ago, make_gateway, wire
from tests.schema import make_tables

ROOT = Path(__file__).parent.parent


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(tmp_path / "host")


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'kept.db'}")
    make_tables(made)
    yield made
    made.close()


def run_at(pace: Pace, seconds_a_row: float, batches: int) -> tuple[list[int], float]:
    """The sizes that a pace chose against a store of such a speed, and how long all of it took."""
    now, sizes = 0.0, []
    for _ in range(batches):
        now += pace.pause(now)
        took = pace.rows * seconds_a_row
        sizes.append(pace.rows)
        pace.done(pace.rows, began=now, ended=now + took)
        now += took
    return sizes, now + pace.pause(now)


@pytest.mark.parametrize("name", list(PROFILES))
@given(speed=st.floats(1e-7, 1e-2))
def test_a_batch_comes_to_take_the_time_its_profile_gives_it(name: str, speed: float) -> None:
    """Whatever the store's speed, after a few batches each takes its target, unless it is as large or small as may be."""
    sizes, _ = run_at(Pace(Pacing(profile=name)), speed, 20)
    last, target = sizes[-1], PROFILES[name].target
    assert LEAST_ROWS <= last <= PROFILES[name].most
    if LEAST_ROWS < last < PROFILES[name].most:
        assert last * speed == pytest.approx(target, rel=0.1)
    assert all(later <= 2 * earlier and later >= earlier // 2 for earlier, later in pairwise(sizes))


def test_a_slow_spell_shrinks_the_batches_and_they_grow_again() -> None:
    """The pace follows what it sees now, not what it saw first."""
    pace = Pace(Pacing())
    before = run_at(pace, 1e-5, 10)[0][-1]
    during = run_at(pace, 1e-3, 10)[0][-1]
    after = run_at(pace, 1e-5, 15)[0][-1]
    assert during < before // 10
    assert after == pytest.approx(before, rel=0.1)


def test_batches_stop_shrinking_where_that_does_not_help() -> None:
    """A store that takes its time for each statement, whatever is in it, is not asked a hundred times as often."""
    pace, now = Pace(Pacing(profile="gentle")), 0.0
    for _ in range(30):
        pace.done(pace.rows, began=now, ended=now + 0.05 + pace.rows * 1e-7)
        now += 1
    assert pace.rows > FIRST_ROWS // 4


def test_a_batch_that_found_little_says_nothing_of_a_full_one() -> None:
    """A batch of three records is fast in any store; the next one is no larger for it."""
    pace = Pace(Pacing())
    pace.done(3, began=0.0, ended=0.0001)
    assert pace.rows == FIRST_ROWS


def test_gentle_rests_after_each_batch_and_fast_does_not() -> None:
    """The pause is a part of the time that the batch took."""
    gentle, fast = Pace(Pacing(profile="gentle")), Pace(Pacing(profile="fast"))
    for pace in (gentle, fast):
        pace.done(FIRST_ROWS, began=10.0, ended=10.02)
    assert gentle.pause(10.02) == pytest.approx(0.02 * PROFILES["gentle"].rest)
    assert fast.pause(10.02) == 0.0


@given(rate=st.integers(50, 1_000_000), speed=st.floats(1e-7, 1e-3))
def test_no_more_rows_a_second_than_the_rate(rate: int, speed: float) -> None:
    """Counted over the whole run, pauses included."""
    sizes, took = run_at(Pace(Pacing(rate=rate)), speed, 40)
    assert sum(sizes) <= rate * took * 1.000001
    assert max(sizes) <= max(LEAST_ROWS, rate // 4 + 1)


def test_time_that_was_not_used_is_not_made_up_for() -> None:
    """After a slow batch the next ones keep to the rate, too: no burst."""
    pace = Pace(Pacing(rate=1_000))
    pace.done(250, began=0.0, ended=60.0)
    assert pace.pause(60.0) == 0.0
    pace.done(250, began=60.0, ended=60.01)
    assert pace.pause(60.01) == pytest.approx(0.24)


def test_a_ceiling_of_the_engine_stands_over_every_profile() -> None:
    """A batch never has more records than the engine was made for."""
    pace = Pace(Pacing(profile="fast"), most=7)
    assert run_at(pace, 1e-9, 10)[0] == [7] * 10
    pace.stopped()
    assert pace.rows == 7


@pytest.mark.parametrize("pacing", [{"profile": "hasty"}, {"rate": 0}, {"rate": -5}])
def test_a_pace_that_there_cannot_be_is_refused(pacing: dict[str, str | int]) -> None:
    """Never replaced by another one."""
    with pytest.raises(BadInput):
        Pacing(**pacing)  # type: ignore[arg-type]


def step(done: int, matched: int | None, rate: float | None = None, *, finished: bool = False) -> StepProgress:
    return StepProgress(step_id="s", collection="c", done=done, matched=matched, rate=rate, finished=finished)


def test_a_forecast_takes_each_step_at_its_own_rate_and_the_rest_at_the_mean() -> None:
    """A step that nobody has begun goes as fast as those that were."""
    ahead = forecast([step(1_000, 3_000, 100.0), step(500, 500, 50.0, finished=True), step(0, 1_500)])
    assert (ahead.done, ahead.matched, ahead.left) == (1_500, 5_000, 3_500)
    assert ahead.rate == pytest.approx(75.0)
    assert ahead.seconds == pytest.approx(2_000 / 100 + 1_500 / 75)
    assert ahead.runs_left(timedelta(seconds=15)) == 3


def test_a_forecast_is_words_with_figures_that_it_can_stand_by() -> None:
    """Rates to two figures; without a rate no time is told."""
    told = Forecast(done=0, matched=12_000_000, left=12_000_000, rate=5_123.0, seconds=2_342.0)
    assert told.words == "12\u202f000\u202f000\u00a0records left, about 39\u202fmin at 5\u202f100 a second"
    assert forecast([step(0, 20)]).words == "20\u00a0records left"
    assert forecast([step(30, 20, 1.0)]).left == 0


WINDOW = SweepSettings(window=(time(22), time(2)), budget=timedelta(minutes=20), profile="gentle", rate=500)


def test_a_run_of_the_scheduler_ends_with_its_budget_or_its_window() -> None:
    """What was asked for on the command line binds alone; by the schedule the earliest of all counts."""
    at = datetime(2026, 6, 1, 19, 50, tzinfo=UTC)  # 21:50 in Berlin
    ends = {"asked": None, "by_schedule": True}
    assert run_deadline(WINDOW, "Europe/Berlin", at, **ends) == at + timedelta(minutes=20)  # type: ignore[arg-type]
    late = datetime(2026, 6, 1, 23, 55, tzinfo=UTC)  # 01:55 in Berlin
    assert run_deadline(WINDOW, "Europe/Berlin", late, asked=None, by_schedule=True) == late + timedelta(minutes=5)
    assert run_deadline(WINDOW, "Europe/Berlin", late, asked=None, by_schedule=False) is None
    assert window_closes(WINDOW, "Europe/Berlin", at) is None
    assert window_closes(WINDOW, "Europe/Berlin", at + timedelta(minutes=20)) == datetime(2026, 6, 2, tzinfo=UTC)


def test_what_is_asked_for_goes_before_kept_yaml() -> None:
    """Each by itself: another profile leaves the rate as it is configured."""
    assert pacing_of(WINDOW, profile=None, rate=None) == Pacing(profile="gentle", rate=500)
    assert pacing_of(WINDOW, profile="fast", rate=None) == Pacing(profile="fast", rate=500)
    assert pacing_of(WINDOW, profile=None, rate=9) == Pacing(profile="gentle", rate=9)


def batches_of(rooms: Rooms) -> list[tuple[int, int | None]]:
    """Number and count of the batches of the request log."""
    with rooms.database.read() as session:
        longest = sa.select(StepRow.id).order_by(StepRow.matched.desc()).limit(1).scalar_subquery()
        wanted = sa.select(BatchRow).where(BatchRow.step_id == longest).order_by(BatchRow.number)
        return [(row.number, row.rows) for row in session.execute(wanted).scalars()]


def make_backlog(gateway: Gateway, rows: int) -> None:
    gateway.run("INSERT INTO request_log VALUES (?, 'u1', ?)", [(1_000 + number, ago(200)) for number in range(rows)])


class Waiting:
    """Running time that passes when somebody sleeps, and lets something happen then."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.after: dict[int, Callable[[], None]] = {}

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) in self.after:
            self.after[len(self.slept)]()


def rooms_that_wait(control: Database, gateway: Gateway, waiting: Waiting, *, batch_rows: int = 400) -> Rooms:
    timer = Timer(now=lambda: sum(waiting.slept), sleep=waiting.sleep)
    rooms = wire(control, gateway, batch_rows=batch_rows, timer=timer, lock_seconds=0.05)
    rooms.publish(*CLAUSES)
    return rooms


@pytest.mark.parametrize("patience", [1, 3])
def test_a_batch_that_meets_a_lock_gives_way_and_comes_back_smaller(
    control: Database, gateway: Gateway, patience: int
) -> None:
    """A program that holds the write lock is waited for, with smaller batches; what was asked for is done in the end."""
    make_backlog(gateway, 1_000)
    waiting = Waiting()
    rooms = rooms_that_wait(control, gateway, waiting)
    with closing(sqlite3.connect(gateway.path, isolation_level=None)) as other:
        waiting.after[patience] = other.rollback

        def lock(*_given: object) -> None:
            if not waiting.slept and not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")

        (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it", on_progress=lock)
    assert outcome.state is RunState.DONE
    assert outcome.rows == 1_069
    assert waiting.slept[:patience] == [wait_after(attempt) for attempt in range(patience)]
    sizes = [rows for _, rows in batches_of(rooms)]
    assert sizes[:2] == [400, max(LEAST_ROWS, 400 // 2**patience)]


def test_a_lock_that_is_never_given_up_leaves_the_batch_for_later(control: Database, gateway: Gateway) -> None:
    """After a bounded number of tries the run says what stood in its way; the next one finishes, nothing counted twice."""
    make_backlog(gateway, 1_000)
    waiting = Waiting()
    rooms = rooms_that_wait(control, gateway, waiting)
    with closing(sqlite3.connect(gateway.path, isolation_level=None)) as other:

        def lock(*_given: object) -> None:
            if not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")

        (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it", on_progress=lock)
        assert (outcome.state, outcome.rows, len(waiting.slept)) == (RunState.FAILED, 400, TRIES - 1)
        assert f"gave way {TRIES} times" in outcome.errors[0]
        other.rollback()
    rooms.sweeps.run("request-logs")
    assert gateway.count("request_log") == 31
    assert sum(rows or 0 for _, rows in batches_of(rooms)) == 1_069


def test_a_run_that_its_budget_ends_says_how_long_the_rest_will_take(control: Database, gateway: Gateway) -> None:
    """Rows left by the rate that was measured, in the outcome, in the run's note, and for whoever asks meanwhile."""
    waiting = Waiting()
    rooms = rooms_that_wait(control, gateway, waiting, batch_rows=10)

    def pass_time(*_given: object) -> None:
        waiting.slept.append(2.0)
        rooms.clock.advance(timedelta(seconds=20))

    (outcome,) = rooms.sweeps.approve(
        "request-logs", by="opr_1", reason="looked at it", budget=timedelta(minutes=1), on_progress=pass_time
    )
    assert (outcome.state, outcome.rows) == (RunState.PAUSED, 30)
    assert outcome.forecast is not None
    assert (outcome.forecast.done, outcome.forecast.left) == (30, 39)
    assert outcome.forecast.seconds == pytest.approx(39 / outcome.forecast.rate)  # type: ignore[operator]
    assert "It goes on next time: 39\u00a0records left, about" in outcome.run.note
    assert outcome.run.plan_id is not None
    assert rooms.plans.progress(outcome.run.plan_id) == outcome.forecast


def test_a_rate_is_kept_to_by_a_whole_run(control: Database, gateway: Gateway) -> None:
    """A run of 1 069 records at 100 a second takes more than ten seconds, whatever the store could do."""
    make_backlog(gateway, 1_000)
    waiting = Waiting()
    rooms = rooms_that_wait(control, gateway, waiting)
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it", rate=100)
    assert (outcome.state, outcome.rows) == (RunState.DONE, 1_069)
    assert sum(waiting.slept) == pytest.approx(10, abs=1)


def peak_of(folder: Path, rows: int) -> int:
    """The most memory in MiB that a process held which swept so many records."""
    folder.mkdir()
    words = [sys.executable, "-m", "tests.memory_child", str(folder), str(rows)]
    child = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    state, done, most = child.stdout.split()
    assert (state, int(done)) == ("done", rows + 69)
    return int(most)


@pytest.mark.slow
def test_the_sweepers_memory_does_not_grow_with_what_it_sweeps(tmp_path: Path) -> None:
    """At most 150 MB, and the same for three hundred thousand records as for three thousand."""
    few, many = peak_of(tmp_path / "few", 3_000), peak_of(tmp_path / "many", 300_000)
    assert many <= 150
    assert many - few <= 70  # SQLite keeps up to 64 MiB of the store's pages at hand
