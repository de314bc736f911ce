"""The contract of stores, run against every kind: what must hold after each call, whatever the store is made of."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, AnyOf, Condition, Not, OneOf, Through, Unset
from stores.contract import Capability, CollectionMissing, Deed, Explains, Receipt, StoreUnreachable, Work, unfinished
from tests.store_worlds import (
    NOW,
    TS,
    FilesWorld,
    PostgresWorld,
    SqliteWorld,
    World,
    ago,
    delete_work,
    older_than,
    run_through,
)
from tests.store_worlds_files import OtherFilesWorld
from tests.store_worlds_mariadb import MariaWorld

EVERYTHING = AllOf(parts=())


@pytest.fixture(
    params=[
        "sqlite",
        "postgresql",
        "mariadb",
        "files",
        "files.csv",
        "files.csv.gz",
        "files.jsonl.gz",
        "files.jsonl.zst",
        "redis",
        "s3",
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: World
    if request.param == "sqlite":
        made = SqliteWorld(tmp_path)
    elif request.param == "postgresql":
        made = PostgresWorld(request.getfixturevalue("postgres_url"))
    elif request.param == "files":
        made = FilesWorld(tmp_path)
    elif request.param.startswith("files."):
        made = OtherFilesWorld(tmp_path, request.param.removeprefix("files"))
    else:
        made = request.getfixturevalue(f"{request.param}_world")
    yield made
    made.store.close()


def able(world: World, capability: Capability) -> None:
    if capability not in world.store.capabilities:
        pytest.skip(f"a store of kind {world.store.kind} says that it cannot {capability}")


def matching(world: World, where: Condition) -> list[int]:
    return sorted(int(record["id"]) for record in world.store.records(world.at, where))


def put_days(world: World, *days: float) -> None:
    """Row 1 is so many days old, row 2 so many."""
    world.put({"id": place, "user_id": str(place), "ts": ago(day)} for place, day in enumerate(days, start=1))


def test_only_what_is_before_the_instant_goes_in_any_batch_size(world: World) -> None:
    """A sweep removes each expired record and no other, whatever the batch."""
    put_days(world, *range(1, 61))
    work = delete_work(world.at, older_than(30), batch_rows=7)
    done = run_through(world.store, work)
    assert sum(rows for _, rows in done) == 30
    assert world.ids() == list(range(1, 31))
    assert world.store.measure(world.at, work.where).rows == 0


def test_the_instant_itself_is_not_before_it(world: World) -> None:
    """Expired means t < cutoff: a record of that very second stays."""
    world.put([{"id": 1, "ts": ago(30)}, {"id": 2, "ts": ago(30) - timedelta(seconds=1)}])
    run_through(world.store, delete_work(world.at, older_than(30)))
    assert world.ids() == [1]


def test_null_and_future_times_are_counted_and_never_swept(world: World) -> None:
    """A record without a time is before nothing; one in the future is told of."""
    world.put([{"id": 1, "ts": None}, {"id": 2, "ts": NOW + timedelta(days=4000)}, {"id": 3, "ts": ago(90)}])
    run_through(world.store, delete_work(world.at, older_than(30)))
    assert world.ids() == [1, 2]
    census = world.store.census(world.at, TS)
    assert (census.rows, census.missing, census.future) == (2, 1, 1)
    assert world.store.measure(world.at, EVERYTHING, time=TS).timeless == 1


def test_the_extent_is_exact(world: World) -> None:
    """Rows, oldest and newest are those of the matching records."""
    put_days(world, 50, 40, 35, 10)
    extent = world.store.measure(world.at, older_than(30), time=TS)
    assert (extent.rows, extent.oldest, extent.newest, extent.timeless) == (3, ago(50), ago(35), 0)
    whole = world.store.measure(world.at, EVERYTHING, time=TS)
    assert (whole.rows, whole.oldest, whole.newest) == (4, ago(50), ago(10))


def test_a_record_refreshed_between_bounds_and_deed_survives(world: World) -> None:
    """The whole condition stands in the deed itself, not only in the search for the batch."""
    put_days(world, 50, 40, 35)
    work = delete_work(world.at, older_than(30))
    batch = world.store.next_batch(work, None)
    assert batch is not None
    world.set_time(1, ago(1))
    while batch is not None:
        world.store.act(work, batch)
        batch = world.store.next_batch(work, batch)
    run_through(world.store, work)  # a file that changed under the run is left for the next one
    assert world.ids() == [1]


def test_two_batches_never_overlap(world: World) -> None:
    """Each begins where the one before ended, so a count belongs to one batch only."""
    put_days(world, *range(31, 60))
    done = run_through(world.store, delete_work(world.at, older_than(30), batch_rows=5))
    assert len(done) >= 6
    assert done[0][0].low is None
    assert all(earlier.high == later.low for (earlier, _), (later, _) in pairwise(done))


def test_a_batch_holds_no_more_than_was_asked(world: World) -> None:
    """At most batch_rows records a batch (a file is one batch whatever it holds)."""
    put_days(world, *range(31, 60))
    assert max(rows for _, rows in run_through(world.store, delete_work(world.at, older_than(30), 5))) <= 5


def test_doing_a_batch_again_changes_nothing_more(world: World) -> None:
    """The deed is idempotent: a caller that was killed may repeat it."""
    put_days(world, 50, 10)
    work = delete_work(world.at, older_than(30))
    batch = world.store.next_batch(work, None)
    assert batch is not None
    assert world.store.act(work, batch) == 1
    assert world.store.act(work, batch) == 0
    assert world.ids() == [2]


def test_the_receipt_tells_the_count_to_a_caller_that_was_killed(world: World) -> None:
    """What the batch did stands in the store itself, and a repeat is answered from it."""
    able(world, Capability.RECEIPTS)
    put_days(world, 50, 40, 10)
    work, receipt = delete_work(world.at, older_than(30)), Receipt(step="stp_1", batch=1)
    assert world.store.receipt_of(receipt) is None
    world.store.prepare_receipts()
    batch = world.store.next_batch(work, None)
    assert batch is not None
    world.store.act(work, batch, receipt)  # the caller is killed here, before it stores the count
    assert world.store.receipt_of(receipt) == 2
    assert world.store.act(work, batch, receipt) == 2
    world.store.drop_receipts("stp_1")
    assert world.store.receipt_of(receipt) is None
    assert "kept_receipts" not in world.store.collections()


def test_without_the_table_a_batch_is_done_without_a_receipt(world: World) -> None:
    """Where a store keeps none, the count is settled by reading back."""
    put_days(world, 50)
    work = delete_work(world.at, older_than(30))
    batch = world.store.next_batch(work, None)
    assert batch is not None
    assert world.store.act(work, batch, Receipt(step="stp_1", batch=1)) == 1
    assert world.store.receipt_of(Receipt(step="stp_1", batch=1)) is None


def test_not_holds_for_a_record_whose_field_is_null(world: World) -> None:
    """A hold on user 42 does not keep a row that names no user, and keeps all that name user 42."""
    rows = [(1, "42"), (2, None), (3, "7"), (4, "")]
    world.put({"id": place, "user_id": user, "ts": ago(90)} for place, user in rows)
    free = Not(part=OneOf(field="user_id", values=("42",)))
    assert matching(world, free) == [2, 3, 4]
    assert matching(world, Not(part=free)) == [1]
    run_through(world.store, delete_work(world.at, AllOf(parts=(older_than(30), free))))
    assert world.ids() == [1]


def test_not_before_holds_for_a_record_without_a_time(world: World) -> None:
    """Unknown is false inside Not, also when it is part of a larger condition."""
    world.put([{"id": 1, "ts": None, "user_id": "42"}, {"id": 2, "ts": ago(90), "user_id": "42"}])
    both = AllOf(parts=(OneOf(field="user_id", values=("42",)), older_than(30)))
    assert matching(world, Not(part=both)) == [1]
    assert matching(world, Not(part=older_than(30))) == [1]


def test_empty_conditions_mean_all_and_none(world: World) -> None:
    """AllOf of nothing holds for every record, AnyOf of nothing and OneOf of nothing for none."""
    put_days(world, 3, 2)
    assert matching(world, EVERYTHING) == [1, 2]
    assert matching(world, AnyOf(parts=())) == []
    assert matching(world, OneOf(field="user_id", values=())) == []


def test_null_and_empty_text_match_no_value(world: World) -> None:
    """An empty identifier is nobody's."""
    world.put([{"id": 1, "user_id": "", "ts": ago(2)}, {"id": 2, "user_id": None, "ts": ago(2)}])
    assert matching(world, OneOf(field="user_id", values=("", "None", "null"))) == []
    assert matching(world, Unset(field="user_id")) == [2]
    assert list(world.store.values(world.at, "user_id", EVERYTHING)) == []


