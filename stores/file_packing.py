"""Writing the records that remain, packed as the file was, so that a machine with several cores uses them."""

import errno
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import zstandard

from stores.file_reading import Packing

# One archive member or frame a piece: every reader takes them in a row, and each is packed on a core of its own.
_PIECE = 1 << 20
_STRETCH = 1 << 26
_WORKERS = 2
_GZ_LEVEL, _ZST_LEVEL = 1, 3


class Writer(Protocol):
    """Takes whole records; what was taken is in the file when the context ends."""

    def write(self, records: bytes) -> None: ...


@contextmanager
def packed_writer(file: BinaryIO, packing: Packing) -> Iterator[Writer]:
    """A writer into `file`, which is unbuffered and open for writing."""
    if packing is Packing.PLAIN:
        yield _Plain(file)
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        writer = _Packed(file, packing, pool)
        try:
            yield writer
            writer.end()
        finally:
            pool.shutdown(cancel_futures=True)


class _Plain:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, records: bytes) -> None:
        write_all(self._file, records)


class _Packed:
    def __init__(self, file: BinaryIO, packing: Packing, pool: ThreadPoolExecutor) -> None:
        self._file = file
        self._pack = _pack_gz if packing is Packing.GZ else _pack_zst
        self._pool = pool
        self._waiting: list[bytes] = []
        self._size = 0
        self._running: deque[Future[bytes]] = deque()

    def write(self, records: bytes) -> None:
        self._waiting.append(records)
        self._size += len(records)
        if self._size >= _PIECE:
            self._send()

    def end(self) -> None:
        if self._size:
            self._send()
        while self._running:
            write_all(self._file, self._running.popleft().result())

    def _send(self) -> None:
        self._running.append(self._pool.submit(self._pack, b"".join(self._waiting)))
        self._waiting, self._size = [], 0
        while len(self._running) > 2 * _WORKERS:
            write_all(self._file, self._running.popleft().result())


def write_all(file: BinaryIO, data: bytes) -> None:
    """All of it, also where the system takes only a part at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def copy_range(file: BinaryIO, copy: BinaryIO, start: int, end: int, go_on: Callable[[], None]) -> None:
    """The bytes of a file from `start` up to `end`, by the system itself where it can; `go_on` may raise in between."""
    source, target = file.fileno(), copy.fileno()
    while start < end:
        go_on()
        size = min(end - start, _STRETCH)
        try:
            done = os.copy_file_range(source, target, size, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            data = os.pread(source, min(size, _PIECE), start)
            write_all(copy, data)
            done = len(data)
        if not done:
            return  # it became shorter: whoever asks for its size afterwards sees that
        start += done


def _pack_gz(data: bytes) -> bytes:
    packer = zlib.compressobj(_GZ_LEVEL, wbits=31)
    return packer.compress(data) + packer.flush()


def _pack_zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_ZST_LEVEL, write_checksum=True).compress(data)
