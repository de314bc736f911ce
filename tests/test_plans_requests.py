"""Requests: finding a person, what goes, what stays and why, and reading a person's records out."""

import gzip
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from core.database import Database
from core.errors import BadInput
from plans.finding import find
from plans.people import NeedsReview, clean_identifiers
from plans.plan import StepDeed
from plans.tables import PlanState, StepState
from policies.clauses import Right
from stores.datamap import DataMap
from tests.plan_rooms import ANNA, CLAUSES, COLLECTIONS, Gateway, Rooms, ago, make_gateway, wire


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = make_gateway(tmp_path / "host", requests=20)
    made.write_day(2, ["u1", "u2", "u1"])
    made.write_day(3, ["u1"])
    return made


@pytest.fixture
def rooms(database: Database, gateway: Gateway) -> Rooms:
    made = wire(database, gateway)
    made.publish(*CLAUSES)
    return made


def test_a_person_is_found_in_every_store_from_one_address(rooms: Rooms) -> None:
    """Within the database by semijoins, into the files by values: each collection once, each with its count."""
    found = find(rooms.datamap, ANNA)
    assert {place.collection: place.rows for place in found.collections} == {
        "accounts": 1, "api-keys": 4, "requests": 20, "invoices": 2, "request-days": 3,
    }  # fmt: skip
    assert found.gaps == ()


def test_somebody_unknown_is_found_nowhere(rooms: Rooms) -> None:
    """Nothing found is an answer, not an error."""
    assert find(rooms.datamap, {"email": ["nobody@elsewhere.test"]}).total == 0


def test_only_proven_identifiers_are_followed(rooms: Rooms, gateway: Gateway) -> None:
    """Two people, one address proven: nothing of the other is in the plan."""
    plan = rooms.draft(Right.ACCESS, {"email": ["ben@mail.test"]})
    read = {name: list(chain(*batches)) for name, batches in rooms.reading.stream_person(rooms.approve(plan))}
    assert [record["id"] for record in read["accounts"]] == ["u2"]
    assert {record["user_id"] for records in read.values() for record in records if "user_id" in record} == {"u2"}


def test_addresses_are_compared_after_normal_form_and_with_a_lower_case_domain() -> None:
    """As typed, with the domain in lower case, and all in lower case; a decomposed letter is the composed one."""
    forms = clean_identifiers({"email": ["Jose\u0301@Mail.TEST"]})["email"]
    assert forms == ("José@Mail.TEST", "José@mail.test", "josé@mail.test")
    assert clean_identifiers({"user_id": ["U-7@Mail.TEST"]})["user_id"] == ("U-7@Mail.TEST",)


@pytest.mark.parametrize("stored", ["Anna.Q@Post.EXAMPLE", "Anna.Q@post.example", "anna.q@post.example"])
def test_an_address_is_met_as_a_store_may_have_written_it(rooms: Rooms, gateway: Gateway, stored: str) -> None:
    """Typed with large letters, it is found as typed, with a small domain, and in small letters."""
    gateway.run("UPDATE users SET email = ? WHERE id = 'u1'", [(stored,)])
    assert find(rooms.datamap, {"email": ["Anna.Q@Post.EXAMPLE"]}).total == 30


@pytest.mark.parametrize("value", ["test@example.com", "null", " N/A "])
def test_values_that_many_people_share_stop_for_a_person(value: str) -> None:
    """Nobody is found by what everybody types."""
    with pytest.raises(NeedsReview):
        clean_identifiers({"email": [value]})


def test_an_empty_value_is_nobodys() -> None:
    """Neither '' nor blanks ever match."""
    with pytest.raises(BadInput):
        clean_identifiers({"email": ["  "]})


