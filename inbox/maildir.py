"""Reads a Maildir: what lies in `new` and `cur`, each file once. Nothing is moved, renamed or deleted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from core.errors import KeptError, Unreachable
from inbox.mailbox import OnProgress, Round
from inbox.message import LARGEST
from inbox.positions import Positions
from inbox.taking import Taking

_FOLDERS: Final = ("new", "cur")
_HEADER_BYTES: Final = 262_144
_LONGEST_NAME: Final = 255


class MaildirFolder:
    """One Maildir. A file is known by its name up to the flags, which mail programs change."""

    def __init__(self, path: Path, *, taking: Taking, positions: Positions, since: date | None = None) -> None:
        self.source = f"maildir:{path}"[:200]
        self._path = path
        self._taking = taking
        self._positions = positions
        self._since = since
        self._seen: Mapping[str, int] = {}
        self._elsewhere: set[str] = set()

    def read(self, on_progress: OnProgress) -> Round:
        """Take what is new, by name, which begins with the time of delivery."""
        found = Round(source=self.source)
        try:
            self._seen = self._changed_at()
            files = dict(self._files())
            self._elsewhere &= files.keys()
            known = self._positions.known(self.source, sorted(files.keys() - self._elsewhere))
            new = sorted(files.keys() - known.keys() - self._elsewhere)
            for place in new:
                self._take(place, files[place], found)
                on_progress(found.done, len(new))
        except OSError as error:
            found.error = self._told(error)
        except KeptError as error:
            found.error = error
        return found

    def check(self) -> None:
        """Raise a KeptError unless both folders can be listed."""
        try:
            for name in _FOLDERS:
                with os.scandir(self._path / name):
                    pass
        except OSError as error:
            raise self._told(error) from error

    def has_news(self) -> bool:
        """Did a file come or go since it was read?"""
        try:
            return self._changed_at() != self._seen
        except OSError:
            return False

    def _changed_at(self) -> Mapping[str, int]:
        return {name: (self._path / name).stat().st_mtime_ns for name in _FOLDERS}

    def _files(self) -> Iterator[tuple[str, Path]]:
        for name in _FOLDERS:
            with os.scandir(self._path / name) as listed:
                for entry in listed:
                    place = entry.name.partition(":")[0]
                    if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                        yield os.fsencode(place).decode("utf-8", "backslashreplace")[:_LONGEST_NAME], Path(entry.path)

    def _take(self, place: str, file: Path, found: Round) -> None:
        try:
            with os.fdopen(_open_itself(file), "rb") as opened:
                facts = os.fstat(opened.fileno())
                arrived = datetime.fromtimestamp(facts.st_mtime, UTC)
                if self._since is not None and arrived.date() < self._since:
                    return
                too_large = facts.st_size > LARGEST
                raw = opened.read(_HEADER_BYTES if too_large else LARGEST)
        except FileNotFoundError:
            return  # a mail program moved it from `new` to `cur`: it is there the next time
        except OSError:
            found.stuck.append(place)
            return
        message_id = self._taking.take(
            headers_of(raw) if too_large else raw,
            source=self.source,
            place=place,
            arrived_at=arrived,
            too_large=too_large,
            size=facts.st_size,
        )
        found.count(message_id, too_large=too_large)
        if message_id is None:
            self._elsewhere.add(place)  # here under another place, which is all the database knows of it

    def _told(self, error: OSError) -> Unreachable:
        return Unreachable(
            f"The Maildir {self._path} cannot be read: {(error.strerror or type(error).__name__).rstrip('.')}.",
            remedy="Mount it, or let Kept's user read it, or correct inbox.maildir in kept.yaml. It is tried again.",
        )


def headers_of(raw: bytes) -> bytes:
    """What stands before the first empty line, and that line."""
    ends = [at + len(gap) for gap in (b"\r\n\r\n", b"\n\n") if (at := raw.find(gap)) >= 0]
    return raw[: min(ends)] if ends else raw


def _open_itself(path: Path) -> int:
    """The file, not what a link leads to, and nothing that would be waited for."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise FileNotFoundError(str(path))
    return opened
