"""Looking through one file for the records that are meant, and taking them out of it or changing them."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from stores.conditions import AllOf, AnyOf, Condition
from stores.contract import Deed, Work
from stores.csv_lines import CsvLines
from stores.file_exchange import Alone, Signature, exchange, make_alike, temporary_beside, without_writer
from stores.file_formats import Found, Record, RecordFormat, needed_values
from stores.file_names import FileTimes, asks_files, settle
from stores.file_packing import copy_range, packed_writer, write_all
from stores.file_reading import BeingWritten, Packing, find_packing, open_plain, read_chunks
from stores.jsonl import JsonLines
from stores.matching import FormOf, Matcher, compile_condition

_FEW = 4_096  # places that are kept in mind of one file


@dataclass(frozen=True, kw_only=True)
class Test:
    """Which records of a file are meant. `matches` None: every one, also what is no record of its format.

    `values`: each record that is meant has one of them, where that is known. `change`: what those records are to say
    in some fields; None: they are to go."""

    __test__ = False  # not one of pytest's

    matches: Matcher | None
    values: tuple[str, ...] | None = None
    change: Mapping[str, str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """`matching` records are meant, with `size` bytes unpacked; `others`: is there anything else?

    `places`: where they stand in a file that is not packed, if they are few."""

    matching: int
    size: int
    others: bool
    places: tuple[tuple[int, int], ...] | None = None


def make_test(where: Condition, form_of: FormOf, change: Mapping[str, str | None] | None = None) -> Test:
    if where == AllOf(parts=()):
        return Test(matches=None)
    return Test(matches=compile_condition(where, form_of), values=needed_values(where), change=change)


def make_tester(
    where: Condition, form_of: FormOf, change: Mapping[str, str | None] | None
) -> Callable[[FileTimes], Test | None]:
    """The test for a file by what the file itself tells; None where that excludes all of its records."""
    if not asks_files(where):
        test = make_test(where, form_of, change)
        return lambda times: test
    known: dict[Condition, Test | None] = {AnyOf(parts=()): None}

    def test_of(times: FileTimes) -> Test | None:
        settled = settle(where, times)
        if settled not in known:
            known[settled] = make_test(settled, form_of, change)
        return known[settled]

    return test_of


def find_change(work: Work) -> Mapping[str, str | None] | None:
    """What the records of a work are to say; None where they are to go."""
    if work.deed is Deed.DELETE:
        return None
    return dict(work.corrections) if work.deed is Deed.CORRECT else dict.fromkeys(work.fields)


class Reading:
    """One open file: how it is packed, its format, its blocks of whole records."""

    def __init__(self, file: BinaryIO, name: str, delimiter: str | None) -> None:
        self.packing: Packing = find_packing(file, name)
        self.form = find_format(name, delimiter)
        self.blocks = self.form.blocks(read_chunks(file, self.packing))


def find_format(name: str, delimiter: str | None) -> RecordFormat:
    """By the endings of its name, wherever they stand (`a.csv.1.gz`); JSON lines where none is known."""
    endings = {ending.lower() for ending in PurePosixPath(name).suffixes}
    if ".tsv" in endings:
        return CsvLines(delimiter or "\t")
    return CsvLines(delimiter or ",") if ".csv" in endings else JsonLines()


def find_meant(reading: Reading, test: Test) -> Iterator[tuple[bytes, Iterator[Found]]]:
    """Each block with the records of it that are meant."""
    form, matches = reading.form, test.matches
    marks = form.marks(test.values) if test.values is not None else None
    for block in reading.blocks:
        found = form.each(block) if marks is None else form.holding(block, marks)
        if matches is not None:
            yield block, ((start, end, record) for start, end, record in found if _meets(record, matches))
        else:
            yield block, found


def sift(
    reading: Reading,
    test: Test,
    keep: Callable[[bytes], None] | None = None,
    alone: Alone | None = None,
) -> Sifted:
    """Tell the records that are meant from the others; `keep` is given what is to remain, changed where that is meant.

    Without `keep`, `size` and `places` tell of the records that are meant. `alone` may raise between two blocks."""
    if test.matches is None and keep is None:
        return _count(reading)
    matching = size = begun = 0
    others = False
    places: list[tuple[int, int]] | None = [] if keep is None and reading.packing is Packing.PLAIN else None
    change = _changer(reading, test) if keep is not None or test.change is None else (lambda raw: raw)
    for block, found in find_meant(reading, test):
        if alone is not None:
            alone()
        spans = [(start, end) for start, end, _ in found]
        matching += len(spans)
        size += sum(end - start for start, end in spans)
        rest = _with(block, spans, change) if keep is not None or not others else b""
        others = others or not _is_blank(rest)
        if keep is not None:
            keep(rest)
        if places is not None:
            begun = begun or len(reading.form.preamble)
            places += ((begun + start, begun + end) for start, end in spans)
            begun += len(block)
            places = places if len(places) <= _FEW else None
    return Sifted(matching=matching, size=size, others=others, places=tuple(places) if places is not None else None)


def look_through(reading: Reading, test: Test) -> Sifted:
    """How many records are meant, where, and whether there is anything else."""
    return sift(reading, test)


def _count(reading: Reading) -> Sifted:
    matching = size = 0
    for block in reading.blocks:
        matching, size = matching + reading.form.count(block), size + len(block)
    return Sifted(matching=matching, size=size, others=False)


def work_on(path: Path, name: str, delimiter: str | None, test: Test, seen: tuple[Signature, Sifted] | None) -> int:
    """Remove the records that are meant, the file with the last of them, or change them; returns how many.

    `seen`: an earlier look. Raises LeftAlone: BeingWritten where another program has the file open for writing, or it changed since the look.
    """
    with open_plain(path) as file, without_writer(file, seen[0] if seen else None) as alone:
        if seen is not None and not seen[1].others:
            exchange(path, None, file, alone)
            return seen[1].matching
        reading = Reading(file, name, delimiter)
        places = seen[1].places if seen is not None else None
        with temporary_beside(path) as (temporary, copy):
            if places is None:
                told = _copy_all(reading, test, copy, alone)
            else:
                told = _copy_between(file, places, reading, test, copy, alone)
            if not told.matching:
                return 0
            if told.others:
                make_alike(copy, temporary, path)
            exchange(path, temporary if told.others else None, file, alone)
        return told.matching


def _copy_all(reading: Reading, test: Test, copy: BinaryIO, alone: Alone) -> Sifted:
    """Read the file from its start on, and write what is to remain."""
    with packed_writer(copy, reading.packing) as writer:
        begun = False

        def keep(records: bytes) -> None:
            nonlocal begun
            if not begun and reading.form.preamble:
                writer.write(reading.form.preamble)
            begun = True
            writer.write(records)

        return sift(reading, test, keep, alone)


def _copy_between(
    file: BinaryIO,
    places: tuple[tuple[int, int], ...],
    reading: Reading,
    test: Test,
    copy: BinaryIO,
    alone: Alone,
) -> Sifted:
    """What lies between the records that the look before found; each of those is read again, and the system copies the rest.

    Raises BeingWritten where one of them is not what it was."""
    next(reading.blocks, None)  # so that the format knows its header
    change = _changer(reading, test)
    begun, source = 0, file.fileno()
    for start, end in places:
        raw = os.pread(source, end - start, start)
        if test.matches is None or not _meets(reading.form.parse(raw), test.matches):
            raise BeingWritten
        copy_range(file, copy, begun, start, alone)
        write_all(copy, change(raw))
        begun = end
    copy_range(file, copy, begun, os.fstat(source).st_size, alone)
    return Sifted(matching=len(places), size=0, others=True)


def _changer(reading: Reading, test: Test) -> Callable[[bytes], bytes]:
    values = test.change
    return (lambda raw: reading.form.change(raw, values)) if values is not None else (lambda raw: b"")


def _is_blank(data: bytes) -> bool:
    return not data or data.isspace()


def _meets(record: Record | None, matches: Matcher) -> bool:
    return record is not None and matches(record)


def _with(block: bytes, spans: list[tuple[int, int]], change: Callable[[bytes], bytes]) -> bytes:
    if not spans:
        return block
    pieces: list[bytes] = []
    start = 0
    for begin, end in spans:
        pieces += (block[start:begin], change(block[begin:end]))
        start = end
    pieces.append(block[start:])
    return b"".join(pieces)
