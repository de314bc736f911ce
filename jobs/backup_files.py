"""A safe copy of an installation as one stream: its files as a tar, the control database among them, a manifest of hashes last."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from core.errors import CheckFailed

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
PIECE: Final = 1 << 20
_BLOCK: Final = 512
_LARGEST_MANIFEST: Final = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of a copy: its name there, and where it lies now."""

    name: str
    path: Path


def pack(members: Iterable[Member], about: dict[str, Any]) -> Iterator[bytes]:
    """The stream of a copy. A file that grows meanwhile is taken as long as it was; one that is gone is left out."""
    files = []
    for member in members:
        try:
            file = member.path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            digest = hashlib.sha256()
            size = member.path.stat().st_size
            yield _header(member.name, size)
            for piece in _read_exactly(file, size, member.name):
                digest.update(piece)
                yield piece
            yield _padding(size)
        files.append({"name": member.name, "size": size, "sha256": digest.hexdigest()})
    manifest = json.dumps({"format": FORMAT, **about, "files": files}, indent=1, sort_keys=True).encode()
    yield _header(MANIFEST, len(manifest))
    yield manifest
    yield _padding(len(manifest)) + b"\0" * 2 * _BLOCK


def unpack(stream: Iterable[bytes], into: Path) -> dict[str, Any]:
    """Write the files of a copy into a folder and give its manifest, once every hash was right. Raises CheckFailed."""
    seen: dict[str, tuple[int, str]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(fileobj=_Stream(stream), mode="r|", bufsize=PIECE) as archive:
            for entry in archive:
                if manifest is not None or not entry.isreg() or not _is_safe(entry.name):
                    raise _broken(f"'{entry.name}' does not belong into it")
                source = archive.extractfile(entry)
                if source is None:
                    raise _broken(f"'{entry.name}' cannot be read")
                if entry.name == MANIFEST:
                    manifest = _read_manifest(source.read(_LARGEST_MANIFEST))
                else:
                    seen[entry.name] = _write(source, into / entry.name)
    except tarfile.TarError as error:
        raise _broken("it is cut off, or no backup at all") from error
    if manifest is None:
        raise _broken("it is cut off: its manifest is missing")
    wanted = {str(one["name"]): (int(one["size"]), str(one["sha256"])) for one in manifest["files"]}
    wrong = sorted(name for name in wanted.keys() | seen.keys() if wanted.get(name) != seen.get(name))
    if wrong:
        raise _broken(f"these files are not what was backed up: {', '.join(wrong[:5])}")
    return manifest


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)


def _read_exactly(file: BinaryIO, size: int, name: str) -> Iterator[bytes]:
    left = size
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise CheckFailed(f"{name} became shorter while it was copied.", remedy="Make the backup again.")
        left -= len(piece)
        yield piece


def _write(source: Any, path: Path) -> tuple[int, str]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while piece := source.read(PIECE):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name and bool(path.parts)


def _read_manifest(content: bytes) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(content)
        if manifest["format"] != FORMAT:
            raise CheckFailed(
                f"This backup has the format {manifest['format']}, this release reads {FORMAT}.",
                remedy="Restore it with the release that made it.",
            )
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("its manifest cannot be read") from error
    return manifest


def _broken(why: str) -> CheckFailed:
    return CheckFailed(f"This backup cannot be restored: {why}.", remedy="Take another one; nothing was changed.")


class _Stream(io.RawIOBase):
    """What comes in pieces, as a file that can only be read on."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [self._left], size - len(self._left)
        while size < 0 or wanted > 0:
            piece = next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece)
            wanted -= len(piece)
        whole = b"".join(parts)
        self._left = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole
