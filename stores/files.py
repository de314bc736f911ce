"""The kind `files`: JSON lines in files below one root, dated by a field of each record; one file is one batch."""

import errno
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import orjson

from core.clock import Clock, require_utc
from core.errors import BadInput, KeptError
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
    TimeCensus,
    Work,
)
from stores.jsonl import (
    TEMPORARY_SUFFIX,
    BeingWritten,
    Line,
    Signature,
    open_plain,
    read_lines,
    remove_leftovers,
    sign,
    take_out,
    why_refused,
)
from stores.matching import FormOf, as_text, compile_condition, getter, time_reader
from stores.times import TimeForm, find_number_form, name_shapes, read_text

SAMPLE_FILES, SAMPLE_RECORDS = 5, 200
_DATE_IN_NAME = re.compile(r"(?<!\d)(\d{4})[-_]?(\d\d)[-_]?(\d\d)(?!\d)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What `next_batch` saw in a file: `act` finds it the same, or leaves the file."""

    work: Work
    name: str
    signature: Signature
    records: int
    matching: int


class FilesStore:
    """`at` is a pattern below the root, such as `requests-*.jsonl`. Batches are files, in the order of their names.

    A record without a readable time stays; so does a line that is no JSON object, whatever the condition says.
    """

    kind = "files"
    capabilities = frozenset({Capability.MEASURE, Capability.DELETE, Capability.READ})

    def __init__(self, name: str, root: Path, *, clock: Clock) -> None:
        self.name = name
        self._root = root
        self._clock = clock
        self._look: _Look | None = None
        self._left: dict[str, dict[str, str]] = {}

    def ping(self) -> None:
        with self._answering():
            if not self._root.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "there is no such directory", str(self._root))
            next(self._root.iterdir(), None)

    def now(self) -> datetime:
        return require_utc(self._clock.now())

    def collections(self) -> tuple[str, ...]:
        """The patterns that all files of JSON lines fall under: their names with the date left open."""
        self.ping()
        names = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*.jsonl"))
        return tuple(sorted({_DATE_IN_NAME.sub("*", name) for name in names}))

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
        return Shape(fields=tuple(fields))

    def time_form(self, at: str, field: TimeField) -> str:
        form = self._form(at, field)
        return form.word if form is not None else "iso"

    def census(self, at: str, field: TimeField) -> TimeCensus:
        time_of, now = time_reader(field, self._form(at, field)), self.now()
        rows = missing = future = 0
        for line in self._lines(at):
            time = time_of(line.record) if line.record is not None else None
            rows += 1
            missing += time is None
            future += time is not None and time > now
        return TimeCensus(rows=rows, missing=missing, future=future)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        """Lines that are no JSON object count where everything is asked for, as records without a time."""
        forms = self._forms(at)
        matches = compile_condition(where, forms)
        time_of = time_reader(time, forms(time)) if time is not None else None
        everything = where == AllOf(parts=())
        rows = size = timeless = 0
        oldest: datetime | None = None
        newest: datetime | None = None
        for line in self._lines(at):
            if not (everything if line.record is None else matches(line.record)):
                continue
            rows += 1
            size += len(line.raw)
            if time_of is None:
                continue
            instant = time_of(line.record) if line.record is not None else None
            if instant is None:
                timeless += 1
                continue
            oldest = instant if oldest is None or instant < oldest else oldest
            newest = instant if newest is None or instant > newest else newest
        return Extent(rows=rows, size=size, oldest=oldest, newest=newest, timeless=timeless)

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        self._need_delete(work)
        if after is None:
            self._begin(work.at)
        low = after.high if after is not None else None
        matches = compile_condition(work.where, self._forms(work.at))
        for name, path in self._files(work.at).items():
            if low is not None and name <= low:
                continue
            look = self._look_at(work, name, path, matches)
            if look is None or not look.matching:
                continue
            if self._is_current(name):
                self._leave(work.at, name, "it is the file of today")
                continue
            self._look = look
            return Batch(low=low, high=name)
        return None

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        """0, and a word in `left_for_later`, where another program is writing to the file."""
        self._need_delete(work)
        name = str(batch.high)
        path = self._files(work.at).get(name)
        if path is None or self._is_current(name):
            return 0
        forms = self._forms(work.at)
        matches = compile_condition(work.where, forms)
        time_of = time_reader(work.order_by, forms(work.order_by)) if work.order_by is not None else None
        look = self._look if self._look and (self._look.work, self._look.name) == (work, name) else None
        whole = look.matching if look is not None and look.matching == look.records else None
        self._look = None
        with self._answering():
            try:
                return take_out(path, matches, time_of, seen=look.signature if look else None, all_meant=whole)
            except BeingWritten:
                self._leave(work.at, name, "another program is writing to it")
            except FileNotFoundError:
                self._leave(work.at, name, "it was moved away meanwhile")
        return 0

    def prepare_receipts(self) -> None:
        self._refuse("keeps no receipts")

    def receipt_of(self, receipt: Receipt) -> int | None:
        return None

    def drop_receipts(self, step: str) -> None:
        """There are none."""

    def records(self, at: str, where: Condition) -> Generator[Mapping[str, Any], None, None]:
        matches = compile_condition(where, self._forms(at))
        for line in self._lines(at):
            if line.record is not None and matches(line.record):
                yield {name: _plain(value) for name, value in line.record.items()}

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        matches, get = compile_condition(where, self._forms(at)), getter(field)
        found = {as_text(get(line.record)) for line in self._lines(at) if line.record and matches(line.record)}
        yield from sorted(text for text in found if text)

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        with closing(self.records(at, where)) as records:
            return list(islice(records, limit))

    def left_for_later(self, at: str) -> tuple[str, ...]:
        """Files that matched and were not touched, and paths under the pattern that are refused, each with its reason."""
        self._files(at)
        return tuple(f"{name}: {reason}" for name, reason in sorted(self._left.get(at, {}).items()))

    def close(self) -> None:
        """Nothing is open."""

    def _begin(self, at: str) -> None:
        self._left.pop(at, None)
        self._need_inside(at)
        with self._answering():
            root = self._root.resolve()
            parent = PurePosixPath(at).parent.as_posix()
            for folder in [self._root] if parent == "." else self._root.glob(parent):
                if folder.is_dir() and folder.resolve() == root / folder.relative_to(self._root):
                    remove_leftovers(folder)

    def _files(self, at: str) -> dict[str, Path]:
        """The plain files under a pattern by their names below the root, in order; what is refused is noted."""
        self._need_inside(at)
        self.ping()
        found = {}
        with self._answering():
            for path in self._root.glob(at):
                name = path.relative_to(self._root).as_posix()
                if name.endswith(TEMPORARY_SUFFIX) or (path.is_dir() and not path.is_symlink()):
                    continue
                try:
                    reason = why_refused(path, self._root)
                except FileNotFoundError:
                    continue
                if reason is not None:
                    self._leave(at, name, reason)
                else:
                    found[name] = path
        return dict(sorted(found.items()))

    def _lines(self, at: str) -> Iterator[Line]:
        for path in self._files(at).values():
            with self._answering():
                try:
                    file = open_plain(path)
                except FileNotFoundError:
                    continue  # rotated or removed since it was listed
                with file:
                    yield from read_lines(file)

    def _look_at(self, work: Work, name: str, path: Path, matches: Any) -> _Look | None:
        with self._answering():
            try:
                signature = sign(path.lstat())
                with open_plain(path) as file:
                    told = [line.record is not None and matches(line.record) for line in read_lines(file)]
            except FileNotFoundError:
                return None
        return _Look(work=work, name=name, signature=signature, records=len(told), matching=sum(told))

    def _is_current(self, name: str) -> bool:
        """Is it the file of this day in UTC, or of one to come, by the last date in its name?"""
        for year, month, day in reversed(_DATE_IN_NAME.findall(name)):
            try:
                return date(int(year), int(month), int(day)) >= self.now().date()
            except ValueError:
                continue
        return False

    def _forms(self, at: str) -> FormOf:
        known: dict[TimeField, TimeForm | None] = {}

        def form_of(field: TimeField) -> TimeForm | None:
            if field not in known:
                known[field] = self._form(at, field)
            return known[field]

        return form_of

    def _form(self, at: str, field: TimeField) -> TimeForm | None:
        """The unit of a field's numbers; None where it holds text, which is read value by value. Raises CannotCompare."""
        get = getter(field.name)
        values = [value for record in self._some_records(at) if (value := get(record)) is not None]
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        where = f"{self.name}:{at}"
        if numbers and len(numbers) == len(values):
            return find_number_form(numbers, field, where)
        if not values or (any(read_text(text, field.zone) is not None for text in texts) and not numbers):
            return None
        if any(read_text(text, "UTC") is not None for text in texts) and not numbers:
            raise CannotCompare(
                f"The times in {where}.{field.name} have no zone.",
                remedy=f"Declare it in kept.yaml: {{field: {field.name}, zone: UTC}} or the zone they are in.",
            )
        raise CannotCompare(
            f"{where}.{field.name} does not hold times: {name_shapes([str(value) for value in values])}.",
            remedy="Name the field that holds the record's time in kept.yaml.",
        )

    def _some_records(self, at: str) -> Iterator[Mapping[str, Any]]:
        """The first records of a few files: the first, the last and some between."""
        paths = list(self._files(at).values())
        places = sorted({round(place * (len(paths) - 1) / (SAMPLE_FILES - 1)) for place in range(SAMPLE_FILES)})
        for path in (paths[place] for place in places if paths):
            with self._answering(), open_plain(path) as file:
                lines = islice(read_lines(file), SAMPLE_RECORDS)
                yield from (line.record for line in lines if line.record is not None)

    def _leave(self, at: str, name: str, reason: str) -> None:
        self._left.setdefault(at, {})[name] = reason

    def _need_inside(self, at: str) -> None:
        if PurePosixPath(at).is_absolute() or ".." in PurePosixPath(at).parts:
            raise BadInput(
                f"'{at}' leads out of the root of the store {self.name}.", remedy="Name files below the root."
            )

    def _need_delete(self, work: Work) -> None:
        if work.deed is not Deed.DELETE:
            self._refuse("can only delete records, not change them")

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