@pytest.mark.parametrize("user", ["O'Brien", 'say "hi"; --', "名前 ☃", "100%_\\", "a\nb"])
def test_values_are_compared_as_they_are(world: World, user: str) -> None:
    """Quotes, wildcards and any script are only values."""
    world.put([{"id": 1, "user_id": user, "ts": ago(90)}, {"id": 2, "user_id": "other", "ts": ago(90)}])
    run_through(world.store, delete_work(world.at, OneOf(field="user_id", values=(user,))))
    assert world.ids() == [2]


def test_numbers_are_found_by_their_digits(world: World) -> None:
    """Identifiers arrive as text and match a field of numbers; what is no number matches nothing there."""
    put_days(world, 3, 2, 1)
    wanted = OneOf(field="id", values=("2", "3", "no number", "99999999999999999999"))
    assert matching(world, wanted) == [2, 3]


def test_a_hundred_thousand_values_are_one_condition(world: World) -> None:
    """Person references from another store arrive as values."""
    put_days(world, 3, 2, 1)
    many = tuple(str(number) for number in range(2, 100_002))
    assert matching(world, OneOf(field="user_id", values=many)) == [2, 3]


def test_values_are_distinct_text(world: World) -> None:
    """Each value once, as text, in order."""
    world.put({"id": place, "user_id": user, "ts": ago(2)} for place, user in [(1, "b"), (2, "a"), (3, "b")])
    assert list(world.store.values(world.at, "user_id", EVERYTHING)) == ["a", "b"]
    assert list(world.store.values(world.at, "id", EVERYTHING)) == ["1", "2", "3"]


