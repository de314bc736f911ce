"""One collection on its way into a package: read once, written as JSON, CSV and rows of the page at the same time.

Work is done by columns of a batch, not by values: of what kind its values are is asked once for a column."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from html import escape
from itertools import groupby, repeat
from math import isfinite
from operator import itemgetter
from re import compile as pattern
from typing import Any, Final, Protocol

import orjson

from core.canonical import canonical
from core.settings import CollectionSettings
from dsr.withheld import is_credential
from dsr.zip_file import MemberWriter

READABLE_ROWS: Final = 500
READABLE_CELL: Final = 2_000
# A cell that begins so is a formula to a spreadsheet; an apostrophe makes it text again.
_FORMULA: Final = frozenset("=+-@\t\r")
_first: Final = itemgetter(slice(0, 1))
_QUOTED: Final = ('"', ",", "\n", "\r")
# What stands between cells and lines while they are worked on together.
_CELL, _LINE = "\x1f", "\x1e"
_DUMP: Final = orjson.OPT_STRICT_INTEGER | orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
# What goes into JSON as it is, or by one rule: `_fragment`.
_AS_JSON: Final = frozenset((str, int, bool, type(None), datetime, date, Decimal, bytes))
_TEXTUAL: Final = frozenset((str, bytes, list, dict))
_NUMBERS: Final = frozenset((int, float, Decimal))
_is_number: Final = pattern(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?").fullmatch
_EXACT: Final = 2**53
_SMALL: Final = 1e-4


class Cleaner(Protocol):
    """Looks into the texts of one field, and gives them as they may go out."""

    def clean(self, name: str, values: Sequence[Any]) -> Sequence[Any]: ...

    def clean_one(self, name: str, text: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class _Exact:
    """A value whose canonical form is written already."""

    raw: bytes
    value: Any


@dataclass(frozen=True, kw_only=True)
class Packed:
    """One collection as it lies in a package. `columns` in order of appearance, each with the kinds of its values, as
    Python names them; `always`: those that every record has; `withheld`: named and not sent; `readable`: rows of HTML."""

    collection: str
    rows: int
    columns: Mapping[str, frozenset[type]]
    always: frozenset[str]
    withheld: tuple[str, ...]
    json: MemberWriter
    csv: MemberWriter
    readable: MemberWriter


@dataclass(kw_only=True)
class _Column:
    kinds: set[type] = field(default_factory=set)
    rows: int = 0


class RecordFiles:
    """Takes the batches of one collection. `numbers`: fields that are named only, as credentials are; `without`: fields
    that the right leaves out."""

    def __init__(
        self,
        collection: CollectionSettings,
        writers: tuple[MemberWriter, MemberWriter, MemberWriter],
        cleaner: Cleaner,
        *,
        without: frozenset[str] = frozenset(),
        numbers: frozenset[str] = frozenset(),
    ) -> None:
        self._collection = collection
        self._json, self._csv, self._page = writers
        self._cleaner = cleaner
        self._without = without
        self._numbers = numbers
        self._columns: dict[str, _Column] = {}
        self._withheld: dict[str, None] = {}
        self._kept: dict[tuple[str, ...], list[int]] = {}
        self._rows = 0
        self._first_width = 0

    @property
    def is_ragged(self) -> bool:
        """Whether columns came that earlier lines of the CSV do not have."""
        return len(self._columns) > self._first_width

    def take(self, batch: Sequence[Mapping[str, Any]]) -> None:
        """Write a batch. Records of one shape after another are one table."""
        for names, same in groupby(batch, key=tuple):
            run = list(same)
            if names not in self._kept:
                self._kept[names] = self._choose(names)
            self._write(names, self._kept[names], run)
            self._rows += len(run)

    def close(self) -> Packed:
        """The collection, whole."""
        self._json.write(b"]" if self._rows else b"[]")
        if not self._rows:
            self._head()
        for writer in (self._json, self._csv, self._page):
            writer.close()
        return Packed(
            collection=self._collection.id,
            rows=self._rows,
            columns={name: frozenset(one.kinds) for name, one in self._columns.items()},
            always=frozenset(name for name, one in self._columns.items() if one.rows == self._rows),
            withheld=tuple(self._withheld),
            json=self._json,
            csv=self._csv,
            readable=self._page,
        )

    def _choose(self, names: tuple[str, ...]) -> list[int]:
        """The places of the fields that go out; those that do not are named."""
        chosen = []
        for place, name in enumerate(names):
            settings = self._collection.fields.get(name)
            if name in self._without:
                continue
            if name in self._numbers or is_credential(name, settings.fideslang if settings else None):
                self._withheld.setdefault(name)
                continue
            self._columns.setdefault(name, _Column())
            chosen.append(place)
        return chosen

    def _write(self, names: tuple[str, ...], kept: Sequence[int], run: Sequence[Mapping[str, Any]]) -> None:
        if not self._rows:
            self._head()
        json, texts = dict[str, Sequence[Any]](), dict[str, Sequence[str]]()
        as_they_are = len(kept) == len(names)
        for place in kept:
            name = names[place]
            values = list(map(itemgetter(name), run))
            kinds = set(map(type, values))
            seen = self._columns[name]
            seen.kinds |= kinds
            seen.rows += len(run)
            cleaned = self._cleaner.clean(name, values) if str in kinds else values
            json[name] = cleaned if kinds <= _AS_JSON else [self._plain(name, value) for value in cleaned]
            as_they_are = as_they_are and json[name] is values
            texts[name] = _texts(json[name], kinds)
        self._json.write(b"," if self._rows else b"[", _lines(run if as_they_are else _records(json, len(run))))
        self._write_csv({name: _cells(texts[name], self._columns[name].kinds) for name in texts}, len(run))
        if self._rows < READABLE_ROWS:
            self._write_page(texts, min(len(run), READABLE_ROWS - self._rows))

    def _plain(self, name: str, value: Any) -> Any:
        if isinstance(value, list | dict):
            exact = self._exact(name, value)
            return _Exact(raw=canonical(exact), value=exact)
        return _number(value) if isinstance(value, float) else value

    def _exact(self, name: str, value: Any) -> Any:
        """A value of any depth that has a canonical form, without credentials and with its texts looked into."""
        if isinstance(value, dict):
            return {
                _sound(str(inner)): self._exact(name, one)
                for inner, one in value.items()
                if not is_credential(str(inner), None)
            }
        if isinstance(value, list | tuple):
            return [self._exact(name, one) for one in value]
        return _sound(self._cleaner.clean_one(name, value)) if isinstance(value, str) else _exact_value(value)

    def _head(self) -> None:
        self._first_width = len(self._columns)
        self._csv.write((",".join(map(_quote, map(_safe, self._columns))) + "\r\n").encode("utf-8", "replace"))

    def _write_csv(self, cells: Mapping[str, Sequence[str]], rows: int) -> None:
        blank = '""' if len(self._columns) == 1 else ""  # a line without a sign would be read as no line
        if blank:
            cells = {name: [text or blank for text in texts] for name, texts in cells.items()}
        lines = zip(*(cells.get(name) or repeat(blank, rows) for name in self._columns), strict=False)
        self._csv.write("\r\n".join([*map(",".join, lines), ""]).encode("utf-8", "replace"))

    def _write_page(self, texts: Mapping[str, Sequence[str]], rows: int) -> None:
        shown = [_shorten(texts[name][:rows]) if name in texts else repeat("", rows) for name in self._columns]
        # One look for all signs that HTML would read: cells and lines are joined by signs that nobody writes.
        block = escape(_LINE.join(map(_CELL.join, zip(*shown, strict=False))))
        block = block.replace(_LINE, "</td></tr>\n<tr><td>").replace(_CELL, "</td><td>")
        self._page.write(f"<tr><td>{block}</td></tr>\n".encode("utf-8", "replace"))


def even_lines(lines: Iterator[bytes], columns: Sequence[str]) -> Iterator[bytes]:
    """A CSV whose lines all have as many cells as the longest: for records of several shapes, where columns came late."""
    text = io.TextIOWrapper(io.BufferedReader(_Readable(lines)), encoding="utf-8", newline="")
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\r\n")
    csv.field_size_limit(2**31 - 1)
    for number, cells in enumerate(csv.reader(text)):
        table.writerow([_safe(name) for name in columns] if not number else cells + [""] * (len(columns) - len(cells)))
        if buffer.tell() > 65_536:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


class _Readable(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            following = next(self._chunks, None)
            if following is None:
                return 0
            self._rest = following
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def _lines(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Records of one batch in canonical form, one after the other."""
    try:
        if all(map(str.isascii, records[0])):  # else the order of names is not the order of their bytes
            return orjson.dumps(records, _fragment, _DUMP)[1:-1]
    except TypeError:  # a number or a sign that JSON has no exact form for
        pass
    return b",".join(
        canonical({_sound(name): _exact_value(value) for name, value in record.items()}) for record in records
    )


