"""Checking a ledger as it streams by: leaves against entries, the tree against every checkpoint, commitments."""

from dataclasses import dataclass
from typing import Final

from ledger.entries import EntryRow, commitment_of, entry_leaf
from ledger.merkle import Frontier, Node
from ledger.notes import NoteKey, NoteRefused, TreeHead, head_inside, open_note, read_tree_head

MOST_FINDINGS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was recorded; entry and position where they are known."""

    entry_id: str | None
    position: int | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a verification saw: settled entries, the root over them, checkpoints, findings, entries still without a position."""

    size: int
    root_hex: str
    checkpoints: int
    findings: tuple[Finding, ...]
    unsettled: int
    key: str

    @property
    def ok(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A settled entry that does not hash to its stored leaf."""

    position: int
    entry_id: str
    stored: bytes
    found: bytes


@dataclass(frozen=True, kw_only=True)
class BrokenStretch:
    """The tree held up to `start` leaves and no longer leads to the checkpoint over `end`."""

    start: int
    end: int


class LedgerCheck:
    """Takes leaves in the order of positions, and checkpoints when the tree has their size; collects findings."""

    def __init__(self, key: NoteKey) -> None:
        self.frontier = Frontier()
        self.next_position = 0
        self.leaves = 0
        self.checkpoints = 0
        self.broken: BrokenStretch | None = None
        self._key = key
        self._whole = True
        self._held_up_to = 0
        self._top = 0
        self._mismatches: list[Mismatch] = []
        self._findings: list[Finding] = []
        self._unnamed = 0

    def add(self, problem: str, *, entry_id: str | None = None, position: int | None = None) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(Finding(entry_id=entry_id, position=position, problem=problem))
        else:
            self._unnamed += 1

    @property
    def surplus(self) -> int:
        """How many more positions there are than the largest signed checkpoint covers."""
        return self.next_position - self._top

    def take_leaf(self, position: int, entry_id: str, stored: bytes, row: EntryRow | None) -> list[Node]:
        """One settled entry and its stored leaf; `row` is None when the entry is gone. Gives the nodes the leaf completes."""
        if position != self.next_position:
            self._note_gap(position, entry_id)
        self.next_position = position + 1
        self.leaves += 1
        if row is None:
            self.add(
                f"Entry {entry_id} at position {position} was removed after it was recorded.",
                entry_id=entry_id,
                position=position,
            )
        elif (found := entry_leaf(row)) != stored:
            self._note_mismatch(Mismatch(position, entry_id, stored, found))
        return self.frontier.append(stored) if self._whole else []

    def _note_gap(self, position: int, entry_id: str) -> None:
        self._whole = False
        missing = range(self.next_position, position)
        if not missing:
            self.add(f"Entry {entry_id} at position {position} is out of order.", entry_id=entry_id, position=position)
        elif len(missing) == 1:
            self.add(f"The entry at position {missing[0]} was removed after it was recorded.", position=missing[0])
        else:
            self.add(
                f"The entries at positions {missing[0]} to {missing[-1]} were removed after they were recorded.",
                position=missing[0],
            )

    def _note_mismatch(self, mismatch: Mismatch) -> None:
        if len(self._mismatches) < MOST_FINDINGS:
            self._mismatches.append(mismatch)
        else:
            self._unnamed += 1

    def check_private(self, position: int, entry_id: str, commitment: str, salt: bytes, private: str) -> None:
        """The private part of an entry against the commitment that the entry holds."""
        if commitment_of(salt, private.encode()) != commitment:
            self.add(
                f"The private part of entry {entry_id} at position {position} was changed after it was recorded.",
                entry_id=entry_id,
                position=position,
            )

    def take_checkpoint(self, size: int, root: bytes, note: str) -> None:
        """A stored checkpoint, when the tree has its size, or in any order when the tree no longer gets there."""
        self.checkpoints += 1
        head = self.open_checkpoint(note)
        if head is None:
            self.add(f"The checkpoint over {size} entries is not signed by this ledger's key.", position=size)
            return
        if (head.size, head.root) != (size, root):
            self.add(f"The checkpoint over {size} entries says otherwise in its signed note.", position=size)
        self.compare_head(head)

    def open_checkpoint(self, note: str) -> TreeHead | None:
        """What a checkpoint says, if the key signed it under whatever origin the ledger had then."""
        try:
            key = NoteKey(name=head_inside(note).origin, public=self._key.public)
            return read_tree_head(open_note(note, [key]))
        except NoteRefused:
            return None

    def compare_head(self, head: TreeHead) -> None:
        """A signed head against the tree: the same root while the sizes are the same; too large is told at the end."""
        self._top = max(self._top, head.size)
        if head.size != self.frontier.size or not self._whole or self.broken:
            return
        if head.root == self.frontier.root():
            self._held_up_to = head.size
        else:
            self.broken = BrokenStretch(start=self._held_up_to, end=head.size)

    def finish(self, *, unsettled: int = 0) -> Verification:
        """Everything has streamed by: what was seen."""
        self._name_mismatches()
        self._compare_sizes()
        if self.broken:
            self.add(
                f"The entries do not lead to the signed checkpoint over {self.broken.end} entries: between position "
                f"{self.broken.start} and {self.broken.end - 1} they are not those that were recorded.",
                position=self.broken.start,
            )
        findings = sorted(self._findings, key=lambda f: (f.position is None, f.position or 0))
        if self._unnamed:
            findings.append(
                Finding(entry_id=None, position=None, problem=f"{self._unnamed} more findings are not listed.")
            )
        return Verification(
            size=self.leaves,
            root_hex=self.frontier.root().hex() if self._whole else "",
            checkpoints=self.checkpoints,
            findings=tuple(findings),
            unsettled=unsettled,
            key=str(self._key),
        )

    def _name_mismatches(self) -> None:
        recorded_at = {mismatch.stored: mismatch.position for mismatch in self._mismatches}
        for found in self._mismatches:
            place = recorded_at.get(found.found)
            name = f"Entry {found.entry_id} at position {found.position}"
            words = (
                f"{name} was changed after it was recorded."
                if place is None
                else f"{name} was recorded at position {place}: the order was changed."
            )
            self.add(words, entry_id=found.entry_id, position=found.position)

    def _compare_sizes(self) -> None:
        if self.surplus < 0:
            self.add(
                f"The ledger was rolled back: a checkpoint over {self._top} entries was signed, and it ends after "
                f"{self.next_position}; those from position {self.next_position} on were removed.",
                position=self.next_position,
            )
        elif self.surplus > 0:
            self.add(
                f"The entries from position {self._top} on are under no checkpoint: they were inserted, or a checkpoint was removed.",
                position=self._top,
            )
