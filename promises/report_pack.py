"""The folder that goes with a report, as a ZIP: every number as a file, the ledger, proofs, and the program that checks them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

from core.clock import iso_utc
from ledger.reading import EntryProof
from promises.report_facts import Facts

# A cell that begins so is a formula to a spreadsheet; an apostrophe makes it text again.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_TYPES: Final = {
    ".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonl", ".md": "text/markdown",
    ".py": "text/x-python", ".txt": "text/plain", ".tlog-proof": "text/plain",
}  # fmt: skip
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


def tables_of(facts: Facts) -> Iterator[tuple[str, str]]:
    """The counted parts as CSV files: name and text. Whom a request is of stands in none."""
    days = [day.isoformat() for day in facts.span.days]
    states = ([one.clause, *(state.value if state else "" for state in one.days)] for one in facts.clauses.values())
    yield "promises.csv", _csv(["clause", *days], states)
    yield from (
        (f"{name}.csv", _csv(columns, ([getattr(line, column) for column in columns] for line in lines)))
        for name, columns, lines in _lines_of(facts)
    )


def _lines_of(facts: Facts) -> Iterator[tuple[str, list[str], Sequence[Any]]]:
    yield "sweeps", ["clause", "runs", "rows", "left", "held", "failed", "worst"], facts.sweeps
    request = ["ref", "right", "regime", "channel", "received", "due", "closed", "outcome", "late", "days"]
    yield "requests", request, facts.requests
    yield "rights", ["right", "came", "answered", "in_time", "refused", "median", "longest"], facts.rights
    yield "holds", ["id", "about", "reason", "since", "released_at"], facts.holds
    yield "changes", ["number", "what", "at", "weight", "reasons", "entry"], facts.changes
    yield "incidents", ["says", "about", "since", "over_at", "told"], facts.incidents


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    text = str(value.value) if isinstance(value, Enum) else "; ".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def proof_files(proofs: Iterable[EntryProof]) -> Iterator[tuple[str, str]]:
    """For each entry its proof file, and beside it the entry that it proves."""
    for one in proofs:
        yield f"proofs/{one.position}.tlog-proof", one.text
        yield f"proofs/{one.position}.json", one.entry


class Pack:
    """Writes the ZIP file by file, and at its end the list of all of them with their hashes."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._members: list[Mapping[str, Any]] = []

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is None:
            listed = json.dumps({"files": self._members}, indent=1, ensure_ascii=False)
            self._zip.writestr(_named("manifest.json"), listed)
        self._zip.close()

    @property
    def count(self) -> int:
        """How many files are in it, its list not counted."""
        return len(self._members)

    def add(self, name: str, content: str | bytes) -> None:
        """One file of its bytes."""
        body = content.encode() if isinstance(content, str) else content
        self._zip.writestr(_named(name), body)
        self._note(name, len(body), hashlib.sha256(body).hexdigest())

    def add_file(self, name: str, path: Path) -> None:
        """One file that stands elsewhere, piece by piece."""
        size, hashed = 0, hashlib.sha256()
        with path.open("rb") as source, self._zip.open(_named(name), "w", force_zip64=True) as target:
            while piece := source.read(1 << 20):
                size += len(piece)
                hashed.update(piece)
                target.write(piece)
        self._note(name, size, hashed.hexdigest())

    def _note(self, name: str, size: int, sha256: str) -> None:
        kind = next((kind for ending, kind in _TYPES.items() if name.endswith(ending)), "application/octet-stream")
        self._members.append({"name": name, "media_type": kind, "size": size, "sha256": sha256})


def _named(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    return info
