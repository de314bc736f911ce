"""Lists of opt-outs as CSV: read line by line, hashed in batches, each batch by itself, so that the same file again goes on."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from email_validator import EmailNotValidError, validate_email

from core.errors import BadInput
from jobs.services import Services

AT_ONCE: Final = 2_000
LONGEST_LINE: Final = 10_000
SHOWN_LINES: Final = 20
_NAMES: Final = {"email": ("email", "e-mail", "mail", "address", "email address", "e-mail address")}
Progress = Callable[[int], None]


@dataclass(kw_only=True)
class ImportCount:
    """What an import came to. `known`: opted out before, or twice in the file; `broken`: lines that hold no such identifier,
    the first of them by number."""

    lines: int = 0
    added: int = 0
    known: int = 0
    broken: int = 0
    broken_lines: list[int] = field(default_factory=list)

    def note_broken(self, line: int) -> None:
        self.broken += 1
        if len(self.broken_lines) < SHOWN_LINES:
            self.broken_lines.append(line)


def import_list(
    kept: Services, path: Path, *, kind: str, column: str, purpose: str, by: str, dry: bool, on_progress: Progress
) -> ImportCount:
    """Every line of a file as an opt-out. Broken lines are counted and left out. Raises BadInput for an unreadable file."""
    counted, waiting = ImportCount(), list[str]()
    ref = f"list:{_mark(path)}"

    def write() -> None:
        if not waiting:
            return
        if dry:
            with kept.database.read() as session:
                found = kept.suppressions.holds_any(session, [(kind, one) for one in waiting], purpose)
            added = len({kept.suppressions.hash(kind, one) for place, one in enumerate(waiting) if place not in found})
        else:
            with kept.database.begin() as session:
                added = kept.suppressions.add_all(
                    session, kind=kind, values=waiting, purpose=purpose, source="import", ref=ref, by=by
                )
        counted.added += added
        counted.known += len(waiting) - added
        waiting.clear()
        on_progress(counted.lines)

    for line, value in _values(path, column or kind):
        counted.lines += 1
        if _is_usable(kind, value):
            waiting.append(value)
        else:
            counted.note_broken(line)
        if len(waiting) >= AT_ONCE:
            write()
    write()
    return counted


def _values(path: Path, column: str) -> Iterator[tuple[int, str]]:
    """The number of each line after the head, and its value; "" where the line is too short or cannot be read."""
    try:
        with path.open("rb") as raw, TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as file:
            head = file.readline(LONGEST_LINE)
            delimiter = max(",;\t", key=head.count)
            place, has_head = _place(head, delimiter, column)
            if not has_head:
                yield 1, _cell(head, delimiter, place)
            for number, text in enumerate(_lines(file), start=2):
                if text.strip():
                    yield number, _cell(text, delimiter, place)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", remedy="Name a CSV file.") from error


def _lines(file: TextIOWrapper) -> Iterator[str]:
    """One after the other; one that never ends is cut, so that memory stays flat."""
    while text := file.readline(LONGEST_LINE):
        if len(text) == LONGEST_LINE and not text.endswith("\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                continue
            text = " \ufffd\n"  # no identifier is that long
        yield text


def _cell(text: str, delimiter: str, place: int) -> str:
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return ""  # an open quote spoils its own line, not those after it
    return cells[place].strip() if place < len(cells) else ""


def _place(head: str, delimiter: str, column: str) -> tuple[int, bool]:
    """Which cell holds the identifier, and whether the first line is a head. A file of one column needs none."""
    cells = [cell.strip().strip('"').casefold() for cell in head.split(delimiter)]
    for name in (column.casefold(), *_NAMES.get(column, ())):
        if name in cells:
            return cells.index(name), True
    if len(cells) == 1 and ("@" in cells[0] or column != "email"):
        return 0, False
    raise BadInput(
        f"The first line has no column '{column}'.", remedy="Name the one with the identifier: --column NAME."
    )


def _is_usable(kind: str, value: str) -> bool:
    if not value or "\ufffd" in value or "\x00" in value or len(value) > 320:
        return False
    if kind != "email":
        return True
    try:
        validate_email(value, check_deliverability=False, test_environment=True, allow_smtputf8=True)
    except EmailNotValidError:
        return False
    return True


def _mark(path: Path) -> str:
    """What names this file in the ledger: a hash of its content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:24]
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", remedy="Name a CSV file.") from error
