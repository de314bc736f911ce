"""What only files have: whole days unlinked, the straddling one rewritten, and no line of a writer lost."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.errors import BadInput
from core.settings import StoreSettings, TimeField
from stores.conditions import AllOf, Before, OneOf
from stores.contract import CannotCompare, Capability
from stores.files import FilesStore
from stores.registry import open_store
from tests.store_worlds import NOW, TS, FilesWorld, FixedClock, ago, delete_work, older_than, run_through, zulu

EVERYTHING = AllOf(parts=())
MINE = OneOf(field="user_id", values=("42",))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FilesWorld]:
    made = FilesWorld(tmp_path)
    yield made
    made.store.close()


def put_straddling(world: FilesWorld) -> Path:
    """One file, two of whose three records are over 30 days old."""
    day = world.file(ago(30))
    rows = [(1, ago(30.2)), (2, ago(30.1)), (3, ago(29.9))]
    lines = [json.dumps({"id": row, "user_id": "42", "ts": zulu(instant)}) + "\n" for row, instant in rows]
    day.write_text("".join(lines), encoding="utf-8")
    return day


def test_a_day_that_is_over_is_unlinked_and_the_straddling_one_rewritten(world: FilesWorld) -> None:
    """Whole files go; of the day of the cutoff only the expired lines, the others byte for byte as they were."""
    day = put_straddling(world)
    world.put([{"id": 9, "ts": ago(60)}, {"id": 10, "ts": ago(1)}])
    kept = day.read_bytes().splitlines(keepends=True)[2]
    day.chmod(0o640)
    os.utime(day, ns=(0, 1_750_000_000_123_456_789))
    assert [rows for _, rows in run_through(world.store, delete_work(world.at, older_than(30)))] == [3]
    assert not world.file(ago(60)).exists()
    assert day.read_bytes() == kept
    assert stat.S_IMODE(day.stat().st_mode) == 0o640
    assert day.stat().st_mtime_ns == 1_750_000_000_123_456_789
    assert sorted(path.name for path in world.root.iterdir()) == [day.name, world.file(ago(1)).name]


def test_lines_that_are_no_records_stay_and_are_counted(world: FilesWorld) -> None:
    """A broken line may hold anything: it is kept as it is, and has no time."""
    day = put_straddling(world)
    with day.open("a", encoding="utf-8") as file:
        file.write('{"id": 4, "ts": "2020-\n[1]\n\n{"id": 5, "ts": null}\n{"id": 6}')
    assert world.store.census(world.at, TS).missing == 4
    assert world.store.measure(world.at, EVERYTHING, time=TS).timeless == 4
    assert sum(rows for _, rows in run_through(world.store, delete_work(world.at, older_than(1)))) == 3
    assert day.read_text() == '{"id": 4, "ts": "2020-\n[1]\n\n{"id": 5, "ts": null}\n{"id": 6}'


def test_a_file_somebody_has_open_for_writing_is_left_and_told(world: FilesWorld) -> None:
    """Renaming over it would send the writer's next lines into a file without a name."""
    day = put_straddling(world)
    work = delete_work(world.at, older_than(30))
    with day.open("a", encoding="utf-8") as writer:
        assert [rows for _, rows in run_through(world.store, work)] == [0]
        assert world.store.left_for_later(world.at) == (f"{day.name}: another program is writing to it",)
        writer.write(json.dumps({"id": 4, "ts": zulu(NOW)}) + "\n")
    assert world.ids() == [1, 2, 3, 4]
    assert [rows for _, rows in run_through(world.store, work)] == [2]
    assert world.store.left_for_later(world.at) == ()
    assert world.ids() == [3, 4]


def test_a_file_that_grew_between_two_looks_is_left(world: FilesWorld) -> None:
    """Even when its writer has closed it again."""
    day = put_straddling(world)
    work = delete_work(world.at, older_than(30))
    batch = world.store.next_batch(work, None)
    assert batch is not None
    with day.open("a", encoding="utf-8") as file:
        file.write("{}\n")
    assert world.store.act(work, batch) == 0
    assert world.store.left_for_later(world.at)


