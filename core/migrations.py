"""The schema of the control database: brought up to this code's version at start, refused when it is newer."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from core.database import Base, Database
from core.errors import ConfigurationError
from core.rendering import ROOT

SCRIPTS: Final = ROOT / "migrations"
# Serialises two processes that start at the same time on PostgreSQL; any constant will do, it only has to be the same.
ADVISORY_LOCK: Final = 6_117_081_219


def current_revision(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""
    with database.answering(), database.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(sa.text("SELECT version_num FROM alembic_version")).first()
        return str(row[0]) if row else None


def upgrade(database: Database) -> None:
    """Bring the schema up to date. Raises ConfigurationError, touching nothing, if the database is newer than the code."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    database.ping()
    at = current_revision(database)
    if at == scripts.get_current_head():
        return
    if at is not None and at not in {script.revision for script in scripts.walk_revisions()}:
        raise ConfigurationError(
            f"The control database is at revision {at}, which this version of Kept does not know.",
            remedy="Start the newer version again, restore the backup made before it, or name a database of Kept's own.",
        )
    with database.answering(), database.engine.begin() as connection:
        if database.dialect == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        if at is None:
            _refuse_foreign(connection, database)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _refuse_foreign(connection: sa.Connection, database: Database) -> None:
    """A database of another program may have tables of the same names. Another process of Kept may have been first."""
    names = set(sa.inspect(connection).get_table_names())
    taken = sorted(names & set(Base.metadata.tables))
    if taken and "alembic_version" not in names:
        raise ConfigurationError(
            f"The database {database.url.database} has tables of another program, such as '{taken[0]}'.",
            remedy="Nothing was changed. Make a database for Kept alone, and name it as service.database.",
        )
