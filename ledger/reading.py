"""Reading entries from their tables: as values for people, and with the proof that each is in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import parse_iso
from ledger.checkpoints import Checkpoint, stored_nodes
from ledger.entries import EntryRow, LedgerEntry, canonical_entry
from ledger.merkle import inclusion_proof
from ledger.notes import Proof, write_proof
from ledger.tables import EntryTable, PrivateTable, RefTable

CHUNK: Final = 500  # numbers in one statement

Row = sa.Row[*tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class EntryProof:
    """That an entry is in the ledger: its position, the canonical entry that the leaf is made of, the proof file's text."""

    entry_id: str
    position: int
    entry: str
    text: str


def select_entries(
    position: sa.ColumnElement[Any] | Any, ref: str | None, kind: str | None
) -> sa.Select[*tuple[Any, ...]]:
    """Entries with what is left of their private part; `position` is what their place is taken from."""
    wanted = (
        sa.select(*EntryTable.__table__.columns, sa.label("position", position), PrivateTable.private)
        .select_from(EntryTable)
        .outerjoin(PrivateTable, PrivateTable.entry_id == EntryTable.id)
    )
    if ref is not None:
        wanted = wanted.join(RefTable, RefTable.entry_id == EntryTable.id).where(RefTable.ref == ref)
    return wanted if kind is None else wanted.where(EntryTable.kind == kind)


def read_entry(row: Row) -> LedgerEntry:
    """A row of `select_entries` as a value."""
    return LedgerEntry(
        id=row.id,
        at=parse_iso(row.at),
        kind=row.kind,
        actor=row.actor,
        refs=tuple(orjson.loads(row.refs)),
        commitment=row.commitment,
        position=row.position,
        private=None if row.private is None else orjson.loads(row.private),
    )


def prove_rows(session: Session, rows: Sequence[Row], latest: Checkpoint) -> list[EntryProof]:
    """The proof of each row of `select_entries`, under a checkpoint that covers it."""
    node_at = stored_nodes(session)
    return [_prove(row, latest, inclusion_proof(row.position, latest.size, node_at)) for row in rows]


def _prove(row: Row, latest: Checkpoint, hashes: Sequence[bytes]) -> EntryProof:
    entry = EntryRow(id=row.id, at=row.at, kind=row.kind, actor=row.actor, refs=row.refs, commitment=row.commitment)
    text = write_proof(Proof(index=row.position, hashes=tuple(hashes), checkpoint=latest.note))
    return EntryProof(entry_id=row.id, position=row.position, entry=canonical_entry(entry).decode(), text=text)


def batched_positions(positions: Sequence[int]) -> Iterator[Sequence[int]]:
    """Positions in pieces that fit into one statement."""
    return (positions[start : start + CHUNK] for start in range(0, len(positions), CHUNK))