def test_a_deletion_takes_everything_but_what_a_duty_keeps(rooms: Rooms, gateway: Gateway) -> None:
    """All stores, the account last; invoices stay for their ten years, with the basis and the reason to tell; older ones go."""
    plan = rooms.draft(Right.DELETION, ANNA)
    assert [step.collection for step in plan.steps][-1] == "accounts"
    assert {step.deed for step in plan.steps} == {StepDeed.DELETE}
    (kept,) = plan.stays
    assert (kept.collection, kept.basis, kept.reason, kept.clause) == (
        "invoices", "legal_obligation", "tax records", "closed",
    )  # fmt: skip
    assert kept.until == "10 years from each record's own time"
    plan_id = rooms.approve(plan)
    view = rooms.plans.load(plan_id)
    assert view.preview is not None
    assert [stay.rows for stay in view.preview.stays] == [1]
    result = rooms.plans.run(plan_id)
    assert (result.state, result.rows) == (PlanState.DONE, 29)
    assert gateway.values("SELECT id FROM users ORDER BY id") == ["u2", "u3"]
    assert gateway.count("request_log") == 0
    assert gateway.values("SELECT id FROM api_keys") == [4]
    assert gateway.values("SELECT id FROM invoices") == [1]
    files = sorted((gateway.root / "logs").iterdir())
    assert ["".join(file.read_text() for file in files).count(user) for user in ("u1", "u2")] == [0, 1]


def test_a_file_that_cannot_be_read_is_never_counted_as_empty(rooms: Rooms, gateway: Gateway) -> None:
    """Nobody knows whose records are in it: the preview says so, and the deletion is not done while it lies there."""
    broken = gateway.root / "logs" / f"requests-{ago(9):.10}.jsonl"
    broken.write_bytes(gzip.compress(b'{"user_id": "u1"}\n' * 50)[:-9])
    plan_id = rooms.approve(rooms.draft(Right.DELETION, ANNA))
    view = rooms.plans.load(plan_id)
    assert view.preview is not None
    assert "Not all of request-days can be read" in view.preview.blocked[0]
    result = rooms.plans.run(plan_id)
    assert result.state is not PlanState.DONE
    unfinished = [step.collection for step in result.steps if step.state is not StepState.DONE]
    assert unfinished == ["request-days", "accounts"], "the account goes last, so that all else can still be found"
    broken.unlink()
    assert rooms.plans.run(plan_id).state is PlanState.DONE


def test_a_hold_keeps_a_persons_records_from_their_own_deletion(rooms: Rooms, gateway: Gateway) -> None:
    """What is held stays, the plan says so, and the account stays while its records need it to be found."""
    rooms.plans.holds.add(by="opr_1", reason="case 7", collection="requests", person=ANNA)
    plan = rooms.draft(Right.DELETION, ANNA)
    assert {stay.collection: stay.basis for stay in plan.stays} == {"requests": "hold", "invoices": "legal_obligation"}
    result = rooms.plans.run(rooms.approve(plan))
    requests = next(step for step in result.steps if step.collection == "requests")
    assert (requests.state, requests.rows, requests.remaining) == (StepState.LEFT, 0, 20)
    assert gateway.count("request_log") == 20


def test_the_account_waits_for_a_store_that_failed(rooms: Rooms, gateway: Gateway) -> None:
    """While a copy is left somewhere, the record that leads to it stays; the same plan finishes later."""
    plan = rooms.draft(Right.DELETION, ANNA)
    plan_id = rooms.approve(plan)
    logs = gateway.root / "logs"
    hidden = logs.rename(gateway.root / "unmounted")
    result = rooms.plans.run(plan_id)
    states = {step.collection: step.state for step in result.steps}
    assert result.state is PlanState.FAILED
    assert (states["request-days"], states["accounts"], states["requests"]) == (
        StepState.FAILED, StepState.WAITING, StepState.DONE,
    )  # fmt: skip
    assert gateway.count("users") == 3
    hidden.rename(logs)
    assert rooms.plans.run(plan_id).state is PlanState.DONE
    assert gateway.count("users") == 2


