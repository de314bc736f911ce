"""What is in files: CSV by its standard, archives of many members, escapes, odd bytes, records too long for memory."""

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.settings import TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, OneOf
from stores.contract import CannotCompare, Deed, Work
from stores.csv_lines import CsvLines
from stores.file_formats import RecordFormat, needed_values
from stores.file_work import Reading, Test, find_meant, make_test
from stores.files import FilesStore
from stores.jsonl import JsonLines
from stores.matching import compile_condition
from tests.store_worlds import NOW, TS, FixedClock, ago, delete_work, older_than, run_through
from tests.store_worlds_files import unpack

EVERYTHING = AllOf(parts=())
MINE = OneOf(field="user_id", values=("42",))


def store_of(root: Path, delimiter: str | None = None) -> FilesStore:
    return FilesStore("logs", root, clock=FixedClock(), delimiter=delimiter)


def erase(store: FilesStore, at: str, where: Condition = MINE) -> int:
    return sum(rows for _, rows in run_through(store, delete_work(at, where)))


def test_csv_keeps_its_header_its_mark_and_every_other_byte(tmp_path: Path) -> None:
    """Line ends in quotes belong to their record; what stays is not written anew."""
    head, mine = b'\xef\xbb\xbf"user_id",ts,note\r\n', b'42,2026-01-01T00:00:00Z,"two\r\nlines, and ""quotes"""\r\n'
    others = b'7,2026-01-01T00:00:00Z,"a\nb"\r\n"7",,\r\n7,x,"say ""42"", ok"'
    path = tmp_path / "a.csv"
    path.write_bytes(head + mine + others)
    store = store_of(tmp_path)
    assert [row["note"] for row in store.records("a.csv", MINE)] == ['two\r\nlines, and "quotes"']
    assert erase(store, "a.csv") == 1
    assert path.read_bytes() == head + others
    assert [row["ts"] for row in store.records("a.csv", EVERYTHING)] == ["2026-01-01T00:00:00Z", None, "x"]
    assert erase(store, "a.csv", OneOf(field="user_id", values=("7",))) == 3
    assert not path.exists()  # a header alone is nobody's record


def test_other_delimiters_are_declared(tmp_path: Path) -> None:
    """By option; a file of tab-separated values says it by its name."""
    (tmp_path / "a.csv").write_text("user_id;note\n42;a,b\n7;c\n")
    (tmp_path / "b.tsv").write_text("user_id\tnote\n42\ta,b\n7\tc\n")
    assert erase(store_of(tmp_path, ";"), "a.csv") == 1
    assert erase(store_of(tmp_path), "b.tsv") == 1
    assert (tmp_path / "a.csv").read_text() == "user_id;note\n7;c\n"
    assert (tmp_path / "b.tsv").read_text() == "user_id\tnote\n7\tc\n"
    for wrong in ("", "ab", '"', "\n", "ß"):
        with pytest.raises(BadInput, match="one ASCII character"):
            store_of(tmp_path, wrong)


def test_csv_that_keeps_to_no_rule_stays_and_is_told(tmp_path: Path) -> None:
    """A record with too few fields or a mark out of place is kept and has no time; a file that ends in a quotation is left."""
    (tmp_path / "a.csv").write_text('user_id,ts\n42\n42,2020-01-01,x\n42,a"b"\n42,2020-01-01\n')
    store = store_of(tmp_path)
    assert store.measure("a.csv", EVERYTHING, time=TS).timeless == 3
    assert erase(store, "a.csv") == 1
    (tmp_path / "b.csv").write_text('user_id,ts\n42,"2020-01-01\n7,2020-01-01\n')
    (tmp_path / "c.csv").write_text("user_id,user_id\n42,42\n")
    (tmp_path / "d.csv").write_text("user_id,,\n42,1,2\n")
    assert erase(store, "[bcd].csv") == 0
    assert store.left_for_later("[bcd].csv") == (
        "b.csv: a quotation mark in it is not closed",
        "c.csv: its first line names a column twice",
        "d.csv: its first line does not name the columns",
    )


