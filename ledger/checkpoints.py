"""Checkpoints as values, and how the stored tree, its nodes and its last checkpoint are read."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import CheckFailed
from ledger.merkle import NodeAt
from ledger.tables import CheckpointTable, LeafTable, NodeTable

REMEDY: Final = "Run 'kept ledger verify': it names what was changed."


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A signed statement of the tree: its number of entries, the root over them, when it was signed, the note."""

    size: int
    root: bytes
    at: datetime
    note: str

    @property
    def root_hex(self) -> str:
        return self.root.hex()


def read_latest(session: Session) -> Checkpoint | None:
    """The checkpoint over the most entries."""
    row = session.execute(
        sa.select(CheckpointTable).order_by(CheckpointTable.size.desc()).limit(1)
    ).scalar_one_or_none()
    return Checkpoint(size=row.size, root=row.root, at=row.at, note=row.note) if row else None


def read_last(session: Session, number: int) -> list[Checkpoint]:
    """The latest checkpoints, the newest first."""
    rows = session.execute(sa.select(CheckpointTable).order_by(CheckpointTable.size.desc()).limit(number)).scalars()
    return [Checkpoint(size=row.size, root=row.root, at=row.at, note=row.note) for row in rows]


def read_checkpoint(session: Session, size: int) -> Checkpoint | None:
    """The checkpoint over exactly so many entries."""
    row = session.get(CheckpointTable, size)
    return Checkpoint(size=row.size, root=row.root, at=row.at, note=row.note) if row else None


def stored_nodes(session: Session) -> NodeAt:
    """Reads the hashes of the stored tree. Raises CheckFailed where one is missing."""
    return partial(_read_node, session)


def _read_node(session: Session, level: int, index: int) -> bytes:
    if level == 0:
        wanted = sa.select(LeafTable.leaf).where(LeafTable.position == index)
    else:
        wanted = sa.select(NodeTable.hash).where(NodeTable.level == level, NodeTable.idx == index)
    value = session.execute(wanted).scalar_one_or_none()
    if value is None:
        raise CheckFailed(f"The ledger's tree has lost its node {index} of level {level}.", remedy=REMEDY)
    return value
