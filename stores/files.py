"""The kind `files`: JSON lines and CSV in files below one root, plain or packed; small files go together in one batch."""

import errno
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import orjson

from core.clock import Clock, require_utc
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, Condition
from stores.contract import (
    Batch,
    CannotCompare,
    Capability,
    CollectionMissing,
    Deed,
    Extent,
    Field,
    Receipt,
    Shape,
    StoreUnreachable,
    Streamed,
    TimeCensus,
    Work,
    unfinished,
)
from stores.csv_lines import need_delimiter
from stores.file_exchange import Signature, clear_folder, sign, sync_folder
from stores.file_names import BY_NAME, FILE_TIMES, FilePattern, FileShape, FileTimes, name_without_date
from stores.file_reading import REASONS, LeftAlone, open_plain
from stores.file_times import Tally, find_time_form
from stores.file_work import Reading, Sifted, Test, find_change, find_meant, make_tester, sift, work_on
from stores.matching import FormOf, as_text, getter, time_reader
from stores.times import TimeForm

SAMPLE_FILES, SAMPLE_RECORDS = 5, 200
MOST_FILES = 200  # in one batch
WORKERS = 2
_ENDINGS = tuple(f"{form}{packed}" for form in (".jsonl", ".ndjson", ".csv", ".tsv") for packed in ("", ".gz", ".zst"))


