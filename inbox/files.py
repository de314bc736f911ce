"""Files that come with a mail: named safely, measured, held against the limits; never unpacked and never shown."""

import re
import struct
import unicodedata
from collections.abc import Sequence
from typing import Final

from inbox.message import Attachment
from inbox.parts import Content, Part, content_of, size_of
from inbox.plain_text import one_line

MOST_FILES: Final = 50
LARGEST_FILE: Final = 10_000_000
LARGEST_IN_ALL: Final = 25_000_000
# An archive that says it grows by more than this is there to fill a disk.
MOST_GROWTH: Final = 100
LONGEST_NAME: Final = 120
_MOST_ENTRIES: Final = 20_000
_SLY: Final = re.compile(r'[\x00-\x1f\x7f-\x9f"<>|:*?\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]')
_ZIP: Final = b"PK\x03\x04"
_GZIP: Final = b"\x1f\x8b"
_ENTRY: Final = b"PK\x01\x02"
_TNEF: Final = frozenset(["application/ms-tnef", "application/vnd.ms-tnef"])
_SEALED: Final = frozenset(["application/pkcs7-mime", "application/x-pkcs7-mime"])
# Devices of Windows: a file of this name cannot be saved there.
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


def list_files(raw: bytes, parts: Sequence[Part]) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
    """The files of a mail in their order, and what was cut, in sentences."""
    files: list[Attachment] = []
    total = 0
    for part in parts[:MOST_FILES]:
        size = size_of(raw, part)
        total += size
        files.append(_look_at(raw, part, size, total))
    problems = [
        f"The file {number} of the mail is not handed on: {one.refused}"
        for number, one in enumerate(files, 1)
        if one.refused
    ]
    if len(parts) > MOST_FILES:
        problems.append(f"The mail has {len(parts)} files; only the first {MOST_FILES} are listed.")
    if any(part.type in _TNEF or part.filename.lower() == "winmail.dat" for part in parts):
        problems.append(
            "The mail has a file in Outlook's own format (winmail.dat), which is not unpacked: its text may be in there."
        )
    if any(part.type in _SEALED and part.params.get("smime-type", "") != "signed-data" for part in parts):
        problems.append("The mail is encrypted (S/MIME) and cannot be read here.")
    return tuple(files), tuple(problems)


def safe_name(name: str, number: int = 1) -> str:
    """A file's own name without folders, without signs that hide its end, in at most 120 characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", one_line(name[:2_000])))[-1]
    plain = " ".join(_SLY.sub("", last).split()).strip(" .")[-LONGEST_NAME:].strip(" .")
    if _DEVICE.match(plain):
        plain = f"_{plain}"
    return plain or f"file {number}"


def file_content(raw: bytes, part: Part) -> Content:
    """The bytes of one file, for a download: never to be shown or opened here."""
    return content_of(raw, part, LARGEST_FILE)


def _look_at(raw: bytes, part: Part, size: int, total: int) -> Attachment:
    refused = ""
    if size > LARGEST_FILE:
        refused = f"it has more than {LARGEST_FILE // 1_000_000} MB."
    elif total > LARGEST_IN_ALL:
        refused = f"with it, the files have more than {LARGEST_IN_ALL // 1_000_000} MB."
    elif (grown := _grown_size(raw, part)) > MOST_GROWTH * max(size, 1):
        refused = f"it is an archive of {size:,} bytes that says it unpacks to {grown:,}."
    name = safe_name(part.filename) if part.filename else _name_by_type(part.type)
    return Attachment(name=name, type=part.type[:100], size=size, refused=refused)


def _name_by_type(kind: str) -> str:
    known = {
        "message/rfc822": "message.eml",
        "text/html": "page.html",
        "text/plain": "text.txt",
        "text/calendar": "event.ics",
    }
    return known.get(kind, "file")


def _grown_size(raw: bytes, part: Part) -> int:
    """What a zip or gzip file says it unpacks to; 0 for any other. Only its lists are read."""
    start = content_of(raw, part, 12).data
    if not start.startswith((_ZIP, _GZIP)):
        return 0
    data = content_of(raw, part, LARGEST_FILE).data
    if data.startswith(_GZIP):
        return int(struct.unpack("<I", data[-4:])[0]) if len(data) >= 18 else 0
    grown, at = 0, data.find(_ENTRY)
    for _ in range(_MOST_ENTRIES):
        if at < 0 or at + 46 > len(data):
            break
        grown += struct.unpack_from("<I", data, at + 24)[0]
        at = data.find(_ENTRY, at + 46)
    return grown
