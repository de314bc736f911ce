"""Verification of the ledger in the control database: one consistent read, in chunks, memory flat whatever its size."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database
from ledger.agreement import Agreement, Extra, disagreements
from ledger.entries import EntryRow, commitment_of, plain_columns
from ledger.merkle import Completed
from ledger.notes import NoteKey
from ledger.standing import leaf_count
from ledger.succession import KINDS, Succession, read_succession
from ledger.tables import (
    CheckpointTable,
    EntryTable,
    LeafTable,
    PendingTable,
    PrivateTable,
    RefTable,
)
from ledger.tampering import StoredPair, find_clues
from ledger.verify import LedgerCheck, Progress, Verification

CHUNK: Final = 8192
MOST_PAIRS: Final = 256

Row = tuple[int, str, bytes, str, str, str, str, str, str, bytes | None, str | None]
CheckpointRow = sa.Row[int, bytes, str]

# As text, so that what the driver gives is taken as it is: an entry of millions costs one tuple and nothing around it.
CHUNK_OF_LEAVES: Final = sa.text(
    """
    SELECT l.position, l.entry_id, l.leaf, e.id, e.at, e.kind, e.actor, e.refs, e.commitment, p.salt, p.private
    FROM ledger_leaves l LEFT JOIN ledger_entries e ON e.id = l.entry_id
    LEFT JOIN ledger_private p ON p.entry_id = l.entry_id
    WHERE l.position >= :start ORDER BY l.position LIMIT :most
    """
)


def verify_tables(
    database: Database,
    key: NoteKey,
    *,
    seen: Sequence[str] = (),
    agreements: Sequence[Agreement] = (),
    extras: Sequence[Extra] = (),
    on_progress: Progress | None = None,
) -> Verification:
    """Recompute every leaf, the tree, every checkpoint and every commitment still held, and compare; then what the tables of
    other rooms say against it."""
    with database.read() as session:
        if database.dialect == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        check = TablesCheck(session, key, on_progress)
        return check.run(seen, agreements, extras)


class TablesCheck:
    """One verification of the tables that a session sees."""

    def __init__(self, session: Session, key: NoteKey, on_progress: Progress | None = None) -> None:
        self._session = session
        self._check = LedgerCheck(key, _succession(session))
        self._on_progress = on_progress
        self._pairs: list[StoredPair] = []
        self._nodes_wrong: list[tuple[int, int]] = []
        self._present = 0

    def run(
        self, seen: Sequence[str], agreements: Sequence[Agreement] = (), extras: Sequence[Extra] = ()
    ) -> Verification:
        heads = self._read_seen(seen)
        self._stream(heads)
        self._name_broken()
        unsettled = self._check_unsettled()
        self._check_leftovers()
        for one in disagreements(self._session, agreements, extras):
            self._check.add(one.problem, entry_id=one.entry_id)
        return self._check.finish(unsettled=unsettled)

    def _read_seen(self, seen: Sequence[str]) -> list[tuple[int, str]]:
        """Checkpoints kept elsewhere, by size."""
        heads = []
        for note in seen:
            head = self._check.open_checkpoint(note, elsewhere=True)
            if head is None:
                self._check.add("A checkpoint that was kept elsewhere is not signed by this ledger's key.")
            elif not self._check.is_given_up(head):
                heads.append((head.size, note))
        return sorted(heads)

    def _stream(self, seen: list[tuple[int, str]]) -> None:
        due = self._checkpoints_between(-1, 0)
        self._compare(0, due, seen)
        total = leaf_count(self._session) if self._on_progress else 0
        while rows := self._next_rows():
            before = self._check.next_position
            due = self._checkpoints_between(before, rows[-1][0] + 1)
            self._check_rows(rows)
            nodes = self._place_rows(rows, due, seen)
            self._compare_nodes(nodes, before, self._check.next_position)
            if self._on_progress:
                self._on_progress(self._check.next_position, total)
        for row in self._session.execute(
            sa.select(CheckpointTable.size, CheckpointTable.root, CheckpointTable.note).where(
                CheckpointTable.size > self._check.next_position
            )
        ):
            self._check.take_checkpoint(row.size, row.root, row.note)
        for size, note in seen:
            if size > self._check.next_position and (head := self._check.open_checkpoint(note, elsewhere=True)):
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
            if known == size and (head := self._check.open_checkpoint(note, elsewhere=True)):
                self._check.compare_head(head)

    def _next_rows(self) -> list[Row]:
        return self._fetch(CHUNK_OF_LEAVES, {"start": self._check.next_position, "most": CHUNK})

    def _fetch(self, statement: sa.Executable, values: Mapping[str, int]) -> list[Any]:
        """The driver's own tuples."""
        result = self._session.connection().execute(statement, values)
        assert result.cursor is not None  # a SELECT
        try:
            return list(result.cursor.fetchall())
        finally:
            result.close()

    def _check_rows(self, rows: Sequence[Row]) -> None:
        """Each entry against its leaf, and what is left of its private part against the entry."""
        check = self._check
        for position, entry_id, leaf, found, at, kind, actor, refs, commitment, salt, private in rows:
            if found is None:
                check.check_entry(position, entry_id, leaf, None)
                continue
            self._present += 1
            content = plain_columns(found, at, kind, actor, refs, commitment)
            if sha256(b"\x00" + content).digest() != leaf or entry_id != found:
                row = EntryRow(id=found, at=at, kind=kind, actor=actor, refs=refs, commitment=commitment)
                check.check_entry(position, entry_id, leaf, row)
            if salt is None or private is None:
                continue
            if commitment_of(salt, private.encode()) != commitment:
                check.note_private(position, entry_id)

    def _place_rows(
        self, rows: Sequence[Row], due: dict[int, CheckpointRow], seen: list[tuple[int, str]]
    ) -> list[Completed]:
        """The leaves into the tree, and the checkpoints where the tree has their size; gives the nodes that were completed."""
        check, nodes = self._check, list[Completed]()
        compared = sorted({*due, *(size for size, _ in seen)})
        first, end = rows[0][0], rows[-1][0] + 1
        if not check.is_next(first, end - 1, len(rows)):
            for row in rows:
                nodes += check.place_leaf(row[0], row[1], row[2])
                if row[0] + 1 in compared:
                    self._compare(row[0] + 1, due, seen)
            return nodes
        leaves, start = [row[2] for row in rows], first
        for size in [one for one in compared if first < one <= end]:
            nodes += check.place_leaves(leaves[start - first : size - first])
            self._compare(size, due, seen)
            start = size
        return nodes + check.place_leaves(leaves[start - first :])

    def _compare_nodes(self, computed: list[Completed], start: int, end: int) -> None:
        """The nodes that the leaves from `start` to `end` complete, against those that are stored."""
        if not computed:
            return
        found = self._fetch(_nodes_between(start, end), {})
        if sorted(found) == sorted(computed):
            return
        stored = {(level, index): value for level, index, value in found}
        for level, index, hashed in computed:
            value = stored.get((level, index))
            if value == hashed or len(self._nodes_wrong) >= MOST_PAIRS:
                continue
            self._nodes_wrong.append((level, index))
            if level == 1 and value is not None:
                self._pairs.append(StoredPair(index=index, hash=value))

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


def _succession(session: Session) -> Succession:
    """What the entries say of keys and rollbacks; they are read before all others, and again with them."""
    table = EntryTable.__table__
    named = sa.select(EntryTable.id).where(EntryTable.kind.in_(KINDS))
    wanted = (
        sa.select(LeafTable.position, *table.columns)
        .join(LeafTable, LeafTable.entry_id == EntryTable.id)
        .where(LeafTable.entry_id.in_(named))
        .order_by(LeafTable.position)
    )
    rows = session.execute(wanted)
    return read_succession(
        (row.position, EntryRow(**{column.name: getattr(row, column.name) for column in table.columns})) for row in rows
    )


def _nodes_between(start: int, end: int) -> sa.Executable:
    """Level by level, so that each part is a range of the primary key."""
    parts = [
        f"SELECT level, idx, hash FROM ledger_nodes WHERE level = {level} "  # noqa: S608  numbers, and ours
        f"AND idx >= {start >> level} AND idx < {end >> level}"
        for level in range(1, end.bit_length())
        if start >> level < end >> level
    ]
    return sa.text(" UNION ALL ".join(parts))