def test_the_file_of_today_is_left_whatever_is_in_it(world: FilesWorld) -> None:
    """By the date in its name; the age of the file says nothing."""
    today = world.file(NOW)
    today.write_text(json.dumps({"id": 1, "user_id": "42", "ts": zulu(ago(0.2))}) + "\n")
    os.utime(today, (0, 0))
    assert run_through(world.store, delete_work(world.at, MINE)) == []
    assert world.store.left_for_later(world.at) == (f"{today.name}: it is the file of today",)
    assert world.store.measure(world.at, MINE).rows == 1


def test_an_old_file_time_is_no_reason_to_delete(world: FilesWorld) -> None:
    """What is in a file decides, also where every copy has lost its times."""
    world.put([{"id": 1, "ts": ago(2)}])
    os.utime(world.file(ago(2)), (0, 0))
    assert run_through(world.store, delete_work(world.at, older_than(30))) == []


def test_nothing_outside_the_root_is_touched(world: FilesWorld, tmp_path: Path) -> None:
    """Links, second names and devices are refused and told; patterns that lead out are refused."""
    outside = tmp_path / "outside.jsonl"
    outside.write_text(json.dumps({"id": 1, "ts": zulu(ago(90))}) + "\n")
    (world.root / "requests-1.jsonl").symlink_to(outside)
    (world.root / "requests-2.jsonl").hardlink_to(outside)
    os.mkfifo(world.root / "requests-3.jsonl")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "requests-4.jsonl").write_text(outside.read_text())
    (world.root / "linked").symlink_to(tmp_path / "folder")
    for at in (world.at, "*/requests-*.jsonl"):
        assert run_through(world.store, delete_work(at, older_than(30))) == []
        assert world.store.measure(at, EVERYTHING).rows == 0
    reasons = " ".join(world.store.left_for_later(world.at))
    assert "requests-1.jsonl: it is a symbolic link" in reasons
    assert "requests-2.jsonl: it has a second name" in reasons
    assert "requests-3.jsonl: it is not a plain file" in reasons
    assert "reached through a symbolic link" in world.store.left_for_later("*/requests-*.jsonl")[0]
    assert outside.exists()
    for at in ("../outside.jsonl", "/etc/*.jsonl"):
        with pytest.raises(BadInput, match="leads out"):
            world.store.measure(at, EVERYTHING)


def test_leftovers_of_a_killed_rewrite_go_with_the_next_run(world: FilesWorld) -> None:
    """They are copies of records; one that is being written now is not a leftover."""
    leftover = world.root / ".requests-2026-01-01.jsonl.abcd.kept-tmp"
    leftover.write_text("{}")
    put_straddling(world)
    assert world.store.measure("*", EVERYTHING).rows == 3
    world.store.next_batch(delete_work(world.at, older_than(30)), None)
    assert not leftover.exists()


def test_lines_appended_during_rewrites_are_never_lost(world: FilesWorld) -> None:
    """A writer that opens, appends and closes as fast as it can, beside a sweeper that rewrites as fast as it can."""
    path = world.root / "requests-2026-01-01.jsonl"
    path.touch()
    program = f"""
import json, time
for number in range(300):
    for user in ("42", "7"):
        with open({str(path)!r}, "a") as file:
            file.write(json.dumps({{"id": number, "user_id": user, "ts": "2026-01-01T00:00:00Z"}}) + "\\n")
    time.sleep(0.002)
"""
    writer = subprocess.Popen([sys.executable, "-c", program])
    removed = 0
    while writer.poll() is None:
        removed += sum(rows for _, rows in run_through(world.store, delete_work(world.at, MINE)))
    removed += sum(rows for _, rows in run_through(world.store, delete_work(world.at, MINE)))
    assert writer.returncode == 0
    assert removed == 300
    assert world.ids() == list(range(300))


def test_a_file_rotated_away_between_the_looks_is_no_error(world: FilesWorld) -> None:
    """Its records are elsewhere now; the read-back tells."""
    day = put_straddling(world)
    work = delete_work(world.at, older_than(30))
    batch = world.store.next_batch(work, None)
    assert batch is not None
    day.rename(world.root / "rotated")
    assert world.store.act(work, batch) == 0


