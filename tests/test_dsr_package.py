"""The sealed file and what goes into it: nothing opens that was changed, memory stays flat, cells are text."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from core.canonical import canonical
from core.errors import CheckFailed
from core.rendering import PdfWorker, Renderer
from core.settings import CollectionSettings, FieldSettings
from dsr.answers import HeldCollection, Letter
from dsr.package_files import Packing
from dsr.package_format import (
    CHUNK,
    TAG,
    new_key,
    plain_size,
    read_sealed_from,
    seal,
    unseal,
    unwrap_key,
    wrap_key,
    write_sealed,
)
from dsr.package_records import READABLE_ROWS
from dsr.withheld import is_credential, numbers_of

KEY = new_key()
HEAD = 13


def sealed(plain: bytes, key: bytes = KEY) -> bytes:
    file = io.BytesIO()
    assert seal([plain], key, file) == len(plain)
    return file.getvalue()


@given(pieces=st.lists(st.binary(max_size=3 * CHUNK), max_size=4))
def test_what_is_sealed_comes_back(pieces: list[bytes]) -> None:
    """However the stream is cut, its bytes come back."""
    file = io.BytesIO()
    seal(pieces, KEY, file)
    file.seek(0)
    assert b"".join(unseal(file, KEY)) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_a_file_that_is_cut_off_does_not_open(size: int) -> None:
    """Truncation shows, at the edge of a chunk too."""
    whole = sealed(b"x" * size)
    ends = {HEAD, HEAD + TAG, HEAD + CHUNK + TAG, len(whole) - 1}
    for end in (end for end in ends if end < len(whole)):
        with pytest.raises(CheckFailed):
            b"".join(unseal(io.BytesIO(whole[:end]), KEY))


def test_chunks_that_are_moved_or_changed_do_not_open() -> None:
    """Two chunks in the wrong order, one bit, another key, something behind the end: each shows."""
    whole = sealed(b"a" * CHUNK + b"b" * CHUNK + b"c")
    one, two, rest = whole[HEAD : HEAD + CHUNK + TAG], whole[HEAD + CHUNK + TAG : HEAD + 2 * (CHUNK + TAG)], whole[-17:]
    flipped = bytearray(whole)
    flipped[HEAD + 5] ^= 1
    for broken in (whole[:HEAD] + two + one + rest, bytes(flipped), whole + one, b"NOPE" + whole[4:]):
        with pytest.raises(CheckFailed):
            b"".join(unseal(io.BytesIO(broken), KEY))
    with pytest.raises(CheckFailed):
        b"".join(unseal(io.BytesIO(whole), new_key()))


def test_a_key_opens_under_its_own_wrapping_only() -> None:
    """The wrapped key is of no use without the installation's secret."""
    wrapped = wrap_key(KEY, b"w" * 32)
    assert KEY not in wrapped
    assert unwrap_key(wrapped, b"w" * 32) == KEY


@pytest.mark.parametrize(
    ("name", "fideslang", "expected"),
    [
        ("password", None, True),
        ("password_hash", None, True),
        ("token_hash", None, True),
        ("totp_secret", None, True),
        ("security_answer", None, True),
        ("access_token", None, True),
        ("x", "user.authorization.credentials", True),
        ("password", "user.name", True),
        ("prompt_tokens", None, False),
        ("api_key", None, False),
        ("spinach", None, False),
        ("email", "user.contact.email", False),
    ],
)
def test_credentials_are_told_by_name_or_key(name: str, fideslang: str | None, expected: bool) -> None:
    """Passwords and tokens are named as held, counts of tokens and references to keys are data."""
    assert is_credential(name, fideslang) is expected


@dataclass
class Quiet:
    """A reader of texts that finds nothing."""

    def clean(self, _name: str, values: Sequence[Any]) -> Sequence[Any]:
        return values

    def clean_one(self, _name: str, text: str) -> str:
        return text


LETTER = Letter(
    ref="K7F3Q-2MXB", title="A copy of your data", controller={"name": "Lanternway", "email": "p@lanternway.example"},
    written_on=date(2026, 6, 11), received_on=date(2026, 6, 11), summary="In short.", page_summary="In short.", opening="Hello.", sections=(), authority=None,
)  # fmt: skip
SETTINGS = CollectionSettings(
    id="letters", store="s", at="t", category="letter",
    fields={"body": FieldSettings(fideslang="user.content"), "iban": FieldSettings(fideslang="user.financial.account_number")},
)  # fmt: skip