def test_numbers_since_1970_are_text_in_csv(tmp_path: Path) -> None:
    """And are read in their unit all the same."""
    rows = "".join(f"{n},{int(ago(n).timestamp() * 1000)}\n" for n in (10, 40))
    (tmp_path / "a.csv").write_text("id,ts\n" + rows)
    store = store_of(tmp_path)
    assert store.time_form("a.csv", TS) == "epoch_ms"
    assert store.measure("a.csv", older_than(30), time=TS).oldest == ago(40)
    assert erase(store, "a.csv", older_than(30)) == 1


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_archives_of_many_members_are_one_file(tmp_path: Path, ending: str) -> None:
    """Records may lie across members; what is written is an archive that every reader takes."""
    lines = b"".join(json.dumps({"id": n, "user_id": "42" if n % 3 else "7"}).encode() + b"\n" for n in range(30_000))
    cuts = [0, 1_003, 1_003, 400_000, len(lines)]
    pack = gzip.compress if ending == ".gz" else zstandard.ZstdCompressor().compress
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(b"".join(pack(lines[a:b]) for a, b in pairwise(cuts)))
    store = store_of(tmp_path)
    assert store.measure(path.name, EVERYTHING).rows == 30_000
    assert erase(store, path.name) == 20_000
    program = "gzip" if ending == ".gz" else "zstd"
    read = subprocess.run([program, "-dc", path], check=True, capture_output=True).stdout
    assert read == unpack(path.read_bytes())
    assert [json.loads(line)["id"] for line in read.splitlines()] == list(range(0, 30_000, 3))


def test_archives_that_are_cut_off_or_damaged_are_named_and_left(tmp_path: Path) -> None:
    """Byte for byte as they were; the others go on."""
    data = "".join(json.dumps({"id": n, "user_id": "42"}) + "\n" for n in range(5_000)).encode()
    whole = {".gz": gzip.compress(data), ".zst": zstandard.ZstdCompressor(write_checksum=True).compress(data)}
    for ending, packed in whole.items():
        (tmp_path / f"cut.jsonl{ending}").write_bytes(packed[:-9])
        middle = len(packed) // 2
        (tmp_path / f"bad.jsonl{ending}").write_bytes(packed[:middle] + b"\xff\0\xff" + packed[middle + 3 :])
        (tmp_path / f"fake.jsonl{ending}").write_bytes(b'{"user_id": "42"}\n')
        (tmp_path / f"good.jsonl{ending}").write_bytes(packed)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    store = store_of(tmp_path)
    assert erase(store, "*.jsonl.*") == 10_000
    measured = store.measure("*.jsonl.*", MINE)
    assert (measured.rows, measured.unread) == (0, 6)
    told = dict(line.split(": ") for line in store.left_for_later("*.jsonl.*"))
    assert {told[f"cut.jsonl{ending}"] for ending in whole} == {"the archive is cut off"}
    assert {told[f"bad.jsonl{ending}"] for ending in whole} <= {"the archive is damaged", "the archive is cut off"}
    assert {told[f"fake.jsonl{ending}"] for ending in whole} == {"it is not the archive that its name says"}
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after == {name: data for name, data in before.items() if not name.startswith("good")}


def test_bytes_that_are_not_utf8_hide_nobody_and_stay_as_they_are(tmp_path: Path) -> None:
    """A person's record is found whatever stands in its other fields."""
    path = tmp_path / "a.jsonl"
    other = b'{"user_id": "7", "note": "caf\xe9"}\n'
    path.write_bytes(b'\xef\xbb\xbf{"user_id": "42", "note": "caf\xe9"}\n' + other + b'{"user_id": 42, "x": NaN}\n')
    (tmp_path / "b.csv").write_bytes(b"user_id,note\n42,caf\xe9\n7,caf\xe9\n")
    (tmp_path / "c.csv").write_text("user_id,note\n42,x\n", encoding="utf-16")
    store = store_of(tmp_path)
    assert erase(store, "*") == 3
    assert path.read_bytes() == b"\xef\xbb\xbf" + other
    assert (tmp_path / "b.csv").read_bytes() == b"user_id,note\n7,caf\xe9\n"
    assert store.left_for_later("*") == ("c.csv: it is not written in UTF-8",)


