"""Lines of objects as records: taken out by writing the object anew, in its older versions too.

What remains is written under the condition that the object is still the one that was read. An older version cannot be
written anew: it goes as a whole, if every line of it that is to stay stands in the newest one too; else it is left.
"""

import hashlib
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from stores.contract import NotPermitted
from stores.file_packing import packed_writer
from stores.file_reading import LeftAlone
from stores.file_work import Reading, Sifted, Test, find_meant, look_through
from stores.s3_client import Entry, S3Bucket
from stores.s3_listing import Notes
from stores.s3_names import Tester
from stores.s3_objects import Group, Named, delete_entries

ALL_LINES = Test(matches=None)
_NO_LINE = Test(matches=lambda _: False)


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """One version of an object, and what of it is meant."""

    named: Named
    test: Test
    told: Sifted


class Lines:
    """The lines of a bucket's objects; the notes are told why an object was left, or could not be read."""

    def __init__(self, bucket: S3Bucket, delimiter: str | None, notes: Notes) -> None:
        self._bucket = bucket
        self._delimiter = delimiter
        self._notes = notes
        self._left = notes.left

    def meant(self, named: Named, test: Test) -> Generator[tuple[int, Mapping[str, Any] | None], None, None]:
        """The records that are meant, each with its length in bytes; None: a line that is no record."""
        with self._read(named) as reading:
            for _, found in find_meant(reading, test) if reading is not None else ():
                yield from ((end - start, record) for start, end, record in found)

    def look(self, named: Named, test: Test | None) -> Sifted | None:
        """What of an object is meant; None where nothing is, or it cannot be read."""
        told = None
        if test is not None and not named.entry.is_marker:
            with self._read(named) as reading:
                told = look_through(reading, test) if reading is not None else None
        return told if told is not None and told.matching else None

    def count(self, group: Group, tester: Tester) -> int:
        """How many lines of all versions are meant."""
        return sum(
            told.matching for named in group.entries if (told := self.look(named, named.test(tester))) is not None
        )

    def act(self, groups: Iterable[Group], tester: Tester) -> int:
        """Take the lines that are meant out of every version of these objects, or change them; returns how many."""
        rows, touched = 0, list[Group]()
        going: dict[Entry, int] = {}
        for group in groups:
            is_covered, changed, gone = self._settle(group, tester)
            rows += changed
            if gone:
                touched.append(_covered(group) if is_covered else group)
                going |= {_as_older(entry): lines for entry, lines in gone.items()} if is_covered else gone
        went = delete_entries(
            self._bucket, touched, lambda n: n.entry in going or n.entry.is_marker, self._left, unchanged=True
        )
        return rows + sum(going.get(entry, 0) for entry in went)

    def _settle(self, group: Group, tester: Tester) -> tuple[bool, int, dict[Entry, int]]:
        """Write an object anew where some of it stays. Returns whether that stands on top of its older versions now, how
        many lines it took out, and which versions are to go as a whole with how many lines."""
        looked: list[_Looked] = []
        for named in group.entries:
            test = named.test(tester)
            if test is not None and (told := self.look(named, test)) is not None:
                looked.append(_Looked(named=named, test=test, told=told))
        newest = next((one for one in looked if one.named.entry.is_latest), None)
        going = {one.named.entry: one.told.matching for one in self._older_that_go(group, looked, tester)}
        if newest is None:
            return False, 0, going
        if not newest.told.others and newest.test.change is None:
            return False, 0, {**going, newest.named.entry: newest.told.matching}
        is_kept = self._rewrite(newest)
        if is_kept is None:
            return False, 0, {}  # the older versions go when this one does
        more = {newest.named.entry: 0} if is_kept else {}  # its lines are counted already
        return True, newest.told.matching, {**going, **more}

    def _older_that_go(self, group: Group, looked: list[_Looked], tester: Tester) -> Iterator[_Looked]:
        newest = next((n for n in group.entries if n.entry.is_latest and not n.entry.is_marker), None)
        standing: set[bytes] | None = None
        for one in looked:
            if one.named.entry.is_latest:
                continue
            if one.told.others:
                if standing is None:
                    standing = set(self._others(newest, newest.test(tester))) if newest is not None else set()
                if not all(line in standing for line in self._others(one.named, one.test)):
                    self._left["older versions that also hold records which stay"] += 1
                    continue
            yield one

    def _others(self, named: Named, test: Test | None) -> Iterator[bytes]:
        """Fingerprints of the lines that stay."""
        with self._read(named) as reading:
            for block, found in find_meant(reading, test or _NO_LINE) if reading is not None else ():
                meant = {(start, end) for start, end, _ in found}
                for start, end in reading.form.spans(block) if reading is not None else ():
                    if (start, end) not in meant and not block[start:end].isspace():
                        yield hashlib.blake2b(block[start:end].strip(), digest_size=16).digest()

    def _rewrite(self, one: _Looked) -> bool | None:
        """None: it was left. True: what was there before is still there, as an older version."""
        with self._read(one.named) as reading, _temporary() as copy:
            if reading is None:
                return None
            _copy_rest(reading, one.test, copy)
            size = copy.tell()
            copy.seek(0)
            return self._bucket.replace(one.named.entry, copy, size)
        return None  # `_read` told of what was left

    @contextmanager
    def _read(self, named: Named) -> Iterator[Reading | None]:
        """A copy that nobody else can open and that is gone at the end; None where the object is not to be read."""
        with _temporary() as file:
            reading = None
            try:
                self._bucket.fetch(named.entry, file)
                reading = Reading(file, named.entry.key, self._delimiter)
            except NotPermitted:
                self._notes.unseen += 1
            except LeftAlone as left:
                self._left[str(left)] += 1
            try:
                yield reading
            except LeftAlone as left:
                self._left[str(left)] += 1


def _copy_rest(reading: Reading, test: Test, copy: BinaryIO) -> None:
    """What is to remain, packed as the object was; lines that are only changed stand where they stood."""
    with packed_writer(copy, reading.packing) as writer:
        begun = False
        for block, found in find_meant(reading, test):
            if not begun and reading.form.preamble:
                writer.write(reading.form.preamble)
            begun, done = True, 0
            pieces: list[bytes] = []
            for start, end, _ in found:
                pieces.append(block[done:start])
                if test.change is not None:
                    pieces.append(reading.form.change(block[start:end], test.change))
                done = end
            writer.write(b"".join([*pieces, block[done:]]))


def _covered(group: Group) -> Group:
    """The versions of an object on top of which stands one of ours: none of them is what people see."""
    older = [Named(entry=_as_older(n.entry), fields=n.fields, times=n.times) for n in group.entries]
    return Group(place=group.place, key=group.key, entries=older)


def _as_older(entry: Entry) -> Entry:
    return replace(entry, is_latest=False)


@contextmanager
def _temporary() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(buffering=0) as file:
        yield cast("BinaryIO", file)
