"""Which files a pattern means, which of them are refused, and the times that a file's name and its last change tell."""

import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import BadInput
from core.settings import TimeField
from stores.conditions import AllOf, AnyOf, Before, Condition, Not, Unset
from stores.contract import Shape
from stores.file_exchange import SPARE_SUFFIX, TEMPORARY_SUFFIX
from stores.times import earliest_local

# What `time:` names where not a field of each record but the file itself tells the time.
BY_NAME: Final = "file:name"
BY_CHANGE: Final = "file:mtime"
FILE_TIMES: Final = (BY_NAME, BY_CHANGE)
_DAY = re.compile(r"(?<!\d)(\d{4})[-_/]?(\d\d)[-_/]?(\d\d)(?!\d)", re.ASCII)
_MONTH = re.compile(r"(?<!\d)(\d{4})[-_/](\d\d)(?![-_/]?\d)", re.ASCII)
_PARTS: Final = {"Y": 4, "m": 2, "d": 2, "H": 2}
_PART = re.compile("%(.?)", re.DOTALL)
_LAST_ZONE: Final = timezone(-timedelta(hours=12))  # a date without a zone is over when it is over everywhere


_earliest = lru_cache(maxsize=64)(earliest_local)  # one cutoff is compared with very many names


class FileShape(Shape):
    """The fields of the records; a clause may count from the times of the files as well."""

    def has(self, name: str) -> bool:
        return name in FILE_TIMES or super().has(name)


@dataclass(frozen=True, kw_only=True)
class FileTimes:
    """What the file itself tells: the days or hours that its name spells, from and up to, without a zone; its last change."""

    begin: datetime | None
    end: datetime | None
    changed: datetime

    def time(self, field: TimeField) -> datetime | None:
        """The first instant that the file's time can mean."""
        if field.name == BY_CHANGE:
            return self.changed
        return self.begin.replace(tzinfo=ZoneInfo(field.zone or "UTC")).astimezone(UTC) if self.begin else None

    def is_before(self, condition: Before) -> bool:
        if condition.field.name == BY_CHANGE:
            return self.changed < condition.instant
        zone = ZoneInfo(condition.field.zone) if condition.field.zone else _LAST_ZONE
        return self.end is not None and self.end <= _earliest(condition.instant, zone)

    def is_current(self, now: datetime) -> bool:
        """Does the name spell a time that is not over yet, in UTC?"""
        return self.end is not None and self.end.replace(tzinfo=UTC) > now


class FilePattern:
    """A pattern below the root: `*`, `**`, `?`, `[…]`, and %Y %m %d %H where a date stands. Without those, a date such as
    2026-01-31, 20260131, 2026/01/31 or 2026-01 is found wherever it stands; of several, the last."""

    def __init__(self, at: str, store: str) -> None:
        if PurePosixPath(at).is_absolute() or ".." in PurePosixPath(at).parts or "\0" in at or not at:
            raise BadInput(f"'{at}' leads out of the root of the store {store}.", remedy="Name files below the root.")
        words = _PART.findall(at)
        if unknown := [word for word in words if word not in _PARTS]:
            raise BadInput(
                f"'%{unknown[0]}' in '{at}' is no part of a date.", remedy="A pattern may have %Y, %m, %d and %H."
            )
        self.glob = _PART.sub(lambda part: "[0-9]" * _PARTS[part[1]], at)
        if any(words.count(word) > 1 for word in words):
            raise BadInput(f"'{at}' has a part of a date twice.", remedy="Write each of %Y, %m, %d, %H once.")
        if set(words) != set("YmdH"[: len(words)]):
            raise BadInput(f"'{at}' has a date with a gap.", remedy="Write %Y, then %m, %d and %H as far as they go.")
        self._dated = re.compile(_as_expression(at), re.DOTALL | re.ASCII) if words else None

    def span(self, name: str) -> tuple[datetime, datetime] | None:
        """From when up to when the name says its records are; None where it says nothing."""
        if self._dated is not None:
            found = self._dated.fullmatch(name)
            return _span(*(int(found[part]) for part in _PARTS if part in found.groupdict())) if found else None
        days = [span for parts in _DAY.findall(name) if (span := _span(*map(int, parts)))]
        months = [span for parts in _MONTH.findall(name) if (span := _span(*map(int, parts)))]
        return max(days or months, default=None)

    def times(self, name: str, changed_ns: int) -> FileTimes:
        begin, end = self.span(name) or (None, None)
        changed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=changed_ns // 1_000)
        return FileTimes(begin=begin, end=end, changed=changed)

    def folders(self, root: Path) -> Iterator[Path]:
        """The folders that may hold such files, none of them reached through a link."""
        parent, real = PurePosixPath(self.glob).parent.as_posix(), root.resolve()
        for folder in [root] if parent == "." else root.glob(parent):
            if folder.is_dir() and folder.resolve() == real / folder.relative_to(root):
                yield folder

    def files(self, root: Path, refuse: Callable[[str, str], None]) -> dict[str, Path]:
        """The plain files by their names below the root, in order; `refuse` is told the others."""
        found, places = {}, _Places(root)
        for path in root.glob(self.glob):
            name = path.relative_to(root).as_posix()
            if not _is_text(name):
                refuse(name.encode("utf-8", "backslashreplace").decode(), "its name is not UTF-8")
                continue
            if name.endswith((TEMPORARY_SUFFIX, SPARE_SUFFIX)):
                continue
            try:
                reason = places.why_refused(path)
            except OSError as error:
                reason = None if isinstance(error, FileNotFoundError) else "it may not be looked at"
                if reason is None:
                    continue
            if reason is None:
                found[name] = path
            elif reason:
                refuse(name, reason)
        return dict(sorted(found.items()))