def test_a_record_too_long_for_memory_is_named_with_its_file(tmp_path: Path) -> None:
    """A line of a gigabyte, plain, quoted or packed, is refused at 64 MiB; the rest goes on, in little memory."""
    for name, start in (("line.jsonl", b'{"user_id": "42", "note": "'), ("field.csv", b'user_id,note\n42,"')):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(1 << 30)
    with gzip.open(tmp_path / "line.jsonl.gz", "wb", 1) as packed:
        for _ in range(100):
            packed.write(bytes(1 << 20))
    (tmp_path / "line.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(bytes(1 << 30)))
    (tmp_path / "good.jsonl").write_text('{"user_id": "42"}\n{"user_id": "7"}\n')
    program = f"""
import resource, sys
from pathlib import Path
from tests.test_stores_files_formats import erase, store_of
store = store_of(Path({str(tmp_path)!r}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(erase(store, "*"), *store.left_for_later("*"), sep="\\n")
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 350_000
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rows, *left = done.stdout.splitlines()
    assert rows == "1"
    names = ("field.csv", "line.jsonl", "line.jsonl.gz", "line.jsonl.zst")
    assert left == [f"{name}: a record in it is longer than 64 MiB" for name in names]


def test_part_of_the_dates_may_be_garbage_but_not_all(tmp_path: Path) -> None:
    """Records with an unreadable time stay and are counted; a field that holds no time at all is refused."""
    times = ["2026-01-01T00:00:00Z", "0000-00-00", "yesterday", "", 17, True, None, "2026-13-45T99:00:00Z", [], {}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"ts": time}) + "\n" for time in times))
    store = store_of(tmp_path)
    with pytest.raises(CannotCompare):
        store.time_form("a.jsonl", TS)  # a number among texts
    path.write_text("".join(json.dumps({"ts": time}) + "\n" for time in times if not isinstance(time, int)))
    assert store.census("a.jsonl", TS).missing == 7
    assert erase(store, "a.jsonl", older_than(30)) == 1
    with pytest.raises(CannotCompare, match="does not hold times"):
        store.measure("a.jsonl", older_than(30))


def test_changing_a_field_leaves_every_other_value_what_it_was(tmp_path: Path) -> None:
    """Long numbers, spacing, scripts and bytes that are not UTF-8; a number stays a number."""
    path = tmp_path / "a.jsonl"
    rest = b'"big": 123456789012345678901234567890, "x": 1.5, "deep": {"mail": "a@b.example", "k": [1]}, "s": "\xc3\xbc\xe9"'
    path.write_bytes(b'{"user_id": 42, "note": "x", ' + rest + b"}\r\n" + b'{"user_id":"7","note":"x"}\n')
    work = Work(deed=Deed.REDACT, at=path.name, where=MINE, fields=("note", "deep.mail", "absent"))
    assert [rows for _, rows in run_through(store_of(tmp_path), work)] == [1]
    rest = rest.replace(b'"a@b.example"', b"null")
    assert path.read_bytes() == b'{"user_id": 42, "note": null, ' + rest + b'}\r\n{"user_id":"7","note":"x"}\n'
    correct = (("user_id", "43"), ("note", 'a "b"'))
    work = Work(deed=Deed.CORRECT, at=path.name, where=MINE, corrections=correct)
    assert [rows for _, rows in run_through(store_of(tmp_path), work)] == [1]
    assert path.read_bytes().startswith(b'{"user_id": 43, "note": "a \\"b\\"", ' + rest)


def test_changing_csv_quotes_what_needs_it(tmp_path: Path) -> None:
    """Nothing where a field is redacted; a column that is not there is named."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'user_id,"note",mail\r\n42,"a\nb", x \r\n7,"c",y\r\n')
    store = store_of(tmp_path)
    work = Work(deed=Deed.CORRECT, at=path.name, where=MINE, corrections=(("note", 'say "hi", you'),))
    assert [rows for _, rows in run_through(store, work)] == [1]
    assert path.read_bytes() == b'user_id,"note",mail\r\n42,"say ""hi"", you", x \r\n7,"c",y\r\n'
    work = Work(deed=Deed.REDACT, at=path.name, where=EVERYTHING, fields=("note", "mail"))
    assert [rows for _, rows in run_through(store, work)] == [2]
    assert path.read_bytes() == b'user_id,"note",mail\r\n42,,\r\n7,,\r\n'
    work = Work(deed=Deed.CORRECT, at=path.name, where=MINE, corrections=(("phone", "1"),))
    assert [rows for _, rows in run_through(store, work)] in ([], [0])
    assert store.left_for_later(path.name) == ("a.csv: it has no column 'phone'",)


VALUES = (
    "42",
    "-7",
    "a/b",
    'q"',
    "back\\slash",
    "tab\t",
    "ü",
    "名前",
    "anna@post.example",
    "true",
    "1.5",
    "1e3",
    "4",
    "é\n",
)


def meant(form: RecordFormat, data: bytes, test: Test) -> list[Any]:
    class Made(Reading):
        def __init__(self) -> None:
            self.form, self.blocks = form, form.blocks([data[:7], data[7:]])

    return [record for _, found in find_meant(Made(), test) for _, _, record in found]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([*VALUES, 42, -7, 4, 1.5, 1000.0, True, None, "", ["42"]]),
            st.text(max_size=5),
            st.booleans(),
        ),
        max_size=12,
    ),
    wanted=st.lists(st.sampled_from(VALUES), min_size=1, max_size=3),
)
def test_looking_for_marks_finds_what_reading_everything_finds(
    rows: list[tuple[Any, str, bool]], wanted: list[str]
) -> None:
    """However a value is written: escaped, as a number, quoted, with slashes as PHP writes them."""
    where = AnyOf(parts=(OneOf(field="user_id", values=tuple(wanted)), OneOf(field="note", values=tuple(wanted))))
    test = make_test(where, lambda field: None)
    assert test.values is not None
    slow = Test(matches=test.matches)
    lines = [json.dumps({"user_id": user, "note": note}, ensure_ascii=ascii_only) for user, note, ascii_only in rows]
    written = [line.replace("/", "\\/").replace("4", "\\u0034") if '"4' in line else line for line in lines]
    data = "".join(line + "\n" for line in written).encode("utf-8", "replace")
    assert meant(JsonLines(), data, test) == meant(JsonLines(), data, slow)
    quoted = [(str(user).replace('"', '""'), note.replace('"', '""')) for user, note, _ in rows]
    text = "".join(f'"{user}",x\n' if '"' in user or "\n" in user else f'{user},"{note}"\n' for user, note in quoted)
    data = ("user_id,note\n" + text).encode("utf-8", "replace")
    assert meant(CsvLines(), data, test) == meant(CsvLines(), data, slow)


def test_marks_are_only_looked_for_where_they_are_needed() -> None:
    """Any part of what must hold is enough; of alternatives, all; what must not hold tells nothing."""
    old = Before(field=TimeField(name="ts"), instant=NOW)
    assert needed_values(AllOf(parts=(old, MINE, Not(part=MINE)))) == ("42",)
    assert needed_values(AnyOf(parts=(old, MINE))) is None
    assert needed_values(Not(part=MINE)) is None
    assert needed_values(OneOf(field="id", values=tuple(str(n) for n in range(99)))) is None


@given(
    instant=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2099, 1, 1)),
    apart=st.sampled_from([-1, 0, 1, 2, 86_400, -86_400]),
)
def test_the_commonest_form_of_time_is_compared_as_every_other(instant: datetime, apart: int) -> None:
    """It has a short cut, which must not be early or late."""
    limit = instant.replace(tzinfo=UTC)
    text = (limit - timedelta(seconds=apart)).strftime("%Y-%m-%dT%H:%M:%S")
    is_before = compile_condition(Before(field=TS, instant=limit), lambda field: None)
    assert is_before({"ts": text + "Z"}) == is_before({"ts": text + "+00:00"})
    assert not is_before({"ts": "1990-02-30T00:00:00Z"})
