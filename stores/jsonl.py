"""The format of JSON lines: one object a line."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from stores.file_formats import Found, Mark, Record, RecordFormat

_WHOLE_NUMBER = re.compile(r"-?\d+", re.ASCII)
# What may stand around a number or a quoted text that is the value of a field.
_BEFORE, _BEHIND = b'": \t\r\n,[', b'",}] \t\r\n'


class JsonLines(RecordFormat):
    """A line that is no JSON object is no record; bytes that are not UTF-8 are read as U+FFFD, and stay as they are."""

    def cut(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def parse(self, raw: bytes) -> Record | None:
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError:
            record = _parse_odd(raw)
        return record if isinstance(record, dict) else None

    def holding(self, block: bytes, marks: tuple[Mark, ...]) -> Iterator[Found]:
        # Most blocks have no escapes, and longer marks are found faster than short ones.
        absent = b"\\" if b"\\" not in block else b"\\u00" if b"\\u00" not in block else None
        if absent is not None:
            marks = tuple(mark for mark in marks if not mark.raw.startswith(absent))
        return super().holding(block, marks)

    def change(self, raw: bytes, values: Mapping[str, str | None]) -> bytes:
        # Not by orjson, which would round numbers of more than 64 bits.
        record = json.loads(raw.decode("utf-8", "surrogateescape"))
        for name, value in values.items():
            _set(record, name, value)
        spaced = b'": ' in raw
        text = json.dumps(record, ensure_ascii=raw.isascii(), separators=(", ", ": ") if spaced else (",", ":"))
        return text.encode("utf-8", "surrogateescape") + raw[len(raw.rstrip()) :]

    def marks(self, values: Iterable[str]) -> tuple[Mark, ...] | None:
        found: set[Mark] = set()
        for value in values:
            if not _is_exact(value):
                return None
            found.add(Mark(raw=orjson.dumps(value)))
            # A character may be written as \\u0041, a slash as \\/; quotation marks and line ends never as themselves.
            found.update(Mark(raw=f"\\u00{digit}".encode()) for digit in "234567")
            if not value.isascii():
                found.add(Mark(raw=b"\\u"))
            if "/" in value:
                found.add(Mark(raw=b"\\/"))
            if not value.isprintable() or '"' in value or "\\" in value:
                found.add(Mark(raw=b"\\"))
            if _WHOLE_NUMBER.fullmatch(value) or value in ("true", "false"):
                found.add(Mark(raw=value.encode(), before=_BEFORE, behind=_BEHIND))
        return tuple(found)


def _set(record: dict[str, Any], name: str, value: str | None) -> None:
    """Where `getter` reads it: under the key itself, else along the path that its dots spell."""
    node, key = record, name
    if name not in record and "." in name:
        *path, last = name.split(".")
        inner: Any = record
        for step in path:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            node, key = inner, last
    if value is not None or key in node:
        node[key] = _alike(node.get(key), value)


def _alike(old: Any, value: str | None) -> Any:
    """A number stays a number, where the value is one."""
    if isinstance(old, int) and not isinstance(old, bool) and value is not None:
        return int(value) if _WHOLE_NUMBER.fullmatch(value) and str(int(value)) == value else value
    return {"true": True, "false": False}.get(value or "", value) if isinstance(old, bool) else value


def _is_exact(value: str) -> bool:
    """Can only one spelling, escapes aside, be this value? Not so a number with a fraction, or what cannot be written."""
    try:
        value.encode()
        float(value)
    except UnicodeEncodeError:
        return False
    except ValueError:
        return "\N{REPLACEMENT CHARACTER}" not in value
    return _WHOLE_NUMBER.fullmatch(value) is not None


def _parse_odd(raw: bytes) -> object:
    """What is nearly JSON: bytes that are not UTF-8, and the numbers that Python writes as NaN and Infinity."""
    text = raw.decode("utf-8", "replace")
    odd_number = "NaN" in text or "Infinity" in text
    if not odd_number and "\N{REPLACEMENT CHARACTER}" not in text:
        return None
    try:
        return json.loads(text) if odd_number else orjson.loads(text)
    except (ValueError, RecursionError):
        return None
