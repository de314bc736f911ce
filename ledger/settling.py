"""Settling: entries that wait get positions in commit order, the tree grows by them, a checkpoint is signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import parse_iso
from core.errors import CheckFailed
from ledger.checkpoints import REMEDY, Checkpoint, read_latest, stored_nodes
from ledger.entries import EntryRow, entry_leaf
from ledger.merkle import Completed, Frontier, load_frontier
from ledger.notes import TreeHead, sign_note, write_tree_head
from ledger.signing import Signer, Signing
from ledger.tables import CheckpointTable, EntryTable, LeafTable, NodeTable, PendingTable, table_of

BATCH: Final = 10_000
NAMED: Final = 20

# A transaction id at or past the snapshot's end comes from another cluster (a dump that was restored): it has committed.
BELOW_OPEN_TRANSACTIONS: Final = sa.text(
    "(ledger_pending.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    " OR ledger_pending.xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)"
)
OLDEST_WRITER: Final = sa.text(
    "SELECT pid, coalesce(nullif(application_name, ''), 'unnamed') AS name, xact_start FROM pg_stat_activity"
    " WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY age(backend_xid) DESC LIMIT 1"
)


@dataclass(frozen=True, kw_only=True)
class WaitingEntries:
    """Entries without a position: how many, since when, the first of them by id, and what holds them up, as far as is known."""

    count: int
    oldest_at: datetime | None
    entry_ids: tuple[str, ...] = ()
    reason: str = ""


def read_waiting(session: Session) -> WaitingEntries:
    """What waits for a position now."""
    count = session.execute(sa.select(sa.func.count()).select_from(PendingTable)).scalar_one()
    if not count:
        return WaitingEntries(count=0, oldest_at=None)
    joined = sa.join(PendingTable, EntryTable, EntryTable.id == PendingTable.entry_id)
    oldest = session.execute(sa.select(sa.func.min(EntryTable.at)).select_from(joined)).scalar_one()
    ids = session.execute(sa.select(PendingTable.entry_id).order_by(PendingTable.seq).limit(NAMED)).scalars()
    return WaitingEntries(
        count=count, oldest_at=parse_iso(oldest) if oldest else None, entry_ids=tuple(ids), reason=_find_reason(session)
    )


def _find_reason(session: Session) -> str:
    if session.get_bind().dialect.name != "postgresql":
        return ""
    row = session.execute(OLDEST_WRITER).one_or_none()
    if row is None:
        return ""
    return f"A write transaction of '{row.name}' (server process {row.pid}) is open since {row.xact_start:%Y-%m-%d %H:%M:%S}."


def last_pending(session: Session) -> int | None:
    """The sequence number of the youngest entry that waits."""
    return session.execute(sa.select(sa.func.max(PendingTable.seq))).scalar_one_or_none()


def is_settled(session: Session, up_to: int) -> bool:
    """Whether nothing waits any more among the entries up to a sequence number."""
    return session.execute(sa.select(PendingTable.seq).where(PendingTable.seq <= up_to).limit(1)).first() is None


def settle_batch(session: Session, *, signer: Signer, now: datetime) -> int:
    """Inside a write transaction, under the ledger's lease: settle up to BATCH entries; gives how many it settled."""
    latest = read_latest(session)
    frontier = _load_checked(session, latest, signer)
    rows = _read_ready(session)
    if not rows and latest is not None:
        return 0
    signing = signer.require_own(session, frontier.size)
    signer.note_first(session, signing, now)
    leaves = _number(rows, frontier.size)
    nodes = frontier.grow([leaf["leaf"] for leaf in leaves])
    _insert_tree(session, leaves, nodes)
    if rows:
        session.execute(sa.delete(table_of(PendingTable)).where(PendingTable.seq.in_([row.seq for row in rows])))
    session.execute(sa.insert(table_of(CheckpointTable)), _sign(frontier, signing, now))
    return len(rows)


def _load_checked(session: Session, latest: Checkpoint | None, signer: Signer) -> Frontier:
    """The tree as it stands, refused unless it is the one that the last checkpoint was signed for.

    So two checkpoints that contradict one another are never signed, whatever was done to the tables.
    """
    size = latest.size if latest else 0
    top = session.execute(sa.select(sa.func.max(LeafTable.position))).scalar_one_or_none()
    leaves = 0 if top is None else top + 1
    if leaves != size:
        raise CheckFailed(f"The ledger holds {leaves} entries, and its last checkpoint {size}.", remedy=REMEDY)
    frontier = load_frontier(size, stored_nodes(session))
    if latest is not None:
        head = signer.open(session, latest.note)
        if (head.size, head.root) != (frontier.size, frontier.root()):
            raise CheckFailed("The ledger's tree does not lead to its last checkpoint.", remedy=REMEDY)
    return frontier


def _read_ready(session: Session) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    wanted = (
        sa.select(PendingTable.seq, *(column for column in EntryTable.__table__.columns))
        .join(EntryTable, EntryTable.id == PendingTable.entry_id)
        .order_by(PendingTable.seq)
        .limit(BATCH)
    )
    if session.get_bind().dialect.name == "postgresql":
        wanted = wanted.where(BELOW_OPEN_TRANSACTIONS)
    return session.execute(wanted).all()


def _number(rows: Sequence[sa.Row[*tuple[Any, ...]]], size: int) -> list[dict[str, Any]]:
    return [
        {
            "position": position,
            "entry_id": row.id,
            "leaf": entry_leaf(
                EntryRow(id=row.id, at=row.at, kind=row.kind, actor=row.actor, refs=row.refs, commitment=row.commitment)
            ),
        }
        for position, row in enumerate(rows, start=size)
    ]


def _insert_tree(session: Session, leaves: list[dict[str, Any]], nodes: list[Completed]) -> None:
    if leaves:
        session.execute(sa.insert(table_of(LeafTable)), leaves)
    if nodes:
        session.execute(
            sa.insert(table_of(NodeTable)),
            [{"level": level, "idx": index, "hash": value} for level, index, value in nodes],
        )


def _sign(frontier: Frontier, signing: Signing, now: datetime) -> dict[str, Any]:
    head = TreeHead(origin=signing.name, size=frontier.size, root=frontier.root())
    note = sign_note(write_tree_head(head), name=signing.name, private=signing.private)
    return {"size": head.size, "root": head.root, "at": now, "note": note}
