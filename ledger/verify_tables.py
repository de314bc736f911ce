"""Verification of the ledger in the control database: one consistent read, in chunks, memory flat whatever its size."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database
from ledger.entries import EntryRow
from ledger.merkle import Node
from ledger.notes import NoteKey
from ledger.tables import CheckpointTable, EntryTable, LeafTable, NodeTable, PendingTable, PrivateTable, RefTable
from ledger.tampering import StoredPair, find_clues
from ledger.verify import LedgerCheck, Verification

CHUNK: Final = 8192
MOST_PAIRS: Final = 256

Row = sa.Row[*tuple[Any, ...]]
CheckpointRow = sa.Row[int, bytes, str]

CHUNK_OF_LEAVES: Final = (
    sa.select(
        LeafTable.position,
        LeafTable.entry_id,
        LeafTable.leaf,
        EntryTable.id,
        EntryTable.at,
        EntryTable.kind,
        EntryTable.actor,
        EntryTable.refs,
        EntryTable.commitment,
        PrivateTable.salt,
        PrivateTable.private,
    )
    .outerjoin(EntryTable, EntryTable.id == LeafTable.entry_id)
    .outerjoin(PrivateTable, PrivateTable.entry_id == LeafTable.entry_id)
    .where(LeafTable.position >= sa.bindparam("start"))
    .order_by(LeafTable.position)
    .limit(CHUNK)
)


def verify_tables(database: Database, key: NoteKey, *, seen: Sequence[str] = ()) -> Verification:
    """Recompute every leaf, the tree, every checkpoint and every commitment still held, and compare."""
    with database.read() as session:
        if database.dialect == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        check = TablesCheck(session, key)
        return check.run(seen)


class TablesCheck:
    """One verification of the tables that a session sees."""

    def __init__(self, session: Session, key: NoteKey) -> None:
        self._session = session
        self._check = LedgerCheck(key)
        self._pairs: list[StoredPair] = []
        self._nodes_wrong: list[tuple[int, int]] = []
        self._present = 0

    def run(self, seen: Sequence[str]) -> Verification:
        heads = self._read_seen(seen)
        self._stream(heads)
        self._name_broken()
        unsettled = self._check_unsettled()
        self._check_leftovers()
        return self._check.finish(unsettled=unsettled)

    def _read_seen(self, seen: Sequence[str]) -> list[tuple[int, str]]:
        """Checkpoints kept elsewhere, by size."""
        heads = []
        for note in seen:
            head = self._check.open_checkpoint(note)
            if head is None:
                self._check.add("A checkpoint that was kept elsewhere is not signed by this ledger's key.")
            else:
                heads.append((head.size, note))
        return sorted(heads)

    def _stream(self, seen: list[tuple[int, str]]) -> None:
        due = self._checkpoints_between(-1, 0)
        self._compare(0, due, seen)
        while rows := self._session.execute(CHUNK_OF_LEAVES, {"start": self._check.next_position}).all():
            before = self._check.next_position
            due = self._checkpoints_between(before, rows[-1].position + 1)
            nodes = self._take_rows(rows, due, seen)
            self._compare_nodes(nodes, before, self._check.next_position)
        for row in self._session.execute(
            sa.select(CheckpointTable.size, CheckpointTable.root, CheckpointTable.note).where(
                CheckpointTable.size > self._check.next_position
            )
        ):
            self._check.take_checkpoint(row.size, row.root, row.note)
        for size, note in seen:
            if size > self._check.next_position and (head := self._check.open_checkpoint(note)):
                self._check.compare_head(head)

    def _checkpoints_between(self, above: int, up_to: int) -> dict[int, CheckpointRow]:
        wanted = sa.select(CheckpointTable.size, CheckpointTable.root, CheckpointTable.note).where(
            CheckpointTable.size > above, CheckpointTable.size <= up_to
        )
        return {row.size: row for row in self._session.execute(wanted)}

    def _compare(self, size: int, due: dict[int, CheckpointRow], seen: list[tuple[int, str]]) -> None:
        if size in due:
            row = due[size]
            self._check.take_checkpoint(row.size, row.root, row.note)
        for known, note in seen:
            if known == size and (head := self._check.open_checkpoint(note)):
                self._check.compare_head(head)

    def _take_rows(self, rows: Sequence[Row], due: dict[int, CheckpointRow], seen: list[tuple[int, str]]) -> list[Node]:
        check, nodes = self._check, []
        compared = {*due, *(size for size, _ in seen)}
        for position, entry_id, leaf, found, at, kind, actor, refs, commitment, salt, private in rows:
            row = None
            if found is not None:
                self._present += 1
                row = EntryRow(id=found, at=at, kind=kind, actor=actor, refs=refs, commitment=commitment)
            nodes += check.take_leaf(position, entry_id, leaf, row)
            if salt is not None and row is not None:
                check.check_private(position, entry_id, commitment, salt, private)
            if position + 1 in compared:
                self._compare(position + 1, due, seen)
        return nodes

    def _compare_nodes(self, computed: list[Node], start: int, end: int) -> None:
        """The nodes that the leaves from `start` to `end` complete, against those that are stored."""
        if not computed:
            return
        stored = {(level, index): value for level, index, value in self._session.execute(_nodes_between(start, end))}
        for node in computed:
            value = stored.get((node.level, node.index))
            if value == node.hash or len(self._nodes_wrong) >= MOST_PAIRS:
                continue
            self._nodes_wrong.append((node.level, node.index))
            if node.level == 1 and value is not None:
                self._pairs.append(StoredPair(index=node.index, hash=value))

    def _name_broken(self) -> None:
        """Where the tree is not the one that was signed, say which entries; where it is, wrong nodes are only that."""
        broken = self._check.broken
        if broken is None:
            for level, index in self._nodes_wrong:
                self._check.add(
                    f"The stored node {index} of level {level} was changed; the entries under it are whole."
                )
            return
        size = self._check.next_position
        if self._pairs:
            for clue in find_clues(self._pairs, size=size, surplus=self._check.surplus, leaf_at=self._leaf_at):
                entry_id = self._entry_at(clue.position)
                words = clue.problem.format(entry=f"Entry {entry_id}" if entry_id else "The entry")
                self._check.add(words, entry_id=entry_id, position=clue.position)

    def _leaf_at(self, position: int) -> bytes | None:
        return self._session.execute(
            sa.select(LeafTable.leaf).where(LeafTable.position == position)
        ).scalar_one_or_none()

    def _entry_at(self, position: int) -> str | None:
        return self._session.execute(
            sa.select(LeafTable.entry_id).where(LeafTable.position == position)
        ).scalar_one_or_none()

    def _check_unsettled(self) -> int:
        """Entries without a leaf wait for a position, or were put in past the ledger; gives how many wait."""
        pending = self._count(sa.select(PendingTable.entry_id))
        here = sa.exists().where(EntryTable.id == PendingTable.entry_id)
        for entry_id in self._session.execute(sa.select(PendingTable.entry_id).where(~here)).scalars():
            pending -= 1
            self._check.add(f"Entry {entry_id} was removed before it had a position.", entry_id=entry_id)
        if self._count(sa.select(EntryTable.id)) != self._present + pending:
            for entry_id in self._find_unplaced():
                self._check.add(
                    f"Entry {entry_id} was inserted past the ledger: it has no position and waits for none.",
                    entry_id=entry_id,
                )
        return pending

    def _find_unplaced(self) -> Iterator[str]:
        placed = sa.exists().where(LeafTable.entry_id == EntryTable.id)
        waits = sa.exists().where(PendingTable.entry_id == EntryTable.id)
        yield from self._session.execute(sa.select(EntryTable.id).where(~placed, ~waits)).scalars()

    def _check_leftovers(self) -> None:
        """Private parts and refs of entries that are nowhere: such an entry was taken away with its leaf."""
        gone: set[str] = set()
        for column in (PrivateTable.entry_id, RefTable.entry_id):
            here = sa.exists().where(EntryTable.id == column)
            settled = sa.exists().where(LeafTable.entry_id == column)
            waits = sa.exists().where(PendingTable.entry_id == column)
            gone.update(
                self._session.execute(sa.select(column).where(~here, ~settled, ~waits).limit(MOST_PAIRS)).scalars()
            )
        for entry_id in sorted(gone):
            self._check.add(f"Entry {entry_id} was removed together with its leaf.", entry_id=entry_id)

    def _count(self, wanted: sa.Select[*tuple[Any, ...]]) -> int:
        return self._session.execute(sa.select(sa.func.count()).select_from(wanted.subquery())).scalar_one()


def _nodes_between(start: int, end: int) -> sa.Executable:
    """Level by level, so that each part is a range of the primary key."""
    parts = [
        sa.select(NodeTable.level, NodeTable.idx, NodeTable.hash).where(
            NodeTable.level == level, NodeTable.idx >= start >> level, NodeTable.idx < end >> level
        )
        for level in range(1, end.bit_length())
        if start >> level < end >> level
    ]
    return sa.union_all(*parts)