def name_without_date(name: str) -> str:
    """The pattern that a file falls under with those of other days."""
    return _MONTH.sub("*", _DAY.sub("*", name))


def settle(condition: Condition, times: FileTimes) -> Condition:
    """The condition for the records of one file: what the file itself decides is decided."""
    match condition:
        case Before(field=TimeField(name=name)) if name in FILE_TIMES:
            return AllOf(parts=()) if times.is_before(condition) else AnyOf(parts=())
        case Unset(field=name) if name in FILE_TIMES:
            return AllOf(parts=()) if times.time(TimeField(name=name)) is None else AnyOf(parts=())
        case AllOf(parts=parts):
            return _join(parts, times, AllOf, AnyOf)
        case AnyOf(parts=parts):
            return _join(parts, times, AnyOf, AllOf)
        case Not(part=part):
            inner = settle(part, times)
            if isinstance(inner, AllOf | AnyOf) and not inner.parts:
                return AnyOf(parts=()) if isinstance(inner, AllOf) else AllOf(parts=())
            return condition if inner is part else Not(part=inner)
        case _:
            return condition


def asks_files(condition: Condition, times: tuple[str, ...] = FILE_TIMES) -> bool:
    """Does any part of the condition ask for the times of files?"""
    match condition:
        case Before(field=TimeField(name=name)) | Unset(field=name):
            return name in times
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return any(asks_files(part, times) for part in parts)
        case Not(part=part):
            return asks_files(part, times)
        case _:
            return False


def asks_change(condition: Condition) -> bool:
    """Does it ask when a file was last changed? What its name tells never changes."""
    return asks_files(condition, (BY_CHANGE,))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _join(
    parts: tuple[Condition, ...],
    times: FileTimes,
    same: type[AllOf] | type[AnyOf],
    other: type[AllOf] | type[AnyOf],
) -> Condition:
    settled = [settle(part, times) for part in parts]
    if any(isinstance(part, other) and not part.parts for part in settled):
        return other(parts=())
    return same(parts=tuple(part for part in settled if not (isinstance(part, same) and not part.parts)))


class _Places:
    """Which paths are plain files that lie where their names say; each folder is looked at once."""

    def __init__(self, root: Path) -> None:
        self._root, self._real = root, root.resolve()
        self._straight: dict[Path, bool] = {}

    def why_refused(self, path: Path) -> str | None:
        """None: not refused. '': a folder, which is not meant."""
        status = path.lstat()
        folder = path.parent
        if stat.S_ISLNK(status.st_mode):
            return "it is a symbolic link"
        if stat.S_ISDIR(status.st_mode):
            return ""
        if not stat.S_ISREG(status.st_mode):
            return "it is not a plain file"
        if folder not in self._straight:
            self._straight[folder] = folder.resolve() == self._real / folder.relative_to(self._root)
        if not self._straight[folder]:
            return "it is reached through a symbolic link"
        return "it has a second name, under which its records would stay" if status.st_nlink > 1 else None


def _as_expression(at: str) -> str:
    """A pattern as a regular expression whose groups Y, m, d, H are the parts of the date."""
    pieces = re.split(r"(%[YmdH]|\*\*/|\*|\?|\[!?\]?[^\]]*\])", at)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    known |= {f"%{part}": rf"(?P<{part}>\d{{{digits}}})" for part, digits in _PARTS.items()}
    return "".join(
        known.get(piece) or (piece.replace("[!", "[^") if piece[:1] == "[" else re.escape(piece)) for piece in pieces
    )


def _span(*numbers: int) -> tuple[datetime, datetime] | None:
    year, month, day, hour = (*numbers, *(1, 1, 0)[len(numbers) - 1 :]) if len(numbers) < 4 else numbers
    try:
        begin = datetime.combine(date(year, month, day), time(hour))
        match len(numbers):
            case 1:
                end = begin.replace(year=year + 1)
            case 2:
                end = begin.replace(year=year + month // 12, month=month % 12 + 1)
            case 3:
                end = begin + timedelta(days=1)
            case _:
                end = begin + timedelta(hours=1)
    except (ValueError, OverflowError):
        return None
    return begin, end
