"""The ledger itself: recording, settling, reading, forgetting and proving entries."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from core.canonical import Json, canonical
from core.clock import Clock, iso_utc, parse_iso
from core.database import Database
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.keys import signing_key
from core.leases import Lease, Leases
from ledger.checkpoints import Checkpoint, read_latest, stored_nodes
from ledger.entries import EntryRow, LedgerEntry, canonical_entry, commit, require_kind, require_opaque
from ledger.export import write_export
from ledger.merkle import NodeAt, inclusion_proof
from ledger.notes import NoteKey, Proof, key_of, write_proof
from ledger.settling import BATCH, WaitingEntries, is_settled, last_pending, read_waiting, settle_batch
from ledger.tables import EntryTable, LeafTable, PendingTable, PrivateTable, RefTable, table_of
from ledger.verify import Verification
from ledger.verify_tables import verify_tables

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


@dataclass(frozen=True, kw_only=True)
class EntryProof:
    """That an entry is in the ledger: its position, the canonical entry that the leaf is made of, the proof file's text."""

    entry_id: str
    position: int
    entry: str
    text: str


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """What is about to be recorded, as `Ledger.record` takes it."""

    kind: str
    actor: str
    refs: Sequence[str]
    private: Mapping[str, Json]


class Ledger:
    """The log of everything that must be provable later; `origin` names it in checkpoints (`notes.origin_of`)."""

    def __init__(self, database: Database, clock: Clock, leases: Leases, *, secret: bytes, origin: str) -> None:
        self._database = database
        self._clock = clock
        self._leases = leases
        self._private = signing_key(secret, "ledger")
        self._origin = origin

    @property
    def key(self) -> NoteKey:
        """The key that checkpoints are checked with; `str()` of it is the form to publish."""
        return key_of(self._private, self._origin)

    def record(
        self, session: Session, *, kind: str, actor: str, refs: Sequence[str], private: Mapping[str, Json]
    ) -> str:
        """Insert an entry in the caller's write transaction; gives its id. It is proven once `settle` has run after the commit.

        Actor and refs are opaque ids; whatever may be personal goes into `private`, of which the entry holds a commitment.
        """
        return self.record_all(session, [NewEntry(kind=kind, actor=actor, refs=refs, private=private)])[0]

    def record_all(self, session: Session, entries: Sequence[NewEntry]) -> list[str]:
        """The same for several at once, in their order: four statements however many they are."""
        at, rows, held, named, ids = iso_utc(self._clock.now()), [], [], [], list[str]()
        for one in entries:
            require_kind(one.kind)
            require_opaque(one.actor, one.refs)
            refs, kept, entry_id = list(dict.fromkeys(one.refs)), commit(one.private), new_id("ent")
            row = {"id": entry_id, "at": at, "kind": one.kind, "actor": one.actor}
            rows.append({**row, "refs": canonical(refs).decode(), "commitment": kept.value})
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
        return ids

    def settle(self, *, patience: timedelta = timedelta(seconds=10)) -> Checkpoint:
        """Put every entry that is committed by now under a checkpoint; gives the latest.

        Waits up to `patience` for another process that settles, or for a write transaction that holds entries back;
        then returns all the same: `waiting()` names what still waits, and why. Raises CheckFailed, and signs nothing,
        when the stored tree is not the one that was signed last; Conflict when there is no checkpoint to give yet.
        """
        with self._database.read() as session:
            goal, latest = last_pending(session), read_latest(session)
        if goal is None and latest is not None:
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
            return settle_batch(session, private=self._private, origin=self._origin, now=self._clock.now())

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

    def verify(self, *, seen: Sequence[str] = ()) -> Verification:
        """Recompute everything and compare; `seen` are checkpoint notes kept elsewhere, which must still hold."""
        return verify_tables(self._database, self.key, seen=seen)

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
            wanted = _select(sa.null(), ref, kind).join(PendingTable, PendingTable.entry_id == EntryTable.id)
            for row in session.execute(wanted.order_by(PendingTable.seq.desc()).limit(limit)):
                found[row.id] = _read(row)
        wanted = _select(LeafTable.position, ref, kind).join(LeafTable, LeafTable.entry_id == EntryTable.id)
        if before is not None:
            wanted = wanted.where(LeafTable.position < before)
        for row in session.execute(wanted.order_by(LeafTable.position.desc()).limit(limit)):
            found[row.id] = _read(row)
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
            wanted = _select(LeafTable.position, ref, None).join(LeafTable, LeafTable.entry_id == EntryTable.id)
            size = latest.size if latest else 0
            rows = session.execute(wanted.where(LeafTable.position < size).order_by(LeafTable.position)).all()
            if not rows or latest is None:
                raise NotFound(
                    f"No entry under a checkpoint names '{ref}'.", remedy="Check the id; new entries take a second."
                )
            node_at = stored_nodes(session)
            return [_prove(row, latest, node_at) for row in rows]


def _select(position: sa.ColumnElement[Any] | Any, ref: str | None, kind: str | None) -> sa.Select[*tuple[Any, ...]]:
    wanted = (
        sa.select(*EntryTable.__table__.columns, sa.label("position", position), PrivateTable.private)
        .select_from(EntryTable)
        .outerjoin(PrivateTable, PrivateTable.entry_id == EntryTable.id)
    )
    if ref is not None:
        wanted = wanted.join(RefTable, RefTable.entry_id == EntryTable.id).where(RefTable.ref == ref)
    return wanted if kind is None else wanted.where(EntryTable.kind == kind)


def _read(row: sa.Row[*tuple[Any, ...]]) -> LedgerEntry:
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


def _prove(row: sa.Row[*tuple[Any, ...]], latest: Checkpoint, node_at: NodeAt) -> EntryProof:
    entry = EntryRow(id=row.id, at=row.at, kind=row.kind, actor=row.actor, refs=row.refs, commitment=row.commitment)
    hashes = tuple(inclusion_proof(row.position, latest.size, node_at))
    text = write_proof(Proof(index=row.position, hashes=hashes, checkpoint=latest.note))
    return EntryProof(entry_id=row.id, position=row.position, entry=canonical_entry(entry).decode(), text=text)
