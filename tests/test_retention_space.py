"""After a run the stores give back space where kept.yaml asks for it; a person who looks sees what the stores have to say."""

from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.settings import SweepSettings
from plans.plan import Step, StepDeed
from plans.showing import findings
from retention.tables import RunState
from stores.conditions import AllOf
from stores.datamap import DataMap
from tests.plan_rooms import CLAUSES, Rooms, make_gateway, wire
from tests.store_worlds_s3 import S3World

PROSE = "y" * 4_000


@pytest.fixture
def rooms(tmp_path: Path, database: Database) -> Rooms:
    gateway = make_gateway(tmp_path / "host")
    gateway.run("ALTER TABLE request_log ADD COLUMN note TEXT")
    gateway.run("UPDATE request_log SET note = ?", [(PROSE,)])
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


def note_of_run(rooms: Rooms, **options: Any) -> str:
    """The note of a run that removes 69 of 100 records; it is noon in Berlin, and one o'clock."""
    given = {"default": SweepSettings(breaker=1.0, **options)}
    rooms.sweeps._settings = replace(rooms.sweeps._settings, sweeps=given)
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked at it")
    assert (outcome.state, outcome.rows) == (RunState.DONE, 69)
    return outcome.run.note


def test_a_run_that_removed_rows_gives_back_space_where_it_is_asked_for(rooms: Rooms) -> None:
    """What was done stands in the run's note."""
    assert "VACUUM of gateway.db: " in note_of_run(rooms, reclaim=True)


def test_no_space_is_given_back_unasked(rooms: Rooms) -> None:
    """It takes the disk's time, and on some stores the table's."""
    assert "VACUUM" not in note_of_run(rooms)


def test_no_space_is_given_back_outside_the_window(rooms: Rooms) -> None:
    """A run by hand at noon leaves it to the night."""
    assert "VACUUM" not in note_of_run(rooms, reclaim=True, window=(time(1), time(5)))


def test_a_rule_of_the_bucket_is_held_against_the_clauses_period(s3_world: S3World) -> None:
    """The preview knows how long the clause keeps records, so a rule of the same length is no finding."""
    rule: Any = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": s3_world.prefix}, "Expiration": {"Days": 90}}
    s3_world.client.put_bucket_lifecycle_configuration(Bucket=s3_world.bucket, LifecycleConfiguration={"Rules": [rule]})
    step = Step(
        id="stp_1",
        position=1,
        deed=StepDeed.DELETE,
        collection="archive",
        store=s3_world.store.name,
        at=f"{s3_world.prefix}logs/",
        clause="logs",
        condition=AllOf(parts=()),
    )
    datamap = DataMap((), {s3_world.store.name: s3_world.store})
    assert findings(datamap, step, timedelta(days=90)) == ()
    assert "the clause for 30: the sweep comes first" in findings(datamap, step, timedelta(days=30))[0]
    assert "no hold and no exception" in findings(datamap, step)[0]
