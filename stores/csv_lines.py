"""The format of CSV by RFC 4180: a header, quoted fields with line ends in them, LF or CRLF, any declared delimiter."""

import re
from collections.abc import Iterable, Iterator, Mapping

from core.errors import BadInput
from stores.file_formats import Mark, Record, RecordFormat
from stores.file_reading import LeftAlone


class CsvLines(RecordFormat):
    """Every value is text. A field with nothing in it is null, a quoted one with nothing in it is the empty text.

    A record that has more or fewer fields than the header, or a quotation mark out of place, is no record: it stays."""

    def __init__(self, delimiter: str = ",") -> None:
        need_delimiter(delimiter)
        self._delimiter = delimiter
        mark = re.escape(delimiter)
        self._field = re.compile(rf'("[^"]*(?:""[^"]*)*"|[^"{mark}]*)({mark}|\Z)')
        self._around = f'"{delimiter}\r\n'.encode()
        self._columns: tuple[str, ...] = ()

    def begin(self, data: bytes) -> int | None:
        length = next((end for start, end in self.spans(data) if self._is_whole(data[start:end])), None)
        if length is None:
            return None
        names = self._split(data[:length].decode("utf-8", "replace"))
        if names is None or not all(names):
            raise LeftAlone("its first line does not name the columns")
        if len(set(names)) != len(names):
            raise LeftAlone("its first line names a column twice")
        self._columns = tuple(str(name) for name in names)
        return length

    def cut(self, data: bytes) -> int:
        end = data.rfind(b"\n") + 1
        quotes = data.count(b'"', 0, end)
        while end and quotes % 2:
            before = data.rfind(b"\n", 0, end - 1) + 1
            quotes -= data.count(b'"', before, end)
            end = before
        return end

    def need_whole(self, data: bytes) -> None:
        if data.count(b'"') % 2:
            raise LeftAlone("a quotation mark in it is not closed")

    def spans(self, block: bytes) -> Iterator[tuple[int, int]]:
        start, quotes = 0, 0
        for begin, end in super().spans(block):
            quotes += block.count(b'"', begin, end)
            if quotes % 2 == 0:
                yield start, end
                start = end
        if start < len(block):
            yield start, len(block)

    def parse(self, raw: bytes) -> Record | None:
        values = self._split(raw.decode("utf-8", "replace"))
        if values is None or len(values) != len(self._columns) or raw.isspace():
            return None
        return dict(zip(self._columns, values, strict=True))

    def change(self, raw: bytes, values: Mapping[str, str | None]) -> bytes:
        text = raw.decode("utf-8", "surrogateescape")
        body = text.removesuffix("\n").removesuffix("\r")
        pieces = list(self._pieces(body) or ())
        for name, value in values.items():
            if name in self._columns:
                pieces[self._columns.index(name)] = self._write(value)
            elif value is not None:
                raise LeftAlone(f"it has no column '{name}'")
        return (self._delimiter.join(pieces) + text[len(body) :]).encode("utf-8", "surrogateescape")

    def marks(self, values: Iterable[str]) -> tuple[Mark, ...] | None:
        found = []
        for value in values:
            try:
                raw = value.replace('"', '""').encode()
            except UnicodeEncodeError:
                return None
            if "\N{REPLACEMENT CHARACTER}" in value:
                return None
            found.append(Mark(raw=raw, before=self._around, behind=self._around))
        return tuple(found)

    def plain_lines(self, block: bytes) -> bool:
        return b'"' not in block

    def _is_whole(self, raw: bytes) -> bool:
        return raw.endswith(b"\n") and raw.count(b'"') % 2 == 0

    def _split(self, text: str) -> list[str | None] | None:
        pieces = self._pieces(text.removesuffix("\n").removesuffix("\r"))
        if pieces is None:
            return None
        return [piece[1:-1].replace('""', '"') if piece[:1] == '"' else piece or None for piece in pieces]

    def _pieces(self, text: str) -> list[str] | None:
        """The fields as they are written."""
        if '"' not in text:
            return text.split(self._delimiter)
        pieces, at, more = [], 0, True
        while more:
            match = self._field.match(text, at)
            if match is None:
                return None
            pieces.append(match[1])
            at, more = match.end(), bool(match[2])
        return pieces

    def _write(self, value: str | None) -> str:
        if value is None:
            return ""
        if value and not any(odd in value for odd in f'{self._delimiter}"\r\n'):
            return value
        return '"' + value.replace('"', '""') + '"'


def need_delimiter(delimiter: str) -> None:
    """Raises BadInput for what cannot stand between two fields."""
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise BadInput(
            f"A delimiter of CSV is one ASCII character, not {delimiter!r}.", remedy='Write delimiter: ";" or "\\t".'
        )
