"""Runs that are really killed (SIGKILL): the same command finishes them, nothing is lost and nothing is counted twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import CheckFailed, Conflict
from plans.leasing import hold_lease
from plans.tables import BatchRow, PlanState, StepRow, StepState
from policies.clauses import Right
from retention.tables import RunState
from tests.ledger_rooms import StandingClock
from tests.plan_rooms import CLAUSES, NOW, Gateway, Rooms, ago, make_gateway, wire
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


def start(control: Database, gateway: Gateway, point: str, nth: int, receipts: bool) -> subprocess.Popen[bytes]:
    keeps = "yes" if receipts else "no"
    words = [str(gateway.root), str(control.url), "request-logs", point, str(nth), keeps]
    return subprocess.Popen([sys.executable, "-m", "tests.plan_child", *words], cwd=ROOT, stdout=subprocess.PIPE)


def run_and_die(control: Database, gateway: Gateway, point: str, nth: int, receipts: bool = True) -> None:
    child = start(control, gateway, point, nth, receipts)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL


def finish(control: Database, gateway: Gateway, *, receipts: bool = True) -> Rooms:
    """What a person does: the same command again."""
    rooms = wire(control, gateway, receipts=receipts)
    outcomes = rooms.sweeps.approve("request-logs", by="opr_1", reason="again")
    assert {outcome.state for outcome in outcomes} == {RunState.DONE}
    assert gateway.values("SELECT id FROM request_log ORDER BY id") == list(range(1, 32))
    assert rooms.ledger.verify().ok
    return rooms


def counted(rooms: Rooms) -> tuple[int, int, int]:
    """Records done, batches settled by read-back, batches without a count, over all steps on the table."""
    with rooms.database.read() as session:
        rows, settled = session.execute(sa.select(sa.func.sum(StepRow.rows), sa.func.sum(StepRow.settled))).one()
        open_ones = session.execute(sa.select(sa.func.count()).where(BatchRow.rows.is_(None)).select_from(BatchRow))
        return rows, settled, open_ones.scalar_one()


@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("prepare_receipts:before", 1),
        ("prepare_receipts:after", 1),
        ("next_batch:before", 1),
        ("next_batch:after", 3),
        ("act:before", 1),
        ("act:after", 1),
        ("act:before", 4),
        ("act:after", 10),
        ("measure:before", 3),
        ("drop_receipts:before", 1),
    ],
)
def test_a_run_killed_anywhere_is_finished_with_exact_counts(
    control: Database, gateway: Gateway, point: str, nth: int
) -> None:
    """With receipts the count is exact wherever the process died: 69 records, once each."""
    wire(control, gateway).publish(*CLAUSES)
    run_and_die(control, gateway, point, nth)
    rooms = finish(control, gateway)
    assert counted(rooms) == (69, 0, 0)
    assert gateway.count("kept_receipts") == 0


@pytest.mark.parametrize(("point", "exact"), [("act:before", 69), ("act:after", 62)])
def test_without_receipts_a_lost_count_is_said_to_be_settled(
    control: Database, gateway: Gateway, point: str, exact: int
) -> None:
    """A batch whose count was lost is done again, and the number says that it was settled by read-back, never a guess."""
    wire(control, gateway).publish(*CLAUSES)
    run_and_die(control, gateway, point, 3, receipts=False)
    rooms = finish(control, gateway, receipts=False)
    assert counted(rooms) == (exact, 1, 0)
    with rooms.database.read() as session:
        row = session.execute(sa.select(StepRow).where(StepRow.settled > 0)).scalar_one()
        assert (row.state, row.matched, row.remaining) == (StepState.DONE, 69, 0)


def test_a_run_killed_at_any_moment_is_finished(control: Database, gateway: Gateway) -> None:
    """Killed from outside at moments nobody chose, again and again, until it is through."""
    wire(control, gateway).publish(*CLAUSES)
    chance = random.Random(7)
    for _ in range(4):
        child = start(control, gateway, "none", 0, True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.25))
        child.kill()
        child.communicate(timeout=60)
    rooms = finish(control, gateway)
    assert counted(rooms) == (69, 0, 0)


# The steps in their order: the files, then invoices, requests, keys, and the account last; each looks, acts and looks.
REQUEST_POINTS = [
    ("files:act:before", 1), ("files:act:after", 1),
    *[(f"sql:act:{when}", nth) for nth in range(1, 5) for when in ("before", "after")],
    *[(f"sql:measure:{when}", nth) for nth in (1, 4, 6, 8) for when in ("before", "after")],
]  # fmt: skip
FEW_POINTS = [("files:act:after", 1), ("sql:act:after", 2), ("sql:act:after", 4)]


def kill_a_request(control: Database, gateway: Gateway, point: str, nth: int) -> None:
    """A person's deletion whose process dies at a point, and the same command again."""
    gateway.run("DELETE FROM request_log WHERE id > 20")
    gateway.write_day(2, ["u1", "u2", "u1"])
    rooms = wire(control, gateway)
    rooms.publish(*CLAUSES)
    plan = rooms.draft(Right.DELETION, ref="T-1")
    rooms.approve(plan)
    words = [str(gateway.root), str(control.url), plan.id, point, str(nth)]
    child = subprocess.Popen([sys.executable, "-m", "tests.request_child", *words], cwd=ROOT)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    (result,) = rooms.plans.resume() or (rooms.plans.run(plan.id),)
    assert result.state is PlanState.DONE
    in_database = {step.collection: step.rows for step in result.steps if step.collection != "request-days"}
    assert in_database == {"invoices": 1, "requests": 20, "api-keys": 4, "accounts": 1}, (
        "with receipts each once, exactly"
    )
    (files,) = (step for step in result.steps if step.collection == "request-days")
    assert (files.rows, files.settled) in ((2, 0), (2, 1), (0, 1)), "a number, or said to be settled by read-back"
    assert gateway.values("SELECT id FROM users ORDER BY id") == ["u2", "u3"]
    assert [gateway.count(table, "user_id = 'u1'") for table in ("request_log", "api_keys", "invoices")] == [0, 0, 1]
    assert (gateway.root / "logs").joinpath(f"requests-{ago(2):.10}.jsonl").read_text().count("u2") == 1
    assert rooms.ledger.verify().ok


