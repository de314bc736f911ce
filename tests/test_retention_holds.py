"""Holds: what is on hold stays, in every run and batch; a release takes two people, or one and a day."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.database import Database
from core.errors import BadInput, Conflict
from core.operators import OperatorRow, Role, add_operator
from core.outbox import OutboxRow
from plans.holds import REVIEW
from retention.drafts import Drafting
from retention.holds import HoldDesk
from retention.tables import RunState
from tests.plan_rooms import CLAUSES, NOW, Gateway, Rooms, ago, make_gateway, settings_of, wire
from tests.schema import make_tables

BEN = {"email": ["ben@mail.test"]}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = make_gateway(tmp_path / "host")
    made.run("INSERT INTO request_log VALUES (?, 'u2', ?)", [(500, ago(50)), (501, ago(5))])
    return made


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Database]:
    """Kept's own database; what stands here is the same on every kind of it."""
    made = Database(f"sqlite:///{tmp_path / 'control.db'}")
    make_tables(made)
    yield made
    made.close()


@pytest.fixture
def rooms(control: Database, gateway: Gateway) -> Rooms:
    made = wire(control, gateway, batch_rows=10)
    made.publish(*CLAUSES)
    return made


@pytest.fixture
def desk(rooms: Rooms, gateway: Gateway) -> HoldDesk:
    drafting = Drafting(rooms.database, rooms.policies, rooms.plans, settings_of(gateway.root, 1.0))
    return HoldDesk(rooms.database, rooms.clock, rooms.plans, drafting)


def hire(rooms: Rooms, *names: str, role: Role = Role.ADMINISTRATOR) -> list[str]:
    """Operators who may sign in; gives their ids."""
    with rooms.database.begin() as session:
        return [add_operator(session, email=f"{name}@mail.example", name=name, role=role, now=NOW).id for name in names]


def kinds(rooms: Rooms, hold: str) -> list[str]:
    """What the ledger has of a hold, in order."""
    with rooms.database.read() as session:
        return sorted(entry.kind for entry in rooms.ledger.entries(session, ref=hold))


def test_one_person_alone_ends_a_hold_a_day_later(rooms: Rooms, desk: HoldDesk, gateway: Gateway) -> None:
    """Nobody could agree: the wait is recorded, the rows stay until it is over, and the next due run takes them by itself."""
    (ada,) = hire(rooms, "ada")
    hire(rooms, "tom", role=Role.AGENT)  # may not release, so is no second person
    hold = desk.add(by=ada, reason="case 7", person=BEN)
    rooms.sweeps.approve("all", by=ada, reason="looked at it")
    asked = desk.release(hold.id, by=ada, reason="settled")
    assert (asked.release_due_at, asked.released_at) == (NOW + timedelta(hours=24), None)
    rooms.clock.advance(timedelta(hours=23))
    rooms.sweeps.run_due(rooms.clock.now())
    assert gateway.count("request_log", "id = 500") == 1
    rooms.clock.advance(timedelta(hours=14))  # past the wait, and past the next due instant
    rooms.sweeps.run_due(rooms.clock.now())
    assert gateway.count("request_log", "id = 500") == 0
    assert kinds(rooms, hold.id) == ["hold.added", "hold.release_asked", "hold.released"]


def test_two_people_end_a_hold_at_once(rooms: Rooms, desk: HoldDesk) -> None:
    """One asks, another agrees; the first cannot agree to their own asking, on the command line or anywhere."""
    ada, bob = hire(rooms, "ada", "bob")
    hold = desk.add(by=ada, reason="case 7", person=BEN)
    assert desk.release(hold.id, by=ada, reason="settled").release_due_at is None
    with pytest.raises(Conflict, match="Somebody else must agree"):
        desk.release(hold.id, by=ada, reason="really")
    rooms.clock.advance(timedelta(days=30))
    rooms.plans.holds.tick()
    assert [one.id for one in desk.list()] == [hold.id]
    ended = desk.release(hold.id, by=bob, reason="read the ruling")
    assert (ended.released_by, ended.release_asked_by) == (bob, ada)
    assert desk.list() == []
    assert [one.id for one in desk.list(released=True)] == [hold.id]


def test_a_release_that_was_asked_can_be_taken_back(rooms: Rooms, desk: HoldDesk) -> None:
    """Until it ends a hold can be kept; then it binds as if nobody had asked, and the ledger has both."""
    (ada,) = hire(rooms, "ada")
    hold = desk.add(by=ada, reason="case 7", person=BEN)
    desk.release(hold.id, by=ada, reason="settled")
    assert desk.keep(hold.id, by=ada, reason="appealed").release_due_at is None
    rooms.clock.advance(timedelta(days=2))
    rooms.plans.holds.tick()
    assert len(desk.list()) == 1
    assert kinds(rooms, hold.id) == ["hold.added", "hold.kept", "hold.release_asked"]


