"""Whether the log still holds what it last signed: its newest head lies in a file beside the database, and is compared.

A database that was put back from yesterday knows nothing of today's checkpoints. Whoever went on with it would sign a log that
contradicts them, so nothing is recorded or signed until a person says why, and that is recorded."""

import os
import tempfile
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import CheckFailed, WaitsForPerson
from ledger.checkpoints import REMEDY, Checkpoint, read_latest, stored_nodes
from ledger.merkle import load_frontier
from ledger.notes import NoteRefused, TreeHead, head_inside
from ledger.signing import terms
from ledger.succession import epoch_of
from ledger.tables import LeafTable

HEAD: Final = "ledger.head"  # in `var/`


class LedgerBehindError(WaitsForPerson):
    """The log does not hold what it signed: it was put back, or another log signs with its key."""


class Standing:
    """The file with the newest head, and the comparison of heads with the stored tree. `path` None: there is no file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> str | None:
        """The note in the file, None where there is none."""
        try:
            return self._path.read_text(encoding="utf-8") if self._path else None
        except FileNotFoundError:
            return None

    def require(self, session: Session) -> None:
        """Refuse a log that is behind the file, or another one. Raises LedgerBehindError."""
        note = self.read()
        if note is None:
            return
        try:
            head = head_inside(note)
        except NoteRefused as error:
            raise CheckFailed(f"{self._path} holds no checkpoint.", remedy="Somebody changed it. " + REMEDY) from error
        trouble = contradiction(session, head)
        if trouble:
            raise LedgerBehindError(
                trouble,
                remedy="If the database was put back from a backup, say why: `kept ledger accept-rollback --reason TEXT`.",
            )

    def note(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint as the newest, unless the file has a larger one of the same name."""
        if self._path is None:
            return
        known = self.read()
        if known == checkpoint.note:
            return
        if known is not None:
            head = head_inside(known)
            if epoch_of(head.origin) == epoch_of(head_inside(checkpoint.note).origin) and head.size >= checkpoint.size:
                return
        self.write(checkpoint.note)

    def write(self, note: str) -> None:
        """Put a note into the file, whole or not at all."""
        if self._path is None:
            return
        handle, draft = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(self._path)


def contradiction(session: Session, head: TreeHead) -> str:
    """What is wrong between the stored log and a head that it once signed; empty where the head is its beginning, or where a
    rollback that somebody accounted for gave it up."""
    if is_given_up(session, head):
        return ""
    latest = read_latest(session)
    size = latest.size if latest else 0
    if head.size > size:
        return (
            f"The ledger ends after {size} entries, and a checkpoint over {head.size} was signed: it was rolled back."
        )
    if root_at(session, head.size) != head.root:
        return f"The ledger's first {head.size} entries are others than those that a signed checkpoint is over."
    return ""


def root_at(session: Session, size: int) -> bytes:
    """The root over the first entries of the stored tree."""
    return load_frontier(size, stored_nodes(session)).root()


def is_given_up(session: Session, head: TreeHead) -> bool:
    """Whether a head is one of those that a later rollback accounts for."""
    epoch = epoch_of(head.origin)
    return any(
        term.kept_size < head.size <= term.lost_size
        for term in terms(session)
        if term.kind == "rolled_back"
        and term.epoch > epoch
        and term.kept_size is not None
        and term.lost_size is not None
    )


def leaf_count(session: Session) -> int:
    """How many entries have a position."""
    top = session.execute(sa.select(sa.func.max(LeafTable.position))).scalar_one_or_none()
    return 0 if top is None else top + 1
