"""Proofs as files for somebody outside: each `.tlog-proof` with its entry, all of them in one, and the program that checks them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.export import VERIFIER, verifier, write_verifier
from ledger.reading import EntryProof

FORMAT: Final = "kept-proofs/1"


def proofs_json(ref: str, key: str, proofs: Sequence[EntryProof]) -> bytes:
    """All proofs about an id as one JSON document, which the standalone verifier takes."""
    entries: list[dict[str, Any]] = [
        {"id": one.entry_id, "position": one.position, "entry": one.entry, "proof": one.text} for one in proofs
    ]
    document = {"format": FORMAT, "ref": ref, "key": key, "entries": entries}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def proof_archive(entries: Sequence[Mapping[str, Any]], more: Mapping[str, bytes]) -> bytes:
    """A ZIP of proofs as `proofs_json` lists them: each `.tlog-proof` with its entry, the files in `more`, the program that
    checks them. The same content gives the same bytes."""
    files = {f"{one['position']:012d}.tlog-proof": str(one["proof"]).encode() for one in entries}
    files |= {f"{one['position']:012d}.json": str(one["entry"]).encode() for one in entries}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({**files, **more, VERIFIER: verifier()}.items()):
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def write_proof_files(folder: Path, ref: str, key: str, proofs: Sequence[EntryProof]) -> None:
    """Write them to a folder, which is made; files that are there are written over."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in proofs:
        name = f"{one.position:012d}"
        (folder / f"{name}.tlog-proof").write_text(one.text, encoding="utf-8")
        (folder / f"{name}.json").write_text(one.entry, encoding="utf-8")
    (folder / "proofs.json").write_bytes(proofs_json(ref, key, proofs))
    write_verifier(folder)