def test_a_request_is_not_done_while_a_file_of_its_person_is_still_written(rooms: Rooms, gateway: Gateway) -> None:
    """What stands in the file of today cannot go yet: the plan stays open, says so, and finishes once the file is closed."""
    today = gateway.root / "logs" / f"requests-{rooms.clock.now():%Y-%m-%d}.jsonl"
    earlier = max((gateway.root / "logs").glob("*.jsonl"))
    today.write_bytes(earlier.read_bytes())
    plan_id = rooms.approve(rooms.draft(Right.DELETION, ANNA))
    result = rooms.plans.run(plan_id)
    days = next(step for step in result.steps if step.collection == "request-days")
    assert result.state is PlanState.FAILED
    assert days.state is StepState.FAILED
    assert "cannot go yet" in days.error
    assert gateway.count("users") == 3
    today.rename(today.with_name("requests-2020-01-01.jsonl"))
    assert rooms.plans.run(plan_id).state is PlanState.DONE
    assert gateway.count("users") == 2


def test_records_are_read_out_by_collection_and_recorded(rooms: Rooms) -> None:
    """An access plan streams each collection; the ledger has intent and outcome with the count."""
    plan = rooms.draft(Right.ACCESS, ANNA)
    assert {step.deed for step in plan.steps} == {StepDeed.EXPORT}
    plan_id = rooms.approve(plan)
    counts = {name: sum(map(len, batches)) for name, batches in rooms.reading.stream_person(plan_id)}
    assert counts == {"accounts": 1, "api-keys": 4, "requests": 20, "invoices": 2, "request-days": 3}
    view = rooms.plans.load(plan_id)
    assert view.state is PlanState.DONE
    assert {step.collection: step.rows for step in view.steps} == counts
    with rooms.database.read() as session:
        assert len(rooms.ledger.entries(session, ref="K7F3Q-2MXB", kind="request.outcome")) == 5


def test_a_hold_outlives_the_account_it_was_placed_by(rooms: Rooms, gateway: Gateway) -> None:
    """The identifiers beside the given one are written down when the hold is placed: the account may go, the hold binds."""
    hold = rooms.plans.holds.add(by="opr_1", reason="case 7", collection="requests", person=ANNA)
    assert hold.person == {"email": ("anna@mail.test",), "user_id": ("u1",)}
    gateway.run("DELETE FROM users WHERE id = 'u1'")
    gateway.run("UPDATE request_log SET created_at = ?", [(ago(50),)])
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked")
    assert outcome.rows == 0
    assert gateway.count("request_log") == 20


def test_a_hold_narrowed_by_time_lets_the_rest_go(rooms: Rooms, gateway: Gateway) -> None:
    """`since` and `until` are of the record's own time."""
    gateway.run("UPDATE request_log SET created_at = ? WHERE id <= 5", [(ago(50),)])
    gateway.run("UPDATE request_log SET created_at = ? WHERE id BETWEEN 6 AND 9", [(ago(60),)])
    since = rooms.clock.now().fromisoformat(ago(55))
    rooms.plans.holds.add(by="opr_1", reason="case 8", collection="requests", since=since)
    (outcome,) = rooms.sweeps.approve("request-logs", by="opr_1", reason="looked")
    assert outcome.rows == 4
    assert gateway.count("request_log", "id <= 5") == 5


def test_a_hold_on_a_person_that_the_map_cannot_reach_is_refused(rooms: Rooms) -> None:
    """A hold that would keep nothing is not taken."""
    lonely = tuple(replace(one, person=()) if one.id == "requests" else one for one in COLLECTIONS)
    rooms.plans.holds._datamap = DataMap(lonely, rooms.datamap.stores)
    with pytest.raises(BadInput, match="no way from email to requests"):
        rooms.plans.holds.add(by="opr_1", reason="case 9", collection="requests", person=ANNA)