def test_records_stream_whole_and_in_order(world: World) -> None:
    """More than a page comes, each record once."""
    world.put({"id": place, "user_id": "1", "ts": ago(5), "note": "ü"} for place in range(1, 2501))
    records = list(world.store.records(world.at, OneOf(field="user_id", values=("1",))))
    assert [int(record["id"]) for record in records] == list(range(1, 2501))  # text in CSV
    assert records[0]["note"] == "ü"
    assert len(world.store.sample(world.at, EVERYTHING, limit=3)) == 3


def test_a_person_is_found_through_another_collection(world: World) -> None:
    """A semijoin in the store; a NULL in the other collection hides nothing."""
    able(world, Capability.THROUGH)
    assert isinstance(world, SqliteWorld | PostgresWorld | MariaWorld)
    world.run("INSERT INTO users VALUES (1, 'a@example.com', NULL), (2, 'b@example.com', NULL), (3, NULL, NULL)")
    world.put([{"id": 1, "user_id": "1", "ts": ago(5)}, {"id": 2, "user_id": "2", "ts": ago(5)}])
    world.put([{"id": 3, "user_id": None, "ts": ago(5)}])
    mine = Through(field="user_id", at="users", to_field="id", where=OneOf(field="email", values=("a@example.com",)))
    assert matching(world, mine) == [1]
    assert matching(world, Not(part=mine)) == [2, 3]
    by_text = Through(field="id", at="requests", to_field="user_id", where=EVERYTHING)
    assert {str(row["id"]) for row in world.store.records("users", by_text)} == {"1", "2"}


