"""Makes the tables of every room in an empty control database."""

from __future__ import annotations

import importlib
import importlib.util

from core.database import Base, Database

TABLES = (
    "core.heartbeats", "core.idempotency", "core.leases", "core.one_time", "core.operators", "core.outbox", "ledger.tables", "policies.tables",
    "policies.versions", "policies.acceptance_tables", "policies.drafts", "policies.papers", "plans.tables", "plans.holds", "checks.tables", "retention.tables", "retention.sweeps", "promises.evidence", "notify.tables", "notify.campaign_tables", "notify.mail", "dsr.tables",
)  # fmt: skip


def import_tables() -> None:
    """Let every room declare its tables."""
    for name in TABLES:
        if importlib.util.find_spec(name.partition(".")[0]) and importlib.util.find_spec(name):
            importlib.import_module(name)


def make_tables(database: Database) -> None:
    """Create all tables."""
    import_tables()
    Base.metadata.create_all(database.engine)
