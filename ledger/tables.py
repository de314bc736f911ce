"""The ledger's tables, the rules their columns keep, and the triggers that let rows be inserted and nothing else."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
OPAQUE: Final = LETTERS + LETTERS.upper() + "0123456789_.:/-"
HASH: Final = sa.LargeBinary(32)


def _made_of(column: str, signs: str) -> str:
    """SQL, the same on every dialect: trimming all allowed signs from both ends leaves nothing only if there is no other."""
    return f"trim({column}, '{signs}') = ''"


class EntryTable(Base):
    """What was recorded: inserted once, never changed, every column under the leaf. `refs` is canonical JSON text."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        sa.CheckConstraint(_made_of("id", OPAQUE) + " AND length(id) > 0", name="id"),
        sa.CheckConstraint(
            "length(at) = 27 AND substr(at, 11, 1) = 'T' AND substr(at, 20, 1) = '.' AND substr(at, 27, 1) = 'Z' AND "
            + _made_of("at", "0123456789-:.TZ"),
            name="at",
        ),
        sa.CheckConstraint(_made_of("kind", LETTERS + "0123456789_.") + " AND length(kind) > 0", name="kind"),
        sa.CheckConstraint(_made_of("actor", OPAQUE) + " AND length(actor) > 0", name="actor"),
        sa.CheckConstraint(
            "substr(refs, 1, 1) = '[' AND substr(refs, length(refs), 1) = ']' AND " + _made_of("refs", OPAQUE + '[]",'),
            name="refs",
        ),
        sa.CheckConstraint(
            "length(commitment) = 64 AND " + _made_of("commitment", "0123456789abcdef"), name="commitment"
        ),
        {"sqlite_with_rowid": False},
    )
    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    at: Mapped[str] = mapped_column(sa.String(27))
    kind: Mapped[str] = mapped_column(sa.String(200))
    actor: Mapped[str] = mapped_column(sa.String(200))
    refs: Mapped[str] = mapped_column(sa.Text)
    commitment: Mapped[str] = mapped_column(sa.String(64))


class PrivateTable(Base):
    """The salt and the private part (canonical JSON text) of an entry; without this row the entry means nothing."""

    __tablename__ = "ledger_private"
    entry_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    salt: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    private: Mapped[str] = mapped_column(sa.Text)


class RefTable(Base):
    """Which entries name an id: an index over `ledger_entries.refs`, no evidence itself."""

    __tablename__ = "ledger_refs"
    ref: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    entry_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)


class PendingTable(Base):
    """Entries without a position yet.

    On SQLite `seq` grows in the order of commits, since writers queue. PostgreSQL's sequences do not, so `xid` says
    which transaction wrote the entry; only those below every transaction still open are settled.
    """

    __tablename__ = "ledger_pending"
    __table_args__ = ({"sqlite_autoincrement": True},)
    seq: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)
    entry_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    xid: Mapped[int | None] = mapped_column(sa.BigInteger)


class LeafTable(Base):
    """The position of a settled entry, from 0, and its leaf hash."""

    __tablename__ = "ledger_leaves"
    position: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    )
    entry_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    leaf: Mapped[bytes] = mapped_column(HASH)


class NodeTable(Base):
    """The complete subtrees of level 1 and more; level 0 stands in `ledger_leaves`."""

    __tablename__ = "ledger_nodes"
    __table_args__ = ({"sqlite_with_rowid": False},)
    level: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(HASH)


class CheckpointTable(Base):
    """Every checkpoint that was signed: the size and root of the tree, and the signed note that says so."""

    __tablename__ = "ledger_checkpoints"
    size: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
    )
    root: Mapped[bytes] = mapped_column(HASH)
    at: Mapped[datetime]
    note: Mapped[str] = mapped_column(sa.Text)


def table_of(mapped: type[Base]) -> sa.Table:
    """The table itself, for statements in bulk that need no mapping."""
    return Base.metadata.tables[mapped.__tablename__]


# What must be new in an inserted row. SQLite's INSERT OR REPLACE deletes without firing a delete trigger.
INSERT_ONLY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ledger_entries": "id = NEW.id",
        "ledger_leaves": "position = NEW.position OR entry_id = NEW.entry_id",
        "ledger_nodes": "level = NEW.level AND idx = NEW.idx",
        "ledger_checkpoints": "size = NEW.size",
    }
)

POSTGRESQL_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION kept_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is written once: % is refused', TG_TABLE_NAME, TG_OP;
END $$
""".strip()


def _sqlite_triggers(table: str, known: str) -> tuple[str, ...]:
    changes = tuple(
        f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is written once: {deed} is refused'); END"
        for deed in ("UPDATE", "DELETE")
    )
    exists = f"EXISTS (SELECT 1 FROM {table} WHERE {known})"  # noqa: S608  the names are ours
    replace = (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {exists} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is written once: REPLACE is refused'); END"
    )
    return (*changes, replace)


def _postgresql_triggers(table: str, _known: str) -> tuple[str, ...]:
    trigger = f"{table}_written_once"
    return (
        POSTGRESQL_FUNCTION,
        f"CREATE TRIGGER {trigger} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION kept_ledger_refuse()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}",
    )


_BY_DIALECT: Final = MappingProxyType({"sqlite": _sqlite_triggers, "postgresql": _postgresql_triggers})


def triggers_for(insert_only: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """The statements, by dialect, that let rows of these tables be inserted and nothing else; see INSERT_ONLY."""
    return {
        dialect: tuple(statement for table, known in insert_only.items() for statement in make(table, known))
        for dialect, make in _BY_DIALECT.items()
    }


def attach_triggers(insert_only: Mapping[str, str]) -> None:
    """Let the tables get their triggers wherever they are made from the declarations, without a migration."""
    for table, known in insert_only.items():
        for dialect, statements in triggers_for({table: known}).items():
            for statement in statements:
                ddl = sa.DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
                ddl = ddl.execute_if(dialect=dialect)
                sa.event.listen(Base.metadata.tables[table], "after_create", ddl)


TRIGGERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(dict(triggers_for(INSERT_ONLY)))
"""What a migration runs after it has made the tables, in this order, by dialect."""

attach_triggers(INSERT_ONLY)
