"""Opening one file of a store and reading what is in it, packed or plain, in pieces that fit into memory."""

import errno
import os
import stat
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import zstandard

CHUNK = 1 << 20
LONGEST_RECORD = 64 << 20  # a line or field beyond this is refused with its file: it would have to fit into memory
_GZ_INPUT = 1 << 16
# A block of 4 bytes can unpack to 128 KiB, and nothing bounds one call: so much input makes 64 MiB at the very worst.
_ZST_INPUT = 2 << 10
_ZST_WINDOW = 1 << 27

# Why the system refuses one file, in words.
REASONS = {
    errno.ENOSPC: "there is no space left for its copy",
    errno.EDQUOT: "there is no space left for its copy",
    errno.EACCES: "the system does not permit it",
    errno.EPERM: "the system does not permit it",
    errno.ELOOP: "it is a symbolic link",
    errno.EWOULDBLOCK: "another program is writing to it",
}


class LeftAlone(Exception):
    """Why one file was not read to its end, or was left as it is; the others go on. No personal data in it."""


class BeingWritten(LeftAlone):
    """The file has a writer, or changed while it was worked on; it was left as it is."""

    def __init__(self) -> None:
        super().__init__("another program is writing to it")


class Packing(StrEnum):
    """How a file is compressed, told by its first bytes."""

    PLAIN = "plain"
    GZ = "gz"
    ZST = "zst"


def open_plain(path: Path) -> BinaryIO:
    """Open for reading, unbuffered. Links are refused by the system itself; a pipe or device is closed at once."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LeftAlone("it is not a plain file")
    return os.fdopen(descriptor, "rb", buffering=0)


def find_packing(file: BinaryIO, name: str) -> Packing:
    """By its first bytes. Raises LeftAlone where the name says that it is packed and the bytes do not."""
    head = os.pread(file.fileno(), 4, 0)
    if head[:2] == b"\x1f\x8b":
        return Packing.GZ
    if head == b"\x28\xb5\x2f\xfd" or (head[1:] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F):
        return Packing.ZST
    if head and name.lower().endswith((".gz", ".zst")):
        raise LeftAlone("it is not the archive that its name says")
    return Packing.PLAIN


def read_chunks(file: BinaryIO, packing: Packing) -> Iterator[bytes]:
    """What is in the file from its start on, unpacked. Raises LeftAlone for an archive that is cut off or damaged."""
    file.seek(0)
    if packing is Packing.GZ:
        return _unpack_gz(file)
    return _unpack_zst(file) if packing is Packing.ZST else _read(file, CHUNK)


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while data := file.read(size):
        yield data


def _unpack_gz(file: BinaryIO) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    begun = False
    for data in _read(file, _GZ_INPUT):
        while data:
            if not begun:
                data = data.lstrip(b"\0")  # padding between and after members is allowed
                begun = bool(data)
                continue
            try:
                out = member.decompress(data, CHUNK)
            except zlib.error as error:
                raise LeftAlone("the archive is damaged") from error
            if out:
                yield out
            data = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member, begun = zlib.decompressobj(wbits=31), False
    if begun:
        yield from _end_gz(member)


def _end_gz(member: "zlib._Decompress") -> Iterator[bytes]:
    while out := member.decompress(b"", CHUNK):
        yield out
    if not member.eof:
        raise LeftAlone("the archive is cut off")


def _unpack_zst(file: BinaryIO) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZST_WINDOW)
    frame = None
    for data in _read(file, _ZST_INPUT):
        while data:
            frame = frame or unpacker.decompressobj()
            try:
                out = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise LeftAlone("the archive is damaged") from error
            for start in range(0, len(out), CHUNK):
                yield out[start : start + CHUNK]
            data = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None:
        raise LeftAlone("the archive is cut off")
