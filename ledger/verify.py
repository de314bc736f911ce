"""Checking a ledger as it streams by: leaves against entries, the tree against every checkpoint, commitments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.entries import EntryRow, entry_leaf
from ledger.merkle import Completed, Frontier
from ledger.notes import NoteKey, NoteRefused, TreeHead, head_inside, open_note, read_tree_head
from ledger.succession import NOTHING, Succession, epoch_of

MOST_FINDINGS: Final = 200

Progress = Callable[[int, int], None]
"""Told how many entries are checked, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was recorded; entry and position where they are known."""

    entry_id: str | None
    position: int | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a verification saw: settled entries, the root over them, checkpoints, findings, entries still without a position.
    `notes`: what is no finding and worth knowing: keys that were changed, rollbacks that were accounted for."""

    size: int
    root_hex: str
    checkpoints: int
    findings: tuple[Finding, ...]
    unsettled: int
    key: str
    notes: tuple[str, ...] = ()

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

    def __init__(self, key: NoteKey, succession: Succession = NOTHING) -> None:
        self.frontier = Frontier()
        self.next_position = 0
        self.leaves = 0
        self.checkpoints = 0
        self.broken: BrokenStretch | None = None
        self._key = key
        self._succession = succession
        self._covered = 0
        self._given_up = 0
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

    def take_leaf(self, position: int, entry_id: str, stored: bytes, row: EntryRow | None) -> list[Completed]:
        """One settled entry and its stored leaf; `row` is None when the entry is gone. Gives the nodes the leaf completes."""
        self.check_entry(position, entry_id, stored, row)
        return self.place_leaf(position, entry_id, stored)

    def check_entry(self, position: int, entry_id: str, stored: bytes, row: EntryRow | None) -> None:
        """An entry against its stored leaf."""
        if row is None:
            self.add(
                f"Entry {entry_id} at position {position} was removed after it was recorded.",
                entry_id=entry_id,
                position=position,
            )
        elif (found := entry_leaf(row)) != stored:
            self._note_mismatch(Mismatch(position, entry_id, stored, found))

    def place_leaf(self, position: int, entry_id: str, stored: bytes) -> list[Completed]:
        """A leaf in its place in the tree; gives the nodes it completes."""
        if position != self.next_position:
            self._note_gap(position, entry_id)
        self.next_position = position + 1
        self.leaves += 1
        return self.frontier.grow([stored]) if self._whole else []

    def is_next(self, first: int, last: int, count: int) -> bool:
        """Whether so many leaves follow without a gap, and everything before them did."""
        return self._whole and first == self.next_position and last - first == count - 1

    def place_leaves(self, stored: Sequence[bytes]) -> list[Completed]:
        """The same for leaves that are next."""
        self.next_position += len(stored)
        self.leaves += len(stored)
        return self.frontier.grow(stored)

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

    def note_private(self, position: int, entry_id: str) -> None:
        """The private part of an entry is not what the entry committed to."""
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
        self._covered = max(self._covered, head.size)

    def open_checkpoint(self, note: str, *, elsewhere: bool = False) -> TreeHead | None:
        """What a checkpoint says, if the key signed it, or one that this key vouches for, under whatever name the log had then.
        `elsewhere`: it comes out of the order of sizes, so any of the log's keys will do."""
        try:
            said, known = head_inside(note), self._key.public
            keys = (
                self._succession.keys(known) if elsewhere else self._succession.allowed(known, said.size, self._covered)
            )
            return read_tree_head(open_note(note, [NoteKey(name=said.origin, public=one) for one in keys]))
        except NoteRefused:
            return None

    def is_given_up(self, head: TreeHead) -> bool:
        """Whether a head that was kept elsewhere is one that an accepted rollback accounts for; it is counted, not compared."""
        given_up = self._succession.gave_up(head.size, epoch_of(head.origin))
        self._given_up += given_up
        return given_up

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
        self._name_unvouched()
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
            notes=self._notes(),
        )

    def _name_unvouched(self) -> None:
        position = self._succession.unvouched(self._key.public)
        if position is not None:
            self.add(
                f"From position {position} on the log is signed with a key that the one given does not vouch for: the key "
                "before it was lost. Ask the controller for the new one, and check from its side.",
                position=position,
            )

    def _notes(self) -> tuple[str, ...]:
        links = (
            f"At position {link.position} the log {'went on with another key, the one before was lost' if link.lost else 'changed its key'}."
            for link in self._succession.links
        )
        rollbacks = (
            f"At position {one.position} somebody accounted for a rollback: from {one.lost} entries to {one.kept}."
            for one in self._succession.rollbacks
        )
        kept = f"{self._given_up} checkpoints kept elsewhere are among what was given up by that."
        return (*links, *rollbacks, *([kept] if self._given_up else []))

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
