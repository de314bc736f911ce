"""Objects as records, and the deed on them: every version that is meant, and no older one that comes to light by it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from stores.file_names import BY_CHANGE, BY_NAME, FileTimes
from stores.file_work import Test
from stores.s3_client import Entry, Refusal, S3Bucket
from stores.s3_names import Tester

MOST_LOCKS_ASKED: Final = 200
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_WORDS: Final = {
    "PreconditionFailed": "written meanwhile",
    "412": "written meanwhile",
    "AccessDenied": "not permitted to be deleted (403)",
    "403": "not permitted to be deleted (403)",
}


@dataclass(frozen=True, kw_only=True)
class Named:
    """One entry of a bucket with what its name and its times tell."""

    entry: Entry
    fields: Mapping[str, str] = field(repr=False)
    times: FileTimes

    def test(self, tester: Tester) -> Test | None:
        return tester(self.fields, self.times)

    def is_meant(self, tester: Tester) -> bool:
        """Where the object itself is the record: it has the fields of its name and no others."""
        test = self.test(tester)
        return test is not None and (test.matches is None or test.matches(self.fields))

    def record(self) -> Mapping[str, Any]:
        date = {BY_NAME: self.times.begin.date().isoformat()} if self.times.begin else {}
        hidden = {"object:hidden": True} if self.entry.is_marker else {}
        return {**self.fields, **date, **hidden, BY_CHANGE: self.times.changed, "object:size": self.entry.size}


@dataclass(frozen=True, kw_only=True)
class Group:
    """All that a bucket has under one key, newest first. `place`: which of the patterns listed it."""

    place: int
    key: str
    entries: Sequence[Named]


def delete_entries(
    bucket: S3Bucket,
    groups: Iterable[Group],
    is_meant: Callable[[Named], bool],
    left: Counter[str],
    *,
    unchanged: bool,
) -> list[Entry]:
    """Delete the entries that are meant; returns those that went, and tells `left` why others did not.

    Older versions go before newer ones, markers last: nothing that an application had replaced or deleted is to be seen
    again. Where an older version stays, a marker is put on top of it before the newest goes."""
    chosen = [(group, [named.entry for named in group.entries if is_meant(named)]) for group in groups]
    older = [entry for _, meant in chosen for entry in meant if not entry.is_latest and not entry.is_marker]
    stay = _stay(bucket, older, left, unchanged=unchanged)
    newest = []
    for group, meant in chosen:
        top = [entry for entry in meant if entry.is_latest and not entry.is_marker]
        if top and _hides_what_stays(group, set(meant) - stay):
            bucket.hide(top[0])
        newest += top
    stay |= _stay(bucket, newest, left, unchanged=unchanged)
    markers = [entry for group, meant in chosen for entry in _free_markers(group, set(meant), stay)]
    stay |= _stay(bucket, markers, left, unchanged=unchanged)
    return [entry for entry in (*older, *newest, *markers) if entry not in stay]


def count_locked(bucket: S3Bucket, entries: Iterable[Entry]) -> tuple[Counter[str], int]:
    """Which of these the store itself keeps, by its reason; and how many were asked about, which is not all of very many."""
    found: Counter[str] = Counter()
    asked = 0
    for entry in islice(entries, MOST_LOCKS_ASKED):
        asked += 1
        if (why := bucket.lock_of(entry)) is not None:
            found[why] += 1
    return found, asked


def _hides_what_stays(group: Group, going: set[Entry]) -> bool:
    return any(
        not named.entry.is_latest and not named.entry.is_marker and named.entry not in going for named in group.entries
    )


def _free_markers(group: Group, going: set[Entry], stay: set[Entry]) -> Iterator[Entry]:
    """The markers that hide nothing any more."""
    hides = False
    for named in reversed(group.entries):
        if not named.entry.is_marker:
            hides = hides or named.entry in stay or named.entry not in going
        elif named.entry in going and not hides:
            yield named.entry


def _stay(bucket: S3Bucket, entries: Sequence[Entry], left: Counter[str], *, unchanged: bool) -> set[Entry]:
    """Delete; returns what is still there."""
    if not entries:
        return set()
    refused = [one for one in bucket.delete(entries, unchanged=unchanged) if one.code not in _GONE]
    for number, refusal in enumerate(refused):
        left[_why(bucket, refusal, ask=number < MOST_LOCKS_ASKED)] += 1
    return {refusal.entry for refusal in refused}


def _why(bucket: S3Bucket, refusal: Refusal, *, ask: bool) -> str:
    known = _WORDS.get(refusal.code, f"refused by the store ({refusal.code})")
    if refusal.code not in ("AccessDenied", "403", "InvalidRequest", "ObjectLocked") or not ask:
        return known
    return bucket.lock_of(refusal.entry) or known