def test_when_the_second_person_has_left_the_first_asks_again_and_waits(rooms: Rooms, desk: HoldDesk) -> None:
    """A release never hangs on somebody who is not there any more."""
    ada, bob = hire(rooms, "ada", "bob")
    hold = desk.add(by=ada, reason="case 7", person=BEN)
    desk.release(hold.id, by=ada, reason="settled")
    with rooms.database.begin() as session:
        session.get_one(OperatorRow, bob).disabled_at = NOW
    assert desk.release(hold.id, by=ada, reason="settled").release_due_at == NOW + timedelta(hours=24)


def test_each_hold_says_what_it_keeps_past_its_time(rooms: Rooms, desk: HoldDesk) -> None:
    """Counted in the stores by a job, read by pages; the dry run and the waiting run name the holds over each collection."""
    person = desk.add(by="opr_1", reason="case 7", person=BEN)
    span = desk.add(
        by="opr_1",
        reason="incident",
        collection="requests",
        since=NOW - timedelta(days=45),
        until=NOW - timedelta(days=40),
    )
    clause = desk.add(by="opr_1", reason="audit", clause="invoices")
    assert [one.counted_at for one in desk.list()] == [None] * 3
    desk.count()
    kept = {(one.id, each.clause, each.collection): each.rows for one in desk.list() for each in one.kept if each.rows}
    assert kept == {
        (person.id, "request-logs", "requests"): 1,
        (person.id, "closed", "accounts"): 1,
        (person.id, "closed", "api-keys"): 1,
        (person.id, "idle-keys", "api-keys"): 1,
        (span.id, "request-logs", "requests"): 5,
        (clause.id, "invoices", "invoices"): 1,
    }
    (dry,) = rooms.sweeps.dry_run("request-logs")
    (table,) = [one for one in dry.collections if one.collection == "requests"]
    assert {one.hold: one.rows for one in table.holds} == {person.id: 1, span.id: 5}
    assert (table.held, table.rows) == (6, 70 - 6)
    (waiting,) = rooms.sweeps.run("request-logs")
    assert (waiting.run.held, waiting.state) == (6, RunState.WAITING)
    (done,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert (done.rows, done.run.held, done.run.overdue) == (64, 6, 0)
    (quiet,) = rooms.sweeps.run("request-logs")
    assert (quiet.rows, quiet.run.held, quiet.state) == (0, 6, RunState.DONE)


def test_a_hold_placed_while_a_sweep_runs_keeps_what_is_left(rooms: Rooms, desk: HoldDesk, gateway: Gateway) -> None:
    """It binds from the next batch on, and the run counts what it kept."""
    placed: list[str] = []

    def place(*_: object) -> None:
        if not placed:
            placed.append(desk.add(by="opr_1", reason="case 8", collection="requests").id)

    (run,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it", on_progress=place)
    assert run.rows == 10
    assert run.run.held == 60
    assert gateway.count("request_log") == 102 - 10


def test_a_review_date_is_told_once(rooms: Rooms, desk: HoldDesk) -> None:
    """When it passes, one event goes out; the hold goes on."""
    hold = desk.add(by="opr_1", reason="case 7", person=BEN, review_at=NOW + timedelta(days=30))
    for _ in range(3):
        rooms.clock.advance(timedelta(days=20))
        rooms.plans.holds.tick()
    with rooms.database.read() as session:
        told = session.execute(sa.select(OutboxRow.payload).where(OutboxRow.kind == REVIEW)).scalars().all()
    assert told == [{"hold": hold.id}]
    assert len(desk.list()) == 1


def test_a_hold_with_a_slip_in_it_is_refused(rooms: Rooms, desk: HoldDesk) -> None:
    """A hold that would keep nothing of what somebody meant is worse than none: each slip is named."""
    slips = {
        "no retention clause": {"clause": "request-log"},
        "knows no identifier": {"person": {"mail": ["ben@mail.test"]}},
        "before it begins": {"since": NOW, "until": NOW - timedelta(days=1)},
        "review date has passed": {"review_at": NOW - timedelta(days=1)},
    }
    for words, slip in slips.items():
        with pytest.raises(BadInput, match=words):
            desk.add(by="opr_1", reason="case 7", **slip)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="needs a reason"):
        desk.add(by="opr_1", reason="  ", person=BEN)
    assert desk.list() == []


def test_a_store_that_is_down_does_not_keep_a_hold_from_binding(rooms: Rooms, desk: HoldDesk, gateway: Gateway) -> None:
    """What links the person is looked up once the store answers; until then nothing there can go anyway."""
    away = gateway.path.rename(gateway.root / "away.db")
    gateway.path.write_bytes(b"this is no database" * 100)
    hold = desk.add(by="opr_1", reason="case 7", person=BEN)
    gateway.path.unlink()
    away.rename(gateway.path)
    rooms.plans.holds.tick()
    assert dict(desk.list()[0].person)["user_id"] == ("u2",)
    assert hold.id == desk.list()[0].id
