"""Putting a file in the place of another, or nothing, so that no line of a writer is lost, whenever this is killed."""

import fcntl
import os
import re
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stores.file_packing import write_all
from stores.file_reading import BeingWritten, LeftAlone, open_plain

TEMPORARY_SUFFIX = ".kept-tmp"
SPARE_SUFFIX = ".kept-old"
# The name of the second name of an exchanged file: what it stands for, and the size it had when it was exchanged.
_SPARE = re.compile(r"\.(?P<name>.+)\.(?P<size>\d+)\.[0-9a-f]{8}\.kept-old", re.DOTALL)
_LEASES = hasattr(fcntl, "F_SETLEASE")
Alone = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What tells that a file is the same as before: its inode, its size in bytes, its last change in nanoseconds."""

    inode: int
    size: int
    changed: int


def sign(status: os.stat_result) -> Signature:
    return Signature(inode=status.st_ino, size=status.st_size, changed=status.st_mtime_ns)


@contextmanager
def without_writer(file: BinaryIO, seen: Signature | None) -> Iterator[Alone]:
    """Nobody writes to the file meanwhile; the function it gives raises BeingWritten as soon as somebody wants to.

    A read lease: the system grants it only while nobody has the file open for writing, lets who comes wait, and tells.
    Where there are none (another system, a network file system, another owner), size and time of change have to do.
    Programs that lock the file are waited for, too. `seen`: what an earlier look saw.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BeingWritten from None
    leased = _lease(file)
    before = sign(os.fstat(file.fileno()))

    def require() -> None:
        if leased and fcntl.fcntl(file, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            raise BeingWritten
        if sign(os.fstat(file.fileno())) != before:
            raise BeingWritten

    try:
        if seen is not None and seen != before:
            raise BeingWritten
        yield require
    finally:
        if leased:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


@contextmanager
def temporary_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """An empty file of no name that a pattern would meet, gone at the end unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as copy:
        fcntl.flock(copy, fcntl.LOCK_EX)
        try:
            yield temporary, copy
        finally:
            temporary.unlink(missing_ok=True)


def make_alike(copy: BinaryIO, temporary: Path, path: Path) -> None:
    """Owner, mode, times and attributes as the file has them, and all of it on the disk."""
    status = path.lstat()
    os.fchown(copy.fileno(), status.st_uid, status.st_gid)
    shutil.copystat(path, temporary, follow_symlinks=False)
    os.fsync(copy.fileno())


def exchange(path: Path, new: Path | None, file: BinaryIO, alone: Alone) -> None:
    """Put `new`, or nothing, in the place of the file; put the file back if a writer had come to it in between.

    A writer that opened the file just before waits for the lease: it is seen here, before it can write a line.
    The file keeps a second name until that is sure; `clear_folder` goes on from there, should this be killed.
    """
    before = sign(os.fstat(file.fileno()))
    if sign(path.lstat()) != before:
        raise BeingWritten
    alone()
    spare = _spare_of(path, before.size)
    spare.hardlink_to(path)
    if spare.lstat().st_ino != before.inode:
        spare.unlink()
        raise BeingWritten
    placed = sign(new.lstat()) if new is not None else None
    if new is not None:
        new.replace(path)
    else:
        path.unlink()
    try:
        alone()
    except BeingWritten:
        _put_back(spare, path, placed)
        raise
    spare.unlink()


def _put_back(spare: Path, path: Path, placed: Signature | None) -> None:
    """The old file under its name again. The new one keeps a second name, so that `clear_folder` adds to the old one what
    another writer put into it meanwhile; so does the old one where something else stands under its name by now."""
    if placed is None:
        try:
            path.hardlink_to(spare)
        except FileExistsError:
            return
        spare.unlink()
        return
    second = _spare_of(path, placed.size)
    second.hardlink_to(path)
    if second.lstat().st_ino == placed.inode:
        spare.replace(path)


def _spare_of(path: Path, size: int) -> Path:
    return path.with_name(f".{path.name}.{size}.{secrets.token_hex(4)}{SPARE_SUFFIX}")


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Clean up after a process that was killed; gives the names of files whose writer must be waited for, with the reason.

    Temporary files are copies of records, and nobody writes to them: they go. So do second names of exchanged files,
    once what a writer added to them stands in the file that took their place.
    """
    for path in sorted(folder.glob(f".*{TEMPORARY_SUFFIX}")):
        with _opened(path) as file:
            if file is not None:
                path.unlink(missing_ok=True)
    for path in sorted(folder.glob(f".*{SPARE_SUFFIX}")):
        yield from _clear_spare(path)


def _clear_spare(spare: Path) -> Iterator[tuple[str, str]]:
    parts = _SPARE.fullmatch(spare.name)
    if parts is None:
        return
    try:
        with _opened(spare) as file:
            if file is not None:
                _finish_exchange(spare, spare.with_name(parts["name"]), int(parts["size"]), file)
    except LeftAlone as left:
        yield parts["name"], str(left)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """None where it is gone, or another process of ours is at work on it."""
    try:
        file = open_plain(path)
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file


def _finish_exchange(spare: Path, path: Path, size: int, file: BinaryIO) -> None:
    with without_writer(file, None) as alone:
        status = os.fstat(file.fileno())
        # With another name, it is the file itself: the exchange had not begun.
        if status.st_nlink == 1 and status.st_size != size:
            try:
                path.hardlink_to(spare)  # nothing took its place: it comes back whole, and the next batch does the rest
            except FileExistsError:
                file.seek(size if status.st_size > size else 0)
                _append(path, file)
        alone()
        spare.unlink()
    sync_folder(path.parent)


def _append(path: Path, file: BinaryIO) -> None:
    """The rest of the old file onto the end of the new one; killed between this and the clean-up, it is there twice."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "wb", buffering=0) as live:
        shutil.copyfileobj(file, _Whole(live))
        os.fsync(live.fileno())


class _Whole:
    """A file that takes all that is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        write_all(self._file, data)


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
