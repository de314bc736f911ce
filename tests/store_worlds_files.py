"""Files of every format and packing with requests in them, for the contract suite and the tests of files."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import zstandard

from stores.contract import Store
from stores.files import FilesStore
from tests.store_worlds import FixedClock, zulu

COLUMNS = ("id", "user_id", "ts", "note")


def pack(data: bytes, ending: str) -> bytes:
    """As a file of this ending holds it."""
    if ending.endswith(".gz"):
        return gzip.compress(data, 1)
    return zstandard.ZstdCompressor().compress(data) if ending.endswith(".zst") else data


def unpack(data: bytes) -> bytes:
    """By other means than the store's."""
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return reader.read()


def csv_bytes(rows: Iterable[Mapping[str, Any]], *, header: bool = True) -> bytes:
    """With a header, CRLF, null as nothing and the empty text in quotes."""
    lines = [",".join(COLUMNS)] if header else []
    for row in rows:
        fields = (row.get(name) for name in COLUMNS)
        lines.append(",".join("" if one is None else '"' + str(one).replace('"', '""') + '"' for one in fields))
    return "".join(line + "\r\n" for line in lines).encode()


class OtherFilesWorld:
    """A file a day as in FilesWorld, of another ending."""

    def __init__(self, folder: Path, ending: str) -> None:
        self.root = folder / "logs"
        self.root.mkdir()
        self.ending = ending
        self.at = f"requests-*{ending}"
        self.store: Store = FilesStore("request-files", self.root, clock=FixedClock())

    def file(self, instant: datetime | None) -> Path:
        return self.root / f"requests-{instant.date().isoformat() if instant else 'undated'}{self.ending}"

    def read(self, path: Path) -> list[dict[str, Any]]:
        text = unpack(path.read_bytes()).decode() if path.exists() else ""
        if ".csv" not in self.ending:
            return [json.loads(line) for line in text.splitlines()]
        return [{**row, "id": int(row["id"])} for row in csv.DictReader(io.StringIO(text, newline=""))]

    def put(self, rows: Iterable[Mapping[str, Any]]) -> None:
        files: dict[Path, list[Mapping[str, Any]]] = {}
        for row in rows:
            files.setdefault(self.file(row["ts"]), []).append({**row, "ts": zulu(row["ts"])})
        for path, added in files.items():
            if ".csv" in self.ending:
                data = csv_bytes(added, header=not path.exists())
            else:
                data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in added).encode()
            with path.open("ab") as file:
                file.write(pack(data, self.ending))

    def set_time(self, row_id: int, instant: datetime) -> None:
        for path in self.root.glob(self.at):
            rows = [row | ({"ts": zulu(instant)} if row["id"] == row_id else {}) for row in self.read(path)]
            lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
            path.write_bytes(pack(csv_bytes(rows) if ".csv" in self.ending else lines, self.ending))

    def ids(self) -> list[int]:
        return sorted(row["id"] for path in self.root.glob(self.at) for row in self.read(path))

    def break_off(self) -> None:
        self.root.rename(self.root.with_name("gone"))
