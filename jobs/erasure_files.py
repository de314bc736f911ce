"""Files of people held against the register of erasures before an import: read as a stream, copied to the byte without the erased."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TextIO

from core.errors import BadInput

LONGEST_FIELD: Final = 131_072
AT_ONCE: Final = 1_000
NAMED: Final = 1_000  # lines that are named in the answer; the rest is counted
_DELIMITERS: Final = ",;\t|"
Pairs = Sequence[tuple[str, str]]
FindErased = Callable[[Pairs], set[int]]


class Form(StrEnum):
    """CSV: the header names the kinds. JSONL: the keys do. LINES: one identifier a line."""

    CSV = "csv"
    JSONL = "jsonl"
    LINES = "lines"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One entry of a file: the number of its first line, its text as it stands there, the identifiers it holds."""

    line: int
    text: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a file holds. `lines`: where the first of the erased begin."""

    form: Form
    kinds: tuple[str, ...]
    entries: int
    erased: int
    lines: tuple[int, ...]


def check_file(
    path: Path,
    find_erased: FindErased,
    *,
    kinds: Sequence[str],
    kind: str | None = None,
    out: Path | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Hold every entry of a file against the register. `kinds`: those that a header can name; `kind`: what a file of plain
    lines holds (else an address where there is an @, and any kind elsewhere); `out`: gets the file without the erased."""
    if out is not None and out.exists() and out.samefile(path):
        raise BadInput(f"{out} is the file itself.", remedy="Name another one with --out.")
    entries = erased = 0
    named: list[int] = []
    with ExitStack() as stack:
        file = stack.enter_context(path.open(encoding="utf-8", newline=""))
        target = _Target(out)
        stack.callback(target.drop)
        try:
            reader = _open(file, path, kinds, kind)
            target.write(reader.head)
            for part in _parts(reader.records):
                gone = _gone(part, find_erased)
                entries, erased = entries + len(part), erased + len(gone)
                named += [part[index].line for index in sorted(gone)][: NAMED - len(named)]
                target.write("".join(one.text for index, one in enumerate(part) if index not in gone))
                on_progress(entries)
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{path} is not UTF-8 text (after entry {entries}).", remedy="Save it as UTF-8 and check it again."
            ) from error
        except csv.Error as error:
            raise BadInput(f"{path} after entry {entries}: {error}.", remedy="Is it a CSV file?") from error
        target.finish()
    return Checked(form=reader.form, kinds=reader.kinds, entries=entries, erased=erased, lines=tuple(named))


@dataclass(frozen=True, kw_only=True)
class _Reader:
    form: Form
    kinds: tuple[str, ...]
    head: str
    records: Iterator[Record]


def _open(file: TextIO, path: Path, kinds: Sequence[str], kind: str | None) -> _Reader:
    first = file.readline()
    names = _header(first, kinds)
    if path.suffix.lower() in (".jsonl", ".ndjson") or first.lstrip("\ufeff \t").startswith("{"):
        file.seek(0)
        return _Reader(form=Form.JSONL, kinds=tuple(kinds), head="", records=_read_jsonl(file, path, kinds))
    if names and kind is None:
        delimiter = _delimiter(first)
        found = tuple(dict.fromkeys(names.values()))
        return _Reader(form=Form.CSV, kinds=found, head=first, records=_read_csv(file, names, delimiter))
    if path.suffix.lower() in (".csv", ".tsv") and kind is None:
        raise BadInput(
            f"The header of {path} names no kind of identifier.",
            remedy=f"Name columns after them: {', '.join(kinds) or 'none is known'}. Or say --kind for a file without header.",
        )
    file.seek(0)
    told = (kind,) if kind else tuple(kinds)
    return _Reader(form=Form.LINES, kinds=told, head="", records=_read_plain(file, told, is_said=kind is not None))


def _header(first: str, kinds: Sequence[str]) -> dict[int, str]:
    """Column → kind."""
    known = {name.lower(): name for name in kinds}
    columns = next(csv.reader([first.lstrip("\ufeff").rstrip("\r\n")], delimiter=_delimiter(first)), [])
    said = {index: name.strip().lower() for index, name in enumerate(columns)}
    return {index: known[name] for index, name in said.items() if name in known}


def _delimiter(first: str) -> str:
    return max(_DELIMITERS, key=first.count)


class _Lines:
    """Gives the lines of a file to a reader that joins some of them, and says which it took."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._taken.append(line)
        return line

    def taken(self) -> list[str]:
        taken, self._taken = self._taken, []
        return taken


def _read_csv(file: TextIO, names: dict[int, str], delimiter: str) -> Iterator[Record]:
    lines, number = _Lines(file), 2
    csv.field_size_limit(LONGEST_FIELD)  # it is the process's own: who packs copies needs a longer one
    for row in csv.reader(lines, delimiter=delimiter):
        taken = lines.taken()
        cells = ((kind, row[index].strip()) for index, kind in names.items() if index < len(row))
        yield Record(line=number, text="".join(taken), pairs=tuple(pair for pair in cells if pair[1]))
        number += len(taken)


def _read_jsonl(file: TextIO, path: Path, kinds: Sequence[str]) -> Iterator[Record]:
    known = {name.lower(): name for name in kinds}
    for number, text in enumerate(file, start=1):
        if not text.strip("\ufeff \t\r\n"):
            yield Record(line=number, text=text, pairs=())
            continue
        try:
            entry = json.loads(text.lstrip("\ufeff"))
        except ValueError as error:
            raise BadInput(f"{path}:{number}: this is no JSON.", remedy="Write one JSON object a line.") from error
        if not isinstance(entry, dict):
            raise BadInput(f"{path}:{number}: this is no JSON object.", remedy="Write one JSON object a line.")
        pairs = ((known[key.lower()], _text(value)) for key, value in entry.items() if key.lower() in known)
        yield Record(line=number, text=text, pairs=tuple(pair for pair in pairs if pair[1]))


def _read_plain(file: TextIO, kinds: Sequence[str], *, is_said: bool) -> Iterator[Record]:
    for number, text in enumerate(file, start=1):
        value = text.strip("\ufeff \t\r\n")
        told = kinds if is_said or "@" not in value else [name for name in kinds if name == "email"]
        yield Record(line=number, text=text, pairs=tuple((name, value) for name in told) if value else ())


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _parts(records: Iterator[Record]) -> Iterator[list[Record]]:
    part: list[Record] = []
    for record in records:
        part.append(record)
        if len(part) == AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _gone(part: Sequence[Record], find_erased: FindErased) -> set[int]:
    owners = [index for index, one in enumerate(part) for _ in one.pairs]
    found = find_erased([pair for one in part for pair in one.pairs])
    return {owners[position] for position in found}


class _Target:
    """The file without the erased: readable by its owner, and under its name only once it is whole."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._draft = path.with_name(path.name + ".part") if path else None
        self._file: TextIO | None = None
        if self._draft:
            handle = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "w", encoding="utf-8", newline="")

    def write(self, text: str) -> None:
        if self._file and text:
            self._file.write(text)

    def finish(self) -> None:
        if self._file and self._draft and self._path:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.replace(self._path)
            self._file = None

    def drop(self) -> None:
        if self._file and self._draft:
            self._file.close()
            self._draft.unlink(missing_ok=True)