def test_a_time_is_set_once_where_there_is_none(world: World) -> None:
    """Revoking writes the column's own form, only where it is NULL and the condition holds."""
    able(world, Capability.SET_TIME)
    assert isinstance(world, SqliteWorld | PostgresWorld | MariaWorld)
    put_days(world, 100, 95, 3)
    world.run("UPDATE requests SET revoked_at = ts WHERE id = 1")
    work = Work(
        deed=Deed.SET_TIME,
        at=world.at,
        where=older_than(90),
        order_by=TS,
        field=TimeField(name="revoked_at"),
        value=NOW,
    )
    assert [rows for _, rows in run_through(world.store, work)] == [1]
    assert run_through(world.store, work) == []
    revoked = TimeField(name="revoked_at")
    extent = world.store.measure(world.at, Not(part=Unset(field="revoked_at")), time=revoked)
    assert (extent.rows, extent.oldest, extent.newest) == (2, ago(100), NOW)


def test_redacting_takes_the_fields_and_leaves_the_record(world: World) -> None:
    """The named fields of the matching records, batch by batch, each record once; read back, nothing is left to do."""
    able(world, Capability.REDACT)
    world.put({"id": place, "user_id": str(place), "ts": ago(place), "note": "secret"} for place in range(1, 21))
    work = Work(deed=Deed.REDACT, at=world.at, where=older_than(10), fields=("note", "user_id"), batch_rows=4)
    assert world.store.measure(world.at, unfinished(work)).rows == 10
    done = run_through(world.store, work)
    assert sum(rows for _, rows in done) == 10
    assert max(rows for _, rows in done) <= 4
    assert world.store.measure(world.at, unfinished(work)).rows == 0
    assert run_through(world.store, work) == []
    assert world.ids() == list(range(1, 21))
    records = {int(record["id"]): record for record in world.store.records(world.at, EVERYTHING)}
    assert all(records[place]["note"] == "secret" for place in range(1, 11))
    assert all(records[place]["note"] is records[place]["user_id"] is None for place in range(11, 21))


def test_anonymising_leaves_the_record_and_nothing_that_leads_to_a_person(world: World) -> None:
    """What may be nothing becomes nothing; each record once, batch by batch; read back, nothing tells any more."""
    able(world, Capability.ANONYMISE)
    rows = [(place, None if place == 12 else str(place)) for place in range(1, 21)]
    world.put({"id": place, "user_id": user, "ts": ago(place), "note": "secret"} for place, user in rows)
    work = Work(deed=Deed.ANONYMISE, at=world.at, where=older_than(10), fields=("note", "user_id"), batch_rows=4)
    assert world.store.measure(world.at, unfinished(work)).rows == 10
    done = run_through(world.store, work)
    assert sum(rows for _, rows in done) == 10
    assert world.store.measure(world.at, unfinished(work)).rows == 0
    assert run_through(world.store, work) == []
    assert world.ids() == list(range(1, 21))
    records = {int(record["id"]): record for record in world.store.records(world.at, EVERYTHING)}
    assert all(records[place]["note"] == "secret" for place in range(1, 11))
    assert all(records[place]["note"] is records[place]["user_id"] is None for place in range(11, 21))


def test_blockers_tell_of_nothing_where_nothing_is_in_the_way(world: World) -> None:
    """Asked before and after, they change nothing."""
    if not isinstance(world.store, Explains):
        pytest.skip(f"a store of kind {world.store.kind} cannot say")
    put_days(world, 50, 10)
    work = delete_work(world.at, older_than(30))
    assert world.store.blockers(work) == ()
    assert world.ids() == [1, 2]
    run_through(world.store, work)
    assert world.store.blockers(work, "stp_1") == ()