@pytest.mark.parametrize(("point", "nth"), FEW_POINTS)
def test_a_request_killed_at_a_step_is_finished_exactly(
    control: Database, gateway: Gateway, point: str, nth: int
) -> None:
    """Wherever the worker died, the account is found again and goes last, and each record is counted once."""
    kill_a_request(control, gateway, point, nth)


@pytest.mark.slow
@pytest.mark.parametrize(("point", "nth"), [one for one in REQUEST_POINTS if one not in FEW_POINTS])
def test_a_request_killed_at_every_step_is_finished_exactly(
    control: Database, gateway: Gateway, point: str, nth: int
) -> None:
    """The same at the rest of the points: before and after each act and each look."""
    kill_a_request(control, gateway, point, nth)


def test_a_clock_set_back_changes_nothing_of_a_request(control: Database, gateway: Gateway) -> None:
    """Made at noon, run by a clock that says ten the same day: what the person has goes, what a duty keeps stays; where the
    store's clock is not set back with it, nothing is touched until both agree."""
    rooms = wire(control, gateway)
    rooms.publish(*CLAUSES)
    plan = rooms.draft(Right.DELETION, ref="T-1")
    rooms.approve(plan)
    back = StandingClock(NOW - timedelta(hours=2))
    apart = wire(control, gateway, clock=back)
    apart.datamap.stores["gateway"]._clock = rooms.clock  # type: ignore[attr-defined]
    with pytest.raises(CheckFailed, match="clock of the store"):
        apart.plans.run(plan.id)
    assert gateway.count("request_log") == 100
    result = wire(control, gateway, clock=back).plans.run(plan.id)
    assert (result.state, gateway.count("users"), gateway.count("invoices")) == (PlanState.DONE, 2, 1)
    assert rooms.ledger.verify().ok


def test_two_runs_at_once_are_one_run(control: Database, gateway: Gateway) -> None:
    """While a living process sweeps a clause, the second one is told so and touches nothing."""
    rooms = wire(control, gateway)
    rooms.publish(*CLAUSES)
    with (
        hold_lease(rooms.leases, rooms.clock, "sweep:request-logs"),
        pytest.raises(Conflict, match="being worked on by process"),
    ):
        rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert gateway.count("request_log") == 100
