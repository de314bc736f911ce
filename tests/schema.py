"""Makes the tables of every room in an empty control database; a SQLite file is a copy of one made before."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from core.database import Base, Database
from core.migrations import upgrade

TABLES = (
    "core.heartbeats", "core.idempotency", "core.leases", "core.one_time", "core.operators", "core.outbox", "ledger.tables", "ledger.keeping_tables", "policies.tables",
    "policies.versions", "policies.own", "policies.acceptance_tables", "policies.drafts", "policies.papers", "plans.tables", "plans.task_tables", "plans.holds", "checks.tables", "retention.tables", "retention.sweeps", "promises.evidence", "promises.history", "promises.alerting", "promises.attestation_tables", "promises.disclosure_tables", "promises.record_tables", "notify.tables", "notify.campaign_tables", "notify.mail", "notify.suppression_tables", "notify.wording_tables", "notify.webhook_tables", "dsr.tables", "dsr.asker_tables", "dsr.answer_tables", "dsr.correction_tables", "dsr.proof_tables", "dsr.rights_tables", "dsr.conversations_tables", "dsr.message_tables", "dsr.redaction_tables", "dsr.erasure_tables", "dsr.ways_in_tables", "dsr.telling_tables", "inbox.tables", "inbox.letter_tables",
)  # fmt: skip


def import_tables() -> None:
    """Let every room declare its tables."""
    for name in TABLES:
        if importlib.util.find_spec(name.partition(".")[0]) and importlib.util.find_spec(name):
            importlib.import_module(name)


def make_tables(database: Database) -> None:
    """Create all tables."""
    path = _file_of(database)
    if path is None or path.exists():
        _create_all(database)
    else:
        write_private(path, _file_after(_create_all))


def write_migrated(path: Path) -> None:
    """A control database on SQLite as the migrations leave it."""
    write_private(path, _file_after(upgrade))


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner reads, as Kept makes its own."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def _create_all(database: Database) -> None:
    import_tables()
    Base.metadata.create_all(database.engine)


def _file_of(database: Database) -> Path | None:
    name = database.url.database
    return Path(name) if database.dialect == "sqlite" and name else None


@cache
def _file_after(make: Callable[[Database], None]) -> bytes:
    """A SQLite database with what `make` does to an empty one: done once in a process, it takes a fifth of a second."""
    with tempfile.TemporaryDirectory() as folder:
        made = Database(f"sqlite:///{folder}/kept.db")
        make(made)
        made.close()
        return Path(folder, "kept.db").read_bytes()