def test_correcting_writes_what_is_right_for_one_person(world: World) -> None:
    """Only where it was otherwise, to the letter, so a batch that is done again changes nothing."""
    able(world, Capability.CORRECT)
    rows = [(1, "42", "Anna"), (2, "42", "anna"), (3, "42", None), (4, "7", "anna")]
    world.put({"id": place, "user_id": user, "ts": ago(3), "note": note} for place, user, note in rows)
    mine = OneOf(field="user_id", values=("42",))
    work = Work(deed=Deed.CORRECT, at=world.at, where=mine, corrections=(("note", "Anna"),))
    assert world.store.measure(world.at, unfinished(work)).rows == 2
    assert [rows for _, rows in run_through(world.store, work)] == [2]
    assert world.store.measure(world.at, unfinished(work)).rows == 0
    notes = {int(record["id"]): record["note"] for record in world.store.records(world.at, EVERYTHING)}
    assert notes == {1: "Anna", 2: "Anna", 3: "Anna", 4: "anna"}
    nothing = Work(deed=Deed.CORRECT, at=world.at, where=mine, corrections=(("note", None),))
    assert sum(rows for _, rows in run_through(world.store, nothing)) == 3
    assert world.store.measure(world.at, unfinished(nothing)).rows == 0


@pytest.mark.parametrize("deed", [Deed.REDACT, Deed.CORRECT])
def test_redacting_and_correcting_leave_receipts(world: World, deed: Deed) -> None:
    """The count of a batch stands in the store, like that of a delete."""
    able(world, Capability.RECEIPTS)
    able(world, Capability.REDACT)
    world.put({"id": place, "user_id": "42", "ts": ago(3), "note": "x"} for place in (1, 2))
    world.store.prepare_receipts()
    mine = OneOf(field="user_id", values=("42",))
    work = Work(deed=deed, at=world.at, where=mine, fields=("note",), corrections=(("note", "y"),))
    batch, receipt = world.store.next_batch(work, None), Receipt(step="stp_1", batch=1)
    assert batch is not None
    assert world.store.act(work, batch, receipt) == 2
    assert world.store.receipt_of(receipt) == 2
    assert world.store.act(work, batch, receipt) == 2


def test_what_a_kind_cannot_do_it_says_by_capability(world: World) -> None:
    """And refuses in words, when it is asked all the same."""
    put_days(world, 100)
    work = Work(deed=Deed.SET_TIME, at=world.at, where=EVERYTHING, field=TS, value=NOW)
    if Capability.SET_TIME not in world.store.capabilities:
        with pytest.raises(KeptError, match="can only delete"):
            world.store.next_batch(work, None)
    through = Through(field="user_id", at="users", to_field="id", where=EVERYTHING)
    if Capability.THROUGH not in world.store.capabilities:
        with pytest.raises(KeptError, match="cannot look into"):
            world.store.measure(world.at, through)


def test_a_collection_that_is_not_there_is_named(world: World) -> None:
    """A missing table or file is not an empty one."""
    with pytest.raises(CollectionMissing, match="nowhere"):
        world.store.shape("nowhere")


def test_the_shape_names_the_fields(world: World) -> None:
    """Fields as the store has them."""
    put_days(world, 5)
    shape = world.store.shape(world.at)
    assert {"id", "user_id", "ts"} <= {field.name for field in shape.fields}
    assert world.store.collections()


def test_a_store_that_is_down_says_so_and_is_not_made(world: World) -> None:
    """Unreachable, with what to do; no empty database springs up in its place."""
    put_days(world, 50)
    world.store.ping()
    world.break_off()
    for call in (world.store.ping, lambda: world.store.measure(world.at, older_than(30)), world.store.collections):
        with pytest.raises(StoreUnreachable, match="did not answer"):
            call()
    if isinstance(world, SqliteWorld):
        assert not world.path.exists()


def test_the_clock_is_aware_and_in_utc(world: World) -> None:
    """The store's own where it has one, else the one that was handed in."""
    now = world.store.now()
    assert now.utcoffset() == timedelta()
    if Capability.OWN_CLOCK not in world.store.capabilities:
        assert now == NOW
