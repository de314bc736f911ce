"""The kind `s3`: objects of one bucket as records, or the lines in them, where the pattern ends like a file of lines.

THIS IS WHERE OBJECTS GO. What is meant is listed again before it goes, and goes as it was listed or not at all; versions
and markers go with it. What the store itself keeps (object lock, legal hold) stays and is reported.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any, Final, NoReturn

import orjson

from core.clock import Clock
from core.errors import KeptError
from core.settings import TimeField
from stores.conditions import AllOf, Condition
from stores.contract import (
    Batch,
    Blocker,
    CannotCompare,
    Capability,
    CollectionMissing,
    Deed,
    Extent,
    Field,
    NotPermitted,
    Receipt,
    Shape,
    Streamed,
    TimeCensus,
    Work,
    unfinished,
)
from stores.file_names import BY_NAME, FILE_TIMES, FileShape, asks_change, name_without_date
from stores.file_times import Tally, find_time_form
from stores.file_work import find_change
from stores.matching import FormOf, as_text, getter, time_reader
from stores.s3_bounds import Bounds, Place
from stores.s3_client import S3Bucket
from stores.s3_lifecycle import find_disagreements
from stores.s3_lines import ALL_LINES, Lines
from stores.s3_listing import Notes, list_groups
from stores.s3_names import KEY, ObjectNames, Tester, make_tester
from stores.s3_objects import MOST_LOCKS_ASKED, Group, Named, count_locked, delete_entries
from stores.times import TimeForm

MOST_OBJECTS: Final = 10_000  # whole objects in one batch
MOST_FILES: Final = 50  # objects of lines in one batch
KNOWN_SECONDS: Final = 30.0  # how long it is taken to be known in which form a field holds times
SAMPLE_OBJECTS, SAMPLE_RECORDS = 5, 200


@dataclass(frozen=True, kw_only=True)
class _Look:
    """The objects that `next_batch` found between two bounds."""

    work: Work
    batch: Batch
    groups: Sequence[Group]


class S3Store:
    """`at`: `logs/` (everything below), `uploads/{user_id}/**`, or `requests/%Y/%m/%d/*.jsonl.gz` for the lines in them.
    `file:name`, `file:mtime` and `object:key` are fields of every record."""

    kind = "s3"
    capabilities = frozenset(
        {
            Capability.MEASURE,
            Capability.BY_TIME,
            Capability.DELETE,
            Capability.REDACT,
            Capability.ANONYMISE,
            Capability.CORRECT,
            Capability.READ,
            Capability.OWN_CLOCK,
        }
    )

    def __init__(self, name: str, bucket: S3Bucket, *, clock: Clock, delimiter: str | None = None) -> None:
        self.name = name
        self._clock = clock
        self._bucket = bucket
        self._delimiter = delimiter
        self._look: _Look | None = None
        self._known_bounds: Bounds | None = None
        self._notes: dict[str, Notes] = {}
        self._known_forms: dict[tuple[str, TimeField], tuple[float, TimeForm | None]] = {}

    def ping(self) -> None:
        self._bucket.now()

    def now(self) -> datetime:
        """By the answers of the server, to the second, which is cut off: no cutoff is early by it."""
        return self._bucket.now()

    def collections(self) -> tuple[str, ...]:
        """What stands at the top of the bucket, names of files with the date left open."""
        return tuple(
            sorted({each if each.endswith("/") else name_without_date(each) for each in self._bucket.prefixes()})
        )

    def shape(self, at: str) -> Shape:
        records = list(self._some_records(at))
        if not records and next(self._groups(at), None) is None:
            raise CollectionMissing(
                f"The store {self.name} has no object '{at}' in the bucket {self._bucket.bucket}.",
                remedy="Correct `at:` in kept.yaml.",
            )
        types: dict[str, set[str]] = {}
        for record in records:
            for name, value in record.items():
                types.setdefault(name, set()).add("null" if value is None else type(value).__name__)
        fields = (Field(name=name, type="|".join(sorted(kinds - {"null"})) or "null") for name, kinds in types.items())
        return FileShape(fields=tuple(fields), key=(KEY,))

    def time_form(self, at: str, field: TimeField) -> str:
        if field.name == BY_NAME and not any(n.times.begin for group in self._groups(at) for n in group.entries):
            raise CannotCompare(
                f"No object of {self.name}:{at} has a date in its name.",
                remedy="Write the pattern with %Y, %m, %d where the date stands, or use file:mtime.",
            )
        if field.name in FILE_TIMES:
            return "date" if field.name == BY_NAME else "timestamp"
        form = self._form(at, field)
        return form.word if form is not None else "iso"

    def census(self, at: str, field: TimeField) -> TimeCensus:
        tally = self._tally(at, AllOf(parts=()), field, self.now())
        return TimeCensus(rows=tally.rows, missing=tally.timeless, future=tally.future)

    def measure(self, at: str, where: Condition, *, time: TimeField | None = None) -> Extent:
        """All versions count, and markers that hide them. Raises where part of the collection cannot be seen and nothing
        that can be seen matches: zero is not said of it."""
        tally = self._tally(at, where, time, None)
        return Extent(
            rows=tally.rows, size=tally.size, oldest=tally.oldest, newest=tally.newest, timeless=tally.timeless
        )

    def next_batch(self, work: Work, after: Batch | None) -> Batch | None:
        self._need_able(work)
        if after is None:
            self._notes.pop(work.at, None)
        names, tester = ObjectNames(work.at, self.name), self._tester(work.at, unfinished(work))
        lines = self._lines(work.at) if names.of_lines else None
        low = after.high if after is not None else None
        chosen: list[Group] = []
        rows, last = 0, self._bounds.open(low)
        for group in self._groups(work.at, self._bounds.open(low)):
            found = lines.count(group, tester) if lines else sum(named.is_meant(tester) for named in group.entries)
            if chosen and rows + found > work.batch_rows:
                break
            last = (group.place, group.key)
            if found:
                chosen, rows = [*chosen, group], rows + found
            if rows >= work.batch_rows or len(chosen) >= (MOST_FILES if lines else MOST_OBJECTS):
                break
        if not chosen or last is None:
            return None
        batch = Batch(low=low, high=self._bounds.seal(last))
        self._look = _Look(work=work, batch=batch, groups=chosen)
        return batch

    def act(self, work: Work, batch: Batch, receipt: Receipt | None = None) -> int:
        """What did not go, and why, stands in `left_for_later`; the rest goes on."""
        self._need_able(work)
        tester = self._tester(work.at, unfinished(work), work)
        groups = self._groups_of(work, batch)
        if ObjectNames(work.at, self.name).of_lines:
            return self._lines(work.at).act(groups, tester)
        went = delete_entries(
            self._bucket,
            groups,
            lambda named: named.is_meant(tester),
            self._notes_of(work.at).left,
            unchanged=asks_change(work.where),
        )
        return len(went)

    def prepare_receipts(self) -> None:
        self._refuse("keeps no receipts")

    def receipt_of(self, receipt: Receipt) -> int | None:
        return None

    def drop_receipts(self, *steps: str) -> None:
        """There are none."""

    def records(self, at: str, where: Condition) -> Generator[Mapping[str, Any], None, None]:
        for record, _, _ in self._matching(at, where):
            if record is not None:
                yield {name: _plain(value) for name, value in record.items()}

    def values(self, at: str, field: str, where: Condition) -> Iterator[str]:
        get = getter(field)
        found = {as_text(get(record)) for record, _, _ in self._matching(at, where) if record is not None}
        yield from sorted(text for text in found if text)

    def stream(
        self, at: str, fields: Sequence[str], where: Condition, after: str | None = None
    ) -> Generator[Streamed, None, None]:
        self._refuse("gives no stream that could be taken up again without naming its objects")

    def sample(self, at: str, where: Condition, *, limit: int = 10) -> list[Mapping[str, Any]]:
        with closing(self.records(at, where)) as records:
            return list(islice(records, limit))

    def left_for_later(self, at: str) -> tuple[str, ...]:
        """Reasons, each with the number of objects: a key may name a person."""
        return self._notes_of(at).words

    def blockers(self, work: Work, step: str | None = None) -> tuple[Blocker, ...]:
        """Before a run, what the store itself keeps; after it `left_for_later` has told of that."""
        if work.deed is not Deed.DELETE or step is not None or not self._bucket.may_lock():
            return ()
        names, tester = ObjectNames(work.at, self.name), self._tester(work.at, work.where)
        entries = (
            n.entry
            for group in self._groups(work.at)
            for n in group.entries
            if not n.entry.is_marker and (n.test(tester) is not None if names.of_lines else n.is_meant(tester))
        )
        locked, asked = count_locked(self._bucket, entries)
        of_how_many = f" (of {asked} that were asked about)" if asked >= MOST_LOCKS_ASKED else ""
        remedy = "They go once the store lets them; a later run finds them."
        return tuple(
            Blocker(why=f"{rows} objects are {why}{of_how_many}", remedy=remedy, rows=None if names.of_lines else rows)
            for why, rows in sorted(locked.items())
        )

    def findings(self, at: str, *, times: Sequence[TimeField] = (), period: timedelta | None = None) -> tuple[str, ...]:
        """Rules of the bucket's own lifecycle that disagree with the clause, which keeps records for `period`."""
        rules = self._bucket.lifecycle_rules()
        heads = tuple(pattern.head for pattern in ObjectNames(at, self.name).patterns)
        return find_disagreements(rules, heads, versions=bool(self._bucket.keeps_versions()), period=period)

    def close(self) -> None:
        self._bucket.close()

    def _groups_of(self, work: Work, batch: Batch) -> Sequence[Group]:
        look, self._look = self._look, None
        if look is not None and (look.work, look.batch) == (work, batch):
            # a version is what it was; of an object without one, only its name is
            if all(named.entry.version for group in look.groups for named in group.entries):
                return look.groups
            if not asks_change(work.where):
                return look.groups
        low, high = self._bounds.open(batch.low), self._bounds.open(batch.high)
        if high is None or (low is None and batch.low is not None):
            return []  # sealed with credentials that have changed: the next look finds what is left
        return list(self._groups(work.at, low, high))

    def _groups(self, at: str, after: Place | None = None, to: Place | None = None) -> Iterator[Group]:
        return list_groups(self._bucket, ObjectNames(at, self.name), self._notes_of(at), after, to)

    def _matching(
        self, at: str, where: Condition
    ) -> Generator[tuple[Mapping[str, Any] | None, int, Named], None, None]:
        """The records that match, with their bytes and the object that they are in; None: a line that is no record."""
        names, tester = ObjectNames(at, self.name), self._tester(at, where)
        lines = self._lines(at)
        for group in self._groups(at):
            for named in group.entries:
                if not names.of_lines:
                    if named.is_meant(tester):
                        yield named.record(), named.entry.size, named
                elif (test := named.test(tester)) is not None and not named.entry.is_marker:
                    with closing(lines.meant(named, test)) as found:
                        yield from ((record, size, named) for size, record in found)

    def _tally(self, at: str, where: Condition, time: TimeField | None, now: datetime | None) -> Tally:
        tally, notes = Tally(now=now), self._notes_of(at)
        notes.denied = notes.unseen = 0
        time_of = time_reader(time, self._form(at, time)) if time is not None and time.name not in FILE_TIMES else None
        for record, size, named in self._matching(at, where):
            instant = named.times.time(time) if time is not None and time_of is None else None
            if time_of is not None and record is not None:
                instant = time_of(record)
            tally.add_many(1, size, instant, timed=time is not None)
        if not tally.rows and (notes.denied or notes.unseen):
            raise NotPermitted(
                f"The store {self.name} does not let all of '{at}' be seen: {notes.words_of_denial}.",
                remedy="Give its user the right to these, or take them out of the pattern.",
            )
        return tally

    def _tester(self, at: str, where: Condition, work: Work | None = None) -> Tester:
        return make_tester(where, self._forms(at), find_change(work) if work is not None else None)

    def _forms(self, at: str) -> FormOf:
        def form_of(field: TimeField) -> TimeForm | None:
            since, form = self._known_forms.get((at, field), (0.0, None))
            if not since or monotonic() - since > KNOWN_SECONDS:
                form = self._form(at, field)
                self._known_forms[(at, field)] = (monotonic(), form)
            return form

        return form_of

    def _form(self, at: str, field: TimeField) -> TimeForm | None:
        get = getter(field.name)
        values = [value for record in self._some_records(at) if (value := get(record)) is not None]
        return find_time_form(values, field, f"{self.name}:{at}")

    def _some_records(self, at: str) -> Iterator[Mapping[str, Any]]:
        """The first records of a few objects: the first, the last and some between."""
        everything = AllOf(parts=())
        if not ObjectNames(at, self.name).of_lines:
            found = (record for record, _, _ in self._matching(at, everything) if record is not None)
            yield from islice(found, SAMPLE_RECORDS)
            return
        lines = self._lines(at)
        objects = [named for group in self._groups(at) for named in group.entries if named.entry.is_latest]
        objects = [named for named in objects if not named.entry.is_marker]
        places = sorted({round(place * (len(objects) - 1) / (SAMPLE_OBJECTS - 1)) for place in range(SAMPLE_OBJECTS)})
        for named in (objects[place] for place in places if objects):
            with closing(lines.meant(named, ALL_LINES)) as records:
                yield from (record for _, record in islice(records, SAMPLE_RECORDS) if record is not None)

    @property
    def _bounds(self) -> Bounds:
        if self._known_bounds is None:
            self._known_bounds = Bounds(self._bucket.secret, self._bucket.bucket)
        return self._known_bounds

    def _lines(self, at: str) -> Lines:
        return Lines(self._bucket, self._delimiter, self._notes_of(at))

    def _notes_of(self, at: str) -> Notes:
        return self._notes.setdefault(at, Notes())

    def _need_able(self, work: Work) -> None:
        if work.deed is Deed.SET_TIME:
            self._refuse("can only delete objects, and delete and change lines in them, not revoke them")
        if work.deed is not Deed.DELETE and not ObjectNames(work.at, self.name).of_lines:
            self._refuse("can only delete objects, or change lines of JSON or CSV in them")

    def _refuse(self, what: str) -> NoReturn:
        raise KeptError(f"The store {self.name} {what}.", remedy="The plan shows it as a gap.")


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
