"""What the formats of files have in common: blocks of whole records, and the marks that tell where a value may stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from stores.conditions import AllOf, AnyOf, Condition, OneOf
from stores.file_reading import LONGEST_RECORD, LeftAlone

Record = Mapping[str, Any]
# Where a record begins and ends in its block, and what it says; None: not a record of this format.
Found = tuple[int, int, Record | None]
_BOM: Final = b"\xef\xbb\xbf"
_MOST_MARKS = 16


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Bytes that stand in a record if it holds a value; `before` and `behind`: what may stand around them, if not all."""

    raw: bytes
    before: bytes = b""
    behind: bytes = b""

    def fits(self, block: bytes, at: int) -> bool:
        end = at + len(self.raw)
        return (not self.before or at == 0 or block[at - 1] in self.before) and (
            not self.behind or end == len(block) or block[end] in self.behind
        )


class RecordFormat(ABC):
    """One reading of one file. `preamble`: what stands before the first record, known with the first block."""

    preamble: bytes = b""

    @abstractmethod
    def cut(self, data: bytes) -> int:
        """Where the last whole record ends; 0 where none does."""

    @abstractmethod
    def parse(self, raw: bytes) -> Record | None:
        """What the bytes of one record say; None where they are none."""

    @abstractmethod
    def marks(self, values: Iterable[str]) -> tuple[Mark, ...] | None:
        """A record that has one of these values has one of these marks; None: there are no such marks."""

    @abstractmethod
    def change(self, raw: bytes, values: Mapping[str, str | None]) -> bytes:
        """The bytes of a readable record with these values in its fields, all else as it was."""

    def begin(self, data: bytes) -> int | None:
        """The length of the preamble; None where more must be read to know. `data` has no mark of byte order."""
        return 0

    def need_whole(self, data: bytes) -> None:  # noqa: B027 most formats have nothing to say here
        """Raises LeftAlone where the last bytes of a file, behind its last line end, cannot be whole."""

    def spans(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Where the records of a block, and blank lines, begin and end."""
        start = 0
        for raw in BytesIO(block):
            yield start, start + len(raw)
            start += len(raw)

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The records behind the preamble, always whole ones together. Raises LeftAlone."""
        parts: list[bytes] = []
        size, begun = 0, False
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > LONGEST_RECORD + len(chunk):
                raise LeftAlone(f"a record in it is longer than {LONGEST_RECORD >> 20} MiB")
            if begun and b"\n" not in chunk:
                continue
            data = b"".join(parts)
            if not begun:
                data, begun = self._begin(data, last=False)
            end = self.cut(data) if begun else 0
            if end:
                yield data[:end]
            parts = [data[end:]]
            size = len(parts[0])
        data = b"".join(parts)
        if not begun and data:
            data, _ = self._begin(data, last=True)
        if data:
            self.need_whole(data)
            yield data

    def each(self, block: bytes) -> Iterator[Found]:
        """Every record of a block that is not blank."""
        parse = self.parse
        for start, end in self.spans(block):
            raw = block[start:end]
            record = parse(raw)
            if record is not None or not raw.isspace():
                yield start, end, record

    def holding(self, block: bytes, marks: tuple[Mark, ...]) -> Iterator[Found]:
        """The records of a block that have one of the marks."""
        places = {place for mark in marks for place in self._marked(block, mark)}
        for start, end in sorted(places):
            yield start, end, self.parse(block[start:end])

    def count(self, block: bytes) -> int:
        """How many records a block has, readable or not."""
        if not self.plain_lines(block):
            return sum(not block[start:end].isspace() for start, end in self.spans(block))
        lines = BytesIO(block).readlines()  # measured: a ninth of what `count` and a search for blank lines take
        if min(lines, default=b"")[:1] > b" ":  # the least line is no blank one, so none is
            return len(lines)
        return sum(not line.isspace() for line in lines)

    def plain_lines(self, block: bytes) -> bool:
        """Is every line of this block a record, so that its bounds are the nearest line ends?"""
        return True

    def _marked(self, block: bytes, mark: Mark) -> Iterator[tuple[int, int]]:
        at = block.find(mark.raw)
        if at >= 0 and not self.plain_lines(block):
            yield from (span for span in self.spans(block) if block.find(mark.raw, *span) >= 0)
            return
        while at >= 0:
            if not mark.fits(block, at):
                at = block.find(mark.raw, at + 1)
                continue
            end = block.find(b"\n", at) + 1 or len(block)
            yield block.rfind(b"\n", 0, at) + 1, end
            at = block.find(mark.raw, end)

    def _begin(self, data: bytes, *, last: bool) -> tuple[bytes, bool]:
        if len(data) < len(_BOM) and not last:
            return data, False
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise LeftAlone("it is not written in UTF-8")
        bom = len(_BOM) if data.startswith(_BOM) else 0
        length = self.begin(data[bom:] + (b"\n" if last and not data.endswith(b"\n") else b""))
        if length is None:
            return data, False
        self.preamble = data[: bom + length]
        return data[bom + length :], True


def needed_values(condition: Condition) -> tuple[str, ...] | None:
    """Values of which every matching record holds at least one; None where there are none, or too many to look for."""
    match condition:
        case OneOf(values=values):
            wanted = tuple(value for value in values if value)
            return wanted if len(wanted) <= _MOST_MARKS else None
        case AllOf(parts=parts):
            needed = [found for part in parts if (found := needed_values(part)) is not None]
            return min(needed, key=len, default=None)
        case AnyOf(parts=parts):
            each = [needed_values(part) for part in parts]
            together = tuple({value for values in each for value in values or ()})
            return None if None in each or len(together) > _MOST_MARKS else together
        case _:
            return None
