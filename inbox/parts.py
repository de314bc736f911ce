"""The parts of a mail (MIME), found by their offsets in its bytes: nothing is copied, and every number has its bound."""

import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inbox.header_text import decode_base64, read_parameters

DEEPEST: Final = 20
MOST_PARTS: Final = 1_000
MOST_FIELDS: Final = 1_000
HEADER_BYTES: Final = 262_144
PART_HEADER_BYTES: Final = 32_768
# A boundary has at most 70 characters (RFC 2046); some programs do not know.
_LONGEST_BOUNDARY: Final = 250
# Lines that begin like a delimiter and are none: so many are looked at.
_MOST_LOOKS: Final = 100_000
_NAME: Final = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_BLANK: Final = re.compile(rb"\r?\n[ \t]*\r?\n|\r\r")
_UNNAMED_BOUNDARY: Final = re.compile(rb"(?m)^--([^\s-][^\r\n]{0,200}?)[ \t]*\r?$")
_BAD_ESCAPE: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|$)")
_PLAIN_CODINGS: Final = frozenset(["", "7bit", "8bit", "binary"])


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part: where its body stands in the bytes, what it says it is, and the parts inside it."""

    fields: Sequence[tuple[str, bytes]] = field(repr=False)
    start: int
    end: int
    type: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    disposition: str = ""
    filename: str = field(default="", repr=False)
    coding: str = ""
    children: tuple["Part", ...] = ()

    def get(self, name: str) -> bytes:
        """The first value of a header; empty where it has none."""
        return next((value for one, value in self.fields if one == name), b"")

    def walk(self) -> Iterator["Part"]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, kw_only=True)
class Content:
    """The bytes of a part. `cut`: there is more; `broken`: some of it was not what its coding says."""

    data: bytes = field(repr=False)
    cut: bool = False
    broken: bool = False


@dataclass(kw_only=True)
class Splitter:
    """Reads the tree of one mail. `problems`: what was left out, as sentences that stand once each."""

    raw: bytes = field(repr=False)
    end: int
    count: int = 0
    problems: dict[str, None] = field(default_factory=dict)

    def read(self) -> Part:
        start = 0
        if self.raw.startswith(b"From "):  # an mbox's own line
            start = self.raw.find(b"\n") + 1
        return self._part(start, self.end, 0, "text/plain")

    def _part(self, start: int, end: int, depth: int, usual: str) -> Part:
        self.count += 1
        fields, body = self._fields(start, end, HEADER_BYTES if not depth else PART_HEADER_BYTES)
        first = dict(reversed(fields))
        kind, params = read_parameters(first.get("content-type", b""))
        disposition, more = read_parameters(first.get("content-disposition", b""))
        coding = read_parameters(first.get("content-transfer-encoding", b""))[0]
        kind = kind if "/" in kind else {"text": "text/plain", "html": "text/html"}.get(kind, usual)
        children = self._children(kind, params, coding, body, end, depth)
        if kind.startswith("multipart/") and not children:
            kind = "text/plain" if depth < DEEPEST else "application/octet-stream"
        return Part(
            fields=fields,
            start=body,
            end=end,
            type=kind,
            params=params,
            disposition=disposition,
            filename=more.get("filename") or params.get("name", ""),
            coding=coding,
            children=children,
        )

    def _children(
        self, kind: str, params: Mapping[str, str], coding: str, body: int, end: int, depth: int
    ) -> tuple[Part, ...]:
        holds_mail = kind in ("message/rfc822", "message/global") and coding in _PLAIN_CODINGS
        if not holds_mail and not kind.startswith("multipart/"):
            return ()
        if depth >= DEEPEST:
            self.problems[f"Parts deeper than {DEEPEST} levels were not looked into."] = None
            return ()
        if holds_mail:
            return (self._part(body, end, depth + 1, "text/plain"),) if self.count < MOST_PARTS else ()
        usual = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        parts = []
        for start, stop in self._inner(params, body, end):
            if self.count >= MOST_PARTS:
                self.problems[f"The mail has more than {MOST_PARTS:,} parts; the others were not looked at."] = None
                break
            parts.append(self._part(start, stop, depth + 1, usual))
        if not parts:
            self.problems["The mail says that it has several parts, and not where they end: it is read as one."] = None
        return tuple(parts)

    def _inner(self, params: Mapping[str, str], body: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the parts begin and end: by the boundary that is named, else by the one that seems to be used."""
        named = params.get("boundary", "").encode("utf-8", "replace")[:_LONGEST_BOUNDARY].rstrip()
        found = None
        for found in self._stretches(named, body, end) if named else ():
            yield found
        used = None if found else _UNNAMED_BOUNDARY.search(self.raw, body, min(end, body + 10_000))
        if used:
            yield from self._stretches(used[1], body, end)

    def _stretches(self, boundary: bytes, body: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the parts between the delimiters begin and end."""
        mark, begun, at = b"\n--" + boundary, -1, body - 1
        if not body or self.raw[body - 1 : body] != b"\n":  # a body that begins without a line end before it
            at = body
        for _ in range(_MOST_LOOKS):
            here = self.raw.find(mark, at, end)
            if here < 0:
                break
            after = here + len(mark)
            closes = self.raw[after : after + 2] == b"--"
            line_end = self.raw.find(b"\n", after, min(end, after + 200))
            rest = self.raw[after + 2 * closes : line_end if line_end >= 0 else min(end, after + 200)]
            at = after
            if rest.strip():
                continue
            if begun >= 0:
                # The line end before a delimiter is the delimiter's.
                yield begun, max(begun, here - (self.raw[here - 1 : here] == b"\r"))
            if closes:
                return
            begun = line_end + 1 if line_end >= 0 else end
            at = max(after, begun - 1)
        if begun >= 0:
            self.problems["The mail breaks off: its last part has no end."] = None
            yield begun, end

    def _fields(self, start: int, end: int, most: int) -> tuple[list[tuple[str, bytes]], int]:
        """Headers, and where the body begins. A text without headers is all body."""
        if self.raw[start : start + 1] == b"\n" or self.raw[start : start + 2] == b"\r\n":
            return [], self.raw.find(b"\n", start) + 1
        blank = _BLANK.search(self.raw, start, end)
        stop, body = (blank.start(), blank.end()) if blank else (end, end)
        if stop - start > most:
            self.problems[f"The headers have more than {most:,} bytes; the others were not read."] = None
            stop = start + most
        fields, bad, tail = _read_fields(self.raw[start:stop])
        if len(fields) >= MOST_FIELDS:
            self.problems[f"There are more than {MOST_FIELDS:,} headers; the others were not read."] = None
        if bad:
            self.problems["Some header lines are no headers; they were left out."] = None
        # Lines that are no headers, right before the blank line: somebody forgot the blank line above their words.
        return fields, body if tail < 0 else start + tail


def content_of(raw: bytes, part: Part, most: int) -> Content:
    """A part's bytes without their transfer coding, at most `most` of them."""
    stop = min(part.end, part.start + (most * 3 if part.coding in ("base64", "quoted-printable") else most))
    data, cut = raw[part.start : stop], stop < part.end
    broken = False
    if part.coding == "base64":
        data, broken = decode_base64(data)
        broken = broken and not cut
    elif part.coding == "quoted-printable":
        broken = _BAD_ESCAPE.search(data, 0, max(0, len(data) - 3) if cut else len(data)) is not None
        data = binascii.a2b_qp(data)
    return Content(data=data[:most], cut=cut or len(data) > most, broken=broken)


def size_of(raw: bytes, part: Part) -> int:
    """How many bytes a part has once decoded, without decoding it."""
    if part.coding != "base64":
        return part.end - part.start
    spaces = sum(raw.count(one, part.start, part.end) for one in (b"\n", b"\r", b" ", b"="))
    return max(0, part.end - part.start - spaces) * 3 // 4


def _read_fields(block: bytes) -> tuple[list[tuple[str, bytes]], bool, int]:
    """The fields of a block by small names; whether lines between them are none; where lines that are none end it, or -1."""
    fields: list[tuple[str, list[bytes]]] = []
    at, tail, between = 0, -1, False
    for line in block.split(b"\n"):
        named = _NAME.match(line)
        if named:
            if len(fields) >= MOST_FIELDS:
                break
            fields.append((named[1].decode("ascii").lower(), [line[named.end() :]]))
            between, tail = between or tail >= 0, -1
        elif line[:1] in (b" ", b"\t") and fields and tail < 0:
            fields[-1][1].append(line)
        elif line.strip() and tail < 0:
            tail = at
        at += len(line) + 1
    return [(name, b"\n".join(lines).strip()) for name, lines in fields], between, tail