def test_times_in_different_forms_are_read_one_by_one(world: FilesWorld) -> None:
    """Nothing is compared as text here, so nothing sorts wrongly."""
    old, new = ago(31), ago(29)
    written = [zulu(old), old.isoformat(" "), old.isoformat(timespec="microseconds"), zulu(new), new.isoformat(" ")]
    path = world.root / "requests-x.jsonl"
    path.write_text("".join(json.dumps({"id": n, "ts": text}) + "\n" for n, text in enumerate(written)))
    run_through(world.store, delete_work(world.at, older_than(30)))
    assert world.ids() == [3, 4]


def test_times_of_no_known_meaning_are_refused(world: FilesWorld) -> None:
    """No zone, numbers of two units, words."""
    refused: list[tuple[list[str] | list[int], str | None]] = [
        (["2026-01-01 10:00:00"], None),
        ([1_700_000_000, 1_700_000_000_000], None),
        (["Monday"], "UTC"),
    ]
    for values, zone in refused:
        path = world.root / "requests-x.jsonl"
        path.write_text("".join(json.dumps({"ts": value}) + "\n" for value in values))
        field = TimeField(name="ts", zone=zone)
        with pytest.raises(CannotCompare):
            world.store.time_form(world.at, field)
        with pytest.raises(CannotCompare):
            world.store.next_batch(delete_work(world.at, Before(field=field, instant=NOW)), None)


def test_numbers_since_1970_and_nested_fields_are_read(world: FilesWorld) -> None:
    """Epochs by their unit; a dot leads into an object."""
    path = world.root / "requests-x.jsonl"
    rows = [{"id": n, "at": int(ago(n).timestamp() * 1000), "user": {"id": n}} for n in (10, 40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    field = TimeField(name="at")
    assert world.store.time_form(world.at, field) == "epoch_ms"
    assert world.store.measure(world.at, Before(field=field, instant=ago(30)), time=field).oldest == ago(40)
    assert list(world.store.values(world.at, "user.id", EVERYTHING)) == ["10", "40"]
    found = next(iter(world.store.records(world.at, OneOf(field="user.id", values=("40",)))))
    assert found["user"] == '{"id":40}'


def test_size_is_that_of_the_matching_lines(world: FilesWorld) -> None:
    """In bytes."""
    day = put_straddling(world)
    expired = day.read_bytes().splitlines(keepends=True)[:2]
    assert world.store.measure(world.at, older_than(30)).size == sum(map(len, expired))


def test_a_manual_store_lists_nothing_and_refuses_in_words() -> None:
    """People work on it; a program that asks is told whom to ask."""
    from core.errors import KeptError

    settings = StoreSettings(name="analytics", kind="manual", options={"contact": "privacy@vendor.example"})
    store = open_store(settings, clock=FixedClock())
    store.ping()
    assert (store.collections(), store.capabilities) == ((), frozenset())
    with pytest.raises(KeptError, match="Ask privacy@vendor"):
        store.measure("x", EVERYTHING)


def test_a_store_of_files_opens_from_its_settings(tmp_path: Path) -> None:
    """By its kind, without touching the disk yet."""
    settings = StoreSettings(name="logs", kind="files", options={"root": str(tmp_path / "not yet")})
    store = open_store(settings, clock=FixedClock())
    assert isinstance(store, FilesStore)
    assert Capability.RECEIPTS not in store.capabilities


def test_the_clock_decides_which_file_is_of_today(tmp_path: Path) -> None:
    """The clock that was handed in, in UTC."""
    world = FilesWorld(tmp_path)
    put_straddling(world)
    early = FilesStore("logs", world.root, clock=FixedClock(ago(30) - timedelta(hours=1)))
    work = delete_work(world.at, Before(field=TS, instant=datetime.max.replace(tzinfo=NOW.tzinfo) - timedelta(days=3)))
    assert run_through(early, work) == []
