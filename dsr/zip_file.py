"""The ZIP of a package: members that are deflated, hashed and sealed as they come, then put into one archive of known sizes."""

from __future__ import annotations

import hashlib
import queue
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dsr.package_format import read_sealed, write_sealed

# Level 1 packs records nearly as small as 6 does, in a third of the time.
LEVEL: Final = 1
PIECE: Final = 256 * 1024
_WAITING: Final = 4
_LOOK_AGAIN_SECONDS: Final = 0.2
_MOST: Final = 0xFFFFFFFF
_MOST_FILES: Final = 0xFFFF
_UTF8_NAME: Final = 0x0800
_DEFLATED: Final = 8
_NEEDS, _NEEDS_64 = 20, 45


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of the archive, deflated and sealed at `path`. `size` and `sha256` of the plain bytes."""

    name: str
    path: Path
    size: int
    packed: int
    crc: int
    sha256: str


class MemberWriter:
    """Takes the plain bytes of one member; a thread of its own deflates, hashes and seals them."""

    def __init__(self, name: str, path: Path, key: bytes, threads: ThreadPoolExecutor) -> None:
        self._name = name
        self._path = path
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._held: list[bytes] = []
        self._held_size = 0
        self._hashed, self._crc, self._size, self._packed = hashlib.sha256(), 0, 0, 0
        self._done: Future[int] = threads.submit(write_sealed, path, self._deflated(), key, durable=False)

    def write(self, *pieces: bytes) -> None:
        """Raises OSError where the disk is full."""
        for piece in pieces:
            self._held.append(piece)
            self._held_size += len(piece)
        if self._held_size >= PIECE:
            self._flush()

    def close(self) -> None:
        """No more comes. What is left is written while the caller goes on."""
        self._flush()
        self._put(None)

    def whole(self) -> Member:
        """The member, once it is closed and written. Raises OSError where the disk is full."""
        self._done.result()
        return Member(
            name=self._name,
            path=self._path,
            size=self._size,
            packed=self._packed,
            crc=self._crc,
            sha256=self._hashed.hexdigest(),
        )

    def abandon(self) -> None:
        """End the thread, whatever became of the member."""
        while not self._done.done():
            try:
                self._waiting.put(None, timeout=_LOOK_AGAIN_SECONDS)
            except queue.Full:
                continue
            break

    def _flush(self) -> None:
        if self._held_size:
            self._put(b"".join(self._held))
            self._held, self._held_size = [], 0

    def _put(self, piece: bytes | None) -> None:
        while True:
            if self._done.done():
                self._done.result()  # a full disk is told here, not found out at the end
                return
            try:
                self._waiting.put(piece, timeout=_LOOK_AGAIN_SECONDS)
            except queue.Full:
                continue
            return

    def _deflated(self) -> Iterator[bytes]:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        while (piece := self._waiting.get()) is not None:
            self._hashed.update(piece)
            self._crc = zlib.crc32(piece, self._crc)
            self._size += len(piece)
            packed = deflate.compress(piece)
            self._packed += len(packed)
            yield packed
        rest = deflate.flush()
        self._packed += len(rest)
        yield rest


def plain_bytes(member: Member, key: bytes) -> Iterator[bytes]:
    """What was written into a member."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for chunk in read_sealed(member.path, key):
        yield inflate.decompress(chunk)
    yield inflate.flush()


def write_archive(members: Sequence[Member], key: bytes, *, at: datetime) -> Iterator[bytes]:
    """The archive as a stream; each member's own file goes once it is copied. ZIP64 only where a size needs it."""
    place, directory = 0, list[bytes]()
    for member in members:
        head = _local(member, at)
        directory.append(_central(member, at, place))
        yield head
        yield from _checked(member, read_sealed(member.path, key))
        member.path.unlink()
        place += len(head) + member.packed
    central = b"".join(directory)
    yield central + _ending(len(directory), len(central), place)


def _checked(member: Member, chunks: Iterable[bytes]) -> Iterator[bytes]:
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        yield chunk
    if seen != member.packed:
        raise OSError(f"{member.path.name} has {seen} bytes of {member.packed}")


def _when(at: datetime) -> tuple[int, int]:
    return (
        at.hour << 11 | at.minute << 5 | at.second // 2,
        (max(at.year, 1980) - 1980) << 9 | at.month << 5 | at.day,
    )


def _local(member: Member, at: datetime) -> bytes:
    name, big = member.name.encode(), max(member.size, member.packed) >= _MOST
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.packed) if big else b""
    sizes = (_MOST, _MOST) if big else (member.packed, member.size)
    needs = _NEEDS_64 if big else _NEEDS
    fixed = (b"PK\x03\x04", needs, _UTF8_NAME, _DEFLATED, *_when(at), member.crc, *sizes, len(name), len(extra))
    return struct.pack("<4sHHHHHIIIHH", *fixed) + name + extra


def _central(member: Member, at: datetime, place: int) -> bytes:
    name, big = member.name.encode(), max(member.size, member.packed, place) >= _MOST
    extra = struct.pack("<HHQQQ", 1, 24, member.size, member.packed, place) if big else b""
    sizes = (_MOST, _MOST) if big else (member.packed, member.size)
    needs = _NEEDS_64 if big else _NEEDS
    head = (b"PK\x01\x02", needs, needs, _UTF8_NAME, _DEFLATED, *_when(at), member.crc, *sizes, len(name), len(extra))
    rest = (0, 0, 0, 0, _MOST if big else place)
    return struct.pack("<4sHHHHHHIIIHHHHHII", *head, *rest) + name + extra


def _ending(files: int, size: int, place: int) -> bytes:
    big = files >= _MOST_FILES or max(size, place) >= _MOST
    head = b""
    if big:
        head = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, _NEEDS_64, _NEEDS_64, 0, 0, files, files, size, place)
        head += struct.pack("<4sIQI", b"PK\x06\x07", 0, place + size, 1)
    told = (_MOST_FILES, _MOST_FILES, _MOST, _MOST) if big else (files, files, size, place)
    return head + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, *told, 0)
