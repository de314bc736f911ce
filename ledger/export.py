"""The ledger as a file, and its verification without a database: JSON lines of entries, leaves and signed checkpoints.

The first line names the format, the key and the latest checkpoint; each entry follows in the order of positions with
its leaf, and each checkpoint right behind the last entry it covers. Salts and private parts are not in the file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import BadInput, WaitsForPerson
from ledger.checkpoints import Checkpoint, read_latest
from ledger.entries import EntryRow
from ledger.notes import NoteKey, NoteRefused, TreeHead, head_inside, parse_key
from ledger.succession import KINDS, Succession, SuccessionReader
from ledger.tables import CheckpointTable, EntryTable, LeafTable
from ledger.verify import LedgerCheck, Verification

FORMAT: Final = "kept-ledger-export/1"
VERIFIER: Final = "verify_kept.py"
CHUNK: Final = 8192
LONGEST_LINE: Final = 1 << 20
_MARKS: Final = tuple(f'"{kind}"'.encode() for kind in KINDS)
COLUMNS: Final = ("id", "at", "kind", "actor", "refs", "commitment")


def write_export(database: Database, key: NoteKey, path: Path) -> int:
    """Write everything under the latest checkpoint; gives the number of entries. An existing file is never written over."""
    with database.read() as session:
        latest = read_latest(session)
        if latest is None:
            raise WaitsForPerson(
                "The ledger has no checkpoint yet.", remedy="Run any command that records, then export."
            )
        try:
            with path.open("xb") as file:
                return _write(file, session, key, latest)
        except FileExistsError as error:
            raise BadInput(f"{path} is there already.", remedy="Name a file that does not exist.") from error


def _write(file: BinaryIO, session: Session, key: NoteKey, latest: Checkpoint) -> int:
    _write_line(file, {"format": FORMAT, "key": str(key), "checkpoint": latest.note})
    written = 0
    while written < latest.size:
        rows = session.execute(_chunk(written, latest.size)).all()
        if not rows:
            break
        due = _checkpoints(session, written, rows[-1].position + 1)
        for row in rows:
            entry = {name: getattr(row, name) for name in COLUMNS} | {"refs": orjson.Fragment(row.refs)}
            _write_line(file, {"position": row.position, "leaf": row.leaf.hex(), "entry": entry})
            written = row.position + 1
            if written in due:
                _write_line(file, {"checkpoint": due[written]})
    return written


def _chunk(start: int, end: int) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(LeafTable.position, LeafTable.leaf, *EntryTable.__table__.columns)
        .join(EntryTable, EntryTable.id == LeafTable.entry_id)
        .where(LeafTable.position >= start, LeafTable.position < end)
        .order_by(LeafTable.position)
        .limit(CHUNK)
    )


def _checkpoints(session: Session, above: int, up_to: int) -> dict[int, str]:
    wanted = sa.select(CheckpointTable.size, CheckpointTable.note)
    wanted = wanted.where(CheckpointTable.size > above, CheckpointTable.size <= up_to)
    return {row.size: row.note for row in session.execute(wanted)}


def _write_line(file: BinaryIO, value: dict[str, Any]) -> None:
    file.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))


def write_verifier(folder: Path) -> Path:
    """Put the program that checks an export without Kept into a folder; gives its path."""
    path = folder / VERIFIER
    path.write_bytes(verifier())
    return path


def verifier() -> bytes:
    """The program itself."""
    return Path(__file__).with_name("standalone.py").read_bytes()


def verify_file(path: Path, *, key: str | None = None, seen: Sequence[str] = ()) -> Verification:
    """Check an exported ledger. Without `key` (its public form) the file's own is used, and `Verification.key` names it:
    whether that key is the log's, a person compares. Raises BadInput for a file that is no export."""
    lines = _read_lines(path)
    head = next(lines, (1, {}))[1]
    if head.get("format") != FORMAT or not isinstance(head.get("checkpoint"), str):
        raise BadInput(f"{path} is no exported ledger.", remedy="Make one with 'kept ledger export'.")
    check = LedgerCheck(parse_key(key or str(head.get("key", ""))), _succession(path))
    wanted = _wanted(check, seen)
    for number, line in lines:
        try:
            _take_line(check, line)
            for kept in wanted.pop(check.next_position, []) if "entry" in line else []:
                check.compare_head(kept)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{path}: line {number} is neither an entry nor a checkpoint.") from error
    for kept in [one for heads in wanted.values() for one in heads]:
        check.compare_head(kept)
    latest = check.open_checkpoint(head["checkpoint"], elsewhere=True)
    if latest is None:
        check.add("The checkpoint in the first line is not signed by the key.")
    else:
        check.compare_head(latest)
    return check.finish()


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                value = orjson.loads(line)
                if not isinstance(value, dict):
                    raise BadInput(f"{path}: line {number} is no JSON object.")
                yield number, value
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{path}: line {number} is not JSON.", remedy="The file was cut or damaged.") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def _wanted(check: LedgerCheck, seen: Sequence[str]) -> dict[int, list[TreeHead]]:
    """Checkpoints kept elsewhere, by size."""
    wanted: dict[int, list[TreeHead]] = {}
    for note in seen:
        head = check.open_checkpoint(note, elsewhere=True)
        if head is None:
            check.add("A checkpoint that was kept elsewhere is not signed by the key.")
        elif not check.is_given_up(head):
            wanted.setdefault(head.size, []).append(head)
    return wanted


def _succession(path: Path) -> Succession:
    """What the entries say of keys and rollbacks; a first, quick pass over the file."""
    reader = SuccessionReader()
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            if not any(mark in line for mark in _MARKS):
                continue
            try:
                value = orjson.loads(line)
                row = _row(value["entry"])
                reader.take(int(value["position"]), row)
            except (KeyError, TypeError, ValueError):
                continue  # the second pass says what is wrong with it
    return reader.done()


def _take_line(check: LedgerCheck, line: dict[str, Any]) -> None:
    if "entry" not in line:
        _take_checkpoint(check, line["checkpoint"])
        return
    row = _row(line["entry"])
    check.take_leaf(int(line["position"]), row.id, bytes.fromhex(line["leaf"]), row)


def _row(entry: dict[str, Any]) -> EntryRow:
    if sorted(entry) != sorted(COLUMNS):
        raise ValueError("an entry has exactly the six columns")
    texts = {name: str(entry[name]) for name in COLUMNS if name != "refs"}
    return EntryRow(**texts, refs=orjson.dumps(entry["refs"]).decode())


def _take_checkpoint(check: LedgerCheck, note: str) -> None:
    try:
        said = head_inside(note)
    except NoteRefused:
        check.add(f"A checkpoint after position {check.next_position - 1} is no checkpoint.")
    else:
        check.take_checkpoint(said.size, said.root, note)
