"""One file of JSON lines: reading its records, and taking some out so that nothing a writer appends meanwhile is lost."""

import fcntl
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

TEMPORARY_SUFFIX = ".kept-tmp"
_LEASES = hasattr(fcntl, "F_SETLEASE")


class BeingWritten(Exception):
    """The file has a writer, or changed while it was worked on; it was left as it is."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What tells that a file is the same as before: its inode, its size in bytes, its last change in nanoseconds."""

    inode: int
    size: int
    changed: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line as it stands in the file. `record` None: not a JSON object."""

    raw: bytes
    record: Mapping[str, Any] | None


def open_plain(path: Path) -> BinaryIO:
    """Open for reading; a symbolic link is refused by the system itself."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def sign(status: os.stat_result) -> Signature:
    return Signature(inode=status.st_ino, size=status.st_size, changed=status.st_mtime_ns)


def why_refused(path: Path, root: Path) -> str | None:
    """Why a path is not worked on; None for a plain file that lies where its name says."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "it is not a plain file"
    if path.resolve() != root.resolve() / path.relative_to(root):
        return "it is reached through a symbolic link"
    return "it has a second name, under which its records would stay" if status.st_nlink > 1 else None


def read_line(raw: bytes) -> Line | None:
    """The line that these bytes are; None where they are blank."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Line(raw=raw, record=None) if raw.strip() else None
    return Line(raw=raw, record=record if isinstance(record, dict) else None)


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Every line that is not blank."""
    return (line for raw in file if (line := read_line(raw)) is not None)


def take_out(
    path: Path,
    is_meant: Callable[[Mapping[str, Any]], bool],
    time_of: Callable[[Mapping[str, Any]], datetime | None] | None,
    *,
    seen: Signature | None,
    all_meant: int | None,
) -> int:
    """Remove the records that are meant, the file with the last of them; returns how many.

    `seen`: what an earlier look saw, where there was one. `all_meant`: how many records that look saw, if it meant all.
    Raises BeingWritten where another program has the file open for writing, or it changed since the look or during this.
    """
    with open_plain(path) as file, _without_writer(file) as still_alone:
        before = sign(os.fstat(file.fileno()))
        if seen is not None and seen != before:
            raise BeingWritten

        def unchanged() -> bool:
            return sign(os.fstat(file.fileno())) == before and still_alone()

        if all_meant is not None and seen is not None:
            _exchange(path, None, before, unchanged)
            return all_meant
        return _rewrite(path, file, is_meant, time_of, lambda new: _exchange(path, new, before, unchanged))


def remove_leftovers(folder: Path) -> None:
    """Temporary files of a process that was killed: they hold copies of records, and nobody writes to them."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with open_plain(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)


def _rewrite(
    path: Path,
    file: BinaryIO,
    is_meant: Callable[[Mapping[str, Any]], bool],
    time_of: Callable[[Mapping[str, Any]], datetime | None] | None,
    exchange: Callable[[Path | None], None],
) -> int:
    removed, kept, newest = 0, 0, None
    with _temporary(path) as (temporary, copy):
        for raw in file:
            line = read_line(raw)
            if line is not None and line.record is not None and is_meant(line.record):
                removed += 1
                continue
            copy.write(raw)
            kept += line is not None
            time = time_of(line.record) if time_of and line is not None and line.record is not None else None
            newest = time if newest is None or (time is not None and time > newest) else newest
        if not removed:
            return 0
        if kept:
            _finish(copy, path, temporary, newest)
        exchange(temporary if kept else None)
    return removed


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        fcntl.flock(copy, fcntl.LOCK_EX)
        try:
            yield temporary, copy
        finally:
            temporary.unlink(missing_ok=True)


def _finish(copy: BinaryIO, path: Path, temporary: Path, newest: datetime | None) -> None:
    """Owner, mode and attributes as they were; changed when the last record that remains was written, never later."""
    copy.flush()
    status = path.lstat()
    os.fchown(copy.fileno(), status.st_uid, status.st_gid)
    shutil.copystat(path, temporary, follow_symlinks=False)
    changed = status.st_mtime_ns
    if newest is not None:
        changed = min(changed, int(newest.timestamp() * 1_000_000) * 1_000)
    os.utime(temporary, ns=(status.st_atime_ns, changed))
    os.fsync(copy.fileno())


def _exchange(path: Path, new: Path | None, before: Signature, unchanged: Callable[[], bool]) -> None:
    """Put `new`, or nothing, in the place of the file; put the file back if a writer had come to it in between.

    A writer that opened the file just before waits for the lease: it is seen here, before it can write a line.
    """
    if sign(path.lstat()) != before or not unchanged():
        raise BeingWritten
    spare = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    spare.hardlink_to(path)
    if new is not None:
        new.replace(path)
    else:
        path.unlink()
    if not unchanged():
        spare.replace(path)
        _sync_folder(path.parent)
        raise BeingWritten
    spare.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _without_writer(file: BinaryIO) -> Iterator[Callable[[], bool]]:
    """A read lease: the system grants it only while nobody has the file open for writing, and tells when somebody comes.

    Where there are none (another system, a network file system, another owner), size and time of change have to do.
    """
    if not _lease(file):
        yield lambda: True
        return
    try:
        yield lambda: fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_RDLCK
    finally:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _lease(file: BinaryIO) -> bool:
    if not _LEASES:
        return False
    try:
        # the signal that tells of a newcomer would end this process; this one is ignored unless asked for
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        raise BeingWritten from None
    except OSError:
        return False
    return True
