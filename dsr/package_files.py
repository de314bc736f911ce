"""The files inside a package, each written as a stream: JSON, CSV, one readable HTML page, the letter, the manifest."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from html import escape
from typing import Any, Final

import orjson
from zipstream import ZIP_DEFLATED, ZipStream

from core.canonical import canonical
from core.catalogue import catalogue
from core.words import count
from dsr.answers import HeldCollection, Letter
from dsr.spool import Spooled

# A cell that begins so is a formula to a spreadsheet; an apostrophe makes it text again.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_READABLE_ROWS: Final = 500
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "csv": "text/csv",
    "html": "text/html",
    "pdf": "application/pdf",
}


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """One line of the manifest; `sha256` of the plain bytes."""

    name: str
    media_type: str
    size: int
    sha256: str


def zip_package(
    *, letter: Letter, letter_pdf: bytes, held: Sequence[HeldCollection], spooled: Sequence[Spooled], key: bytes
) -> tuple[Iterator[bytes], list[PackedFile]]:
    """The ZIP as a stream, and the list that is filled with the manifest's lines while it is read."""
    archive = ZipStream(compress_type=ZIP_DEFLATED)
    packed: list[PackedFile] = []

    def add(name: str, chunks: Iterable[bytes]) -> None:
        archive.add(_note(name, chunks, packed), name)

    add("index.html", _html(letter, held, spooled, key))
    add("letter.pdf", iter([letter_pdf]))
    for one in spooled:
        add(f"data/{one.collection}.json", _json(one, key))
        add(f"data/{one.collection}.csv", _csv(one, key))
    # Evaluated last, when every other file has gone by.
    archive.add(_manifest(letter, held, packed), "manifest.json")
    return iter(archive), packed


def _note(name: str, chunks: Iterable[bytes], packed: list[PackedFile]) -> Iterator[bytes]:
    hashed, size = hashlib.sha256(), 0
    for chunk in chunks:
        hashed.update(chunk)
        size += len(chunk)
        yield chunk
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    packed.append(PackedFile(name=name, media_type=media_type, size=size, sha256=hashed.hexdigest()))


def _manifest(letter: Letter, held: Sequence[HeldCollection], packed: Sequence[PackedFile]) -> Iterator[bytes]:
    yield canonical(
        {
            "request": letter.ref,
            "written_on": letter.written_on.isoformat(),
            "controller": dict(letter.controller),
            "collections": [
                {"name": one.collection, "records": one.rows, "held_and_not_sent": list(one.withheld)} for one in held
            ],
            "files": [vars(one) for one in packed],
        }
    )


def _json(spooled: Spooled, key: bytes) -> Iterator[bytes]:
    opening = b"[\n"
    for record in spooled.records(key):
        yield opening + orjson.dumps(record)
        opening = b",\n"
    yield b"\n]\n" if opening == b",\n" else b"[]\n"


def _csv(spooled: Spooled, key: bytes) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([_cell(name, is_text=True) for name in spooled.columns])
    for record in spooled.records(key):
        writer.writerow([_cell(record.get(name), is_text=name in spooled.texts) for name in spooled.columns])
        if buffer.tell() > 32_768:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _cell(value: Any, *, is_text: bool) -> str:
    text = _show(value)
    return f"'{text}" if is_text and text.startswith(_FORMULA) else text


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else str(value)


_STYLE: Final = """
:root{color-scheme:light dark}
body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif}
table{border-collapse:collapse;font-size:.875rem;display:block;overflow-x:auto}
th,td{padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8885;text-align:left;vertical-align:top}
td{max-width:24rem;overflow-wrap:anywhere}
"""


def _html(letter: Letter, held: Sequence[HeldCollection], spooled: Sequence[Spooled], key: bytes) -> Iterator[bytes]:
    """One page without script or anything fetched; every value is escaped."""
    words = catalogue(letter.language)
    request = words.gettext("request %(ref)s") % {"ref": letter.ref}
    named = words.gettext("The letter is %(file)s.") % {"file": "<code>letter.pdf</code>"}
    head = (
        f'<!doctype html><html lang="{letter.language}"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(letter.title)}, {escape(request)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(letter.title)}</h1><p>{escape(letter.controller['name'])}, {escape(request)}</p>"
        f"<p>{escape(letter.summary)} {named}</p>"
    )
    yield head.encode()
    for section in letter.sections:
        yield _section(section, escape).encode()
    titles = {one.collection: one for one in held}
    for one in spooled:
        yield from _records(titles[one.collection].title, one, key, words)
    yield b"</body></html>\n"


def _section(section: Mapping[str, Any], safe: Callable[[str], str]) -> str:
    parts = [f"<h2>{safe(section['title'])}</h2>"]
    parts += [f"<p>{safe(line)}</p>" for line in section.get("lines", ())]
    if section.get("points"):
        parts.append("<ul>" + "".join(f"<li>{safe(point)}</li>" for point in section["points"]) + "</ul>")
    if table := section.get("table"):
        parts.append(
            "<table><thead><tr>" + "".join(f"<th>{safe(word)}</th>" for word in table["head"]) + "</tr></thead>"
        )
        parts += ["<tr>" + "".join(f"<td>{safe(_show(cell))}</td>" for cell in row) + "</tr>" for row in table["rows"]]
        parts.append("</table>")
    if section.get("note"):
        parts.append(f"<p><small>{safe(section['note'])}</small></p>")
    return "\n".join(parts)


def _records(title: str, spooled: Spooled, key: bytes, words: NullTranslations) -> Iterator[bytes]:
    yield f"<h2>{escape(title)}: {count(spooled.rows)}</h2>".encode()
    if spooled.withheld:
        held = words.gettext("Held, and never sent back: %(names)s.") % {"names": ", ".join(spooled.withheld)}
        yield f"<p><small>{escape(held)}</small></p>".encode()
    if not spooled.rows:
        return
    heads = "".join(f"<th>{escape(name)}</th>" for name in spooled.columns)
    yield f"<table><thead><tr>{heads}</tr></thead><tbody>\n".encode()
    for number, record in enumerate(spooled.records(key)):
        if number == _READABLE_ROWS:
            break
        cells = "".join(f"<td>{escape(_show(record.get(name)))}</td>" for name in spooled.columns)
        yield f"<tr>{cells}</tr>\n".encode()
    yield b"</tbody></table>\n"
    if spooled.rows > _READABLE_ROWS:
        rest, file = count(spooled.rows - _READABLE_ROWS), f"<code>data/{escape(spooled.collection)}.csv</code>"
        more = words.gettext("%(number)s more are in %(file)s.") % {"number": rest, "file": file}
        yield f"<p>{more}</p>".encode()