def packed_zip(folder: Path, records: Sequence[dict[str, Any]], **given: Any) -> zipfile.ZipFile:
    """The archive of one collection, in batches of 100."""
    with Packing(folder / "work", KEY) as packing:
        batches = (records[start : start + 100] for start in range(0, len(records), 100))
        packed = packing.pack(SETTINGS, batches, Quiet(), **given)
        held = HeldCollection(
            collection="letters", rows=packed.rows, categories=frozenset({"letter"}), withheld=packed.withheld
        )
        chunks, files = packing.archive(
            letter=LETTER, letter_pdf=b"%PDF", held=[held], packed=[packed], collections={"letters": SETTINGS},
            at=datetime(2026, 6, 11, tzinfo=UTC),
        )  # fmt: skip
        archive = zipfile.ZipFile(io.BytesIO(b"".join(chunks)))
    assert archive.testzip() is None
    for file in files:
        assert hashlib.sha256(archive.read(file.name)).hexdigest() == file.sha256
    return archive


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(records=st.lists(st.dictionaries(st.sampled_from(["a", "b", "ä", "note", "id"]), JSONS, max_size=4), max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_json_of_a_collection_is_canonical_and_the_csv_even(
    records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the records are: reading the file and writing it by RFC 8785 gives its bytes, numbers that JSON cannot hold
    exactly are text, every line of the CSV has every column, and no text cell begins a formula. Without a record there is
    no file, and the manifest says that nothing is held."""
    archive = packed_zip(tmp_path_factory.mktemp("pack"), records)
    if not records:
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["nothing_held"] == [{"name": "letters", "title": "Letters"}]
        assert manifest["collections"] == []
        assert set(archive.namelist()) == {"index.html", "letter.pdf", "manifest.json"}
        assert "Nothing held in 1 place" in archive.read("index.html").decode()
        return
    plain = archive.read("data/letters.json")
    read = json.loads(plain, parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**53 else float(digits))
    assert canonical(read) == plain
    assert len(read) == len(records)
    lines = list(csv.reader(io.StringIO(archive.read("data/letters.csv").decode(), newline="")))
    names = dict.fromkeys(name for record in records for name in record)
    assert [cell.lstrip("'") for cell in lines[0]] == list(names) or not names
    if names:
        assert {len(line) for line in lines} == {len(names)}
        texts = [cell for line in lines[1:] for cell in line if cell[:1] in ("=", "+", "-", "@")]
        assert all(re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", cell) for cell in texts)


def test_numbers_times_and_bytes_keep_what_they_are(tmp_path: Path) -> None:
    """Decimals keep each digit, instants their zone, bytes become base64; the schema says so of each field."""
    at = datetime(2026, 6, 1, 10, tzinfo=UTC)
    record = {
        "id": 2**60, "amount": Decimal("-12.500"), "rate": -0.5, "ok": True, "at": at, "day": date(2026, 6, 1), "raw": b"\xff\x00",
        "body": "=1+1", "phone": "+49 1", "none": None, "tags": ["=x", {"password": "hunter2", "k": "v"}], "password": "hunter2",
    }  # fmt: skip
    archive = packed_zip(tmp_path, [record, {**record, "at": None, "body": "-x"}])
    (first, second) = json.loads(archive.read("data/letters.json"))
    assert first == {
        "id": str(2**60), "amount": "-12.500", "rate": -0.5, "ok": True, "at": "2026-06-01T10:00:00+00:00", "day": "2026-06-01",
        "raw": "/wA=", "body": "=1+1", "phone": "+49 1", "none": None, "tags": ["=x", {"k": "v"}],
    }  # fmt: skip
    assert second["at"] is None
    lines = list(csv.DictReader(io.StringIO(archive.read("data/letters.csv").decode())))
    assert [lines[0][name] for name in ("amount", "rate", "body", "phone", "ok")] == [
        "-12.500",
        "-0.5",
        "'=1+1",
        "'+49 1",
        "true",
    ]
    assert (lines[1]["at"], lines[1]["body"]) == ("", "'-x")
    schema = json.loads(archive.read("data/letters.schema.json"))["items"]
    assert schema["properties"]["at"] == {"type": ["null", "string"], "format": "date-time"}
    assert schema["properties"]["id"]["type"] == ["integer", "string"]
    assert schema["properties"]["body"] == {"type": "string", "description": "Fideslang user.content"}
    assert "password" not in schema["properties"]
    assert "hunter2" not in "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_account_numbers_are_named_only_before_a_step_up(tmp_path: Path) -> None:
    """Before more is shown an account number is named as held and goes into no file; after, it is there."""
    record = {"id": 1, "iban": "DE89370400440532013000"}
    numbers = numbers_of(SETTINGS)
    assert numbers == {"iban"}
    named = packed_zip(tmp_path / "a", [record], numbers=numbers)
    assert not any(b"DE8937" in named.read(name) for name in named.namelist())
    assert "iban" in named.read("index.html").decode()
    assert b"DE8937" in packed_zip(tmp_path / "b", [record]).read("data/letters.json")


def test_the_page_escapes_every_value_and_runs_its_own_script_alone(tmp_path: Path) -> None:
    """Names and values are text; the one script is named by its hash in the page's own rules; long cells are cut."""
    sly = "</td><script>alert(1)</script>\x1f\x1e&"
    archive = packed_zip(tmp_path, [{"body": sly, sly: "x" * 5_000}] * 600)
    page = archive.read("index.html").decode()
    assert "<script>alert" not in page
    assert page.count("<tr><td>") == READABLE_ROWS
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script
    named = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{named}'" in page
    assert "x" * 2_001 not in page
    assert "100" in page.rpartition("more are in")[0][-60:]


def test_any_part_of_a_sealed_file_can_be_read_alone(tmp_path: Path) -> None:
    """A part from anywhere is what the whole has there; a chunk that was changed shows where it is read."""
    plain = bytes(range(256)) * 900
    path = tmp_path / "one.kept"
    assert write_sealed(path, [plain], KEY) == plain_size(path) == len(plain)
    for start, stop in (
        (0, len(plain)),
        (0, 1),
        (CHUNK - 1, CHUNK + 1),
        (CHUNK, 2 * CHUNK),
        (len(plain) - 3, len(plain)),
    ):
        assert b"".join(read_sealed_from(path, KEY, start, stop)) == plain[start:stop]
    broken = bytearray(path.read_bytes())
    broken[HEAD + CHUNK + TAG + 5] ^= 1
    path.write_bytes(broken)
    assert b"".join(read_sealed_from(path, KEY, 0, 10)) == plain[:10]
    with pytest.raises(CheckFailed):
        b"".join(read_sealed_from(path, KEY, CHUNK, CHUNK + 10))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A file that cannot grow ends the packing with the system's own error, without a thread or a file left."""
    child = f"""
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tests.test_dsr_package import packed_zip
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    packed_zip(Path({str(tmp_path)!r}), [{{"id": n, "body": f"{{n * 7919 % 1000003}} " * 40}} for n in range(20_000)])
except OSError as error:
    sys.exit(40 + (error.errno == 27))
"""
    ended = subprocess.run([sys.executable, "-c", child], timeout=60, check=False)
    assert ended.returncode == 41
    assert list(tmp_path.iterdir()) == []


def test_records_travel_one_batch_at_a_time(tmp_path: Path) -> None:
    """What is packed is not held: while the last batch is taken, little of what went by is in memory."""
    record = {"id": 1, "body": "anna.quill@post.example " * 20}

    def batches() -> Iterator[list[dict[str, Any]]]:
        for _ in range(300):
            yield [dict(record) for _ in range(100)]

    tracemalloc.start()
    with Packing(tmp_path / "work", KEY) as packing:
        packed = packing.pack(SETTINGS, batches(), Quiet())
        assert packed.json.whole().size > 14_000_000
        assert b"anna" not in packed.json.whole().path.read_bytes()
        most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8_000_000


def test_the_letter_becomes_a_pdf() -> None:
    """The worker takes the letter's template with the variables of an answer."""
    worker = PdfWorker()
    variables = {
        "controller": {"name": "Lanternway", "email": "privacy@lanternway.example"},
        "ref": "K7F3Q-2MXB",
        "person_name": "",
        "date": "Thursday, 11 June 2026",
        "title": "A copy of your data",
        "sections": [
            {"title": "What we hold", "table": {"head": ["Where", "Records"], "rows": [["Requests", 7]], "num": [1]}}
        ],
        "authority": None,
    }
    try:
        pdf = worker.render(Renderer(base_url="https://kept.example").text("documents/letter.html", **variables))
    finally:
        worker.close()
    assert "What we hold" in PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
