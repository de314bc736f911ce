"""Tests of reports: what is counted, what goes along, and that an auditor can check it with the program in the ZIP alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from core.errors import BadInput, NotFound
from core.outbox import Event
from promises.processing_record import NOT_SAID, record_of
from promises.report_facts import ClauseDays, Span, _worst_of
from promises.report_words import say_span
from promises.reports import MAKE
from promises.states import State
from tests.web_installation import Installation, open_installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a policy, a sweep and an open request."""
    with open_installation(tmp_path_factory.mktemp("reports") / "kept") as one:
        one.kept.sweeps.run(None, actor="system")
        one.kept.requests.open_by_hand(
            email="cleo.verrault@post.example",
            right="access",
            received_at=one.kept.clock.now() - timedelta(days=3),
            channel="phone",
            by="system",
        )
        yield one


@pytest.fixture(scope="module")
def span(installation: Installation) -> Span:
    """The last days, and today."""
    today = installation.kept.clock.now().date()
    return Span(first=today - timedelta(days=10), last=today + timedelta(days=1), zone="UTC")


@pytest.fixture(scope="module")
def made(installation: Installation, span: Span, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """A report: the PDF, and the folder of its ZIP."""
    report = installation.kept.reports.make(span)
    folder = tmp_path_factory.mktemp("pack")
    with zipfile.ZipFile(report.pack) as pack:
        pack.extractall(folder)
    report.pack.unlink()
    return report.pdf, folder


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """A CSV file of the pack."""
    return list(csv.DictReader(io.StringIO((folder / name).read_text(encoding="utf-8"))))


def test_every_file_is_listed_with_its_size_and_hash(made: tuple[bytes, Path]) -> None:
    """The manifest names all files but itself, and none that is not there."""
    _, folder = made
    listed = {one["name"]: one for one in json.loads((folder / "manifest.json").read_text())["files"]}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(listed) == there
    for name, one in listed.items():
        body = (folder / name).read_bytes()
        assert (one["size"], one["sha256"]) == (len(body), hashlib.sha256(body).hexdigest()), name


def test_the_numbers_are_those_of_the_stores_and_name_nobody(
    installation: Installation, made: tuple[bytes, Path]
) -> None:
    """Runs by clause, the request by its reference; the person's address stands in no file and not in the PDF."""
    pdf, folder = made
    with installation.kept.database.read() as session:
        ran = sa.text("SELECT clause, count(*), sum(rows) FROM sweep_runs WHERE state = 'done' GROUP BY clause")
        counted = {clause: (runs, gone) for clause, runs, gone in session.execute(ran)}
    assert {one["clause"]: (int(one["runs"]), int(one["rows"])) for one in rows(folder, "sweeps.csv")} == counted
    (request,) = rows(folder, "requests.csv")
    assert (request["right"], request["outcome"], request["late"]) == ("access", "open", "no")
    for path in folder.rglob("*"):
        assert path.is_dir() or b"cleo.verrault" not in path.read_bytes(), path
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    assert "Evidence for" in text
    assert "cleo.verrault" not in text
    board = installation.kept.board()
    assert all(one.clause_id in text.replace("\n", "") for one in board.clauses)


def test_an_auditor_checks_it_with_the_program_that_goes_along(made: tuple[bytes, Path]) -> None:
    """The ledger, and one proof beside its entry; a changed entry is found."""
    _, folder = made
    proof = sorted((folder / "proofs").glob("*.tlog-proof"))[0]
    key = (folder / "key.txt").read_text().strip()
    for files in (["ledger.jsonl"], [f"proofs/{proof.name}", f"proofs/{proof.stem}.json", "--key", key]):
        ran = subprocess.run(
            [sys.executable, "-I", "verify.py", *files], cwd=folder, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    entry = folder / "proofs" / f"{proof.stem}.json"
    changed = folder / "changed.json"
    changed.write_text(entry.read_text().replace('"kind":"', '"kind":"x'))
    ran = subprocess.run(
        [sys.executable, "-I", "verify.py", f"proofs/{proof.name}", "changed.json", "--key", key],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    changed.unlink()
    assert ran.returncode == 1


def test_the_pdf_is_tagged_for_screen_readers_and_numbered(made: tuple[bytes, Path]) -> None:
    """PDF/UA: marked, with a language and a title; each page says which of how many it is."""
    reader = PdfReader(io.BytesIO(made[0]))
    root = reader.root_object
    marks = root["/MarkInfo"]
    assert isinstance(marks, DictionaryObject)
    assert bool(marks["/Marked"])
    assert str(root["/Lang"]) == "en"
    last = len(reader.pages)
    assert f"Page {last} of {last}" in reader.pages[-1].extract_text()


def test_a_report_that_was_asked_for_is_made_once_and_can_be_taken_along(
    installation: Installation, span: Span
) -> None:
    """Asked, made by the scheduler's handler, found by its files; a repeat of the event changes nothing."""
    reports = installation.kept.reports
    with pytest.raises(NotFound):
        reports.file("rpt_none", "pdf")
    report = reports.ask(span.first, span.last, by="system")
    with pytest.raises(NotFound):
        reports.file(report, "pdf")
    event = Event(id="evt_1", kind=MAKE, payload={"report": report}, created_at=datetime.now(UTC))
    reports.handle(event)
    line = next(one for one in reports.list_reports() if one.id == report)
    assert (line.state, line.pack) == ("made", hashlib.sha256(reports.file(report, "zip").read_bytes()).hexdigest())
    before = reports.file(report, "pdf").stat().st_mtime_ns
    reports.handle(event)
    assert reports.file(report, "pdf").stat().st_mtime_ns == before


def test_a_day_counts_as_the_worst_moment_of_it() -> None:
    """A state holds until the next change; what is not recorded is nothing, and days to come are nothing."""
    day = date(2026, 5, 12)
    at = datetime(2026, 5, 12, 3, 0, tzinfo=UTC)
    changes = [
        (at - timedelta(days=2), State.KEPT),
        (at, State.BROKEN),
        (at + timedelta(minutes=40), State.KEPT),
    ]
    now = datetime(2026, 6, 1, tzinfo=UTC)
    found = [_worst_of(day + timedelta(days=shift), "UTC", changes, now) for shift in (-3, -2, -1, 0, 1, 30)]
    assert found == [None, State.KEPT, State.KEPT, State.BROKEN, State.KEPT, None]
    days = ClauseDays(clause="inbox", days=tuple(found))
    assert (days.seen, days.count(State.BROKEN)) == (4, 1)


def test_a_span_is_whole_days_and_says_itself() -> None:
    """A month by its name, else both days; backwards and endless ones are refused with what to do."""
    may = Span.month("2026-05", "Europe/Berlin")
    assert (may.last, say_span(may)) == (date(2026, 5, 31), "May 2026")
    assert may.ends - may.begins == timedelta(days=31)
    assert Span.month("2028-02", "UTC").last == date(2028, 2, 29)
    for first, last in ((date(2026, 5, 2), date(2026, 5, 1)), (date(2020, 1, 1), date(2026, 1, 1))):
        with pytest.raises(BadInput):
            Span(first=first, last=last, zone="UTC")
    with pytest.raises(BadInput, match="2026-05"):
        Span.month("May", "UTC")


def test_the_record_of_processing_names_every_use_with_its_ground_and_its_end(installation: Installation) -> None:
    """Art. 30: each purpose clause with basis, categories, recipients and erasure; nothing is made up where nothing is said."""
    with installation.kept.database.read() as session:
        version = installation.kept.policies.in_force(session)
    assert version is not None
    record = record_of(version.document, version.number, installation.kept.settings.collections)
    assert record.controller == version.document.controller.name
    assert {one.clause for one in record.activities} == {
        one.id for one in version.document.clauses if one.kind == "purpose"
    }
    for one in record.activities:
        assert one.basis
        assert one.erased != (NOT_SAID,) or not one.lies_in
    json.dumps(record.as_json())
