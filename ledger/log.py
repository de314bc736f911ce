"""The ledger itself: recording, settling, reading, forgetting and proving entries."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.canonical import Json
from core.clock import Clock, iso_utc
from core.database import Database
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.leases import Lease, Leases
from ledger.agreement import Agreement, Extra
from ledger.checkpoints import Checkpoint, read_checkpoint, read_latest, stored_nodes
from ledger.entries import (
    LedgerEntry,
    Listener,
    NewEntry,
    RecordedEntry,
    commit,
    entry_ids,
    require_kind,
    require_opaque,
    written_refs,
)
from ledger.export import write_export
from ledger.merkle import consistency_proof
from ledger.notes import NoteKey, head_inside, note_parts
from ledger.reading import EntryProof, Row, batched_positions, prove_rows, read_entry, select_entries
from ledger.settling import BATCH, WaitingEntries, is_settled, last_pending, read_waiting, settle_batch
from ledger.signing import Signer
from ledger.standing import LedgerBehindError, Standing, contradiction
from ledger.succeeding import Succeeding
from ledger.tables import EntryTable, LeafTable, PendingTable, PrivateTable, RefTable, table_of
from ledger.verify import Progress, Verification
from ledger.verify_tables import verify_tables
from ledger.witnessing import WitnessKey, cosignatures, keep_cosignatures, read_cosignatures, stored_note

__all__ = ["Ledger", "Listener", "NewEntry", "RecordedEntry"]
log = structlog.get_logger()

LEASE: Final = "ledger"
# Shorter than the patience of a command, so that the next settle outlives the lease of one that was killed.
LEASE_LASTS: Final = timedelta(seconds=5)
FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.2

# Core tables and statements made once: an entry costs four of them, and recording is what every other room waits for.
INSERT_ENTRY: Final = sa.insert(table_of(EntryTable))
INSERT_PRIVATE: Final = sa.insert(table_of(PrivateTable))
INSERT_REFS: Final = sa.insert(table_of(RefTable))
INSERT_PENDING: Final = {
    "sqlite": sa.insert(table_of(PendingTable)),
    "postgresql": sa.insert(table_of(PendingTable)).values(
        xid=sa.literal_column("pg_current_xact_id()::text::bigint", sa.BigInteger())
    ),
}


class Ledger:
    """The log of everything that must be provable later; `origin` names it in checkpoints (`notes.origin_of`). `listener`:
    told of every entry in the transaction that records it, so that what it makes of them is there if they are. `head`: the file beside the database that holds the newest checkpoint, so that a database that was put back is noticed.
    `agreements` and `extras`: what must hold between the log and the tables of other rooms."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        leases: Leases,
        *,
        secret: bytes,
        origin: str,
        listener: Listener | None = None,
        head: Path | None = None,
        witnesses: Sequence[WitnessKey] = (),
        agreements: Sequence[Agreement] = (),
        extras: Sequence[Extra] = (),
    ) -> None:
        self._listener = listener
        self._database, self._clock, self._leases = database, clock, leases
        self._signer = Signer(secret, origin)
        self._standing = Standing(head)
        self._stands = head is None
        self._witnesses = tuple(witnesses)
        self._agreements, self._extras = tuple(agreements), tuple(extras)
        self.succeeding = Succeeding(database, clock, self._signer, self._standing, self._insert)

    @property
    def key(self) -> NoteKey:
        """The key that checkpoints are checked with; `str()` of it is the form to publish."""
        with self._database.read() as session:
            latest = read_latest(session)
            return self._signer.signing(session, latest.size if latest else 0).key

    def record(
        self, session: Session, *, kind: str, actor: str, refs: Sequence[str], private: Mapping[str, Json]
    ) -> str:
        """Insert an entry in the caller's write transaction; gives its id. It is proven once `settle` has run after the commit.

        Actor and refs are opaque ids; whatever may be personal goes into `private`, of which the entry holds a commitment.
        """
        return self.record_all(session, [NewEntry(kind=kind, actor=actor, refs=refs, private=private)])[0]

    def record_all(self, session: Session, entries: Sequence[NewEntry]) -> list[str]:
        """The same for several at once, in their order: four statements however many they are.

        Raises LedgerBehindError where the log was put back and nobody has said why."""
        if not self._stands:
            self._standing.require(session)
            self._stands = True
        return self._insert(session, entries)

    def _insert(self, session: Session, entries: Sequence[NewEntry]) -> list[str]:
        now, rows, held, named, ids = self._clock.now(), [], [], [], list[str]()
        at = iso_utc(now)
        for entry_id, one in zip(entry_ids(now, len(entries)), entries, strict=True):
            require_kind(one.kind)
            require_opaque(one.actor, one.refs)
            refs, kept = list(dict.fromkeys(one.refs)), commit(one.private)
            row = {"id": entry_id, "at": at, "kind": one.kind, "actor": one.actor}
            rows.append({**row, "refs": written_refs(refs), "commitment": kept.value})
            held.append({"entry_id": entry_id, "salt": kept.salt, "private": kept.private})
            named += [{"ref": ref, "entry_id": entry_id} for ref in refs]
            ids.append(entry_id)
        if not ids:
            return ids
        session.execute(INSERT_ENTRY, rows)
        session.execute(INSERT_PRIVATE, held)
        if named:
            session.execute(INSERT_REFS, named)
        session.execute(INSERT_PENDING[self._database.dialect], [{"entry_id": entry_id} for entry_id in ids])
        if self._listener is not None:
            pairs = zip(ids, entries, strict=True)
            self._listener(session, [RecordedEntry(id=entry_id, at=now, entry=one) for entry_id, one in pairs])
        return ids

    def settle(self, *, patience: timedelta = timedelta(seconds=10)) -> Checkpoint:
        """Put every entry that is committed by now under a checkpoint; gives the latest.

        Waits up to `patience` for another process that settles, or for a write transaction that holds entries back;
        then returns all the same: `waiting()` names what still waits, and why. Raises CheckFailed, and signs nothing,
        when the stored tree is not the one that was signed last; Conflict when there is no checkpoint to give yet.
        """
        self._require_standing()
        with self._database.read() as session:
            goal, latest = last_pending(session), read_latest(session)
        if goal is None and latest is not None:
            self._standing.note(latest)
            return latest
        deadline, pause = time.monotonic() + patience.total_seconds(), FIRST_PAUSE
        while not self._settle_once(goal or 0):
            if time.monotonic() >= deadline:
                self._log_waiting()
                break
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        checkpoint = self.latest()
        if checkpoint is None:
            raise Conflict("The ledger is being settled by another process.", remedy="Run the same command again.")
        self._standing.note(checkpoint)
        return checkpoint

    def _require_standing(self) -> None:
        try:
            with self._database.read() as session:
                self._standing.require(session)
        except LedgerBehindError:
            self._stands = False
            raise

    def is_behind(self) -> bool:
        """Whether the log was put back and nobody has said why: it is verified all the same, and nothing is recorded."""
        try:
            self._require_standing()
        except LedgerBehindError:
            return True
        return False

    def learn(self, note: str) -> str:
        """A checkpoint of this log that was found elsewhere. Gives what is wrong between it and the log, empty where nothing
        is. What the log's own key signed and it no longer holds stops all recording until a person says why."""
        with self._database.read() as session:
            head = self._signer.open(session, note)
            trouble = contradiction(session, head)
        if trouble:
            self._standing.write(note)
            self._stands = False
        return trouble

    def accept_rollback(self, *, by: str, reason: str) -> Checkpoint:
        """Account for what was signed and is gone, and go on under another name. Raises NotFound where nothing is."""
        self.succeeding.accept_rollback(by=by, reason=reason)
        with self._database.read() as session:
            goal = last_pending(session)
        if not self._settle_once(goal or 0):
            raise Conflict("The ledger is being settled by another process.", remedy="Run the same command again.")
        checkpoint = self.latest()
        assert checkpoint is not None  # settled just now
        self._standing.write(checkpoint.note)
        return checkpoint

    def _settle_once(self, goal: int) -> bool:
        """Settle what can be; gives whether everything up to the goal is."""
        lease = self._leases.take(LEASE, holder=new_id("settle"), lasts=LEASE_LASTS)
        if lease is not None:
            try:
                while self._settle_batch(lease) == BATCH:
                    self._leases.renew(lease, lasts=LEASE_LASTS)
            except Conflict:
                return False  # it took too long, and another process goes on with it
            finally:
                self._leases.release(lease)
        with self._database.read() as session:
            return is_settled(session, goal) and (lease is not None or read_latest(session) is not None)

    def _settle_batch(self, lease: Lease) -> int:
        with self._database.begin() as session:
            # The lease's row stays locked to the end of the transaction: nobody else can take over in the middle.
            self._leases.require(session, lease)
            return settle_batch(session, signer=self._signer, now=self._clock.now())

    def _log_waiting(self) -> None:
        left = self.waiting()
        log.warning("ledger entries wait", count=left.count, entries=list(left.entry_ids), reason=left.reason)

    def latest(self) -> Checkpoint | None:
        """The checkpoint over the most entries."""
        with self._database.read() as session:
            return read_latest(session)

    def waiting(self) -> WaitingEntries:
        """The entries that are under no checkpoint yet."""
        with self._database.read() as session:
            return read_waiting(session)

    def verify(
        self, *, seen: Sequence[str] = (), agree: bool = True, on_progress: Progress | None = None
    ) -> Verification:
        """Recompute everything and compare; `seen` are checkpoint notes kept elsewhere, which must still hold. Without `agree`
        the tables of other rooms are left out."""
        known = self._standing.read()
        return verify_tables(
            self._database,
            self.key,
            seen=[*seen, *([known] if known else [])],
            agreements=self._agreements if agree else (),
            extras=self._extras if agree else (),
            on_progress=on_progress,
        )

    def checkpoint_note(self) -> str:
        """The latest checkpoint, with the cosignatures that witnesses gave for it. Raises NotFound before the first."""
        with self._database.read() as session:
            latest = read_latest(session)
            if latest is None:
                raise NotFound("The ledger has no checkpoint yet.")
            return latest.note + "".join(
                f"{one.line}\n" for one in cosignatures(session, [latest.size]).get(latest.size, [])
            )

    def consistency(self, old: int, new: int | None = None) -> tuple[Checkpoint, list[bytes]]:
        """The checkpoint over `new` entries (None: the latest), and the proof that the tree of `old` is its beginning."""
        with self._database.read() as session:
            latest = read_latest(session)
            if latest is None:
                raise NotFound("The ledger has no checkpoint yet.")
            found = latest if new is None else read_checkpoint(session, new)
            if found is None:
                raise NotFound(f"There is no checkpoint over {new} entries.")
            if not 0 <= old <= found.size:
                raise BadInput(f"A tree of {old} entries is no beginning of one of {found.size}.")
            return found, consistency_proof(old, found.size, stored_nodes(session))

    def cosign(self, note: str) -> int:
        """Keep the cosignatures of known witnesses under a checkpoint of this log; gives how many are new. Raises NoteRefused
        for a known witness whose signature fails, BadInput where none is known, NotFound for a checkpoint that is not ours."""
        head, text = head_inside(note), note_parts(note)[0]
        found = read_cosignatures(note, self._witnesses)
        if not found:
            raise BadInput(
                "No known witness cosigned this.", remedy="Name its key under `ledger.witnesses` in kept.yaml."
            )
        with self._database.begin() as session:
            stored_note(session, text, head.size)
            return keep_cosignatures(session, head.size, found)

    def forget_about(self, ref: str, *, by: str, reason: str) -> int:
        """Throw away the salts and private parts of every entry that names an id, and record that; gives how many went."""
        with self._database.begin() as session:
            named = sa.select(RefTable.entry_id).where(RefTable.ref == ref)
            done = session.execute(
                sa.delete(PrivateTable).where(PrivateTable.entry_id.in_(named)).returning(PrivateTable.entry_id)
            ).all()
            if not done:
                raise NotFound(f"No entry that names '{ref}' has a private part.", remedy="Check the id.")
            private: dict[str, Json] = {"entries": len(done), "reason": reason}
            self.record(session, kind="ledger.forgotten", actor=by, refs=[ref], private=private)
            return len(done)

    def export(self, path: Path) -> int:
        """Write entries, leaves and checkpoints to a file that `export.verify_file` checks; gives the number of entries."""
        return write_export(self._database, self.key, path)

    def entries(
        self,
        session: Session,
        *,
        ref: str | None = None,
        kind: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[LedgerEntry]:
        """The latest entries first, those without a position at the top; `before` gives only positions below it."""
        found: dict[str, LedgerEntry] = {}
        if before is None:
            wanted = select_entries(sa.null(), ref, kind).join(PendingTable, PendingTable.entry_id == EntryTable.id)
            for row in session.execute(wanted.order_by(PendingTable.seq.desc()).limit(limit)):
                found[row.id] = read_entry(row)
        wanted = select_entries(LeafTable.position, ref, kind).join(LeafTable, LeafTable.entry_id == EntryTable.id)
        if before is not None:
            wanted = wanted.where(LeafTable.position < before)
        for row in session.execute(wanted.order_by(LeafTable.position.desc()).limit(limit)):
            found[row.id] = read_entry(row)
        return list(found.values())[:limit]

    def openings(self, session: Session, entry_ids: Collection[str]) -> dict[str, tuple[bytes, str]]:
        """The salt and the canonical private part of entries, by id: who holds them can check what an entry commits to."""
        wanted = sa.select(PrivateTable).where(PrivateTable.entry_id.in_(entry_ids))
        return {row.entry_id: (row.salt, row.private) for row in session.execute(wanted).scalars()}

    def forget(self, session: Session, entry_id: str) -> None:
        """Throw away the salt and the private part of an entry: it means nothing from then on, and the tree still verifies."""
        session.execute(sa.delete(PrivateTable).where(PrivateTable.entry_id == entry_id))

    def prove(self, ref: str) -> list[str]:
        """The proof files, as text, of the entries that name an id, in the order of the ledger."""
        return [proof.text for proof in self.proofs(ref)]

    def proofs(self, ref: str) -> list[EntryProof]:
        """The proofs of the entries that name an id, each with the entry it is about; those that wait have none yet."""
        with self._database.read() as session:
            latest = read_latest(session)
            wanted = select_entries(LeafTable.position, ref, None).join(LeafTable, LeafTable.entry_id == EntryTable.id)
            size = latest.size if latest else 0
            rows = session.execute(wanted.where(LeafTable.position < size).order_by(LeafTable.position)).all()
            if not rows or latest is None:
                raise NotFound(
                    f"No entry under a checkpoint names '{ref}'.", remedy="Check the id; new entries take a second."
                )
            return prove_rows(session, rows, latest)

    def proofs_at(self, positions: Collection[int]) -> list[EntryProof]:
        """The same of the entries at positions, in the order of the ledger; of those under no checkpoint, none."""
        with self._database.read() as session:
            latest = read_latest(session)
            if latest is None:
                return []
            wanted = select_entries(LeafTable.position, None, None)
            wanted = wanted.join(LeafTable, LeafTable.entry_id == EntryTable.id).order_by(LeafTable.position)
            rows: list[Row] = []
            for some in batched_positions(sorted(one for one in positions if one < latest.size)):
                rows += session.execute(wanted.where(LeafTable.position.in_(some))).all()
            return prove_rows(session, rows, latest)
