"""The files inside a package: each collection as JSON, CSV and a schema, one readable page, the letter, the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import orjson

from core.settings import CollectionSettings
from dsr.answers import HeldCollection, Letter
from dsr.package_page import write_page
from dsr.package_records import Cleaner, Packed, RecordFiles, even_lines
from dsr.zip_file import Member, MemberWriter, plain_bytes, write_archive

FORMAT: Final = "kept-package-2"
# Three files of one collection are written at a time, while those of the one before may not be through.
_THREADS: Final = 6
_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "schema.json": "application/schema+json",
    "json": "application/json",
    "csv": "text/csv",
    "html": "text/html",
    "pdf": "application/pdf",
}
# By the Python type of a value: how it stands in JSON.
_KINDS: Final[Mapping[type, Mapping[str, str]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    list: {"type": "array"},
    dict: {"type": "object"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    Decimal: {"type": "string", "pattern": r"^-?[0-9.]+([eE][+-]?[0-9]+)?$"},
    bytes: {"type": "string", "contentEncoding": "base64"},
}


@dataclass(frozen=True, kw_only=True)
class PackedFile:
    """One line of the manifest; `sha256` of the plain bytes."""

    name: str
    media_type: str
    size: int
    sha256: str


class Packing:
    """Makes the files of one package in a folder of its own, which goes at the end of the block whatever happened."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="packing")
        self._open: list[MemberWriter] = []
        self._made = 0

    def __enter__(self) -> Packing:
        self._folder.mkdir(parents=True, mode=0o700)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open:
            writer.abandon()
        self._threads.shutdown(wait=True)
        shutil.rmtree(self._folder)

    def pack(
        self,
        collection: CollectionSettings,
        batches: Iterable[Sequence[Mapping[str, Any]]],
        cleaner: Cleaner,
        *,
        without: frozenset[str] = frozenset(),
        numbers: frozenset[str] = frozenset(),
    ) -> Packed:
        """Read the batches of one collection to their end into its files. Memory holds a few batches."""
        name = collection.id
        writers = (self._begin(f"data/{name}.json"), self._begin(f"data/{name}.csv"), self._begin("part of the page"))
        files = RecordFiles(collection, writers, cleaner, without=without, numbers=numbers)
        for batch in batches:
            files.take(batch)
        packed = files.close()
        return self._even(packed) if files.is_ragged else packed

    def archive(
        self,
        *,
        letter: Letter,
        letter_pdf: bytes,
        held: Sequence[HeldCollection],
        packed: Sequence[Packed],
        collections: Mapping[str, CollectionSettings],
        at: datetime,
    ) -> tuple[Iterator[bytes], list[PackedFile]]:
        """The ZIP as a stream, and its files as the manifest has them. What is read first stands first; a collection without
        a record has no files, the manifest names it."""
        titles = {one.collection: one.title for one in held}
        members = [
            self._write("index.html", write_page(letter, held, packed, self._key)),
            self._write("letter.pdf", [letter_pdf]),
        ]
        for one in (one for one in packed if one.rows):
            schema = schema_of(one, collections[one.collection], titles[one.collection])
            described = self._write(f"data/{one.collection}.schema.json", [_dump(schema)])
            members += [one.json.whole(), described, one.csv.whole()]
            one.readable.whole().path.unlink()
        files = [_line(member) for member in members]
        members.append(self._write("manifest.json", [_manifest(letter, held, files)]))
        return write_archive(members, self._key, at=at), files

    def _begin(self, name: str) -> MemberWriter:
        self._made += 1
        writer = MemberWriter(name, self._folder / f"{self._made}.member", self._key, self._threads)
        self._open.append(writer)
        return writer

    def _write(self, name: str, pieces: Iterable[bytes]) -> Member:
        return self._written(name, pieces).whole()

    def _written(self, name: str, pieces: Iterable[bytes]) -> MemberWriter:
        writer = self._begin(name)
        for piece in pieces:
            writer.write(piece)
        writer.close()
        return writer

    def _even(self, packed: Packed) -> Packed:
        ragged = packed.csv.whole()
        lines = even_lines(plain_bytes(ragged, self._key), tuple(packed.columns))
        even = self._written(ragged.name, lines)
        ragged.path.unlink()
        return replace(packed, csv=even)


def schema_of(packed: Packed, collection: CollectionSettings, title: str) -> dict[str, Any]:
    """The JSON Schema of one file: what was in it, with what the data map says of each field."""
    properties = {}
    for name, kinds in packed.columns.items():
        settings = collection.fields.get(name)
        described = {"description": f"Fideslang {settings.fideslang}"} if settings and settings.fideslang else {}
        properties[name] = {**_kind(kinds), **described}
    return {
        "$schema": _SCHEMA,
        "title": title,
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": sorted(packed.always),
            "additionalProperties": False,
        },
    }


def _kind(kinds: Iterable[type]) -> dict[str, Any]:
    known = [dict(_KINDS.get(kind, {"type": "string"})) for kind in kinds]
    if int in kinds:
        known.append({"type": "string"})  # numbers that JSON cannot hold exactly are text
    names = sorted({one["type"] for one in known})
    more = {key: value for one in known for key, value in one.items() if key != "type"}
    if len({kind for kind in kinds if kind is not type(None)}) > 1:
        more = {}
    return {"type": names[0] if len(names) == 1 else names, **more}


def _line(member: Member) -> PackedFile:
    ending = next(ending for ending in MEDIA_TYPES if member.name.endswith(f".{ending}"))
    return PackedFile(name=member.name, media_type=MEDIA_TYPES[ending], size=member.size, sha256=member.sha256)


def _manifest(letter: Letter, held: Sequence[HeldCollection], files: Sequence[PackedFile]) -> bytes:
    return _dump(
        {
            "format": FORMAT,
            "request": letter.ref,
            "written_on": letter.written_on.isoformat(),
            "language": letter.language,
            "controller": dict(letter.controller),
            "collections": [
                {
                    "name": one.collection,
                    "title": one.title,
                    "records": one.rows,
                    "held_and_not_sent": list(one.withheld),
                    "left_out": sorted(one.left_out),
                    "files": {kind: f"data/{one.collection}.{kind}" for kind in ("json", "csv", "schema.json")},
                }
                for one in held
                if one.rows
            ],
            "nothing_held": [{"name": one.collection, "title": one.title} for one in held if not one.rows],
            "files": [vars(one) for one in files],
        }
    )


def _dump(value: Any) -> bytes:
    """Canonical JSON of what holds no fractions: quicker than by the rules in full."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
