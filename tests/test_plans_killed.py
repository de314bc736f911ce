"""Runs that are really killed (SIGKILL): the same command finishes them, nothing is lost and nothing is counted twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import Conflict
from plans.leasing import hold_lease
from plans.tables import BatchRow, StepRow, StepState
from retention.tables import RunState
from tests.plan_rooms import CLAUSES, Gateway, Rooms, make_gateway, wire
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