@dataclass(frozen=True, kw_only=True)
class _Found:
    """One file under a pattern, and which of its records are meant; `test` None: none of them."""

    name: str
    path: Path
    times: FileTimes
    test: Test | None

    def is_between(self, low: str | None, high: str, now: datetime) -> bool:
        """Is it in a batch of these bounds, with records that may go by now?"""
        in_bounds = (low is None or self.name > low) and self.name <= high
        return in_bounds and self.test is not None and not self.times.is_current(now)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What is known while the batches of one work follow each other: its files in order, and what was seen in them."""

    work: Work
    files: Mapping[str, _Found]
    looks: dict[str, tuple[Signature, Sifted]] = field(default_factory=dict)


class FilesStore:
    """`at` is a pattern below the root, such as `requests-*.jsonl`. Batches are files, in the order of their names.

    A record without a readable time stays; so does a line that is no record, unless the file itself tells its time.
    """

    kind = "files"
    capabilities = frozenset(
        {
            Capability.MEASURE,
            Capability.BY_TIME,
            Capability.DELETE,
            Capability.REDACT,
            Capability.ANONYMISE,
            Capability.CORRECT,
            Capability.READ,
            Capability.STREAM,
        }
    )

    def __init__(self, name: str, root: Path, *, clock: Clock, delimiter: str | None = None) -> None:
        if delimiter is not None:
            need_delimiter(delimiter)
        self.name = name
        self._root = root
        self._clock = clock
        self._delimiter = delimiter
        self._run: _Run | None = None
        self._left: dict[str, dict[str, str]] = {}

    def ping(self) -> None:
        with self._answering():
            if not self._root.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "there is no such directory", str(self._root))
            with os.scandir(self._root) as entries:
                next(entries, None)

    def now(self) -> datetime:
        return require_utc(self._clock.now())

    def collections(self) -> tuple[str, ...]:
        """The patterns that all files of a known ending fall under: their names with the date left open."""
        self.ping()
        names = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*"))
        return tuple(sorted({name_without_date(name) for name in names if name.lower().endswith(_ENDINGS)}))

    def shape(self, at: str) -> Shape:
        if not self._files(at):
            raise CollectionMissing(
                f"The store {self.name} has no file '{at}' below {self._root}.",
                remedy="Correct `at:` or `root:` in kept.yaml.",
            )
        types: dict[str, set[str]] = {}
        for record in self._some_records(at):
            for name, value in record.items():
                types.setdefault(name, set()).add("null" if value is None else type(value).__name__)
        fields = (Field(name=name, type="|".join(sorted(kinds - {"null"})) or "null") for name, kinds in types.items())
        return FileShape(fields=tuple(fields))

    def time_form(self, at: str, field: TimeField) -> str:
        if field.name in FILE_TIMES:
            if field.name == BY_NAME and not any(file.begin for _, _, file in self._listed(at)):
                raise CannotCompare(
                    f"No file of {self.name}:{at} has a date in its name.",
                    remedy="Write the pattern with %Y, %m, %d where the date stands, or take the time from a field.",
                )
            return "date" if field.name == BY_NAME else "timestamp"
        form = self._form(at, field)
        return form.word if form is not None else "iso"

    def census(self, at: str, field: TimeField) -> TimeCensus:
        tally = self._tally(at, AllOf(parts=()), field, self.now())
        return TimeCensus(rows=tally.rows, missing=tally.timeless, future=tally.future)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        """Lines that are no record count where everything is asked for, as records without a time."""
        tally = self._tally(at, where, time, None)
        return Extent(
            rows=tally.rows, size=tally.size, oldest=tally.oldest, newest=tally.newest, timeless=tally.timeless,
            unread=tally.unread,
        )  # fmt: skip

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        self._need_able(work)
        if after is None:
            self._left.pop(work.at, None)
        run = self._run_of(work, again=after is None)
        low, high, rows, files = after.high if after is not None else None, None, 0, 0
        for name, file in run.files.items():
            if (low is not None and name <= low) or file.test is None:
                continue
            look = run.looks.get(name) or self._look_at(work.at, file)
            if look is None or not look[1].matching:
                continue
            if file.times.is_current(self.now()):
                self._leave(work.at, name, "it is the file of today")
                continue
            run.looks[name] = look
            if files and (rows + look[1].matching > work.batch_rows or files >= MOST_FILES):
                break
            high, rows, files = name, rows + look[1].matching, files + 1
        return Batch(low=low, high=high) if high is not None else None

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        """What could not be done in a file, and why, stands in `left_for_later`; the other files go on."""
        self._need_able(work)
        run = self._run_of(work, again=False)
        mine = [file for file in run.files.values() if file.is_between(batch.low, batch.high, self.now())]
        looks = {file.name: run.looks.pop(file.name, None) for file in mine}

        def work_on_one(file: _Found) -> int:
            look = looks[file.name]
            if file.test is not None and (look is None or look[1].matching):
                with self._one_file(work.at, file.name, "it was moved away meanwhile"):
                    return work_on(file.path, file.name, self._delimiter, file.test, look)
            return 0

        whole = [file for file in mine if (look := looks[file.name]) is not None and not look[1].others]
        rest = [file for file in mine if (look := looks[file.name]) is None or look[1].others]
        try:
            with ThreadPoolExecutor(WORKERS) as pool:  # files that go as a whole: the system gives their space back
                gone = pool.map(work_on_one, whole)
                return sum(map(work_on_one, rest)) + sum(gone)
        finally:
            with self._answering():
                for folder in {file.path.parent for file in mine}:
                    sync_folder(folder)

    def prepare_receipts(self) -> None:
        self._refuse("keeps no receipts")

    def receipt_of(self, receipt: Receipt) -> int | None:
        return None

    def drop_receipts(self, *steps: str) -> None:
        """There are none."""

    def records(self, at: str, where: Condition) -> Generator[Mapping[str, Any], None, None]:
        for file, test in self._tested(at, where):
            for _, record in self._meant(at, file, test):
                yield {name: _plain(value) for name, value in record.items()}

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        get = getter(field)
        found = {
            as_text(get(record)) for file, test in self._tested(at, where) for _, record in self._meant(at, file, test)
        }
        yield from sorted(text for text in found if text)

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        """A place is a file's name and the byte in it, unpacked: what was taken out before it meanwhile moves the rest."""
        gets = {name: getter(name) for name in fields}
        begun, _, read = after.rpartition(":") if after is not None else ("", "", "0")
        for file, test in self._tested(at, where):
            if file.name < begun:
                continue
            for end, record in self._meant(at, file, test):
                if file.name == begun and end <= int(read):
                    continue
                values = {key: _plain(get(record)) for key, get in gets.items()}
                yield Streamed(place=f"{file.name}:{end}", values=values)

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        with closing(self.records(at, where)) as records:
            return list(islice(records, limit))

    def left_for_later(self, at: str) -> tuple[str, ...]:
        """Files that matched and were not touched, that could not be read, and refused paths, each with its reason."""
        self._files(at)
        return tuple(f"{name}: {reason}" for name, reason in sorted(self._left.get(at, {}).items()))

    def close(self) -> None:
        """Nothing is open."""

    def _clear(self, at: str) -> None:
        with self._answering():
            for folder in FilePattern(at, self.name).folders(self._root):
                for name, reason in clear_folder(folder):
                    self._leave(at, (folder / name).relative_to(self._root).as_posix(), reason)

    def _run_of(self, work: Work, *, again: bool) -> _Run:
        """What the batches before found; afresh where the condition has changed since, or `again`."""
        known = self._run
        if known is None or again or known.work.at != work.at:
            self._clear(work.at)  # a run that was killed and is taken up again begins here, too
        if known is None or again or known.work.matter != work.matter:
            found = self._found(work.at, unfinished(work), find_change(work))
            self._run = known = _Run(work=work, files={file.name: file for file in found})
        return known

    def _files(self, at: str) -> dict[str, Path]:
        """The plain files under a pattern by their names below the root, in order; what is refused is noted."""
        pattern = FilePattern(at, self.name)
        self.ping()
        with self._answering():
            return pattern.files(self._root, lambda name, reason: self._leave(at, name, reason))

    def _listed(self, at: str) -> Iterator[tuple[str, Path, FileTimes]]:
        pattern = FilePattern(at, self.name)
        for name, path in self._files(at).items():
            with self._one_file(at, name):
                yield name, path, pattern.times(name, path.lstat().st_mtime_ns)

    def _found(self, at: str, where: Condition, change: Mapping[str, str | None] | None = None) -> Iterator[_Found]:
        test_of = make_tester(where, self._forms(at), change)
        for name, path, times in self._listed(at):
            yield _Found(name=name, path=path, times=times, test=test_of(times))

    def _tested(self, at: str, where: Condition) -> Iterator[tuple[_Found, Test]]:
        return ((file, file.test) for file in self._found(at, where) if file.test is not None)

    def _tally(self, at: str, where: Condition, time: TimeField | None, now: datetime | None) -> Tally:
        tally = Tally(now=now)
        by_file = time is None or time.name in FILE_TIMES
        time_of = time_reader(time, self._form(at, time)) if time is not None and not by_file else None
        for file, test in self._tested(at, where):
            whole = False
            with self._one_file(at, file.name), self._open(file) as reading:
                if time_of is None:
                    told = sift(reading, test)
                    tally.add_many(told.matching, told.size, file.times.time(time) if time else None, timed=bool(time))
                else:
                    part = Tally(now=now)
                    for _, found in find_meant(reading, test):
                        for start, end, record in found:
                            part.add(end - start, time_of(record) if record is not None else None)
                    tally.merge(part)
                whole = True
            tally.unread += not whole and file.path.exists()
        return tally

    def _meant(self, at: str, file: _Found, test: Test) -> Generator[tuple[int, Mapping[str, Any]], None, None]:
        """The readable records that are meant, each with the byte that it ends before."""
        begun = 0
        with self._one_file(at, file.name), self._open(file) as reading:
            for block, found in find_meant(reading, test):
                yield from ((begun + end, record) for _, end, record in found if record is not None)
                begun += len(block)

    @contextmanager
    def _open(self, file: _Found) -> Iterator[Reading]:
        with open_plain(file.path) as opened:
            yield Reading(opened, file.name, self._delimiter)

    def _look_at(self, at: str, file: _Found) -> tuple[Signature, Sifted] | None:
        if file.test is None:
            return None
        with self._one_file(at, file.name), open_plain(file.path) as opened:
            signature = sign(os.fstat(opened.fileno()))
            return signature, sift(Reading(opened, file.name, self._delimiter), file.test)
        return None

    def _forms(self, at: str) -> FormOf:
        known: dict[TimeField, TimeForm | None] = {}

        def form_of(field: TimeField) -> TimeForm | None:
            if field not in known:
                known[field] = self._form(at, field)
            return known[field]

        return form_of

    def _form(self, at: str, field: TimeField) -> TimeForm | None:
        get = getter(field.name)
        values = [value for record in self._some_records(at) if (value := get(record)) is not None]
        return find_time_form(values, field, f"{self.name}:{at}")

    def _some_records(self, at: str) -> Iterator[Mapping[str, Any]]:
        """The first records of a few files: the first, the last and some between."""
        files = [file for file, _ in self._tested(at, AllOf(parts=()))]
        places = sorted({round(place * (len(files) - 1) / (SAMPLE_FILES - 1)) for place in range(SAMPLE_FILES)})
        for file in (files[place] for place in places if files):
            with closing(self._meant(at, file, Test(matches=None))) as records:
                yield from (record for _, record in islice(records, SAMPLE_RECORDS))

    def _leave(self, at: str, name: str, reason: str) -> None:
        self._left.setdefault(at, {})[name] = reason

    @contextmanager
    def _one_file(self, at: str, name: str, gone: str | None = None) -> Iterator[None]:
        """Trouble with one file is noted, and the others go on; trouble with the root is the store's."""
        try:
            yield
        except LeftAlone as left:
            self._leave(at, name, str(left))
        except FileNotFoundError:
            self.ping()  # rotated or removed since it was listed
            if gone:
                self._leave(at, name, gone)
        except OSError as error:
            self.ping()
            self._leave(at, name, REASONS.get(error.errno or 0, f"the system says: {error.strerror}"))

    def _need_able(self, work: Work) -> None:
        if work.deed is Deed.SET_TIME:
            self._refuse("can only delete records and change texts in them, not revoke them")

    def _refuse(self, what: str) -> NoReturn:
        raise KeptError(f"The store {self.name} {what}.", remedy="The plan shows it as a gap.")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise KeptError(
                f"The store {self.name} does not permit this: {error.filename}.",
                remedy="Run Kept as the owner of the files, or give its user the right to write their directory.",
            ) from error
        except OSError as error:
            raise StoreUnreachable(
                f"The store {self.name} did not answer: {error.filename or self._root}: {error.strerror}.",
                remedy="Mount it, or correct its root, and run the same command again.",
            ) from error


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
