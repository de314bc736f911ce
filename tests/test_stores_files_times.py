"""Files that are dated by their name or by their last change, as a collection declares it."""

import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import BadInput
from core.settings import StoreSettings, TimeField
from stores.conditions import AllOf, Before, Not, OneOf
from stores.contract import CannotCompare
from stores.files import FilesStore
from stores.registry import open_store
from tests.store_worlds import NOW, FixedClock, ago, delete_work, run_through

EVERYTHING = AllOf(parts=())
NAME, CHANGE = TimeField(name="file:name"), TimeField(name="file:mtime")


def named(days: float) -> Before:
    return Before(field=NAME, instant=ago(days))


@pytest.fixture
def store(tmp_path: Path) -> FilesStore:
    return FilesStore("logs", tmp_path, clock=FixedClock())


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b'{"user_id": "42"}\n\nno record\n{"user_id": "7"}\n'
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def left(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_file_is_over_when_the_day_of_its_name_is_over_everywhere(tmp_path: Path, store: FilesStore) -> None:
    """Whole, with what is in it that is no record. NOW is noon of the 15th: at the 5th's noon the 4th is over in every zone."""
    put(tmp_path, "a-2026-06-03.log", "a-20260604.log.gz", "2026/06/05/a.log", "a-2026-06-06.log", "a.log")
    put(tmp_path, "old/2026-05.log", "old/2026-06.log")
    assert store.time_form("**/*", NAME) == "date"
    assert store.measure("**/*", named(10), time=NAME).rows == 9
    census = store.census("**/*", NAME)
    assert (census.rows, census.missing) == (21, 3)
    assert sum(rows for _, rows in run_through(store, delete_work("**/*", named(10)))) == 9
    assert left(tmp_path) == ["2026/06/05/a.log", "a-2026-06-06.log", "a.log", "old/2026-06.log"]
    zoned = Before(field=TimeField(name="file:name", zone="Pacific/Auckland"), instant=ago(9) - timedelta(seconds=1))
    assert store.measure("**/*", zoned).rows == 3


def test_parts_of_a_date_may_be_declared_in_the_pattern(tmp_path: Path, store: FilesStore) -> None:
    """A number that only looks like an hour is none; a declared hour is."""
    put(tmp_path, "a-2026-06-15-01.log", "15.06.2026.log", "h/2026061501-9999-12-31.log", "h/2026061511-x.log")
    assert store.measure("a-*.log", named(0)).rows == 0
    at = "h/%Y%m%d%H-*.log"
    hour = Before(field=TimeField(name="file:name", zone="UTC"), instant=NOW)
    assert store.measure(at, hour, time=NAME).oldest == NOW - timedelta(hours=11)
    assert store.measure(at, Before(field=hour.field, instant=NOW - timedelta(seconds=1))).rows == 3
    assert sum(rows for _, rows in run_through(store, delete_work(at, hour))) == 6
    assert run_through(store, delete_work("%d.%m.%Y.log", OneOf(field="user_id", values=("42",)))) == []
    assert store.left_for_later("%d.%m.%Y.log") == ("15.06.2026.log: it is the file of today",)
    for wrong in ("%Y-%d.log", "%S.log", "%Y-%Y.log", "%", "%m"):
        with pytest.raises(BadInput):
            store.measure(wrong, EVERYTHING)


def test_a_clause_by_names_needs_names_with_dates(tmp_path: Path, store: FilesStore) -> None:
    """Else it would never sweep anything, and nobody would know."""
    put(tmp_path, "a.log")
    with pytest.raises(CannotCompare, match="No file"):
        store.time_form("*.log", NAME)
    assert store.time_form("*.log", CHANGE) == "timestamp"
    assert store.shape("*.log").has("file:mtime")


def test_records_under_a_hold_stay_in_a_file_that_is_over(tmp_path: Path, store: FilesStore) -> None:
    """The file is rewritten; a line that is no record may be anybody's, so it stays with them."""
    put(tmp_path, "a-2026-01-01.log")
    held = AllOf(parts=(named(30), Not(part=OneOf(field="user_id", values=("42",)))))
    assert [rows for _, rows in run_through(store, delete_work("*.log", held))] == [1]
    assert (tmp_path / "a-2026-01-01.log").read_text() == '{"user_id": "42"}\n\nno record\n'


def test_files_may_be_dated_by_their_last_change(tmp_path: Path, store: FilesStore) -> None:
    """Only where that is declared; taking one person out of a file does not make it younger."""
    put(tmp_path, "a.log", "b.log", "c.log.gz")
    for name, days in (("a.log", 31), ("b.log", 29), ("c.log.gz", 40)):
        os.utime(tmp_path / name, (ago(days).timestamp(),) * 2)
    at, old = "*.log*", Before(field=CHANGE, instant=ago(30))
    extent = store.measure(at, EVERYTHING, time=CHANGE)
    assert (extent.rows, extent.oldest, extent.newest) == (9, ago(40), ago(29))
    run_through(store, delete_work(at, OneOf(field="user_id", values=("42",))))
    assert store.measure(at, old).rows == 4
    assert [rows for _, rows in run_through(store, delete_work(at, old))] == [4]
    assert left(tmp_path) == ["b.log"]
    assert store.census(at, TimeField(name="file:mtime")).future == 0


def test_small_files_go_together_in_one_batch(tmp_path: Path, store: FilesStore) -> None:
    """As many as a batch may hold records; a batch that is done again finds only what is left of it."""
    put(tmp_path, *(f"a-2026-01-{day:02}.log" for day in range(1, 11)))
    work = delete_work("*.log", named(30), batch_rows=9)
    batch = store.next_batch(work, None)
    assert batch is not None
    assert (batch.low, batch.high) == (None, "a-2026-01-03.log")
    again = FilesStore("logs", tmp_path, clock=FixedClock())  # after a kill: nothing of the look is known
    assert again.act(work, batch) == 9
    assert store.act(work, batch) == 0
    assert [rows for _, rows in run_through(again, work)] == [9, 9, 3]
    assert left(tmp_path) == []


def test_the_delimiter_stands_in_the_settings(tmp_path: Path) -> None:
    """Of the store."""
    (tmp_path / "a.csv").write_text("user_id|note\n42|x\n")
    options = {"root": str(tmp_path), "delimiter": "|"}
    store = open_store(StoreSettings(name="logs", kind="files", options=options), clock=FixedClock())
    assert list(store.records("a.csv", EVERYTHING)) == [{"user_id": "42", "note": "x"}]
    assert store.collections() == ("a.csv",)