def _records(columns: Mapping[str, Sequence[Any]], rows: int) -> list[dict[str, Any]]:
    if not columns:
        return [{}] * rows
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _fragment(value: Any) -> Any:
    """What JSON has no word for: decimal numbers are text, which keeps each digit, bytes are base64."""
    if isinstance(value, _Exact):
        return orjson.Fragment(value.raw)
    return _exact_value(value)


def _exact_value(value: Any) -> Any:
    """A value as JSON: numbers that JSON cannot hold exactly are text, bytes are base64, numbers in their shortest form."""
    if isinstance(value, _Exact):
        return value.value
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value)  # Decimal, and what no contract names


def _number(value: float) -> Any:
    """A number as the canonical form writes it."""
    if not isfinite(value):
        return str(value)
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value if _SMALL <= abs(value) < _EXACT else _Exact(raw=canonical(value), value=value)


def _sound(text: str) -> str:
    """A text without halves of signs, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _texts(values: Sequence[Any], kinds: set[type]) -> Sequence[str]:
    """A column as people read it."""
    if kinds == {str}:
        return values
    if kinds == {int}:
        return list(map(str, values))
    some = kinds - {type(None)}
    if some <= {datetime, date}:  # written by the same hand as in JSON, all at once
        return orjson.dumps(values).replace(b"null", b'""')[2:-2].decode().split('","')
    if some == {str}:
        return [value or "" for value in values]
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.raw.decode() if isinstance(value, _Exact) else str(_exact_value(value))


def _cells(texts: Sequence[str], kinds: set[type]) -> Sequence[str]:
    """A column of the CSV: text that a spreadsheet would run is made text again, numbers stay as they are."""
    if kinds & _TEXTUAL and not _FORMULA.isdisjoint(map(_first, texts)):
        numbers = bool(kinds & _NUMBERS)
        texts = [text if numbers and _is_number(text) else _safe(text) for text in texts]
    together = _CELL.join(texts)
    return list(map(_quote, texts)) if any(sign in together for sign in _QUOTED) else texts


def _quote(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(sign in text for sign in _QUOTED) else text


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA else text


def _shorten(texts: Sequence[str]) -> Sequence[str]:
    together = "".join(texts)
    if max(map(len, texts), default=0) <= READABLE_CELL and _CELL not in together and _LINE not in together:
        return texts
    bare = (text.replace(_CELL, "").replace(_LINE, "") for text in texts)
    return [text if len(text) <= READABLE_CELL else f"{text[:READABLE_CELL]} …" for text in bare]
